"""Sessions for people: who works, on what, and whether they live."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wf_cli.clock import iso
from wf_cli.contract.token import Token
from wf_cli.spool import lease, scan, session
from wf_cli.spool.liveness import Verdict
from wf_cli.views.viewer import Viewer

_STATES = {Verdict.DEAD: "gone", Verdict.ABSENT: "gone", Verdict.EXPIRED: "stalled", Verdict.UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session. ``state``: alive, draining, stalled (its lease expired), gone, unknown (on another host)."""

    record: session.SessionRecord
    state: str
    heartbeat_age_s: float | None
    jobs: tuple[Token, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "owner": self.record.owner,
            "runtime": self.record.runtime,
            "roles": list(self.record.roles),
            "host": self.record.host,
            "pid": self.record.pid,
            "state": self.state,
            "started_at": iso(self.record.started_ms),
            "heartbeat_age_s": self.heartbeat_age_s,
            "concurrency": self.record.concurrency,
            "jobs": [{"job_id": token.job_id, "attempt": token.attempt} for token in self.jobs],
        }


def sessions(viewer: Viewer) -> Iterator[SessionView]:
    """Every session that has a lease, or died with jobs; the ones that ended in peace are history."""
    spool = viewer.spool
    taken = [token for folder in ("claimed", "running") for token in scan.listing(spool, folder)]
    for owner in session.owners(spool):
        record = session.read(spool, owner)
        jobs = tuple(token for token in taken if token.owner == owner)
        age = _beat_age_s(viewer, owner)
        if record is None or (age is None and not jobs):
            continue
        state = _STATES.get(viewer.verdict(owner), "alive")
        if state == "alive" and record.state == "draining":
            state = "draining"
        yield SessionView(record, state, age, jobs)


def _beat_age_s(viewer: Viewer, owner: str) -> float | None:
    """Seconds since the last heartbeat, by two clocks and therefore for people only; None without a lease."""
    try:
        beaten = os.stat(lease.path_of(viewer.spool, owner)).st_mtime
    except OSError:
        return None
    return max(0.0, round(viewer.clock.now_ms() / 1000 - beaten, 3))
