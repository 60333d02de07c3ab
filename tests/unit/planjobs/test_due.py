"""The table: phase, files and jobs of a plan, and what is published for it or why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from wf_cli.contract.failure import Failure
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.step import PHASES, STEPS, Approval, GateName, PlanFacts, Role, Step
from wf_cli.planjobs.due import Block, Job, Limits, Publish, Verdict, Wait, due, is_inside


@dataclass(frozen=True)
class Facts:
    """A plan without files. It passes its gates."""

    phase: str
    iteration: int = 0
    blanks: tuple[str, ...] = ()
    rejected_ids: tuple[str, ...] = ()
    plan_id: str = "01"
    merged: bool = True
    published: bool = True
    approved: bool = False

    @property
    def is_unmerged(self) -> bool:
        return self.phase == "completed" and not self.merged

    def gate_errors(self, gate: GateName) -> tuple[str, ...]:
        return ()

    def unapproved(self, approval: Approval) -> str | None:
        return None if self.approved else "1a2b3c"


EMPTY = ("plans/01-a/plan.md is empty",)
NO = ("T2",)


def job(said: str) -> Job:
    """``code@0 dead``: a job of plan 01 and where it is."""
    name, folder = said.split()
    command, iteration = name.split("@")
    role = STEPS.get(command, PUBLISH).role.name
    job_id = f"p01-i{iteration}-{command}-{role}"
    return Job(job_id, command, int(iteration), Status({"dead": "failed"}.get(folder, folder)))


def dead(job_id: str) -> Wait:
    return Wait(f"{job_id} is dead; `wf spool show {job_id}` says why, `wf retry {job_id}` runs it again", True)


CODE, REVIEW, FIX = "p01-i{}-code-plan-coder", "p01-i{}-review-plan-reviewer", "p01-i{}-fix-plan-fixer"
LEFT_CODING = Wait("was left in coding; finish it, or `wf code 01` gives it to a worker", True)
LEFT_FIXING = Wait("was left in fixing; finish it, or `wf fix 01` gives it to a worker", True)
LEFT_REVIEWING = Wait("was left in reviewing with nothing rejected; `wf review 01` gives it to a worker", True)

TABLE: list[tuple[Facts, list[str], Verdict]] = [
    # The steps that are due by themselves.
    (Facts("planning", blanks=EMPTY), [], Publish("plan", 0)),
    (Facts("planning"), [], Publish("code", 0)),
    (Facts("planning", 2), [], Publish("code", 2)),
    (Facts("awaiting_review"), [], Publish("review", 0)),
    (Facts("awaiting_review", 3), [], Publish("review", 3)),
    (Facts("reviewing", rejected_ids=NO), [], Publish("fix", 0)),
    (Facts("reviewing", 4, rejected_ids=NO), [], Publish("fix", 4)),
    # Phases that a person left, or that end a plan.
    (Facts("coding"), [], LEFT_CODING),
    (Facts("reviewing"), [], LEFT_REVIEWING),
    (Facts("fixing", 1), [], LEFT_FIXING),
    (Facts("completed"), [], None),
    (Facts("blocked"), [], Wait("is blocked; `wf fix 01` takes it up again", True)),
    (Facts("frozen"), [], Wait("is in the unknown phase frozen", True)),
    # What is written in the files counts only in its phase.
    (Facts("awaiting_review", rejected_ids=NO, blanks=EMPTY), [], Publish("review", 0)),
    (Facts("coding", rejected_ids=NO, blanks=EMPTY), [], LEFT_CODING),
    (Facts("completed", rejected_ids=NO), [], None),
    # A live job, of whatever step and round, is all that a plan may have.
    *((Facts("planning"), [f"code@0 {place}"], None) for place in ("queued", "held", "claimed", "running")),
    (Facts("coding"), ["code@0 running"], None),
    (Facts("reviewing", 1, rejected_ids=NO), ["review@1 running"], None),
    (Facts("planning"), ["code@0 dead", "review@0 queued"], None),
    # The dead letter of the step that the plan waits for, and of the one it was left inside.
    (Facts("planning", blanks=EMPTY), ["plan@0 dead"], dead("p01-i0-plan-orchestrator")),
    (Facts("planning"), ["code@0 dead"], dead(CODE.format(0))),
    (Facts("coding"), ["code@0 dead"], dead(CODE.format(0))),
    (Facts("awaiting_review", 1), ["review@1 dead"], dead(REVIEW.format(1))),
    (Facts("reviewing"), ["review@0 dead"], dead(REVIEW.format(0))),
    (Facts("reviewing", 1, rejected_ids=NO), ["fix@1 dead"], dead(FIX.format(1))),
    (Facts("fixing", 2), ["fix@1 dead"], dead(FIX.format(1))),
    (Facts("fixing", 2), ["code@0 dead", "fix@0 dead", "fix@1 dead"], dead(FIX.format(1))),
    # The dead letter of a step that is behind the plan, or of another round, holds nothing up.
    (Facts("planning"), ["plan@0 dead"], Publish("code", 0)),
    (Facts("awaiting_review"), ["code@0 dead"], Publish("review", 0)),
    (Facts("awaiting_review", 1), ["fix@0 dead"], Publish("review", 1)),
    (Facts("awaiting_review", 1), ["fix@1 dead"], Publish("review", 1)),
    (Facts("reviewing", rejected_ids=NO), ["review@0 dead"], Publish("fix", 0)),
    (Facts("reviewing", 1, rejected_ids=NO), ["fix@0 dead"], Publish("fix", 1)),
    (Facts("awaiting_review", 1), ["review@0 dead"], Publish("review", 1)),
    (Facts("fixing", 2), ["fix@0 dead", "fix@2 dead"], LEFT_FIXING),
    (Facts("fixing", 0), ["fix@0 dead"], LEFT_FIXING),
    (Facts("coding"), ["review@0 dead"], LEFT_CODING),
    (Facts("completed"), ["review@0 dead"], None),
    (Facts("blocked", 2), ["fix@1 dead"], Wait("is blocked; `wf fix 01` takes it up again", True)),
    # A plan with a branch of its own goes on until its target has it.
    (Facts("completed", 2, merged=False), [], Publish("integrate", 2)),
    (Facts("completed", 2, merged=False), ["integrate@2 held"], None),
    (Facts("completed", 2, merged=False), ["review@2 dead"], Publish("integrate", 2)),
    (Facts("completed", 2, merged=False), ["integrate@1 dead"], Publish("integrate", 2)),
    (Facts("completed", 2, merged=False), ["integrate@2 dead"], dead("p01-i2-integrate-integrator")),
    (Facts("completed", 9, merged=False), [], Publish("integrate", 9)),
    (Facts("reviewing", 2, rejected_ids=NO, merged=False), ["integrate@2 dead"], Publish("fix", 2)),
    (Facts("completed", 2), ["integrate@2 dead"], None),
    # The rounds of fixing are limited; a dead letter is told first.
    (Facts("reviewing", 5, rejected_ids=NO), [], Block("blocked after 5 rounds of fixing (max_iterations)")),
    (Facts("reviewing", 9, rejected_ids=NO), [], Block("blocked after 9 rounds of fixing (max_iterations)")),
    (Facts("reviewing", 5, rejected_ids=NO), ["fix@5 dead"], dead(FIX.format(5))),
    (Facts("awaiting_review", 5), [], Publish("review", 5)),
    (Facts("planning", 7), [], Publish("code", 7)),
]


@pytest.mark.parametrize(
    ("facts", "jobs", "verdict"), TABLE, ids=[f"{f.phase}-{f.iteration}-{'+'.join(j)}" for f, j, _ in TABLE]
)
def test_what_is_published_for_a_plan_or_why_not(facts: Facts, jobs: list[str], verdict: Verdict) -> None:
    assert due(facts, [job(said) for said in jobs], [], Limits()) == verdict


@pytest.mark.parametrize(
    ("ahead", "limit", "verdict"),
    [
        (["02"], 1, Wait("waits for plan 02 (max_parallel_plans)")),
        (["02", "03"], 2, Wait("waits for plan 02, 03 (max_parallel_plans)")),
        (["02"], 2, Publish("code", 0)),
        ([], 1, Publish("code", 0)),
    ],
)
def test_a_plan_waits_for_those_ahead_of_it(ahead: Sequence[str], limit: int, verdict: Verdict) -> None:
    assert due(Facts("planning"), [], ahead, Limits(max_parallel_plans=limit)) == verdict


def test_a_plan_is_merged_however_many_others_are_open() -> None:
    assert due(Facts("completed", merged=False), [], ["02", "03"], Limits()) == Publish("integrate", 0)


@pytest.mark.parametrize("jobs", [[], ["integrate@0 queued"], ["integrate@0 held"]])
def test_a_merge_that_has_to_be_approved_waits_for_a_person(jobs: list[str]) -> None:
    limits, listed = Limits(approve=frozenset({"merge"})), [job(said) for said in jobs]
    waits = due(Facts("completed", merged=False), listed, ["02"], limits)
    assert isinstance(waits, Wait)
    assert (waits.needs_help, waits.command) == (True, "wf approve 01")
    assert waits.why.startswith(
        "waits for approval of the merge of its commit 1a2b3c; `wf approve 01` lets it be merged"
    )
    assert due(Facts("planning"), [], [], limits) == Publish("code", 0), "its text does not wait"
    approved = due(Facts("completed", merged=False, approved=True), listed, [], limits)
    assert approved == (None if jobs else Publish("integrate", 0))


def test_what_needs_no_checkout_is_said_of_a_plan_that_would_have_to_wait() -> None:
    """And a plan that used up its rounds is blocked only when its turn comes."""
    assert due(Facts("coding"), [], ["02"], Limits()) == LEFT_CODING
    assert due(Facts("planning"), [job("code@0 dead")], ["02"], Limits()) == dead(CODE.format(0))
    waiting = due(Facts("reviewing", 5, rejected_ids=NO), [], ["02"], Limits())
    assert waiting == Wait("waits for plan 02 (max_parallel_plans)")


@pytest.mark.parametrize("phase", [*PHASES, "frozen"])
@pytest.mark.parametrize("blanks", [(), EMPTY])
@pytest.mark.parametrize("rejected", [(), NO])
@pytest.mark.parametrize("merged", [True, False])
def test_at_most_one_step_is_due(
    phase: str, blanks: tuple[str, ...], rejected: tuple[str, ...], merged: bool
) -> None:
    facts = Facts(phase, 1, blanks, rejected, merged=merged)
    assert sum(step.due(facts) for step in STEPS.values()) <= 1


def test_every_due_step_is_a_job_that_its_own_phase_can_open() -> None:
    for step in STEPS.values():
        due_in = {
            phase
            for phase in PHASES
            for blanks in ((), EMPTY)
            for rejected in ((), NO)
            for merged in (True, False)
            if step.due(Facts(phase, 0, blanks, rejected, merged=merged))
        }
        assert bool(due_in) == step.is_job
        assert due_in <= {*step.before, step.inside}


@pytest.mark.parametrize(
    ("facts", "inside"),
    [
        (Facts("planning"), False),
        (Facts("planning", blanks=EMPTY), False),
        (Facts("coding"), True),
        (Facts("awaiting_review"), False),
        (Facts("reviewing"), True),
        (Facts("reviewing", rejected_ids=NO), False),
        (Facts("fixing", 1), True),
        (Facts("completed"), False),
        (Facts("completed", merged=False), False),
        (Facts("blocked"), False),
        (Facts("frozen"), False),
    ],
)
def test_a_plan_inside_a_step_waits_for_no_other(facts: Facts, inside: bool) -> None:
    assert is_inside(facts) is inside


# -- a step that does not exist yet


def _not_published(plan: PlanFacts, _iteration: int) -> Failure | None:
    assert isinstance(plan, Facts)
    return None if plan.published else Failure("checks_unmet", f"plan {plan.plan_id} is not published")


PUBLISH = Step(
    "publish",
    Role("publisher", runtime="cursor", may=frozenset({"completing"})),
    inside="completed",
    due=lambda plan: plan.phase == "completed" and _not_published(plan, 0) is not None,
    unmet=_not_published,
)


@pytest.mark.parametrize(
    ("facts", "jobs", "verdict"),
    [
        (Facts("completed", 2, published=False), [], Publish("publish", 2)),
        (Facts("completed", 2), [], None),
        (Facts("completed", 2, published=False), ["publish@2 running"], None),
        (Facts("completed", 2, published=False), ["review@2 dead"], Publish("publish", 2)),
        (Facts("completed", 2, published=False), ["publish@2 dead"], dead("p01-i2-publish-publisher")),
        (Facts("completed", 2), ["publish@2 dead"], None),
        (Facts("awaiting_review"), [], Publish("review", 0)),
    ],
)
def test_a_new_step_is_one_more_row(facts: Facts, jobs: list[str], verdict: Verdict) -> None:
    """`tests/e2e/test_new_step.py` runs such a step through dispatcher, worker, prompt and check."""
    steps = {**STEPS, "publish": PUBLISH}
    assert due(facts, [job(said) for said in jobs], [], Limits(), steps) == verdict
