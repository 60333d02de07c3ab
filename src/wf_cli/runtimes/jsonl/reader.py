"""Reads JSON lines by the rules of `jsonl.rules`.

The verdict, most telling fact first:

1. The last line of ``error`` that no ``result`` followed: a failure, classified by its status, names and words.
2. A refusal that the agent tries again and again (``retry``): limits, a refused login. The agent gets
   `RESULT_GRACE` to come through, and is ended then. A retry for any other reason is the agent's own matter.
3. An exit code other than 0: a failure. Where the agent has done nothing, the words outside of the JSON explain it.
4. ``result`` is configured and no such line came: the agent broke off in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wf_cli.contract.failure import CODES, ErrorClass, Failure
from wf_cli.runtimes.base import AgentEvent, Exit, Usage, Verdict
from wf_cli.runtimes.command import exit_failure
from wf_cli.runtimes.failures import classify
from wf_cli.runtimes.jsonl.rules import Rule, Rules
from wf_cli.runtimes.jsonlines import brief, count, number, parse_object, session_id, text

#: Seconds from the result, or from a refusal that is tried again, to the end by force.
RESULT_GRACE = 20.0
#: Characters of the closing words that are kept.
SUMMARY_LIMIT = 2000
#: Characters of an error's message that are looked at.
MESSAGE_LIMIT = 8000
#: Characters of what was printed outside of JSON that are kept.
NOISE_LIMIT = 8000
#: Amounts above are no amounts.
_MOST = 1e15


class _Told(NamedTuple):
    """What an error line says."""

    message: str
    names: tuple[str, ...]
    status: int | None
    retry_after_s: float | None

    @property
    def cause(self) -> classify.Cause | None:
        return classify.of_error(self.message, names=self.names, status=self.status)


class JsonlReader:
    """Reads one run."""

    def __init__(self, rules: Rules, usage: Callable[[Usage], Usage] = lambda told: told):
        """``usage`` corrects the amounts of an agent that tells others than those of this run."""
        self._rules = rules
        self._corrected = usage
        self._session: str | None = None
        self._error: _Told | None = None
        #: The refusal that the agent tries again, while it did nothing else after it.
        self._refused: _Told | None = None
        self._done = False
        self._summary = ""
        self._noise = ""
        #: Lines that begin like an object and are none: cut, or broken.
        self._broken = 0
        #: Whether the run has done nothing yet.
        self._idle = True
        self._amounts: dict[str, float] = {}

    @property
    def finished(self) -> bool:
        """The result has come, or a refusal that the agent cannot end by trying again. Taken back by more work."""
        return self._done or self._refused is not None

    def feed(self, line: str) -> list[AgentEvent]:
        value = parse_object(line)
        if value is None:
            return self._outside(line)
        out = self._session_of(value)
        rules = self._rules
        said = _joined(rules.text, value, "\n")
        if said:
            self._works()
            self._summary = said[:SUMMARY_LIMIT]
            out.append(AgentEvent("text", brief(said)))
        done = _joined(rules.tool, value, ": ")
        if done:
            self._works()
            out.append(AgentEvent("tool", brief(done)))
        out += self._used(value)
        if rules.result is not None and rules.result.holds(value):
            self._done, self._error, self._refused = True, None, None
            self._summary = (_joined(rules.result, value, "\n") or self._summary)[:SUMMARY_LIMIT]
            if rules.error is None or not rules.error.holds(value):
                out.append(AgentEvent("result", brief(self._summary)))
        return out + self._failed(value)

    def verdict(self, end: Exit) -> Verdict:
        return Verdict(self._judge(end), self._session, self._usage(), self._summary)

    # -- lines

    def _outside(self, line: str) -> list[AgentEvent]:
        if line.lstrip().startswith("{"):
            self._broken += 1
        shown = brief(line)
        self._noise = (self._noise + text(line)[:NOISE_LIMIT] + "\n")[-NOISE_LIMIT:]
        return [AgentEvent("other", shown)] if shown else []

    def _session_of(self, value: Mapping[str, Any]) -> list[AgentEvent]:
        rule = self._rules.session
        if rule is None or self._session is not None or not rule.holds(value):
            return []
        self._session = next((found for one in rule.all(value, "at") if (found := session_id(one))), None)
        return [] if self._session is None else [AgentEvent("session", "", self._session)]

    def _used(self, value: Mapping[str, Any]) -> list[AgentEvent]:
        rule = self._rules.usage
        if rule is None or not rule.holds(value):
            return []
        told = {name: amount for name in rule.fields if (amount := _sum(rule.all(value, name))) is not None}
        if not told:
            return []
        for name, amount in told.items():
            self._amounts[name] = amount + (self._amounts.get(name, 0) if rule.add else 0)
        usage = self._usage()
        if usage == Usage():
            return []
        return [AgentEvent("usage", f"{usage.tokens_in or 0} tokens in, {usage.tokens_out or 0} out", usage=usage)]

    def _failed(self, value: Mapping[str, Any]) -> list[AgentEvent]:
        retry, error = self._rules.retry, self._rules.error
        if retry is not None and retry.holds(value):
            told = _told(retry, value)
            cause = told.cause
            # A limit and a refused login stay for longer than an agent tries.
            if cause is not None and CODES[cause.code] is ErrorClass.PARKED:
                self._refused = told
            return [AgentEvent("error", brief(f"tries again: {_with_status(told)}"))]
        if error is not None and error.holds(value):
            self._error, self._refused = _told(error, value), None
            return [AgentEvent("error", brief(self._error.message))]
        return []

    def _works(self) -> None:
        self._idle, self._done, self._refused = False, False, None

    def _usage(self) -> Usage:
        read, written = self._amounts.get("tokens_in"), self._amounts.get("tokens_out")
        return self._corrected(
            Usage(
                None if read is None else int(read),
                None if written is None else int(written),
                self._amounts.get("cost_usd"),
            )
        )

    # -- the end

    def _judge(self, end: Exit) -> Failure | None:
        if self._error is not None:
            return self._failure(self._error, end, self._error.message)
        if self._refused is not None and (end.code != 0 or end.stopped is not None):
            message = f"the agent's provider refused, and the agent tried again: {_with_status(self._refused)}"
            return self._failure(self._refused, end, message)
        if end.code != 0 and not (self._done and end.stopped == "after_result"):
            return self._explained(exit_failure(end), end)
        if self._rules.result is None or self._done:
            return None
        broken = f"; {self._broken} lines began like JSON and were none" if self._broken else ""
        message = f"the agent ended (exit code {end.code}) without the line that output.result describes{broken}"
        return self._explained(Failure("crashed", message, details={"exit_code": end.code}), end)

    def _failure(self, told: _Told, end: Exit, message: str) -> Failure:
        return classify.failure(
            message,
            cause=told.cause,
            code="crashed",
            idle=self._idle,
            retry_after_s=told.retry_after_s,
            status=told.status,
            exit_code=end.code,
            stderr=end.stderr_tail or None,
        )

    def _explained(self, failure: Failure | None, end: Exit) -> Failure | None:
        """``failure`` with the cause that was said outside of the JSON.

        Agents refuse there before they begin. Later those words may be anything, and a signal comes from outside.
        """
        if failure is None or failure.code != "crashed" or not self._idle or end.code < 0:
            return failure
        said = "\n".join(part for part in (end.stderr_tail, self._noise.strip()) if part)
        cause = classify.lost(said) or classify.wording(said)
        if cause is None:
            return failure
        return classify.failure(
            cause.text, cause=cause, said=said, idle=True, exit_code=end.code, stderr=said or None
        )


def _joined(rule: Rule | None, value: Mapping[str, Any], between: str) -> str:
    """The texts that ``rule`` finds in a line; empty when it is not for the line."""
    if rule is None or not rule.holds(value):
        return ""
    return between.join(said for one in rule.all(value, "at") if (said := text(one).strip()))


def _sum(found: list[Any]) -> float | None:
    """The sum of the amounts; None without any. What is no plausible amount counts as unknown."""
    amounts = [told for one in found if (told := number(one)) is not None and 0 <= told < _MOST]
    return sum(amounts) if amounts else None


def _told(rule: Rule, value: Mapping[str, Any]) -> _Told:
    message = "\n".join(rule.texts(value, "message"))[:MESSAGE_LIMIT]
    statuses = (_whole(one) for one in rule.all(value, "status"))
    status = next((one for one in statuses if 100 <= one <= 599), None)
    names = tuple(said for one in rule.all(value, "name") if (said := text(one)))
    waits = [wait for one in rule.all(value, "retry_after") if (wait := number(one)) is not None and wait >= 0]
    return _Told(message or "the agent reported an error", names, status, max(waits, default=None))


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else count(value)


def _with_status(told: _Told) -> str:
    return told.message if told.status is None else f"{told.message} (HTTP {told.status})"
