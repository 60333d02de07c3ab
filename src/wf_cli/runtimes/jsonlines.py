"""Reading the JSON lines of agents, which may hold anything: wrong shapes read as absent, and nothing raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Characters of an event's text; it is for a live view.
TEXT_LIMIT = 200

_COLOUR = re.compile(r"\x1b\[[0-9;:?]{0,40}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)")
_SESSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}", re.ASCII)


def parse_object(line: str) -> dict[str, Any] | None:
    """The JSON object that ``line`` is; None when it is anything else."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def obj(value: Any, *path: str) -> dict[str, Any]:
    """The object at ``path`` inside ``value``; empty when there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects(value: Any, depth: int = 3) -> Iterator[dict[str, Any]]:
    """``value`` and the objects inside of it: errors nest without a common form. The outermost first."""
    if isinstance(value, dict) and depth:
        yield value
        for inner in value.values():
            yield from objects(inner, depth - 1)


def names(value: Any) -> tuple[str, ...]:
    """What an error calls itself, in any of the fields in use, the outermost first."""
    keys = ("name", "errorName", "type", "code", "status")
    return tuple(found for part in objects(value) for key in keys if (found := text(part.get(key))))


def text(value: Any) -> str:
    """``value`` if it is text; empty otherwise. Half surrogates, which no file can hold, become question marks."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def session_id(value: Any) -> str | None:
    """``value`` if it can be the id of a session; it becomes an argument of the next attempt's command line."""
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
    """``value`` without a terminal's colours and titles, which agent CLIs print into pipes too."""
    return _COLOUR.sub("", value) if "\x1b" in value else value


def brief(value: str, limit: int = TEXT_LIMIT) -> str:
    """One line of at most ``limit`` characters, for people; control characters become blanks.

    Cut at a blank, whatever that costs: this comes before redaction, which does not recognise half of a secret.
    """
    if len(value) <= limit and value.isprintable() and value == value.strip() and "  " not in value:
        return value  # the usual case, and cheap: programs print millions of lines
    line = " ".join("".join(char if char.isprintable() else " " for char in plain(value[: 4 * limit])).split())
    if len(line) <= limit and len(value) <= 4 * limit:
        return line
    return (line[: limit - 1].rpartition(" ")[0] + " …").lstrip()
