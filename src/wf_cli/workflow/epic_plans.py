"""The plans that an epic is to have, as ``wf epic plans set`` declares them: a list in the epic's state.

An epic whose epic.md declares plans below ``## Scope`` needs no such list. For any other document the list is what an
agent, or a person, has made of it. ``epic run`` and the dispatcher create the plans from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from wf_cli.contract import nearest
from wf_cli.errors import Refused, UsageError
from wf_cli.frozen import frozen
from wf_cli.workflow import epics, files, grammar, references, scope
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.project import Ask, Project

#: Keys of an epic's state: the list; the job whose agent made it (absent: a person); and a digest of epic.md as it
#: was when that job was opened.
DECLARED, BY, TEXT_BEFORE = "declared_plans", "declared_by", "epic_md_sha256"
#: Characters.
TITLE_LIMIT, GOAL_LIMIT = 120, 4000
_KEYS = ("title", "goal", "after")


@frozen
class DeclaredPlan:
    """One plan of the list. ``after`` are the places (from 1) of the plans that have to be completed before it."""

    title: str
    goal: str
    after: tuple[int, ...] = ()


@frozen
class EpicFacts:
    """What the rows of the step table ask about an epic (`wf_cli.contract.step.EpicFacts`)."""

    epic: Epic
    has_plans: bool
    declared: tuple[str, ...]
    was_rewritten: bool

    @property
    def epic_id(self) -> str:
        return self.epic.id


class PlansRefused(UsageError):
    """A list of plans that cannot be taken as it is. Every trouble is named."""

    code = "INVALID_PLANS"

    def __init__(self, troubles: Sequence[str]):
        super().__init__(
            "the list of plans is not taken:" + "".join(f"\n  - {trouble}" for trouble in troubles),
            hint="a YAML or JSON list: each plan has title: and goal:, and after: [1, 2] where it needs others first",
            errors=list(troubles),
        )


def parse(value: Any, most: int) -> tuple[DeclaredPlan, ...]:
    """The list that a document (the value of YAML or JSON) declares, at most ``most`` plans; raises PlansRefused."""
    if isinstance(value, Mapping) and set(value) == {"plans"}:
        value = value["plans"]
    if not isinstance(value, list) or not value:
        raise PlansRefused(["it is no list, or an empty one"])
    troubles: list[str] = []
    if len(value) > most:
        troubles.append(f"{len(value)} plans; {most} are allowed (epic.max_plans)")
    found = [_one(number, entry, troubles) for number, entry in enumerate(value, 1)]
    _refuse_repeated(found, troubles)
    plans = [
        DeclaredPlan(title, goal, _places(number, after, found, troubles))
        for number, (title, goal, after) in enumerate(found, 1)
    ]
    if troubles:
        raise PlansRefused(troubles)
    return tuple(plans)


def _one(number: int, entry: Any, troubles: list[str]) -> tuple[str, str, list[Any]]:
    where = f"plan {number}"
    if not isinstance(entry, Mapping):
        troubles.append(f"{where} is no mapping with title: and goal:")
        return "", "", []
    for key in entry:
        if key not in _KEYS:
            close = nearest.names(str(key), _KEYS, most=1)
            meant = f", did you mean {close[0]!r}?" if close else ""
            troubles.append(f"{where}: unknown key {str(key)!r}{meant}")
    texts = []
    for key, limit in (("title", TITLE_LIMIT), ("goal", GOAL_LIMIT)):
        text = entry.get(key)
        text = grammar.trim(text) if isinstance(text, str) else ""
        if not text:
            troubles.append(f"{where} has no {key}")
        elif len(text) > limit:
            troubles.append(f"{where}: its {key} has {len(text)} characters; {limit} are allowed")
        texts.append(text)
    title, goal = texts
    if len(grammar.lines(title)) > 1:
        troubles.append(f"{where}: its title has more than one line")
    after = entry.get("after", [])
    return grammar.one_line(title), goal, after if isinstance(after, list) else [after]


def _refuse_repeated(found: Sequence[tuple[str, str, list[Any]]], troubles: list[str]) -> None:
    seen: dict[str, int] = {}
    for number, (title, _goal, _after) in enumerate(found, 1):
        # Two titles of one folder name would be one plan to whoever compares names.
        for name in {" ".join(title.casefold().split()), references.slug(title)} - {""}:
            if seen.setdefault(name, number) != number:
                troubles.append(f"plan {number} has the title of plan {seen[name]}: {title!r}")
                break


def _places(number: int, after: list[Any], found: Sequence[tuple[str, str, list[Any]]], troubles: list[str]) -> Any:
    """The places that ``after`` means: numbers, or titles. Only plans before this one, so that there is no circle."""
    titles = {title: place for place, (title, _goal, _after) in enumerate(found, 1)}
    places = []
    for one in after:
        place = titles.get(one) if isinstance(one, str) else one
        if isinstance(one, str) and place is None and one.isascii() and one.isdigit():
            place = int(one)
        if isinstance(place, bool) or not isinstance(place, int) or not 1 <= place < number:
            troubles.append(f"plan {number}: after: {one!r} is not the number or title of a plan before it")
        else:
            places.append(place)
    return tuple(sorted(set(places)))


def declared(state: Mapping[str, Any]) -> tuple[DeclaredPlan, ...]:
    """The list in an epic's state; empty when there is none, or when somebody has damaged it."""
    value = state.get(DECLARED)
    try:
        return parse(value, most=len(value)) if isinstance(value, list) else ()
    except PlansRefused:
        return ()


