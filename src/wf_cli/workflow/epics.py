"""Epics: ``epics/NN-slug/``, their state, and the plans linked to them.

State is kept as the dictionary on disk, because unknown keys have to survive. Writers hold the epic's lock for the
whole read-change-write. Writers that also create plans take the numbering lock first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from wf_cli import fsio, sharing
from wf_cli.clock import iso, iso_date
from wf_cli.errors import NotFound, Refused, StateError
from wf_cli.frozen import frozen
from wf_cli.workflow import files, grammar, phases, plans, references
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

#: Keys of a state that list plan folders: the linked ones, and those that a run is about to make.
LINKED, CREATING = "plan_ids", "creating_plans"
IDLE, RUNNING, PAUSED, FAILED, COMPLETED = "idle", "running", "paused", "failed", "completed"


class EpicNotFound(NotFound):
    """No epic matches the reference."""

    code = "EPIC_NOT_FOUND"

    def __init__(self, reference: str, available: list[str]):
        known = f"existing epics: {', '.join(available)}" if available else "there are no epics yet"
        super().__init__(
            f"no epic fits {reference!r} in epics/",
            hint=f'{known}; a new one is made by: wf epic create "<name>"',
            input=reference,
            available_ids=available,
        )


class NumberShared(Refused):
    """Several epic folders have one number, as after a merge of two branches that both created one."""

    code = "EPIC_NUMBER_SHARED"

    def __init__(self, number: str, sharing: Sequence[Epic]):
        folders = " and ".join(epic.relative for epic in sharing)
        #: The commands that give each later epic a number of its own.
        self.repair = tuple(f"wf epic renumber {epic.name}" for epic in sharing[1:])
        super().__init__(
            f"{folders} have the same number, so epic {number} could mean each of them",
            hint=f"give each later one a number of its own: {', '.join(self.repair)}",
            epic_id=number,
            epics=[epic.name for epic in sharing],
        )


@frozen
class Epic:
    """The paths of an epic."""

    id: str
    name: str
    path: Path

    @property
    def relative(self) -> str:
        return f"epics/{self.name}"

    @property
    def epic_md(self) -> Path:
        return self.path / "epic.md"

    @property
    def plans_map(self) -> Path:
        return self.path / "plans-map.yaml"

    @property
    def report_md(self) -> Path:
        return self.path / "report.md"

    @property
    def state_json(self) -> Path:
        return self.path / "state.json"


@frozen
class EpicContent:
    """The raw files of an epic, all of which exist."""

    epic: Epic
    epic_text: str
    plans_map: str
    report: str
    state: dict[str, Any]


def all_epics(project: Project) -> list[Epic]:
    """Every epic, sorted by folder name."""
    return [of_entry(project, entry) for entry in references.entries(project.epics_dir)]


def epic_ids(project: Project) -> list[str]:
    """The ids in use, in order of number."""
    return references.ids(references.entries(project.epics_dir))


def find(project: Project, reference: str, doubt: Callable[[NumberShared], None] | None = None) -> Epic:
    """The epic meant by ``reference``; raises EpicNotFound. ``doubt`` is called when its number means several."""
    known = references.entries(project.epics_dir)
    entry = references.resolve(known, reference)
    if entry is None:
        raise EpicNotFound(reference, references.ids(known))
    if doubt is not None and entry.name != reference:
        sharing = [of_entry(project, other) for other in known if other.id == entry.id]
        if len(sharing) > 1:
            doubt(NumberShared(entry.id, sharing))
    return of_entry(project, entry)


def of_entry(project: Project, entry: references.Entry) -> Epic:
    """The epic of a numbered folder in ``epics/``."""
    return Epic(entry.id, entry.name, project.epics_dir / entry.name)


def refuse_shared(project: Project, number: str) -> None:
    """Raise NumberShared when several epics have ``number``."""
    sharing = references.shared(all_epics(project)).get(number)
    if sharing is not None:
        raise NumberShared(number, sharing)


@contextmanager
def changing(project: Project, epic: Epic, *, creates_plans: bool = False) -> Iterator[None]:
    """Hold the locks that a change of the epic needs, taken in the order that `Project` prescribes."""
    if creates_plans:
        with project.lock("numbering"), project.lock(f"epic-{epic.id}"):
            yield
    else:
        with project.lock(f"epic-{epic.id}"):
            yield


def load_state(epic: Epic) -> dict[str, Any]:
    """The epic's ``state.json``; StateError when it is missing, malformed, or lists no plans at all."""
    state = fsio.read_json_object(epic.state_json)
    if state is None:
        raise StateError(
            f"{epic.state_json} is missing", hint="restore it from version control", path=str(epic.state_json)
        )
    if not isinstance(state.get("plan_ids"), list):
        # A missing list is an error, because a `run` that took it for an empty one would create all plans again.
        raise StateError(
            f"{epic.state_json}: plan_ids, the list of linked plans, is missing",
            hint='restore it from version control, or write "plan_ids": [] for an epic without plans',
            path=str(epic.state_json),
        )
    return state


