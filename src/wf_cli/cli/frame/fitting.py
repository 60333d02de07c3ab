"""A table in the width of a terminal: the less important columns give way, and the last one goes on below its row."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

#: Characters that the last column has beside the others; with less room its text stands below.
_LAST = 24
#: Characters to which a cell of a column that may give way is shortened before columns are left out.
_SHORT = 14
_GAP = 2
_INDENT = "    "
_CUT = "..."

Cells = Sequence[Sequence[str]]


def fitted(cells: Cells, width: int, yielding: Sequence[str]) -> list[list[str]]:
    """The lines of each row of ``cells``, whose first row is the heading; no line is wider than ``width``.

    The columns called ``yielding``, the least important first, are shortened and then left out until the others fit.
    All others stay whole, so a line is wider than ``width`` only where they are. The last column stands beside the
    others if there is room for all of it or for `_LAST` of its characters, and goes on in lines below.
    """
    head = list(cells[0])
    columns = {name: [row[at] for row in cells] for at, name in enumerate(head)}
    last = columns.pop(head[-1])
    room = width - min(_LAST, max(map(len, last)))
    if _width(columns) > room:
        for name in yielding:
            columns[name] = [_shortened(cell) for cell in columns[name]]
    for name in yielding:
        if _width(columns) <= room:
            break
        del columns[name]
    return [_row(columns, at, text, width) for at, text in enumerate(last)]


def _row(columns: dict[str, list[str]], at: int, text: str, width: int) -> list[str]:
    line = "".join(cells[at].ljust(max(map(len, cells)) + _GAP) for cells in columns.values())
    room = width - len(line)
    if len(text) <= room:
        return [f"{line}{text}".rstrip()]
    if room < _LAST:
        return [line.rstrip(), *_below(text, width)]
    first = textwrap.wrap(text, room, break_on_hyphens=False)[0]
    return [f"{line}{first}", *_below(text[len(first) :].lstrip(), width)]


def _below(text: str, width: int) -> list[str]:
    parts = textwrap.wrap(text, max(_LAST, width - len(_INDENT)), break_on_hyphens=False)
    return [_INDENT + part for part in parts]


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(len, cells)) + _GAP for cells in columns.values())


def _shortened(cell: str) -> str:
    return cell if len(cell) <= _SHORT else cell[: _SHORT - len(_CUT)] + _CUT
