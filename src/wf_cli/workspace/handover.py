"""The hand-over of a plan's work: what its worktree holds becomes the head of the plan's branch.

An agent commits on a detached HEAD, so nothing that it does by mistake moves a branch. Its hand-over does, and that
is made under the permit to change the plan: a superseded attempt has none, so it moves no branch.

::

    committed  what lay uncommitted in the worktree is a commit at its HEAD
    advanced   the branch of the plan has moved from the commit that was handed over last to HEAD
    recorded   the plan's state says so

A process may die after each of them, and the same hand-over may be repeated. The branch moves by compare-and-swap and
only forward: each commit that was ever handed over is in every later one. What somebody else has done to the branch
is adopted where the new commit contains it; else the hand-over is refused, and the branch stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli import git
from wf_cli.contract import text
from wf_cli.errors import Refused, Temporary
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.workspace import checkout, sides, snapshot, target
from wf_cli.workspace.candidate import LIMIT, commit_of, contains, somebody
from wf_cli.workspace.checkout import Ready
from wf_cli.workspace.sides import SHOWN, Whole
from wf_cli.workspace.target import ref_of

#: What belongs to the project alone, from its root. A branch has copies of it where the project is committed.
_OF_THE_PROJECT = re.compile(r"(?:plans|epics)/[0-9]+-|\.wf/spool(?:/|\Z)")
#: What git notes while an operation is under way that moves HEAD by itself.
_UNDER_WAY = ("rebase-merge", "rebase-apply", "BISECT_LOG")
#: How often the branch may move under the hand-over before it is given up for now.
_ROUNDS = 3
#: Paths that a message shows.
_LISTED = 10


class Unfinished(Refused):
    """The worktree is in the middle of something, so its HEAD is not what the agent means to hand over."""

    code = "UNFINISHED"


class HistoryRewritten(Refused):
    """What is handed over does not contain what was handed over before."""

    code = "HISTORY_REWRITTEN"


class ProjectFilesChanged(Refused):
    """The branch changes copies of files that belong to the project."""

    code = "PROJECT_FILES_CHANGED"


class BranchForeign(Refused):
    """Somebody has moved the plan's branch to where its work is not."""

    code = "BRANCH_FOREIGN"


@frozen
class Due:
    """What is known of a plan's branch before the hand-over, as the plan's state has it."""

    branch: str
    #: The commit that was handed over last, or the one at which the plan began.
    head: str
    #: The target's commit that the plan had to be merged with, and the paths that were in conflict.
    onto: str | None = None
    conflicts: tuple[str, ...] = ()


@frozen
class HandedOver:
    """A hand-over that was made. ``whole`` are paths in conflict that one side was taken of, for the reviewer."""

    head: str
    whole: tuple[Whole, ...] = ()


def hand_over(
    ready: Ready,
    due: Due,
    message: str,
    permit: Callable[[], AbstractContextManager[object]],
    record: Callable[[HandedOver], None],
) -> HandedOver:
    """Make what the worktree holds the head of the plan's branch.

    ``message`` is that of the commit of what lies there uncommitted. ``permit`` lets the plan be changed, and
    ``record`` is called inside of it, once the branch has moved. It writes the plan's state.

    Raises what ``permit`` raises, NotKept for work in a repository inside, Unfinished, HistoryRewritten, NotMerged,
    DroppedSide, ProjectFilesChanged, BranchForeign, TargetCheckedOut when somebody has the plan's branch checked out,
    Temporary, and GitError. The branch has not moved then.
    """
    commit_leftovers(ready, message)
    with permit():
        found = look(ready, due)
        _advance(ready.place.project, due, found.head)
        step("handover.advanced")
        record(found)
    step("handover.recorded")
    return found


def commit_leftovers(ready: Ready, message: str) -> str | None:
    """Commit what lies uncommitted in the worktree, without hooks and signing. None when nothing does.

    A merge that is under way and has no conflict left becomes a merge commit. A branch that an agent has checked out
    stays where it is. Raises Unfinished and NotKept, before anything has changed.
    """
    top = ready.place.top
    with checkout.holding(ready.place):
        refuse_unfinished(ready)
        # This look also refuses work in repositories inside, of which git would note only a commit.
        if snapshot.is_clean(top) and not (ready.admin / "MERGE_HEAD").exists():
            return None
        checkout.detach(top)
        git.need(top, "add", "--all", "--", ":/", limit=LIMIT)
        git.need(
            top, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "--allow-empty", "--cleanup=verbatim",
            "-m", message, environ=somebody(top), limit=LIMIT,
        )  # fmt: skip
        step("handover.committed")
        return commit_of(top, "HEAD")


