"""Giving a plan or an epic another number: what follows it, what stays, and what a killed process leaves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import children
from support.projects import make_epic, make_plan
from wf_cli.errors import NotFound, Refused, StateError
from wf_cli.workflow import epics, plans, renumber
from wf_cli.workflow.project import Project


def state(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "state.json").read_text())
    return found


def tree(root: Path) -> dict[str, str]:
    """Every file of plans and epics."""
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for folder in ("plans", "epics")
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """Two branches made plan 01; an epic links both, another one links neither."""
    text = "# Plan 01: the second\n\nSee plans/01-b/todo.md, 01-b, plans/01-bb and plans/01-a. Plan 01 stays.\n"
    make_plan(tmp_path, "01-a", plan="# 01 the first\n")
    plan = make_plan(tmp_path, "01-b", plan=text, todo="- [x] [T1] look at `plans/01-b/x`\n", evidence="plans/01-b\n")
    plan.quality_run.write_text('{"plan_ref": "01"}')
    make_plan(tmp_path, "03-c")
    folder = make_epic(
        tmp_path, "- Plan 1: a (plans/01-a)\n- Plan 2: b (01-b)\n", plan_ids=["01-a", "01-b"], more=[1]
    )
    (folder / "plans-map.yaml").write_text("plans:\n  - 01-a\n  - 01-b\n")
    make_epic(tmp_path, "- mentions 01-b\n", name="02-other")
    return tmp_path


def test_the_next_free_number_and_everything_that_follows(merged: Path) -> None:
    done = renumber.plan(Project(merged), "01-b")
    assert (done.before, done.after, done.number) == ("plans/01-b", "plans/04-b", "04")
    assert not (merged / "plans/01-b").exists()
    moved = merged / "plans/04-b"
    assert (moved / "plan.md").read_text() == (
        "# Plan 04: the second\n\nSee plans/04-b/todo.md, 01-b, plans/01-bb and plans/01-a. Plan 01 stays.\n"
    )
    assert "plans/04-b/x" in (moved / "todo.md").read_text()
    assert (moved / "evidence.md").read_text() == "plans/01-b\n", "a record stays"
    assert (moved / "quality-run.json").read_text() == '{"plan_ref": "01"}'
    assert state(moved)["mine"] == {"kept": True}
    assert renumber.NOTE not in state(moved)
    epic = merged / "epics/01-big"
    assert state(epic)["plan_ids"] == ["01-a", "04-b"]
    assert state(epic)["more"] == [1]
    assert (epic / "plans-map.yaml").read_text() == "plans:\n  - 01-a\n  - 04-b\n"
    assert "b (04-b)" in (epic / "epic.md").read_text()
    assert "a (plans/01-a)" in (epic / "epic.md").read_text()
    assert "01-b" in (merged / "epics/02-other/epic.md").read_text(), "that epic has nothing to do with it"
    assert sorted(done.rewritten) == [
        "epics/01-big/epic.md", "epics/01-big/state.json", "plans/04-b/plan.md", "plans/04-b/todo.md",
    ]  # fmt: skip
    assert plans.duplicates(plans.all_plans(Project(merged))) == {}


def test_a_number_of_ones_choice(merged: Path) -> None:
    assert renumber.plan(Project(merged), "01-b", number="02").after == "plans/02-b"
    assert renumber.plan(Project(merged), "02", number="120").after == "plans/120-b"
    assert plans.find(Project(merged), "120").name == "120-b"
    assert state(merged / "epics/01-big")["plan_ids"] == ["01-a", "120-b"]


@pytest.mark.parametrize("number", ["01", "03", "07"])
def test_a_number_that_is_taken_is_refused_and_nothing_changes(merged: Path, number: str) -> None:
    before = tree(merged)
    with pytest.raises(Refused, match=f"number {number} is not free"):
        renumber.plan(Project(merged), "01-b", number=number, taken={"07"})
    assert tree(merged) == before


def test_numbers_that_jobs_have_used_are_passed_over(merged: Path) -> None:
    assert renumber.plan(Project(merged), "01-b", taken={"04", "08"}).number == "09"


@pytest.mark.parametrize(
    ("reference", "error"),
    [("01", plans.NumberShared), ("1", plans.NumberShared), ("01-x", NotFound), ("04", NotFound), ("", NotFound)],
)
def test_the_folder_is_named_exactly(merged: Path, reference: str, error: type[Exception]) -> None:
    """`01-x` means plan 01 elsewhere. Here it would move the plan that keeps the number."""
    with pytest.raises(error):
        renumber.plan(Project(merged), reference)


def test_a_second_time_finds_nothing_to_do(merged: Path) -> None:
    renumber.plan(Project(merged), "01-b")
    after = tree(merged)
    with pytest.raises(NotFound):
        renumber.plan(Project(merged), "01-b")
    assert tree(merged) == after


def test_a_file_is_not_renumbered(merged: Path) -> None:
    (merged / "plans/05-notes.md").write_text("x")
    with pytest.raises(Refused, match="is no folder"):
        renumber.plan(Project(merged), "05-notes.md")


def test_a_plan_without_a_state_is_moved_too_while_it_counts(merged: Path) -> None:
    (merged / "plans/01-b/state.json").unlink()
    with pytest.raises(StateError, match=r"state\.json is missing"):
        renumber.plan(Project(merged), "01-b", number="100")
    assert renumber.plan(Project(merged), "01-b").after == "plans/04-b"


def test_what_cannot_follow_is_named(merged: Path) -> None:
    (merged / "plans/01-b/plan.md").write_bytes(b"# Plan 01\n\xff")
    (merged / "epics/02-other/state.json").write_text("{")
    done = renumber.plan(Project(merged), "01-b")
    assert done.after == "plans/04-b"
    assert [message.split(" ")[0].rpartition("/")[2] for message in done.left] == ["plan.md", "state.json"]
    assert state(merged / "epics/01-big")["plan_ids"] == ["01-a", "04-b"]


@pytest.mark.parametrize(
    ("folder", "title", "after"),
    [
        ("01-b", "# 01 b", "# 04 b"),
        ("01-b", "# 01-b", "# 04-b"),
        ("01-b", "#  PLAN #01: b", "#  PLAN #04: b"),
        ("01-b", "# Plan 1: b", "# Plan 1: b"),
        ("01-b", "# Plan 011: b", "# Plan 011: b"),
        ("01-b", "# About plan 01", "# About plan 01"),
        ("01-plan-01-b", "# Plan 01: b", "# Plan 01: b"),
        ("01-b", "## 01 b", "## 01 b"),
    ],
)
def test_the_title_follows_where_it_carries_the_number(tmp_path: Path, folder: str, title: str, after: str) -> None:
    make_plan(tmp_path, folder, plan=f"{title}\n\n# 01 another\n")
    make_plan(tmp_path, "03-c")
    moved = renumber.plan(Project(tmp_path), folder).after
    assert (tmp_path / moved / "plan.md").read_text() == f"{after}\n\n# 01 another\n"


def test_git_sees_a_rename(merged: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *words], cwd=merged, check=True, capture_output=True, text=True).stdout

    for name in ("plan.md", "todo.md"):  # as long as such files are
        with (merged / "plans/01-b" / name).open("a") as file:
            file.writelines(f"- line {n} of {name}\n" for n in range(20))
    kept = merged / "plans/01-b/state.json"
    kept.write_text(json.dumps(state(kept.parent), indent=2))  # as wf writes it
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "merged")
    renumber.plan(Project(merged), "01-b")
    git("add", "-A")
    shown = [line.split("\t") for line in git("diff", "--cached", "--name-status", "-M50%").splitlines()]
    renamed = {
        old.rpartition("/")[2] for kind, old, *_ in shown if kind.startswith("R") and old.startswith("plans/01-b")
    }
    assert renamed >= {"plan.md", "todo.md", "review.md", "quality-run.json", "state.json"}
    assert not [line for line in shown if line[0] == "D"]


def test_what_a_renumber_changes_is_locked(merged: Path) -> None:
    """The permit is asked for the old number under its lock, before anything is written."""
    asked: list[str] = []

    class Watched(Project):
        def changing(self, plan_id: str) -> Any:
            asked.append(plan_id)
            return super().changing(plan_id)

    renumber.plan(Watched(merged), "01-b")
    assert asked == ["01", "04"]


# -- epics


@pytest.fixture
def two_epics(tmp_path: Path) -> Path:
    for name, epic_id in (("01-a", "01"), ("02-b", "01"), ("03-c", "02"), ("04-d", "01")):
        plan = make_plan(tmp_path, name)
        plan.state_json.write_text(json.dumps({**state(plan.path), "epic_id": epic_id}))
    make_epic(tmp_path, name="01-big", plan_ids=["01-a"])
    make_epic(tmp_path, name="01-small", plan_ids=["02-b", "03-c", "09-gone"])
    return tmp_path


def test_an_epic_takes_its_own_plans_along(two_epics: Path) -> None:
    project = Project(two_epics)
    with pytest.raises(epics.NumberShared, match="epics/01-big and epics/01-small"):
        epics.refuse_shared(project, "01")
    done = renumber.epic(project, "01-small", number="05")
    assert (done.before, done.after, done.number) == ("epics/01-small", "epics/05-small", "05")
    belongs = {path.name: state(path)["epic_id"] for path in (two_epics / "plans").iterdir()}
    assert belongs == {"01-a": "01", "02-b": "05", "03-c": "02", "04-d": "01"}
    assert done.rewritten == ["plans/02-b/state.json"]
    assert renumber.NOTE not in state(two_epics / "epics/05-small")
    epics.refuse_shared(project, "01")


def test_an_epic_that_may_not_move_stays(two_epics: Path) -> None:
    before = tree(two_epics)

    def no(epic_id: str) -> None:
        raise Refused(f"{epic_id} is busy")

    with pytest.raises(Refused, match="01 is busy"):
        renumber.epic(Project(two_epics), "01-small", permit=no)
    assert tree(two_epics) == before


# -- a process that is killed


def move_plan(root: str) -> None:
    renumber.plan(Project(Path(root)), "01-b")


def move_epic(root: str) -> None:
    renumber.epic(Project(Path(root)), "01-small")


#: More than any run writes.
WRITES = 12


def killed_everywhere(root: Path, move: Callable[[str], None]) -> None:
    """Whatever instruction ends it, the same command finishes the work, and the result is that of one run."""
    start = root / "start"
    start.mkdir()
    for folder in ("plans", "epics"):
        shutil.move(root / folder, start / folder)
    whole = root / "whole"
    shutil.copytree(start, whole)
    move(str(whole))
    died = 0
    points = [(name, 1) for name in ("renumber.noted", "renumber.moved", "renumber.followed")]
    points += [(name, n) for name in ("fsio.part-written", "fsio.replaced") for n in range(1, WRITES)]
    for point in points:
        victim = root / f"{point[0]}-{point[1]}"
        shutil.copytree(start, victim)
        if children.Child(move, str(victim), die_at=point).gone() != -signal.SIGKILL:
            continue  # there were fewer writes than that
        died += 1
        project = Project(victim)
        if renumber.unfinished(project) or (victim / "plans/01-b").exists() or (victim / "epics/01-small").exists():
            move(str(victim))
        assert without_parts(victim) == tree(whole), point
        assert renumber.unfinished(project) == []
    assert died > 8


def without_parts(root: Path) -> dict[str, str]:
    return {name: text for name, text in tree(root).items() if not name.endswith(".part")}


def test_a_plan_is_moved_to_the_end_by_the_same_command(merged: Path) -> None:
    killed_everywhere(merged, move_plan)


def test_an_epic_is_moved_to_the_end_by_the_same_command(two_epics: Path) -> None:
    killed_everywhere(two_epics, move_epic)
