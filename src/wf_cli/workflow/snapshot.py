"""Everything about a plan that decides what should happen to it next, read in one go."""

from __future__ import annotations

from dataclasses import dataclass

from wf_cli.workflow import files, grammar, phases, plans, review, todo
from wf_cli.workflow.plans import Plan


@dataclass(frozen=True)
class Snapshot:
    """A plan as it was when it was read, without a lock: look again under the lock before changing it."""

    plan: Plan
    phase: str
    iteration: int
    epic_id: str | None
    #: plan.md says something.
    has_plan: bool
    #: Ids of all todo items, in order; an id used twice is listed twice.
    todo_ids: tuple[str, ...]
    #: Todo items without an id (the gates will refuse them once ticked).
    nameless_items: int
    #: Ids not ticked yet.
    open_ids: tuple[str, ...]
    #: Ids with the verdict fail that are not ticked: what `fix` is for.
    rejected_ids: tuple[str, ...]

    @property
    def is_filled(self) -> bool:
        """There is something to code: a plan, and a todo list whose items all have ids."""
        return self.has_plan and bool(self.todo_ids) and not self.nameless_items


def take(plan: Plan) -> Snapshot:
    """Read the plan. Missing files count as empty; StateError for malformed ones."""
    state = plans.read_state(plan)
    items = todo.parse(files.read_text(plan.todo_md) or "")
    verdicts = review.verdicts(files.read_text(plan.review_md) or "")
    return Snapshot(
        plan=plan,
        phase=state.phase if state else phases.UNKNOWN,
        iteration=state.iteration if state else 0,
        epic_id=state.epic_id if state else None,
        has_plan=bool(grammar.trim(files.read_text(plan.plan_md) or "")),
        todo_ids=tuple(item.id for item in items if item.id),
        nameless_items=sum(item.id is None for item in items),
        open_ids=tuple(item.id for item in items if item.id and not item.checked),
        rejected_ids=tuple(
            item.id for item in items if item.id and not item.checked and verdicts.get(item.id) == "fail"
        ),
    )
