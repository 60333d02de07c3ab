"""A list of jobs, one row each: what `wf spool ls` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wf_cli import clock as times
from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.views.viewer import Viewer

#: Orders of a list: what is at work first, or the oldest, or what would be claimed first.
SORTS = ("status", "age", "priority")
#: Statuses from the most to the least interesting.
_BY_INTEREST = (
    Status.STALLED, Status.RUNNING, Status.CLAIMED, Status.QUEUED, Status.HELD, Status.FAILED, Status.CANCELLED,
    Status.SUCCEEDED,
)  # fmt: skip
_RANK = {status: rank for rank, status in enumerate(_BY_INTEREST)}


@dataclass(frozen=True, slots=True)
class Row:
    """One job. The fields are the keys of the JSON, in this order."""

    job_id: str
    status: str
    role: str
    runtime: str
    attempt: int
    burned: int
    max_attempts: int
    priority: int
    #: Queued or held with a delay: not before.
    ready_at: str | None
    #: The session that has it.
    owner: str | None
    plan_id: str | None
    epic_id: str | None
    #: Seconds since it was queued or, when it has finished, since it ended. By the clock of the one who looks.
    age_s: float
    #: Why it is in this state, where its last outcome says so.
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def row(placed: Placed, viewer: Viewer) -> Row:
    """What there is to say about one job. Reads the last outcome, if there should be one."""
    token = placed.token
    target = target_of(token.job_id)
    return Row(
        job_id=token.job_id,
        status=str(viewer.status(placed)),
        role=token.pool.role,
        runtime=token.pool.runtime,
        attempt=token.attempt,
        burned=token.burned,
        max_attempts=token.budget,
        priority=token.priority,
        ready_at=times.iso(token.time_ms) if token.delay_s and placed.folder in ("queued", "held") else None,
        owner=token.owner,
        plan_id=target.plan_id if target is not None else None,
        epic_id=target.epic_id if target is not None else None,
        age_s=round(max(0, viewer.clock.now_ms() - _since_ms(placed)) / 1000, 3),
        reason=viewer.reason(placed),
    )


def rows(placed: Iterable[Placed], viewer: Viewer, *, sort: str = "status", limit: int | None = None) -> list[Row]:
    """The first ``limit`` jobs in the order ``sort`` (one of `SORTS`). Only their outcomes are read."""
    chosen = ordered(placed, viewer, sort)
    return [row(p, viewer) for p in (chosen if limit is None else chosen[:limit])]


def ordered(placed: Iterable[Placed], viewer: Viewer, sort: str) -> list[Placed]:
    """By names alone."""
    match sort:
        case "age":
            return sorted(placed, key=_since_ms)
        case "priority":
            return sorted(placed, key=lambda p: p.token.name)
        case _:
            return sorted(placed, key=lambda p: (_RANK[viewer.status(p)], p.token.name))


def counts(placed: Sequence[Placed], viewer: Viewer) -> dict[str, int]:
    """How many jobs are in each status; every status is there."""
    out = {str(status): 0 for status in Status}
    for p in placed:
        out[str(viewer.status(p))] += 1
    return out


def _since_ms(placed: Placed) -> int:
    """When it was put where it is (claiming and starting keep the time of queueing)."""
    return placed.token.time_ms - placed.token.delay_s * 1000
