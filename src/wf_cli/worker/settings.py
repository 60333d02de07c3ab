"""What a worker is told, and what it is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wf_cli.attempt.steps import Steps
from wf_cli.config.model import Budget
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Pool
from wf_cli.runtimes.base import Adapter, Limits, Usage


@dataclass(frozen=True, slots=True)
class RoleSettings:
    """How jobs of one role are run."""

    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    #: Whether a code or fix step has to change something outside its plan's folder.
    must_change: bool = True


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker."""

    runtime: str
    pools: frozenset[Pool]
    watch: bool = False
    concurrency: int = 1
    max_jobs: int | None = None
    name: str | None = None
    #: Owner id of the first session; later ones (after a lost lease) get new ids.
    owner: str | None = None
    lease_seconds: float = 30.0
    #: Seconds between rescans when nothing wakes the worker; None chooses by what watching there is.
    poll_seconds: float | None = None
    drain_timeout: float | None = None
    max_parallel_plans: int = 1


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the composition root hands to a worker."""

    adapter: Adapter
    steps: Steps
    #: The environment agents start from; values may be secret.
    environment: Mapping[str, str] = field(repr=False)
    root: Path
    #: As the configuration says at the moment of the call; so does ``budget``.
    role: Callable[[str], RoleSettings]
    #: Reconcile after a commit (of a plan, or of everything with None) and on a timer. Must not raise.
    reconcile: Callable[[Target | None], None]
    budget: Callable[[], Budget] = Budget
    #: What is masked in an agent's words besides the values of secret variables: regular expressions.
    redact: tuple[str, ...] = ()
    #: One line for people: what the worker does.
    say: Callable[[str], None] = lambda _line: None


@dataclass(frozen=True, slots=True)
class SlotView:
    """What one slot does now, for people. ``job_id`` is None where it has no job."""

    job_id: str | None
    attempt: int
    elapsed_s: float
    activity: str
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class Tally:
    """What a worker did."""

    processed: int = 0
    succeeded: int = 0
    failed: int = 0
    released: int = 0

    def to_json(self) -> dict[str, int]:
        return {
            "processed": self.processed,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "released": self.released,
        }
