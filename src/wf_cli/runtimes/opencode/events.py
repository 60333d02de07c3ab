"""OpenCode's JSON events (``opencode run --format json``; docs/explanation/agent-runtimes.md says what 2.x changed).

Each line is one object with ``type``, ``timestamp``, ``sessionID``, and ``part`` or ``error``. The exit code alone is
no proof, because a run that stops at a refused permission ends with 0. Success is exit code 0, no ``error`` event,
``stop`` as the reason of the last step, and something that was said or done.
"""

from __future__ import annotations

from typing import Any

from wf_cli.contract.failure import Failure
from wf_cli.runtimes.base import AgentEvent, Exit, Usage, Verdict
from wf_cli.runtimes.command import exit_failure
from wf_cli.runtimes.failures import answers, classify
from wf_cli.runtimes.jsonlines import brief, count, names, number, obj, parse_object, session_id, text

#: Characters of the closing words that are kept.
SUMMARY_LIMIT = 2000
#: Characters of a provider's answer in which the end of a limit is looked for.
_BODY_LIMIT = 4000


class OpencodeReader:
    """Reads one run."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._reason: str | None = None
        self._error: Failure | None = None
        self._rejected: str | None = None
        self._summary = ""
        #: Whether the run has done nothing yet.
        self._idle = True
        #: Whether the agent has said or done anything, an empty step not counted.
        self._spoke = self._acted = False
        self._steps = 0
        self._tokens_in = self._tokens_out = 0
        self._cost = 0.0

    @property
    def finished(self) -> bool:
        """The last step ended with ``stop``. Taken back by a further step."""
        return self._reason == "stop" and self._error is None

    def feed(self, line: str) -> list[AgentEvent]:
        event = parse_object(line)
        if event is None:
            return []
        out = self._session_of(event)
        part = obj(event, "part")
        match event.get("type"):
            case "step_start":
                self._reason = None
            case "text":
                self._idle, self._spoke = False, True
                self._summary = text(part.get("text"))[:SUMMARY_LIMIT]
                out.append(AgentEvent("text", brief(self._summary)))
            case "tool_use":
                self._idle, self._acted = False, True
                out.append(self._tool(part))
            case "step_finish":
                out.append(self._step(part))
            case "error":
                out.append(self._failed(obj(event, "error")))
            case _:
                out.append(AgentEvent("other", brief(text(event.get("type")))))
        return out

    def verdict(self, end: Exit) -> Verdict:
        usage = self._used() if self._steps > 0 else Usage()
        return Verdict(self._judge(end), self._session, usage, self._summary)

    def _used(self) -> Usage:
        # OpenCode says 0 for models whose price it does not know.
        return Usage(self._tokens_in, self._tokens_out, self._cost if self._cost > 0 else None)

    def _judge(self, end: Exit) -> Failure | None:
        if self._error is not None:
            return self._with_stderr(self._error, end)
        if self.finished and (end.code == 0 or end.stopped == "after_result"):
            return answers.failure_of(self._summary, spoke=self._spoke, acted=self._acted, tokens=self._tokens_out)
        if end.code != 0:
            failure = exit_failure(end)
            # A signal comes from outside, so the log before it does not explain it.
            return self._with_stderr(failure, end) if failure is not None and end.code > 0 else failure
        if self._rejected is not None:
            cause = classify.Cause("policy_denied", "permission", "rejected", self._rejected)
            return classify.failure(f"a permission was refused: {self._rejected}", cause=cause)
        last = f"its last step ended with {self._reason}" if self._reason else "no step was completed"
        failure = classify.failure(
            f"OpenCode ended in the middle of its work: {last}", code="crashed", reason=self._reason
        )
        # Older versions refuse with exit code 0, too.
        return self._with_stderr(failure, end) if self._idle else failure

    def _with_stderr(self, failure: Failure, end: Exit) -> Failure:
        """``failure`` with the cause from the error log, where the events tell none (an unknown model, for example).

        An error with a status needs no log, because the log's other errors are those of requests that were repeated.
        """
        log, known = end.stderr_tail, failure.details
        if failure.code != "crashed" or "evidence" in known or "status" in known:
            return failure
        lost = classify.lost(log) if self._idle else None
        message = "the session to resume does not exist"
        if lost is None:
            own = "\n".join(line for line in log.splitlines() if "ref" in known and str(known["ref"]) in line)
            cause = classify.wording(own) or classify.wording(log)
            if cause is None:
                return failure
            message = cause.text
        return classify.failure(
            message, cause=lost or cause, said=log, idle=self._idle, exit_code=end.code, stderr=log
        )

    def _session_of(self, event: dict[str, Any]) -> list[AgentEvent]:
        session = session_id(event.get("sessionID"))
        if session is None or self._session is not None:
            return []
        self._session = session
        return [AgentEvent("session", "", session)]

    def _tool(self, part: dict[str, Any]) -> AgentEvent:
        state = obj(part, "state")
        given = obj(state, "input")
        what = next(
            (found for found in (text(state.get("title")), *(text(value) for value in given.values())) if found), ""
        )
        name = text(part.get("tool"))
        if state.get("status") != "error":
            return AgentEvent("tool", brief(f"{name}: {what}"))
        error = text(state.get("error"))
        if "rejected permission" in error:
            self._rejected = brief(f"{name}: {what}")
        return AgentEvent("tool", brief(f"{name} failed: {what}: {error}"))

    def _step(self, part: dict[str, Any]) -> AgentEvent:
        self._reason = text(part.get("reason")) or "unknown"
        self._idle = False
        self._steps += 1
        tokens = obj(part, "tokens")
        cache = obj(tokens, "cache")
        self._tokens_in += count(tokens.get("input")) + count(cache.get("read")) + count(cache.get("write"))
        self._tokens_out += count(tokens.get("output")) + count(tokens.get("reasoning"))
        self._cost += number(part.get("cost")) or 0.0
        if self.finished:
            return AgentEvent("result", brief(self._summary), usage=self._used())
        return AgentEvent("usage", f"{self._tokens_in} tokens in, {self._tokens_out} out", usage=self._used())

    def _failed(self, error: dict[str, Any]) -> AgentEvent:
        data = obj(error, "data")
        name = text(error.get("name")) or text(error.get("type"))
        message = text(data.get("message")) or text(error.get("message")) or name or "unknown error"
        status = count(data.get("statusCode")) or None
        body = text(data.get("responseBody"))  # These are the provider's words, which are not stored.
        cause = classify.of_error(
            message,
            names=(name, *names(parse_object(body))),
            status=status,
            retryable=data.get("isRetryable") is True,
        )
        self._error = classify.failure(
            message,
            cause=cause,
            said=f"{message} {body[:_BODY_LIMIT]}",
            idle=self._idle,
            retry_after_s=classify.retry_after(obj(data, "responseHeaders")),
            name=name or None,
            status=status,
            ref=text(data.get("ref")) or None,
        )
        return AgentEvent("error", brief(f"{name}: {message}"))
