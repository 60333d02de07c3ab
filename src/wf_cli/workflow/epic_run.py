"""``epic run``, ``resume``, ``stop``: the orchestration status, and the plans that a first run creates.

Before a run creates plans, it notes the folders that it will make in the epic's state (``creating_plans``). The note
disappears with the write that links the plans. A killed run leaves the note behind, and the next run takes over the
folders that exist instead of creating them again (docs/explanation/compatibility.md, quirk 5).
"""

from __future__ import annotations

from typing import Any, Literal

from wf_cli import fsio
from wf_cli.clock import iso
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.workflow import epic_plans, epics, files, plans, references, scope
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

_DEFAULT_PLANS = ("scaffold and structure", "core implementation", "validation and documentation")


@frozen
class Run:
    """A started run. ``plans`` are all linked plans, in order."""

    epic: Epic
    created: int
    plans: tuple[Plan, ...]
    summary: str


#: By which rule an epic gets its plans. They are linked already; `wf epic plans set` declared them; epic.md declares
#: them below ``## Scope``; a job has to split the document; or the three default plans are made.
Rule = Literal["linked", "set", "scope", "split", "default"]


@frozen
class Wanted:
    """The plans that an epic is to get: (name, goal) of each. With the rule ``linked`` the names are folders."""

    rule: Rule
    plans: tuple[tuple[str, str | None], ...]


class EpicRunning(Refused):
    """The epic is running already."""

    code = "EPIC_RUNNING"


def wanted(epic: Epic, state: dict[str, Any], *, splits: bool) -> Wanted:
    """The plans that a run of the epic would make, and by which rule.

    With ``splits`` (the distributed mode) a job splits an epic that declares no plan, and a declaration in a code
    fence or a comment is text.
    """
    links = epics.linked_names(state)
    if links:
        return Wanted("linked", tuple((link, None) for link in links))
    declared = epic_plans.declared(state)
    if declared:
        return Wanted("set", tuple((plan.title, plan.goal) for plan in declared))
    epic_text = files.need_text(epic.epic_md)
    labels = [declaration.label for declaration in scope.parse(epic_text, skip_quoted=splits).plans]
    if labels:
        return Wanted("scope", tuple((label, None) for label in labels))
    if splits:
        return Wanted("split", ())
    title = scope.title(epic_text)
    return Wanted("default", tuple((f"{title}: {part}", None) for part in _DEFAULT_PLANS))


def run(project: Project, epic: Epic, *, splits: bool = False) -> Run:
    """Start the epic, creating its plans if none are linked (`wanted` says which); raises EpicRunning."""
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
            links, created = _create_plans(project, epic, state, wanted(epic, state, splits=splits))
        summary = f"created {created} plans, {len(links)} linked" if created else f"{len(links)} plans linked"
        if not links:
            summary = "epic.md declares no plan, so a job splits it into plans"
        at = iso(project.clock.now_ms())
        orchestration = {**epics.orchestration(state), "status": epics.RUNNING, "updated_at": at}
        orchestration.setdefault("started_at", at)
        orchestration.pop("last_error", None)
        orchestration["last_run_summary"] = summary
        started = {**state, "phase": "active", "plan_ids": links, "orchestration": orchestration}
        started.pop(epics.CREATING, None)
        started.pop(epic_plans.TEXT_BEFORE, None)
        epics.write_state(epic, started)
        epics.append_report(epic, at, action="run", status=epics.RUNNING, summary=summary, total_plans=len(links))
    return Run(epic, created, tuple(plans.named(project, name) for name in links), summary)


def create_declared(project: Project, epic: Epic) -> bool:
    """Create and link the plans that are declared for a running epic without plans; False when that is not due.

    Safe to repeat, from any number of processes.
    """
    with epics.changing(project, epic, creates_plans=True):
        state = epics.load_state(epic)
        running = epics.orchestration(state).get("status") == epics.RUNNING
        todo = wanted(epic, state, splits=True)
        if not running or todo.rule not in ("set", "scope"):
            return False
        links, created = _create_plans(project, epic, state, todo)
        at = iso(project.clock.now_ms())
        summary = f"created {created} declared plans, {len(links)} linked"
        orchestration = {**epics.orchestration(state), "updated_at": at, "last_run_summary": summary}
        after = {**state, "plan_ids": links, "orchestration": orchestration}
        after.pop(epics.CREATING, None)
        after.pop(epic_plans.TEXT_BEFORE, None)
        epics.write_state(epic, after)
        epics.append_report(epic, at, action="split", status=epics.RUNNING, summary=summary, total_plans=len(links))
        return True


def _create_plans(project: Project, epic: Epic, state: dict[str, Any], todo: Wanted) -> tuple[list[str], int]:
    """Create the plans of ``todo``; returns the links and how many are new."""
    if not todo.plans:
        return [], 0
    names = [name for name, _goal in todo.plans]
    left_behind = _left_behind(project, epic, state)
    first = int(references.next_id(references.entries(project.plans_dir)))
    expected = [f"{first + n:02d}-{references.slug(name)}" for n, name in enumerate(names)]
    fsio.write_json(epic.state_json, {**state, epics.CREATING: left_behind + expected})
    step("epic.intent-written")
    links = []
    created = 0
    for name, goal in todo.plans:
        found = next((old for old in left_behind if references.slug_of(old) == references.slug(name)), None)
        if found is not None:
            left_behind.remove(found)
        else:
            found = plans.create(project, name, epic.id, goal=goal).name
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
    """Set the epic running again. When it runs or is completed, write no file and return False."""
    with epics.changing(project, epic):
        state = epics.load_state(epic)
        if epics.orchestration(state).get("status") in (epics.RUNNING, epics.COMPLETED):
            return False
        state.pop(epic_plans.TEXT_BEFORE, None)  # What a person has written meanwhile is the epic's text from now on.
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
    """Write ``status`` and its summary to the epic's state and report."""
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
