"""How plans and epics are numbered, named and referred to.

An entry of ``plans/`` or ``epics/`` counts when its name starts with two ASCII digits and a dash. Numbers above 99
have three or more digits (``100-slug``). Such a name counts only when the entry is a folder with a ``state.json``,
because a folder that a person called ``2024-notes`` must not push the numbering to 2025.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

_TWO_DIGITS = re.compile(r"([0-9]{2})-")
_MORE_DIGITS = re.compile(r"([1-9][0-9]{2,})-")
_REFERENCE = re.compile(r"([0-9]{1,2}|[1-9][0-9]{2,})(?:\Z|-)")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NUMBER_PREFIX = re.compile(r"[0-9]+-")


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Numbered = TypeVar("_Numbered", bound=_HasId)


@dataclass(frozen=True, order=True)
class Entry:
    """One numbered name. ``id`` is its digits (``01``, ``100``)."""

    name: str
    id: str


def entries(directory: Path) -> list[Entry]:
    """The numbered entries of ``directory``, sorted by name; none when there is no such folder."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entry for name in names if (entry := _entry(directory, name)) is not None)


def _entry(directory: Path, name: str) -> Entry | None:
    if match := _TWO_DIGITS.match(name):
        return Entry(name, match.group(1))
    if (match := _MORE_DIGITS.match(name)) and (directory / name / "state.json").is_file():
        return Entry(name, match.group(1))
    return None


def resolve(known: Sequence[Entry], reference: str) -> Entry | None:
    """The entry meant by a full name, ``1``, ``01``, ``01-`` or ``01-anything``; None when there is none.

    When several entries share a number, the lexicographically first is meant.
    """
    for entry in known:
        if entry.name == reference:
            return entry
    match = _REFERENCE.match(reference)
    if match is None:
        return None
    wanted = match.group(1).zfill(2)
    return min((entry for entry in known if entry.id == wanted), default=None)


def ids(known: Sequence[Entry]) -> list[str]:
    """The ids in use, each once, in order of number."""
    return sorted({entry.id for entry in known}, key=int)


def shared(numbered: Iterable[_Numbered]) -> dict[str, tuple[_Numbered, ...]]:
    """The numbers that several of ``numbered`` (sorted by name) have, each with its entries.

    A person's reference by number means the first of them.
    """
    by_number: dict[str, list[_Numbered]] = {}
    for one in numbered:
        by_number.setdefault(one.id, []).append(one)
    return {number: tuple(sharing) for number, sharing in by_number.items() if len(sharing) > 1}


def next_id(known: Sequence[Entry]) -> str:
    """One more than the highest number, at least two digits. Only meaningful under the numbering lock."""
    return f"{max((int(entry.id) for entry in known), default=0) + 1:02d}"


def slug(name: str) -> str:
    """``name`` as part of a folder name; may be empty."""
    return _NOT_SLUG.sub("-", name.lower()).strip("-")


def slug_of(entry_name: str) -> str:
    """The folder name without its number."""
    return _NUMBER_PREFIX.sub("", entry_name, count=1)
