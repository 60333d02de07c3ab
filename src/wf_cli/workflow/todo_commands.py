"""``todo implemented``, ``accept``, ``reject``: one item's way through implementation and review."""

from __future__ import annotations

from typing import Literal

from wf_cli import fsio
from wf_cli.clock import iso
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.workflow import evidence, files, grammar, phases, plans, review, todo, unclear_items
from wf_cli.workflow.phase_commands import WrongPhase
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

Action = Literal["list", "implemented", "accept", "reject"]


@frozen
class TodoState:
    """The lifecycle of all items after an action."""

    plan: Plan
    action: Action
    phase: str
    lifecycle: tuple[todo.Lifecycle, ...]
    todo_id: str | None = None
    warnings: tuple[str, ...] = ()


class TodoRefused(Refused):
    """The item is missing, not ticked, or not covered by a passing review section."""

    code = "TODO_REFUSED"


def listing(plan: Plan) -> TodoState:
    """The lifecycle of every item, and a warning for each line that seems to be one. Missing files count as empty."""
    state = plans.read_state(plan)
    doubtful = unclear_items.unclear(files.read_text(plan.todo_md) or "") if plan.strict_list else ()
    warnings = tuple(f"{plan.relative}/todo.md: {line}" for line in doubtful)
    return _after(plan, "list", state.phase if state else phases.UNKNOWN, warnings=warnings)


def implemented(
    project: Project, plan: Plan, todo_id: str, *, command: str, output: str, note: str | None = None
) -> TodoState:
    """Tick the item and write its evidence section."""
    with project.changing(plan.id):
        phase = _phase(plan, "todo implemented", phases.CODING, phases.FIXING)
        todo_text = files.need_text(plan.todo_md)
        evidence_text = files.need_text(plan.evidence_md)
        item = _item(plan, todo_text, todo_id)
        new_evidence = evidence.with_section(evidence_text, todo_id, command=command, output=output, notes=note)
        # The evidence is written first, so that a crash in between cannot leave a tick without evidence.
        fsio.write_through(plan.evidence_md, new_evidence)
        fsio.write_through(plan.todo_md, todo.with_checked(todo_text, item, checked=True))
        section = evidence.parse(new_evidence)[todo_id]
        blank = [name for name, value in (("command", command), ("output", output)) if not grammar.trim(value)]
        warnings: tuple[str, ...] = ()
        if blank:
            warnings = (f"{todo_id}: the {' and the '.join(blank)} is blank, which the review gate does not accept",)
        elif not (section.status == "pass" and section.command and section.output):
            warnings = (f"evidence.md has a later section `## {todo_id}` that still counts",)
        return _after(plan, "implemented", phase, todo_id, warnings)


def accept(project: Project, plan: Plan, todo_id: str, *, note: str | None = None) -> TodoState:
    """Record the verdict pass for a ticked item whose contract section is complete and passing."""
    with project.changing(plan.id):
        phase = _phase(plan, "todo accept", phases.REVIEWING)
        item = _item(plan, files.need_text(plan.todo_md), todo_id)
        if not item.checked:
            raise TodoRefused(
                f"{todo_id} of plan {plan.id} is not ticked, so there is nothing to accept",
                hint=f"reject it, or implement it first: wf todo implemented {plan.id} {todo_id} ...",
            )
        review_text = files.need_text(plan.review_md)
        problems = review.contract_problems(review_text, todo_id)
        if problems:
            raise TodoRefused(
                f"{todo_id} of plan {plan.id} cannot be accepted: {'; '.join(problems)}",
                hint=f"complete the section `## {todo_id}` in {plan.relative}/review.md",
            )
        warnings = _write_verdict(project, plan, review_text, todo_id, "pass", note)
        return _after(plan, "accept", phase, todo_id, warnings)


def reject(project: Project, plan: Plan, todo_id: str, *, note: str | None = None) -> TodoState:
    """Untick the item and record the verdict fail, with ``note`` as its reason."""
    with project.changing(plan.id):
        phase = _phase(plan, "todo reject", phases.REVIEWING)
        todo_text = files.need_text(plan.todo_md)
        item = _item(plan, todo_text, todo_id)
        review_text = files.read_text(plan.review_md)
        if review_text is None or not grammar.trim(review_text):
            review_text = "# Review\n"
        # The verdict is written first. A crash in between leaves a ticked item with the verdict fail, which no gate
        # passes.
        warnings = _write_verdict(project, plan, review_text, todo_id, "fail", note)
        fsio.write_through(plan.todo_md, todo.with_checked(todo_text, item, checked=False))
        return _after(plan, "reject", phase, todo_id, warnings)


def _phase(plan: Plan, command: str, *expected: str) -> str:
    phase = plans.need_state(plan).phase
    if phase not in expected:
        raise WrongPhase(plan, command, phase, expected)
    return phase


def _item(plan: Plan, todo_text: str, todo_id: str) -> todo.TodoItem:
    items = todo.parse(todo_text, skip_quoted=plan.strict_list)
    item = todo.find(items, todo_id)
    if item is None:
        known = ", ".join(dict.fromkeys(item.id for item in items if item.id)) or "none"
        raise TodoRefused(
            f"{plan.relative}/todo.md has no item [{todo_id}]", hint=f"its ids are: {known} (case matters)"
        )
    return item


def _write_verdict(
    project: Project, plan: Plan, review_text: str, todo_id: str, verdict: str, note: str | None
) -> tuple[str, ...]:
    """Write the verdict. Warn when a later line of the same id overrules it, because the last one counts."""
    remark = f"{iso(project.clock.now_ms())} {verdict}: {note}" if note else None
    edited = review.with_verdict(review_text, todo_id, verdict, remark=remark)
    fsio.write_through(plan.review_md, edited)
    effective = review.verdicts(edited)[todo_id]
    if effective == verdict:
        return ()
    return (f"review.md has a later verdict of {todo_id}, {effective}, and the last one counts: remove it",)


def _after(
    plan: Plan, action: Action, phase: str, todo_id: str | None = None, warnings: tuple[str, ...] = ()
) -> TodoState:
    todo_text = files.read_text(plan.todo_md) or ""
    verdicts = review.verdicts(files.read_text(plan.review_md) or "")
    return TodoState(
        plan,
        action,
        phase,
        tuple(todo.lifecycle(todo_text, verdicts, skip_quoted=plan.strict_list)),
        todo_id,
        warnings,
    )
