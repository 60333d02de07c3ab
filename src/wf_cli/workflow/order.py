"""Which plans of an epic come before others, as its document or `wf epic plans set` says.

Below a declaration in epic.md a nested bullet names the plans that have to be settled first, by their declared
numbers. Tools that know no such bullet skip it::

    ## Scope
    - Plan 1: Parse dates
    - Plan 2: Format dates
      - after: 1

A plan that cannot come at its turn, because of a circle or a number that no plan has, never begins by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wf_cli.frozen import frozen
from wf_cli.workflow import epic_plans, epics, files, references, scope
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.scope import After, Declaration, Scope

#: Characters of a plan's title, or of a line, in a message.
_SHOWN = 60


@frozen
class Trouble:
    """Why the order of some plans cannot be kept. ``plans`` are those that cannot begin; none for a stray line."""

    text: str
    plans: tuple[Declaration, ...]


@frozen
class Turn:
    """When one plan may begin: after the linked plans ``first`` (folder names); not at all because of ``why_not``."""

    first: tuple[str, ...] = ()
    why_not: str | None = None


def troubles(declared: Scope) -> tuple[Trouble, ...]:
    """What is wrong with the order that an epic's document declares. Each plan is named with number and title."""
    return (*_of_lines(declared), *_circles(declared))


def first_of(declared: Scope) -> dict[Declaration, tuple[int, ...]]:
    """The numbers that each plan comes after, in order. Plans without any are left out."""
    found: dict[Declaration, set[int]] = {}
    for after in declared.after:
        if after.plan is not None and after.numbers:
            found.setdefault(after.plan, set()).update(after.numbers)
    return {plan: tuple(sorted(numbers)) for plan, numbers in found.items()}


def turns(epic: Epic, state: Mapping[str, Any], *, skip_quoted: bool) -> dict[str, Turn]:
    """The turn of each linked plan of ``epic`` that comes after others, by folder name.

    ``state`` is the epic's. Raises StateError for an epic.md that is missing or cannot be read.
    """
    links = epics.linked_names(dict(state))
    declared = scope.parse(files.need_text(epic.epic_md), skip_quoted=skip_quoted)
    found = dict(_declared_by_list(state, links))
    found |= _by_document(declared, links)
    return found


def _declared_by_list(state: Mapping[str, Any], links: Sequence[str]) -> Iterator[tuple[str, Turn]]:
    """The turns of plans that `wf epic plans set` has declared. They are linked in the order of the list."""
    for own, link in zip(epic_plans.declared(state), links, strict=False):
        if own.after:
            yield link, Turn(tuple(links[place - 1] for place in own.after))


def _by_document(declared: Scope, links: Sequence[str]) -> dict[str, Turn]:
    if not declared.after:
        return {}
    linked: dict[str, list[str]] = {}
    for link in links:
        linked.setdefault(references.slug_of(link), []).append(link)
    by_number = _by_number(declared.plans)
    found: dict[str, Turn] = {}
    for plan, numbers in first_of(declared).items():
        wanted = [other for number in numbers for other in by_number.get(number, ())]
        without = [other for other in wanted if other.slug not in linked]
        why_not = f"comes after {_named(without)}, which the epic does not link" if without else None
        first = tuple(link for other in wanted for link in linked.get(other.slug, ()))
        found |= dict.fromkeys(linked.get(plan.slug, ()), Turn(first, why_not))
    for trouble in troubles(declared):
        for plan in trouble.plans:
            found |= dict.fromkeys(linked.get(plan.slug, ()), Turn(why_not=f"cannot begin: {trouble.text}"))
    return found


def _of_lines(declared: Scope) -> Iterator[Trouble]:
    numbers = _by_number(declared.plans)
    for after in declared.after:
        where = f"epic.md:{after.line}"
        if after.plan is None:
            yield Trouble(f"{where}: `{after.text[:_SHOWN]}` stands below no plan", ())
            continue
        own = _named([after.plan])
        if after.numbers is None:
            text = f"{where}: `{after.text[:_SHOWN]}` of {own} cannot be read; write `  - after: 1, 2`, indented"
            yield Trouble(text, (after.plan,))
            continue
        unknown = [number for number in after.numbers if number not in numbers]
        if unknown:
            which = _listed(f"plan {number}" for number in unknown)
            yield Trouble(f"{where}: {own} comes after {which}, which epic.md does not declare", (after.plan,))
        if after.plan.order in after.numbers:
            yield Trouble(f"{where}: {own} comes after itself", (after.plan,))


def _circles(declared: Scope) -> Iterator[Trouble]:
    by_number = _by_number(declared.plans)
    next_to: dict[int, set[int]] = {}
    for plan, first in first_of(declared).items():
        next_to.setdefault(plan.order, set()).update(n for n in first if n in by_number and n != plan.order)
    reached = {number: _reach(number, next_to) for number in next_to}
    told: set[int] = set()
    for number in sorted(next_to):
        circle = sorted(n for n in reached[number] if number in reached.get(n, ()))
        if number in circle and number not in told:
            told.update(circle)
            members = [plan for n in circle for plan in by_number[n]]
            lines = _listed(f"epic.md:{after.line}" for after in declared.after if _is_in(after, circle))
            yield Trouble(f"{lines}: {_named(members)} come after each other in a circle", tuple(members))


def _is_in(after: After, circle: Sequence[int]) -> bool:
    return after.plan is not None and after.plan.order in circle and bool(set(after.numbers or ()) & set(circle))


def _reach(start: int, next_to: Mapping[int, set[int]]) -> set[int]:
    seen: set[int] = set()
    todo = [start]
    while todo:
        for number in next_to.get(todo.pop(), ()):
            if number not in seen:
                seen.add(number)
                todo.append(number)
    return seen


def _by_number(plans: Iterable[Declaration]) -> dict[int, list[Declaration]]:
    found: dict[int, list[Declaration]] = {}
    for plan in plans:
        found.setdefault(plan.order, []).append(plan)
    return found


def _named(plans: Iterable[Declaration]) -> str:
    return _listed(f"`{plan.label[:_SHOWN]}`" for plan in plans)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
