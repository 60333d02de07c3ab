"""Text of others as it may be shown: escape sequences and what turns a line round cannot act on a terminal.

Session files, requests, outcomes, logs and file names of a spool are written by others. Their text is made harmless
where it is read, once, so that no place that shows it has to think of that. Letters of all scripts stay, with what
joins them (U+200C, U+200D). Specs stay as they are, because agents get them; JSON that is printed escapes the same
characters (`wf_cli.contract.plain_json`), and so does the one door to the terminal (`wf_cli.cli.frame.output`).
"""

from __future__ import annotations

import re
from typing import Any

#: Control characters (C0, DEL, C1), marks and overrides of direction, separators of lines, halves of surrogate pairs.
_HARMFUL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(f"[{_HARMFUL}]")
_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def lines(text: str) -> str:
    """``text`` with each harmful character as its escape (``\\x1b``, ``\\u202e``); ends of lines and tabs stay."""
    return _IN_LINES.sub(_escape, text) if not text.isprintable() else text


def line(text: str, limit: int | None = None) -> str:
    """The same in one line, of at most ``limit`` characters of the original: an end of a line becomes a blank."""
    shown = text if limit is None else text[:limit]
    return lines(shown).replace("\n", " ").replace("\t", " ") if not shown.isprintable() else shown


def in_json(document: str) -> str:
    """A JSON document in which strings hold the same characters as escapes, so that every reader gets them back."""
    if document.isascii() and "\x7f" not in document:  # JSON itself escapes the other control characters of ASCII.
        return document
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def all_lines(value: Any) -> Any:
    """`lines` of each string in a value that was read from JSON, keys too."""
    if isinstance(value, str):
        return lines(value)
    if isinstance(value, dict):
        return {lines(key): all_lines(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [all_lines(inner) for inner in value]
    return value


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
