"""What the worker asks of a runtime, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, Protocol

from wf_cli.contract.failure import Failure
from wf_cli.errors import WfError
from wf_cli.frozen import frozen
from wf_cli.runtimes.permissions import Permissions
from wf_cli.spool.exits import Proves


class CannotStart(WfError):
    """No process could be started for a request. The fault is this machine's, so the job burns no attempt."""

    code = "SPAWN_FAILED"
    failure_code = "spawn_failed"

    def failure(self) -> Failure:
        """The same as the end of an attempt."""
        hint = f"; {self.hint}" if self.hint else ""
        return Failure(self.failure_code, self.message + hint, details=dict(self.facts))


class RuntimeMissing(CannotStart):
    """The agent's program is not installed here, or another program has its name."""

    code = "RUNTIME_MISSING"
    failure_code = "runtime_missing"


@frozen
class Limits:
    """Three clocks of an attempt, in seconds: until its first sign of life, of silence, and of the whole."""

    startup_s: float = 120.0
    stall_s: float = 600.0
    max_runtime_s: float = 2700.0
    #: Seconds from a result to the end by force when no exit follows, and from SIGTERM to SIGKILL.
    grace_s: float = 5.0


@frozen
class RuntimeSettings:
    """One entry of ``runtimes:`` in wf.config."""

    name: str
    adapter: str
    #: The program and leading arguments of opencode and cursor (``command: [opencode]``).
    command: tuple[str, ...] = ()
    #: The whole argv template of the ``command`` adapter.
    argv: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    #: How the output of the ``command`` adapter is read (`wf_cli.runtimes.jsonl.rules`); empty: it is plain text.
    output: Mapping[str, Any] = field(default_factory=dict)
    #: How opencode and cursor are driven. ``auto`` stands for a wf.config that names none: `protocol` chooses.
    protocol: Literal["acp", "print", "auto"] = "print"
    #: The policy that answers an agent's permission requests over ACP.
    permissions: Permissions = field(default_factory=Permissions)


@frozen
class Request:
    """One attempt of one job, as its agent gets it."""

    job_id: str
    attempt: int
    role: str
    #: Plan jobs: the role prompt. Own jobs: the payload as JSON. Goes to stdin, never into argv.
    prompt: str
    #: The checkout; the agent's working directory.
    root: Path
    #: The agent's whole environment, WF_* included. Values may be secret: never in a repr or a log.
    environment: Mapping[str, str] = field(repr=False)
    #: Names of variables whose values are masked in what the agent prints, whatever the names look like.
    secret_names: frozenset[str] = frozenset()
    #: ``WF_JOB_TOKEN``: every process of the attempt carries it in its environment.
    mark: str = ""
    plan_id: str | None = None
    epic_id: str | None = None
    model: str | None = None
    #: The conversation of the attempt before, by the runtime's session id, to go on with.
    resume: str | None = None
    #: The prompt for a resumed conversation, which knows ``prompt`` already. None sends ``prompt`` again.
    resume_prompt: str | None = None
    limits: Limits = field(default_factory=Limits)


@frozen
class Launch:
    """A process to start."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    stdin: bytes = field(default=b"", repr=False)
    #: False for programs that may never print: the start of the process counts as their first sign of life.
    speaks_first: bool = True
    #: Seconds from `Reader.finished` to the end by force. None takes the grace of `Limits`.
    result_grace_s: float | None = None
    #: True: SIGTERM goes to the process alone first, because the process ends its own children. The rest of the tree
    #: is ended when the process has ended, or when the grace is over.
    ask_first: bool = False
    #: What the exit code says when nobody has heard what the process printed (`wf_cli.spool.exits`).
    exit_proves: Proves = "nothing"


@frozen
class Usage:
    """What an attempt used; None is unknown, never zero."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


@frozen
class AgentEvent:
    """One thing that an agent did, for the live view and the log. ``text`` is one short line for people."""

    kind: Literal["session", "text", "tool", "usage", "error", "result", "other"]
    text: str = ""
    session_id: str | None = None
    #: The sums of the attempt so far. Set on the events in which the agent tells its usage.
    usage: Usage | None = None


@frozen
class Exit:
    """How a process ended. ``code`` is negative for a signal, as in `subprocess`; ``stopped``: why wf ended it."""

    code: int
    stopped: str | None = None  # "startup", "stall", "max_runtime", "after_result", "asked"
    stderr_tail: str = ""


@frozen
class Verdict:
    """What the output says about the attempt. It is a claim, which the worker checks against the plan."""

    failure: Failure | None
    session_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    #: The agent's closing words, if any.
    summary: str = ""


class Reader(Protocol):
    """Understands the output of one process. Never raises on what an agent prints; garbage is read as text."""

    def feed(self, line: str) -> list[AgentEvent]:
        """Take one line of stdout, without its newline and cut at a limit; the events in it."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the agent said that it is done. Its exit has to follow within the grace."""
        ...

    def verdict(self, end: Exit) -> Verdict:
        """What the run amounts to. Called once, after the process has ended."""
        ...


class Adapter(Protocol):
    """One agent CLI."""

    def launch(self, request: Request) -> Launch:
        """The process for a request. Raises RuntimeMissing when the program is not installed."""
        ...

    def reader(self, request: Request) -> Reader:
        """A fresh reader for one process."""
        ...


@frozen
class AgentResult:
    """The end of one agent: its verdict, and how the process ended."""

    verdict: Verdict
    exit: Exit
    duration_s: float
    #: Processes of the attempt that outlived the agent and were killed.
    survivors: int = 0
