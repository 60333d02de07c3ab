"""Epics and plans that wait for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wf_cli import fsio
from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.errors import WfError
from wf_cli.spool import scan
from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.sight import Sight

if TYPE_CHECKING:
    from wf_cli.planjobs.round import Blocked
    from wf_cli.workflow.epics import Epic
    from wf_cli.workflow.project import Project


def waiting(sight: Sight) -> Iterator[Condition]:
    """Paused epics with work left, and plans of running epics for which a person has to act."""
    if not _looks(sight):
        return
    from wf_cli.workflow import epics

    project = sight.means.project()
    for epic in epics.all_epics(project):
        try:
            found = paused(project, epic)
        except (WfError, OSError):  # The reconcile names an epic that cannot be read.
            found = None
        if found is not None:
            yield found
    yield from (of_entry(entry, sight.placed) for entry in _blocked(sight) if entry.needs_help)


def in_turn(sight: Sight) -> Iterator[Condition]:
    """Plans of running epics that wait for other plans. They go on without a person."""
    if _looks(sight):
        yield from (of_entry(entry, sight.placed) for entry in _blocked(sight) if not entry.needs_help)


def _looks(sight: Sight) -> bool:
    return fsio.is_folder(sight.root / "epics") and sight.means.distributed


def _blocked(sight: Sight) -> list[Blocked]:
    """What a reconcile would say of plans and epics. Without a running epic it says nothing, and is not asked."""
    from wf_cli.planjobs.outlook import outlook
    from wf_cli.workflow import epics

    project = sight.means.project()
    if not any(_may_run(epic) for epic in epics.all_epics(project)):
        return []
    settings = sight.means.dispatch_settings()
    return outlook(project, sight.viewer.spool, settings, live=scan.only_live(sight.placed)).blocked


def _may_run(epic: Epic) -> bool:
    from wf_cli.workflow import epics

    try:
        return epics.orchestration(epics.load_state(epic)).get("status") == epics.RUNNING
    except (WfError, OSError):
        return True


def of_entry(entry: Blocked, placed: Iterable[Placed]) -> Condition:
    """What a reconcile says of a plan or an epic, as a condition. ``placed`` are the jobs there are."""
    text = (
        entry.why
        if entry.why.startswith(("plan ", "epic ", "plans/", "epics/"))
        else f"plan {entry.plan_id} {entry.why}"
    )
    if not entry.plan_id:
        text = entry.why
    scope = Scope(plan_id=entry.plan_id) if entry.plan_id else Scope(epic_id=entry.epic_id)
    command = around_the_job(entry.command, entry.plan_id, placed)
    return Condition("plan_goes_on", False, text, command, scope, grave=entry.needs_help)


def around_the_job(command: str | None, plan_id: str, placed: Iterable[Placed]) -> str | None:
    """``command``; before a renumbering, which is refused while the plan has a job, that job is taken away."""
    if command is None or not command.startswith("wf plan renumber "):
        return command
    for one in placed:
        target = target_of(one.token.job_id)
        if target is not None and target.plan_id == plan_id and one.status in (Status.QUEUED, Status.HELD):
            job_id = one.token.job_id
            return f"wf cancel {job_id} && {command} && wf retry {job_id}"
    return command


def paused(project: Project, epic: Epic) -> Condition | None:
    """The condition that an epic is not paused; None when it is not, and when no work is left. Raises StateError."""
    from wf_cli.workflow import epics, isolation

    if epics.orchestration(epics.load_state(epic)).get("status") != epics.PAUSED:
        return None
    linked = epics.linked_plans(project, epic)
    if linked and all(isolation.has_settled(plan) for plan in linked):
        return None
    text = f"epic {epic.id} is paused: no job of it is claimed, and none is published"
    return Condition("epic_not_paused", False, text, f"wf epic resume {epic.id}", Scope(epic_id=epic.id))