def declare(
    project: Project, epic: Epic, plans: Sequence[DeclaredPlan], ask: Ask, *, by: str | None, skip_quoted: bool
) -> None:
    """Write the list in place of an older one. ``ask`` is called under the epic's lock and raises what forbids it.

    ``by`` is the job whose agent declares them; None for a person. ``skip_quoted`` is that of `scope.parse`. Raises
    Refused for an epic that has plans, or whose epic.md declares them.
    """
    with epics.changing(project, epic):
        ask()
        state = epics.load_state(epic)
        links = epics.linked_names(state)
        if links:
            raise Refused(
                f"epic {epic.id} has {len(links)} plans already",
                hint=f'add one with: wf plan "<name>" --epic {epic.id}',
                code="EPIC_HAS_PLANS",
            )
        if scope.parse(files.need_text(epic.epic_md), skip_quoted=skip_quoted).plans:
            raise Refused(
                f"{epic.relative}/epic.md declares the plans of epic {epic.id} itself",
                hint="change them there, below ## Scope",
                code="EPIC_DECLARES_PLANS",
            )
        after = {**state, DECLARED: [_record(plan) for plan in plans], BY: by}
        epics.write_state(epic, {key: value for key, value in after.items() if key != BY or by is not None})


def _record(plan: DeclaredPlan) -> dict[str, Any]:
    record = asdict(plan) | {"after": list(plan.after)}
    return record if plan.after else {key: value for key, value in record.items() if key != "after"}


def begin_split(epic: Epic) -> None:
    """Remember what epic.md says, at the first opening of the step that declares the plans. Under the epic's lock."""
    state = epics.load_state(epic)
    if TEXT_BEFORE not in state:
        epics.write_state(epic, {**state, TEXT_BEFORE: _digest(epic)})


def facts(epic: Epic) -> EpicFacts:
    """The epic as it is now; raises StateError."""
    state = epics.load_state(epic)
    before = state.get(TEXT_BEFORE)
    return EpicFacts(
        epic,
        has_plans=bool(epics.linked_names(state)),
        declared=tuple(plan.title for plan in declared(state)),
        was_rewritten=before is not None and before != _digest(epic),
    )


def _digest(epic: Epic) -> str:
    return hashlib.sha256(files.need_text(epic.epic_md).encode("utf-8", "surrogatepass")).hexdigest()
