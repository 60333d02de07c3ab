"""A table in the width of a terminal: the less important columns give way, and the last one goes on below its row."""

from __future__ import annotations

from collections.abc import Sequence

from wf_cli.cli.frame.cells import cut, padded, width, wrapped

#: Cells that the last column has beside the others; with less room its text stands below.
_LAST = 24
#: Cells to which a text of a column that may give way is shortened before columns are left out.
_SHORT = 14
_GAP = 2
_INDENT = "    "
_CUT = "..."

Cells = Sequence[Sequence[str]]


def fitted(cells: Cells, room: int, yielding: Sequence[str]) -> list[list[str]]:
    """The lines of each row of ``cells``, whose first row is the heading; no line is wider than ``room``.

    The columns called ``yielding``, the least important first, are shortened and then left out until the others fit.
    All others stay whole, so a line is wider than ``room`` only where they are. The last column stands beside the
    others if there is room for all of it or for `_LAST` of its characters, and goes on in lines below.
    """
    head = list(cells[0])
    columns = {name: [row[at] for row in cells] for at, name in enumerate(head)}
    last = columns.pop(head[-1])
    left = room - min(_LAST, max(map(width, last)))
    if _width(columns) > left:
        for name in yielding:
            columns[name] = [_shortened(cell) for cell in columns[name]]
    for name in yielding:
        if _width(columns) <= left:
            break
        del columns[name]
    wide = [(cells, max(map(width, cells)) + _GAP) for cells in columns.values()]
    return [_row(wide, at, text, room) for at, text in enumerate(last)]


def _row(columns: Sequence[tuple[list[str], int]], at: int, text: str, room: int) -> list[str]:
    line = "".join(padded(cells[at], wide) for cells, wide in columns)
    left = room - width(line)
    if width(text) <= left:
        return [f"{line}{text}".rstrip()]
    if left < _LAST:
        return [line.rstrip(), *_below(text, room)]
    first = wrapped(text, left)[0]
    return [f"{line}{first}", *_below(text[len(first) :].lstrip(), room)]


def _below(text: str, room: int) -> list[str]:
    return [_INDENT + part for part in wrapped(text, max(_LAST, room - len(_INDENT)))]


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(width, cells)) + _GAP for cells in columns.values())


def _shortened(cell: str) -> str:
    return cut(cell, _SHORT, _CUT)
