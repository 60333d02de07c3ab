"""What people have said about a plan: its text is approved, or rejected with a reason; its merge is approved.

A word is about one text, plan.md and todo.md together, by its digest. An edited text has neither. Ticks and line ends
are no part of the text, because agents set the ones and git may change the others.

The approval of a merge is of one commit. A rejected merge reopens the plan (`wf_cli.workflow.reopen`).

The records are keys of the plan's ``state.json``::

    "approvals": {"plan": {"of": "<digest>", "by": "ann@box", "at": "2026-01-02T03:04:05.000Z"},
                  "merge": {"of": "<commit>", "by": ..., "at": ...}}
    "rejected": {"of": "<digest>", "reason": "...", "by": ..., "at": ...}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field

from wf_cli.contract.step import Approval, named
from wf_cli.errors import Refused
from wf_cli.frozen import frozen
from wf_cli.workflow import grammar
from wf_cli.workflow.plans import PlanState

#: Keys of a plan's state.
APPROVALS, REJECTED = "approvals", "rejected"
#: Digits of a digest that people are shown.
SHOWN = 12


@frozen
class Said:
    """What a plan's state has. ``approved`` are digests or commits by kind, ``rejected`` is the digest of a text."""

    approved: Mapping[str, str] = field(default_factory=dict)
    rejected: str | None = None
    reason: str = ""

    def is_approved(self, approval: Approval, text: str) -> bool:
        return self.approved.get(approval) == text and not self.is_rejected(text)

    def is_rejected(self, text: str) -> bool:
        return self.rejected == text


def said(state: PlanState | None) -> Said:
    """The records of a state. What cannot be read counts as not said."""
    if state is None:
        return Said()
    approved = state.raw.get(APPROVALS)
    of = {
        str(key): str(record["of"])
        for key, record in (approved.items() if isinstance(approved, dict) else ())
        if isinstance(record, dict) and isinstance(record.get("of"), str)
    }
    rejected = state.raw.get(REJECTED)
    if not isinstance(rejected, dict) or not isinstance(rejected.get("of"), str):
        return Said(of)
    reason = rejected.get("reason")
    return Said(of, rejected["of"], reason if isinstance(reason, str) else "")


def records(state: PlanState) -> dict[str, object]:
    """The approvals as they are recorded."""
    found = state.raw.get(APPROVALS)
    return dict(found) if isinstance(found, dict) else {}


def without(state: PlanState, approval: Approval) -> dict[str, object]:
    """What ``state`` holds, without one approval."""
    others = {key: value for key, value in records(state).items() if key != approval}
    kept = {key: value for key, value in state.raw.items() if key != APPROVALS}
    return {**kept, APPROVALS: others} if others else kept


def refusal(plan_id: str, approval: Approval, of: str) -> Refused:
    """The error of a step that waits for the approval of ``of``, the beginning of a digest or commit."""
    look = "look at it" if approval == "merge" else "read it"
    return Refused(
        f"plan {plan_id} waits for approval of {named(approval, of, files=True)}",
        hint=f"{look}, then: wf approve {plan_id}; or: wf reject {plan_id} --reason TEXT",
        code="NOT_APPROVED",
        plan_id=plan_id,
    )


def digest(plan_text: str, todo_text: str) -> str:
    """64 hex digits for the text of a plan, whatever boxes are ticked and however its lines end."""
    lines = []
    for line in grammar.lines(todo_text.replace("\r\n", "\n")):
        box = grammar.TODO_START.match(line)
        lines.append(f"{line[: box.start(1)]} {line[box.end(1) :]}" if box is not None else line)
    both = (plan_text.replace("\r\n", "\n"), "\n".join(lines))
    return hashlib.sha256("\0".join(both).encode("utf-8", "surrogatepass")).hexdigest()
