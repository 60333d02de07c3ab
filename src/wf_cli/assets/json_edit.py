"""Adding one entry to a JSON file of the user's, as text: everything that was there stays as it was written.

Numbers, escapes, line ends, indentation, a byte order mark: whatever a reader and a writer of JSON would normalise is
not touched, because only the new entry is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from wf_cli import fsio
from wf_cli.contract import plain_json
from wf_cli.frozen import frozen

_BLANK = re.compile(r"[ \t\r\n]*")
_MARK = "\ufeff"


@frozen
class _Object:
    """Where an object stands in the text: its braces, and its members' keys and values."""

    begin: int
    end: int
    members: Mapping[str, tuple[int, int, int]]  # key -> where the key begins, where the value begins and ends


def decode(data: bytes) -> str:
    """The text of a file, with its byte order mark. Raises ValueError as `fsio.decode_text` does."""
    return (_MARK if data.startswith(_MARK.encode()) else "") + fsio.decode_text(data)


def parse(text: str) -> dict[str, Any]:
    """The object in ``text``, which may begin with a byte order mark. Raises ValueError, which says what is wrong.

    What another reader would not understand, or not as one value, is refused: comments, a key twice, half of a
    surrogate pair, a number too large.
    """
    try:
        value = plain_json.loads(text.removeprefix(_MARK))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def added(text: str, section: str, name: str, entry: Mapping[str, Any]) -> str:
    """``text`` with ``entry`` as the last of the object ``section``, which is made when it is missing.

    ``text`` is one that `parse` takes, ``section`` is an object there or missing, and it has no ``name`` yet.
    """
    mark = _MARK if text.startswith(_MARK) else ""
    bare = text.removeprefix(_MARK)
    newline = "\r\n" if "\r\n" in bare else "\n"
    top = _object(bare, _skip(bare, 0))
    unit = _indentation(bare, top) or "  "
    if section not in top.members:
        return mark + _with_member(bare, top, section, {name: entry}, "", unit, newline)
    key, begin, _ = top.members[section]
    inner = _object(bare, begin)
    outer = _line_start(bare, key)
    return mark + _with_member(bare, inner, name, entry, outer, unit, newline)


def _with_member(text: str, where: _Object, key: str, value: Any, outer: str, unit: str, newline: str) -> str:
    """``text`` with one more member at the end of the object ``where``, whose own line is indented by ``outer``."""
    if not where.members:
        indent = outer + unit
        written = f"{newline}{indent}{_member(key, value, indent, unit, newline)}{newline}{outer}"
        return text[: where.begin + 1] + written + text[where.end :]
    last = max(end for _, _, end in where.members.values())
    first = min(begin for begin, _, _ in where.members.values())
    if "\n" not in text[where.begin : first]:  # All in one line.
        blank = text[where.begin + 1 : first] or " "
        return f"{text[:last]},{blank}{json.dumps({key: value}, ensure_ascii=False)[1:-1]}{text[last:]}"
    indent = _line_start(text, first)
    return f"{text[:last]},{newline}{indent}{_member(key, value, indent, unit, newline)}{text[last:]}"


def _member(key: str, value: Any, indent: str, unit: str, newline: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{json.dumps(key)}: {(newline + indent).join(lines)}"


def _object(text: str, begin: int) -> _Object:
    """The object whose brace stands at ``begin`` of a text that is known to be JSON."""
    decoder, members = json.JSONDecoder(), {}
    at = _skip(text, begin + 1)
    while text[at] != "}":
        key, after = decoder.raw_decode(text, at)
        value = _skip(text, _skip(text, after) + 1)
        _, end = decoder.raw_decode(text, value)
        members[key] = (at, value, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return _Object(begin, at, members)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _line_start(text: str, at: int) -> str:
    """The blanks at the beginning of the line of ``at``."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indentation(text: str, top: _Object) -> str:
    """The indentation that the file has; empty without one."""
    first = min((begin for begin, _, _ in top.members.values()), default=None)
    return _line_start(text, first) if first is not None and "\n" in text[top.begin : first] else ""
