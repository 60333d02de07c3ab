"""What went wrong, by code: structured facts first, the wording of a message only where there are none.

What is known of fields stands in `patterns`, of wordings in `wordings`. A failure that was classified says why in its
details, for `wf spool show`: ``evidence: {"source": "status", "value": 429, "text": <the message, short>}``, or
``"text"`` with the words and their line. One without evidence was not recognised, and is a crash.

Wordings are for messages of errors and for stderr, never for what an agent said. Even there a line may quote
anything, so frames of stacks and the output of tests are passed over, and only the beginning of a line counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, NamedTuple

from wf_cli.contract import plain_json
from wf_cli.contract.failure import Failure
from wf_cli.runtimes.failures import patterns, reset_time, wordings
from wf_cli.runtimes.jsonlines import brief, plain
from wf_cli.runtimes.process.lines import TAIL_LIMIT

#: Characters of a message that is stored.
MESSAGE_LIMIT = 500
#: Characters of one detail, as JSON; longer ones are shortened.
DETAIL_LIMIT = 16_000
#: Characters of a line that are looked at. What follows in longer ones is what was sent or answered: AI SDK errors
#: in OpenCode's log carry the whole conversation.
LINE_LIMIT = 600
#: Lines at the end of a text that are looked at.
_LINES = 100
#: Characters of the line in the evidence, and of those before the words.
_SHOWN, _LEAD = 200, 60
#: Headers that tell when a limit ends, of Codex' windows too, and the part of their names that says so.
_RESET_HEADER = re.compile(r"(?:ratelimit|codex).*reset|(?:primary|secondary)-reset")
_RESET_FIELD = re.compile(r"reset(?:-after-seconds|-at)?")
#: Codes that end at a time which providers tell.
TIMED = ("rate_limited", "usage_limit", "overloaded")


#: What a person has to do about a program that its provider does not take any more.
_UPDATE = "update the agent's program on this machine, then work goes on by itself"


class Cause(NamedTuple):
    """Why a failure has its code."""

    code: str
    #: What told it: "status", "name", "rpc_code", "retryable", "text", "exit_code", ...
    source: str
    value: str | int | bool | None
    text: str = ""
    #: The session itself is why: there is no going on with it.
    session_over: bool = False

    def evidence(self) -> dict[str, Any]:
        """As it is stored with the failure."""
        told: dict[str, Any] = {"source": self.source, "value": self.value}
        return {**told, "text": self.text} if self.text else told


def by_status(status: int | None) -> str | None:
    """The code of an HTTP status; None when it says nothing."""
    if status is None:
        return None
    return patterns.STATUSES.get(status, "network" if 500 <= status <= 599 else None)


def wording(text: str) -> Cause | None:
    """The last line of ``text`` that is a known wording, as a cause: what ended a process is said last."""
    for line in reversed(list(_lines(text))):
        for row, pattern in _wordings():
            if (found := pattern.search(line)) is not None:
                return _told(row, line, found)
    return None


def lost(text: str) -> Cause | None:
    """The line that says that the session to go on with does not exist, wherever it stands."""
    for line in _lines(text):
        for row, pattern in _wordings()[: len(patterns.SESSION_LOST)]:
            if (found := pattern.search(line)) is not None:
                return _told(row, line, found)
    return None


def of_error(
    text: str,
    *,
    names: Iterable[str] = (),
    rpc_code: int | None = None,
    status: int | None = None,
    retryable: bool = False,
) -> Cause | None:
    """The cause of a structured error, most telling field first; ``text`` is its message. None: nobody knows."""
    cause = _of_fields(names, rpc_code, status, brief(text, _SHOWN))
    worded = wording(text) if cause is None or cause.code in ("rate_limited", "auth", "network") else None
    if worded is not None and (cause is None or _outweighs(worded, cause)):
        cause = worded
    if cause is None and retryable:
        return Cause("network", "retryable", True, brief(text, _SHOWN))
    return cause


def failure(
    message: str,
    *,
    code: str | None = None,
    cause: Cause | None = None,
    said: str | None = None,
    idle: bool = False,
    retry_after_s: float | None = None,
    now_ms: int | None = None,
    **details: Any,
) -> Failure:
    """A failure of ``cause``, else of ``code``, else of what the message suggests, else a crash.

    ``said`` is all that was said, where the message is a part of it: it may tell when a limit ends, unless
    ``retry_after_s`` does. ``idle`` says that the attempt has done nothing: if its session was the reason, then it is
    lost, and the work can begin in a new one. Details that are None are left out.
    """
    if cause is None and code is None:
        cause = wording(message)
    code = cause.code if cause is not None else code or "crashed"
    if retry_after_s is None and code in TIMED:
        retry_after_s = reset_time.seconds_until(message if said is None else said, _now_ms(now_ms))
    if len(message) > MESSAGE_LIMIT:
        details.setdefault("said", message)  # what is shown is cut at a blank, and the whole is kept
    if code == "outdated" and _UPDATE not in message:
        message = f"{brief(message, MESSAGE_LIMIT - 100)}; {_UPDATE}"
    if cause is not None:
        details["evidence"] = cause.evidence()
        if cause.session_over and idle:
            details["session_lost"] = True
    return Failure(
        code=code,
        message=brief(message, MESSAGE_LIMIT) or "no message",
        retry_after_s=retry_after_s,
        details={key: _bounded(value) for key, value in details.items() if value is not None},
    )


def retry_after(headers: Mapping[str, Any], now_ms: int | None = None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 10.2.3: seconds or a date; also ``retry-after-ms``).

    Else of the reset headers of a provider's limits. A date is compared with the local clock: a hint for a pause, no
    decision about ownership.
    """
    lower = {str(key).lower(): str(value) for key, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", lower.get(name, "")):
            return float(lower[name]) * unit
    now = _now_ms(now_ms)
    try:
        moment = parsedate_to_datetime(lower.get("retry-after", ""))
        wait_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now / 1000
    except (ValueError, TypeError, IndexError, OverflowError):
        return _reset(lower, now)
    return max(0.0, wait_s)


def _reset(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Of the limits that are used up, else of all, the wait for the last one: an earlier one may not be the one."""
    waits: dict[str, float] = {}
    for name, value in headers.items():
        if _RESET_HEADER.search(name):
            wait_s = reset_time.of_header(value, now_ms)
            if wait_s is not None:
                waits[name] = wait_s
    used_up = [wait_s for name, wait_s in waits.items() if _is_used_up(headers, name)]
    return max(used_up or waits.values(), default=None)


def _is_used_up(headers: Mapping[str, str], name: str) -> bool:
    """Whether the limit of the reset header ``name`` is the one that refuses, as its other headers tell."""
    told = {key: headers.get(_RESET_FIELD.sub(key, name), "") for key in ("remaining", "used-percent", "status")}
    full = re.fullmatch(r"\d{3,}(?:\.\d{1,9})?", told["used-percent"]) is not None
    return told["remaining"] == "0" or full or told["status"] in ("rejected", "exceeded", "exhausted")


def _now_ms(now_ms: int | None) -> int:
    return int(datetime.now(UTC).timestamp() * 1000) if now_ms is None else now_ms


def _of_fields(names: Iterable[str], rpc_code: int | None, status: int | None, text: str) -> Cause | None:
    by_name = next((name for name in names if name in patterns.NAMES), None)
    told = by_status(status)
    # The names of broken connections are those of what an agent gave up at, and the status says why it broke.
    if by_name is not None and (patterns.NAMES[by_name] != "network" or told in (None, "network")):
        return Cause(patterns.NAMES[by_name], "name", by_name, text, by_name in patterns.FULL_NAMES)
    if rpc_code is not None and (code := patterns.RPC_CODES.get(rpc_code)) is not None:
        return Cause(code, "rpc_code", rpc_code, text)
    if told is not None:
        return Cause(told, "status", status, text, status in patterns.FULL_STATUSES)
    return None


def _outweighs(worded: Cause, cause: Cause) -> bool:
    """Whether the words say better what the field only hints at."""
    if worded.code in ("outdated", "usage_limit"):  # providers use 429, 401 and 403 for spent money too
        return True
    if cause.code == "network":  # 503 is also what an overloaded provider says, and 500 what agents say of anything
        return worded.code in ("overloaded", "rate_limited", "auth", "model_not_found") or worded.session_over
    if cause.source == "rpc_code":  # -32000 begins the range that JSON-RPC leaves to servers for whatever they like
        return worded.code in ("overloaded", "rate_limited", "model_not_found")
    # 403 is also what a key gets that may use other models, or other prompts.
    return (cause.source, cause.value) == ("status", 403) and worded.code in ("model_not_found", "policy_denied")


def _lines(text: str) -> Iterator[str]:
    """The lines that may be messages, each cut to what is looked at."""
    lines = plain(text).splitlines()
    if len(lines) > 1 and len(text) > TAIL_LIMIT - 200 and len(lines[0]) > LINE_LIMIT:
        del lines[0]  # the tail of a stream, which begins in the middle of a long line
    for line in lines[-_LINES:]:
        if line and not _not_errors().search(line, 0, LINE_LIMIT):
            yield line[:LINE_LIMIT]


def _told(row: patterns.Row, line: str, found: re.Match[str]) -> Cause:
    start = max(0, found.start() - _LEAD)
    if start:  # at a blank: half of a secret would not be recognised as one
        start = line.find(" ", start, found.start()) + 1 or found.start()
    shown = line[start:]
    return Cause(row.code, "text", brief(found[0], 80), brief(shown, _SHOWN), row.session_over)


def _bounded(value: Any) -> Any:
    """``value``, or the beginning of its text: an error's data may hold a whole conversation."""
    try:
        value = plain_json.printable(value)
        said = value if isinstance(value, str) else json.dumps(value)
    except (ValueError, TypeError, RecursionError):
        return "too deeply nested"
    return value if len(said) <= DETAIL_LIMIT else brief(said, _SHOWN)


@cache
def _wordings() -> tuple[tuple[patterns.Row, re.Pattern[str]], ...]:
    """Compiled at the first failure, which most programs that import this never see."""
    return tuple((row, re.compile(row.pattern, re.IGNORECASE | re.ASCII)) for row in wordings.WORDINGS)


@cache
def _not_errors() -> re.Pattern[str]:
    return re.compile(patterns.NOT_ERRORS, re.IGNORECASE)
