"""What the target did to the files of a conflict, for the agent that merges them.

The target's history is read along its first parents: each commit there is a merge of wf's, with number and title of
its plan, or a commit of a person. Of a merge the commits inside are told as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from wf_cli import git
from wf_cli.contract import text

#: Files, commits of a file, and commits inside a merge, that are told.
_FILES, _COMMITS, _INSIDE = 20, 5, 3
#: Characters of a path or a subject.
_LONGEST = 120
#: The first line of a merge commit of wf's.
_OURS = re.compile(r"Merge plan ([0-9]+): (.*)")


def message_of(plan_id: str, title: str) -> str:
    """The message of the merge commit of a plan."""
    return f"Merge plan {plan_id}: {text.line(title)}"


def reasons(root: Path, onto: str, head: str, paths: Sequence[str]) -> tuple[str, ...]:
    """One line for each of the conflicting ``paths``: which commits of ``onto`` that are not in ``head`` touched it.

    Raises GitError.
    """
    told = tuple(f"{text.line(path, _LONGEST)}: {_of_file(root, onto, head, path)}" for path in paths[:_FILES])
    more = len(paths) - _FILES
    return (*told, f"and {more} more files") if more > 0 else told


def _of_file(root: Path, onto: str, head: str, path: str) -> str:
    found = list(_log(root, _COMMITS + 1, "--first-parent", f"{head}..{onto}", path=path))
    told = [_of_commit(root, commit, parents, subject, path) for commit, parents, subject in found[:_COMMITS]]
    if len(found) > _COMMITS:
        told.append("and earlier ones")
    return "; ".join(told) or "no commit of the target touched it (it was renamed, or a folder has its name)"


def _of_commit(root: Path, commit: str, parents: Sequence[str], subject: str, path: str) -> str:
    ours = _OURS.fullmatch(subject)
    if len(parents) < 2:
        return f"{commit} {_shown(subject)}"
    about = f"plan {ours[1]}, {_shown(ours[2])}" if ours is not None else _shown(subject)
    inside = _log(root, _INSIDE, "--no-merges", f"{parents[0]}..{commit}", path=path)
    within = ", ".join(f"{other} {_shown(said)}" for other, _, said in inside)
    return f"{about} (merged as {commit}{f': {within}' if within else ''})"


def _log(root: Path, most: int, *options: str, path: str) -> Iterator[tuple[str, list[str], str]]:
    """Short id, parents and subject of each commit that touched the path, the latest first."""
    told = git.need(
        root, "--literal-pathspecs", "log", f"-{most}", "--no-show-signature", "--no-color", "--no-decorate",
        "--no-notes", "-z", "--format=%h%x1f%p%x1f%s", *options, "--", path,
    )  # fmt: skip
    for entry in told.text.rstrip("\0\n").split("\0"):
        if entry.count("\x1f") >= 2:
            commit, parents, subject = entry.split("\x1f", 2)
            yield commit, parents.split(), subject


def _shown(subject: str) -> str:
    return text.line(subject, _LONGEST)
