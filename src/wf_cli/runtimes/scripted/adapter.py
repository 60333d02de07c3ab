"""A deterministic agent that does a plan's work through the real ``wf`` commands, without a model.

For `wf demo` and for tests. The agent itself is `scripted_agent`; this module starts it and reads its
lines, one JSON object each, which only the two of them speak::

    {"type": "session", "id": ...}           {"type": "text", "text": ...}
    {"type": "tool", "text": ...}            {"type": "usage", "tokens_in": .., "tokens_out": .., "cost_usd": ..}
    {"type": "error", "code": .., "message": .., "retry_after_s": ..}
    {"type": "result", "text": ...}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from wf_cli.contract.failure import Failure
from wf_cli.runtimes import options
from wf_cli.runtimes.base import AgentEvent, Exit, Launch, Request, RuntimeSettings, Usage, Verdict
from wf_cli.runtimes.command import exit_failure
from wf_cli.runtimes.jsonlines import brief, count, number, parse_object, session_id, text

#: Carries the options to the agent.
OPTIONS_VARIABLE = "WF_SCRIPTED"

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "delay": (int, float),  # seconds between two steps, so that a demo can be watched
    "items": (int,),  # todo items a new plan gets
    "plans": (int,),  # how many plans an epic is split into at most
    "reject_once": (list,),  # ids of plans whose first review rejects the last item
    "crash": (dict,),  # command -> the first so many attempts end in the middle, by SIGKILL
    "hang": (dict,),  # command -> the first so many attempts fall silent in the middle and ignore SIGTERM
    "error": (dict,),  # command -> {attempts, code, message, retry_after_s}: reported instead of work
    "usage": (dict,),  # what it claims to have used; without it nothing, since it uses nothing
}


class ScriptedAdapter:
    """``adapter: scripted``."""

    def __init__(self, settings: RuntimeSettings):
        self._options = options.checked(settings, _OPTIONS)

    def launch(self, request: Request) -> Launch:
        environment = {**request.environment, OPTIONS_VARIABLE: json.dumps(self._options)}
        # -P: the checkout is the working directory, and no place to import from.
        argv = [sys.executable, "-P", "-m", "wf_cli.runtimes.scripted.agent"]
        return Launch(argv, environment, request.prompt.encode())

    def reader(self, request: Request) -> ScriptedReader:
        return ScriptedReader()


class ScriptedReader:
    """Reads one run."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._usage = Usage()
        self._error: Failure | None = None
        self._result: str | None = None

    @property
    def finished(self) -> bool:
        return self._result is not None

    def feed(self, line: str) -> list[AgentEvent]:
        event = parse_object(line) or {}
        said = text(event.get("text"))
        match event.get("type"):
            case "session":
                self._session = session_id(event.get("id"))
                return [AgentEvent("session", "", self._session)] if self._session else []
            case "text":
                return [AgentEvent("text", brief(said))]
            case "tool":
                return [AgentEvent("tool", brief(said))]
            case "usage":
                tokens_in, tokens_out = event.get("tokens_in"), event.get("tokens_out")
                self._usage = Usage(
                    tokens_in=None if tokens_in is None else count(tokens_in),
                    tokens_out=None if tokens_out is None else count(tokens_out),
                    cost_usd=number(event.get("cost_usd")),
                )
                return [AgentEvent("usage")]
            case "error":
                code, message = text(event.get("code")) or "crashed", text(event.get("message"))
                self._error = Failure(code, message, retry_after_s=number(event.get("retry_after_s")))
                return [AgentEvent("error", brief(message))]
            case "result":
                self._result = said
                return [AgentEvent("result", brief(said))]
        return []

    def verdict(self, end: Exit) -> Verdict:
        failure = self._error
        if failure is None and self._result is None:
            failure = exit_failure(end) or Failure("crashed", "the agent ended without a result")
        return Verdict(failure, self._session, self._usage, self._result or "")
