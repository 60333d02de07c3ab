"""A parser for the usage lines of contract commands. It tells which words and options may stand where.

Usage lines such as ``wf epic run <epic> [--follow] [--auto-workers|--no-auto-workers] [--json]`` are written for
people. Completion reads them, because every contract command has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from wf_cli.frozen import frozen

_PART = re.compile(r"\[(?P<optional>(?:[^\]\"]|\"[^\"]*\")*)\]|\"(?P<quoted>[^\"]*)\"|(?P<plain>\S+)")


@frozen
class Usage:
    """One usage line. A place is ``<kind>``, or the words that may stand there: ``on|off``."""

    places: tuple[str, ...]
    #: The name of each option's value; None for a flag.
    options: Mapping[str, str | None]

    def fits(self, words: Sequence[str]) -> bool:
        """Whether a line may begin with these positional ``words``."""
        if len(words) > len(self.places):
            return False
        return all(kind_of(p) or w in p.split("|") for p, w in zip(self.places, words, strict=False))


def kind_of(place: str) -> str | None:
    """``plan`` of ``<plan>``; None for a place that takes fixed words."""
    return place[1:-1] if place.startswith("<") and place.endswith(">") else None


def read(line: str) -> Usage:
    """Parse a line that begins with ``wf <command>``. Text after three blanks is an explanation and is dropped."""
    places: list[str] = []
    options: dict[str, str | None] = {}
    waiting: str | None = None  # an option outside brackets, whose value may follow
    for match in list(_PART.finditer(line.split("   ")[0]))[2:]:
        optional, text = match["optional"], match["quoted"] or match["plain"] or ""
        if optional is not None and optional.startswith("--"):
            names, _, value = optional.partition(" ")
            options |= dict.fromkeys(names.split("|"), value or None)
            waiting = None
        elif optional is None and text.startswith("--"):
            options[text], waiting = None, text
        elif waiting is not None:
            options[waiting], waiting = text, None
        else:
            places.append(optional or text)
    return Usage(tuple(places), options)
