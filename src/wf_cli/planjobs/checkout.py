"""Which plans are open: each from its first job until it is completed, blocked or dead, across epics.

Plans share one checkout, so only some may be open at once (`max_parallel_plans`). A slot lock of the workers
enforces that; here it decides what is published, so that jobs do not wait for slots.
"""

from __future__ import annotations

from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.step import AWAITING_REVIEW, CODING, FIXING, REVIEWING
from wf_cli.errors import WfError
from wf_cli.planjobs.due import dead_letter, next_step
from wf_cli.planjobs.look import Look
from wf_cli.workflow.plans import Plan

#: Phases of a plan that has begun and has not ended.
_OPEN_PHASES = frozenset({CODING, AWAITING_REVIEW, REVIEWING, FIXING})
_AT_WORK = frozenset({Status.CLAIMED, Status.RUNNING})


class Checkout:
    """The open plans of one look, kept up to date while jobs are published."""

    def __init__(self, look: Look):
        self._look = look
        self._place = {plan.id: place for place, plan in reversed(list(enumerate(look.plans)))}
        self._plans = {plan.id: plan for plan in reversed(look.plans)}
        self._busy = {plan_id for plan_id in self._plans if self._has_job(plan_id)}
        self._open = self._busy | {plan.id for plan in look.plans if self._is_open(plan)}
        self._going: dict[str, bool] = {}

    def ahead_of(self, plan: Plan) -> list[str]:
        """The open plans that ``plan`` has to wait for.

        A new plan waits for all of them. Of several that are open already (a repository that changes over to
        this mode, a smaller max_parallel_plans) each waits for those with a live job and for those before it
        that have a next step: so one of them always goes on.
        """
        if plan.id not in self._open:
            return sorted(self._open)
        mine = self._rank(plan.id)
        others = sorted(self._open - {plan.id}, key=self._rank)
        return [
            other for other in others if other in self._busy or (self._rank(other) < mine and self._goes_on(other))
        ]

    def began(self, plan: Plan) -> None:
        """A job of ``plan`` was published."""
        self._busy.add(plan.id)
        self._open.add(plan.id)

    def ended(self, plan: Plan) -> None:
        """``plan`` was blocked."""
        self._open.discard(plan.id)

    def _rank(self, plan_id: str) -> int:
        """The place of a plan among all; a plan that appeared since comes last."""
        return self._place.get(plan_id, len(self._place))

    def _has_job(self, plan_id: str) -> bool:
        # A queued job of a number that two plans have is not claimed until a person has renumbered one of them.
        holding = _AT_WORK if plan_id in self._look.sharing else LIVE
        return any(job.status in holding for job in self._look.live(plan_id))

    def _is_open(self, plan: Plan) -> bool:
        if plan.id in self._look.sharing or self._look.phase(plan) not in _OPEN_PHASES:
            return False
        if not self._look.is_driven(plan):
            return False
        # A plan whose step is a dead letter waits for a person, and others may use the checkout.
        jobs = self._look.jobs(plan.id)
        try:
            return not jobs or dead_letter(self._look.facts(plan), jobs) is None
        except WfError:
            return True

    def _goes_on(self, plan_id: str) -> bool:
        """Whether a plan has a next step by itself. An unreadable one has none; its own entry says why."""
        if plan_id not in self._going:
            try:
                self._going[plan_id] = next_step(self._look.facts(self._plans[plan_id])) is not None
            except WfError:
                self._going[plan_id] = False
        return self._going[plan_id]
