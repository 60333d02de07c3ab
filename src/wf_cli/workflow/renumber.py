"""Gives a plan or an epic another number. That is the repair after a merge in which two branches took the same one.

The folder of a plan is renamed, and then the references to its name are rewritten: the links of epics, and paths in
its own plan.md and todo.md. evidence.md, review.md, quality-run.json and report.md are records of the past, so they
stay. The folder of an epic is renamed likewise, and then the ``epic_id`` of its plans is rewritten.

A note in the moved state file (``renumbering``) is written before the rename, and removed after the last rewrite. A
process that is killed in between leaves the note, from which the same command finishes the work.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.errors import NotFound, Refused, StateError, WfError
from wf_cli.seams import step
from wf_cli.workflow import epics, files, plans, references
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

#: The key of the note in a state file: ``{"from": <folder>, "to": <folder>}``.
NOTE = "renumbering"

_TITLE = r"\A(\s*#\s+(?:plan\s+)?#?){number}(?=[^0-9A-Za-z]|$)"


@dataclass
class Renumbered:
    """The folder that was renamed, and the files that were rewritten. Paths are relative to the project's root."""

    before: str
    after: str
    number: str
    #: Files in which the old folder or number was replaced.
    rewritten: list[str] = field(default_factory=list)
    #: Files that could not be rewritten, with the reason. A person has to look at them.
    left: list[str] = field(default_factory=list)


def plan(project: Project, folder: str, *, number: str | None = None, taken: Collection[str] = ()) -> Renumbered:
    """Give the plan in ``folder`` (its name, or a number that no other plan has) the next free number, or ``number``.

    ``taken`` are numbers that have a meaning already although no folder has them. Raises PlanNotFound, NumberShared,
    Refused for a number that is taken, and the errors of the project's permit.
    """
    known = plans.all_plans(project)
    found = next((one for one in known if one.name == folder), None)
    if found is None:
        unfinished = next((one for one in known if _noted(one.state_json).get("from") == folder), None)
        if unfinished is not None:
            return _finish_plan(project, unfinished, folder)
        if not folder.isdigit():
            # Elsewhere a reference may have any text after the number. Here that would be wrong, because the command
            # given twice would move the plan that keeps the number.
            raise plans.PlanNotFound(folder, [one.name for one in known])
        found = plans.find(project, folder)
        plans.refuse_shared(project, found.id)
    with project.changing(found.id), project.lock("numbering"):
        _need_folder(found.path)
        entries = references.entries(project.plans_dir)
        number = _free_number(entries, number, taken, _noted(found.state_json), "plans")
        target = plans.named(project, f"{number}-{references.slug_of(found.name)}")
        _rename(found.path, found.state_json, target.path)
    return _finish_plan(project, target, found.name)


def epic(
    project: Project,
    folder: str,
    *,
    number: str | None = None,
    taken: Collection[str] = (),
    permit: Callable[[str], None] = lambda _epic_id: None,
) -> Renumbered:
    """Give the epic in ``folder`` the next free number, or ``number``. ``permit`` raises when it must not be moved.

    Raises EpicNotFound, NumberShared, Refused for a number that is taken.
    """
    known = epics.all_epics(project)
    found = next((one for one in known if one.name == folder), None)
    if found is None:
        unfinished = next((one for one in known if _noted(one.state_json).get("from") == folder), None)
        if unfinished is not None:
            return _finish_epic(project, unfinished, folder)
        if not folder.isdigit():
            raise epics.EpicNotFound(folder, [one.name for one in known])
        found = epics.find(project, folder)
        epics.refuse_shared(project, found.id)
    with epics.changing(project, found, creates_plans=True):
        permit(found.id)
        _need_folder(found.path)
        entries = references.entries(project.epics_dir)
        number = _free_number(entries, number, taken, _noted(found.state_json), "epics")
        target = epics.of_entry(project, references.Entry(f"{number}-{references.slug_of(found.name)}", number))
        _rename(found.path, found.state_json, target.path)
    return _finish_epic(project, target, found.name)


def unfinished(project: Project) -> list[tuple[str, str]]:
    """The interrupted renumberings, each as ``plan`` or ``epic`` and the folder's old name."""
    states = [("plan", one.state_json) for one in plans.all_plans(project)]
    states += [("epic", one.state_json) for one in epics.all_epics(project)]
    return [(kind, name) for kind, path in states if isinstance(name := _noted(path).get("from"), str)]


# -- the move


