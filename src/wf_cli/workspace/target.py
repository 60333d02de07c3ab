"""The branch that plans are merged into: what is at its head, and the one way in which wf moves it.

It moves by compare-and-swap from the commit that was tested against, so what a person commits to it meanwhile is
kept. A branch that somebody has checked out is not moved, because their files would no longer be those of their
branch. A person who checks it out between that look and the move sees it move.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from wf_cli import fsio, git
from wf_cli.errors import NotFound, Refused
from wf_cli.git import GitError
from wf_cli.workspace import leftover_locks
from wf_cli.workspace.candidate import commit_of
from wf_cli.workspace.leftover_locks import PATIENCE


class TargetMissing(NotFound):
    """The target is no branch of the repository (any more)."""

    code = "TARGET_MISSING"


class TargetCheckedOut(Refused):
    """Somebody has the target checked out."""

    code = "TARGET_CHECKED_OUT"


def ref_of(branch: str) -> str:
    """The full name of a branch."""
    return f"refs/heads/{branch}"


def head_of(root: Path, branch: str) -> str:
    """The commit at the head of ``branch``; raises TargetMissing."""
    found = commit_of(root, ref_of(branch))
    if found is None:
        git.need(root, "rev-parse", "--git-dir")  # Without a repository git says so.
        raise TargetMissing(
            f"the branch {branch} of {root} is missing, or holds no commit",
            hint=f"make it again (git branch {branch} <commit>; `git reflog` may know the commit)",
        )
    return found


def advance(root: Path, branch: str, commit: str, before: str, why: str, *, patience: float = PATIENCE) -> bool:
    """Move ``branch`` from ``before`` to ``commit``; False when it does not stand at ``before`` (any more).

    The caller holds the project's lock of this target, so no other wf moves it. A lock file of the ref that a killed
    git has left is removed once it has stayed unchanged for ``patience`` seconds.

    Raises TargetCheckedOut, TargetMissing, and GitError when git cannot write the ref.
    """
    if head_of(root, branch) != before:
        return False
    lock = _lock_path(root, branch)
    for seen in (leftover_locks.look(lock), None):
        _refuse_checked_out(root, branch)
        answer = git.ask(root, "update-ref", "-m", f"wf: {why}", ref_of(branch), commit, before)
        now = head_of(root, branch)
        if answer.exit_code == 0 or now != before:
            # A git that was stopped may have moved it all the same.
            return answer.exit_code == 0 or now == commit
        if seen is None or not leftover_locks.is_gone(seen, patience):
            break
    raise GitError(
        f"git cannot move {branch} to {commit} in {root}: {answer.complaint}",
        hint="is another git at work there, or the disk full? then repeat the command",
        exit_code=answer.exit_code,
    )


def _lock_path(root: Path, branch: str) -> Path:
    return Path(root, git.need(root, "rev-parse", "--git-path", f"{ref_of(branch)}.lock").text.removesuffix("\n"))


def _refuse_checked_out(root: Path, branch: str) -> None:
    where = next(_checkouts(root, branch), None)
    if where is not None:
        raise TargetCheckedOut(
            f"{branch} is checked out in {where}, so wf does not move it",
            hint=f"switch to another branch there, and merge {branch} when you like; a checkout that is gone is "
            "forgotten by `git worktree prune`",
            branch=branch,
            path=os.fspath(where),
        )


def _checkouts(root: Path, branch: str) -> Iterator[Path]:
    """The checkouts with ``branch`` at their HEAD, and those where a rebase or a bisection will return to it."""
    ref, top = ref_of(branch), root
    for line in git.need(root, "worktree", "list", "--porcelain").out.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"worktree":
            top = Path(os.fsdecode(value))
        elif key == b"branch" and os.fsdecode(value) == ref:
            yield top
    for admin in _admin_folders(root):
        for name, wanted in (
            ("rebase-merge/head-name", ref),
            ("rebase-apply/head-name", ref),
            ("BISECT_START", branch),
        ):
            if _first_line(admin / name) == wanted:
                yield _top_of(admin)


def _admin_folders(root: Path) -> Iterator[Path]:
    common = Path(root, git.need(root, "rev-parse", "--git-common-dir").text.removesuffix("\n"))
    yield common
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from (common / "worktrees" / name for name in sorted(fsio.names(common / "worktrees")))


def _top_of(admin: Path) -> Path:
    """The checkout of an administrative folder of git's."""
    linked = _first_line(admin / "gitdir")
    return Path(linked).parent if linked else admin.parent


def _first_line(path: Path) -> str | None:
    try:
        return os.fsdecode(fsio.read_regular(path, 8192)).split("\n")[0]
    except (OSError, ValueError):
        return None
