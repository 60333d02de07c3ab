"""One line of the log: what happened, when, to what (``schemas/event.schema.json``).

The log is a record and never the truth, because a job's state is where its token lies. Events of several hosts are
ordered by the life of a job, not by `ts`.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from wf_cli.frozen import frozen

SCHEMA = 1

#: Every kind of event. Scripts may rely on the names.
KINDS = frozenset(
    """job.enqueued job.deduped job.claimed job.started job.succeeded job.failed job.retried job.dead
    job.cancelled job.held job.released job.stalled job.reaped job.rerouted job.quarantined
    attempt.session attempt.usage attempt.late lease.acquired lease.lost worker.started worker.draining
    worker.stopped pool.paused pool.cooldown pool.resumed plan.phase plan.waiting plan.approved plan.rejected
    plan.reopened plan.merged epic.started epic.completed epic.blocked epic.stopped epic.resumed job.archived
    spool.cleaned notify.failed""".split()
)

#: Keys of a line besides schema, ts and event. A key that does not apply is absent.
FIELDS = (
    "job_id", "attempt", "from", "to", "owner", "runtime", "role", "epic_id", "plan_id", "host", "pid", "reason",
    "error_class", "error_code", "exit_code", "duration_s", "tokens_in", "tokens_out", "cost_usd", "session_id",
    "branch", "commit",
)  # fmt: skip


@frozen
class Event:
    """``ts`` is RFC 3339 UTC; ``facts`` holds some of `FIELDS`."""

    ts: str
    event: str
    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        ordered = {key: self.facts[key] for key in FIELDS if self.facts.get(key) is not None}
        return {"schema": SCHEMA, "ts": self.ts, "event": self.event, **ordered}

    def line(self) -> str:
        """One line of JSON, without its newline."""
        return json.dumps(self.to_json(), ensure_ascii=False)


class EventSink(Protocol):
    """Where transitions are reported. It must not raise, because a full disk may not stop a transition."""

    def emit(self, event: str, **facts: Any) -> None:
        """Record ``event`` with the facts given (names of `FIELDS`; ``from_`` stands for ``from``)."""
        ...

    def rest(self) -> None:
        """Nothing may follow for a while, so let everybody see what was recorded."""
        ...


class NoEvents:
    """An `EventSink` that forgets every event."""

    def emit(self, event: str, **facts: Any) -> None:
        pass

    def rest(self) -> None:
        pass
