"""The system calls of a piece of work, recorded in process, and done again in a bare loop: its floor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The calls of ``os`` that are recorded when they concern a file.
_NAMES = (
    "open", "close", "read", "write", "fsync", "rename", "replace", "link", "unlink", "stat", "lstat", "fstat",
    "listdir", "scandir", "mkdir", "rmdir", "chmod", "fchmod", "fchown", "utime",
)  # fmt: skip


#: Keywords that hold the descriptor of a folder.
_FOLDERS = ("dir_fd", "src_dir_fd", "dst_dir_fd")


@dataclass(frozen=True, slots=True)
class _Descriptor:
    """Stands for a descriptor in the arguments of a recorded call: the one that the open of this number gave."""

    number: int


class Recording:
    """The calls on files below one folder, and on the descriptors opened there, in their order."""

    def __init__(self, root: Path):
        self._root = os.path.realpath(root)
        self._lock = threading.RLock()
        #: Number of the open that gave a descriptor, while that is open.
        self._opened: dict[int, int] = {}
        self._opens = 0
        self.calls: list[tuple[Callable[..., Any], list[Any], dict[str, Any]]] = []

    def __len__(self) -> int:
        return len(self.calls)

    def note(self, name: str, real: Callable[..., Any], args: tuple[Any, ...], more: dict[str, Any]) -> Any:
        """Do the call, and record it if it is about the folder."""
        with self._lock:
            known, concerned = [], False
            for key, value in [*enumerate(args), *more.items()]:
                found = self._known(value, descriptor=key == 0 or key in _FOLDERS)
                concerned = concerned or found is not value
                known.append((key, found))
            if not concerned:
                return real(*args, **more)
            self.calls.append(
                (real, [v for k, v in known if isinstance(k, int)], {k: v for k, v in known if isinstance(k, str)})
            )
            if name == "close":
                self._opened.pop(args[0], None)
            if name != "open":
                return real(*args, **more)
            number, self._opens = self._opens, self._opens + 1
            fd = real(*args, **more)
            self._opened[fd] = number
            return fd

    def _known(self, value: Any, *, descriptor: bool) -> Any:
        """``value`` in a form that can be done again elsewhere, if it is a path or a descriptor below the folder."""
        if descriptor and isinstance(value, int) and value in self._opened:
            return _Descriptor(self._opened[value])
        if isinstance(value, str | os.PathLike) and os.fspath(value).startswith(self._root):
            return Path(value)
        return value

    def prepared(self, root: Path) -> Callable[[], None]:
        """A bare loop that does the same calls below ``root``, which has to look as the first folder did before."""
        here = os.path.realpath(root)

        def moved(value: Any) -> Any:
            if isinstance(value, Path):
                return here + str(value)[len(self._root) :]
            return bytes(value) if isinstance(value, memoryview) else value

        #: Each call, and which of its arguments are descriptors: by place or name, and by the number of their open.
        calls = []
        for real, args, more in self.calls:
            places = [(i, v.number) for i, v in enumerate(args) if isinstance(v, _Descriptor)]
            names = [(k, v.number) for k, v in more.items() if isinstance(v, _Descriptor)]
            calls.append((real, [moved(v) for v in args], {k: moved(v) for k, v in more.items()}, places, names))
        opens = os.open

        def loop() -> None:
            fds: list[int] = []
            for real, args, more, places, names in calls:
                for i, number in places:
                    args[i] = fds[number]
                for key, number in names:
                    more[key] = fds[number]
                try:
                    if real is opens:
                        fds.append(-1)
                        fds[-1] = real(*args, **more)
                    else:
                        real(*args, **more)
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
            return recorded.note(name, function, args, more)

        return call

    with contextlib.ExitStack() as undo:
        for name, function in real.items():
            setattr(os, name, wrapped(name, function))
            undo.callback(setattr, os, name, function)
        fcntl.flock = wrapped("flock", real_lock)
        undo.callback(setattr, fcntl, "flock", real_lock)
        yield recorded
