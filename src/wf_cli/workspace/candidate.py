"""The merge commit of a target and a plan, made in a worktree that wf has for this alone.

The commit is a candidate: no branch has it until its gates have passed. git makes it with its own strategy and
nothing else: no side is preferred, no earlier resolution is repeated, and what a person has configured for their own
merges does not count. Merge drivers that the repository asks for in ``.gitattributes`` do count.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from wf_cli import git
from wf_cli.frozen import frozen
from wf_cli.git import GitError
from wf_cli.workspace import leftover_locks
from wf_cli.workspace.leftover_locks import PATIENCE

#: The person that commits where git knows nobody.
_NOBODY = ("wf", "wf@localhost")
#: Settings of a person that change what a merge does.
_PLAIN = (
    "-c", "rerere.enabled=false", "-c", "merge.renames=true", "-c", "merge.directoryRenames=conflict",
    "-c", "merge.conflictStyle=merge", "-c", "submodule.recurse=false",
)  # fmt: skip
_MERGE = (
    "merge", "--no-ff", "--no-edit", "--no-verify", "--no-verify-signatures", "--no-gpg-sign", "--no-autostash",
    "--no-log", "--no-stat", "--quiet", "--no-rerere-autoupdate", "--cleanup=whitespace",
)  # fmt: skip
#: What git locks of a worktree while it changes it.
_LOCKS = ("index.lock", "HEAD.lock", "ORIG_HEAD.lock")
#: Seconds for a merge, or a checkout. Both write files.
LIMIT = 600.0


@frozen
class Candidate:
    """A merge commit that stands at HEAD of the worktree. Its parents are the target's and the plan's head."""

    commit: str


@frozen
class Conflict:
    """The two sides do not merge by themselves. ``paths`` are those in conflict, sorted and from the top level."""

    paths: tuple[str, ...]


def commit_of(root: Path, name: str) -> str | None:
    """The object id of the commit that ``name`` means in the repository; None when it means none."""
    answer = git.ask(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return answer.text.strip() if answer.exit_code == 0 else None


def contains(root: Path, commit: str, other: str) -> bool:
    """Whether ``other`` is ``commit`` or one of its ancestors. Raises GitError for what is no commit."""
    answer = git.ask(root, "merge-base", "--is-ancestor", other, commit)
    if answer.exit_code in (0, 1):
        return answer.exit_code == 0
    raise GitError(
        f"git does not tell in {root} whether {commit} contains {other}: {answer.complaint}",
        hint="is one of the commits missing? `git fsck` tells",
        exit_code=answer.exit_code,
    )


def somebody(folder: Path) -> dict[str, str]:
    """The environment, with a name for whoever commits where git knows none."""
    environ = dict(os.environ)
    name, mail = _NOBODY
    for who in ("AUTHOR", "COMMITTER"):
        if git.ask(folder, "var", f"GIT_{who}_IDENT").exit_code != 0:
            environ.update({f"GIT_{who}_NAME": name, f"GIT_{who}_EMAIL": mail})
    return environ


def need_worktree(folder: Path) -> None:
    """Raise GitError unless ``folder`` is the top of a linked worktree, because its files are about to be replaced.

    A person's checkout is the main one of its repository, or has a branch checked out.
    """
    told = git.need(folder, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir").text.split("\n")
    top, own, common = (Path(folder, line) for line in told[:3])
    branch = git.ask(folder, "symbolic-ref", "--quiet", "HEAD").exit_code == 0
    if not os.path.samefile(top, folder) or os.path.samefile(own, common) or branch:
        raise GitError(
            f"{folder} is not a worktree of wf's own, so nothing is merged in it",
            hint="a worktree of wf is a linked one (`git worktree list`) and has no branch checked out",
            code="NOT_A_WORKTREE",
        )


def put(folder: Path, commit: str, *, patience: float = PATIENCE) -> None:
    """Let the worktree hold ``commit`` and nothing else but ignored files. What else lies in it is lost.

    Locks that a killed git has left in the worktree are removed once they have stayed unchanged for ``patience``
    seconds. Raises GitError, also for a folder that is no worktree of wf's own.
    """
    need_worktree(folder)
    for name in _LOCKS:
        lock = leftover_locks.look(Path(folder, _git_path(folder, name)))
        if lock is not None:
            leftover_locks.is_gone(lock, patience)
    _put(folder, commit)


def _git_path(folder: Path, name: str) -> str:
    return git.need(folder, "rev-parse", "--git-path", name).text.removesuffix("\n")


def restore(folder: Path, commit: str) -> None:
    """`put` without the removal of files that git does not know."""
    git.need(folder, *_PLAIN, "checkout", "--quiet", "--detach", "--force", commit, limit=LIMIT)


def _put(folder: Path, commit: str) -> None:
    # `reset` comes first, because it also ends a merge that was begun.
    git.need(folder, *_PLAIN, "reset", "--quiet", "--hard", limit=LIMIT)
    restore(folder, commit)
    git.need(folder, "clean", "-fdq", limit=LIMIT)


def make(folder: Path, onto: str, head: str, message: str) -> Candidate | Conflict:
    """Merge ``head`` into ``onto`` in the worktree ``folder``, which has ``onto`` at HEAD and nothing uncommitted.

    After a conflict the worktree is as before. Raises GitError where git has failed; then, too, nothing of the merge
    is left, unless git could not remove it.
    """
    need_worktree(folder)
    if commit_of(folder, "HEAD") != onto:
        raise GitError(f"{folder} is not at {onto}", hint="somebody works in it; repeat the command")
    answer = git.ask(
        folder, *_PLAIN, *_MERGE, "-s", _strategy(), "-m", message, head, limit=LIMIT, environ=somebody(folder)
    )
    if answer.exit_code == 0:
        return _made(folder, onto, head)
    unmerged = git.need(folder, "ls-files", "--unmerged", "-z", "--full-name").out
    _put(folder, onto)
    if not unmerged:
        raise GitError(
            f"git cannot merge {head} into {onto} in {folder}: {answer.complaint or answer.text.strip()}",
            hint="try it by hand in a worktree of your own",
            exit_code=answer.exit_code,
        )
    names = {os.fsdecode(entry.partition(b"\t")[2]) for entry in unmerged.split(b"\0") if entry}
    return Conflict(tuple(sorted(names)))


def _made(folder: Path, onto: str, head: str) -> Candidate:
    told = git.need(folder, "rev-parse", "HEAD", "HEAD^1", "HEAD^2").text.split()
    if told[1:] != [onto, head]:
        raise GitError(
            f"the merge in {folder} has the parents {told[1]} and {told[2]}, not {onto} and {head}",
            hint="somebody else works in this worktree; repeat the command",
        )
    return Candidate(told[0])


@functools.lru_cache(maxsize=1)
def _strategy() -> str:
    """git's own strategy by name, because a setting (``pull.twohead``) could choose another one."""
    told = re.search(r"(\d+)\.(\d+)", git.need(Path("/"), "version").text)
    return "ort" if told is not None and (int(told[1]), int(told[2])) >= (2, 34) else "recursive"
