"""What the worker asks of a runtime, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from wf_cli.contract.failure import Failure
from wf_cli.errors import WfError
from wf_cli.runtimes.permissions import Permissions


class CannotStart(WfError):
    """No process could be started for a request: this machine's fault, not the job's."""

    code = "SPAWN_FAILED"
    failure_code = "spawn_failed"

    def failure(self) -> Failure:
        """The same as the end of an attempt."""
        hint = f"; {self.hint}" if self.hint else ""
        return Failure(self.failure_code, self.message + hint, details=dict(self.facts))


class RuntimeMissing(CannotStart):
    """The agent's program is not installed here, or is not what its name says."""

    code = "RUNTIME_MISSING"
    failure_code = "runtime_missing"


@dataclass(frozen=True, slots=True)
class Limits:
    """Three clocks, in seconds: until the first sign of life, of silence, of the whole attempt."""

    startup_s: float = 120.0
    stall_s: float = 600.0
    max_runtime_s: float = 2700.0
    #: After a result that is not followed by an exit, and between SIGTERM and SIGKILL.
    grace_s: float = 5.0


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """One entry of ``runtimes:`` in wf.config."""

    name: str
    adapter: str
    #: The program and leading arguments of opencode and cursor (``command: [opencode]``).
    command: tuple[str, ...] = ()
    #: The whole argv template of the ``command`` adapter.
    argv: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    #: How opencode and cursor are driven; ``auto`` (what wf.config means by not naming one) is `protocol`'s choice.
    protocol: Literal["acp", "print", "auto"] = "print"
    #: The answers to what an agent asks by ACP.
    permissions: Permissions = field(default_factory=Permissions)


@dataclass(frozen=True, slots=True)
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
    #: ``WF_JOB_TOKEN``: every process of the attempt carries it in its environment.
    mark: str = ""
    plan_id: str | None = None
    epic_id: str | None = None
    model: str | None = None
    #: A session of the runtime to go on with, from the attempt before.
    resume: str | None = None
    #: What that session is told instead of ``prompt``, which it has had; None is ``prompt`` again.
    resume_prompt: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    stdin: bytes = field(default=b"", repr=False)
    #: False for programs that may be silent for good: their start is the first sign of life.
    speaks_first: bool = True
    #: Seconds from "finished" to the end by force, where the runtime's last word is not final; else the grace.
    result_grace_s: float | None = None
    #: Whether a request to stop goes to the process alone at first, which ends its own children; the whole tree
    #: follows when it has ended, or when the grace is over.
    ask_first: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used; None is unknown, never zero."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One thing an agent did, for the live view and the log. ``text`` is short and for people."""

    kind: Literal["session", "text", "tool", "usage", "error", "result", "other"]
    text: str = ""
    session_id: str | None = None
    #: What the attempt has used so far, as sums, wherever the agent has just told it.
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended. ``code`` is negative for a signal, as in `subprocess`; ``stopped`` says we ended it."""

    code: int
    stopped: str | None = None  # "startup", "stall", "max_runtime", "after_result", "asked"
    stderr_tail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the output says about the attempt: a claim, to be checked against the plan."""

    failure: Failure | None
    session_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    #: The agent's closing words, if any.
    summary: str = ""


class Reader(Protocol):
    """Understands the output of one process. Never raises on what an agent prints: garbage is ignored text."""

    def feed(self, line: str) -> list[AgentEvent]:
        """One line of stdout, without its newline, cut at a limit."""
        ...

    @property
    def finished(self) -> bool:
        """The agent said that it is done: an exit has to follow within the grace."""
        ...

    def verdict(self, end: Exit) -> Verdict:
        """The judgement, once the process is gone."""
        ...


class Adapter(Protocol):
    """One agent CLI."""

    def launch(self, request: Request) -> Launch:
        """The process for a request. Raises RuntimeMissing when the program is not installed."""
        ...

    def reader(self, request: Request) -> Reader:
        """A fresh reader for one process."""
        ...


@dataclass(frozen=True, slots=True)
class AgentResult:
    """The end of one agent: its verdict, and how the process ended."""

    verdict: Verdict
    exit: Exit
    duration_s: float
    #: Processes of the attempt that outlived the agent and were killed.
    survivors: int = 0
