"""Makes a `Trace` from the event logs, and from outcomes and tokens where the logs have lost lines."""

from __future__ import annotations

import re

from wf_cli.clock import parse_iso_ms
from wf_cli.contract.event import Event
from wf_cli.contract.identity import matches_prefix, target_of
from wf_cli.contract.job import Outcome
from wf_cli.contract.token import Placed, Pool, parse_outcome
from wf_cli.errors import NotFound
from wf_cli.eventlog.read import ordered
from wf_cli.eventlog.stream import Stream
from wf_cli.frozen import frozen
from wf_cli.spool import records, scan
from wf_cli.spool.troubles import EachItem, OnTrouble, Trouble
from wf_cli.views.trace.model import Attempt, Mark, Trace, sorted_by_begin
from wf_cli.views.viewer import Viewer

_UNUSED = frozenset(
    "job.deduped attempt.session attempt.usage worker.started worker.draining worker.stopped pool.paused "
    "pool.cooldown pool.resumed plan.phase job.archived spool.cleaned".split()
)
_ENDS = {
    "job.succeeded": "succeeded", "job.failed": "failed", "job.released": "released", "job.reaped": "lost",
    "job.cancelled": "cancelled",
}  # fmt: skip
#: Events that become marks. Those of leases only for workers that have an attempt in the trace.
_MARKS = frozenset(
    "job.retried job.held job.dead job.rerouted job.quarantined attempt.late plan.waiting plan.approved "
    "plan.rejected plan.reopened plan.merged epic.started epic.completed epic.blocked epic.stopped "
    "epic.resumed".split()
)
_OF_WORKERS = frozenset({"lease.lost", "job.stalled"})


@frozen
class Subject:
    """What a trace is about. Exactly one of the three is set; ``job`` may be the beginning of several ids."""

    job: str | None = None
    plan_id: str | None = None
    epic_id: str | None = None

    def __str__(self) -> str:
        if self.epic_id is not None:
            return f"epic {self.epic_id}"
        return f"plan {self.plan_id}" if self.plan_id is not None else str(self.job)

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """What a line of a log holds that can be part of the trace, as far as wf writes it."""
        if self.job is not None:
            about = rf'"job_id":\s*"{re.escape(self.job)}'
        elif self.epic_id is not None:
            about = rf'"epic_id":\s*"{self.epic_id}"|"job_id":\s*"(?:r[a-z0-9]+-)?e{self.epic_id}-'
        else:
            about = rf'"plan_id":\s*"{self.plan_id}"|"job_id":\s*"[^"]*p{self.plan_id}-i'
        return re.compile(rf'{about}|"event":\s*"(?:lease|job\.stalled)'.encode("utf-8", "surrogateescape"))

    def takes(self, job_id: str) -> bool:
        """Whether the job is part of it."""
        if self.job is not None:
            return matches_prefix(job_id, self.job)
        target = target_of(job_id)
        if target is None:
            return False
        return target.epic_id == self.epic_id if self.epic_id is not None else target.plan_id == self.plan_id


def build(subject: Subject, viewer: Viewer, on_trouble: OnTrouble) -> Trace:
    """The trace as of now. Raises NotFound when the spool knows nothing of the subject.

    What a file that cannot be read would tell is missing, and ``on_trouble`` hears of the file.
    """
    spool = viewer.spool
    making = _Making(subject)

    def unreadable(error: OSError) -> None:
        on_trouble(Trouble.of(spool.folder("log"), error))

    stream = Stream(spool.folder("log"), without=_UNUSED, only=subject.pattern, report=unreadable)
    for event in ordered(event for _, event in stream.new_events() if making.wants(event)):
        making.add(event)
    places = [p for p in scan.everything(spool) if subject.takes(p.token.job_id)]
    places += [Placed("archive", t) for t in scan.listing(spool, "archive") if subject.takes(t.job_id)]
    each = EachItem(on_trouble)
    if subject.job is not None:  # Steps of plans and epics are in no pack.
        packed = scan.packed(spool, subject.takes)
        places += packed
        for token in (placed.token for placed in packed):
            for number in range(1, token.attempt + 1):
                with each.looking(spool.outcome_path(token.job_id, number)):
                    outcome = records.read_outcome(spool, token.job_id, number)
                    if outcome is not None:
                        making.complete(outcome)
    for name in sorted(spool.names("outcomes")):
        parsed = parse_outcome(name)
        if parsed is not None and parsed[2] is None and subject.takes(parsed[0]):
            with each.looking(spool.path("outcomes", name)):
                outcome = records.read_outcome(spool, parsed[0], parsed[1])
                if outcome is not None:
                    making.complete(outcome)
    for placed in places:
        making.place(placed, str(viewer.status(placed)))
    if not making.attempts and not places:
        raise NotFound(f"the spool knows nothing of {subject}", hint="wf spool ls lists the jobs", code="NO_TRACE")
    return making.finished(viewer.clock.now_ms())


