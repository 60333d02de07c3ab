"""The worktree of a plan: made, found, repaired, put to a commit, removed, whatever somebody did to it meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import merges, trees
from support.trees import KEY, Bed
from wf_cli import git
from wf_cli.workspace import checkout, linked, names, snapshot
from wf_cli.workspace.checkout import How
from wf_cli.workspace.names import Mark
from wf_cli.workspace.snapshot import NotKept

WHY = "a test"


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def admin(bed: Bed) -> Path:
    found = linked.admin_of(bed.top)
    assert found is not None
    return found


def work(bed: Bed) -> None:
    """Committed, staged, changed and new work, none of it handed over."""
    (bed.top / "committed").write_text("committed work\n")
    git.need(bed.top, "add", "committed")
    git.need(bed.top, "commit", "-qm", "work")
    (bed.top / "staged").write_text("staged work\n")
    git.need(bed.top, "add", "staged")
    (bed.top / "a.txt").write_text("changed work\n")
    (bed.top / "new").write_text("new work\n")


WORK = {b"committed work\n", b"staged work\n", b"changed work\n", b"new work\n"}
NOTED = {b"committed work\n", b"staged work\n"}


def is_kept(bed: Bed, wanted: set[bytes] = WORK) -> bool:
    return wanted <= {content for _, content in bed.all_kept()}


def test_a_worktree_is_made_beside_the_project_which_stays_as_it_was(bed: Bed) -> None:
    (bed.root / "a.txt").write_text("mine\n")
    (bed.root / "untracked").write_text("mine\n")
    git.need(bed.root, "stash", "-q")
    (bed.root / "b.txt").write_text("mine too\n")
    before = merges.state_of(bed.root)
    ready = bed.need()
    assert (ready.how, ready.aside) == (How.MADE, None)
    assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)
    assert git.ask(bed.top, "symbolic-ref", "-q", "HEAD").exit_code == 1, "detached"
    assert linked.read(admin(bed)).mark == Mark(KEY, "box")
    now = merges.state_of(bed.root)
    assert "?? .wf/" not in str(now["status"]), "wf's own folders are ignored"
    assert now == before


def test_a_worktree_that_is_there_stays_as_it_is(bed: Bed) -> None:
    bed.need()
    work(bed)
    before = trees.lying(bed.top), git.need(bed.top, "rev-parse", "HEAD").text
    ready = bed.need()
    assert ready.how is How.THERE
    assert (trees.lying(bed.top), git.need(bed.top, "rev-parse", "HEAD").text) == before
    assert checkout.look(bed.place()) is not None


def test_to_put_a_worktree_keeps_first_what_it_held(bed: Bed) -> None:
    ready = bed.need()
    work(bed)
    (bed.top / "x.log").write_text("a cache")
    assert checkout.put(ready, bed.start, WHY) == bed.kept()
    assert is_kept(bed)
    assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)
    assert (bed.top / "x.log").exists(), "what git ignores stays"
    assert checkout.put(ready, bed.start, WHY) is None


def test_what_was_kept_is_laid_over_the_same_commit_again(bed: Bed) -> None:
    ready = bed.need()
    (bed.top / "a.txt").write_text("changed\n")
    (bed.top / "new").write_text("new\n")
    before = trees.lying(bed.top)
    assert checkout.bring_back(ready, bed.start, WHY)
    assert trees.lying(bed.top) == before


def test_a_worktree_of_which_nothing_can_be_kept_is_neither_put_nor_removed(bed: Bed) -> None:
    ready = bed.need()
    merges.make_repository(bed.top / "clone", {"x": "x\n"})
    (bed.top / "a.txt").write_text("changed\n")
    before = trees.lying(bed.top)
    for deed in (lambda: checkout.put(ready, bed.start, WHY), lambda: checkout.remove(bed.place(), WHY)):
        with pytest.raises(NotKept):
            deed()
        assert trees.lying(bed.top) == before
    assert checkout.look(bed.place()) is not None


def test_nothing_is_removed_without_a_snapshot(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant that must die: a removal that takes none."""
    bed.need()
    work(bed)
    kept = checkout.remove(bed.place(), WHY)
    assert kept is not None
    assert is_kept(bed)
    assert not bed.top.exists()
    assert list(linked.all_of(bed.place().common)) == []
    bed.need()
    work(bed)

    def fails(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(snapshot, "take", fails)
    with pytest.raises(OSError, match="no space"):
        checkout.remove(bed.place(), WHY)
    assert (bed.top / "new").exists()


def test_a_clean_worktree_is_removed_and_no_ref_is_left(bed: Bed) -> None:
    before = merges.state_of(bed.root)
    bed.need()
    assert checkout.remove(bed.place(), WHY) is None
    assert merges.state_of(bed.root) == before
    assert checkout.remove(bed.place(), WHY) is None, "there is none any more"


def test_git_itself_does_not_prune_it_while_its_disk_is_away(bed: Bed) -> None:
    bed.need()
    away = bed.trees.with_name("away")
    os.rename(bed.trees, away)
    git.need(bed.root, "worktree", "prune", "--expire", "now")
    os.rename(away, bed.trees)
    assert bed.need().how is How.THERE


def delete(bed: Bed) -> None:
    shutil.rmtree(bed.top)


def delete_all(bed: Bed) -> None:
    shutil.rmtree(bed.trees)


def empty(bed: Bed) -> None:
    delete(bed)
    bed.top.mkdir()


def prune(bed: Bed) -> None:
    git.need(bed.root, "worktree", "unlock", os.fspath(bed.top))
    delete(bed)
    git.need(bed.root, "worktree", "prune", "--expire", "now")


def remove_git_file(bed: Bed) -> None:
    (bed.top / ".git").unlink()


def spoil_git_file(bed: Bed) -> None:
    (bed.top / ".git").write_text("gitdir: /nowhere\n")


def spoil_back_pointer(bed: Bed) -> None:
    (admin(bed) / "gitdir").write_text("/nowhere/.git\n")


def unlock(bed: Bed) -> None:
    git.need(bed.root, "worktree", "unlock", os.fspath(bed.top))


def lock_otherwise(bed: Bed) -> None:
    unlock(bed)
    git.need(bed.root, "worktree", "lock", "--reason", "mine", os.fspath(bed.top))


def move(bed: Bed) -> None:
    git.need(bed.root, "worktree", "move", "-f", "-f", os.fspath(bed.top), os.fspath(bed.root.parent / "elsewhere"))


def forget_admin(bed: Bed) -> None:
    shutil.rmtree(admin(bed))


def forget_record(bed: Bed) -> None:
    (admin(bed) / names.RECORD).unlink()


def check_out_a_branch(bed: Bed) -> None:
    git.need(bed.top, "checkout", "-q", "-b", "mine")


def leave_locks(bed: Bed) -> None:
    for name in ("index.lock", "HEAD.lock"):
        (admin(bed) / name).touch()


def repository_of_its_own(bed: Bed) -> None:
    (bed.top / ".git").unlink()
    git.need(bed.top, "init", "-q")


@pytest.mark.parametrize(
    ("deed", "how", "survives"),
    [
        (delete, How.REMADE, NOTED),
        (delete_all, How.REMADE, NOTED),
        (empty, How.REMADE, NOTED),
        (prune, How.MADE, set()),
        (remove_git_file, How.REPAIRED, WORK),
        (spoil_git_file, How.REPAIRED, WORK),
        (spoil_back_pointer, How.REPAIRED, WORK),
        (unlock, How.REPAIRED, WORK),
        (lock_otherwise, How.REPAIRED, WORK),
        (move, How.REPAIRED, WORK),
        (forget_record, How.MADE, WORK),
        (check_out_a_branch, How.THERE, WORK),
        (leave_locks, How.THERE, WORK),
    ],
)
def test_whatever_somebody_did_to_it_the_worktree_is_whole_again_and_work_is_kept(
    bed: Bed, deed: Callable[[Bed], None], how: How, survives: set[bytes]
) -> None:
    bed.need()
    work(bed)
    before = merges.state_of(bed.root)
    deed(bed)
    ready = bed.need()
    assert ready.how is how
    assert checkout.look(bed.place()) is not None
    checkout.put(ready, bed.start, WHY)
    assert is_kept(bed, survives)
    assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)
    assert linked.read(ready.admin).mark == Mark(KEY, "box")
    for key in ("status", "index", "config"):
        assert merges.state_of(bed.root)[key] == before[key]


