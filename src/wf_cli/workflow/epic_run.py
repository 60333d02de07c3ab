"""``epic run``, ``resume``, ``stop``: the orchestration status, and the plans a first run creates.

A run that creates plans says so in the epic's state first (``creating_plans``: the folders it is about to
make). A run that finds that note left behind, because the process was killed, takes over what exists of it
instead of creating it again (quirk 5). The note disappears with the write that links the plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wf_cli import fsio
from wf_cli.clock import iso
from wf_cli.errors import Refused
from wf_cli.seams import step
from wf_cli.workflow import epics, files, plans, references, scope
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

_DEFAULT_PLANS = ("scaffold and structure", "core implementation", "validation and documentation")


@dataclass(frozen=True)
class Run:
    """A run that was started. ``plans`` are all linked plans, in order."""

    epic: Epic
    created: int
    plans: tuple[Plan, ...]
    summary: str


class EpicRunning(Refused):
    """The epic is running already."""

    code = "EPIC_RUNNING"


def run(project: Project, epic: Epic) -> Run:
    """Start the epic, creating its plans if none are linked; raises EpicRunning."""
    with epics.changing(project, epic, creates_plans=True):
        state = epics.load_state(epic)
        if epics.orchestration(state).get("status") == epics.RUNNING:
            raise EpicRunning(
                f"epic {epic.id} is running already",
                hint=f"look at it with: wf epic status {epic.id}; or stop it with: wf epic stop {epic.id}",
            )
        links = epics.linked_names(state)
        created = 0
        if not links:
            links, created = _create_plans(project, epic, state)
        summary = f"created {created} plans, {len(links)} linked" if created else f"{len(links)} plans linked"
        at = iso(project.clock.now_ms())
        orchestration = {**epics.orchestration(state), "status": epics.RUNNING, "updated_at": at}
        orchestration.setdefault("started_at", at)
        orchestration.pop("last_error", None)
        orchestration["last_run_summary"] = summary
        started = {**state, "phase": "active", "plan_ids": links, "orchestration": orchestration}
        started.pop(epics.CREATING, None)
        epics.write_state(epic, started)
        epics.append_report(epic, at, action="run", status=epics.RUNNING, summary=summary, total_plans=len(links))
    return Run(epic, created, tuple(plans.named(project, name) for name in links), summary)


def _create_plans(project: Project, epic: Epic, state: dict[str, Any]) -> tuple[list[str], int]:
    """Create what the scope declares, or the three default plans; returns the links and how many are new."""
    epic_text = files.need_text(epic.epic_md)
    names = [declaration.label for declaration in scope.parse(epic_text).plans]
    if not names:
        names = [f"{scope.title(epic_text)}: {part}" for part in _DEFAULT_PLANS]
    left_behind = _left_behind(project, epic, state)
    first = int(references.next_id(references.entries(project.plans_dir)))
    expected = [f"{first + n:02d}-{references.slug(name)}" for n, name in enumerate(names)]
    fsio.write_json(epic.state_json, {**state, epics.CREATING: left_behind + expected})
    step("epic.intent-written")
    links = []
    created = 0
    for name in names:
        found = next((old for old in left_behind if references.slug_of(old) == references.slug(name)), None)
        if found is not None:
            left_behind.remove(found)
        else:
            found = plans.create(project, name, epic.id).name
            created += 1
            step("epic.plan-created")
        links.append(found)
    return links + left_behind, created


def _left_behind(project: Project, epic: Epic, state: dict[str, Any]) -> list[str]:
    """Plans of this epic that an interrupted run created and did not link."""
    noted = epics.linked_names({"plan_ids": state.get(epics.CREATING)})
    found = []
    for name in dict.fromkeys(noted):
        plan_state = plans.read_state(plans.named(project, name))
        if plan_state is not None and plan_state.epic_id == epic.id:
            found.append(name)
    return found


def resume(project: Project, epic: Epic) -> bool:
    """Set the epic running again; False when it runs or is completed, and then nothing is written."""
    with epics.changing(project, epic):
        state = epics.load_state(epic)
        if epics.orchestration(state).get("status") in (epics.RUNNING, epics.COMPLETED):
            return False
        _set_status(project, epic, state, "resume", epics.RUNNING, "resumed")
        return True


def stop(project: Project, epic: Epic) -> None:
    """Pause a running epic; raises Refused for any other."""
    with epics.changing(project, epic):
        state = epics.load_state(epic)
        status = epics.orchestration(state).get("status")
        if status != epics.RUNNING:
            raise Refused(
                f"epic {epic.id} is not running but {status}",
                hint=f"start it with: wf epic run {epic.id}",
                code="EPIC_NOT_RUNNING",
            )
        _set_status(project, epic, state, "stop", epics.PAUSED, "stopped")


def _set_status(project: Project, epic: Epic, state: dict[str, Any], action: str, status: str, summary: str) -> None:
    """Write ``status`` with the summary that every change of it leaves, in state and report."""
    at = iso(project.clock.now_ms())
    orchestration = {
        **epics.orchestration(state),
        "status": status,
        "updated_at": at,
        "last_run_summary": summary,
    }
    orchestration.pop("last_error", None)
    epics.write_state(epic, {**state, "orchestration": orchestration})
    epics.append_report(epic, at, action=action, status=status, summary=summary)
