"""A process that integrates a plan is SIGKILLed at every step, or its git is; another one repeats the whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from support import children, integrations, merges
from support.merges import TARGET, Scene
from support.wait import wait_until
from wf_cli import git
from wf_cli.workflow import snapshot
from wf_cli.workspace import candidate, merging, testing

POINTS = ("ready", "merged", "tested", "advanced", "recorded")


def integrate(folder: str, plan: str, place: str) -> str:
    """Integrate, with a gate that notes its commit, and a record of one line."""
    notes = Path(place)

    def run(where: Path, _argv: testing.Argv) -> testing.Result:
        with (notes / "tested").open("a") as file:
            file.write(f"{merges.head_of(where)}\n")
        return testing.Result(0)

    way = merging.Way(Path(folder), TARGET, plan, merges.MESSAGE, [["make", "test"]])
    verdict = merging.integrate(
        way,
        run,
        nullcontext,
        lambda commit: (notes / "state.json").write_text(json.dumps({"merged": commit})),
        put=lambda where, to: candidate.put(where, to, patience=0.0),
        patience=0.0,
    )
    return type(verdict).__name__


def assert_merged_once(scene: Scene, place: Path) -> None:
    chain = merges.first_parents(scene.root, TARGET)
    assert chain[1:] == [scene.onto, scene.start], "one merge commit, whatever was killed"
    assert merges.parents(scene.root, chain[0]) == [scene.onto, scene.plan]
    assert chain[0] in (place / "tested").read_text().split(), "the commit that was tested"
    assert json.loads((place / "state.json").read_text()) == {"merged": chain[0]}
    assert not git.need(scene.folder, "status", "--porcelain").out
    assert not list((scene.root / ".git").rglob("*.lock"))


@pytest.mark.parametrize("point", POINTS)
def test_killed_after_any_step_the_plan_is_merged_once(tmp_path: Path, point: str) -> None:
    scene = Scene(tmp_path)
    before = merges.state_of(scene.root)
    words = (os.fspath(scene.folder), scene.plan, os.fspath(tmp_path))
    child = children.Child(integrate, *words, die_at=(f"integrate.{point}", 1))
    assert child.gone() == -signal.SIGKILL
    if point in POINTS[:3]:
        assert merges.state_of(scene.root) == before, "nothing that has a name has changed"
    assert children.run(integrate, *words) == "Merged"
    assert_merged_once(scene, tmp_path)
    after = merges.state_of(scene.root)
    assert {key: after[key] for key in ("status", "index", "config")} == {
        key: before[key] for key in ("status", "index", "config")
    }


@pytest.mark.parametrize("point", POINTS[:2])
def test_killed_before_a_conflict_is_told_it_is_told_again(tmp_path: Path, point: str) -> None:
    scene = Scene(tmp_path, {"a.txt": "p\n"}, {"a.txt": "t\n"})
    words = (os.fspath(scene.folder), scene.plan, os.fspath(tmp_path))
    if point == "ready":
        child = children.Child(integrate, *words, die_at=("integrate.ready", 1))
        assert child.gone() == -signal.SIGKILL
    else:  # git itself has stopped at the conflict, and nobody has ended the merge
        candidate.put(scene.folder, scene.onto)
        assert git.ask(scene.folder, "merge", "--no-ff", scene.plan).exit_code == 1
    assert children.run(integrate, *words) == "Conflicting"
    assert not git.need(scene.folder, "status", "--porcelain").out
    assert merges.head(scene.root, TARGET) == scene.onto


def test_a_git_that_was_killed_while_it_held_the_targets_lock(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with subprocess.Popen(
        ["git", "update-ref", "--stdin"], cwd=scene.root, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as held:
        assert held.stdin is not None
        held.stdin.write(f"start\nupdate refs/heads/{TARGET} {scene.plan} {scene.onto}\nprepare\n".encode())
        held.stdin.flush()
        lock = scene.root / ".git" / "refs" / "heads" / f"{TARGET}.lock"
        wait_until(lock.exists, what="the lock of the ref")
        held.kill()
    assert lock.exists()
    assert children.run(integrate, os.fspath(scene.folder), scene.plan, os.fspath(tmp_path)) == "Merged"
    assert_merged_once(scene, tmp_path)


# -- the whole job: the plan's files too

NOT_WITH_PLAN = [sys.executable, "-c", "raise SystemExit('plan' in open('src/b.txt').read())"]
WAYS: dict[str, tuple[tuple[merges.Changes, merges.Changes] | None, list[list[str]], tuple[str, ...]]] = {
    "merged": (None, [[sys.executable, "-c", ""]], tuple(f"integrate.{point}" for point in POINTS)),
    "conflict": (
        ({"src/a.txt": "plan\n"}, {"src/a.txt": "target\n"}),
        [],
        ("integrate.ready", "reopen.todo", "reopen.review", "reopen.state"),
    ),
    "red": (None, [NOT_WITH_PLAN], ("integrate.tested", "reopen.todo", "reopen.review", "reopen.state")),
}


@pytest.mark.parametrize(("name", "point"), [(name, point) for name, way in WAYS.items() for point in way[2]])
def test_a_job_that_was_killed_ends_merged_once_or_reopened_once(tmp_path: Path, name: str, point: str) -> None:
    sides, gates, _ = WAYS[name]
    job = integrations.make(tmp_path, *(sides or ()))
    before, review = job.untouched(), job.plan.review_md.read_text()
    words = (os.fspath(tmp_path), gates)
    assert children.Child(integrations.again, *words, die_at=(point, 1)).gone() == -signal.SIGKILL
    verdict = children.run(integrations.again, *words)
    assert children.run(integrations.again, *words) == verdict, "and once more changes nothing"
    state = job.state()
    if name == "merged":
        assert verdict == "merged"
        assert merges.first_parents(job.repository, TARGET)[1:] == [job.onto, job.start]
        assert state["isolation"]["merged"] == job.target()
        assert job.target() in (tmp_path / "tested").read_text().split()
        assert job.plan.review_md.read_text() == review
    else:
        assert verdict == "reopened"
        assert job.target() == job.onto
        assert "merged" not in state["isolation"]
        item = "merge-0" if name == "conflict" else "gate-0"
        assert state["isolation"]["merging"]["item"] == item
        assert snapshot.take(job.plan).rejected_ids == (item,)
        assert job.plan.todo_md.read_text().count(f"[{item}]") == 1
        assert job.plan.review_md.read_text().count(f"[{item}]: fail") == 1
    assert merges.head(job.repository, integrations.PLAN) == job.head
    assert job.untouched() == before
