"""The configuration as typed, frozen records; every default stands here and nowhere else.

Durations are seconds (float) and their names end in ``_s``; the file writes them as text (``30s``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from wf_cli.config import places
from wf_cli.contract.backoff import RetryPolicy
from wf_cli.contract.step import Approval, roles
from wf_cli.frozen import frozen

Mode = Literal["command", "distributed"]
Topology = Literal["local", "shared"]
Durability = Literal["fsync", "none"]
Strict = Literal["off", "fast", "default", "full"]

#: The only format version there is.
VERSION = 1
#: Seconds that a silent session keeps its jobs. ``shared`` has more, because network file systems cache for a minute.
LEASE_S: Mapping[Topology, float] = MappingProxyType({"local": 30.0, "shared": 180.0})
#: The program of an adapter, where the runtime does not name its own.
PROGRAMS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "opencode": ("opencode",),
    "cursor": ("cursor-agent",),
    "claude": ("claude",),
    "codex": ("codex",),
    "gemini": ("gemini",),
})  # fmt: skip
#: The runtimes that exist without being configured.
ALWAYS_THERE = ("opencode", "cursor")
#: The adapters there are; a runtime called like one of them need not name it.
ADAPTERS = ("opencode", "cursor", "claude", "codex", "gemini", "acp", "command", "scripted")
#: What a pattern of ``runtimes.<name>.failures`` may mean: codes of failures, and classes of them.
MEANINGS = (
    "usage_limit", "rate_limited", "overloaded", "auth", "outdated", "network", "crashed", "model_not_found",
    "policy_denied", "parked", "transient", "host", "permanent",
)  # fmt: skip
#: The adapters that can be driven in two ways.
TWO_PROTOCOLS = ("opencode", "cursor")


@frozen
class Spool:
    """Where jobs are handed over."""

    #: As written: relative to the project root, or absolute.
    dir: str = places.SPOOL
    topology: Topology = "local"
    durability: Durability = "fsync"


@frozen
class Retry:
    """How often, and how soon, a failed job is tried again."""

    max_attempts: int = 3
    backoff: RetryPolicy = field(default_factory=RetryPolicy)


@frozen
class Timeouts:
    """When an agent is stopped: without a first sign of life, after a silence, and after all this time.

    An agent that is stopped has ``grace_s`` between SIGTERM and SIGKILL.
    """

    startup_s: float = 120.0
    stall_s: float = 600.0
    max_runtime_s: float = 2700.0
    grace_s: float = 5.0


@frozen
class Epic:
    """Limits of an epic's run."""

    max_parallel_plans: int = 1
    max_iterations: int = 5
    #: Plans that `wf epic plans set` may declare.
    max_plans: int = 20
    #: What goes on only with a person's approval (`wf_cli.contract.step.Approval`).
    approve: tuple[Approval, ...] = ()


@frozen
class Isolation:
    """Whether each plan has a worktree and a branch of its own, and how they are made."""

    mode: Literal["off", "worktree"] = "off"
    #: As written: relative to the project root, or absolute. None: a folder in the user's state folder.
    dir: str | None = None
    #: What the names of all branches begin with that wf makes.
    branches: str = "wf/"
    #: ``epic``, or the name of the branch that plans are merged into.
    target: str = "epic"
    #: Paths of ignored files that each worktree gets from the project.
    copy: tuple[str, ...] = ()
    #: Commands that run in a new worktree.
    setup: tuple[tuple[str, ...], ...] = ()
    #: Commands that have to succeed on the merged commit.
    gates: tuple[tuple[str, ...], ...] = ()


@frozen
class Review:
    """Which strict checks run when a review opens."""

    strict: Strict = "off"


@frozen
class Budget:
    """Dollars that agents may cost; None: no limit."""

    per_job_usd: float | None = None
    per_epic_usd: float | None = None
    #: Whether the next attempt may start, where there is a limit and an agent did not tell what an attempt cost.
    unknown_cost: Literal["allow", "hold"] = "allow"


@frozen
class Retention:
    """How long `wf spool gc` keeps what it removes for good."""

    #: Logs of events, since their last event.
    logs_s: float = 90 * 86400.0


@frozen
class Checks:
    """What an attempt has to prove besides its gate."""

    #: The end of a code or fix attempt that changes nothing outside its plan's folder.
    no_change: Literal["fail", "allow"] = "fail"
    #: Patterns of files that are no such change, beside those of `wf_cli.workflow.leftovers`.
    ignore: tuple[str, ...] = ()


@frozen
class Permissions:
    """What agents may do without a person: patterns for ``kind:title`` of a tool call; a denial wins."""

    default: Literal["allow", "deny"] = "allow"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@frozen
