"""``wf context``: the facts and files of one plan, for an agent. Read-only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wf_cli.errors import UsageError
from wf_cli.frozen import frozen
from wf_cli.workflow import files, grammar, phases, plans, references, review, todo
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

#: The parts that can be included, in the order of the output.
INCLUDES = ("plan", "todo", "review", "evidence", "state", "epic")


@frozen
class PlanContext:
    """A plan's phase, the commands that it allows, its files, and the contents that were asked for."""

    plan: Plan
    phase: str
    epic_id: Any
    allowed_next_commands: tuple[str, ...]
    content: dict[str, Any] | None
    todo_lifecycle: tuple[todo.Lifecycle, ...] | None
    #: In full, where the folder's name does not say it.
    title: str | None = None

    @property
    def files(self) -> dict[str, str]:
        """Relative paths, whether the files exist or not."""
        return {
            "plan": f"{self.plan.relative}/plan.md",
            "todo": f"{self.plan.relative}/todo.md",
            "review": f"{self.plan.relative}/review.md",
            "evidence": f"{self.plan.relative}/evidence.md",
            "state": f"{self.plan.relative}/state.json",
        }


def parse_includes(text: str) -> frozenset[str]:
    """The keys of a list like ``plan, Todo,``; UsageError for an unknown one."""
    keys = frozenset(key for part in text.split(",") if (key := grammar.trim(part).lower()))
    unknown = sorted(keys.difference(INCLUDES))
    if unknown:
        raise UsageError(
            f"unknown include: {', '.join(unknown)}", hint=f"known are {', '.join(INCLUDES)}", code="INVALID_ARGS"
        )
    return keys


def context(project: Project, plan: Plan, include: Iterable[str] = ()) -> PlanContext:
    """Read the plan. ``content`` is None when no part is included; missing files are None in it."""
    wanted = frozenset(include)
    state = plans.read_state(plan)
    phase = state.phase if state else phases.UNKNOWN
    epic_id = state.raw.get("epic_id") if state else None
    content: dict[str, Any] = {}
    lifecycle = None
    for key, path in (
        ("plan", plan.plan_md),
        ("todo", plan.todo_md),
        ("review", plan.review_md),
        ("evidence", plan.evidence_md),
    ):
        if key in wanted:
            content[key] = files.read_text(path)
    if "state" in wanted:
        content["state"] = state.raw if state else None
    if "epic" in wanted:
        content["epic"] = _epic_of(project, epic_id)
    if content.get("todo") is not None:
        # Verdicts count only when the review was asked for too (docs/explanation/compatibility.md, quirk 10, kept).
        lifecycle = tuple(
            todo.lifecycle(
                content["todo"], review.verdicts(content.get("review") or ""), skip_quoted=plan.strict_list
            )
        )
    return PlanContext(
        plan,
        phase,
        epic_id,
        tuple(phases.allowed_next(phase)),
        content if wanted else None,
        lifecycle,
        plans.title_of(state),
    )


def _epic_of(project: Project, epic_id: Any) -> Any:
    """``epics/<folder>``, or the id as stored when there is no such epic."""
    if not isinstance(epic_id, str):
        return epic_id
    entry = references.resolve(references.entries(project.epics_dir), epic_id)
    return epic_id if entry is None else f"epics/{entry.name}"
