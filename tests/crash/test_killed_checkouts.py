"""A process that makes, puts or removes a worktree is SIGKILLed at every step; another one repeats the whole."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from support import children, merges, trees
from support.trees import KEY, Bed
from wf_cli import git
from wf_cli.workspace import checkout, linked
from wf_cli.workspace.names import Mark

WORK = {b"committed\n", b"staged\n", b"changed\n", b"new\n"}


def place(root: str, folder: str) -> linked.Place:
    return linked.place(Path(root), Path(folder), Mark(KEY, "box"))


def need(root: str, folder: str, commit: str) -> str:
    return str(checkout.need(place(root, folder), commit).how)


def put(root: str, folder: str, commit: str) -> str | None:
    return checkout.put(checkout.need(place(root, folder), commit), commit, "a test")


def remove(root: str, folder: str, _commit: str) -> str | None:
    return checkout.remove(place(root, folder), "a test")


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def words(bed: Bed) -> tuple[str, str, str]:
    return os.fspath(bed.root), os.fspath(bed.trees), bed.start


def work(bed: Bed) -> None:
    for name in ("committed", "staged"):
        (bed.top / name).write_text(f"{name}\n")
        git.need(bed.top, "add", name)
        if name == "committed":
            git.need(bed.top, "commit", "-qm", "work")
    (bed.top / "a.txt").write_text("changed\n")
    (bed.top / "new").write_text("new\n")


def somewhere(bed: Bed) -> set[bytes]:
    """All contents that are kept, or still lie in the worktree."""
    lying = {what[1] for what in trees.lying(bed.top).values()} if bed.top.exists() else set()
    if (bed.top / ".git").exists():
        for commit in git.ask(bed.top, "rev-list", "HEAD").text.split():
            lying |= {content for _, content in trees.contents(bed.root, commit).values()}
        for entry in git.need(bed.top, "ls-files", "-s").text.splitlines():
            lying.add(git.need(bed.top, "cat-file", "blob", entry.split()[1]).out)
    return lying | {content for _, content in bed.all_kept()}


@pytest.mark.parametrize("point", ["worktree.adding", "worktree.added", "worktree.prepared"])
def test_killed_while_it_is_made_the_worktree_is_made_by_the_next_one(bed: Bed, point: str) -> None:
    before = merges.state_of(bed.root)
    assert children.Child(need, *words(bed), die_at=(point, 1)).gone() == -signal.SIGKILL
    assert children.run(need, *words(bed)) == ("there" if point == "worktree.prepared" else "made")
    assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)
    assert [one.mark for one in linked.all_of(bed.place().common)] == [Mark(KEY, "box")]
    assert merges.state_of(bed.root) == before
    assert sorted(path.name for path in bed.top.parent.iterdir()) == [KEY], "nothing is left beside it"


@pytest.mark.parametrize("deed", [put, remove])
@pytest.mark.parametrize("point", ["snapshot.committed", "snapshot.kept"])
def test_killed_while_work_is_kept_it_is_still_there_or_kept(bed: Bed, point: str, deed: object) -> None:
    bed.need()
    work(bed)
    lying = trees.lying(bed.top)
    assert children.Child(deed, *words(bed), die_at=(point, 1)).gone() == -signal.SIGKILL
    assert trees.lying(bed.top) == lying
    children.run(deed, *words(bed))
    assert {content for _, content in bed.all_kept()} >= WORK


@pytest.mark.parametrize("point", ["worktree.snapshotted", "worktree.removed"])
@pytest.mark.parametrize("then", [remove, need])
def test_killed_while_it_is_removed_nothing_of_it_is_lost(bed: Bed, point: str, then: object) -> None:
    bed.need()
    work(bed)
    assert children.Child(remove, *words(bed), die_at=(point, 1)).gone() == -signal.SIGKILL
    assert {content for _, content in bed.all_kept()} >= WORK
    kept = bed.kept()
    children.run(then, *words(bed))
    assert bed.kept() == kept, "a worktree that is half removed is no work of anybody"
    if then is need:
        assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)
    else:
        assert not bed.top.exists()
        assert list(linked.all_of(bed.place().common)) == []


@pytest.mark.parametrize("first", [".git", "a.txt", ""])
@pytest.mark.parametrize("then", [remove, need])
def test_a_git_that_was_killed_in_the_middle_of_the_removal(bed: Bed, first: str, then: object) -> None:
    bed.need()
    work(bed)
    assert children.Child(remove, *words(bed), die_at=("worktree.snapshotted", 1)).gone() == -signal.SIGKILL
    kept = bed.kept()
    if first:
        (bed.top / first).unlink()
    else:
        shutil.rmtree(bed.top)
    children.run(then, *words(bed))
    assert bed.kept() == kept
    assert bed.top.exists() == (then is need)
    if then is need:
        assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)


@pytest.mark.parametrize("left", ["index.lock", "HEAD.lock", "wf-snapshot", "wf-snapshot.lock"])
def test_what_a_killed_git_has_left_is_no_hindrance(bed: Bed, left: str) -> None:
    ready = bed.need()
    work(bed)
    (ready.admin / left).write_text("half a file")
    children.run(put, *words(bed))
    assert somewhere(bed) >= WORK
    assert not list(ready.admin.glob("*.lock"))
    assert not (ready.admin / "wf-snapshot").exists()


@pytest.mark.parametrize("missing", [".git", "HEAD", "gitdir", "commondir", "index"])
def test_a_git_that_was_killed_while_it_added_the_worktree(bed: Bed, missing: str) -> None:
    assert children.Child(need, *words(bed), die_at=("worktree.added", 1)).gone() == -signal.SIGKILL
    admin = linked.admin_of(bed.top)
    assert admin is not None
    ((bed.top if missing == ".git" else admin) / missing).unlink(missing_ok=True)
    assert children.run(need, *words(bed)) == "made"
    assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)
