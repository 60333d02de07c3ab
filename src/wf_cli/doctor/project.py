"""A project's own files: session, templates and agents, what older versions left, version control."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from wf_cli import git
from wf_cli.agents import model_guard, models, preflight
from wf_cli.doctor.check import Check, Level, error, guarded, ok, warn
from wf_cli.errors import WfError
from wf_cli.workflow import epics, files, order, plans, references, renumber, scope, unclear_scope
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.project import Project

#: Where wf-cli 0.3.x put locks beside the files they were for.
_LOCKED_TREES = ("plans", "epics", ".wf", ".cursor/session", ".opencode/session")
#: Seconds. That version held a lock for an instant and waited 30 s for one: an older one has no owner.
STALE_LOCK_S = 60.0
#: Seconds for a question to git.
_GIT_LIMIT = 20.0
#: How git comes to a machine without it.
_GET_GIT = (
    "xcode-select --install" if sys.platform == "darwin" else "sudo apt-get install git (or as your system does)"
)
#: Paths named in one line; the rest is counted.
_SHOWN = 3


def session_file(root: Path) -> Iterator[Check]:
    """Is the session file sound, and its model one of ours?"""
    path = model_guard.session_path(root)
    if not path.exists():
        yield ok("session", "no session file yet; the first command that needs one makes it")
        return
    try:
        now = model_guard.load(root)
    except WfError as failure:
        yield error("session", failure.message, f"rm {shlex.quote(str(path))}; then wf set-model <id>")
        return
    if not now.is_set:
        yield warn("session", "no model is declared", "wf set-model <id>; the ids: wf models")
    elif now.model in models.ENABLED:
        lock = ", locked" if now.locked else ""
        yield ok("session", f"{now.model}{lock}: {', '.join(now.capabilities) or 'no capabilities'}")
    else:
        known = "is known but not enabled" if now.model in models.DISABLED else "is not a model that wf knows"
        remedy = "wf set-model <id>; or leave it, if you wrote it by hand"
        yield warn("session", f"{now.model} {known}; it may: {', '.join(now.capabilities) or 'nothing'}", remedy)


def agents(root: Path) -> Iterator[Check]:
    """Are the templates there, and would an epic's preflight pass?"""
    has_templates = (root / ".wf" / "templates").is_dir()
    if has_templates:
        yield ok("templates", ".wf/templates is there; wf sync copies it to .cursor and .opencode")
    else:
        yield warn("templates", "there is no .wf/templates", "wf init")
    found = preflight.check(root)
    # Without an epic nobody misses the agents.
    level = Level.ERROR if found.errors and (root / "epics").is_dir() else Level.WARN
    if found.errors:
        yield Check("agents", level, f"{_several(root, found.errors)}; wf epic run refuses", "wf init (or: wf sync)")
    if found.warnings:
        yield warn(
            "agents", _several(root, found.warnings), "wf subagents apply-models writes OpenCode's agent files"
        )
    if not found.errors and not found.warnings:
        yield ok("agents", f"{len(found.roles)} agents for Cursor and OpenCode are usable")


def numbers(root: Path, *, distributed: bool = False) -> Iterator[Check]:
    """Does each number mean one plan, or one epic? Do the links and the scope of each epic mean plans?"""
    project = Project(root)
    shared: list[plans.NumberShared | epics.NumberShared] = [
        plans.NumberShared(*of) for of in plans.duplicates(plans.all_plans(project)).items()
    ]
    known = epics.all_epics(project)
    shared += [epics.NumberShared(*of) for of in references.shared(known).items()]
    yield from (error("numbers", one.message, "; ".join(one.repair)) for one in shared)
    begun = renumber.unfinished(project)
    for kind, folder in begun:
        yield error("numbers", f"{kind} {folder} was not renumbered to the end", f"wf {kind} renumber {folder}")
    if not shared and not begun:
        yield ok("numbers", "each number means one plan, or one epic")
    for epic in known:
        yield from guarded("links", partial(_dangling, project, epic))
        yield from guarded("scope", partial(_unclear, epic, distributed=distributed))


def _unclear(epic: Epic, *, distributed: bool) -> Iterator[Check]:
    """Lines of an unfinished epic's document that somebody may have meant as plans."""
    if epics.orchestration(epics.load_state(epic)).get("status") == epics.COMPLETED:
        return
    remedy = f"${{EDITOR:-vi}} {epic.relative}/epic.md; wf epic run {epic.id} --dry-run"
    for line in unclear_scope.blocks(unclear_scope.of_epic(epic, skip_quoted=distributed)):
        yield warn("scope", f"{epic.relative}/{line}", remedy)
    declared = scope.parse(files.need_text(epic.epic_md), skip_quoted=distributed)
    for trouble in order.troubles(declared):
        yield (error if distributed else warn)("scope", f"{epic.relative}/{trouble.text}", remedy)


