"""Epics: creating plans safely, status, scope."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support import children
from support.projects import make_epic, make_plan
from wf_cli.errors import StateError
from wf_cli.workflow import epic_run, epic_status, epics, plans, scope
from wf_cli.workflow.project import Project

SCOPE = "- Plan 1: One\n- Plan 2: Two\n- Plan 3: Three\n"


def run_epic(root: str) -> int:
    project = Project(Path(root))
    return epic_run.run(project, epics.find(project, "1")).created


def state_of(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return state


@pytest.mark.parametrize("die_at", [("epic.intent-written", 1), ("epic.plan-created", 1), ("epic.plan-created", 3)])
def test_quirk_05_a_run_killed_on_the_way_is_completed_by_the_next(tmp_path: Path, die_at: tuple[str, int]) -> None:
    folder = make_epic(tmp_path, SCOPE, mine="kept")
    children.run_until_killed(run_epic, str(tmp_path), die_at=die_at)
    plans.create(Project(tmp_path), "in between")  # takes a number that the killed run may have meant to use
    run_epic(str(tmp_path))
    state = state_of(folder)
    assert [name.partition("-")[2] for name in state["plan_ids"]] == ["plan-1-one", "plan-2-two", "plan-3-three"]
    assert "creating_plans" not in state
    assert state["mine"] == "kept"
    of_epic = [plan.name for plan in plans.all_plans(Project(tmp_path)) if plans.need_state(plan).epic_id == "01"]
    assert sorted(of_epic) == sorted(state["plan_ids"])


def test_quirk_05_plans_of_an_older_epic_with_the_same_number_are_not_taken_over(tmp_path: Path) -> None:
    old = plans.create(Project(tmp_path), "Plan 1: One", "01")
    folder = make_epic(tmp_path, SCOPE)
    assert run_epic(str(tmp_path)) == 3
    assert old.name not in state_of(folder)["plan_ids"]


def test_quirk_02_parallel_runs_create_the_plans_once(tmp_path: Path) -> None:
    folder = make_epic(tmp_path, SCOPE)
    runs = [children.Child(_try_run, str(tmp_path)) for _ in range(4)]
    assert sorted(run.result() for run in runs) == ["ran", "refused", "refused", "refused"]
    assert len(state_of(folder)["plan_ids"]) == len(plans.all_plans(Project(tmp_path))) == 3


def _try_run(root: str) -> str:
    try:
        run_epic(root)
    except epic_run.EpicRunning:
        return "refused"
    return "ran"


def test_quirk_01_an_epic_reports_ids_above_99_in_full(tmp_path: Path) -> None:
    make_plan(tmp_path, "99-last")
    make_epic(tmp_path, SCOPE)
    project = Project(tmp_path)
    started = epic_run.run(project, epics.find(project, "1"))
    assert [plan.id for plan in started.plans] == ["100", "101", "102"]


def test_status_completes_an_epic_and_keeps_unknown_keys(tmp_path: Path) -> None:
    make_plan(tmp_path, "01-plan-1-one", phase="completed")
    orchestration = {"status": "running", "mine": 1, "last_error": "x"}
    folder = make_epic(
        tmp_path, "- Plan 1: One\n", plan_ids=["01-plan-1-one"], orchestration=orchestration, extra=[1]
    )
    project = Project(tmp_path)
    found = epic_status.status(project, epics.find(project, "1"))
    assert found.phase == "completed"
    state = state_of(folder)
    assert state["extra"] == [1]
    assert state["orchestration"]["mine"] == 1
    assert state["orchestration"]["last_error"] == "x"
    before = (folder / "state.json").stat().st_mtime_ns
    epic_status.status(project, epics.find(project, "1"))
    assert (folder / "state.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("links", [["../../etc"], [5, None, ""], [{"a": 1}]])
def test_links_that_cannot_be_folder_names_are_ignored(tmp_path: Path, links: object) -> None:
    make_epic(tmp_path, plan_ids=links)
    project = Project(tmp_path)
    assert epic_status.status(project, epics.find(project, "1")).total_plans == 0


def test_quirk_18_a_missing_file_of_an_epic_is_named(tmp_path: Path) -> None:
    folder = make_epic(tmp_path)
    (folder / "report.md").unlink()
    with pytest.raises(StateError, match=r"report\.md is missing"):
        epics.content(epics.find(Project(tmp_path), "1"))


def test_scope_declarations() -> None:
    text = (
        "## Scope\n- Plan 2: b\r\n-- plan 01 :  a \n  - Plan 3: nested\n* Plan 4: star\n- x\n"
        "## scope \n- Plan 2: c\n## Goal\n- Plan 9: no\n"
    )
    found = scope.parse(text)
    assert [(plan.order, plan.label, plan.slug) for plan in found.plans] == [
        (1, "Plan 01: a", "plan-01-a"),
        (2, "Plan 2: b", "plan-2-b"),
        (2, "Plan 2: c", "plan-2-c"),
    ]
    assert len(found.warnings) == 2
