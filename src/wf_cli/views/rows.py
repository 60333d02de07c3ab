"""The list of jobs that `wf spool ls` prints, with one row for each."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from wf_cli import clock as times
from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.frozen import frozen
from wf_cli.views.viewer import Viewer

#: The orders of a list: jobs at work first, the oldest first, or in the order of claiming.
SORTS = ("status", "age", "priority")
#: The statuses in the order ``status``: jobs at work, then waiting, then ended ones.
_BY_INTEREST = (
    Status.STALLED, Status.RUNNING, Status.CLAIMED, Status.QUEUED, Status.HELD, Status.FAILED, Status.CANCELLED,
    Status.SUCCEEDED,
)  # fmt: skip
RANK = {status: rank for rank, status in enumerate(_BY_INTEREST)}


@frozen
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
    #: The time until which a queued or held job is delayed; None without a delay.
    ready_at: str | None
    #: The session that has the job.
    owner: str | None
    plan_id: str | None
    epic_id: str | None
    #: Seconds since the job was queued or, for a finished job, since it ended, by this host's clock.
    age_s: float
    #: Why the job is in this state, from its last outcome; None when that does not say.
    reason: str | None
    #: Seconds since ``reason`` came about, for a queued job whose last attempt it is of; None for a reason of now.
    reason_age_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _KEYS}


_KEYS = tuple(one.name for one in fields(Row))


def row(placed: Placed, viewer: Viewer) -> Row:
    """The row of one job. Its last outcome is read if it can have one."""
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
        age_s=round(max(0, viewer.clock.now_ms() - since_ms(placed)) / 1000, 3),
        reason=viewer.reason(placed),
        reason_age_s=viewer.past_s(placed),
    )


def last_time(reason: str, age_s: float | None) -> str:
    """A reason that belongs to the last attempt, with its age, because it may be repaired since."""
    ago = f"{times.format_duration(age_s)} ago" if age_s is not None else "at an unknown time"
    return f"last time, {ago}: {reason}"


def since_ms(placed: Placed) -> int:
    """When the job was queued or ended. Claiming and starting do not change that time."""
    return placed.token.time_ms - placed.token.delay_s * 1000
