"""Lists of jobs for people: a table with colours on a terminal, bare aligned columns otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from wf_cli.cli.frame import output

#: What stands in an empty cell, so that every record has the same number of columns.
NOTHING = "-"

_RED, _GREEN, _YELLOW, _BLUE, _DIM = "31", "32", "33", "34", "2"
_COLOURS = {
    "running": _BLUE, "claimed": _BLUE, "stalled": _YELLOW, "held": _YELLOW, "failed": _RED, "dead": _RED,
    "lost": _RED, "succeeded": _GREEN, "cancelled": _DIM, "yes": _GREEN, "no": _RED,
}  # fmt: skip


def on_terminal() -> bool:
    """Whether stdout is a screen that a person looks at."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def plain(text: str) -> str:
    """``text`` in one line without control characters: it may come from an agent, or from anybody's file."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of the table; nothing without rows. The last column may hold blanks, and is cut on a terminal only."""
    if not rows:
        return []
    cells = [tuple(NOTHING if cell in (None, "") else plain(str(cell)) for cell in row) for row in rows]
    if not on_terminal():
        return output.columns(cells, indent="")
    import shutil

    width = shutil.get_terminal_size().columns
    first, *lines = [line[:width] for line in output.columns([tuple(head), *cells], indent="")]
    if os.environ.get("NO_COLOR"):
        return [first, *lines]
    return [f"\x1b[1m{first}\x1b[0m", *(_coloured(line, row) for line, row in zip(lines, cells, strict=True))]


def _coloured(line: str, row: Sequence[str]) -> str:
    """The first cell, which is the status, in its colour."""
    colour = _COLOURS.get(row[0])
    return line if colour is None else f"\x1b[{colour}m{row[0]}\x1b[0m{line[len(row[0]) :]}"
