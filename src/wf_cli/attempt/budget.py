"""The limits on what a job and its epic may cost. They are checked before an agent is launched and while it runs.

Costs are read from the outcomes of attempts. An attempt that had an agent and whose outcome tells no cost counts as
*unknown*. ``unknown_cost: hold`` then lets no further attempt start; ``allow`` counts the unknown cost as zero.

The cost of a running attempt of another job of the epic is seen only when that attempt has ended.
"""

from __future__ import annotations

from wf_cli.config.model import Budget
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Token
from wf_cli.queue.spending import Spent, add_up
from wf_cli.queue.spool_queue import SpoolQueue


class Purse:
    """The budget of one attempt, as it was when the attempt began."""

    def __init__(self, limits: Budget, job: Spent, epic: Spent | None, epic_id: str | None):
        self._limits = limits
        self._bounds = [("per_job_usd", "this job", limits.per_job_usd, job)]
        if epic is not None:
            self._bounds.append(("per_epic_usd", f"epic {epic_id}", limits.per_epic_usd, epic))

    @classmethod
    def open(cls, queue: SpoolQueue, token: Token, limits: Budget) -> Purse:
        """Adds up what was spent. Reads outcomes only where there is a limit."""
        target = target_of(token.job_id)
        epic_id = target.epic_id if target is not None else None
        job = add_up(queue, lambda job_id: job_id == token.job_id) if limits.per_job_usd is not None else Spent()
        epic = None
        if limits.per_epic_usd is not None and epic_id is not None:
            epic = add_up(queue, lambda job_id: _epic_of(job_id) == epic_id)
        return cls(limits, job, epic, epic_id)

    def objection(self) -> Failure | None:
        """Why no agent may be launched, or None."""
        for key, whose, limit, spent in self._bounds:
            if limit is None:
                continue
            if spent.usd >= limit:
                return _over(key, whose, limit, spent.usd)
            if spent.unknown and self._limits.unknown_cost == "hold":
                told = ", ".join(spent.unknown[:3]) + (", ..." if len(spent.unknown) > 3 else "")
                return Failure(
                    "unknown_cost",
                    f"nobody told what {told} cost, and budget.unknown_cost is hold: set it to allow, and wf release",
                    details={"budget": key, "attempts": list(spent.unknown)},
                )
        return None

    def exceeded(self, running_usd: float) -> Failure | None:
        """Why the running agent, which has cost ``running_usd`` so far, has to be stopped, or None."""
        for key, whose, limit, spent in self._bounds:
            if limit is not None and spent.usd + running_usd >= limit:
                return _over(key, whose, limit, spent.usd + running_usd)
        return None


def _over(key: str, whose: str, limit: float, spent: float) -> Failure:
    return Failure(
        "over_budget",
        f"{whose} has cost ${spent:.4f} of ${limit:g}; raise budget.{key} in wf.config, then wf release",
        details={"budget": key, "limit_usd": limit, "spent_usd": round(spent, 6)},
    )


def _epic_of(job_id: str) -> str | None:
    target = target_of(job_id)
    return target.epic_id if target is not None else None
