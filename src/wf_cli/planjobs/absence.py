"""Plans that are not in the checkout just now, although a job waits for them.

``git stash -u``, the checkout of another branch and ``git clean`` take a plan's folder away without anybody having
decided about the plan. Its job waits then, and goes on when the folder is back. Only a person cancels it.

A folder without its ``state.json`` counts as absent, because git leaves a folder behind that holds an ignored file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from wf_cli import git
from wf_cli.errors import Absent, WfError
from wf_cli.frozen import frozen
from wf_cli.workflow import epics, plans, references
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

#: Seconds for one call of git in a search.
LIMIT = 10.0
#: Stashes, and branches (the latest first), that are searched.
_STASHES, _BRANCHES = 20, 50


def is_there(plan: Plan) -> bool:
    """Whether the plan is in the checkout. Raises OSError when the disk does not tell."""
    try:
        os.stat(plan.state_json)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def absent(number: str) -> Absent:
    """The error for a plan that is not there, to be raised; it costs no look at anything."""
    return Absent(
        f"plan {number} is not in the checkout (no plans/{number}-*/state.json)",
        hint="bring its folder back (git stash pop, git checkout of its branch or of the folder) and the job goes "
        "on; `wf explain` looks for it, and `wf cancel` ends the job",
        code="PLAN_ABSENT",
        plan_id=number,
    )


@frozen
class Trace:
    """Where an absent plan was found, and the command that brings it back, if there is one."""

    text: str
    command: str | None = None


def trace(project: Project, number: str, epic_id: str | None) -> Trace:
    """What became of the plan with ``number``, as well as the files and git tell. Runs git several times."""
    try:
        return next(_traces(project, number, epic_id))
    except StopIteration:
        return Trace("no stash, branch or commit is known to have it: it was deleted, or never committed")


def _traces(project: Project, number: str, epic_id: str | None) -> Iterator[Trace]:
    yield from _renumbered(project, number, epic_id)
    root, wanted = project.root, f"plans/{number}-"
    for folder in _folders(git.output(root, "ls-files", "-z", "--deleted", "--", "plans", limit=LIMIT), wanted):
        yield Trace(f"git has {folder}, and its files were deleted here", f"git checkout -- {folder}")
    for stash in stashes(project):
        # The third parent holds the untracked files.
        for tree in (f"{stash}^3", stash):
            for folder in _in_tree(project, tree, wanted):
                first = stash == "stash@{0}"
                yield Trace(f"{folder} is in {stash}", "git stash pop" if first else f"git stash pop '{stash}'")
    for branch in branches(project):
        for folder in _in_tree(project, branch, wanted):
            yield Trace(f"{folder} is on the branch {branch}", f"git checkout {branch}")
    pathspec = f":(glob)plans/{number}-*/state.json"
    commit = git.output(
        root, "log", "-1", "--all", "--format=%h", "--diff-filter=D", "--no-renames", "--", pathspec, limit=LIMIT
    )
    for sha in _lines(commit or b""):
        for folder in _in_tree(project, f"{sha}^", wanted):
            yield Trace(f"commit {sha} deleted {folder}", f"git checkout {sha}^ -- {folder}")


def stashes(project: Project) -> list[str]:
    """The names of the latest stashes; none where git does not tell."""
    listed = git.output(project.root, "stash", "list", "--format=%gd", limit=LIMIT)
    return _lines(listed or b"")[:_STASHES]


def branches(project: Project) -> list[str]:
    """The names of branches here and of remotes, the latest first; none where git does not tell."""
    listed = git.output(
        project.root, "for-each-ref", "--sort=-committerdate", f"--count={_BRANCHES}", "--format=%(refname:short)",
        "refs/heads", "refs/remotes", limit=LIMIT,
    )  # fmt: skip
    return _lines(listed or b"")


def _renumbered(project: Project, number: str, epic_id: str | None) -> Iterator[Trace]:
    """A plan that has another number now, as its epic's links tell."""
    linked = _links(project, epic_id)
    if linked is None:
        return
    mine = [name for name in linked if name.partition("-")[0] == number]
    if not mine:
        yield Trace(f"epic {epic_id} links no plan {number} (any more): it was renumbered, detached or deleted")
        return
    slug = references.slug_of(mine[0])
    for plan in plans.all_plans(project):
        if plan.id != number and references.slug_of(plan.name) == slug and is_there(plan):
            yield Trace(
                f"plans/{plan.name} has the name of plans/{mine[0]}: was it renumbered?",
                f"git mv {plan.relative} plans/{mine[0]}",
            )


def _links(project: Project, epic_id: str | None) -> list[str] | None:
    """The folders that the epic links; None without an epic, and when it cannot be read."""
    if epic_id is None:
        return None
    try:
        return list(epics.linked_names(epics.load_state(epics.find(project, epic_id))))
    except (WfError, OSError):
        return None


def _in_tree(project: Project, tree: str, wanted: str) -> list[str]:
    listed = git.output(project.root, "ls-tree", "-r", "-z", "--name-only", tree, "--", "plans/", limit=LIMIT)
    return _folders(listed, wanted)


def _folders(listed: bytes | None, wanted: str) -> list[str]:
    """The folders of plans that have their state file among ``listed`` paths."""
    names = (os.fsdecode(name) for name in (listed or b"").split(b"\0"))
    found = {name.rpartition("/")[0] for name in names if re.fullmatch(rf"{wanted}[^/]*/state\.json", name)}
    return sorted(found)


def _lines(text: bytes) -> list[str]:
    return os.fsdecode(text).split("\n")[:-1]
