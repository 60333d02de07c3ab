"""The facts of a plan that decide about its next step, read at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from wf_cli.clock import Clock, SystemClock
from wf_cli.contract.step import Approval, GateName
from wf_cli.frozen import frozen
from wf_cli.workflow import approvals, files, gates, grammar, isolation, phases, plans, review, todo, unclear_items
from wf_cli.workflow.isolation import Isolation
from wf_cli.workflow.plans import Plan, PlanState


@frozen
class Snapshot:
    """A plan as it was when it was read, without a lock. Read it again under the lock before changing the plan.

    It has the facts that the rows of the step table ask for (`wf_cli.contract.step.PlanFacts`). The gates are read
    only when they are asked for.
    """

    plan: Plan
    phase: str
    iteration: int
    epic_id: str | None
    #: Whether plan.md is not blank.
    has_plan: bool
    #: The ids of all todo items, in order. An id that is used twice is listed twice.
    todo_ids: tuple[str, ...]
    #: What to say of lines that seem to be items and are none. Empty where the list is not read strictly.
    unclear_items: tuple[str, ...]
    #: How many todo items have no id. The gates refuse such items once they are ticked.
    nameless_items: int
    #: The ids of items that are not ticked.
    open_ids: tuple[str, ...]
    #: The ids of items that are not ticked and have the verdict fail. They are the work of `fix`.
    rejected_ids: tuple[str, ...]
    #: The digest of plan.md and todo.md, and what people have said about texts of the plan.
    text: str = ""
    said: approvals.Said = field(default_factory=approvals.Said)
    #: The record of a plan with a branch of its own.
    isolation: Isolation | None = None
    clock: Clock = field(default_factory=SystemClock, compare=False, repr=False)

    @property
    def plan_id(self) -> str:
        return self.plan.id

    @property
    def blanks(self) -> tuple[str, ...]:
        """What has to be written before a coder can begin. A text that a person rejected counts as not written."""
        if self.said.is_rejected(self.text):
            why = grammar.one_line(self.said.reason)
            return (
                *self.unwritten,
                f"{self.plan.relative}: plan.md and todo.md are as a person rejected them: {why}",
            )
        return self.unwritten

    @property
    def unwritten(self) -> tuple[str, ...]:
        """The parts that have to be written before anybody can judge the plan."""
        return tuple(self._blanks())

    def _blanks(self) -> Iterator[str]:
        folder = self.plan.relative
        if not self.has_plan:
            yield f"{folder}/plan.md is empty"
        if not self.todo_ids:
            yield f"{folder}/todo.md has no item with an id (`- [ ] [T1] text`)"
        if self.nameless_items:
            yield f"{folder}/todo.md has {self.nameless_items} item(s) without an id (`- [ ] [T1] text`)"
        for line in self.unclear_items:
            yield f"{folder}/todo.md: {line}"
        repeated = sorted({todo_id for todo_id in self.todo_ids if self.todo_ids.count(todo_id) > 1})
        if repeated and self.plan.strict_list:
            yield f"{folder}/todo.md has ids that several items share: {', '.join(repeated)}"

    def gate_errors(self, gate: GateName) -> tuple[str, ...]:
        """Why the plan does not pass ``gate`` now; empty when it passes. Raises StateError."""
        found = gates.review_gate(self.plan) if gate == "review" else gates.done_gate(self.plan, self.clock)
        return found.errors

    @property
    def is_unmerged(self) -> bool:
        """Whether the plan waits for its way into its target."""
        return isolation.is_unmerged(self.phase, self.isolation)

    def unapproved(self, approval: Approval) -> str | None:
        """The beginning of the digest of the text, or of the commit, that waits for a person; None when this very one
        is approved."""
        of = self.text if approval == "plan" else self.isolation.head if self.isolation is not None else ""
        return None if self.said.is_approved(approval, of) else of[: approvals.SHOWN]

    @property
    def is_filled(self) -> bool:
        """Whether a coder can begin, with a plan and a todo list whose items all have ids."""
        return not self.blanks


def take(plan: Plan, clock: Clock | None = None) -> Snapshot:
    """Read the plan. Missing files count as empty; StateError for malformed ones."""
    return of_state(plan, plans.read_state(plan), clock)


def of_state(plan: Plan, state: PlanState | None, clock: Clock | None = None) -> Snapshot:
    """`take` with a state that was read already; raises StateError."""
    todo_text = files.read_text(plan.todo_md) or ""
    items = todo.parse(todo_text, skip_quoted=plan.strict_list)
    plan_text = files.read_text(plan.plan_md) or ""
    verdicts = review.verdicts(files.read_text(plan.review_md) or "")
    return Snapshot(
        plan=plan,
        phase=state.phase if state else phases.UNKNOWN,
        iteration=state.iteration if state else 0,
        epic_id=state.epic_id if state else None,
        has_plan=bool(grammar.trim(plan_text)),
        todo_ids=tuple(item.id for item in items if item.id),
        unclear_items=tuple(map(str, unclear_items.unclear(todo_text))) if plan.strict_list else (),
        nameless_items=sum(item.id is None for item in items),
        open_ids=tuple(item.id for item in items if item.id and not item.checked),
        rejected_ids=tuple(
            item.id for item in items if item.id and not item.checked and verdicts.get(item.id) == "fail"
        ),
        text=approvals.digest(plan_text, todo_text),
        said=approvals.said(state),
        isolation=isolation.of(plan, state),
        clock=clock or SystemClock(),
    )
