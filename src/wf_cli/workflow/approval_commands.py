"""``approve`` and ``reject``: a person's word about a plan's text, or about the merge of its commit.

The word is recorded under the plan's lock, for what stands there at that moment.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from wf_cli.clock import iso
from wf_cli.contract.step import COMPLETED, PLANNING, Approval
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.workflow import grammar, plans, reopen, snapshot
from wf_cli.workflow.approvals import APPROVALS, REJECTED, SHOWN, records, without
from wf_cli.workflow.plans import Plan, PlanState
from wf_cli.workflow.project import Project
from wf_cli.workflow.reopen import Reopened
from wf_cli.workflow.snapshot import Snapshot

#: Characters of a reason.
REASON_LIMIT = 4000
#: Everything that a person may be asked for.
_ANY: Container[Approval] = ("plan", "merge")


@frozen
class Word:
    """What `approve` or `reject` has recorded. ``again``: it stood there already, so nothing was written."""

    plan: Plan
    epic_id: str | None
    iteration: int
    #: The digest of the text, or the commit.
    of: str
    items: int
    again: bool
    gate: Approval = "plan"
    #: How a rejected merge has reopened the plan.
    reopened: Reopened | None = None


def approve(
    project: Project,
    plan: Plan,
    *,
    by: str,
    of: str | None = None,
    gate: Approval | None = None,
    asked: Container[Approval] = _ANY,
) -> Word:
    """Record that a person approves what waits: the text of ``plan``, or the merge of its commit.

    With ``of``, the beginning of a digest or commit, only that one; with ``gate`` only this kind. ``asked`` is what
    the project asks a person for.

    Raises Refused for a plan at which neither waits, or that has another text or commit.
    """
    with project.changing(plan.id):
        state, now, kind = _judged(project, plan, of, gate, asked)
        what = _what(now, kind)
        again = now.said.is_approved(kind, what)
        word = Word(plan, now.epic_id, now.iteration, what, len(now.todo_ids), again, kind)
        if not word.again:
            record = {"of": what, "by": by, "at": iso(project.clock.now_ms())}
            kept = _without_rejection(state) if kind == "plan" else state
            plans.write_state(plan, kept, **{APPROVALS: {**records(state), kind: record}})
        return word


def reject(
    project: Project,
    plan: Plan,
    reason: str,
    *,
    by: str,
    of: str | None = None,
    asked: Container[Approval] = _ANY,
) -> Word:
    """Record that a person says no. A rejected text counts as not written until it is changed; a plan whose merge is
    rejected is reopened, and goes to its fixer.

    Raises what `approve` raises.
    """
    reason = grammar.trim(reason)[:REASON_LIMIT]
    with project.changing(plan.id):
        state, now, kind = _judged(project, plan, of, None, asked)
        if kind == "merge":
            return _reject_merge(project, plan, now, reason, by)
        again = now.said.is_rejected(now.text) and now.said.reason == reason
        word = Word(plan, now.epic_id, now.iteration, now.text, len(now.todo_ids), again)
        if not again:
            record = {"of": now.text, "reason": reason, "by": by, "at": iso(project.clock.now_ms())}
            plans.write_state(plan, replace(state, raw=without(state, "plan")), **{REJECTED: record})
        return word


def _reject_merge(project: Project, plan: Plan, now: Snapshot, reason: str, by: str) -> Word:
    item, what = reopen.item_id(plan, "person"), _what(now, "merge")
    done = reopen.reopen(
        plan,
        item,
        f"Before the merge: {reason}",
        [f"{by} has looked at commit {what[:SHOWN]} and says no", *reason.split("\n")],
        at=iso(project.clock.now_ms()),
    )
    return Word(plan, now.epic_id, now.iteration, what, len(now.todo_ids), done.again, "merge", done)


def _judged(
    project: Project, plan: Plan, of: str | None, gate: Approval | None, asked: Container[Approval]
) -> tuple[PlanState, Snapshot, Approval]:
    """The plan under its lock, which is ready to be judged, and what of it waits."""
    state = plans.need_state(plan)
    now = snapshot.of_state(plan, state, project.clock)
    kind: Approval = gate or ("merge" if now.is_unmerged else "plan")
    if kind not in asked:
        raise Refused(
            f"no {'text' if kind == 'plan' else 'merge'} waits for a person here: epic.approve in wf.config does not "
            f"have {kind}",
            hint="wf config set epic.approve '[plan, merge]' asks for both",
            code="NOTHING_WAITS",
            plan_id=plan.id,
        )
    (_refuse_text if kind == "plan" else _refuse_merge)(plan, now)
    what = _what(now, kind)
    if of is not None and not what.startswith(of.lower()):
        noun, why = ("text", "it was edited") if kind == "plan" else ("commit", "it was worked on")
        raise Refused(
            f"plan {plan.id} has the {noun} {what[:SHOWN]} now, not {of[:SHOWN]}: {why}",
            hint=f"read {plan.relative}/plan.md and todo.md again"
            if kind == "plan"
            else f"look at it again: git diff {_target(now)}...{what[:SHOWN]}",
            code="TEXT_CHANGED" if kind == "plan" else "COMMIT_CHANGED",
            plan_id=plan.id,
        )
    return state, now, kind


def _refuse_text(plan: Plan, now: Snapshot) -> None:
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


def _refuse_merge(plan: Plan, now: Snapshot) -> None:
    if now.is_unmerged:
        return
    record = now.isolation
    if record is None or record.target is None:
        why, hint = "has no branch that is merged into a target", "its work is where it is"
    elif now.phase == COMPLETED:
        why = f"is merged into {record.target} already ({(record.merged or '')[:SHOWN]})"
        hint = "what is merged is taken back by a commit: git revert -m 1"
    else:
        why, hint = f"is in {now.phase}; its merge is judged when it is completed", f"wf context {plan.id}"
    raise Refused(f"plan {plan.id} {why}", hint=hint, code="NOT_WAITING", plan_id=plan.id)


def _what(now: Snapshot, kind: Approval) -> str:
    """The digest of the text, or the commit that is to be merged."""
    return now.text if kind == "plan" else now.isolation.head if now.isolation is not None else ""


def _target(now: Snapshot) -> str:
    return (now.isolation.target if now.isolation is not None else None) or "HEAD"


def _without_rejection(state: PlanState) -> PlanState:
    return replace(state, raw={key: value for key, value in state.raw.items() if key != REJECTED})
