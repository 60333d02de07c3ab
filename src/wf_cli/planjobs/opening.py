"""The opening of a job: whether its plan still waits for its step, and whether the phase has to change first.

Only the step's row, the iteration of the job and the plan's state decide.

======================================  ==========================================================
the plan                                the job
======================================  ==========================================================
has the step's result already           succeeds without an agent (a crash came after the work)
is in a phase before the step           makes the phase change, and runs
is inside the step                      runs, because an earlier attempt made the change
anything else                           is superseded
======================================  ==========================================================

A plan that is behind what the job expects does not come here (`wf_cli.planjobs.behind`).
"""

from __future__ import annotations

from wf_cli.attempt.steps import Opening
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.step import STEPS, PlanFacts


def decide(target: Target, plan: PlanFacts) -> tuple[Opening, str]:
    """The answer of a plan to a job that is about to start, and the reason."""
    step = STEPS.get(target.command)
    if step is None or not step.is_job:
        return Opening.SUPERSEDED, not_a_job(target)
    where = f"plan {target.plan} is in {plan.phase}, iteration {plan.iteration}"
    if unmet(target, plan) is None:
        return Opening.DONE, f"{where}: the work is there already"
    before = plan.phase in step.before and plan.iteration == target.iteration
    inside = plan.phase == step.inside and plan.iteration == target.iteration + step.raises
    return (Opening.GO if before or inside else Opening.SUPERSEDED), where


def unmet(target: Target, plan: PlanFacts) -> Failure | None:
    """The failure that keeps a job from counting as done; None when it is done."""
    step = STEPS.get(target.command)
    if step is None or step.unmet is None:
        return Failure("checks_unmet", not_a_job(target))
    return step.unmet(plan, target.iteration + step.raises)


def not_a_job(target: Target) -> str:
    return f"{target.command} is not a step that a worker runs"
