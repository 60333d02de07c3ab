"""Reopening a completed plan by a todo item that is rejected already: a conflict, a red gate, a person's no.

The plan goes on as after any review: what is rejected makes `fix` due, and the rounds count. Three files are written,
one after the other, and each write is left out where it was made already. So whoever repeats a reopening that was
killed ends it, and nobody reopens twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from wf_cli import fsio
from wf_cli.errors import Refused, StateError
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.workflow import approvals, files, grammar, isolation, phases, plans, review, todo
from wf_cli.workflow.isolation import Merging
from wf_cli.workflow.plans import Plan, PlanState

#: Why a plan is reopened: it conflicts with its target, a gate is red with it, a person says no.
Kind = Literal["merge", "gate", "person"]
#: Characters of an item's text, and of one reason.
TEXT_LIMIT, REASON_LIMIT = 400, 1000


@frozen
class Reopened:
    """``again``: it was reopened by this item before, so nothing was written."""

    plan: Plan
    item: str
    before: str
    iteration: int
    epic_id: str | None
    again: bool


def item_id(plan: Plan, kind: Kind) -> str:
    """The id of the item that reopens ``plan`` in its iteration: ``merge-1``, or ``merge-1-2`` if that is taken.

    An id is taken by an item that is ticked, because the items of a reopening that was killed are not.
    Raises StateError.
    """
    wanted = f"{kind}-{plans.need_state(plan).iteration}"
    items = todo.parse(files.need_text(plan.todo_md), skip_quoted=plan.strict_list)
    ticked = {item.id for item in items if item.checked}
    number, found = 1, wanted
    while found in ticked:
        number += 1
        found = f"{wanted}-{number}"
    return found


def reopen(
    plan: Plan, item: str, text: str, reasons: Sequence[str], *, at: str, merging: Merging | None = None
) -> Reopened:
    """Add the rejected item ``item`` to ``plan``, with the ``reasons`` in its review, and set it back to reviewing.

    Inside `Project.changing`. ``at`` is the time that the review shows. ``merging`` is recorded for the next
    hand-over of an isolated plan. What stands there of this item already is kept as it is.

    Raises Refused (``NOT_COMPLETED``) for a plan that is in another phase, StateError for files that are missing or
    cannot take the item.
    """
    state = plans.need_state(plan)
    again = state.phase == phases.REVIEWING and _has_open_item(plan, item)
    if not again:
        if state.phase != phases.COMPLETED:
            raise Refused(
                f"plan {plan.id} is in {state.phase}; only a completed plan is reopened",
                hint=f"what is wrong in a plan that goes on is said by its review: wf todo reject {plan.id} <id>",
                code="NOT_COMPLETED",
                plan_id=plan.id,
            )
        _add_item(plan, item, grammar.one_line(text)[:TEXT_LIMIT])
        step("reopen.todo")
        _reject(plan, item, [grammar.one_line(reason)[:REASON_LIMIT] for reason in reasons], at)
        step("reopen.review")
        _set_back(plan, state, merging)
        step("reopen.state")
    return Reopened(plan, item, state.phase, state.iteration, state.epic_id, again)


def _has_open_item(plan: Plan, item: str) -> bool:
    found = todo.find(todo.parse(files.read_text(plan.todo_md) or "", skip_quoted=plan.strict_list), item)
    return found is not None and not found.checked


def _add_item(plan: Plan, item: str, text: str) -> None:
    before = files.need_text(plan.todo_md)
    if _has_open_item(plan, item):
        return
    last = grammar.trim(before).rpartition("\n")[2]
    after = grammar.appended(before, [f"- [ ] [{item}] {text}"], apart=not grammar.TODO_START.match(last))
    added = todo.find(todo.parse(after, skip_quoted=plan.strict_list), item)
    if added is None or added.checked:
        raise StateError(
            f"{plan.todo_md} cannot take the item [{item}]: its end is no list, or the id is used",
            hint=f"close a code fence or a comment at its end, and rename a ticked item [{item}]",
            path=str(plan.todo_md),
        )
    fsio.write_through(plan.todo_md, after)


def _reject(plan: Plan, item: str, reasons: Sequence[str], at: str) -> None:
    text = files.read_text(plan.review_md)
    if text is None or not grammar.trim(text):
        text = "# Review\n"
    if review.verdicts(text).get(item) == "fail":
        return
    first, *more = reasons or [""]
    text = review.with_verdict(text, item, "fail", remark=f"{at} fail: {first}")
    for reason in more:
        text = review.with_verdict(text, item, "fail", remark=reason)
    if review.verdicts(text)[item] != "fail":
        raise StateError(
            f"{plan.review_md} has a later verdict of [{item}], and the last one counts",
            hint=f"remove the lines `- [{item}]: ...` at its end",
            path=str(plan.review_md),
        )
    fsio.write_through(plan.review_md, text)


def _set_back(plan: Plan, state: PlanState, merging: Merging | None) -> None:
    changes: dict[str, object] = {"phase": phases.REVIEWING}
    if isolation.of(plan, state) is not None:
        changes[isolation.ISOLATION] = isolation.with_merging(state, merging)
    # Whoever has approved the merge is asked again for what comes out of the new round.
    plans.write_state(plan, replace(state, raw=approvals.without(state, "merge")), **changes)
