"""Whatever git does not ignore in a worktree is in the commit that is kept, and the worktree is left as it was."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import merges, trees
from support.trees import Bed
from wf_cli import git
from wf_cli.errors import WfError
from wf_cli.git import GitError
from wf_cli.workspace import snapshot
from wf_cli.workspace.snapshot import NotKept

WHY = "a test"


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    bed = Bed(tmp_path)
    bed.need()
    return bed


def ref(bed: Bed) -> str:
    return bed.place().ref


def git_in(bed: Bed, *words: str) -> str:
    return git.need(bed.top, *words).text.strip()


def seen(top: Path) -> tuple[object, ...]:
    """What a snapshot must not disturb."""
    admin = Path(git.need(top, "rev-parse", "--absolute-git-dir").text.strip())
    return (
        (admin / "index").read_bytes() if (admin / "index").exists() else None,
        (admin / "HEAD").read_bytes(),
        sorted(path.name for path in admin.iterdir()),
        trees.lying(top, ignored=("\0",)),
        git.need(top, "status", "--porcelain", "--ignored").text,
    )


def test_a_clean_worktree_at_a_commit_of_a_branch_needs_no_snapshot(bed: Bed) -> None:
    assert snapshot.take(bed.top, ref(bed), WHY) is None
    assert bed.kept() is None
    assert snapshot.is_clean(bed.top)


def test_files_that_are_ignored_alone_need_no_snapshot(bed: Bed) -> None:
    (bed.top / "x.log").write_text("noise")
    (bed.top / "build").mkdir()
    (bed.top / "build" / "out").write_text("noise")
    assert snapshot.take(bed.top, ref(bed), WHY) is None


_NAMES = st.sampled_from(
    ["a.txt", "b.txt", "deep/er/c.txt", "deep/er", "deep", "new", "new/x", "x.log", "kept.log", "build/out", "run.sh",
     "-n", ":(top)x", "é\n", "tab\there", '"q"', "*", ".gitattributes.x", "Build", "a.txt/below", "~", "\\", " lead"]
)  # fmt: skip
_DEEDS = st.lists(
    st.tuples(_NAMES, st.sampled_from(["write", "link", "remove", "chmod", "add", "commit", "assume", "skip"]),
              st.binary(max_size=8)),
    max_size=8,
)  # fmt: skip


def do(top: Path, name: str, deed: str, content: bytes) -> None:
    path = top / name
    try:
        if deed in ("write", "link"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if deed == "write":
                path.write_bytes(content)
            else:
                path.symlink_to(content.hex() or "nowhere")
        elif deed == "remove":
            path.unlink()
        elif deed == "chmod":
            path.chmod(0o700 if content else 0o600)
    except OSError:
        return
    words = {
        "add": ["add", "--", f":(top,literal){name}"],
        "commit": ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "x"],
        "assume": ["update-index", "--assume-unchanged", "--", name],
        "skip": ["update-index", "--skip-worktree", "--", name],
    }
    if deed in words:
        git.ask(top, *words[deed])


@settings(max_examples=30, deadline=None)
@given(_DEEDS)
def test_what_git_does_not_ignore_is_in_the_kept_commit(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, str, bytes]]
) -> None:
    bed = Bed(tmp_path_factory.mktemp("bed"))
    bed.need()
    for deed in deeds:
        do(bed.top, *deed)
    before = seen(bed.top)
    head, staged = git_in(bed, "rev-parse", "HEAD"), git.ask(bed.top, "write-tree").text.strip()
    before = seen(bed.top)
    taken = snapshot.take(bed.top, ref(bed), WHY)
    assert seen(bed.top) == before
    lying = {path: what for path, what in trees.lying(bed.top).items() if not _is_ignored(bed.top, path)}
    if taken is None:
        assert trees.contents(bed.root, head) == lying
        return
    assert trees.contents(bed.root, taken) == lying
    assert git.ask(bed.root, "merge-base", "--is-ancestor", head, taken).exit_code == 0
    layers = git.need(bed.root, "rev-list", taken, f"^{head}^@").text.split()
    assert staged in [git_in(bed, "rev-parse", f"{commit}^{{tree}}") for commit in layers], "what was staged, too"
    assert snapshot.take(bed.top, ref(bed), WHY) is None, "nothing more to keep"


def _is_ignored(top: Path, path: str) -> bool:
    """git says so of a path that the index does not have."""
    return subprocess.run(["git", "check-ignore", "-q", "--", path], cwd=top, check=False).returncode == 0


def test_commits_that_no_branch_has_are_kept(bed: Bed) -> None:
    git_in(bed, "commit", "-q", "--allow-empty", "-m", "mine")
    head = git_in(bed, "rev-parse", "HEAD")
    taken = snapshot.take(bed.top, ref(bed), WHY)
    assert taken is not None
    assert merges.parents(bed.root, taken) == [head]


def test_the_snapshot_before_is_the_second_parent(bed: Bed) -> None:
    (bed.top / "a.txt").write_text("1")
    first = snapshot.take(bed.top, ref(bed), WHY)
    (bed.top / "a.txt").write_text("2")
    second = snapshot.take(bed.top, ref(bed), WHY)
    assert first is not None
    assert second is not None
    assert merges.parents(bed.root, second) == [bed.start, first]
    assert bed.kept() == second


def test_a_merge_with_conflicts_is_kept_with_its_marks(bed: Bed) -> None:
    merges.commit(bed.root, "other", {"a.txt": "theirs\n"}, parents=[bed.start])
    (bed.top / "a.txt").write_text("ours\n")
    git_in(bed, "commit", "-qam", "ours")
    assert git.ask(bed.top, "merge", "other").exit_code == 1
    before = seen(bed.top)
    taken = snapshot.take(bed.top, ref(bed), WHY)
    assert taken is not None
    assert b"<<<<<<<" in trees.contents(bed.root, taken)["a.txt"][1]
    assert seen(bed.top) == before


def test_the_commits_of_a_rebase_that_was_left_are_kept(bed: Bed) -> None:
    merges.commit(bed.root, "other", {"a.txt": "theirs\n"}, parents=[bed.start])
    (bed.top / "a.txt").write_text("ours\n")
    git_in(bed, "commit", "-qam", "ours")
    mine = git_in(bed, "rev-parse", "HEAD")
    assert git.ask(bed.top, "rebase", "other").exit_code != 0
    taken = snapshot.take(bed.top, ref(bed), WHY)
    assert taken is not None
    assert git.ask(bed.root, "merge-base", "--is-ancestor", mine, taken).exit_code == 0


def clone(bed: Bed, name: str) -> Path:
    inner = bed.top / name
    merges.make_repository(inner, {"x": "x\n"})
    return inner


def test_a_repository_that_was_cloned_into_the_worktree_is_told_and_nothing_changes(bed: Bed) -> None:
    clone(bed, "vendored")
    before = seen(bed.top)
    with pytest.raises(NotKept, match="vendored") as told:
        snapshot.take(bed.top, ref(bed), WHY)
    assert told.value.paths == ("vendored",)
    assert seen(bed.top) == before
    assert bed.kept() is None


def test_one_without_a_commit_is_not_passed_over_either(bed: Bed) -> None:
    (bed.top / "empty").mkdir()
    git.need(bed.top / "empty", "init", "-q")
    (bed.top / "empty" / "work").write_text("work")
    with pytest.raises(WfError):
        snapshot.take(bed.top, ref(bed), WHY)


def test_an_ignored_repository_is_ignored(bed: Bed) -> None:
    clone(bed, "build")
    assert snapshot.take(bed.top, ref(bed), WHY) is None


@pytest.fixture
def with_submodule(tmp_path: Path) -> Bed:
    """A worktree with a submodule that is filled."""
    merges.make_repository(tmp_path / "library", {"lib.txt": "lib\n"})
    bed = Bed(tmp_path)
    allow = ("-c", "protocol.file.allow=always")
    git.need(bed.root, *allow, "submodule", "--quiet", "add", os.fspath(tmp_path / "library"), "lib")
    git.need(bed.root, "commit", "-qm", "with a library")
    bed.start = git.need(bed.root, "rev-parse", "HEAD").text.strip()
    bed.need()
    git.need(bed.top, *allow, "submodule", "--quiet", "update", "--init")
    return bed


def test_a_submodule_that_is_filled_and_unchanged_is_no_hindrance(with_submodule: Bed) -> None:
    bed = with_submodule
    (bed.top / "a.txt").write_text("changed\n")
    taken = snapshot.take(bed.top, ref(bed), WHY)
    assert taken is not None
    assert trees.contents(bed.root, taken)["a.txt"][1] == b"changed\n"


@pytest.mark.parametrize("deed", ["change", "add", "commit"])
def test_work_in_a_submodule_is_told_and_nothing_changes(with_submodule: Bed, deed: str) -> None:
    bed = with_submodule
    (bed.top / "lib" / ("lib.txt" if deed == "change" else "new.txt")).write_text("work\n")
    if deed == "commit":
        git.need(bed.top / "lib", "add", "-A")
        git.need(bed.top / "lib", "-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "work")
    with pytest.raises(NotKept, match="lib"):
        snapshot.take(bed.top, ref(bed), WHY)
    assert bed.kept() is None


def test_no_hook_no_signature_and_no_check_of_line_ends_stand_in_the_way(bed: Bed) -> None:
    hooks = bed.root / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "reference-transaction", "post-index-change", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {bed.root}/ran-{name}\nexit 1\n")
        (hooks / name).chmod(0o755)
    for key, value in (("core.hooksPath", "hooks"), ("commit.gpgsign", "true"), ("core.safecrlf", "true"),
                       ("core.autocrlf", "input"), ("user.useConfigOnly", "true")):  # fmt: skip
        git.need(bed.root, "config", key, value)
    git.need(bed.root, "config", "--unset", "user.name")
    (bed.top / "a.txt").write_bytes(b"one\r\n")
    assert snapshot.take(bed.top, ref(bed), WHY) is not None
    assert not list(bed.root.glob("ran-*"))


def test_a_snapshot_that_cannot_be_made_changes_nothing(bed: Bed) -> None:
    git.need(bed.root, "config", "filter.x.clean", "false")
    git.need(bed.root, "config", "filter.x.required", "true")
    (bed.top / ".gitattributes").write_text("*.dat filter=x\n")
    (bed.top / "a.dat").write_text("a")
    before = seen(bed.top)
    with pytest.raises(GitError):
        snapshot.take(bed.top, ref(bed), WHY)
    assert seen(bed.top) == before
    assert bed.kept() is None


def test_files_outside_a_sparse_checkout_are_not_taken_for_removed(bed: Bed) -> None:
    git_in(bed, "sparse-checkout", "set", "--no-cone", "/*.txt")
    assert not (bed.top / "deep").exists()
    assert snapshot.take(bed.top, ref(bed), WHY) is None
    (bed.top / "a.txt").write_text("changed\n")
    taken = snapshot.take(bed.top, ref(bed), WHY)
    assert taken is not None
    assert trees.contents(bed.root, taken)["deep/er/c.txt"][1] == b"c\n"


def test_a_snapshot_is_laid_over_a_clean_worktree(bed: Bed) -> None:
    (bed.top / "a.txt").write_text("changed\n")
    (bed.top / "b.txt").unlink()
    (bed.top / "new" / "x").mkdir(parents=True)
    (bed.top / "new" / "x" / "y").write_text("new\n")
    lying = trees.lying(bed.top)
    taken = snapshot.take(bed.top, ref(bed), WHY)
    git_in(bed, "reset", "-q", "--hard")
    git_in(bed, "clean", "-fdq")
    assert taken is not None
    assert snapshot.lay_over(bed.top, taken)
    assert trees.lying(bed.top) == lying
    assert git_in(bed, "rev-parse", "HEAD") == bed.start
    assert git.ask(bed.top, "diff", "--cached", "--quiet").exit_code == 0, "uncommitted, and not staged"


def test_a_snapshot_from_before_head_does_not_undo_what_came_since(bed: Bed) -> None:
    (bed.top / "a.txt").write_text("old attempt\n")
    taken = snapshot.take(bed.top, ref(bed), WHY)
    git_in(bed, "commit", "-qam", "handed over")
    assert taken is not None
    assert not snapshot.lay_over(bed.top, taken)
    assert (bed.top / "a.txt").read_text() == "old attempt\n"
    assert not git.need(bed.top, "status", "--porcelain").out
