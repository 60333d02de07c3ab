"""The sessions of a spool, with their jobs and whether they are alive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wf_cli.clock import iso
from wf_cli.contract.token import Token
from wf_cli.frozen import frozen
from wf_cli.spool import lease, scan, session
from wf_cli.spool.liveness import Verdict
from wf_cli.spool.troubles import Trouble
from wf_cli.views.viewer import Viewer

_STATES = {
    Verdict.DEAD: "gone",
    Verdict.ABSENT: "gone",
    Verdict.EXPIRED: "stalled",
    Verdict.UNKNOWN: "unknown",
    Verdict.REMOTE: "remote",
}


@frozen
class SessionView:
    """One session. Its ``state`` is alive, draining, stalled (lease expired), gone, unknown (on another host), remote
    (another node of a synced folder), or unreadable: its file cannot be read, so no process of this user can tell
    whether it lives."""

    owner: str
    #: None when its file is missing, damaged or unreadable.
    record: session.SessionRecord | None
    state: str
    heartbeat_age_s: float | None
    jobs: tuple[Token, ...]
    #: Why its file cannot be read.
    trouble: Trouble | None = None

    def to_json(self) -> dict[str, Any]:
        record = self.record
        return {
            "owner": self.owner,
            "runtime": record.runtime if record is not None else None,
            "roles": list(record.roles) if record is not None else [],
            "host": record.host if record is not None else None,
            "pid": record.pid if record is not None else None,
            "state": self.state,
            "started_at": iso(record.started_ms) if record is not None else None,
            "heartbeat_age_s": self.heartbeat_age_s,
            "concurrency": record.concurrency if record is not None else None,
            "trouble": str(self.trouble) if self.trouble is not None else None,
            "jobs": [{"job_id": token.job_id, "attempt": token.attempt} for token in self.jobs],
        }


def sessions(viewer: Viewer) -> Iterator[SessionView]:
    """The sessions that have a lease file or jobs, also those whose file is missing, damaged or cannot be read.

    A session that ended in order has neither and is left out.
    """
    spool = viewer.spool
    taken = [placed.token for placed in scan.taken(spool)]
    known = session.owners(spool)
    without_file = sorted({token.owner for token in taken if token.owner is not None} - set(known))
    for owner in (*known, *without_file):
        record, trouble = None, None
        path = spool.path("sessions", f"{owner}.json")
        try:
            record = session.load(spool, owner)
        except OSError as error:
            trouble = Trouble.of(path, error)
        jobs = tuple(token for token in taken if token.owner == owner)
        age = lease.beat_age_s(spool, owner, viewer.clock.now_ms())
        if age is None and not jobs and trouble is None:
            continue
        state = "unreadable" if trouble is not None else _STATES.get(viewer.verdict(owner), "alive")
        if state == "alive" and record is not None and record.state == "draining":
            state = "draining"
        yield SessionView(owner, record, state, age, jobs, trouble)
