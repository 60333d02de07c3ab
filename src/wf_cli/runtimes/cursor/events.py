"""Cursor's stream-json (cursor.com/docs/cli/reference/output-format).

Each line is one object with a ``session_id``. The ``result`` line ends the turn and is the only verdict.
"""

from __future__ import annotations

from typing import Any, Literal

from wf_cli.contract.failure import Failure
from wf_cli.runtimes.base import AgentEvent, Exit, Usage, Verdict
from wf_cli.runtimes.failures import answers, classify
from wf_cli.runtimes.jsonlines import brief, count, last_words, names, obj, parse_object, session_id, text

#: Characters of the result text that are kept.
SUMMARY_LIMIT = 2000
#: Characters of what was printed outside of the events that are kept: a refusal is kept whole.
NOISE_LIMIT = 8000
#: Characters above which the result of a failed run may be the agent's own words; messages of errors are shorter.
PROSE = 300


class CursorReader:
    """Reads one run."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._result: dict[str, Any] | None = None
        self._noise = ""
        #: The last words of the agent.
        self._said = ""
        #: Whether the run has done nothing yet, and whether it has called a tool.
        self._idle, self._acted = True, False

    @property
    def finished(self) -> bool:
        """The result has come; the process may take its time to end, or never do so."""
        return self._result is not None

    def feed(self, line: str) -> list[AgentEvent]:
        event = parse_object(line)
        if event is None:
            # Refusals (trust, login, limits) are plain text, on either stream.
            self._noise = (self._noise + line[:NOISE_LIMIT] + "\n")[-NOISE_LIMIT:]
            return []
        out = self._session_of(event)
        match event.get("type"):
            case "assistant":
                self._idle = False
                message = _message(event)
                self._said = (self._said + message)[-SUMMARY_LIMIT:]
                out.append(AgentEvent("text", brief(message)))
            case "tool_call":
                self._idle, self._acted = False, True
                out += _tool(event)
            case "result":
                self._result = event
                kind: Literal["error", "result"] = "error" if event.get("is_error") else "result"
                usage = _usage(event)
                out.append(
                    AgentEvent(kind, brief(text(event.get("result"))), usage=usage if usage != Usage() else None)
                )
            case "error":
                message = text(event.get("message")) or text(obj(event, "error").get("message"))
                self._noise = (self._noise + message[:NOISE_LIMIT] + "\n")[-NOISE_LIMIT:]
                out.append(AgentEvent("error", brief(message)))
            case "user" | "system" | "thinking":
                pass
            case _:
                out.append(AgentEvent("other", brief(text(event.get("type")))))
        return out

    def verdict(self, end: Exit) -> Verdict:
        if self._result is None:
            return Verdict(self._no_result(end), self._session)
        # is_error has to be there and false, because an unknown shape is no success.
        summary, usage = text(self._result.get("result"))[:SUMMARY_LIMIT], _usage(self._result)
        if self._result.get("is_error") is False:
            spoke, said = not self._idle or bool(summary), self._said or summary
            failure = answers.failure_of(said, spoke=spoke, acted=self._acted, tokens=usage.tokens_out)
        else:
            failure = self._reported(self._result, end)
        return Verdict(failure, self._session, usage, summary)

    def _reported(self, result: dict[str, Any], end: Exit) -> Failure:
        """The failure that a result line reports."""
        error = text(result.get("error")) or text(obj(result, "error").get("message"))
        said = text(result.get("result"))
        # A long result that repeats what the agent has said is prose, and may speak of anything.
        prose = len(said) > PROSE and said[-SUMMARY_LIMIT:] in self._said
        message = error or ("" if prose else said)
        return classify.failure(
            message or said or "the agent reported an error",
            cause=classify.of_error(message, names=names(result)),
            code="crashed",
            idle=self._idle,
            subtype=text(result.get("subtype")) or None,
            exit_code=end.code,
        )

    def _no_result(self, end: Exit) -> Failure:
        said = "\n".join(part for part in (end.stderr_tail, self._noise.strip()) if part)
        cause = None
        if end.code >= 0:  # A signal comes from outside, so earlier words do not explain it.
            cause = (classify.lost(said) if self._idle else None) or classify.wording(said)
        last = cause.text if cause is not None else last_words(said)
        return classify.failure(
            f"no result (exit code {end.code}){': ' + last if last else ''}",
            cause=cause,
            code="crashed",
            said=said,
            idle=self._idle,
            exit_code=end.code,
            stderr=said or None,
        )

    def _session_of(self, event: dict[str, Any]) -> list[AgentEvent]:
        session = session_id(event.get("session_id"))
        if session is None or self._session is not None:
            return []
        self._session = session
        return [AgentEvent("session", "", session)]


def _message(event: dict[str, Any]) -> str:
    content = obj(event, "message").get("content")
    parts = content if isinstance(content, list) else []
    return "".join(text(obj(part).get("text")) for part in parts)


def _tool(event: dict[str, Any]) -> list[AgentEvent]:
    """A started call, or a completed one that failed: ``{"shellToolCall": {"args": .., "result": ..}}``."""
    for name, call in obj(event, "tool_call").items():
        args, result = obj(call, "args"), obj(call, "result")
        label = name.removesuffix("ToolCall")
        what = next((text(value) for value in args.values() if text(value)), "")
        if event.get("subtype") == "started":
            return [AgentEvent("tool", brief(f"{label}: {what}"))]
        if result and "success" not in result:
            return [AgentEvent("tool", brief(f"{label} {next(iter(result))}: {what}"))]
    return []


def _usage(result: dict[str, Any]) -> Usage:
    """Tokens since about 2026.09; no build tells the cost."""
    usage = obj(result, "usage")
    if not usage:
        return Usage()
    read = sum(count(usage.get(key)) for key in ("inputTokens", "cacheReadTokens", "cacheWriteTokens"))
    return Usage(read, count(usage.get("outputTokens")))
