"""What a job does to its plan: the opener and the check, decided from command, iteration and the plan's files."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from support.outages import outage
from support.projects import EVIDENCE, REVIEW, TODO, make_plan, state_of
from wf_cli.attempt.end import of_error
from wf_cli.attempt.steps import Opening
from wf_cli.contract.event import NoEvents
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.token import Pool, Token
from wf_cli.errors import Absent, StateError
from wf_cli.planjobs.steps import PlanSteps
from wf_cli.routing import role_for
from wf_cli.spool import layout
from wf_cli.spool.layout import Spool
from wf_cli.workflow import strict
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

OPEN_TODO = TODO.replace("[x]", "[ ]")
REJECTED_TODO = TODO.replace("- [x] [T2]", "- [ ] [T2]")
REJECTED = REVIEW.replace("- [T2]: pass", "- [T2]: fail")
PHASES = ["planning", "coding", "awaiting_review", "reviewing", "fixing", "completed", "blocked"]

#: command -> {(phase, iteration of the plan - iteration of the job): verdict}. Of the others, those before `BEGINS`
#: are behind, and those after it are superseded.
TABLE: dict[str, dict[tuple[str, int], Opening]] = {
    "plan": {("planning", 0): Opening.GO},
    "code": {("planning", 0): Opening.GO, ("coding", 0): Opening.GO, ("awaiting_review", 0): Opening.DONE},
    "review": {
        ("awaiting_review", 0): Opening.GO,
        ("reviewing", 0): Opening.GO,
        ("completed", 0): Opening.DONE,
    },
    "fix": {
        ("reviewing", 0): Opening.GO,
        ("blocked", 0): Opening.GO,
        ("fixing", 1): Opening.GO,
        ("awaiting_review", 1): Opening.DONE,
    },
}
#: In the order of a round; completed is the end of all rounds.
ORDER = {"planning": 0, "coding": 1, "fixing": 1, "awaiting_review": 2, "reviewing": 3, "blocked": 4}
BEGINS = {"plan": 0, "code": 0, "review": 2, "fix": 3}
CASES = [(command, phase, offset) for command in TABLE for phase in PHASES for offset in (-1, 0, 1, 2)]


def steps_of(root: Path) -> PlanSteps:
    return PlanSteps(Project(root), steps_spool(root), NoEvents())


def steps_spool(root: Path) -> Spool:
    return layout.create(root / ".wf" / "spool", durability="none")


def target(command: str, iteration: int = 3) -> Target:
    return Target(plan_id="01", iteration=iteration, command=command, role=role_for(command))


def token_of(step: Target) -> Token:
    return Token(5, 1764000000000, "p01-i3-code-plan-coder", Pool(step.role, "x"), 1, 0, 3, owner="me-box-00000001")


def set_state(plan: Plan, phase: str, iteration: int) -> None:
    plan.state_json.write_text(json.dumps({"phase": phase, "iteration": iteration}), encoding="utf-8")


@pytest.mark.parametrize(("command", "phase", "offset"), CASES)
def test_the_opener_decides_by_its_table(tmp_path: Path, command: str, phase: str, offset: int) -> None:
    plan = make_plan(
        tmp_path, todo=OPEN_TODO if command == "plan" else TODO, plan="" if command == "plan" else "# p\n"
    )
    set_state(plan, phase, 3 + offset)
    if phase in ORDER and (offset, ORDER[phase]) < (0, BEGINS[command]):
        for look in (steps_of(tmp_path).hindrance, lambda step: steps_of(tmp_path).opening(step).__enter__()):
            where = f"is in {phase}, iteration {3 + offset}"
            with pytest.raises(Absent, match=f"is behind in this checkout: plans/.* {where}"):
                look(target(command))
        assert (state_of(plan)["phase"], state_of(plan)["iteration"]) == (phase, 3 + offset), "nothing was changed"
        return
    assert steps_of(tmp_path).hindrance(target(command)) is None
    with steps_of(tmp_path).opening(target(command)) as (opening, why):
        assert opening is TABLE[command].get((phase, offset), Opening.SUPERSEDED), why
        after = state_of(plan)
    inside = {"plan": ("planning", 0), "code": ("coding", 0), "review": ("reviewing", 0), "fix": ("fixing", 1)}
    if opening is Opening.GO:
        assert (after["phase"], after["iteration"] - 3) == inside[command], "the phase is the one the job works in"
    else:
        assert (after["phase"], after["iteration"]) == (phase, 3 + offset), "nothing was changed"


def test_a_plan_that_is_unwritten_in_this_checkout_is_behind_the_job_that_codes_it(tmp_path: Path) -> None:
    """The commit before the planner's: the phase is the same, and there is nothing to code."""
    set_state(make_plan(tmp_path, plan="\n", todo=""), "planning", 3)
    with pytest.raises(Absent, match=r"plan\.md is empty"), steps_of(tmp_path).opening(target("code")):
        pass
    assert steps_of(tmp_path).hindrance(target("plan")) is None


