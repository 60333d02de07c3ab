"""Counting what a piece of code lists and opens, as the interpreter's audit events tell it."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Lookings:
    """Paths below a root, relative to it, and how often each was listed or opened."""

    listed: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)


_watched: list[tuple[int, str, Lookings]] = []
_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if (
        not _watched
        or event not in ("os.listdir", "os.scandir", "open")
        or not isinstance(args[0], str | os.PathLike)
    ):
        return
    path = os.path.abspath(os.fspath(args[0]))
    for thread, root, found in _watched:
        if thread == threading.get_ident() and path.startswith(root + os.sep):
            counter = found.opened if event == "open" else found.listed
            counter[os.path.relpath(path, root)] += 1


@contextmanager
def lookings(root: Path) -> Iterator[Lookings]:
    """What this thread lists and opens below ``root`` inside the block."""
    global _hooked
    if not _hooked:  # an audit hook stays for good
        sys.addaudithook(_hook)
        _hooked = True
    found = Lookings()
    entry = (threading.get_ident(), os.path.abspath(root), found)
    _watched.append(entry)
    try:
        yield found
    finally:
        _watched.remove(entry)
