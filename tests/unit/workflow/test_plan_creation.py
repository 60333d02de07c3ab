"""Creating plans: many processes at once, killed ones among them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from support import children
from wf_cli.errors import WfError
from wf_cli.workflow import plans, references
from wf_cli.workflow.project import Project


def create(root: str, name: str) -> str:
    return plans.create(Project(Path(root)), name).name


def test_quirk_02_parallel_creations_get_different_numbers_and_a_killed_one_harms_nobody(tmp_path: Path) -> None:
    doomed = children.Child(create, str(tmp_path), "doomed", die_at=("folder.filled", 1))
    others = [children.Child(create, str(tmp_path), f"p {n}") for n in range(19)]
    doomed.gone()
    names = [child.result() for child in others]
    assert sorted(name[:2] for name in names) == [f"{n:02d}" for n in range(1, 20)]
    assert plans.create(Project(tmp_path), "after").id == "20"
    assert not [path.name for path in (tmp_path / "plans").iterdir() if path.name.startswith(".")]
    for plan in plans.all_plans(Project(tmp_path)):
        assert plans.need_state(plan).phase == "planning"


def test_quirk_02_threads_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    project = Project(tmp_path)
    threads = [threading.Thread(target=plans.create, args=(project, "t")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert references.ids(references.entries(project.plans_dir)) == [f"{n:02d}" for n in range(1, 9)]


def test_quirk_01_numbers_above_99_are_unique_and_resolvable(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "plans" / "99-last").mkdir(parents=True)
    made = [plans.create(project, name).name for name in ("x", "y", "z")]
    assert made == ["100-x", "101-y", "102-z"]
    assert plans.find(project, "101").name == "101-y"
    assert plans.find(project, "100-x").id == "100"
    assert plans.find(project, "102-whatever").name == "102-z"
    with pytest.raises(plans.PlanNotFound) as caught:
        plans.find(project, "10")
    assert caught.value.facts["available_ids"] == ["99", "100", "101", "102"]


def test_a_name_too_long_for_the_file_system_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(WfError, match="cannot create"):
        plans.create(Project(tmp_path), "x" * 400)
    assert list((tmp_path / "plans").iterdir()) == []


def test_a_new_plan_has_the_files_of_the_contract(tmp_path: Path) -> None:
    plan = plans.create(Project(tmp_path), "A plan", "03")
    assert {path.name for path in plan.path.iterdir()} == {"plan.md", "todo.md", "evidence.md", "state.json"}
    state = json.loads(plan.state_json.read_text())
    assert (state["phase"], state["iteration"], state["epic_id"]) == ("planning", 0, "03")


def test_locks_are_kept_out_of_version_control(tmp_path: Path) -> None:
    plans.create(Project(tmp_path), "x")
    assert (tmp_path / ".wf" / "locks" / ".gitignore").read_text() == "*\n"
