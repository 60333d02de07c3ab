"""The system calls of a piece of work, recorded in process, and done again in a bare loop: its floor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: The calls of ``os`` that are recorded when they concern a file.
_NAMES = (
    "open", "close", "read", "write", "fsync", "rename", "replace", "link", "unlink", "stat", "lstat", "fstat",
    "listdir", "scandir", "mkdir", "rmdir", "chmod", "fchmod", "fchown", "utime",
)  # fmt: skip


class Recording:
    """The calls on files below one folder, and on the descriptors opened there, in their order."""

    def __init__(self, root: Path):
        self._root = os.path.realpath(root)
        self._lock = threading.RLock()
        #: Number of the open that gave a descriptor, while that is open.
        self._opened: dict[int, int] = {}
        self._opens = 0
        #: The real function, its arguments, and the number of the open whose descriptor is the first of them.
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...], int | None]] = []

    def __len__(self) -> int:
        return len(self.calls)

    def _below(self, path: Any) -> bool:
        text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        return str(text).startswith(self._root)

    def note(self, name: str, real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Do the call, and record it if it is about the folder."""
        first = args[0] if args else None
        if isinstance(first, int):
            with self._lock:
                number = self._opened.pop(first, None) if name == "close" else self._opened.get(first)
                if number is not None:
                    self.calls.append((real, args[1:], number))
            return real(*args)
        if not self._below(first):
            return real(*args)
        with self._lock:
            self.calls.append((real, tuple(str(a) if isinstance(a, os.PathLike) else a for a in args), None))
            if name != "open":
                return real(*args)
            number, self._opens = self._opens, self._opens + 1
            fd = real(*args)
            self._opened[fd] = number
            return fd

    def prepared(self, root: Path) -> Callable[[], None]:
        """A bare loop that does the same calls below ``root``, which has to look as the first folder did before."""
        here = os.path.realpath(root)

        def moved(value: Any) -> Any:
            if isinstance(value, str) and value.startswith(self._root):
                return here + value[len(self._root) :]
            return bytes(value) if isinstance(value, memoryview) else value

        calls = [(real, tuple(moved(a) for a in args), number) for real, args, number in self.calls]
        opens = os.open

        def loop() -> None:
            fds: list[int] = []
            for real, args, number in calls:
                try:
                    if number is not None:
                        real(fds[number], *args)
                    elif real is opens:
                        fds.append(-1)
                        fds[-1] = real(*args)
                    else:
                        real(*args)
                except OSError:
                    continue  # The work met the same answer: a file that was not there, say.

        return loop


@contextmanager
def recording(root: Path) -> Iterator[Recording]:
    """Record the calls of the block."""
    recorded = Recording(root)
    real = {name: getattr(os, name) for name in _NAMES}
    real_lock = fcntl.flock

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            return function(*args, **more) if more else recorded.note(name, function, args)

        return call

    with contextlib.ExitStack() as undo:
        for name, function in real.items():
            setattr(os, name, wrapped(name, function))
            undo.callback(setattr, os, name, function)
        fcntl.flock = wrapped("flock", real_lock)
        undo.callback(setattr, fcntl, "flock", real_lock)
        yield recorded