MARKERS = '<<<<<<< HEAD\n{"phase": "planning"}\n=======\n{"phase": "coding"}\n>>>>>>> other\n'


@pytest.mark.parametrize("text", [MARKERS, "[]", '{"phase": "no-such-phase", "iteration": 3}', '{"iteration": 3}'])
def test_a_state_that_says_nothing_keeps_the_job_waiting_and_names_the_file(tmp_path: Path, text: str) -> None:
    plan = make_plan(tmp_path)
    plan.state_json.write_text(text)
    with pytest.raises(StateError) as from_claim:
        steps_of(tmp_path).hindrance(target("code"))
    with pytest.raises(StateError) as from_opening, steps_of(tmp_path).opening(target("code")):
        pass
    for told in (from_claim.value, from_opening.value):
        assert str(plan.state_json) in told.message
        ending = of_error(told)
        assert (ending.end, ending.failure) == (End.RELEASED, None), "no attempt is burned"
        assert ending.reason is not None
        assert str(plan.state_json) in ending.reason
        assert told.hint is not None
        assert told.hint in ending.reason
    assert plan.state_json.read_text() == text


@pytest.mark.parametrize("command", ["code", "fix"])
def test_opening_twice_raises_the_iteration_once(tmp_path: Path, command: str) -> None:
    """An attempt that died after the opening: the next one goes on inside it."""
    plan = make_plan(tmp_path, todo=OPEN_TODO)
    set_state(plan, {"code": "planning", "fix": "reviewing"}[command], 3)
    steps = steps_of(tmp_path)
    for _ in range(3):
        with steps.opening(target(command)) as (opening, _why):
            assert opening is Opening.GO
    assert state_of(plan)["iteration"] == {"code": 3, "fix": 4}[command]


def test_a_plan_that_vanished_decides_nothing_about_its_job(tmp_path: Path) -> None:
    """It was stashed, say: neither superseded nor a failure of the agent's."""
    steps = steps_of(tmp_path)
    with pytest.raises(Absent, match="not in the checkout"), steps.opening(target("code")):
        pass
    with pytest.raises(Absent, match="not in the checkout"):
        steps.check(target("code"), token_of(target("code")))


def test_a_review_that_rejected_counts_as_done(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, todo=REJECTED_TODO, review=REJECTED)
    set_state(plan, "reviewing", 3)
    assert steps_of(tmp_path).check(target("review"), token_of(target("review"))) is None


@pytest.mark.parametrize(
    ("phase", "verdict"),
    [("awaiting_review", Opening.GO), ("reviewing", Opening.DONE), ("blocked", Opening.SUPERSEDED)],
)
def test_a_rejection_answers_a_review_only_while_the_plan_is_in_it(
    tmp_path: Path, phase: str, verdict: Opening
) -> None:
    """An item that an earlier round rejected still stands as rejected when the plan comes back to review."""
    set_state(make_plan(tmp_path, todo=REJECTED_TODO, review=REJECTED), phase, 3)
    with steps_of(tmp_path).opening(target("review")) as (opening, why):
        assert opening is verdict, why


@pytest.mark.parametrize("command", ["code", "fix"])
def test_a_plan_that_awaits_its_review_without_its_evidence_is_not_done(tmp_path: Path, command: str) -> None:
    """Its phase was written by hand, say: the gate decides, not the phase alone."""
    plan = make_plan(tmp_path, evidence="# Evidence\n")
    set_state(plan, "awaiting_review", {"code": 3, "fix": 4}[command])
    steps = steps_of(tmp_path)
    with steps.opening(target(command)) as (opening, why):
        assert opening is Opening.SUPERSEDED, why
    failure = steps.check(target(command), token_of(target(command)))
    assert failure is not None
    assert failure.code == "gate_failed"
    assert any("T1" in error for error in failure.errors)


