"""The open plans of all epics. A plan is open from its first job until it is completed (and merged, if it
has a branch of its own), blocked, or its job is dead.

Plans share one checkout, so only `max_parallel_plans` of them may be open at once. The workers' slot locks enforce
that. The dispatcher obeys it as well, so that it publishes no job that would only wait for a slot.
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

        A plan that is not open waits for all of them. Several may be open already, when a repository has just turned
        this mode on or max_parallel_plans became smaller. Each of them waits for those with a live job, and for
        earlier ones that have a next step. So a live job always goes on, or else the first plan with a next step.
        """
        if plan.id not in self._open:
            return sorted(self._open)
        mine = self._rank(plan.id)
        others = sorted(self._open - {plan.id}, key=self._rank)
        return [
            other for other in others if other in self._busy or (self._rank(other) < mine and self._goes_on(other))
        ]

    def began(self, plan: Plan) -> None:
        """Count ``plan`` as busy and open, because a job of it was published."""
        self._busy.add(plan.id)
        self._open.add(plan.id)

    def ended(self, plan: Plan) -> None:
        """Count ``plan`` as open no more, because it was blocked."""
        self._open.discard(plan.id)

    def _rank(self, plan_id: str) -> int:
        """The place of a plan among all. A plan that appeared after the listing comes last."""
        return self._place.get(plan_id, len(self._place))

    def _has_job(self, plan_id: str) -> bool:
        # When two plans have one number, its queued jobs are not claimed until a person renumbers one of the plans,
        # so they do not keep the checkout busy. Neither do those of a plan that is not in the checkout, or behind.
        waits = plan_id in self._look.sharing or plan_id in self._look.absent
        holding = _AT_WORK if waits else LIVE
        return any(job.status in holding for job in self._look.live(plan_id))

    def _is_open(self, plan: Plan) -> bool:
        if plan.id in self._look.sharing or plan.id in self._look.absent:
            return False
        if self._look.phase(plan) not in _OPEN_PHASES and not self._look.is_unmerged(plan):
            return False
        if not self._look.is_driven(plan):
            return False
        # A plan whose step is a dead letter waits for a person, so other plans may use the checkout.
        jobs = self._look.jobs(plan.id)
        try:
            return not jobs or dead_letter(self._look.facts(plan), jobs) is None
        except WfError:
            return True

    def _goes_on(self, plan_id: str) -> bool:
        """Whether a plan has a next step without a person. False for an unreadable plan; its own entry tells why."""
        if plan_id not in self._going:
            try:
                self._going[plan_id] = next_step(self._look.facts(self._plans[plan_id])) is not None
            except WfError:
                self._going[plan_id] = False
        return self._going[plan_id]
