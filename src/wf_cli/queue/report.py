"""What every implementation of the queue tells the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wf_cli.contract import identity
from wf_cli.contract.event import EventSink
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.token import Token
from wf_cli.queue.batch import Batch
from wf_cli.queue.values import Enqueued

_ENDS = {
    End.SUCCEEDED: "job.succeeded",
    End.FAILED: "job.failed",
    End.RELEASED: "job.released",
    End.LOST: "job.reaped",
    End.CANCELLED: "job.cancelled",
}


class Report:
    """Turns transitions into events of an `EventSink`."""

    def __init__(self, events: EventSink, *, final: bool = False):
        """``final``: all ends are final here (`Version.adopts`), so a failure makes no dead letter by itself."""
        self._events = events
        self._final = final

    def emit(self, kind: str, token: Token, **facts: Any) -> None:
        """One event about the job and attempt of ``token``."""
        target = identity.target_of(token.job_id)
        if target is not None:
            facts |= {"plan_id": target.plan_id, "epic_id": target.epic_id}
        self._events.emit(
            kind,
            job_id=token.job_id,
            attempt=token.attempt or None,
            role=token.pool.role,
            runtime=token.pool.runtime,
            owner=token.owner,
            **facts,
        )

    def enqueued(self, batch: Batch, answers: Sequence[Enqueued], reason: str | None = None) -> None:
        """Jobs that were made, and those that were there already. Without a ``reason`` it is who asked for them."""
        for answer in answers:
            spec, token = batch.jobs[answer.job_id]
            self.emit("job.deduped" if answer.deduped else "job.enqueued", token, reason=reason or spec.source)

    def ended(self, token: Token, outcome: Outcome) -> None:
        """An attempt ended, by an outcome that was accepted."""
        to = outcome.disposition.to
        facts: dict[str, Any] = {"from_": "running", "to": to, "reason": outcome.reason}
        if outcome.failure is not None:
            facts |= {
                "error_class": str(outcome.failure.error_class),
                "error_code": outcome.failure.code,
                "reason": outcome.reason or outcome.failure.message,
            }
        if outcome.started_ms is not None:
            facts["duration_s"] = round((outcome.at_ms - outcome.started_ms) / 1000, 3)
        if outcome.usage:
            facts |= {k: outcome.usage.get(k) for k in ("tokens_in", "tokens_out", "cost_usd")}
        self.emit(_ENDS[outcome.end], token, **facts)
        if to == "dead" and not self._final:
            self.emit("job.dead", token, **facts)