@pytest.mark.parametrize("deed", [forget_admin, repository_of_its_own])
def test_what_is_not_the_worktree_any_more_is_moved_aside_with_all_its_files(
    bed: Bed, deed: Callable[[Bed], None]
) -> None:
    bed.need()
    work(bed)
    before = trees.lying(bed.top)
    deed(bed)
    ready = bed.need()
    assert ready.aside is not None
    for path, what in before.items():
        assert trees.lying(ready.aside)[path] == what
    assert trees.lying(bed.top) == trees.contents(bed.root, bed.start)


def test_a_folder_of_somebody_in_its_place_is_moved_aside(bed: Bed) -> None:
    bed.top.mkdir(parents=True)
    (bed.top / "mine").write_text("mine\n")
    ready = bed.need()
    assert ready.aside is not None
    assert (ready.aside / "mine").read_text() == "mine\n"


def test_a_link_in_its_place_is_not_followed(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine\n")
    bed.top.parent.mkdir(parents=True)
    place = bed.place()
    bed.top.symlink_to(tmp_path / "mine")
    ready = checkout.need(place, bed.start)
    assert ready.place.top.is_dir()
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["file"]


def test_worktrees_of_others_are_never_found(bed: Bed) -> None:
    merges.add_worktree(bed.root, bed.root.parent / "mine")
    other = checkout.need(bed.place(host="other"), bed.start)
    bed.need("p07")
    assert checkout.look(bed.place()) is None
    assert checkout.remove(bed.place(), WHY) is None
    assert other.place.top.exists()
    assert (bed.root.parent / "mine").exists()


def test_a_rebase_that_was_left_is_not_gone_on_with_and_the_stash_stays_empty(bed: Bed) -> None:
    ready = bed.need()
    merges.commit(bed.root, "other", {"a.txt": "theirs\n"}, parents=[bed.start])
    (bed.top / "a.txt").write_text("ours\n")
    git.need(bed.top, "commit", "-qam", "ours")
    (bed.top / "b.txt").write_text("put away\n")
    assert git.ask(bed.top, "rebase", "--autostash", "other").exit_code != 0
    checkout.put(ready, bed.start, WHY)
    assert "rebase" not in git.need(bed.top, "status").text
    assert is_kept(bed, {b"ours\n", b"put away\n"})
    assert git.need(bed.root, "stash", "list").text == ""


def test_two_worktrees_of_one_project_do_not_see_each_other(bed: Bed) -> None:
    one, other = bed.need(), bed.need("e01-p04")
    (one.place.top / "a.txt").write_text("one\n")
    assert (other.place.top / "a.txt").read_text() == "a\n"
    checkout.remove(one.place, WHY)
    assert checkout.look(other.place) is not None


def test_a_project_below_the_top_of_its_checkout_has_its_folder_in_the_worktree(bed: Bed) -> None:
    below = bed.root / "deep" / "er"
    place = linked.place(below, bed.trees, Mark("p07", "box"))
    ready = checkout.need(place, bed.start)
    assert (ready.place.root / "c.txt").read_text() == "c\n"
    assert ready.place.root == ready.place.top / "deep" / "er"


def test_a_project_that_is_itself_a_linked_worktree_has_worktrees(bed: Bed) -> None:
    mine = merges.add_worktree(bed.root, bed.root.parent / "mine")
    place = linked.place(mine, bed.trees, Mark(KEY, "box"))
    ready = checkout.need(place, bed.start)
    assert (ready.how, checkout.look(place) is not None) == (How.MADE, True)
    assert checkout.look(bed.place()) is None, "it is of another project of this repository"


def test_a_shallow_clone_has_worktrees(bed: Bed, tmp_path: Path) -> None:
    merges.commit(bed.root, "main", {"d.txt": "d\n"})
    git.need(tmp_path, "clone", "-q", "--depth=1", bed.root.as_uri(), "shallow")
    root = tmp_path / "shallow"
    head = git.need(root, "rev-parse", "HEAD").text.strip()
    place = linked.place(root, bed.trees, Mark(KEY, "box"))
    ready = checkout.need(place, head)
    (place.top / "new").write_text("new work\n")
    checkout.put(ready, head, WHY)
    assert git.need(root, "show", f"{place.ref}:new").text == "new work\n"


def test_hooks_of_the_repository_do_not_run(bed: Bed) -> None:
    hooks = bed.root / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {bed.root}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    git.need(bed.root, "config", "core.hooksPath", "hooks")
    ready = bed.need()
    work(bed)
    checkout.put(ready, bed.start, WHY)
    checkout.remove(bed.place(), WHY)
    assert not (bed.root / "ran").exists()


def test_a_branch_called_like_the_prefix_is_no_hindrance_to_snapshots(bed: Bed) -> None:
    git.need(bed.root, "branch", "wf")
    bed.need()
    work(bed)
    checkout.remove(bed.place(), WHY)
    assert is_kept(bed)


def test_records_keep_what_was_noted(bed: Bed) -> None:
    ready = bed.need()
    record = linked.record_of(ready.admin)
    assert record is not None
    linked.write_record(ready.admin, record, job="e01-p03-i0-code-plan-coder", attempt=2, setup="abc")
    again = linked.record_of(ready.admin)
    assert again is not None
    assert (again.job, again.attempt, again.setup) == ("e01-p03-i0-code-plan-coder", 2, "abc")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": 1, "host": "box", "project": "x"}', "\x00"])
def test_a_record_that_cannot_be_read_is_none(bed: Bed, text: str) -> None:
    ready = bed.need()
    (ready.admin / names.RECORD).write_text(text)
    assert linked.record_of(ready.admin) is None
    assert bed.need().how is How.MADE
