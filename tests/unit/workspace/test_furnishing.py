"""What a worktree gets from its project: a way to the plan that git does not see, and ignored files, as copies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import merges, trees
from support.trees import Bed
from wf_cli import git
from wf_cli.errors import StateError
from wf_cli.workspace import checkout, furnish, snapshot
from wf_cli.workspace.checkout import Ready

FILES = {**trees.FILES, ".gitignore": "*.log\nbuild/\n.env\nconfig/local.json\n"}


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    bed = Bed(tmp_path, FILES)
    (bed.root / "plans" / "03-time-zones").mkdir(parents=True)
    (bed.root / "plans" / "03-time-zones" / "todo.md").write_text("- [ ] [a] x\n")
    return bed


def way_of(bed: Bed, ready: Ready) -> Path:
    return furnish.lay_way(ready, bed.root / "plans" / "03-time-zones")


def status(bed: Bed) -> str:
    return git.need(bed.top, "status", "--porcelain").text


def test_the_plan_is_reached_by_a_link_that_git_does_not_see(bed: Bed) -> None:
    way = way_of(bed, bed.need())
    assert way == bed.top / ".wf/here/plan"
    (way / "todo.md").write_text("- [x] [a] x\n")
    assert (bed.root / "plans/03-time-zones/todo.md").read_text() == "- [x] [a] x\n"
    assert status(bed) == ""
    git.need(bed.top, "add", "--all")
    assert git.need(bed.top, "diff", "--cached", "--name-only").out == b""


@pytest.mark.parametrize("there", ["link", "file", "folder", "plan"])
def test_whatever_lies_there_the_way_leads_to_the_plan(bed: Bed, there: str, tmp_path: Path) -> None:
    ready = bed.need()
    way = way_of(bed, ready)
    if there != "plan":
        way.unlink()
    if there == "link":
        way.symlink_to(tmp_path)
    elif there == "file":
        way.write_text("x")
    elif there == "folder":
        way.mkdir()
        (way / "work").write_text("work\n")
    assert os.readlink(way_of(bed, ready)) == str(bed.root / "plans" / "03-time-zones")
    if there == "folder":
        assert [path.read_text() for path in way.parent.glob("plan.aside-*/work")] == ["work\n"]


def test_to_put_the_worktree_leaves_the_way_and_never_follows_it(bed: Bed) -> None:
    ready = bed.need()
    way = way_of(bed, ready)
    (bed.top / "a.txt").write_text("work\n")
    checkout.put(ready, bed.start, "a test")
    assert way.is_symlink()
    checkout.remove(bed.place(), "a test")
    assert (bed.root / "plans/03-time-zones/todo.md").exists(), "the plan itself is not removed with its worktree"


def test_a_branch_with_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    bed = Bed(tmp_path, {**FILES, ".wf": ("120000", "/tmp")})
    with pytest.raises(StateError, match="no way to its plan"):
        furnish.lay_way(bed.need(), tmp_path)


def test_ignored_files_are_copied_anew_for_every_attempt(bed: Bed) -> None:
    ready = bed.need()
    (bed.root / "config").mkdir()
    for name in (".env", "config/local.json"):
        (bed.root / name).write_text("1\n")
    (bed.root / ".env").chmod(0o600)
    assert furnish.copy(ready, [".env", "config/local.json", "missing.log"]) == ("missing.log",)
    (bed.top / ".env").write_text("an agent's\n")
    (bed.root / ".env").write_text("2\n")
    furnish.copy(ready, [".env"])
    assert (bed.top / ".env").read_text() == "2\n"
    assert (bed.top / ".env").stat().st_mode & 0o777 == 0o600
    assert (bed.root / ".env").stat().st_ino != (bed.top / ".env").stat().st_ino
    assert status(bed) == ""
    assert snapshot.is_clean(bed.top)


def test_an_ignored_folder_is_copied_and_replaced_whole(bed: Bed) -> None:
    ready = bed.need()
    (bed.root / "build" / "deep").mkdir(parents=True)
    (bed.root / "build" / "deep" / "x").write_text("x\n")
    (bed.root / "build" / "out").symlink_to("/nowhere")
    furnish.copy(ready, ["build"])
    (bed.top / "build" / "old").write_text("old\n")
    furnish.copy(ready, ["build"])
    assert sorted(path.name for path in (bed.top / "build").iterdir()) == ["deep", "out"]
    assert os.readlink(bed.top / "build" / "out") == "/nowhere"


def test_a_folder_in_which_git_has_files_is_not_replaced(tmp_path: Path) -> None:
    bed = Bed(tmp_path, {**FILES, "build/tracked": "tracked\n"})
    ready = bed.need()
    (bed.root / "build" / "out").write_text("out\n")
    with pytest.raises(furnish.CannotCopy, match="build"):
        furnish.copy(ready, ["build"])
    assert (bed.top / "build" / "tracked").read_text() == "tracked\n"


@pytest.mark.parametrize("path", ["a.txt", "untracked", "kept.log"])
def test_what_git_would_commit_is_not_copied(bed: Bed, path: str) -> None:
    ready = bed.need()
    (bed.root / path).write_text("mine\n")
    with pytest.raises(furnish.CannotCopy, match=path):
        furnish.copy(ready, [path])
    assert status(bed) == ""


def test_a_copy_does_not_leave_the_worktree_by_a_link_of_the_branch(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    bed = Bed(tmp_path, {**FILES, ".gitignore": "local.json\n", "config": ("120000", str(outside))})
    ready = bed.need()
    (bed.root / "config").unlink()
    (bed.root / "config").mkdir()
    (bed.root / "config" / "local.json").write_text("secret\n")
    with pytest.raises(furnish.CannotCopy, match="is no folder"):
        furnish.copy(ready, ["config/local.json"])
    assert list(outside.iterdir()) == []


def test_a_pipe_is_not_waited_for(bed: Bed) -> None:
    os.mkfifo(bed.root / ".env")
    with pytest.raises(furnish.CannotCopy, match="neither a file nor a folder"):
        furnish.copy(bed.need(), [".env"])


def test_a_copy_that_fails_leaves_nothing_half(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = bed.need()
    (bed.root / ".env").write_text("1\n")
    furnish.copy(ready, [".env"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        furnish.copy(ready, [".env"])
    assert (bed.top / ".env").read_text() == "1\n"
    assert [path.name for path in bed.top.iterdir() if path.name.endswith(".part")] == []


def test_the_projects_files_are_only_read(bed: Bed) -> None:
    (bed.root / ".env").write_text("1\n")
    before = merges.state_of(bed.root)
    furnish.copy(bed.need(), [".env"])
    assert merges.state_of(bed.root) == before
