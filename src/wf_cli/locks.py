"""One kind of lock: ``flock`` on a file that is never removed, through filelock.

The kernel lets go of it when its process ends, however that ends, so nothing stale is ever left behind.
It excludes other hosts where the file system forwards flock (NFS, SMB, GlusterFS), and this host only on
sshfs. Never falls back to a marker file.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from wf_cli.errors import Temporary

#: Seconds a command waits for a busy lock before it gives up with exit code 75.
DEFAULT_TIMEOUT = 30.0

_held = threading.local()


def _mine() -> dict[str, int]:
    if not hasattr(_held, "depth"):
        _held.depth = {}
    depth: dict[str, int] = _held.depth
    return depth


@contextlib.contextmanager
def hold(path: Path, *, timeout: float = DEFAULT_TIMEOUT, mode: int = 0o644) -> Iterator[None]:
    """Hold the lock ``path`` for the block; a thread that holds it already just goes on.

    Raises Temporary when another holder keeps it for ``timeout`` seconds. Two threads of one process
    exclude each other like two processes. ``mode`` is that of a new lock file, past the umask: other users
    can take the lock only if they may write it.
    """
    key = os.path.abspath(path)
    depth = _mine()
    if key in depth:
        depth[key] += 1
        try:
            yield
        finally:
            depth[key] -= 1
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(key, timeout=timeout, fallback_to_soft=False, preserve_lock_file=True, mode=mode)
    try:
        lock.acquire()
    except Timeout as error:
        raise Temporary(
            f"{path} is held by another process for more than {timeout:g} s",
            hint="wait for the other wf command, or look for one that hangs",
            code="LOCK_BUSY",
            path=str(path),
        ) from error
    depth[key] = 1
    try:
        yield
    finally:
        del depth[key]
        lock.release()


class Slot:
    """A lock that may be handed to a child: it stays taken while any process has its descriptor open."""

    def __init__(self, fd: int, path: Path):
        self.fd = fd
        self.path = path

    def close(self) -> None:
        """Let go of our share; taken again by others only when every inheritor has closed its own."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def try_slot(path: Path) -> Slot | None:
    """Take the slot lock ``path`` without waiting; None when it is taken.

    Not through filelock, whose locks cannot outlive their process in a child (DESIGN section 4, launcher).
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return Slot(fd, path)
