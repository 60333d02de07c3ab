"""Lines of todo.md that seem to be items and are none: ``* [ ]``, ``1. [ ]``, ``- [~]``, ``- []``, a box in a table.

The tools that share these files read ``- [ ]`` and ``- [x]`` alone. A plan whose list has such a line would be
completed with work that no gate has looked at. So with the distributed mode on it passes none.
"""

from __future__ import annotations

import re

from wf_cli.frozen import frozen
from wf_cli.workflow import grammar, markdown, todo

_BEFORE = r"(?:>\s*|[-*+•‣◦·–—]+\s*|\(?[0-9a-zA-Z]{1,3}[.)]\s*|#{1,6}\s+|\|\s*|[*_`]{1,3})"
#: One mark, or none, in a box. A link, `[x](...)`, and its target, `[x]: ...`, are no boxes.
_BOX = r"(?:\[[^\S\n]{0,3}[xXvVoO~/\-–—.*?!>✓✔✗✘☑☒]?[^\S\n]{0,3}\](?![(:])|[☐☑☒])"
_SEEMS = re.compile(rf"\s*{_BEFORE}*\s*{_BOX}")


@frozen
class UnclearItem:
    """A line (from 1) of todo.md that is no item."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.text!r}, is no item; write it as `- [ ] [ID] text`"


def unclear(todo_text: str) -> tuple[UnclearItem, ...]:
    """The unclear lines, in order. What stands in a code fence or a comment is text."""
    lines = grammar.lines(todo_text)
    quoted = markdown.quoted(lines)
    items = {item.line for item in todo.parse(todo_text)}
    found = []
    for n, line in enumerate(lines):
        if n in quoted or n in items or not _SEEMS.match(line):
            continue
        found.append(UnclearItem(n + 1, grammar.trim(line)))
    return tuple(found)
