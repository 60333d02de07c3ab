"""Reads the JSON lines of agents. Lines may hold anything: a wrong shape reads as absent, and no function raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

#: Characters of an event's text; it is for a live view.
TEXT_LIMIT = 200

_COLOUR = re.compile(r"\x1b\[[0-9;:?]{0,40}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)")
#: Keys of an error's data under which it repeats the request, or tells where it was raised.
_QUOTES = re.compile(r"request(?!Id)|prompt|messages|stack|input|content|tool", re.IGNORECASE)
#: Keys under which errors have their names.
_NAMES = (
    *("name", "errorName", "type", "code", "errorCode", "error_code", "reason", "kind", "errorKind", "error_kind"),
    *("codex_error_info", "codexErrorInfo", "status"),
)
#: Letters in a row; a line of brackets and digits has none.
_WORD = re.compile(r"[^\W\d_]{2}")
_SESSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}", re.ASCII)


def parse_object(line: str) -> dict[str, Any] | None:
    """The JSON object that ``line`` is; None when it is anything else.

    A number that JSON has not (``Infinity``, ``1e999``) is read as text, so that it can be stored and printed.
    """
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line, parse_constant=str, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


def obj(value: Any, *path: str) -> dict[str, Any]:
    """The object at ``path`` inside ``value``; empty when there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: Any, depth: int = 5) -> Iterator[dict[str, Any]]:
    """``value`` and the objects inside it, the outermost first, because agents nest their errors in many forms."""
    if isinstance(value, dict) and depth:
        yield value
        for inner in value.values():
            yield from objects(inner, depth - 1)


def names(value: Any) -> tuple[str, ...]:
    """The names of an error, from every field that agents use for one, the outermost first.

    Codex names one by the only key of an object, too: ``codex_error_info: {"http_connection_failed": {...}}``.
    """
    found = []
    for part in objects(value):
        for key in _NAMES:
            told = part.get(key)
            keyed = next(iter(told), None) if isinstance(told, dict) and len(told) == 1 else told
            found.append(text(keyed))
    return tuple(filter(None, found))


def words(value: Any, depth: int = 5) -> Iterator[str]:
    """The texts inside ``value``, without those that quote what was sent: an error's data may hold the request."""
    if isinstance(value, str):
        yield text(value)
    elif isinstance(value, dict) and depth:
        for key, inner in value.items():
            if not _QUOTES.search(str(key)):
                yield from words(inner, depth - 1)
    elif isinstance(value, list) and depth:
        for inner in value[:20]:
            yield from words(inner, depth - 1)


def text(value: Any) -> str:
    """``value`` if it is text; empty otherwise. A lone surrogate, which no file can hold, becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def session_id(value: Any) -> str | None:
    """``value`` if it can be a session id; None otherwise. The id becomes an argument of a command line."""
    return value if isinstance(value, str) and _SESSION.fullmatch(value) else None


def count(value: Any) -> int:
    """``value`` if it is a whole number of at least 0; 0 otherwise."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def number(value: Any) -> float | None:
    """``value`` as a finite number; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e18 else None


def plain(value: str) -> str:
    """``value`` without terminal colours and titles. Agent CLIs print them into pipes, too."""
    return _COLOUR.sub("", value) if "\x1b" in value else value


def last_words(said: str) -> str:
    """The line of a program's output that says how it ended: the last one, if it has a word in it.

    An error that is printed as an object ends in a line of brackets. Then it is the line with which the object
    begins, or the last line with a word. Empty when nothing was said.
    """
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    if not lines or _WORD.search(lines[-1]):
        return lines[-1].strip() if lines else ""
    worded = [line for line in lines if _WORD.search(line)]
    begun = [line for line in worded if not line[0].isspace()]
    return (begun or worded or lines)[-1].strip().rstrip("{[( ")


def brief(value: str, limit: int = TEXT_LIMIT) -> str:
    """One line of at most ``limit`` characters, for people; control characters become blanks.

    The line is cut at a blank, however early, because redaction comes later and does not recognise half of a secret.
    """
    if len(value) <= limit and value.isprintable() and value == value.strip() and "  " not in value:
        return value  # The usual case stays cheap, because programs print millions of lines.
    line = " ".join("".join(char if char.isprintable() else " " for char in plain(value[: 4 * limit])).split())
    if len(line) <= limit and len(value) <= 4 * limit:
        return line
    return (line[: limit - 1].rpartition(" ")[0] + " …").lstrip()
