"""What the worker asks about any job of a plan or an epic: one of the two kinds of steps has the answer."""

from __future__ import annotations

from contextlib import AbstractContextManager

from wf_cli.attempt.steps import Opening
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Token
from wf_cli.planjobs.epic_steps import EpicSteps
from wf_cli.planjobs.steps import PlanSteps


class JobSteps:
    """Implements `wf_cli.attempt.steps.Steps`: a target without a plan is a step of its epic."""

    def __init__(self, of_plans: PlanSteps, of_epics: EpicSteps):
        self._plans = of_plans
        self._epics = of_epics

    def hindrance(self, target: Target) -> str | None:
        return self._of(target).hindrance(target)

    def opening(self, target: Target) -> AbstractContextManager[tuple[Opening, str]]:
        return self._of(target).opening(target)

    def prepare(self, target: Target) -> None:
        if target.plan_id is not None:
            self._plans.prepare(target)

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        return self._of(target).prompt(target, attempt, last, resumed=resumed)

    def baseline(self, target: Target) -> str | None:
        return self._plans.baseline(target) if target.plan_id is not None else None

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        return self._plans.idle(target, baseline) if target.plan_id is not None else None

    def doubt(self, target: Target) -> str | None:
        return self._plans.doubt(target) if target.plan_id is not None else None

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        if target.plan_id is None:
            return self._epics.check(target)
        return self._plans.check(target, token, idle)

    def _of(self, target: Target) -> PlanSteps | EpicSteps:
        return self._plans if target.plan_id is not None else self._epics