def write_state(epic: Epic, state: dict[str, Any]) -> None:
    """Replace ``state.json``, and ``plans-map.yaml`` where it does not say the same. Under the epic's lock.

    The map is written first. A reader that finds the new state then finds the new map too, even when the writer is
    killed in between.
    """
    plans_map = _plans_map(linked_names(state))
    if files.read_text(epic.plans_map) != plans_map:
        fsio.write_through(epic.plans_map, plans_map)
    fsio.write_json(epic.state_json, state)
    sharing.pass_on_tree(epic.path)


def orchestration(state: dict[str, Any]) -> dict[str, Any]:
    """The orchestration record of a state. A missing one means idle."""
    record = state.get("orchestration")
    return record if isinstance(record, dict) else {"status": IDLE}


def linked_names(state: dict[str, Any]) -> list[str]:
    """The folder names of the linked plans, in order of linking. Entries that cannot be names are left out."""
    links = state.get("plan_ids")
    if not isinstance(links, list):
        return []
    return [link for link in links if isinstance(link, str) and link and not set("/\\\0").intersection(link)]


def linked_plans(project: Project, epic: Epic) -> list[Plan]:
    """The linked plans in order of linking, existing or not."""
    return [plans.named(project, name) for name in linked_names(load_state(epic))]


def linking(project: Project, plan: Plan) -> list[str]:
    """The ids of the epics that link ``plan``, as far as they can be read."""
    found = []
    for epic in all_epics(project):
        with suppress(StateError):
            if plan.name in linked_names(load_state(epic)):
                found.append(epic.id)
    return found


def phase_of(plan: Plan) -> str:
    """The phase of a linked plan; ``unknown`` when it cannot be read."""
    try:
        state = plans.read_state(plan)
    except StateError:
        return phases.UNKNOWN
    return state.phase if state else phases.UNKNOWN


def create(project: Project, name: str) -> Epic:
    """A new epic with the next number; raises Refused when its folder exists already."""
    with project.lock("numbering"):
        number = references.next_id(references.entries(project.epics_dir))
        epic = of_entry(project, references.Entry(f"{number}-{references.slug(name)}", number))
        if os.path.lexists(epic.path):
            raise Refused(f"{epic.path} exists already", hint="rename or remove it", path=str(epic.path))
        now_ms = project.clock.now_ms()
        state = {
            "phase": "active",
            "created_at": iso_date(now_ms),
            "plan_ids": [],
            "orchestration": {"status": IDLE, "updated_at": iso(now_ms)},
        }
        plans.create_folder(
            epic.path,
            {
                "epic.md": f"# Epic: {grammar.without_breaks(name)}\n\n## Goal\n\n## Scope\n\n## Success Criteria\n",
                "plans-map.yaml": _plans_map([]),
                "report.md": "# Epic Report\n\n",
                "state.json": fsio.json_text(state),
            },
        )
        return epic


def attach(project: Project, epic: Epic, plan: Plan) -> bool:
    """Link ``plan``. When it was linked already, write no file and return False.

    The plan's own files are not written, so its ``epic_id`` stays as it is (docs/explanation/compatibility.md,
    quirk 21, kept).
    """
    with changing(project, epic):
        state = load_state(epic)
        links = linked_names(state)
        if plan.name in links:
            return False
        links.append(plan.name)
        write_state(epic, {**state, "plan_ids": links})
        return True


def create_plan(project: Project, epic: Epic, name: str) -> Plan:
    """A new plan that belongs to ``epic`` and is linked to it."""
    with changing(project, epic, creates_plans=True):
        load_state(epic)  # A broken epic is reported before the plan is created.
        plan = plans.create(project, name, epic.id)
        attach(project, epic, plan)
        return plan


def content(epic: Epic) -> EpicContent:
    """All files of the epic; StateError naming the first one that is missing."""
    return EpicContent(
        epic,
        files.need_text(epic.epic_md),
        files.need_text(epic.plans_map),
        files.need_text(epic.report_md),
        load_state(epic),
    )


def _plans_map(links: list[str]) -> str:
    return "plans:\n" + ("".join(f"  - {name}\n" for name in sorted(links)) or "  []\n")


def append_report(epic: Epic, at: str, **fields: object) -> None:
    """Add one block to ``report.md``. Under the epic's lock."""
    text = files.read_text(epic.report_md) or "# Epic Report\n\n"
    block = f"## {at}\n\n" + "".join(f"- {name}: {value}\n" for name, value in fields.items()) + "\n"
    gap = "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    fsio.write_through(epic.report_md, text + gap + block)
