"""The attempts of some jobs on the time axis: by whom, how each ended, and which of them the last one waited for.

Times are those of the writers' clocks. Between hosts whose clocks differ, bars are shifted by as much.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wf_cli.clock import iso
from wf_cli.frozen import frozen

#: By how many ms an attempt may begin before the end of the one that it waited for, because the end is logged after
#: it was published.
_SLACK_MS = 250


@dataclass(slots=True)
class Attempt:
    """One attempt, as far as log and outcome tell. ``end_ms`` is None while it goes on."""

    job_id: str
    number: int
    owner: str = "(unknown)"
    role: str | None = None
    runtime: str | None = None
    plan_id: str | None = None
    epic_id: str | None = None
    #: When its job was queued before it.
    queued_ms: int | None = None
    claimed_ms: int | None = None
    started_ms: int | None = None
    end_ms: int | None = None
    #: succeeded, failed, released, lost, cancelled; running or stalled while it goes on; unknown when no file tells.
    outcome: str = "unknown"
    error_code: str | None = None
    reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    #: Its result came after it was superseded, and was kept.
    late: bool = False

    @property
    def name(self) -> str:
        return f"{self.job_id}.a{self.number}"

    @property
    def begin_ms(self) -> int | None:
        """When its session had it first."""
        known = [ms for ms in (self.claimed_ms, self.started_ms, self.end_ms) if ms is not None]
        return min(known, default=None)


@frozen
class Step:
    """One attempt of the critical path, and how long nothing of the path ran before it."""

    attempt: Attempt
    waited_s: float
    ran_s: float


@frozen
class Recovery:
    """An attempt that was lost, or failed and was tried again, and the attempt that went on. ``gap_s`` is the time
    from the end of the one to the beginning of the other; None while nobody has gone on."""

    attempt: Attempt
    next: Attempt | None
    gap_s: float | None


@frozen
class Mark:
    """Something that happened at one moment: a retry by an operator, a lost lease, a change of an epic."""

    ms: int
    kind: str
    subject: str
    reason: str | None


@dataclass(slots=True)
class Trace:
    """Attempts by their beginning. ``now_ms`` is when the look was taken: the end of what still goes on.

    The attempts do not change any more once the trace is made.
    """

    subject: str
    now_ms: int
    attempts: list[Attempt] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    #: The host of each worker, where it is known.
    hosts: dict[str, str] = field(default_factory=dict)
    begin_ms: int = field(init=False)
    end_ms: int = field(init=False)
    #: The attempts of each worker, in lanes: those of one lane do not overlap. By the first attempt of each.
    workers: dict[str, list[list[Attempt]]] = field(init=False)

    def __post_init__(self) -> None:
        known = [a.begin_ms for a in self.attempts if a.begin_ms is not None]
        queued = [a.queued_ms for a in self.attempts if a.queued_ms is not None]
        self.begin_ms = min((*known, *queued), default=self.now_ms)
        self.end_ms = max((end_of(self, a) for a in self.attempts), default=self.now_ms)
        self.workers = self._lanes()

    def _lanes(self) -> dict[str, list[list[Attempt]]]:
        out: dict[str, list[list[Attempt]]] = {}
        for attempt in self.attempts:
            begin = attempt.begin_ms
            if begin is None:
                continue
            lanes = out.setdefault(attempt.owner, [])
            lane = next((lane for lane in lanes if end_of(self, lane[-1]) <= begin), None)
            if lane is None:
                lanes.append([attempt])
            else:
                lane.append(attempt)
        return out

    def to_json(self) -> dict[str, Any]:
        """The keys of `wf trace --json`."""
        path = critical_path(self)
        return {
            "subject": self.subject,
            "begin": iso(self.begin_ms),
            "end": iso(self.end_ms),
            "elapsed_s": (self.end_ms - self.begin_ms) / 1000,
            "workers": [
                {"owner": owner, "host": self.hosts.get(owner), "attempts": sum(map(len, lanes))}
                for owner, lanes in self.workers.items()
            ],
            "attempts": [_attempt_json(a) for a in self.attempts],
            "critical_path": [
                {"job_id": s.attempt.job_id, "attempt": s.attempt.number, "waited_s": s.waited_s, "ran_s": s.ran_s}
                for s in path
            ],
            "recoveries": [
                {
                    "job_id": r.attempt.job_id,
                    "attempt": r.attempt.number,
                    "outcome": r.attempt.outcome,
                    "reason": r.attempt.reason,
                    "next_attempt": r.next.number if r.next is not None else None,
                    "next_owner": r.next.owner if r.next is not None else None,
                    "gap_s": r.gap_s,
                }
                for r in recoveries(self)
            ],
            "marks": [
                {"ts": iso(m.ms), "event": m.kind, "subject": m.subject, "reason": m.reason} for m in self.marks
            ],
        }


def end_of(trace: Trace, attempt: Attempt) -> int:
    """The right end of its bar: its end, or the moment of the look for one that goes on."""
    begin = attempt.begin_ms or 0
    if attempt.end_ms is not None:
        return max(attempt.end_ms, begin)
    return max(trace.now_ms, begin) if attempt.outcome in ("running", "stalled") else begin


def critical_path(trace: Trace) -> list[Step]:
    """The chain of attempts that decided when the last one ended, first to last.

    Each attempt is preceded by the related one that ended last before it began. Related are attempts of the same
    job, plan, epic or worker, because an attempt can wait only for these.
    """
    timed = sorted(
        (a for a in trace.attempts if a.begin_ms is not None), key=lambda a: (end_of(trace, a), a.begin_ms or 0)
    )
    if not timed:
        return []
    ends = [end_of(trace, a) for a in timed]
    chain = [timed[-1]]
    while True:
        last = chain[-1]
        begin = last.begin_ms or 0
        # From the latest that had ended by then backwards.
        earlier = (timed[i] for i in range(bisect.bisect_right(ends, begin + _SLACK_MS) - 1, -1, -1))
        before = next((a for a in earlier if (a.begin_ms or 0) < begin and _related(a, last)), None)
        if before is None:
            break
        chain.append(before)
    out: list[Step] = []
    reached = trace.begin_ms
    for attempt in reversed(chain):
        begin, end = attempt.begin_ms or 0, end_of(trace, attempt)
        out.append(Step(attempt, max(0, begin - reached) / 1000, max(0, end - max(begin, reached)) / 1000))
        reached = max(reached, end)
    return out


def _related(one: Attempt, other: Attempt) -> bool:
    return (
        one.job_id == other.job_id
        or one.owner == other.owner
        or (one.plan_id is not None and one.plan_id == other.plan_id)
        or (one.epic_id is not None and one.epic_id == other.epic_id)
    )


def recoveries(trace: Trace) -> list[Recovery]:
    """The lost attempts, and the failed ones that were tried again, in order."""
    out = []
    of_job: dict[str, list[Attempt]] = {}
    for attempt in trace.attempts:
        of_job.setdefault(attempt.job_id, []).append(attempt)
    for attempt in trace.attempts:
        after = min(
            (a for a in of_job[attempt.job_id] if a.number > attempt.number), key=lambda a: a.number, default=None
        )
        if attempt.outcome == "lost" or (attempt.outcome == "failed" and after is not None):
            gap = None
            if after is not None and after.begin_ms is not None and attempt.end_ms is not None:
                gap = max(0, after.begin_ms - attempt.end_ms) / 1000
            out.append(Recovery(attempt, after, gap))
    return out


def sorted_by_begin(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The attempts by their beginning; those without any time come last, by name."""
    return sorted(attempts, key=lambda a: (a.begin_ms is None, a.begin_ms or 0, a.job_id, a.number))


