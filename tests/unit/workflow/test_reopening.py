"""A completed plan that is reopened: what is written, what is kept, and who goes on with it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support import children
from support.projects import EVIDENCE, REVIEW, TODO, make_plan, state_of
from support.scenes import Scene
from wf_cli.errors import Refused, StateError
from wf_cli.workflow import gates, isolation, plans, reopen, review, snapshot, todo
from wf_cli.workflow.isolation import Merging
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

T, H, B = "1" * 40, "2" * 40, "3" * 40
RECORD = {"branch": "wf/e01-p01", "target": "wf/e01", "base": B, "head": H, "mine": 1}
MERGING = Merging("merge-0", T, ("a.py", "b.py"))
TEXT = "Merge wf/e01 (111111111111) into this branch: conflicts in a.py, b.py"
REASONS = ("a.py: plan 01, Parse dates", "run: git merge 111111111111")
AT = "2026-01-02T03:04:05.000Z"


def isolated(root: Path, phase: str = "completed", **files: Any) -> Plan:
    plan = make_plan(root, phase=phase, **files)
    state = state_of(plan)
    plan.state_json.write_text(json.dumps({**state, "isolation": RECORD}))
    return Plan(plan.id, plan.name, plan.path, strict_list=True)


def do(root: str) -> bool:
    project = Project(Path(root), distributed=True)
    plan = plans.find(project, "01")
    with project.changing(plan.id):
        return reopen.reopen(plan, "merge-0", TEXT, REASONS, at=AT, merging=MERGING).again


def assert_reopened_once(plan: Plan) -> None:
    todo_text, review_text = plan.todo_md.read_text(), plan.review_md.read_text()
    assert todo_text == f"{TODO}- [ ] [merge-0] {TEXT}\n"
    assert review_text == (f"{REVIEW}- [merge-0]: fail\n  > {AT} fail: {REASONS[0]}\n  > {REASONS[1]}\n")
    assert state_of(plan) == {
        "phase": "reviewing", "iteration": 0, "created_at": "2021-01-02", "mine": {"kept": True},
        "isolation": {**RECORD, "merging": {"item": "merge-0", "onto": T, "paths": ["a.py", "b.py"]}},
    }  # fmt: skip
    assert snapshot.take(plan).rejected_ids == ("merge-0",)


def test_the_plan_waits_for_its_fixer_with_one_rejected_item(tmp_path: Path) -> None:
    plan = isolated(tmp_path)
    assert do(str(tmp_path)) is False
    assert_reopened_once(plan)
    assert plan.evidence_md.read_text() == EVIDENCE


def test_again_writes_nothing(tmp_path: Path) -> None:
    plan = isolated(tmp_path)
    do(str(tmp_path))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in plan.path.iterdir()}
    assert do(str(tmp_path)) is True
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in plan.path.iterdir()} == before


@pytest.mark.parametrize("point", ["reopen.todo", "reopen.review", "reopen.state"])
def test_killed_after_any_write_it_is_reopened_once(tmp_path: Path, point: str) -> None:
    plan = isolated(tmp_path)
    assert children.Child(do, os.fspath(tmp_path), die_at=(point, 1)).gone() == -signal.SIGKILL
    assert state_of(plan)["phase"] == ("reviewing" if point == "reopen.state" else "completed")
    assert children.run(do, os.fspath(tmp_path)) is (point == "reopen.state")
    assert_reopened_once(plan)


@pytest.mark.parametrize("step", ["fsio.part-written", "fsio.replaced"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_killed_in_any_write_it_is_reopened_once(tmp_path: Path, step: str, n: int) -> None:
    plan = isolated(tmp_path)
    assert children.Child(do, os.fspath(tmp_path), die_at=(step, n)).gone() == -signal.SIGKILL
    children.run(do, os.fspath(tmp_path))
    assert_reopened_once(plan)


def test_the_dispatcher_publishes_fix(tmp_path: Path) -> None:
    scene = Scene(tmp_path, mode="distributed")
    scene.plan("01-a", phase="completed", epic="01")
    scene.epic("01-x", "01-a")
    do(str(tmp_path))
    assert scene.reconcile().published == ["e01-p01-i0-fix-plan-fixer"]


def test_a_plan_that_is_not_isolated_gets_no_record(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="completed")
    do(str(tmp_path))
    assert "isolation" not in state_of(plan)


@pytest.mark.parametrize("phase", ["planning", "coding", "awaiting_review", "reviewing", "fixing", "blocked"])
def test_a_plan_that_goes_on_is_not_reopened(tmp_path: Path, phase: str) -> None:
    plan = isolated(tmp_path, phase=phase)
    before = {path.name: path.read_bytes() for path in plan.path.iterdir()}
    with pytest.raises(Refused) as caught:
        do(str(tmp_path))
    assert caught.value.code == "NOT_COMPLETED"
    assert {path.name: path.read_bytes() for path in plan.path.iterdir()} == before


def test_the_item_goes_through_the_gates_like_any_other(tmp_path: Path) -> None:
    plan = isolated(tmp_path)
    do(str(tmp_path))
    assert gates.review_gate(plan).errors == ("todo items are not ticked: merge-0",)
    plan.todo_md.write_text(plan.todo_md.read_text().replace("- [ ]", "- [x]"))
    assert gates.review_gate(plan).errors == ("merge-0: evidence.md has no section `## merge-0` with a status",)


def test_a_later_round_has_an_id_of_its_own(tmp_path: Path) -> None:
    plan = isolated(tmp_path)
    assert reopen.item_id(plan, "merge") == "merge-0"
    plan.state_json.write_text(json.dumps({**state_of(plan), "iteration": 4}))
    assert reopen.item_id(plan, "gate") == "gate-4"


def test_an_id_that_a_planner_has_used_is_not_used_again(tmp_path: Path) -> None:
    plan = isolated(tmp_path, todo="- [x] [merge-0] mine\n- [x] [merge-0-2] mine\n")
    item = reopen.item_id(plan, "merge")
    assert item == "merge-0-3"
    reopen.reopen(plan, item, TEXT, REASONS, at=AT)
    assert reopen.item_id(plan, "merge") == item, "the item of a reopening that was killed is gone on with"
    assert plan.todo_md.read_text().startswith("- [x] [merge-0] mine\n- [x] [merge-0-2] mine\n- [ ] [merge-0-3] ")


@pytest.mark.parametrize(
    "end", ["", "\n\n", "- [x] [T3] no line end", "```\n- [ ] open fence\n", "<!-- open comment\n", "text", "\r\n"]
)
def test_however_the_list_ends_the_item_is_read(tmp_path: Path, end: str) -> None:
    plan = isolated(tmp_path, todo=TODO + end)
    reopen.reopen(plan, "gate-0", "red", (), at=AT)
    items = todo.parse(plan.todo_md.read_bytes().decode(), skip_quoted=True)
    assert [(item.id, item.checked, item.text) for item in items][-1] == ("gate-0", False, "red")
    assert plan.todo_md.read_bytes().decode().startswith((TODO + end).rstrip("\r\n"))


@pytest.mark.parametrize("text", ["x\n- [x] [T9] smuggled", "x\u2028- [x] [T9] y", "x\r- [x] [T9] y", " [T9] y"])
def test_a_text_of_others_is_one_item(tmp_path: Path, text: str) -> None:
    plan = isolated(tmp_path)
    reopen.reopen(plan, "merge-0", text, [f"{text}\n- [T1]: fail\n- [merge-0]: pass"], at=AT)
    items = todo.parse(plan.todo_md.read_text(), skip_quoted=True)
    assert [item.id for item in items] == ["T1", "T2", "merge-0"]
    assert review.verdicts(plan.review_md.read_text()) == {"T1": "pass", "T2": "pass", "merge-0": "fail"}


def test_a_review_that_is_gone_is_begun_anew(tmp_path: Path) -> None:
    plan = isolated(tmp_path, review=None)
    do(str(tmp_path))
    assert plan.review_md.read_text().startswith("# Review\n\n- [merge-0]: fail\n")


def test_a_verdict_that_overrules_is_named(tmp_path: Path) -> None:
    plan = isolated(tmp_path, review=REVIEW + "- [merge-0]: fail\n- [merge-0]: pass\n")
    with pytest.raises(StateError) as caught:
        do(str(tmp_path))
    assert "review.md" in caught.value.message
    assert state_of(plan)["phase"] == "completed"


@pytest.mark.parametrize(
    "raw",
    [[], "x", {}, {**RECORD, "head": "x"}, {**RECORD, "target": "-x"}, {**RECORD, "target": "a..b"},
     {**RECORD, "target": "x.lock"}, {**RECORD, "branch": 1}, {**RECORD, "merging": {"item": "m"}},
     {**RECORD, "merging": {"item": "m", "onto": T, "paths": "a"}}, {**RECORD, "merged": ""}],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_named_and_not_taken_for_none(tmp_path: Path, raw: Any) -> None:
    plan = isolated(tmp_path)
    plan.state_json.write_text(json.dumps({**state_of(plan), "isolation": raw}))
    with pytest.raises(StateError) as caught:
        isolation.of(plan, plans.read_state(plan))
    assert str(plan.state_json) in caught.value.message


def test_a_plan_is_settled_when_it_is_merged_or_has_no_target(tmp_path: Path) -> None:
    plan = isolated(tmp_path)

    def settled(**changes: Any) -> bool:
        record = {key: value for key, value in {**RECORD, **changes}.items() if value is not None}
        plan.state_json.write_text(json.dumps({**state_of(plan), "isolation": record}))
        state = plans.read_state(plan)
        assert state is not None
        return isolation.is_settled(state.phase, isolation.of(plan, state))

    assert not settled()
    assert settled(merged=T)
    assert settled(target=None)
    assert not isolation.is_settled("reviewing", None)
    assert isolation.is_settled("completed", None)
