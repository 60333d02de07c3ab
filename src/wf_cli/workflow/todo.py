"""``todo.md``: its items, the state of each, and ticking them. Pure text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from wf_cli.frozen import frozen
from wf_cli.workflow import grammar, markdown

Status = Literal["pending", "implemented", "accepted"]


@frozen
class TodoItem:
    """One ``- [ ]`` line. ``id`` is None for ``- [ ] text`` and for ``- [ ] [T1]`` without a text."""

    line: int
    checked: bool
    id: str | None
    text: str


@frozen
class Lifecycle:
    """The state of one item with an id, and whose turn it is."""

    id: str
    text: str
    checked: bool
    status: Status
    owner: Literal["reviewer", "implementer"]


def parse(text: str, *, skip_quoted: bool = False) -> list[TodoItem]:
    """Every item of the file, in order. Other lines are skipped.

    With ``skip_quoted`` lines in a code fence or a comment are skipped, too. The command-driven flow reads those.
    """
    found = []
    lines = grammar.lines(text)
    quoted = markdown.quoted(lines) if skip_quoted else frozenset()
    for number, line in enumerate(lines):
        start = grammar.TODO_START.match(line)
        if start is None or number in quoted:
            continue
        rest = grammar.value_of(line[start.end() :])
        # `value_of` also returns None for a rest of line terminators only, which is an item without a text.
        if rest is None and grammar.trim(line[start.end() :]):
            continue
        found.append(_item(number, start.group(1) != " ", rest or ""))
    return found


def _item(number: int, checked: bool, rest: str) -> TodoItem:
    named = grammar.TODO_ID.match(rest)
    if named is None:
        return TodoItem(number, checked, None, rest)
    return TodoItem(number, checked, named.group(1), grammar.trim(rest[named.end() :]))


def find(items: list[TodoItem], todo_id: str) -> TodoItem | None:
    """The first item with that id."""
    return next((item for item in items if item.id == todo_id), None)


def lifecycle(todo_text: str, verdicts: Mapping[str, str], *, skip_quoted: bool = False) -> list[Lifecycle]:
    """One record for each item with an id, in file order. Duplicate ids give duplicate records.

    ``skip_quoted`` is that of `parse`.
    """
    records = []
    for item in parse(todo_text, skip_quoted=skip_quoted):
        if item.id is None:
            continue
        status: Status = "pending"
        if item.checked:
            status = "accepted" if verdicts.get(item.id) == "pass" else "implemented"
        owner: Literal["reviewer", "implementer"] = "reviewer" if status == "accepted" else "implementer"
        records.append(Lifecycle(item.id, item.text, item.checked, status, owner))
    return records


def with_checked(text: str, item: TodoItem, *, checked: bool) -> str:
    """The file with ``item`` ticked or unticked. ``item`` must have an id and come from this very ``text``."""
    all_lines = grammar.lines(text)
    mark = "x" if checked else " "
    all_lines[item.line] = grammar.like(all_lines[item.line], f"- [{mark}] [{item.id}] {item.text}")
    return "\n".join(all_lines)
