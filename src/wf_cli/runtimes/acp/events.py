"""The lines of the ACP client (`acp.report`), and what they say about the attempt.

A turn succeeds when it ended with ``end_turn`` and has done something (`acp.deeds`). Every other end has an error
code: from the protocol's own words and the fields of an error first, from its wording second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wf_cli.contract.failure import Failure
from wf_cli.runtimes.acp.deeds import Deeds, Fault
from wf_cli.runtimes.acp.report import NO_MESSAGE
from wf_cli.runtimes.base import AgentEvent, Exit, Usage, Verdict
from wf_cli.runtimes.command import exit_failure, signal_name
from wf_cli.runtimes.failures import classify
from wf_cli.runtimes.jsonlines import (
    brief,
    count,
    last_words,
    names,
    number,
    obj,
    objects,
    parse_object,
    session_id,
    text,
)
from wf_cli.runtimes.jsonlines import words as told_in

#: Names under which errors carry an HTTP status, and the seconds to wait.
_STATUS = (
    *("statusCode", "status", "status_code", "httpStatus", "http_status", "http_status_code", "httpStatusCode"),
    "code",
)
_WAIT = (("retry_after_s", 1.0), ("retryAfter", 1.0), ("retry_after", 1.0), ("retryAfterMs", 0.001))
#: Messages of JSON-RPC errors that tell nothing; the words are in the error's data then.
_GENERIC = re.compile(
    r"\W*(?:(?:internal|server|unknown|unexpected)(?: server)? error|error|invalid (?:params|request)|request failed"
    r"|resource not found)\W*",
    re.IGNORECASE,
)
_USAGE = ("tokens_in", "tokens_out", "cost_usd")
SUMMARY_LIMIT = 2000


class AcpReader:
    """Reads one run."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._usage: dict[str, float | None] = {}
        self._error: dict[str, Any] | None = None
        self._result: dict[str, Any] | None = None
        self._deeds = Deeds()
        #: The call that was not answered when the client was stopped; before the client says one, there is no agent.
        self._stage = "spawn"
        #: The last refusal of the provider that the agent tries again, while it did nothing else after it.
        self._retried: dict[str, Any] | None = None
        self._noise = ""
        #: The agent's words outside of the protocol.
        self._refusal = ""

    @property
    def finished(self) -> bool:
        """Whether the turn ended by itself, well or not. A cancelled turn did not, because wf ended it."""
        ended = self._result is not None and self._result.get("stop_reason") != "cancelled"
        return ended or self._error is not None

    def feed(self, line: str) -> list[AgentEvent]:
        event = parse_object(line)
        if event is None:
            self._noise = (self._noise + line[:500] + "\n")[-2000:]
            return []
        said, kind = text(event.get("text")), text(event.get("type"))
        self._deeds.hear(kind, event)
        if kind in ("text", "tool"):
            self._retried = None
        match kind:
            case "session":
                return self._opened(event)
            case "text":
                return [AgentEvent("text", brief(said))]
            case "tool":
                return [self._tool(event)]
            case "permission":
                return [self._permission(event)]
            case "question":
                return [AgentEvent("other", brief(f"question declined: {said}"))]
            case "usage":
                return [self._uses(event)]
            case "retry":
                self._retried = event
                wait = number(event.get("wait_s")) or 0.0
                when = f" in {wait:.0f} s" if wait else ""
                return [AgentEvent("error", brief(f"provider retried{when}: {text(event.get('message'))}"))]
            case "note":
                if said.startswith(NO_MESSAGE):
                    self._refusal = (self._refusal + said.removeprefix(NO_MESSAGE) + "\n")[-2000:]
                return [AgentEvent("other", brief(said))]
            case "cancelled":
                self._stage = text(event.get("stage"))
            case "error":
                self._error = event
                return [AgentEvent("error", brief(text(event.get("message"))))]
            case "result":
                self._result = event
                return [AgentEvent("result", brief(said))]
        return []

    def verdict(self, end: Exit) -> Verdict:
        summary = text((self._result or {}).get("text"))[:SUMMARY_LIMIT]
        return Verdict(self._judge(end), self._session, self._used(), summary)

    def _used(self) -> Usage:
        read, written = self._usage.get("tokens_in"), self._usage.get("tokens_out")
        return Usage(
            None if read is None else int(read),
            None if written is None else int(written),
            self._usage.get("cost_usd"),
        )

    def _judge(self, end: Exit) -> Failure | None:
        if self._error is not None:
            failure = _failure(self._error, end, refusal=self._refusal, idle=self._deeds.idle)
            fault = self._deeds.error() if self._error.get("source") == "rpc" else None
            unknown = failure.code == "crashed" and "evidence" not in failure.details
            if fault is None or not unknown:
                return failure
            told = self._told(fault)
            return replace(told, details={**failure.details, **told.details})
        if end.stopped == "stall" and self._session is not None and not self.finished:
            return self._stalled(end)
        if self._result is None:
            failure = exit_failure(end) or Failure("crashed", "the ACP client ended without a result")
            if self._session is None and self._stage:
                failure = replace(failure, details={**failure.details, "stage": self._stage})
            return failure if not self._noise else classify.failure(self._noise, code=failure.code, **failure.details)
        reason = text(self._result.get("stop_reason"))
        fault = self._deeds.fault(reason)
        if fault is None or self._result.get("dry") is True:
            return None
        return self._told(fault, stop_reason=(reason or None) if reason != "end_turn" else None)

    def _stalled(self, end: Exit) -> Failure:
        """A turn that wf ended because of its silence: by the provider's refusal where one is known to last."""
        if self._retried is None:
            return Failure("stall", "the agent was silent", details={"idle": True} if self._deeds.idle else {})
        retried = {**self._retried, "source": "retry", "retry_after_s": self._retried.get("wait_s") or None}
        return _failure(retried, end, refusal="", idle=self._deeds.idle)

    def _told(self, fault: Fault, **facts: Any) -> Failure:
        """``fault`` as a failure, with the denial that was the last one."""
        cause = classify.Cause(fault.code, fault.source, fault.value, fault.text) if fault.source else None
        denied = self._deeds.last_denied or {}
        return classify.failure(
            fault.message,
            cause=cause,
            code=fault.code,
            idle=self._deeds.idle,
            denied=text(denied.get("what")) or None,
            rule=text(denied.get("rule")) or None,
            **facts,
        )

    def _opened(self, event: Mapping[str, Any]) -> list[AgentEvent]:
        session = session_id(event.get("id"))
        if session is None or self._session is not None:
            return []
        self._session = session
        return [AgentEvent("session", "", session)]

    def _tool(self, event: Mapping[str, Any]) -> AgentEvent:
        status, title = text(event.get("status")), text(event.get("title"))
        what = f"{text(event.get('kind'))}: {title}"
        words = {"completed": f"done: {what}", "failed": f"{what} failed: {text(event.get('output'))}"}
        return AgentEvent("tool", brief(words.get(status, what)))

    def _permission(self, event: Mapping[str, Any]) -> AgentEvent:
        word = "allowed" if event.get("allowed") is True else "denied"
        return AgentEvent("other", brief(f"{word} ({text(event.get('rule'))}): {text(event.get('what'))}"))

    def _uses(self, event: Mapping[str, Any]) -> AgentEvent:
        told = {key: value for key in _USAGE if (value := number(event.get(key))) is not None and value >= 0}
        self._usage.update(told)
        usage = self._used() if told else None
        read, written = self._usage.get("tokens_in"), self._usage.get("tokens_out")
        if read is not None and written is not None:
            return AgentEvent("usage", f"{read:.0f} tokens in, {written:.0f} out", usage=usage)
        context = event.get("context")
        words = f"{count(context)} tokens of context" if context is not None else ""
        return AgentEvent("usage", words, usage=usage)