def _dangling(project: Project, epic: Epic) -> Iterator[Check]:
    gone = [plan.name for plan in epics.linked_plans(project, epic) if not plan.path.is_dir()]
    if gone:
        remedy = (
            f"${{EDITOR:-vi}} {epic.relative}/state.json: correct plan_ids (wf plan renumber corrects them itself)"
        )
        yield warn("links", f"{epic.relative} links plans that do not exist: {', '.join(gone[:_SHOWN])}", remedy)


def leftovers(root: Path, spool_root: Path | None, *, fix: bool) -> Iterator[Check]:
    """What wf-cli 0.3.x left behind. ``fix`` removes empty lock folders that are old, and nothing else."""
    locks = sorted(_lock_folders(root, spool_root))
    removed = [path for path in locks if fix and _is_stale(path) and _remove_empty(path)]
    left = [path for path in locks if path not in removed]
    if removed:
        yield ok("leftovers", f"removed: {_listed(root, removed)}")
    if left:
        yield warn(
            "leftovers",
            f"{len(left)} lock folder(s) of wf-cli 0.3.x: {_listed(root, left)}; this wf ignores them, 0.3.x hangs",
            "wf doctor --fix removes those that are empty and old",
        )
    for name, what in (
        ("queue.db", "the queue of wf-cli 0.3.x; it is not read, its jobs are not carried over"),
        ("workers", "worker records of wf-cli 0.3.x; they are not read"),
    ):
        if (root / ".wf" / "distributed" / name).exists():
            remedy = "rm -r .wf/distributed; plans stand where their files say, and wf epic run <id> goes on"
            yield warn("leftovers", f".wf/distributed/{name} is {what}", remedy)
    if not locks and not (root / ".wf" / "distributed").exists():
        yield ok("leftovers", "nothing of an older version")


def _lock_folders(root: Path, spool_root: Path | None) -> Iterator[Path]:
    for tree in _LOCKED_TREES:
        for folder, names, _ in os.walk(root / tree):
            if Path(folder) == spool_root:
                names.clear()
            yield from (Path(folder, name) for name in names if name.endswith(".wf-lock"))
            names[:] = [name for name in names if not name.endswith(".wf-lock")]


def _is_stale(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > STALE_LOCK_S
    except OSError:
        return False


def _remove_empty(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:  # not empty, or not ours to remove
        return False
    return True


def version_control(root: Path, spool_root: Path | None) -> Iterator[Check]:
    """Is the project in git, and what changes all the time kept out of it?"""
    try:
        inside = git.ask(root, "rev-parse", "--is-inside-work-tree", limit=_GIT_LIMIT)
    except (OSError, git.GitError) as failure:
        yield warn("git", f"git does not answer ({failure})", f"{_GET_GIT}; strict reviews record its state")
        return
    if inside.exit_code != 0:
        yield warn("git", f"{root} is not in a git repository", "git init; agents' work is hard to undo without")
        return
    folders = [root / ".wf" / "locks", *([spool_root] if spool_root is not None else [])]
    exposed = []
    for folder in folders:
        # One that does not exist yet gets a .gitignore of its own when it is made.
        if not folder.exists() or not folder.is_relative_to(root):
            continue
        name = str(folder.relative_to(root))
        if git.ask(root, "ls-files", "--", name, limit=_GIT_LIMIT).out.strip():
            yield error("git", f"files of {name} are tracked: a checkout would bring old state back",
                        f"git rm -r --cached -- {name}")  # fmt: skip
        elif git.ask(root, "check-ignore", "-q", "--", f"{name}/x", limit=_GIT_LIMIT).exit_code != 0:
            exposed.append(name)
    if exposed:
        yield warn(
            "git",
            f"not ignored: {', '.join(exposed)}",
            f"printf '%s\\n' {' '.join(f'{name}/' for name in exposed)} >> .gitignore",
        )
    else:
        yield ok("git", "a repository; locks and spool are kept out of it")


def _listed(root: Path, paths: list[Path]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(str(path.relative_to(root)) for path in paths[:_SHOWN]) + more


def _several(root: Path, messages: tuple[str, ...]) -> str:
    """The first message, without the root, and how many there are."""
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return messages[0].replace(f"{root}{os.sep}", "") + more