class Runtime:
    """One agent program.

    ``command`` is the program, for all adapters but ``command`` itself, whose whole template is ``argv``.
    """

    name: str
    adapter: str
    command: tuple[str, ...] = ()
    argv: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    #: How the output of the ``command`` adapter is read; empty: it is plain text.
    output: Mapping[str, Any] = field(default_factory=dict)
    #: Regular expressions of messages -> the code or class of failure that they mean, in their order.
    failures: Mapping[str, str] = field(default_factory=dict)
    #: Variables for its agents: name -> text, or ``env:NAME`` (`wf_cli.runtimes.variables`).
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: None: what the installed version can.
    protocol: Literal["acp", "print"] | None = None
    #: The general ones with this runtime's own laid over them; None: the general ones.
    permissions: Permissions | None = None


@frozen
class RolePolicy:
    """The settings of the jobs of one role, with its overrides applied."""

    role: str
    #: None for a role that the routing does not know (a job of one's own names its runtime).
    runtime: str | None
    #: None: the runtime's own default.
    model: str | None = None
    retry: Retry = Retry()
    timeouts: Timeouts = Timeouts()
    checks: Checks = Checks()
    lease_s: float = LEASE_S["local"]


#: Seconds that one try of a notification has, unless the entry says otherwise.
NOTIFY_TIMEOUT_S = 10.0


@frozen
class Notify:
    """A program to run, or an address to post to, on some kinds of events. Exactly one of ``run`` and ``url`` is set.

    ``url`` is ``env:NAME`` or an address. It may hold a secret, so `place` stands for it in all that is printed.
    """

    on: tuple[str, ...]
    run: tuple[str, ...] = ()
    url: str | None = None
    #: Seconds for one try.
    timeout_s: float = NOTIFY_TIMEOUT_S

    @property
    def place(self) -> str:
        """What people may read of where it goes: the program, ``env:NAME``, or an address without its path."""
        if self.url is None:
            return f"run {self.run[0]}"
        if self.url.startswith("env:"):
            return self.url
        scheme, _, rest = self.url.partition("://")
        for mark in "/?#":
            rest = rest.partition(mark)[0]
        return f"{scheme}://{rest.rpartition('@')[2]}/..."


#: Role -> runtime, the default since the first version.
DEFAULT_ROUTING: Mapping[str, str] = MappingProxyType({role.name: role.runtime for role in roles().values()})


def default_routing() -> dict[str, RolePolicy]:
    """The roles of the plan flow with nothing overridden."""
    return {role: RolePolicy(role, runtime) for role, runtime in DEFAULT_ROUTING.items()}


def default_runtimes() -> dict[str, Runtime]:
    """The runtimes that exist without being configured."""
    return {name: Runtime(name, adapter=name, command=PROGRAMS[name]) for name in ALWAYS_THERE}


@frozen
class Config:
    """A whole configuration; ``Config()`` is that of a project without any file."""

    version: int = VERSION
    mode: Mode = "command"
    spool: Spool = Spool()
    lease_s: float = LEASE_S["local"]
    retry: Retry = Retry()
    timeouts: Timeouts = Timeouts()
    epic: Epic = Epic()
    isolation: Isolation = Isolation()
    review: Review = Review()
    routing: Mapping[str, RolePolicy] = field(default_factory=default_routing)
    runtimes: Mapping[str, Runtime] = field(default_factory=default_runtimes)
    permissions: Permissions = Permissions()
    budget: Budget = Budget()
    checks: Checks = Checks()
    retention: Retention = Retention()
    #: Regular expressions whose matches are masked wherever an agent's words are stored.
    redact: tuple[str, ...] = ()
    notify: tuple[Notify, ...] = ()

    @property
    def distributed(self) -> bool:
        """Whether steps become jobs."""
        return self.mode == "distributed"

    @property
    def runtime_of_role(self) -> dict[str, str]:
        """The routing table as `wf_cli.routing` takes it."""
        return {role: policy.runtime for role, policy in self.routing.items() if policy.runtime is not None}

    def effective(self, role: str) -> RolePolicy:
        """The settings of ``role``. A role that is not routed has the general limits and no runtime."""
        return self.routing.get(role) or RolePolicy(
            role, None, None, self.retry, self.timeouts, self.checks, self.lease_s
        )

    def spool_path(self, root: Path) -> Path:
        """The absolute folder of the spool of the project at ``root``."""
        return root.absolute() / self.spool.dir


_UNITS = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))


def duration_text(value_s: float) -> str:
    """The shortest exact form of ``value_s`` in a file, for `clock.parse_duration`: ``2700.0`` is ``45m``."""
    for unit, factor in _UNITS:
        if value_s >= factor and value_s % factor == 0:
            return f"{int(value_s // factor)}{unit}"
    ms = value_s * 1000
    return f"{int(ms)}ms" if ms == int(ms) else f"{value_s:.9f}".rstrip("0") + "s"