def _failure(error: Mapping[str, Any], end: Exit, *, refusal: str, idle: bool) -> Failure:
    """An error line as a failure, with its fields in the details."""
    message = text(error.get("message")) or "unknown error"
    facts: dict[str, Any] = {key: error.get(key) for key in ("source", "stage", "data", "provider")}
    facts["rpc_code"] = error.get("code")
    match error.get("source"):
        case "rpc":
            return _rpc(error, message, facts, idle=idle)
        case "retry":
            attempt = count(error.get("attempt"))
            status = count(error.get("status")) or None
            known = classify.of_error(message, status=status)
            cause = known or classify.Cause("network", "retry", attempt, brief(message))
            wait = number(error.get("retry_after_s")) if cause.code in classify.TIMED else None
            words = f"the provider was retried {attempt} times: {message}"
            return classify.failure(words, cause=cause, idle=idle, retry_after_s=wait, status=status, **facts)
        case "choice":
            code = "model_not_found" if error.get("category") == "model" else "invalid_spec"
            return classify.failure(message, cause=_own(code, error), **facts)
        case "denied":
            what, rule = text(error.get("what")), text(error.get("rule")) or None
            cause = classify.Cause("policy_denied", "permission", rule, brief(what))
            return classify.failure(brief(message), cause=cause, denied=what or None, rule=rule)
        case "version":
            return classify.failure(message, cause=_own("runtime_missing", error), **facts)
        case "spawn":
            code = "runtime_missing" if error.get("missing") else "spawn_failed"
            return classify.failure(message, cause=_own(code, error))
        case "exit":
            return _ended(error, message, f"{refusal}{end.stderr_tail}", idle=idle)
    return classify.failure(message, code="crashed", stderr=end.stderr_tail or None, **facts)


