"""Whether a hand-over after a merge has kept what both sides did, as far as git can tell.

A plan whose commit did not merge into its target by itself is merged by an agent. With T the target's commit, O the
plan's commit before, H the one that is handed over, and B what O and T have in common:

- T has to be in H.
- What T changed since B must not be in H as it was in B. That is what ``merge -s ours`` and a revert leave.
- A path that was in conflict and is in H just as in O, or just as in T, is named. To take one side whole may be
  right, and no later merge would notice that it was wrong.

A path is compared by what git keeps of it: mode and content, or that it is not there. A file that T added and that H
has under another name counts as kept. What an agent makes of a path that both sides changed is the review's to judge.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from wf_cli import git
from wf_cli.contract import text
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.workspace.candidate import contains

#: Digits of a commit, and paths, that a message shows.
SHOWN, _LISTED = 12, 20
#: The tree without files, from which histories without a common commit differ.
_NOTHING = ("hash-object", "-t", "tree", os.devnull)


@frozen
class Whole:
    """A path in conflict that was taken from one side as it is."""

    path: str
    side: Literal["plan", "target"]


@frozen
class Finding:
    """What a hand-over did with a merge. It is refused unless `is_kept`."""

    #: Whether the target's commit is in what is handed over. The rest is not asked where it is not.
    merged: bool
    #: Paths at which a change of the target is gone, sorted.
    dropped: tuple[str, ...] = ()
    whole: tuple[Whole, ...] = ()

    @property
    def is_kept(self) -> bool:
        return self.merged and not self.dropped


class NotMerged(Refused):
    """The commit that is handed over does not have the target's commit, although it was to be merged."""

    code = "NOT_MERGED"


class DroppedSide(Refused):
    """The commit that is handed over has lost changes of the target."""

    code = "DROPPED_SIDE"


def refuse(root: Path, before: str, onto: str, head: str, conflicts: Iterable[str]) -> tuple[Whole, ...]:
    """The paths that were taken from one side whole, for the reviewer; raises NotMerged or DroppedSide.

    The arguments are those of `of_merge`.
    """
    found = of_merge(root, before, onto, head, conflicts)
    if not found.merged:
        raise NotMerged(
            f"{head[:SHOWN]} does not contain {onto[:SHOWN]}, which this plan has to be merged with",
            hint=f"merge it in the plan's checkout (git merge {onto[:SHOWN]}), and keep what both sides meant",
            commit=onto,
        )
    if found.dropped:
        paths = [text.line(path) for path in found.dropped]
        more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
        raise DroppedSide(
            f"changes that {onto[:SHOWN]} made are gone in {head[:SHOWN]}: {', '.join(paths[:_LISTED])}{more}",
            hint="these files are as they were before both sides; bring the changes back "
            f"(git diff {head[:SHOWN]} {onto[:SHOWN]} -- <path>)",
            paths=paths,
        )
    return found.whole


def of_merge(root: Path, before: str, onto: str, head: str, conflicts: Iterable[str]) -> Finding:
    """What ``head`` has of ``before``, the plan's commit, and of ``onto``, the target's, which had ``conflicts``.

    Raises GitError, for a commit that is missing among others.
    """
    if not contains(root, head, onto):
        return Finding(merged=False)
    return Finding(
        True, tuple(_dropped(root, before, onto, head)), tuple(_whole(root, before, onto, head, conflicts))
    )


def _dropped(root: Path, before: str, onto: str, head: str) -> Iterator[str]:
    """The paths that the target has changed since every common commit, and that ``head`` has as one of these."""
    bases = _bases(root, before, onto)
    changed = set.intersection(*(_changed(root, base, onto) for base in bases))
    gone = {path for base in bases for path in changed - _changed(root, base, head)}
    if not gone:
        return
    moved = _moved(root, onto, head)
    yield from sorted(gone - moved)


def _whole(root: Path, before: str, onto: str, head: str, conflicts: Iterable[str]) -> Iterator[Whole]:
    paths = sorted(set(conflicts))
    if not paths:
        return
    since_before, since_onto = _changed(root, before, head), _changed(root, onto, head)
    for path in paths:
        if path not in since_before:
            yield Whole(path, "plan")
        elif path not in since_onto:
            yield Whole(path, "target")


def _bases(root: Path, one: str, other: str) -> list[str]:
    """The best common commits, of which there are several after merges crosswise; the empty tree for none."""
    answer = git.ask(root, "merge-base", "--all", one, other)
    found = answer.text.split() if answer.exit_code == 0 else []
    return found or [git.need(root, *_NOTHING).text.strip()]


def _changed(root: Path, old: str, new: str) -> set[str]:
    """The paths that differ between two commits. A rename changes two."""
    return set(_names(root, old, new, "--no-renames"))


def _moved(root: Path, old: str, new: str) -> set[str]:
    """The paths of ``old`` that are in ``new`` under another name, by git's judgement of their content."""
    entries = _names(root, old, new, "--find-renames", "--diff-filter=R", status=True)
    return set(entries[1::3])


def _names(root: Path, old: str, new: str, *options: str, status: bool = False) -> list[str]:
    told = git.need(
        root, "diff-tree", "-r", "-z", "--name-status" if status else "--name-only", "--ignore-submodules=none",
        "--no-relative", "-l0", *options, old, new,
    )  # fmt: skip
    return [os.fsdecode(name) for name in told.out.split(b"\0")[:-1]]
