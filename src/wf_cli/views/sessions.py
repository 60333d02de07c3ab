"""The sessions of a spool, with their jobs and whether they are alive."""

from __future__ import annotations

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
    """One session. Its ``state`` is alive, draining, stalled (lease expired), gone, or unknown (on another host)."""

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
    """The sessions that have a lease file or jobs. A session that ended in order has neither and is left out."""
    spool = viewer.spool
    taken = [placed.token for placed in scan.taken(spool)]
    for owner in session.owners(spool):
        record = session.read(spool, owner)
        jobs = tuple(token for token in taken if token.owner == owner)
        age = lease.beat_age_s(spool, owner, viewer.clock.now_ms())
        if record is None or (age is None and not jobs):
            continue
        state = _STATES.get(viewer.verdict(owner), "alive")
        if state == "alive" and record.state == "draining":
            state = "draining"
        yield SessionView(record, state, age, jobs)
