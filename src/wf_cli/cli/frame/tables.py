"""Tables as text: with a heading and colours on a terminal, bare aligned columns otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from wf_cli.cli.frame import cells, output
from wf_cli.cli.frame.screen import is_screen
from wf_cli.contract import text as escaped

#: The text of an empty cell. It keeps the number of columns the same in every row.
NOTHING = "-"

_RED, _GREEN, _YELLOW, _BLUE, _DIM = "31", "32", "33", "34", "2"
_COLOURS = {
    "running": _BLUE, "claimed": _BLUE, "stalled": _YELLOW, "held": _YELLOW, "failed": _RED, "dead": _RED,
    "lost": _RED, "succeeded": _GREEN, "cancelled": _DIM, "yes": _GREEN, "no": _RED,
}  # fmt: skip


def on_terminal() -> bool:
    """Whether stdout is a terminal that understands escape sequences."""
    return is_screen(sys.stdout)


def plain(text: str) -> str:
    """``text`` in one line without control characters, because agents and other users' files may contain them."""
    return escaped.line(text).strip()


def table(head: Sequence[str], rows: Sequence[Sequence[object]], yielding: Sequence[str] | None = None) -> list[str]:
    """The lines of the table, empty without rows. Only the last cell may have blanks.

    On a terminal the columns called ``yielding`` give way until the others fit (`fitting`). Without it long lines are
    cut.
    """
    if not rows:
        return []
    texts = [_texts(row) for row in rows]
    if not on_terminal():
        return output.columns(texts, indent="")
    import shutil

    width = shutil.get_terminal_size().columns
    whole = [tuple(head), *texts]
    if yielding is None:
        blocks = [[cells.head(line, width)] for line in output.columns(whole, indent="")]
    else:
        from wf_cli.cli.frame import fitting

        blocks = fitting.fitted(whole, width, yielding)
    if os.environ.get("NO_COLOR"):
        return [line for block in blocks for line in block]
    (first, *more), *others = blocks
    lines = [output.Coloured(f"\x1b[1m{line}\x1b[0m") for line in (first, *more)]
    for block, row in zip(others, texts, strict=True):
        lines += [_coloured(block[0], row), *map(output.Coloured, block[1:])]
    return list(lines)


def plain_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of `table` in a pipe. Each row is kept as one text until all are there, for they may be many."""
    kept: list[str] = []
    widths: list[int] = []
    for row in rows:
        texts = _texts(row)
        widths = [max(pair) for pair in zip(map(cells.width, texts), widths or [0] * len(texts), strict=True)]
        kept.append("\0".join(texts))  # No cell has that character: `plain` escapes it.
    for one in kept:
        yield "  ".join(map(cells.padded, one.split("\0"), widths)).rstrip()


def _texts(row: Sequence[object]) -> tuple[str, ...]:
    return tuple(NOTHING if cell in (None, "") else plain(str(cell)) for cell in row)


def _coloured(line: str, row: Sequence[str]) -> output.Coloured:
    """``line`` with its first cell, the status, in the colour of that status."""
    colour = _COLOURS.get(row[0])
    return output.Coloured(line if colour is None else f"\x1b[{colour}m{row[0]}\x1b[0m{line[len(row[0]) :]}")
