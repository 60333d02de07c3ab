"""Quirks 3 and 4: what a process leaves behind that is killed while it changes a plan."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from support import children
from support.projects import make_plan, state_of
from wf_cli.workflow import phase_commands, phases, plans, todo_commands
from wf_cli.workflow.project import Project


def finish(root: str) -> str:
    project = Project(Path(root))
    return phase_commands.run(project, plans.find(project, "01"), phases.FINISH_CODE).phase


def implement(root: str) -> None:
    project = Project(Path(root))
    todo_commands.implemented(project, plans.find(project, "01"), "T1", command="true", output="fine")


@pytest.mark.parametrize("step", ["fsio.part-written", "fsio.replaced"])
def test_quirk_03_a_killed_writer_leaves_no_lock_behind(tmp_path: Path, step: str) -> None:
    """It dies inside the plan's lock; the next command takes it at once, and no `*.wf-lock` exists."""
    plan = make_plan(tmp_path)
    assert children.Child(finish, str(tmp_path), die_at=(step, 1)).gone() == -signal.SIGKILL
    if state_of(plan)["phase"] == "coding":
        assert children.Child(finish, str(tmp_path)).result() == "awaiting_review"
    with Project(tmp_path).changing("01"):
        pass
    assert not list(tmp_path.rglob("*.wf-lock"))


def test_quirk_03_a_lock_left_by_the_reference_keeps_nobody_waiting(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    (plan.path / "state.json.wf-lock").mkdir()
    assert finish(str(tmp_path)) == "awaiting_review"


@pytest.mark.parametrize("step", ["fsio.part-written", "fsio.replaced"])
@pytest.mark.parametrize("n", [1, 2])
def test_quirk_04_a_file_is_old_or_new_and_never_cut_short(tmp_path: Path, step: str, n: int) -> None:
    plan = make_plan(tmp_path, todo="- [ ] [T1] first\n- [x] [T2] second\n")
    before = {path.name: path.read_text() for path in plan.path.iterdir()}
    assert children.Child(implement, str(tmp_path), die_at=(step, n)).gone() == -signal.SIGKILL
    after = {name: (plan.path / name).read_text() for name in before}
    assert json.loads(after["state.json"]) == json.loads(before["state.json"])
    assert after["todo.md"] in (before["todo.md"], before["todo.md"].replace("[ ] [T1]", "[x] [T1]"))
    assert "## T2\n- status: pass" in after["evidence.md"], "nothing of the file is lost"
    implement(str(tmp_path))
    assert "[x] [T1] first" in plan.todo_md.read_text()
