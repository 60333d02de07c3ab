"""Counts the calls below a folder that each cost a round trip where that folder lies on a network file system.

``close`` and ``fstat`` cost none: the one is sent along or not at all, and an open brings the facts of its file. To
pass through a folder (``O_PATH``) costs none either: it is the lookup that a whole path makes, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: With a path, or with a descriptor that was opened below the folder.
_CALLS = (
    "open", "stat", "lstat", "listdir", "scandir", "rename", "replace", "link", "unlink", "mkdir", "rmdir", "chmod",
    "utime", "read", "write", "fsync", "fchmod", "fchown", "statvfs",
)  # fmt: skip


@dataclass
class RoundTrips:
    """``calls`` are as ``open locks/j.lock``, in order."""

    calls: list[str] = field(default_factory=list)

    def by_folder(self) -> Counter[str]:
        """How many there were in each folder; ``.`` is the root itself."""
        return Counter(call.partition(" ")[2].partition("/")[0] for call in self.calls)


@contextmanager
def counted(root: Path) -> Iterator[RoundTrips]:
    """The round trips of all threads of this process during the block."""
    base, found, opened, lock = os.path.realpath(root), RoundTrips(), dict[int, str](), threading.RLock()

    def inside(value: Any, folder: int | None) -> str | None:
        if isinstance(value, int):
            return opened.get(value)
        text = os.fsdecode(value) if isinstance(value, str | bytes | os.PathLike) else ""
        if folder is not None:
            return os.path.normpath(os.path.join(opened[folder], text)) if folder in opened else None
        return os.path.relpath(text, base) if text == base or text.startswith(base + os.sep) else None

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            with lock:
                path = inside(args[0], more.get("dir_fd", more.get("src_dir_fd"))) if args else None
                if path is not None and not (name == "open" and args[1] & os.O_PATH):
                    found.calls.append(f"{name} {path}")
            answer = real(*args, **more)
            if name == "open" and path is not None:
                opened[answer] = path
            return answer

        return call

    def close(fd: int) -> None:
        opened.pop(fd, None)
        real_close(fd)

    real_close, real_flock = os.close, fcntl.flock
    with contextlib.ExitStack() as undo:
        for name in _CALLS:
            undo.callback(setattr, os, name, getattr(os, name))
            setattr(os, name, wrapped(name, getattr(os, name)))
        undo.callback(setattr, os, "close", real_close)
        os.close = close
        undo.callback(setattr, fcntl, "flock", real_flock)
        fcntl.flock = wrapped("flock", real_flock)
        yield found