def totals(trace: Trace) -> dict[str, int]:
    """How many attempts there are of each outcome, the most frequent first."""
    counted: dict[str, int] = {}
    for attempt in trace.attempts:
        counted[attempt.outcome] = counted.get(attempt.outcome, 0) + 1
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def ticks(span_ms: int, most: int) -> Sequence[int]:
    """Round distances from the beginning, in ms, at most ``most`` of them after the first."""
    steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
             600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000]  # fmt: skip
    step = next((s for s in steps if span_ms / s <= most), None)
    while step is None or span_ms / step > most:
        step = (step or steps[-1]) * 2
    return range(0, span_ms + 1, step)


def _attempt_json(a: Attempt) -> dict[str, Any]:
    return {
        "job_id": a.job_id,
        "attempt": a.number,
        "owner": a.owner,
        "role": a.role,
        "runtime": a.runtime,
        "plan_id": a.plan_id,
        "epic_id": a.epic_id,
        "queued_at": iso(a.queued_ms) if a.queued_ms is not None else None,
        "claimed_at": iso(a.claimed_ms) if a.claimed_ms is not None else None,
        "started_at": iso(a.started_ms) if a.started_ms is not None else None,
        "ended_at": iso(a.end_ms) if a.end_ms is not None else None,
        "outcome": a.outcome,
        "error": a.error_code,
        "reason": a.reason,
        "tokens_in": a.tokens_in,
        "tokens_out": a.tokens_out,
        "cost_usd": a.cost_usd,
        "late": a.late,
    }