class _Making:
    def __init__(self, subject: Subject):
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self._subject = subject
        self._queued: dict[str, int] = {}
        self._pools: dict[str, Pool] = {}
        self._hosts: dict[str, str] = {}
        self._marks: list[Mark] = []
        self._of_workers: list[tuple[str, Mark]] = []

    def wants(self, event: Event) -> bool:
        """Whether the event can be part of the trace."""
        job_id = event.facts.get("job_id")
        if job_id is not None:
            return self._subject.takes(job_id)
        if event.event.startswith("epic."):
            return self._subject.epic_id is not None and event.facts.get("epic_id") == self._subject.epic_id
        return event.event in _OF_WORKERS or event.event == "lease.acquired"

    def add(self, event: Event) -> None:
        """Take over one event; they have to come in the order of a job's life."""
        kind, facts = event.event, event.facts
        ms = parse_iso_ms(event.ts) or 0
        job_id, number, owner = facts.get("job_id"), facts.get("attempt", 0), facts.get("owner")
        if owner is not None and "host" in facts and kind in ("job.claimed", "job.started", "lease.acquired"):
            self._hosts[owner] = facts["host"]
        if kind in _MARKS:
            subject = str(job_id or f"epic {facts.get('epic_id')}")
            self._marks.append(Mark(ms, kind, subject, facts.get("reason")))
        elif kind in _OF_WORKERS and owner is not None:
            self._of_workers.append((owner, Mark(ms, kind, owner, facts.get("reason"))))
        if job_id is None:
            return
        waits = kind in ("job.enqueued", "job.retried") or (kind in _ENDS and facts.get("to") == "queued")
        of_attempt = number > 0 and facts.get("from") not in ("queued", "held")
        if kind == "job.claimed":
            attempt = self._attempt(job_id, number)
            attempt.claimed_ms, attempt.outcome = ms, "unknown"
            attempt.queued_ms = self._queued.get(job_id)
            self._describe(attempt, event)
        elif kind == "job.started":
            attempt = self._attempt(job_id, number)
            attempt.started_ms = ms
            self._describe(attempt, event)
        elif kind in _ENDS and of_attempt:
            attempt = self._attempt(job_id, number)
            attempt.end_ms, attempt.outcome = ms, _ENDS[kind]
            self._describe(attempt, event)
            attempt.error_code, attempt.reason = facts.get("error_code"), facts.get("reason")
            attempt.tokens_in, attempt.tokens_out = facts.get("tokens_in"), facts.get("tokens_out")
            attempt.cost_usd = facts.get("cost_usd")
        elif kind == "attempt.late" and (job_id, number) in self.attempts:
            self._attempt(job_id, number).late = True
        if waits:
            self._queued[job_id] = ms

    def complete(self, outcome: Outcome) -> None:
        """What an accepted outcome tells of an attempt whose end the log does not have."""
        attempt = self._attempt(outcome.job_id, outcome.attempt)
        if attempt.end_ms is not None:
            return
        attempt.end_ms, attempt.outcome = outcome.at_ms, str(outcome.end)
        attempt.owner = outcome.owner or attempt.owner
        if attempt.started_ms is None:
            attempt.started_ms = outcome.started_ms
        if outcome.failure is not None:
            attempt.error_code, attempt.reason = outcome.failure.code, outcome.failure.message
        attempt.reason = outcome.reason or attempt.reason
        usage = outcome.usage or {}
        attempt.tokens_in, attempt.tokens_out = usage.get("tokens_in"), usage.get("tokens_out")
        attempt.cost_usd = outcome.cost_usd

    def place(self, placed: Placed, status: str) -> None:
        """What a token's name tells: the pool of its job, and the attempt that goes on."""
        token = placed.token
        self._pools[token.job_id] = token.pool
        if token.owner is not None and placed.folder in ("claimed", "running"):
            attempt = self._attempt(token.job_id, token.attempt)
            if attempt.end_ms is None:
                attempt.owner, attempt.outcome = token.owner, status if status == "stalled" else "running"

    def finished(self, now_ms: int) -> Trace:
        """The trace of all that was added."""
        for attempt in self.attempts.values():
            pool = self._pools.get(attempt.job_id)
            if attempt.role is None and pool is not None:
                attempt.role, attempt.runtime = pool.role, pool.runtime
        owners = {attempt.owner for attempt in self.attempts.values()}
        marks = [*self._marks, *(mark for owner, mark in self._of_workers if owner in owners)]
        return Trace(
            str(self._subject),
            now_ms,
            sorted_by_begin(self.attempts.values()),
            sorted(marks, key=lambda mark: mark.ms),
            {owner: host for owner, host in self._hosts.items() if owner in owners},
        )

    def _attempt(self, job_id: str, number: int) -> Attempt:
        if (job_id, number) not in self.attempts:
            target = target_of(job_id)
            attempt = Attempt(job_id, number)
            if target is not None:
                attempt.plan_id, attempt.epic_id = target.plan_id, target.epic_id
            self.attempts[job_id, number] = attempt
        return self.attempts[job_id, number]

    @staticmethod
    def _describe(attempt: Attempt, event: Event) -> None:
        facts = event.facts
        attempt.owner = facts.get("owner", attempt.owner)
        attempt.role = facts.get("role", attempt.role)
        attempt.runtime = facts.get("runtime", attempt.runtime)
