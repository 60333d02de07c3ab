"""The record of a plan that has a branch and a worktree of its own, in its ``state.json``::

    "isolation": {"branch": "wf/e01-p03", "target": "wf/e01", "base": "<oid>", "head": "<oid>",
                  "merging": {"item": "merge-0", "onto": "<oid>", "paths": ["a.py"]}, "merged": "<oid>"}

``head`` is the commit that was handed over last, ``merged`` the commit of the target that has it. ``merging`` says
what the next hand-over has to contain. A plan without a target ends on its branch. The record decides, not the
configuration of the moment: a plan without one is not isolated.
"""

from __future__ import annotations

import re
from typing import Any

from wf_cli.contract.step import COMPLETED
from wf_cli.errors import StateError
from wf_cli.frozen import frozen
from wf_cli.workflow import plans
from wf_cli.workflow.plans import Plan, PlanState

#: The key of a plan's state.
ISOLATION = "isolation"
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: A branch that may stand in a ref and in an argument: no option, no pattern, no way up.
_BRANCH = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")


@frozen
class Merging:
    """A merge that the plan's fixer has to make: with ``onto``, for the todo item ``item``; ``paths`` conflict."""

    item: str
    onto: str
    paths: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"item": self.item, "onto": self.onto, "paths": list(self.paths)}


@frozen
class Isolation:
    """What the record says."""

    branch: str
    target: str | None
    base: str
    head: str
    merging: Merging | None = None
    merged: str | None = None


def of(plan: Plan, state: PlanState | None) -> Isolation | None:
    """The record of ``plan``; None for a plan that is not isolated.

    Raises StateError for a record that cannot be read, because a plan must not lose its branch by a slip of a pen.
    """
    raw = state.raw.get(ISOLATION) if state is not None else None
    if raw is None:
        return None
    try:
        return _read(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"{plan.state_json}: the record `{ISOLATION}` cannot be read ({error})",
            hint="restore the file from version control; without the record the plan's branch is never merged",
            path=str(plan.state_json),
        ) from error


def is_unmerged(phase: str, record: Isolation | None) -> bool:
    """Whether a plan waits for its way into its target: completed, isolated, with a target, and not merged."""
    return phase == COMPLETED and record is not None and record.target is not None and record.merged is None


def is_settled(phase: str, record: Isolation | None) -> bool:
    """Whether a plan has come to its end, so that others may build on it."""
    return phase == COMPLETED and not is_unmerged(phase, record)


def has_settled(plan: Plan) -> bool:
    """`is_settled` of a plan as its files say now; False when they cannot be read."""
    try:
        state = plans.read_state(plan)
        return state is not None and is_settled(state.phase, of(plan, state))
    except StateError:
        return False


def with_merging(state: PlanState, merging: Merging | None) -> dict[str, Any]:
    """The record of ``state`` with what the next hand-over has to contain. Keys that nobody knows are kept."""
    kept = {key: value for key, value in state.raw[ISOLATION].items() if key != "merging"}
    return {**kept, "merging": merging.to_json()} if merging is not None else kept


def with_merged(state: PlanState, commit: str) -> dict[str, Any]:
    """The record of ``state`` with the commit of the target that has the plan."""
    return {**with_merging(state, None), "merged": commit}


def _read(raw: Any) -> Isolation:
    target, merged, merging = raw.get("target"), raw.get("merged"), raw.get("merging")
    return Isolation(
        branch=_matching(_BRANCH, raw, "branch"),
        target=_matching(_BRANCH, raw, "target") if target is not None else None,
        base=_matching(_OID, raw, "base"),
        head=_matching(_OID, raw, "head"),
        merging=_merging(merging) if merging is not None else None,
        merged=_matching(_OID, raw, "merged") if merged is not None else None,
    )


def _merging(raw: Any) -> Merging:
    paths = raw.get("paths", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError("merging.paths is no list of paths")
    return Merging(str(raw["item"]), _matching(_OID, raw, "onto"), tuple(paths))


def _matching(pattern: re.Pattern[str], raw: Any, key: str) -> str:
    value = raw[key]
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError(f"{key} is {value!r}"[:100])
    return value
