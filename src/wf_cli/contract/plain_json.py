"""JSON that every later step can store, print and hand over: I-JSON (RFC 7493), checked where a value comes in.

Python's reader takes more: ``Infinity``, numbers too large for a double, a key twice (one value is dropped), half of
a surrogate pair. Such a value would be accepted at the door and fail inside, or be printed as no JSON.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from wf_cli.contract import text

#: Half of a surrogate pair, as it is or escaped. Whole pairs that are escaped match, too, and lose nothing.
_HALF_PAIR = re.compile(r"[\ud800-\udfff]|\\ud[89a-f]", re.IGNORECASE)
#: Integers from here on are no finite double (IEEE 754 binary64).
_TOO_LARGE = 2**1024


def loads(document: str) -> Any:
    """The value in ``document``. Raises ValueError, or RecursionError, that says what is wrong and where."""
    value = json.loads(
        document, parse_constant=_constant, parse_float=_finite, object_pairs_hook=_object_without_repetition
    )
    check(value)
    return value


def check(value: Any, where: str = "") -> None:
    """Raise ValueError unless ``value`` can be written as I-JSON. ``where`` is the path to it, for the message."""
    place = f" at {where}" if where else ""
    if isinstance(value, str):
        for character in value:
            if "\ud800" <= character <= "\udfff":
                raise ValueError(f"half of a surrogate pair (\\u{ord(character):04x}){place}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON{place}")
    elif isinstance(value, int):
        if abs(value) >= _TOO_LARGE:  # Other readers have doubles only, as `_finite` has for 1e999.
            raise ValueError(f"a number of {value.bit_length()} bits is too large{place}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check(key, where)
            check(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            check(inner, f"{where}[{i}]")


def printable(value: Any) -> Any:
    """``value`` as it can be stored and printed. Records of older versions and the words of agents may hold more.

    A number that JSON has not becomes a word, and half of a surrogate pair a question mark.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {printable(key): printable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [printable(inner) for inner in value]
    return value


def dumps(value: Any, **options: Any) -> str:
    """`json.dumps` that always prints JSON, see `printable`. What could act on a terminal is escaped (`text`)."""
    try:
        document = json.dumps(value, allow_nan=False, **options)
        if _HALF_PAIR.search(document) is None:
            return text.in_json(document)
    except ValueError:
        pass
    return text.in_json(json.dumps(printable(value), allow_nan=False, **options))


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is too large for a number")
    return value


def _object_without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} stands twice")
    return out