def refuse_unfinished(ready: Ready) -> None:
    """Raise Unfinished while a rebase is under way in the worktree, or a conflict is not resolved."""
    for name in _UNDER_WAY:
        if os.path.lexists(ready.admin / name):
            what = "a bisection" if name == "BISECT_LOG" else "a rebase (or git am)"
            raise Unfinished(
                f"{what} is under way in this checkout",
                hint="end it (git status tells how), then hand over again",
                path=str(ready.place.top),
            )
    entries = git.need(ready.place.top, "ls-files", "--unmerged", "-z", "--full-name").out.split(b"\0")
    paths = sorted({os.fsdecode(entry.partition(b"\t")[2]) for entry in entries if entry})
    if paths:
        raise Unfinished(
            f"conflicts are not resolved: {_named(paths)}",
            hint="edit these files, `git add` them, then hand over again",
            path=str(ready.place.top),
        )


def look(ready: Ready, due: Due) -> HandedOver:
    """What would be handed over: HEAD of the worktree. Raises what is wrong with it; nothing is changed."""
    root = ready.place.project
    head = git.need(ready.place.top, "rev-parse", "--verify", "HEAD^{commit}").text.strip()
    if not contains(root, head, due.head):
        raise HistoryRewritten(
            f"{head[:SHOWN]}, which is checked out here, does not contain {due.head[:SHOWN]}, which was handed over "
            "before",
            hint=f"put your commits on top of it: git rebase --onto {due.head[:SHOWN]} <where yours begin>",
            commit=due.head,
        )
    whole: Sequence[Whole] = ()
    if due.onto is not None:
        whole = sides.refuse(root, due.head, due.onto, head, due.conflicts)
    foreign = sorted(_of_the_project(root, ready.place.below, due, head))
    if foreign:
        raise ProjectFilesChanged(
            f"the commits change files that belong to the project and not to a branch: {_named(foreign)}",
            hint=f"you edited a copy; the plan is in .wf/here/plan. Undo it here: git checkout {due.head[:SHOWN]} -- "
            "<path>, and commit",
            paths=[text.line(path) for path in foreign],
        )
    return HandedOver(head, tuple(whole))


def _of_the_project(root: Path, below: str, due: Due, head: str) -> Iterator[str]:
    """The paths of the project that changed since the last hand-over. What a merge has brought is no change."""
    sources = [due.head, *([due.onto] if due.onto is not None else [])]
    changed = [
        git.need(root, "diff-tree", "-r", "-z", "--name-only", "--no-renames", source, head).out.split(b"\0")[:-1]
        for source in sources
    ]
    prefix = f"{below}/" if below else ""
    for name in set(map(os.fsdecode, set(changed[0]).intersection(*changed[1:]))):
        if name.startswith(prefix) and _OF_THE_PROJECT.match(name.removeprefix(prefix)):
            yield name


def _advance(root: Path, due: Due, head: str) -> None:
    """Move the branch to ``head``, from wherever its commits are part of ``head``."""
    for _ in range(_ROUNDS):
        now = commit_of(root, ref_of(due.branch))
        if now == head:
            return
        if now is None:
            # It was never made, or somebody has deleted it. All that it had is in ``head``.
            made = git.ask(root, "update-ref", "-m", "wf: handed over", ref_of(due.branch), head, "0" * len(head))
            if made.exit_code == 0:
                return
            if commit_of(root, ref_of(due.branch)) is None:
                git.need(root, "update-ref", ref_of(due.branch), head, "0" * len(head))  # It tells why not.
            continue
        if not contains(root, head, now):
            raise BranchForeign(
                f"somebody has moved {due.branch} to {now[:SHOWN]}, which {head[:SHOWN]} does not contain; wf left "
                f"it at {due.head[:SHOWN]}",
                hint=f"if these commits are wanted: git merge {now[:SHOWN]} in the plan's checkout. If not, a person "
                f"puts the branch back: git branch --force {due.branch} {due.head[:SHOWN]}",
                branch=due.branch,
                commit=now,
            )
        if target.advance(root, due.branch, head, now, "handed over"):
            return
    raise Temporary(f"{due.branch} moves again and again", hint="who else works on it? then hand over again")


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return ", ".join(text.line(path, 200) for path in paths[:_LISTED]) + more
