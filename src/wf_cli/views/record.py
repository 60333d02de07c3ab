"""Everything that is known about one job, as `wf spool show` prints it (``schemas/job.schema.json``)."""

from __future__ import annotations

import contextlib
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from wf_cli import clock as times
from wf_cli import fsio
from wf_cli.contract.event import Event
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import key_of
from wf_cli.contract.job import CONTRACT_VERSION, End, Outcome, Spec
from wf_cli.contract.token import Placed, late_name, mark, parse_outcome
from wf_cli.eventlog.read import Selection, stream
from wf_cli.frozen import frozen
from wf_cli.spool import lease as leases
from wf_cli.spool import records, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import GONE, Verdict
from wf_cli.spool.troubles import EachItem, Trouble
from wf_cli.views.rows import Row, row
from wf_cli.views.viewer import Viewer

#: Events of one job that its record holds, the latest ones. A job has some ten for each attempt.
MOST_EVENTS = 10_000


@frozen
class Lease:
    """The session that has the job. A fact that cannot be told is None."""

    owner: str
    host: str | None
    pid: int | None
    #: Seconds since the last beat. It compares this host's clock with the file's, so it is for people only and no
    #: decision follows from it (invariant 6).
    renewed_s_ago: float | None
    #: None is unknown, because one look cannot see the lease of another host expire.
    expired: bool | None


@frozen
class Attempt:
    """One attempt, or the late result of a superseded one (``accepted`` is False)."""

    attempt: int
    owner: str | None
    started_at: str | None
    ended_at: str | None
    status: str | None
    error: dict[str, Any] | None
    usage: dict[str, Any] | None
    session_id: str | None
    #: Path relative to the spool.
    transcript: str | None
    accepted: bool | None


