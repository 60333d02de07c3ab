"""A deterministic agent that does a plan's work through the real ``wf`` commands, without a model.

It is for `wf demo` and for tests. The agent is `wf_cli.runtimes.scripted.agent`; this module starts it and reads its
lines. Each is one JSON object, in a form of their own::

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
    "delay": (int, float),  # Seconds between two steps, so that a demo can be watched.
    "items": (int,),  # The number of todo items of a new plan.
    "plans": (int,),  # The most plans into which an epic is split.
    "reject_once": (list,),  # Ids of plans whose first review rejects the last item.
    "crash": (dict,),  # Command -> how many first attempts end in the middle, by SIGKILL.
    "hang": (dict,),  # Command -> how many first attempts fall silent in the middle and ignore SIGTERM.
    "error": (dict,),  # Command -> {attempts, code, message, retry_after_s}, reported instead of work.
    "usage": (dict,),  # The usage that it claims; none by default, because it uses none.
}


class ScriptedAdapter:
    """``adapter: scripted``."""

    def __init__(self, settings: RuntimeSettings):
        self._options = options.checked(settings, _OPTIONS)

    def launch(self, request: Request) -> Launch:
        environment = {**request.environment, OPTIONS_VARIABLE: json.dumps(self._options)}
        # -P keeps the working directory off the import path, because it is the checkout.
        argv = [sys.executable, "-P", "-m", "wf_cli.runtimes.scripted.agent"]
        return Launch(argv, environment, request.prompt.encode(), exit_proves="success")

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
