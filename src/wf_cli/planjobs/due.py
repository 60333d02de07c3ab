"""Decides which job a plan waits for, or why it gets none. All functions here are pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import field

from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.step import BLOCKED, COMPLETED, STEPS, Approval, PlanFacts, Step, named
from wf_cli.frozen import frozen


@frozen
class Job:
    """A live or dead job of a plan."""

    job_id: str
    command: str
    iteration: int
    status: Status

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


@frozen
class Limits:
    """The limits that the configuration sets."""

    max_parallel_plans: int = 1
    max_iterations: int = 5
    #: What a person has to approve.
    approve: frozenset[Approval] = frozenset()


@frozen
class Publish:
    """The job that should exist."""

    command: str
    iteration: int


@frozen
class Wait:
    """No job now, and why. With ``needs_help`` a person has to act before there is one."""

    why: str
    needs_help: bool = False
    #: The command of a person that ends the wait, if there is one. It follows from the rest.
    command: str | None = field(default=None, compare=False)
    #: What waits for a person's approval: in words, and the beginning of its digest.
    unapproved: tuple[str, str] | None = field(default=None, compare=False)


@frozen
class Block:
    """The plan has used up its rounds, so its phase has to be set to blocked."""

    why: str


#: None means that the plan is completed or has a live job, so there is nothing to report.
Verdict = Publish | Wait | Block | None


def due(
    plan: PlanFacts,
    jobs: Sequence[Job],
    ahead: Sequence[str],
    limits: Limits,
    steps: Mapping[str, Step] = STEPS,
) -> Verdict:
    """The verdict on ``plan``, given its live and dead ``jobs`` and the plans ``ahead`` of it."""
    live = [job for job in jobs if job.is_live]
    if live:
        waits = {Status.QUEUED, Status.HELD}.issuperset(job.status for job in live)
        return approval_of(plan, steps, limits.approve) if waits and _has_job(plan, live, steps) else None
    dead = dead_letter(plan, jobs, steps)
    if dead is not None:
        told = f"{dead} is dead; `wf spool show {dead}` says why, `wf retry {dead}` runs it again"
        return Wait(told, needs_help=True, command=f"wf retry {dead}")
    step = next_step(plan, steps)
    if step is None:
        return _idle(plan, steps)
    approval = approval_of(plan, steps, limits.approve)
    if approval is not None:
        return approval
    if len(ahead) >= limits.max_parallel_plans and not step.apart:
        return Wait(f"waits for plan {', '.join(ahead)} (max_parallel_plans)", command=f"wf explain P{ahead[0]}")
    if step.raises and plan.iteration >= limits.max_iterations:
        return Block(f"blocked after {plan.iteration} rounds of fixing (max_iterations)")
    return Publish(step.command, plan.iteration)


def next_step(plan: PlanFacts, steps: Mapping[str, Step] = STEPS) -> Step | None:
    """The step that a plan waits for, without a person; None when there is none."""
    return next((step for step in steps.values() if step.due(plan)), None)


def approval_of(plan: PlanFacts, steps: Mapping[str, Step], wanted: Container[Approval]) -> Wait | None:
    """The wait for a person's approval of what the next step of ``plan`` is about; None when it needs none."""
    step = next_step(plan, steps)
    if step is None or step.approval is None or step.approval not in wanted:
        return None
    text = plan.unapproved(step.approval)
    if text is None:
        return None
    command = f"wf approve {plan.plan_id}"
    lets = "lets it be coded" if step.approval == "plan" else "lets it be merged"
    return Wait(
        f"waits for approval of {named(step.approval, text, files=True)}; `{command}` {lets}, "
        f"`wf reject {plan.plan_id} --reason TEXT` sends it back",
        needs_help=True,
        command=command,
        unapproved=(named(step.approval, text), text),
    )


def _has_job(plan: PlanFacts, live: Sequence[Job], steps: Mapping[str, Step]) -> bool:
    """Whether one of ``live`` is the job of the step that ``plan`` waits for. Workers do not claim it unapproved."""
    step = next_step(plan, steps)
    return step is not None and any((job.command, job.iteration) == (step.command, plan.iteration) for job in live)


def dead_letter(plan: PlanFacts, jobs: Sequence[Job], steps: Mapping[str, Step] = STEPS) -> str | None:
    """The dead job of the step that ``plan`` waits for, which is its next step or the step it was left inside.

    The plan goes on when a person retries that job. A dead job of another step or round does not stop a plan.
    """
    step = next_step(plan, steps) or _left_inside(plan, steps)
    if step is None:
        return None
    wanted = (step.command, step.due_iteration(plan))
    return next((job.job_id for job in jobs if not job.is_live and (job.command, job.iteration) == wanted), None)


def is_inside(plan: PlanFacts, steps: Mapping[str, Step] = STEPS) -> bool:
    """Whether a step was opened for ``plan`` and is not finished. Until it is, no other step becomes due."""
    return next_step(plan, steps) is None and _left_inside(plan, steps) is not None


def _left_inside(plan: PlanFacts, steps: Mapping[str, Step]) -> Step | None:
    """The step that opened the phase of ``plan``."""
    inside = (step for step in steps.values() if step.is_job and step.before and step.inside == plan.phase)
    return next(inside, None)


def _idle(plan: PlanFacts, steps: Mapping[str, Step]) -> Wait | None:
    """The reason why a plan has no next step; None when it is completed."""
    if plan.phase == COMPLETED:
        return None
    if plan.phase == BLOCKED:
        way_out = next((step.command for step in steps.values() if step.is_job and BLOCKED in step.before), "fix")
        command = f"wf {way_out} {plan.plan_id}"
        return Wait(f"is blocked; `{command}` takes it up again", needs_help=True, command=command)
    inside = _left_inside(plan, steps)
    if inside is None:
        return Wait(f"is in the unknown phase {plan.phase}", needs_help=True)
    command = f"wf {inside.command} {plan.plan_id}"
    told = f"was left in {plan.phase}{inside.left} `{command}` gives it to a worker"
    return Wait(told, needs_help=True, command=command)
