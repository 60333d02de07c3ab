"""A dry call: start an agent that speaks ACP, open a session as an attempt would, and end it again.

It proves that the program starts, speaks the protocol, lets this user in, and offers the model and the other
choices that are configured. No prompt is sent, so no model is asked and no money is spent.

The agent runs under `AgentRun` as in an attempt, with the same limits, launcher and ways to end a process tree. An
agent that hangs therefore leaves no process behind. The call opens an empty session. OpenCode 1.x keeps such a
session in memory only; other agents may show it in their list of sessions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from wf_cli.clock import Clock
from wf_cli.contract.failure import Failure
from wf_cli.frozen import frozen
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Adapter, AgentEvent, AgentResult, Exit, Launch, Limits, Request, Verdict
from wf_cli.runtimes.jsonlines import brief, last_words, parse_object, text
from wf_cli.runtimes.process.supervise import AgentRun

#: Seconds for the whole call. OpenCode needs 4 to 6 on an idle machine, Cursor 3 to 4.
LIMIT = 45.0
GRACE = 2.0
#: Characters of an agent's last words that are shown.
_WORDS = 200


@frozen
class Answer:
    """How a dry call ended; ``failure`` is None when a session was opened as configured."""

    failure: Failure | None
    seconds: float
    #: What the agent calls itself.
    agent: str = ""
    #: The session's model, by the agent's name for it; None where it does not tell.
    model: str | None = None
    #: The number of models that could be chosen.
    models: int = 0


def call(adapter: Adapter, request: Request, clock: Clock, redact: Sequence[str] = ()) -> Answer:
    """Open a session for ``request`` with an adapter that launches an ACP client. Raises CannotStart."""
    dry = _Dry(adapter)
    request = replace(request, limits=Limits(LIMIT, LIMIT, LIMIT, grace_s=GRACE))
    with AgentRun(dry, request, clock=clock, redact=redact) as run:
        run.spawn()
        run.go()
        result = run.wait()
    heard = dry.heard
    return Answer(_failure(result, heard.stage), result.duration_s, heard.agent, heard.model, heard.models)


class _Dry:
    """An adapter's own launch, with a job that ends as soon as its session is open."""

    def __init__(self, adapter: Adapter):
        self._adapter = adapter
        self.heard = _Reader()

    def launch(self, request: Request) -> Launch:
        launch = self._adapter.launch(request)
        job = json.loads(launch.stdin)
        environment = dict(launch.environment)
        if job["opencode"]:
            environment["OPENCODE_DB"] = ":memory:"
        return replace(launch, stdin=json.dumps({**job, "dry": True}).encode(), environment=environment)

    def reader(self, request: Request) -> _Reader:
        return self.heard


class _Reader:
    """An `AcpReader` that also keeps what attempts have no use for: the offers, and the stage."""

    def __init__(self) -> None:
        self._reader = AcpReader()
        self.agent = ""
        self.model: str | None = None
        self.models = 0
        #: The call that the agent did not answer.
        self.stage = ""

    @property
    def finished(self) -> bool:
        return self._reader.finished

    def feed(self, line: str) -> list[AgentEvent]:
        event = parse_object(line) or {}
        match event.get("type"):
            case "session":
                self.agent = brief(text(event.get("agent")), 60)
            case "offer" if event.get("category") == "model":
                self.model = brief(text(event.get("current")), 100) or None
                values = event.get("values")
                self.models = len(values) if isinstance(values, list) else 0
            case "cancelled":
                self.stage = text(event.get("stage"))
        return self._reader.feed(line)

    def verdict(self, end: Exit) -> Verdict:
        return self._reader.verdict(end)


def _failure(result: AgentResult, stage: str) -> Failure | None:
    failure = result.verdict.failure
    if failure is None:
        return None
    if result.exit.stopped in ("startup", "stall", "max_runtime"):
        what = f"answer to {stage}" if stage else "sign of life"
        failure = replace(failure, message=f"no {what} within {LIMIT:g} s")
    last = last_words(result.exit.stderr_tail)
    # The answer of an agent says what is wrong. Its log would hide that, so the log is shown only without an answer.
    said = failure.details.get("source") in ("choice", "version") or not last or last[:80] in failure.message
    return failure if said else replace(failure, message=f"{failure.message}; stderr: {brief(last, _WORDS)}")
