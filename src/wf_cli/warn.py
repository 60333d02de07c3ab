"""Warnings of code below the commands, which has no output of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable


class TroubleLine(str):
    """A line about something that went wrong, in what is said on the way; other lines are progress."""

    __slots__ = ()


def _on_stderr(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)


_tell: Callable[[str], None] = _on_stderr
_said: set[str] = set()


def to(tell: Callable[[str], None] | None) -> None:
    """Hand warnings to ``tell`` from now on, in this process; to stderr with None."""
    global _tell
    _tell = tell or _on_stderr


def once(line: str) -> None:
    """Tell a warning, once in a process. Raises OSError and ValueError as print does."""
    if line not in _said:
        _said.add(line)
        _tell(line)
