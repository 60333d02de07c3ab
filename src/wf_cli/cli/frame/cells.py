"""How much room a text takes on a terminal, counted in cells: letters of East Asian scripts and most emoji take two.

Only text that is not ASCII needs rich's table of widths, so rich is imported when the first such text is measured.
"""

from __future__ import annotations

import re

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_RESET = "\x1b[0m"


def width(text: str) -> int:
    """The cells of one line. Colours take none."""
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, room: int) -> str:
    """``text`` with blanks up to ``room`` cells. A longer text stays as it is."""
    return text + " " * (room - width(text))


def head(text: str, room: int) -> str:
    """The beginning of ``text``, which has no colours, that fits into ``room`` cells."""
    part = text[: max(0, room)]
    while part and width(part) > room:
        part = part[:-1]
    return part


def cut(text: str, room: int, mark: str = "…") -> str:
    """``text`` in at most ``room`` cells; one that was too long ends with ``mark``. Colours stay, and end with it."""
    if width(text) <= room:
        return text
    left, parts, coloured = room - width(mark), [], False
    for part in _COLOUR.split(text):
        if _COLOUR.fullmatch(part):
            parts.append(part)
            coloured = part != _RESET
            continue
        fits = head(part, left)
        parts.append(fits)
        left -= width(fits)
        if fits != part:
            break
    return "".join([*parts, mark if room >= width(mark) else "", *([_RESET] if coloured else [])])


def wrapped(text: str, room: int) -> list[str]:
    """``text`` in lines of at most ``room`` cells, cut between words or, where a word is longer, within it."""
    if text.isascii():
        import textwrap

        return textwrap.wrap(text, room, break_on_hyphens=False)
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        while width(word) > room:
            part = head(word, room) or word[:1]
            lines.append(part)
            word = word[len(part) :]
        line = word
    return [*lines, line] if line else lines
