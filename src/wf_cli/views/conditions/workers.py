"""Sessions that have jobs and do not work: gone, stopped by a signal, or silent."""

from __future__ import annotations

from collections.abc import Iterator

from wf_cli import proc
from wf_cli.clock import format_duration
from wf_cli.spool.liveness import Verdict
from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.pools import start
from wf_cli.views.conditions.sight import Sight, is_silent
from wf_cli.views.sessions import SessionView

_WHY_GONE = {
    Verdict.DEAD: "its process has ended",
    Verdict.EXPIRED: "its lease has expired",
    Verdict.ABSENT: "it has no lease",
}


def gone(sight: Sight) -> Iterator[Condition]:
    """Sessions that are known to be gone and have jobs, which any worker that looks ends."""
    for view in sight.sessions:
        verdict = sight.viewer.verdict(view.owner)
        if view.jobs and verdict in _WHY_GONE:
            text = f"{view.owner} is gone ({_WHY_GONE[verdict]}) and has {_jobs(view)}"
            yield _left_to(
                sight, view, "session_alive", False, text, "the next worker that looks ends its attempt(s)"
            )


def stopped(sight: Sight) -> Iterator[Condition]:
    """Sessions of this host whose process a signal has stopped, so that it beats no lease and ends no job."""
    for view in sight.sessions:
        if _is_stopped(view) and view.record is not None:
            text = f"process {view.record.pid} of {view.owner} is stopped by a signal, so it does nothing"
            yield Condition(
                "process_runs", False, text, f"kill -CONT {view.record.pid}", Scope(owner=view.owner), grave=True
            )


def silent(sight: Sight) -> Iterator[Condition]:
    """Sessions with jobs whose lease is older than it may be, by the clocks that this host can see."""
    for view in sight.sessions:
        record = view.record
        if record is None or not view.jobs or not is_silent(view) or _is_stopped(view):
            continue
        if sight.viewer.verdict(view.owner) in _WHY_GONE:
            continue
        where = f"{view.owner} on {record.host}" if not record.on_this_host else view.owner
        ago, lasts = format_duration(view.heartbeat_age_s or 0.0), format_duration(record.lease_seconds)
        text = f"{where} has not beaten its lease for {ago}, which lasts {lasts}, and has {_jobs(view)}"
        yield _left_to(sight, view, "lease_beaten", None, text, "a worker that stays sees the lease expire")


def _is_stopped(view: SessionView) -> bool:
    record = view.record
    return record is not None and record.on_this_host and proc.stopped(record.pid, record.start)


def _jobs(view: SessionView) -> str:
    return f"{len(view.jobs)} job(s): {', '.join(token.job_id for token in view.jobs[:3])}"


def _left_to(sight: Sight, view: SessionView, name: str, holds: bool | None, text: str, then: str) -> Condition:
    """A condition that a worker changes: one that is there, or one that has to be started."""
    pool = view.jobs[0].pool
    command = None if sight.has_worker(pool) else start(pool)
    return Condition(name, holds, f"{text}; {then}", command, Scope(owner=view.owner), grave=True)
