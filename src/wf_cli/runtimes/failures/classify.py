"""Finds the error code of a failure: from structured facts first, and from a message's wording where there are none.

The known wordings are in `patterns`. A classified failure has the reason in its details, for `wf spool show`:
``evidence: {"source": "status", "value": 429, "text": <the message, short>}``, or ``"text"`` with the words and their
line. A failure without evidence was not recognised, and is a crash.

Wordings are sought in messages of errors and in stderr, never in an agent's own words. Even there a line may quote
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
from wf_cli.runtimes.failures import patterns, reset_time
from wf_cli.runtimes.jsonlines import brief, plain
from wf_cli.runtimes.process.lines import TAIL_LIMIT

#: Characters of a message that is stored.
MESSAGE_LIMIT = 500
#: Characters of one detail, as JSON; longer ones are shortened.
DETAIL_LIMIT = 16_000
#: Characters of a line that are looked at. The rest of a longer one is a request or an answer, because AI SDK errors
#: in OpenCode's log carry the whole conversation.
LINE_LIMIT = 600
#: Lines at the end of a text that are looked at.
_LINES = 100
#: Characters of the line in the evidence, and of those before the words.
_SHOWN, _LEAD = 200, 60
#: Codes that end at a time which providers tell.
_TIMED = ("rate_limited", "usage_limit")


class Cause(NamedTuple):
    """Why a failure has its code."""

    code: str
    #: The fact that told it: "status", "name", "rpc_code", "retryable", "text", "exit_code", ...
    source: str
    value: str | int | bool | None
    text: str = ""
    #: Whether the session itself is the reason, so that it cannot be resumed.
    session_over: bool = False

    def evidence(self) -> dict[str, Any]:
        """As it is stored with the failure."""
        told: dict[str, Any] = {"source": self.source, "value": self.value}
        return {**told, "text": self.text} if self.text else told


def by_status(status: int | None) -> str | None:
    """The code of an HTTP status; None when the status stands for no failure."""
    if status is None:
        return None
    return "network" if 500 <= status <= 599 else patterns.STATUSES.get(status)


def wording(text: str) -> Cause | None:
    """The last line of ``text`` that is a known wording, as a cause. A process names the reason of its end last."""
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
    """The cause of a structured error, by its most telling field; ``text`` is its message. None when unknown."""
    cause = _of_fields(names, rpc_code, status, brief(text, _SHOWN))
    worded = wording(text) if cause is None or cause.code in ("rate_limited", "auth") else None
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

    ``said`` is the whole text that the message is a part of. It may tell when a limit ends, unless ``retry_after_s``
    does. ``idle`` says that the attempt has done no work. If its session was the reason, the session is lost then,
    and the work can begin in a new one. Details that are None are left out.
    """
    if cause is None and code is None:
        cause = wording(message)
    code = cause.code if cause is not None else code or "crashed"
    if retry_after_s is None and code in _TIMED:
        retry_after_s = reset_time.seconds_until(message if said is None else said, _now_ms(now_ms))
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
    """The longest wait of the limits that are used up, else of all, because it covers each of them."""
    waits: dict[str, float] = {}
    for name, value in headers.items():
        if "ratelimit" in name and "reset" in name:
            wait_s = reset_time.of_header(value, now_ms)
            if wait_s is not None:
                waits[name] = wait_s
    used_up = [wait_s for name, wait_s in waits.items() if headers.get(name.replace("reset", "remaining")) == "0"]
    return max(used_up or waits.values(), default=None)


def _now_ms(now_ms: int | None) -> int:
    return int(datetime.now(UTC).timestamp() * 1000) if now_ms is None else now_ms


def _of_fields(names: Iterable[str], rpc_code: int | None, status: int | None, text: str) -> Cause | None:
    for name in names:
        if (code := patterns.NAMES.get(name)) is not None:
            return Cause(code, "name", name, text, name in patterns.FULL_NAMES)
    if rpc_code is not None and (code := patterns.RPC_CODES.get(rpc_code)) is not None:
        return Cause(code, "rpc_code", rpc_code, text)
    if (code := by_status(status)) is not None:
        return Cause(code, "status", status, text, status in patterns.FULL_STATUSES)
    return None


def _outweighs(worded: Cause, cause: Cause) -> bool:
    """Whether the words say better what the field only hints at."""
    if worded.code == "usage_limit":  # Providers use 429, 401 and 403 for spent money too.
        return True
    # A key that may use only other models, or other prompts, gets 403 too.
    return (cause.source, cause.value) == ("status", 403) and worded.code in ("model_not_found", "policy_denied")


def _lines(text: str) -> Iterator[str]:
    """The lines that may be messages, each cut to what is looked at."""
    lines = plain(text).splitlines()
    if len(lines) > 1 and len(text) > TAIL_LIMIT - 200 and len(lines[0]) > LINE_LIMIT:
        del lines[0]  # The tail of a stream begins in the middle of a long line.
    for line in lines[-_LINES:]:
        if line and not _not_errors().search(line, 0, LINE_LIMIT):
            yield line[:LINE_LIMIT]


def _told(row: patterns.Row, line: str, found: re.Match[str]) -> Cause:
    start = max(0, found.start() - _LEAD)
    if start:  # It is cut at a blank, because redaction does not recognise half of a secret.
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
    return tuple((row, re.compile(row.pattern, re.IGNORECASE | re.ASCII)) for row in patterns.WORDINGS)


@cache
def _not_errors() -> re.Pattern[str]:
    return re.compile(patterns.NOT_ERRORS, re.IGNORECASE)
