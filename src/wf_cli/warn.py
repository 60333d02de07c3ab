"""Warnings of code below the commands, which has no output of its own."""

from __future__ import annotations

import sys

_silent = False
_said: set[str] = set()


def silence(*, silent: bool) -> None:
    """Say whether warnings are left out from now on, in this process (``wf -q``)."""
    global _silent
    _silent = silent


def once(line: str) -> None:
    """Print a warning on stderr, once in a process. Raises OSError and ValueError as print does."""
    if _silent or line in _said:
        return
    _said.add(line)
    print(f"warning: {line}", file=sys.stderr)