def _own(code: str, error: Mapping[str, Any]) -> classify.Cause:
    """The cause that the ACP client itself found."""
    return classify.Cause(code, "client", text(error.get("source")), brief(text(error.get("message"))))


def _rpc(error: Mapping[str, Any], message: str, facts: dict[str, Any], *, idle: bool) -> Failure:
    parts = [obj(error, "provider"), *objects(error.get("data"))]
    # The message may say no more than "internal error", and any field of the data what the matter is.
    named = (*names(error.get("provider")), *names(error.get("data")))
    told = [*told_in(obj(error, "provider")), *told_in(error.get("data"))]
    said = [line for line in told if line.strip() and line not in named]
    words = "\n".join([message, *said])
    # Gemini answers with the HTTP status as the code of its error.
    given = [*(count(part.get(key)) for part in parts for key in _STATUS), count(error.get("code"))]
    status = next((found for found in given if 100 <= found <= 599), None)
    cause = classify.of_error(
        words,
        names=named,
        rpc_code=int(number(error.get("code")) or 0),
        status=status,
        retryable=any(part.get("retryable") is True or part.get("isRetryable") is True for part in parts),
    )
    if _GENERIC.fullmatch(message):
        worded = cause.text if cause is not None and cause.source == "text" else ""
        first = [text(part.get("message")) for part in parts] + said + list(named)
        more = next((line for line in (worded, *first) if line.strip() and line != message), "")
        more = more or (f"HTTP {status}" if status is not None else "")
        message = f"{message.rstrip('. ')}: {more}" if more else message
    return classify.failure(
        message, cause=cause, said=words, idle=idle, retry_after_s=_wait(parts), status=status, **facts
    )


def _ended(error: Mapping[str, Any], message: str, said: str, *, idle: bool) -> Failure:
    """The failure of an agent that ended without an answer. Its last words say why, unless a signal ended it."""
    exit_code = error.get("exit_code")
    if isinstance(exit_code, int) and exit_code < 0:
        message, cause = f"{message} by {signal_name(-exit_code)}", None
    else:
        cause = classify.wording(said)
    line = cause.text if cause is not None else last_words(said)
    return classify.failure(
        f"{message}: {line}" if line else message,
        cause=cause,
        code="crashed",
        said=said,
        idle=idle,
        stage=error.get("stage"),
        exit_code=exit_code,
        stderr=said or None,
    )


def _wait(parts: list[dict[str, Any]]) -> float | None:
    for part in parts:
        for key, unit in _WAIT:
            seconds = number(part.get(key))
            if seconds is not None and seconds >= 0:
                return seconds * unit
        for headers in (part.get("headers"), part.get("responseHeaders")):
            found = classify.retry_after(headers) if isinstance(headers, dict) else None
            if found is not None:
                return found
    return None
