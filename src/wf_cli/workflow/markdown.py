"""Which lines of a Markdown text are quoted: inside a code fence or a comment, so they are examples or notes.

A fence or a comment that is never closed quotes nothing. It would hide the rest of the file from whoever reads it for
declarations or items, and most likely it is a slip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_FENCE = re.compile(r"\s*(?:>\s*)*(?:[-*+]\s+|\d{1,9}[.)]\s+)?(`{3,}|~{3,})(.*)", re.DOTALL)


def quoted(lines: Sequence[str]) -> frozenset[int]:
    """The indexes of the quoted ones among ``lines``; the lines that open and close a fence are among them."""
    found: set[int] = set()
    n = 0
    while n < len(lines):
        end = _end_of_fence(lines, n)
        if end is None:
            end = _end_of_comment(lines, n)
        if end is None:
            n += 1
            continue
        found.update(range(n, end + 1))
        n = end + 1
    return frozenset(found)


def _end_of_fence(lines: Sequence[str], begin: int) -> int | None:
    opening = _FENCE.fullmatch(lines[begin])
    if opening is None or (opening[1][0] == "`" and "`" in opening[2]):
        return None
    mark = opening[1]
    for n in range(begin + 1, len(lines)):
        text = lines[n].strip().lstrip(">").strip()
        if len(text) >= len(mark) and not text.strip(mark[0]):
            return n
    return None


def _end_of_comment(lines: Sequence[str], begin: int) -> int | None:
    """The last line of a comment that begins the line ``begin``. A text ahead of the comment is no part of it."""
    if not lines[begin].lstrip().startswith("<!--"):
        return None
    rest = lines[begin].lstrip()[4:]
    for n in range(begin, len(lines)):
        if "-->" in rest:
            return n
        rest = lines[n + 1] if n + 1 < len(lines) else ""
    return None
