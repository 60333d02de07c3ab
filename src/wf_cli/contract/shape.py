"""The shape of a JSON value, checked by hand: what the published schemas ask of records, without their price.

A JSON Schema check of one record costs as much as reading twenty, and importing the library more than all of typer.
So records check themselves, and a property test holds these checks to ``schemas/*.schema.json``. The schema is still
asked to explain a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from wf_cli.errors import ContractError


class WrongShape(ContractError):
    """A value does not have the shape of its record. ``where`` is the key path."""

    code = "WRONG_SHAPE"

    def __init__(self, where: str, what: str):
        super().__init__(f"{where or '(top)'}: {what}")
        self.where = where


def object_(value: Any, where: str = "", required: Collection[str] = ()) -> Mapping[str, Any]:
    """``value`` as an object that has all ``required`` keys."""
    if not isinstance(value, dict):
        raise WrongShape(where, "is not an object")
    for key in required:
        if key not in value:
            raise WrongShape(where, f"{key!r} is missing")
    return value


def text(value: Any, where: str, pattern: re.Pattern[str] | None = None, *, longest: int | None = None) -> str:
    """``value`` as text that ``pattern`` fits as a whole, of at most ``longest`` characters."""
    if not isinstance(value, str):
        raise WrongShape(where, "is not text")
    if longest is not None and len(value) > longest:
        raise WrongShape(where, f"is longer than {longest} characters")
    if pattern is not None and pattern.fullmatch(value) is None:
        raise WrongShape(where, f"{value[:80]!r} is not of its form")
    return value


def whole(value: Any, where: str, low: int, high: int) -> int:
    """``value`` as a whole number from ``low`` to ``high``. 1.0 is one, as in JSON Schema; true is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise WrongShape(where, "is not a whole number")
    if not low <= value <= high:
        raise WrongShape(where, f"{value} is not from {low} to {high}")
    return int(value)


def number(value: Any, where: str) -> int | float:
    """``value`` as a number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongShape(where, "is not a number")
    if value < 0:
        raise WrongShape(where, f"{value} is less than 0")
    return value


def one_of(value: Any, where: str, words: Collection[str]) -> str:
    """``value`` as one of ``words``."""
    if not isinstance(value, str) or value not in words:
        raise WrongShape(where, f"{value!r:.80} is none of {', '.join(sorted(words))}")
    return value


def exactly(value: Any, where: str, expected: int) -> None:
    """``value`` is the number ``expected``."""
    if isinstance(value, bool) or value != expected:
        raise WrongShape(where, f"{value!r:.80} is not {expected}")
