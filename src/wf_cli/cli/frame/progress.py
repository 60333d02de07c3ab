"""How far a long command is: one line on a terminal, drawn over and over, and gone at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from wf_cli.cli.frame import output
from wf_cli.cli.frame.foreground import in_foreground
from wf_cli.cli.frame.screen import is_screen

#: Seconds until the first line, so that short work shows none, and between two of them.
FIRST, EVERY = 0.5, 0.1


class Progress:
    """`__call__` is told how much is done, and of how much. Nothing is written with ``wf -q`` or
    where stderr is no terminal, and nothing while this process is not in its foreground.

    As a context manager it takes its line away at the end, also when the work is broken off.
    """

    def __init__(self, what: str, stream: TextIO | None = None):
        self._what = what
        self._stream = stream or sys.stderr
        shown = is_screen(self._stream) and output.level() > output.Level.QUIET
        self._next = time.monotonic() + FIRST if shown else float("inf")
        self._width = 0

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        if not in_foreground(self._stream):
            self._width = 0  # The shell has the terminal, and another line of it.
            return
        line = f"{self._what}: {done:,} of {of:,}"
        self._stream.write(f"\r{line:<{self._width}}")
        self._stream.flush()
        self._width = len(line)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._width and in_foreground(self._stream):
            self._stream.write(f"\r{'':<{self._width}}\r")
            self._stream.flush()
