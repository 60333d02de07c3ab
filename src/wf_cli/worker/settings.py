"""The settings of a worker, its equipment, and the values that it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wf_cli.attempt.steps import Steps
from wf_cli.config.model import Budget
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Pool
from wf_cli.frozen import frozen
from wf_cli.runtimes.base import Adapter, Limits, Usage


@frozen
class RoleSettings:
    """How jobs of one role are run."""

    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    #: Whether a code or fix step has to change something outside its plan's folder.
    must_change: bool = True


@frozen
class WorkerSettings:
    """The settings of one worker."""

    runtime: str
    pools: frozenset[Pool]
    watch: bool = False
    concurrency: int = 1
    max_jobs: int | None = None
    name: str | None = None
    #: Owner id of the first session. Later sessions, after a lost lease, get new ids.
    owner: str | None = None
    lease_seconds: float = 30.0
    #: Seconds between rescans when no event wakes the worker. None lets the worker choose, by whether it can watch.
    poll_seconds: float | None = None
    drain_timeout: float | None = None
    max_parallel_plans: int = 1


@frozen
class Equipment:
    """The adapter, steps and functions that a worker works with, as the command that starts it puts them together."""

    adapter: Adapter
    steps: Steps
    #: The environment from which agents start; values may be secret.
    environment: Mapping[str, str] = field(repr=False)
    root: Path
    #: Reads the settings of a role from the configuration at each call. ``budget`` does so for the budget.
    role: Callable[[str], RoleSettings]
    #: Called after a commit with the job's target, and on a timer with None, for a reconcile. May raise OSError and
    #: WfError, which the worker says.
    reconcile: Callable[[Target | None], None]
    budget: Callable[[], Budget] = Budget
    #: Names of variables whose values are masked, as those are that look like secrets.
    secret_names: frozenset[str] = frozenset()
    #: Regular expressions of text to mask in an agent's output. The values of secret variables are masked anyway.
    redact: tuple[str, ...] = ()
    #: A person's own patterns of failures, as the configuration says at the moment of the call.
    failures: Callable[[], Mapping[str, str]] = dict
    #: One line for people: what the worker does.
    say: Callable[[str], None] = lambda _line: None
    #: Asked when a session ends: whether anything in the spool tells of it. If not, its file goes, too.
    has_worked: Callable[[], bool] = lambda: True


@frozen
class SlotView:
    """The activity of one slot now, for people. ``job_id`` is None for a free slot."""

    job_id: str | None
    attempt: int
    elapsed_s: float
    activity: str
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class Tally:
    """The counts of attempts that a worker ended."""

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