@frozen
class Record:
    """One job. ``problem`` names the first of its files that could not be read, or says that events are left out."""

    row: Row
    spec: Spec | None
    lease: Lease | None
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON document of job.schema.json without ``ok`` and ``schema_version``, valid for damaged files too."""
        spec, row = self.spec, self.row
        target = {"executor_role": row.role, "executor_runtime": row.runtime}
        return {
            **row.to_json(),
            "contract_version": CONTRACT_VERSION,
            "dedupe_key": spec.dedupe_key if spec is not None else key_of(row.job_id) or row.job_id,
            "target": spec.to_json()["target"] if spec is not None else target,
            "payload": spec.payload if spec is not None else None,
            "lease": asdict(self.lease) if self.lease is not None else None,
            "attempts": [asdict(attempt) for attempt in self.attempts],
            "events": [event.to_json() for event in self.events],
            "result": self.result,
            "error": self.error,
            **({"problem": self.problem} if self.problem else {}),
        }


def record(placed: Placed, viewer: Viewer) -> Record:
    """The record of the job of ``placed``. Damaged and unreadable files of the job do not raise."""
    spool, job_id = viewer.spool, placed.token.job_id
    troubles: list[Trouble] = []
    each = EachItem(troubles.append)
    spec = None
    with each.looking(spool.spec_path(job_id)):
        spec = records.read_spec(spool, job_id)
    outcomes = _outcomes(spool, job_id, each)
    total, latest = 0, deque[Event](maxlen=MOST_EVENTS)
    for event in stream(spool.folder("log"), Selection(jobs=frozenset({job_id}))):
        total += 1
        latest.append(event)
    events = tuple(latest)
    problem = f"{troubles[0].path}: {troubles[0].what}" if troubles else None
    if problem is None and total > len(events):
        problem = f"{total - len(events)} earlier events are left out: wf logs {job_id} --events has all"
    attempts = _attempts(placed, viewer, outcomes, events)
    accepted = [outcome for outcome, ok in outcomes if ok]
    failures = [outcome.failure for outcome in accepted if outcome.failure is not None]
    result = accepted[-1].result if accepted and accepted[-1].end is End.SUCCEEDED else None
    return Record(
        row=row(placed, viewer),
        spec=spec,
        lease=_lease(placed, viewer),
        attempts=tuple(attempts),
        events=events,
        result=result if placed.token.status == "succeeded" else None,
        error=_error(failures[-1]) if failures else None,
        problem=problem,
    )


def _outcomes(spool: Spool, job_id: str, each: EachItem) -> list[tuple[Outcome, bool]]:
    """The job's readable outcomes by attempt, each with whether it was accepted; late ones follow the accepted.

    They are found by listing, because the attempt number of a hostile token may be a million.
    """
    begin = f"{job_id}.a"  # Among many names, that look costs a fraction of parsing them.
    named = (parse_outcome(name) for name in spool.names("outcomes") if name.startswith(begin))
    entry = spool.packed(job_id)
    packed = {(number, "") for number, _ in entry.outcomes} if entry is not None else set()
    keys = sorted(packed | {(p[1], p[2] or "") for p in named if p is not None and p[0] == job_id})
    out: list[tuple[Outcome, bool]] = []
    for attempt, late_owner in keys:
        outcome = None
        if late_owner:
            with each.looking(spool.path("outcomes", late_name(job_id, attempt, late_owner))):
                outcome = records.read_late(spool, job_id, attempt, late_owner)
        else:
            with each.looking(spool.outcome_path(job_id, attempt)):
                outcome = records.read_outcome(spool, job_id, attempt)
        if outcome is not None:
            out.append((outcome, not late_owner))
    return out


def _attempts(
    placed: Placed, viewer: Viewer, outcomes: Sequence[tuple[Outcome, bool]], events: Sequence[Event]
) -> list[Attempt]:
    out = [
        Attempt(
            attempt=outcome.attempt,
            owner=outcome.owner,
            started_at=times.iso(outcome.started_ms) if outcome.started_ms is not None else None,
            ended_at=times.iso(outcome.at_ms),
            status=str(outcome.end),
            error=_error(outcome.failure),
            usage=outcome.usage,
            session_id=outcome.session_id,
            transcript=transcript_of(viewer.spool, outcome.job_id, outcome.attempt),
            accepted=accepted,
        )
        for outcome, accepted in outcomes
    ]
    token = placed.token
    if token.owner is not None and not any(a.accepted and a.attempt == token.attempt for a in out):
        agents = getattr(session.read(viewer.spool, token.owner), "agents", ())
        started = [e.ts for e in events if e.event == "job.started" and e.facts.get("attempt") == token.attempt]
        out.append(
            Attempt(
                attempt=token.attempt,
                owner=token.owner,
                started_at=started[-1] if started else None,
                ended_at=None,
                status=str(viewer.status(placed)),
                error=None,
                usage=None,
                session_id=next((a.session_id for a in agents if a.mark == mark(token)), None),
                transcript=transcript_of(viewer.spool, token.job_id, token.attempt),
                accepted=None,
            )
        )
    return out


def transcript_of(spool: Spool, job_id: str, attempt: int) -> str | None:
    """The path of an attempt's transcript, relative to the spool; None when there is no regular file."""
    path = spool.transcript_path(job_id, attempt)
    with contextlib.suppress(OSError):
        return str(path.relative_to(spool.root)) if stat.S_ISREG(fsio.facts(path).st_mode) else None
    return None


def _lease(placed: Placed, viewer: Viewer) -> Lease | None:
    owner = placed.token.owner
    if owner is None:
        return None
    found = session.read(viewer.spool, owner)
    verdict = viewer.verdict(owner)
    return Lease(
        owner=owner,
        host=found.host if found is not None else None,
        pid=found.pid if found is not None else None,
        renewed_s_ago=leases.beat_age_s(viewer.spool, owner, viewer.clock.now_ms()),
        expired=True if verdict in GONE else False if verdict is Verdict.ALIVE else None,
    )


def _error(failure: Failure | None) -> dict[str, Any] | None:
    return failure.to_json() if failure is not None else None
