"""Whether a project's repository can carry worktrees of plans, and what a person should know before it does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from wf_cli import git
from wf_cli.contract import text
from wf_cli.frozen import frozen
from wf_cli.git import GitError
from wf_cli.workspace.candidate import commit_of

#: The oldest git whose worktrees do what is asked here.
OLDEST = (2, 31)
#: What names a branch that is no branch: the target that stands for each epic's own branch.
EPIC = "epic"
_VERSION = re.compile(r"(\d+)\.(\d+)")


@frozen
class Objection:
    """Why no worktree can be made here. ``key`` is that of the configuration, ``remedy`` what a person can do."""

    key: str
    text: str
    remedy: str


def objections(root: Path, *, folder: Path, branches: str, target: str) -> Iterator[Objection]:
    """What keeps plans of the project at ``root`` from having worktrees below ``folder``; nothing when they can.

    ``branches`` is the prefix of wf's branches. Without a repository only that is told.
    """
    mode = "isolation.mode"
    try:
        told = git.need(root, "version").text
    except GitError as error:
        yield Objection(mode, error.message, error.hint or "install git")
        return
    found = _VERSION.search(told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield Objection(
            mode, f"this is {text.line(told.strip(), 60)}; worktrees need {oldest} or newer", "install a newer git"
        )
        return
    if git.ask(root, "rev-parse", "--git-dir").exit_code != 0:
        yield Objection(mode, f"{root} is in no git repository", "git init; then commit the project")
        return
    if git.ask(root, "rev-parse", "--is-inside-work-tree").text.strip() != "true":
        yield Objection(mode, f"{root} is in no checkout (a bare repository?)", "work in a clone of it")
        return
    if commit_of(root, "HEAD") is None:
        yield Objection(mode, f"the repository of {root} has no commit yet", "git add -A; git commit")
        return
    yield from _names(root, branches, target)
    yield from _places(root, folder)


def _names(root: Path, branches: str, target: str) -> Iterator[Objection]:
    parts = branches.rstrip("/").split("/")
    for count in range(1, len(parts) + 1):
        name = "/".join(parts[:count])
        if _is_branch(root, name):
            yield Objection(
                "isolation.branches",
                f"there is a branch {name}, so git can make no branch {branches}...",
                f"git branch -m {name} <another name>; or set isolation.branches to another prefix",
            )
    if target != EPIC and not _is_branch(root, target):
        yield Objection(
            "isolation.target",
            f"there is no branch {text.line(target, 100)}",
            f"git branch {text.line(target, 100)}; or set isolation.target to epic",
        )


def _is_branch(root: Path, name: str) -> bool:
    """Whether there is a branch of exactly that name. An expression such as ``main~1`` is none."""
    return git.ask(root, "show-ref", "--verify", "--quiet", f"refs/heads/{name}").exit_code == 0


def _places(root: Path, folder: Path) -> Iterator[Objection]:
    """A folder inside the checkout that git does not ignore would be added to the person's commits."""
    top = Path(os.path.realpath(git.need(root, "rev-parse", "--show-toplevel").text.removesuffix("\n")))
    where = Path(os.path.realpath(folder))
    if where.is_relative_to(top):
        inside = where.relative_to(top).as_posix()
        if inside == "." or git.ask(top, "check-ignore", "--quiet", "--", f"{inside}/x").exit_code != 0:
            yield Objection(
                "isolation.dir",
                f"{folder} lies in the checkout {top}, and git does not ignore it",
                "leave isolation.dir out (worktrees then lie in your state folder), or ignore the folder",
            )


def uncommitted(root: Path) -> bool:
    """Whether the person's checkout has changes that agents in worktrees do not see."""
    answer = git.ask(root, "status", "--porcelain", "--untracked-files=normal", "--", ".", *_NOT_THE_PROJECTS)
    return answer.exit_code == 0 and bool(answer.out)


#: What wf writes in the project itself is in no worktree on purpose.
_NOT_THE_PROJECTS = (":(exclude,top)plans", ":(exclude,top)epics", ":(exclude,top).wf")


def has_submodules(root: Path) -> bool:
    """Whether the commit that is checked out has submodules, which are empty in a new worktree."""
    listed = git.ask(root, "ls-tree", "-r", "-z", "--full-tree", "HEAD").out
    return any(entry.startswith(b"160000 ") for entry in listed.split(b"\0"))


def unseen(root: Path, folders: Sequence[str], copied: Sequence[str]) -> tuple[str, ...]:
    """Those of ``folders`` in the project that a worktree would not have: not committed, and not copied."""
    return tuple(
        name
        for name in folders
        if os.path.lexists(root / name) and not git.ask(root, "ls-files", "--", name).out and name not in copied
    )
