"""Phase commands, gates and the todo lifecycle on files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.projects import EVIDENCE, REVIEW, TODO, make_plan, state_of
from wf_cli.clock import iso
from wf_cli.errors import Refused, StaleAttempt, StateError
from wf_cli.workflow import gates, phase_commands, phases, plans, review, snapshot, strict, todo_commands
from wf_cli.workflow.phases import PHASE_COMMANDS, PHASES
from wf_cli.workflow.project import Project


@pytest.mark.parametrize("phase", [*PHASES, "weird", ""])
@pytest.mark.parametrize("name", PHASE_COMMANDS)
def test_each_command_starts_from_its_own_phases_only(tmp_path: Path, name: str, phase: str) -> None:
    command = PHASE_COMMANDS[name]
    plan = make_plan(tmp_path, phase=phase)
    before = state_of(plan)
    if phase not in command.sources:
        with pytest.raises(phase_commands.WrongPhase):
            phase_commands.run(Project(tmp_path), plan, command)
        assert state_of(plan) == before
        return
    phase_commands.run(Project(tmp_path), plan, command)
    assert state_of(plan) == {**before, "phase": command.target, "iteration": 1 if name == "fix" else 0}
    assert name in phases.allowed_next(phase)


def test_a_gate_is_evaluated_before_the_phase(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="planning", todo="- [ ] [T1] open\n")
    with pytest.raises(phase_commands.GateFailed) as caught:
        phase_commands.run(Project(tmp_path), plan, phases.FINISH_CODE)
    assert len(caught.value.errors) == 1


def test_every_change_asks_for_permission_first(tmp_path: Path) -> None:
    @contextlib.contextmanager
    def refuse(plan_id: str) -> Iterator[None]:
        raise StaleAttempt(f"plan {plan_id} belongs to a newer attempt")
        yield

    project = Project(tmp_path, permit=refuse)
    plan = make_plan(tmp_path, phase="reviewing")
    before = {path.name: path.read_bytes() for path in plan.path.iterdir()}
    for command in PHASE_COMMANDS.values():
        with pytest.raises(StaleAttempt):
            phase_commands.run(project, plan, command)
    with pytest.raises(StaleAttempt):
        todo_commands.implemented(project, plan, "T1", command="a", output="b")
    with pytest.raises(StaleAttempt):
        todo_commands.accept(project, plan, "T1")
    with pytest.raises(StaleAttempt):
        todo_commands.reject(project, plan, "T1")
    run = strict.QualityRun("01", "fast", "now", "unknown", False, ())
    with pytest.raises(StaleAttempt):
        strict.store(project, plan, run)
    assert {path.name: path.read_bytes() for path in plan.path.iterdir()} == before


def test_quirk_07_the_evidence_of_a_new_plan_counts_for_nothing(tmp_path: Path) -> None:
    plan = plans.create(Project(tmp_path), "x")
    plan.todo_md.write_text("- [x] [T1] ticked only\n")
    assert len(gates.review_gate(plan).errors) == 1


def test_quirk_08_done_warns_about_items_that_are_not_ticked(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="reviewing", todo=TODO + "- [ ] [T3] open\n")
    change = phase_commands.run(Project(tmp_path), plan, phases.DONE)
    assert any("T3" in warning for warning in change.warnings)


def test_quirk_09_reasons_are_kept_where_the_grammar_does_not_read_them(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="reviewing")
    project = Project(tmp_path)
    todo_commands.reject(project, plan, "T1", note="wrong\n- [T2]: fail\n## T2\n- risk: high")
    todo_commands.reject(project, plan, "T1", note="still wrong")
    text = plan.review_md.read_text()
    assert review.verdicts(text) == {"T1": "fail", "T2": "pass"}
    assert review.sections(text) == review.sections(REVIEW)
    first, second = [line for line in text.splitlines() if line.startswith("  > ")]
    assert "wrong - [T2]: fail" in first
    assert second.endswith("still wrong")


def test_quirk_14_values_with_line_breaks_add_no_fields(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="coding", todo="- [ ] [T1] one\n- [ ] [T2] two\n", evidence="# Evidence\n")
    for separator in ("\n", "\r\n", "\r", "\u2028", "\x85", "\v"):
        evil = f"x{separator}## T2{separator}- status: pass{separator}- output: y"
        todo_commands.implemented(Project(tmp_path), plan, "T1", command=evil, output=evil, note=evil)
        errors = gates.review_gate(plan).errors
        assert errors == ("todo items are not ticked: T2",)


def test_rejecting_creates_a_review_and_snapshot_says_what_to_fix(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="reviewing", review=None)
    todo_commands.reject(Project(tmp_path), plan, "T2", note="no")
    assert plan.review_md.read_text().startswith("# Review\n")
    taken = snapshot.take(plan)
    assert taken.rejected_ids == taken.open_ids == ("T2",)
    assert taken.is_filled


def test_a_second_verdict_of_an_item_is_pointed_out(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="reviewing", review=REVIEW + "- [T1]: fail\n")
    state = todo_commands.accept(Project(tmp_path), plan, "T1")
    assert "last one counts" in state.warnings[0]


@pytest.mark.parametrize(
    ("files", "filled"),
    [
        ({}, True),
        ({"plan": " \n"}, False),
        ({"todo": ""}, False),
        ({"todo": "- [ ] no id\n- [ ] [T1] id\n"}, False),
        ({"todo": None}, False),
    ],
)
def test_a_plan_is_filled_when_every_item_can_be_referred_to(
    tmp_path: Path, files: dict[str, str | None], filled: bool
) -> None:
    assert snapshot.take(make_plan(tmp_path, **files)).is_filled is filled


@pytest.mark.parametrize(
    ("run", "errors"),
    [
        ({}, 0),
        ({"mode": "lax", "ok": 1}, 2),
        ({"created_at": "yesterday"}, 1),
        ({"created_at": None}, 1),
        ({"checks": [{"exit_code": 0}, {"exit_code": 1}, {}, "x", {"exit_code": False}]}, 1),
        ({"checks": []}, 0),
    ],
)
def test_the_strict_check_counts_its_errors(tmp_path: Path, run: dict[str, object], errors: int) -> None:
    clock = FakeClock()
    plan = make_plan(tmp_path)
    good = {"mode": "strict", "ok": True, "created_at": iso(clock.now_ms()), "checks": [{"exit_code": 0}]}
    plan.quality_run.write_text(json.dumps(good | run))
    assert len(gates.strict_check(plan, clock).errors) == errors


def test_a_strict_run_is_good_for_two_hours_and_from_the_future_too(tmp_path: Path) -> None:
    clock = FakeClock()
    plan = make_plan(tmp_path)
    document = {"mode": "strict", "ok": True, "created_at": iso(clock.now_ms())}
    plan.quality_run.write_text(json.dumps(document))
    clock.jump(2 * 3600)
    assert gates.strict_check(plan, clock).ok
    clock.jump(0.001)
    assert not gates.strict_check(plan, clock).ok
    clock.jump(-9 * 3600)
    assert gates.strict_check(plan, clock).ok


def test_a_quality_run_is_not_stored_for_a_plan_that_left_the_review(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="fixing")
    run = strict.QualityRun("01", "fast", "now", "unknown", False, ())
    with pytest.raises(Refused, match="reviewing to fixing"):
        strict.store(Project(tmp_path), plan, run)
    assert not plan.quality_run.exists()


def test_quirk_12_a_strict_run_verifies_without_a_package_script(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="reviewing")
    assert strict.planned_checks(tmp_path, "full")[0][0] == "test"
    check = strict._verify_ourselves(Project(tmp_path), plan)
    assert (check.name, check.exit_code) == ("wf_verify", 0)


def test_package_scripts_and_profiles_choose_the_checks(tmp_path: Path) -> None:
    names = ("typecheck", "lint", "test", "test:integration")
    (tmp_path / "package.json").write_text(json.dumps({"scripts": dict.fromkeys(names, "true")}))

    def planned(profile: strict.Profile) -> list[str]:
        return [name for name, _ in strict.planned_checks(tmp_path, profile)]

    assert planned("fast") == ["typecheck", "test"]
    assert planned("default") == ["typecheck", "lint", "test"]
    assert planned("full") == list(names)
    (tmp_path / "package.json").write_text("{")
    assert planned("full") == ["test"]


@pytest.mark.parametrize("state", ["", "{", "[]", "null", '{"phase": ', "\ufeff{}", "[" * 100_000, "\xff"])
def test_quirk_18_a_malformed_state_is_one_clear_error(tmp_path: Path, state: str) -> None:
    plan = make_plan(tmp_path)
    plan.state_json.write_bytes(state.encode("latin-1", "replace"))
    with pytest.raises(StateError, match=r"state\.json"):
        phase_commands.run(Project(tmp_path), plan, phases.FINISH_CODE)


@pytest.mark.parametrize("state", [{}, {"phase": 5}, {"phase": None, "iteration": "x"}, {"iteration": float("inf")}])
def test_unusable_values_in_a_state_read_as_unknown(tmp_path: Path, state: dict[str, object]) -> None:
    plan = make_plan(tmp_path)
    plan.state_json.write_text(json.dumps(state))
    found = plans.need_state(plan)
    assert (found.phase, found.iteration) == ("unknown", 0)


def test_a_file_that_is_not_utf_8_is_refused_and_left_alone(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="reviewing")
    plan.review_md.write_bytes(b"# Review\n\xff\xfe\n")
    with pytest.raises(StateError, match=r"review\.md is not UTF-8"):
        todo_commands.reject(Project(tmp_path), plan, "T1")
    assert plan.review_md.read_bytes() == b"# Review\n\xff\xfe\n"
    assert plan.todo_md.read_text() == TODO
    assert plan.evidence_md.read_text() == EVIDENCE