@pytest.mark.parametrize(("command", "phase"), [("code", "planning"), ("review", "awaiting_review")])
@pytest.mark.parametrize("profile", [None, "fast"])
def test_the_strict_checks_belong_to_reviews_and_run_where_they_are_configured(
    tmp_path: Path, command: str, phase: str, profile: strict.Profile | None
) -> None:
    plan = make_plan(tmp_path, todo=OPEN_TODO if command == "code" else TODO)
    set_state(plan, phase, 3)
    steps = PlanSteps(Project(tmp_path), steps_spool(tmp_path), NoEvents(), strict_profile=profile)
    with steps.opening(target(command)) as (opening, why):
        assert opening is Opening.GO, why
    steps.prepare(target(command))
    wanted = command == "review" and profile is not None
    assert plan.quality_run.exists() is wanted
    assert ("strict: true" in plan.review_md.read_text()) is wanted


def test_a_review_that_decided_nothing_fails_with_the_gates_errors(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, review="")
    set_state(plan, "reviewing", 3)
    failure = steps_of(tmp_path).check(target("review"), token_of(target("review")))
    assert failure is not None
    assert failure.code == "checks_unmet"
    assert any("T1" in error for error in failure.errors)


def test_a_plan_is_done_when_text_and_ids_are_there(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="planning", todo="- [ ] no id\n", plan="")
    steps = steps_of(tmp_path)
    failure = steps.check(target("plan", 0), token_of(target("plan", 0)))
    assert failure is not None
    assert {error.split(" ")[0].rsplit("/")[-1] for error in failure.errors} == {"plan.md", "todo.md"}
    plan.plan_md.write_text("# p\n")
    plan.todo_md.write_text(OPEN_TODO)
    assert steps.check(target("plan", 0), token_of(target("plan", 0))) is None


def test_unfinished_code_fails_with_the_gates_errors_and_they_reach_the_next_prompt(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, todo=OPEN_TODO, evidence=EVIDENCE)
    set_state(plan, "coding", 3)
    steps = steps_of(tmp_path)
    failure = steps.check(target("code"), token_of(target("code")))
    assert failure is not None
    assert (failure.code, failure.error_class) == ("gate_failed", ErrorClass.QUALITY)
    assert failure.errors
    prompt = steps.prompt(target("code"), 2, failure)
    assert all(error in prompt for error in failure.errors)


def test_a_broken_state_file_is_a_failed_check_with_its_path(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    plan.state_json.write_text("{torn")
    failure = steps_of(tmp_path).check(target("code"), token_of(target("code")))
    assert failure is not None
    assert str(plan.state_json) in failure.message


def test_a_plan_that_cannot_be_read_just_now_is_no_failed_check(tmp_path: Path) -> None:
    """It burned an attempt, and its errors were told to the next agent."""
    plan = make_plan(tmp_path)
    set_state(plan, "awaiting_review", 3)
    steps = steps_of(tmp_path)
    assert steps.check(target("code"), token_of(target("code"))) is None
    with outage(errno.EIO, plan.state_json, calls=["open"]), pytest.raises(StateError, match="Input/output"):
        steps.check(target("code"), token_of(target("code")))


def test_i2_the_worker_finishes_the_code_only_while_its_token_stands(tmp_path: Path) -> None:
    """Everything is there but `finish-code`: the worker runs it, under the fence, or not at all."""
    plan = make_plan(tmp_path)
    set_state(plan, "coding", 3)
    steps = steps_of(tmp_path)
    step = target("code")
    failure = steps.check(step, token_of(step))
    assert failure is not None, "no such token lies in running/"
    assert "superseded" in failure.message
    assert state_of(plan)["phase"] == "coding"
    running = tmp_path / ".wf" / "spool" / "running" / token_of(step).name
    running.write_text("{}")
    assert steps.check(step, token_of(step)) is None
    assert state_of(plan)["phase"] == "awaiting_review"


def test_the_last_failure_is_told_even_without_errors(tmp_path: Path) -> None:
    make_plan(tmp_path)
    prompt = steps_of(tmp_path).prompt(target("code"), 2, Failure("stall", "the agent was silent for 600 s"))
    assert "silent for 600 s" in prompt