def _need_folder(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        raise Refused(
            f"{path} is no folder, and only folders are renumbered",
            hint="rename it, or move it elsewhere: every name that begins with two digits and a dash takes a number",
            path=str(path),
        )


def _free_number(
    known: Sequence[references.Entry],
    wanted: str | None,
    taken: Collection[str],
    note: dict[str, Any],
    where: str,
) -> str:
    """The number to move to. The caller holds the numbering lock."""
    used = {entry.id for entry in known} | set(taken)
    if wanted is not None:
        number = wanted.zfill(2)
        if number in used:
            owner = next((f"{where}/{entry.name} has it" for entry in known if entry.id == number), None)
            raise Refused(
                f"number {number} is not free: {owner or 'jobs of an earlier plan have it'}",
                hint="without --to the next free number is taken",
                code="NUMBER_TAKEN",
            )
        return number
    # A run that was killed before the rename left a number in its note. That number is used if it is still free.
    begun = str(note.get("to", "")).partition("-")[0]
    if re.fullmatch(r"[0-9]{2}|[1-9][0-9]{2,}", begun) and begun not in used:
        return begun
    return f"{max((int(number) for number in used), default=0) + 1:02d}"


def _rename(source: Path, state_json: Path, target: Path) -> None:
    state = fsio.read_json_object(state_json)
    if state is None and len(target.name.partition("-")[0]) > 2:
        raise StateError(
            f"{state_json} is missing, and without it a folder of three digits is no plan",
            hint="restore it from version control",
            path=str(state_json),
        )
    if state is not None:
        fsio.write_json(state_json, {**state, NOTE: {"from": source.name, "to": target.name}})
    step("renumber.noted")
    if os.path.lexists(target):  # On a file system that ignores case, a name in other letters may be the target.
        raise Refused(f"{target} exists already", hint="choose another number with --to", path=str(target))
    try:
        os.rename(source, target)
    except OSError as error:
        raise StateError(f"cannot rename {source} to {target.name}: {error.strerror}", path=str(source)) from error
    fsio.sync_dir(target.parent)
    step("renumber.moved")


def _noted(state_json: Path) -> dict[str, Any]:
    """The note in a state file; empty when there is none, or the file cannot be read."""
    try:
        note = (fsio.read_json_object(state_json) or {}).get(NOTE)
    except WfError:
        return {}
    return note if isinstance(note, dict) else {}


def _forget(state_json: Path) -> None:
    state = fsio.read_json_object(state_json)
    if state is not None and NOTE in state:
        del state[NOTE]
        fsio.write_json(state_json, state)


# -- what follows


def _finish_plan(project: Project, moved: Plan, old: str) -> Renumbered:
    """Rewrite the references to the old folder, then remove the note."""
    done = Renumbered(f"plans/{old}", moved.relative, moved.id)
    with project.changing(moved.id):
        _rewrite(project, moved.plan_md, done, lambda text: _retitled(_repathed(text, old, moved), old, moved))
        _rewrite(project, moved.todo_md, done, lambda text: _repathed(text, old, moved))
        for epic_ in epics.all_epics(project):
            _relink(project, epic_, old, moved.name, done)
        step("renumber.followed")
        _forget(moved.state_json)
    return done


def _repathed(text: str, old: str, moved: Plan) -> str:
    """``text`` with the new folder in place of the old one in its paths."""
    return re.sub(rf"(?<![\w.-])plans/{re.escape(old)}(?![\w-])", moved.relative, text)


def _retitled(text: str, old: str, moved: Plan) -> str:
    """``text`` with the new number in its title, if the title has the old one."""
    number = old.partition("-")[0]
    # The label of a plan in an epic ("Plan 01: ...") is part of its slug. It tells the place there, so it stays.
    if references.slug_of(old).startswith(f"plan-{number}"):
        return text
    return re.sub(_TITLE.format(number=number), rf"\g<1>{moved.id}", text, count=1, flags=re.IGNORECASE)


def _relink(project: Project, epic_: Epic, old: str, new: str, done: Renumbered) -> None:
    """Rewrite the mentions of the plan in the epic.md of an epic that links it, and then the links.

    The links come last, because a later run finds by them that this epic still has to be rewritten.
    """
    try:
        with epics.changing(project, epic_):
            state = epics.load_state(epic_)
            relinked = {
                key: [new if link == old else link for link in value]
                for key, value in state.items()
                if key in (epics.LINKED, epics.CREATING) and isinstance(value, list) and old in value
            }
            if not relinked:
                return
            _rewrite(project, epic_.epic_md, done, lambda text: _mentions(text, old, new))
            epics.write_state(epic_, {**state, **relinked})
            done.rewritten.append(f"{epic_.relative}/state.json")
    except WfError as error:
        done.left.append(error.message)


def _mentions(text: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w-])", new, text)


def _finish_epic(project: Project, moved: Epic, old: str) -> Renumbered:
    """Rewrite the ``epic_id`` of the linked plans that have the old number, then remove the note."""
    done = Renumbered(f"epics/{old}", moved.relative, moved.id)
    before = old.partition("-")[0]
    for linked in epics.linked_plans(project, moved):
        try:
            with project.changing(linked.id):
                state = plans.read_state(linked)
                if state is not None and state.epic_id == before:
                    plans.write_state(linked, state, epic_id=moved.id)
                    done.rewritten.append(f"{linked.relative}/state.json")
        except (NotFound, StateError) as error:
            done.left.append(error.message)
    step("renumber.followed")
    with epics.changing(project, moved):
        _forget(moved.state_json)
    return done


def _rewrite(project: Project, path: Path, done: Renumbered, change: Callable[[str], str]) -> None:
    """Apply ``change`` to a text file, and note it when it changed. A file that is no text goes into ``left``."""
    try:
        text = files.read_text(path)
    except StateError as error:
        done.left.append(error.message)
        return
    if text is None:
        return
    changed = change(text)
    if changed != text:
        fsio.write_through(path, changed)
        done.rewritten.append(path.relative_to(project.root).as_posix())
