"""``approve`` and ``reject``: a person's word about the text of a plan, recorded under the plan's lock."""

from __future__ import annotations

from dataclasses import replace

from wf_cli.clock import iso
from wf_cli.contract.step import PLANNING
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.workflow import grammar, plans, snapshot
from wf_cli.workflow.approvals import APPROVALS, REJECTED, SHOWN
from wf_cli.workflow.plans import Plan, PlanState
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot

#: Characters of a reason.
REASON_LIMIT = 4000


@frozen
class Word:
    """What `approve` or `reject` has recorded. ``again``: it stood there already, so nothing was written."""

    plan: Plan
    epic_id: str | None
    iteration: int
    of: str
    items: int
    again: bool


def approve(project: Project, plan: Plan, *, by: str, of: str | None = None) -> Word:
    """Record that a person approves the text of ``plan`` as it is under the plan's lock.

    With ``of``, the beginning of a digest, only that text. Raises Refused when the plan is not being planned, is not
    written, or has another text.
    """
    with project.changing(plan.id):
        state, now = _judged(project, plan, of)
        word = Word(
            plan, now.epic_id, now.iteration, now.text, len(now.todo_ids), now.said.is_approved("plan", now.text)
        )
        if not word.again:
            record = {"of": now.text, "by": by, "at": iso(project.clock.now_ms())}
            plans.write_state(plan, _without_rejection(state), **{APPROVALS: {**_records(state), "plan": record}})
        return word


def reject(project: Project, plan: Plan, reason: str, *, by: str, of: str | None = None) -> Word:
    """Record that a person rejects the text of ``plan``, which counts as not written until it is changed.

    Raises what `approve` raises.
    """
    reason = grammar.trim(reason)[:REASON_LIMIT]
    with project.changing(plan.id):
        state, now = _judged(project, plan, of)
        again = now.said.is_rejected(now.text) and now.said.reason == reason
        word = Word(plan, now.epic_id, now.iteration, now.text, len(now.todo_ids), again)
        if not again:
            record = {"of": now.text, "reason": reason, "by": by, "at": iso(project.clock.now_ms())}
            others = {key: value for key, value in _records(state).items() if key != "plan"}
            kept = {key: value for key, value in state.raw.items() if key != APPROVALS}
            more = {APPROVALS: others} if others else {}
            plans.write_state(plan, replace(state, raw=kept), **{REJECTED: record, **more})
        return word


def _judged(project: Project, plan: Plan, of: str | None) -> tuple[PlanState, Snapshot]:
    """The plan under its lock, which is ready to be judged."""
    state = plans.need_state(plan)
    now = snapshot.of_state(plan, state, project.clock)
    if now.phase != PLANNING:
        raise Refused(
            f"plan {plan.id} is in {now.phase}; its text is judged while it is planned",
            hint=f"what was coded is judged by the review: wf context {plan.id}",
            code="NOT_WAITING",
            plan_id=plan.id,
        )
    if now.unwritten:
        raise Refused(
            f"plan {plan.id} is not written yet: {'; '.join(now.unwritten)}",
            hint="there is nothing to judge before",
            code="NOT_WAITING",
            plan_id=plan.id,
        )
    if of is not None and not now.text.startswith(of.lower()):
        raise Refused(
            f"plan {plan.id} has the text {now.text[:SHOWN]} now, not {of[:SHOWN]}: it was edited",
            hint=f"read {plan.relative}/plan.md and todo.md again",
            code="TEXT_CHANGED",
            plan_id=plan.id,
        )
    return state, now


def _records(state: PlanState) -> dict[str, object]:
    found = state.raw.get(APPROVALS)
    return dict(found) if isinstance(found, dict) else {}


def _without_rejection(state: PlanState) -> PlanState:
    return replace(state, raw={key: value for key, value in state.raw.items() if key != REJECTED})
