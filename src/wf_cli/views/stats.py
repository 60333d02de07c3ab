"""What the event logs add up to: ends, waits, runs, retries, losses, tokens and cost, as `wf stats` prints them.

The logs are read once, as a stream. What is kept grows with the jobs that wait at one moment and with the groups, and
not with the number of events. The log is a record and may have lost lines, so no decision follows from these figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from wf_cli.contract.event import Event
from wf_cli.views.quantiles import Durations

#: What jobs and attempts can be grouped by: the fact of an event that tells it.
GROUPINGS = {"role": "role", "runtime": "runtime", "owner": "owner", "error": "error_code"}

#: Kinds that no figure is made from (`wf_cli.eventlog.stream.Stream`).
UNUSED = frozenset(
    """job.deduped job.started job.stalled job.rerouted attempt.session attempt.usage lease.acquired worker.started
    worker.draining worker.stopped pool.paused pool.cooldown pool.resumed plan.phase plan.waiting plan.approved
    plan.rejected plan.reopened plan.merged epic.started epic.completed epic.blocked epic.stopped epic.resumed
    job.archived spool.cleaned notify.failed""".split()
)

#: The names of the ends of attempts, by the event that tells one.
ENDS = {
    "job.succeeded": "succeeded", "job.failed": "failed", "job.released": "released", "job.reaped": "lost",
    "job.cancelled": "cancelled",
}  # fmt: skip

#: More groups than these are counted together as `OTHERS`, because whoever can write a log can make up names.
_MOST_GROUPS = 2000
OTHERS = "(others)"
#: Jobs that wait at one moment. Of more than these the oldest are forgotten, and their waits are not counted.
_MOST_WAITING = 500_000
#: The largest amount that counts. A float holds the sum of all that a log may have.
_LARGEST = 10**15


@dataclass(slots=True)
class Figures:
    """The sums of one group, or of all events. Durations are in seconds."""

    enqueued: int = 0
    #: How attempts ended, by the names in `ENDS`. Jobs that were cancelled while they waited are in it.
    ends: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ENDS.values(), 0))
    dead: int = 0
    #: Attempts that failed or were lost and whose job was queued again, and the retries of operators.
    retries: int = 0
    lease_losses: int = 0
    late_results: int = 0
    #: From the moment when a job was queued, also again, to its claim. Delays that were asked for are in it.
    wait: Durations = field(default_factory=Durations)
    #: From the start of an attempt to its end, of the attempts that tell it.
    run: Durations = field(default_factory=Durations)
    tokens_in: int = 0
    tokens_out: int = 0
    #: Attempts that told how many tokens they used, and those that had an agent and did not.
    tokens_known: int = 0
    tokens_unknown: int = 0
    cost_usd: float = 0.0
    cost_known: int = 0
    cost_unknown: int = 0

    @property
    def success_share(self) -> float | None:
        """Succeeded among the jobs that succeeded or died; None when there was none. Cancelled jobs do not count."""
        succeeded = self.ends["succeeded"]
        decided = succeeded + self.dead
        return succeeded / decided if decided else None

    def to_json(self) -> dict[str, Any]:
        """The keys of `wf stats --json`. What no attempt told is null, which is not zero."""
        share = self.success_share
        return {
            "enqueued": self.enqueued,
            **self.ends,
            "dead": self.dead,
            "success_share": round(share, 4) if share is not None else None,
            "wait_s": self.wait.to_json(),
            "run_s": self.run.to_json(),
            "retries": self.retries,
            "lease_losses": self.lease_losses,
            "late_results": self.late_results,
            "tokens": {
                "in": self.tokens_in if self.tokens_known else None,
                "out": self.tokens_out if self.tokens_known else None,
                "unknown_attempts": self.tokens_unknown,
            },
            "cost": {
                "usd": round(self.cost_usd, 6) if self.cost_known else None,
                "unknown_attempts": self.cost_unknown,
            },
        }


class Stats:
    """Adds events up. `add` wants them by time, as `Stream` gives them. By two clocks a wait may end before it began;
    it is zero then.

    ``since_ms`` (wall clock) leaves earlier events out. ``by`` is one of `GROUPINGS`.
    """

    def __init__(self, *, since_ms: int | None = None, by: str | None = None):
        self.total = Figures()
        #: The figures by group. None is the group of the events that do not tell.
        self.groups: dict[str | None, Figures] = {}
        self._since_ms = since_ms if since_ms is not None else -(2**63)
        self._fact = GROUPINGS[by] if by is not None else None
        #: When each waiting job was queued.
        self._queued: dict[str, int] = {}
        #: Claims that came before the event that queued their job, each with its time. A worker may claim a job
        #: before its enqueuer has logged it, and the clocks of two hosts differ.
        self._early: dict[str, tuple[int, Event]] = {}

    def add(self, ms: int, event: Event) -> None:
        """Count one event, which happened at ``ms``."""
        self._follow(ms, event)
        if ms < self._since_ms:
            return
        for figures in self._figures(event):
            _count(figures, event)

    def _figures(self, event: Event) -> Iterator[Figures]:
        yield self.total
        if self._fact is not None:
            yield self._group(event.facts.get(self._fact))

    def _group(self, name: str | None) -> Figures:
        if name not in self.groups and len(self.groups) >= _MOST_GROUPS:
            name = OTHERS
        return self.groups.setdefault(name, Figures())

    def _follow(self, ms: int, event: Event) -> None:
        """Keep up with which jobs wait, and count the wait of each claim."""
        kind, facts = event.event, event.facts
        job_id = facts.get("job_id")
        if job_id is None:
            return
        if kind == "job.claimed":
            queued = self._queued.pop(job_id, None)
            if queued is not None:
                self._count_wait(ms, event, (ms - queued) / 1000)
            else:
                _put(self._early, job_id, (ms, event))
        elif kind in ("job.enqueued", "job.retried") or (kind in ENDS and _goes_back(facts)):
            early = self._early.pop(job_id, None)
            if early is not None and kind in ENDS and facts.get("attempt", 0) >= early[1].facts.get("attempt", 0):
                early = None  # It is the end of the attempt that this claim began.
            if early is not None:
                self._count_wait(*early, 0.0)
            else:
                _put(self._queued, job_id, ms)
        elif kind in ("job.held", "job.quarantined") or (kind in ENDS and facts.get("to") != "queued"):
            self._queued.pop(job_id, None)
            self._early.pop(job_id, None)

    def _count_wait(self, ms: int, claim: Event, seconds: float) -> None:
        if ms >= self._since_ms:
            for figures in self._figures(claim):
                figures.wait.add(seconds)


_V = TypeVar("_V")


def _put(waiting: dict[str, _V], job_id: str, value: _V) -> None:
    """Set ``value`` as the newest entry, and forget the oldest of too many."""
    waiting.pop(job_id, None)
    waiting[job_id] = value
    if len(waiting) > _MOST_WAITING:
        del waiting[next(iter(waiting))]


def _goes_back(facts: dict[str, Any]) -> bool:
    # From queued to queued: only a delay was lifted.
    return facts.get("to") == "queued" and facts.get("from") != "queued"


def _count(figures: Figures, event: Event) -> None:
    kind, facts = event.event, event.facts
    if kind in ENDS:
        _count_end(figures, kind, facts)
    elif kind == "job.enqueued":
        figures.enqueued += 1
    elif kind == "job.dead" or (kind == "job.quarantined" and facts.get("to") == "dead"):
        figures.dead += 1
    elif kind == "job.retried":
        figures.retries += 1
    elif kind == "lease.lost":
        figures.lease_losses += 1
    elif kind == "attempt.late" and facts.get("reason", "").startswith("superseded"):
        figures.late_results += 1  # What an operator does to a late result is told by the same kind.


def _count_end(figures: Figures, kind: str, facts: dict[str, Any]) -> None:
    if kind == "job.released" and facts.get("from") in ("held", "queued"):
        return  # An operator's doing, not the end of an attempt.
    figures.ends[ENDS[kind]] += 1
    if kind in ("job.failed", "job.reaped") and facts.get("to") == "queued":
        figures.retries += 1
    ran = _amount(facts, "duration_s")
    if ran is not None:
        figures.run.add(ran)
    # Whoever ends an attempt from outside does not know whether its agent had started.
    had_agent = (
        ran is not None
        or facts.get("error_code") == "lost"
        or (kind == "job.cancelled" and facts.get("from") == "running")
    )
    tokens_in, tokens_out = _amount(facts, "tokens_in"), _amount(facts, "tokens_out")
    if tokens_in is not None or tokens_out is not None:
        figures.tokens_in += int(tokens_in or 0)
        figures.tokens_out += int(tokens_out or 0)
        figures.tokens_known += 1
    elif had_agent:
        figures.tokens_unknown += 1
    cost = _amount(facts, "cost_usd")
    if cost is not None:
        figures.cost_usd += cost
        figures.cost_known += 1
    elif had_agent:
        figures.cost_unknown += 1


def _amount(facts: dict[str, Any], name: str) -> float | None:
    """The fact ``name``; None when it is absent, negative or above `_LARGEST`, which no real event says."""
    value = facts.get(name)
    return value if isinstance(value, int | float) and 0 <= value <= _LARGEST else None
