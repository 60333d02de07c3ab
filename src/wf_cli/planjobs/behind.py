"""Plans that stand earlier in the checkout than the job of their next step needs, as after ``git checkout`` of an
older branch, and plans whose state says nothing.

Nobody has decided about such a plan, so its job waits, as for a plan that is absent. It goes on when the state is
back. Only a person cancels it. A plan that is *further* than its job has moved on, and the job is superseded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from wf_cli import git
from wf_cli.contract.identity import Target
from wf_cli.contract.step import (
    AWAITING_REVIEW,
    BLOCKED,
    CODING,
    COMPLETED,
    FIXING,
    PHASES,
    PLANNING,
    REVIEWING,
    STEPS,
)
from wf_cli.errors import Absent, StateError, WfError
from wf_cli.planjobs import absence
from wf_cli.planjobs.absence import LIMIT, Trace
from wf_cli.workflow import files, grammar, plans
from wf_cli.workflow.plans import Plan, PlanState
from wf_cli.workflow.project import Project

#: How far each phase is in one round of a plan. Only these are compared, so completed is not among them: it is the
#: end, whatever the iteration.
_RANKS = {PLANNING: 0, CODING: 1, FIXING: 1, AWAITING_REVIEW: 2, REVIEWING: 3, BLOCKED: 4}
assert {*_RANKS, COMPLETED} == set(PHASES)


def is_behind(target: Target, phase: str, iteration: int) -> bool:
    """Whether a plan that is there comes before every phase from which the job of ``target`` begins."""
    step = STEPS.get(target.command)
    if step is None or not step.is_job or phase not in _RANKS:
        return False
    if step.inside == COMPLETED:  # A plan that was reopened is reviewed again.
        return (iteration, _RANKS[phase]) < (target.iteration, _RANKS[REVIEWING])
    begins = [_RANKS[before] for before in step.before or (PLANNING,)]
    return (iteration, _RANKS[phase]) < (target.iteration, min(begins))


def is_written(plan: Plan) -> bool:
    """Whether plan.md says anything."""
    return bool(grammar.trim(files.read_text(plan.plan_md) or ""))


def refuse(
    target: Target,
    plan: Plan,
    state_of: Callable[[Plan], PlanState | None] = plans.read_state,
    written: Callable[[Plan], bool] = is_written,
) -> None:
    """Raise Absent (``PLAN_BEHIND``) for a plan that is behind the job of ``target``.

    Raises StateError for a state that cannot be read, or that has a phase which wf does not know. A plan without a
    state is not behind; see `wf_cli.planjobs.absence`.
    """
    state = state_of(plan)
    if state is None:
        return
    if state.phase not in PHASES:
        raise StateError(
            f"{plan.state_json} has no phase that wf knows ({state.phase})",
            hint=f"restore the file from version control, or write one of {', '.join(PHASES)}",
            path=str(plan.state_json),
        )
    where = f"{plan.relative} is in {state.phase}, iteration {state.iteration}"
    if not is_behind(target, state.phase, state.iteration):
        if not _begins_planned(target, state) or written(plan):
            return
        where = f"{plan.relative}/plan.md is empty"
    raise Absent(
        f"plan {target.plan_id} is behind in this checkout: {where}, and the job is {target.command}, iteration "
        f"{target.iteration}",
        hint="bring the plan's later state back (git checkout of its branch, git stash pop) and the job goes on; "
        "`wf explain` looks for it, and `wf cancel` ends the job",
        code="PLAN_BEHIND",
        plan_id=target.plan_id,
    )


def _begins_planned(target: Target, state: PlanState) -> bool:
    """Whether the job begins in the phase in which its plan is written, and needs it written."""
    step = STEPS.get(target.command)
    return step is not None and state.phase == PLANNING and PLANNING in step.before


def objection(project: Project, target: Target) -> WfError | None:
    """Why the job of a plan waits for the plan's files: Absent, or StateError; None when it does not.

    None also while several plans have the number, because that is told by itself. Raises OSError when the disk does
    not tell.
    """
    return among(plans.all_plans(project), target)


def among(
    known: Iterable[Plan],
    target: Target,
    state_of: Callable[[Plan], PlanState | None] = plans.read_state,
    written: Callable[[Plan], bool] = is_written,
) -> WfError | None:
    """`objection` for plans that were listed already."""
    number = target.plan
    sharing = [plan for plan in known if plan.id == number and absence.is_there(plan)]
    if not sharing:
        return absence.absent(number)
    if len(sharing) > 1:
        return None
    try:
        refuse(target, sharing[0], state_of, written)
    except (Absent, StateError) as error:
        return error
    return None


def trace(project: Project, target: Target) -> Trace:
    """Where git has the plan far enough for the job, and the command that brings it back. Runs git several times."""
    for plan in plans.all_plans(project):
        if plan.id == target.plan:
            found = next(_traces(project, plan, target), None)
            if found is not None:
                return found
    return Trace("no commit at the head of a branch and no stash is known to have a later state of it")


def _traces(project: Project, plan: Plan, target: Target) -> Iterator[Trace]:
    if _has(project, "HEAD", plan, target):
        yield Trace(
            f"the last commit has a later state of {plan.relative}, which was changed here",
            f"git checkout -- {plan.relative}",
        )
    for stash in absence.stashes(project):
        if any(_has(project, tree, plan, target) for tree in (stash, f"{stash}^3")):
            yield Trace(f"a later state of {plan.relative} is in {stash}", f"git stash pop '{stash}'")
    for branch in absence.branches(project):
        if _has(project, branch, plan, target):
            yield Trace(f"a later state of {plan.relative} is on the branch {branch}", f"git checkout {branch}")


def _has(project: Project, tree: str, plan: Plan, target: Target) -> bool:
    """Whether the plan's state in a tree of git is far enough for the job."""
    text = git.output(project.root, "show", f"{tree}:{plan.relative}/state.json", limit=LIMIT)
    try:
        state = json.loads(text or b"")
        phase, iteration = str(state["phase"]), int(state["iteration"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    if phase not in PHASES or is_behind(target, phase, iteration):
        return False
    if phase == PLANNING and target.command != "plan":
        written = git.output(project.root, "show", f"{tree}:{plan.relative}/plan.md", limit=LIMIT)
        return bool((written or b"").strip())
    return True
