"""Counting what a piece of code lists and opens, as the interpreter's audit events tell it.

An event names no folder that was given as a descriptor. Such calls are counted where they are made.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from support.stand_ins import stand_in


@dataclass
class Lookings:
    """Paths below a root, relative to it, and how often each was listed or opened."""

    listed: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)


_watched: list[tuple[int, str, Lookings]] = []
_hooked = False
_counted = threading.local()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watched or event not in ("os.listdir", "os.scandir", "open") or getattr(_counted, "already", False):
        return
    # A folder is opened to reach what is in it, or to list it, which has an event of its own.
    if isinstance(args[0], str | os.PathLike) and not (event == "open" and (args[2] or 0) & os.O_DIRECTORY):
        _count(event, os.path.abspath(os.fspath(args[0])))


def _count(event: str, path: str) -> None:
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

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        resolve = stand_in(name, lambda path, *_args, **_options: os.path.abspath(path))

        def call(*args: Any, **options: Any) -> Any:
            by_descriptor = options.get("dir_fd") is not None or (bool(args) and isinstance(args[0], int))
            if not by_descriptor:
                return real(*args, **options)
            if name != "open" or not args[1] & os.O_DIRECTORY:
                _count("open" if name == "open" else f"os.{name}", resolve(*args, **options))
            _counted.already = True
            try:
                return real(*args, **options)
            finally:
                _counted.already = False

        return call

    entry = (threading.get_ident(), os.path.abspath(root), found)
    _watched.append(entry)
    calls = {name: counting(name, getattr(os, name)) for name in ("open", "listdir", "scandir")}
    try:
        with mock.patch.multiple(os, **calls):
            yield found
    finally:
        _watched.remove(entry)
