"""``epic status`` and ``validate``: the progress of the linked plans, and whether they are the declared ones."""

from __future__ import annotations

from typing import Any

from wf_cli.clock import iso
from wf_cli.frozen import frozen
from wf_cli.workflow import epics, files, isolation, phases, scope
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.project import Project


@frozen
class EpicStatus:
    """An epic and its plans; ``orchestration`` is the record as stored now."""

    epic: Epic
    phase: str
    orchestration: dict[str, Any]
    comparison: scope.Comparison
    total_plans: int
    plans_by_phase: dict[str, int]


def validate(epic: Epic, *, skip_quoted: bool = False) -> scope.Comparison:
    """Compare the declared plans with the linked ones. Read-only. ``skip_quoted`` is that of `scope.parse`."""
    declared = scope.parse(files.need_text(epic.epic_md), skip_quoted=skip_quoted)
    return scope.compare(declared, epics.linked_names(epics.load_state(epic)))


def status(project: Project, epic: Epic, *, skip_quoted: bool = False) -> EpicStatus:
    """Count the plans by phase and derive the epic's phase from them.

    A derived phase that differs from the stored one is **written**, because scripts rely on that
    (docs/explanation/compatibility.md, quirk 23). When all plans are settled (completed, and merged if they have
    branches of their own) and are the declared ones, the
    orchestration record and the report are written too.
    """
    with epics.changing(project, epic):
        state = epics.load_state(epic)
        comparison = validate(epic, skip_quoted=skip_quoted)
        linked = epics.linked_plans(project, epic)
        counts = dict.fromkeys([*phases.PHASES, phases.UNKNOWN], 0)
        for plan in linked:
            phase = epics.phase_of(plan)
            counts[phase if phase in counts else phases.UNKNOWN] += 1
        all_done = bool(linked) and counts[phases.COMPLETED] == len(linked) and not comparison.mismatch
        all_done = all_done and all(map(isolation.has_settled, linked))
        if all_done:
            phase = "completed"
        elif counts[phases.BLOCKED]:
            phase = "blocked"
        else:
            phase = "active"
        state = _record(project, epic, state, phase, len(linked))
        return EpicStatus(
            epic, phase, epics.orchestration(state), comparison, total_plans=len(linked), plans_by_phase=counts
        )


def _record(project: Project, epic: Epic, state: dict[str, Any], phase: str, total: int) -> dict[str, Any]:
    """Write the derived phase when it differs from the stored one. Returns the state as it is afterwards."""
    orchestration = epics.orchestration(state)
    finishes = phase == "completed" and orchestration.get("status") != epics.COMPLETED
    if state.get("phase") == phase and not finishes:
        return state
    at = iso(project.clock.now_ms())
    summary = f"all {total} plans are completed"
    if finishes:
        orchestration = {
            **orchestration,
            "status": epics.COMPLETED,
            "updated_at": at,
            "last_run_summary": summary,
        }
    state = {**state, "phase": phase, "orchestration": orchestration}
    epics.write_state(epic, state)
    if finishes:
        epics.append_report(epic, at, action="status", status=epics.COMPLETED, summary=summary)
    return state
