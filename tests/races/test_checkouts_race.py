"""Several processes make, use and remove worktrees of one project at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import children, merges, trees
from support.trees import Bed
from wf_cli.workspace import checkout, linked
from wf_cli.workspace.names import Mark


def need(root: str, folder: str, key: str, commit: str) -> str:
    place = linked.place(Path(root), Path(folder), Mark(key, "box"))
    return str(checkout.need(place, commit).how)


def use(root: str, folder: str, key: str, commit: str) -> str | None:
    """Make it, work in it, and remove it; the snapshot of the work."""
    place = linked.place(Path(root), Path(folder), Mark(key, "box"))
    with checkout.holding(place):
        checkout.need(place, commit)
        (place.top / "new").write_text(f"{os.getpid()}\n")
        return checkout.remove(place, "a test")


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def words(bed: Bed, key: str) -> tuple[str, str, str, str]:
    return os.fspath(bed.root), os.fspath(bed.trees), key, bed.start


def test_worktrees_of_eight_plans_are_made_at_once(bed: Bed) -> None:
    before = merges.state_of(bed.root)
    keys = [f"e01-p{number:02}" for number in range(1, 9)]
    at_work = [children.Child(need, *words(bed, key)) for key in keys]
    assert [child.result() for child in at_work] == ["made"] * len(keys)
    assert sorted(str(one.record.key) for one in linked.all_of(bed.place().common) if one.record) == keys
    for key in keys:
        assert trees.lying(bed.place(key).top) == trees.contents(bed.root, bed.start)
    assert merges.state_of(bed.root) == before


def test_one_worktree_is_made_once_whoever_asks(bed: Bed) -> None:
    at_work = [children.Child(need, *words(bed, "p07")) for _ in range(4)]
    assert sorted(child.result() for child in at_work) == ["made", "there", "there", "there"]
    assert len(list(linked.all_of(bed.place().common))) == 1


def test_what_each_of_several_left_in_one_worktree_is_kept(bed: Bed) -> None:
    at_work = [children.Child(use, *words(bed, "p07")) for _ in range(4)]
    pids = {f"{child.pid}\n".encode() for child in at_work}
    assert len({child.result() for child in at_work}) == 4
    assert pids <= {content for _, content in bed.all_kept()}
    assert list(linked.all_of(bed.place().common)) == []
