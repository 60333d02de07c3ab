"""What agents are told about their plan: its title in full; a planner also its paragraph, and its epic's goal."""

from __future__ import annotations

from wf_cli.errors import WfError
from wf_cli.workflow import epic_text, epics, files, plans, references
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project


def title(plan: Plan) -> str:
    """The title where the folder's name does not say it, as a line; else empty. Raises StateError."""
    found = plans.title_of(plans.read_state(plan))
    return f"Its title: {found}" if found is not None else ""


def for_planner(project: Project, plan: Plan) -> str:
    """The text, as Markdown; empty for a plan about which people wrote nothing. Raises StateError."""
    state = plans.read_state(plan)
    if state is None:
        return ""
    document = _document(project, state.epic_id)
    goal = state.raw.get(plans.GOAL)
    own = goal if isinstance(goal, str) else epic_text.paragraph(document, references.slug_of(plan.name))
    parts = [title(plan)] if title(plan) else []
    parts += [
        f"{heading}\n\n{body}"
        for heading, body in (
            (f"## What plan {plan.id} is for", own),
            (f"## The goal of epic {state.epic_id}", epic_text.goal(document)),
            (f"## The criteria of epic {state.epic_id}, of which this plan answers for its part",
             epic_text.criteria(document)),
        )
        if body.strip()
    ]  # fmt: skip
    return "\n\n".join(parts)


def _document(project: Project, epic_id: str | None) -> str:
    """The text of epic.md; empty without an epic, or while it cannot be read, because the prompt names the file."""
    if epic_id is None:
        return ""
    try:
        return files.read_text(epics.find(project, epic_id).epic_md) or ""
    except WfError:
        return ""
