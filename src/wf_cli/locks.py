"""One kind of lock: ``flock`` on a file that is never removed, through filelock.

The kernel lets go of it when its process ends, however that ends, so nothing stale is ever left behind.
It excludes other hosts where the file system forwards flock (NFS, SMB, GlusterFS), and this host only on
sshfs. Never falls back to a marker file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from wf_cli import anchored, fsio, sharing
from wf_cli.errors import FileTrouble, LockTrouble, Temporary

#: Seconds a command waits for a busy lock before it gives up with exit code 75.
DEFAULT_TIMEOUT = 30.0
#: What flock answers when another process has the lock. SMB says EACCES.
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
#: What flock answers where there are no locks: mounts without a lock service, file systems without the call.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})

_held = threading.local()


def _mine() -> dict[str, int]:
    if not hasattr(_held, "depth"):
        _held.depth = {}
    depth: dict[str, int] = _held.depth
    return depth


@contextlib.contextmanager
def hold(path: Path, *, timeout: float = DEFAULT_TIMEOUT) -> Iterator[None]:
    """Hold the lock ``path`` for the block; a thread that holds it already just goes on.

    Two threads of one process exclude each other like two processes. Whoever may write the folder can take the lock.
    Raises Temporary when another holder keeps it for ``timeout`` seconds, LockTrouble when it cannot be taken at all.
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
    try:
        _make_ready(path)
        with anchored.for_library(path) as reached:
            lock = FileLock(reached, timeout=timeout, fallback_to_soft=False, preserve_lock_file=True)
            lock.acquire()
    except Timeout as error:
        raise Temporary(
            f"{path} is held by another process for more than {timeout:g} s",
            hint="wait for the other wf command, or look for one that hangs",
            code="LOCK_BUSY",
            path=str(path),
        ) from error
    except OSError as error:
        raise _unusable(error, path) from error
    depth[key] = 1
    try:
        yield
    finally:
        del depth[key]
        lock.release()


@contextlib.contextmanager
def hold_in_project(root: Path, name: str) -> Iterator[None]:
    """`hold` the lock ``name`` of the project at ``root``. Whoever may write the project can take it."""
    folder = root / ".wf" / "locks"
    sharing.make_folder(folder, like=root)
    sharing.pass_on(folder.parent)  # An earlier version made it for its own user alone.
    above = os.stat(root)
    sharing.widen(folder, stat.S_IMODE(above.st_mode), above.st_gid)
    marker = folder / ".gitignore"
    if not os.path.lexists(marker):
        with contextlib.suppress(OSError):  # It keeps the folder, and itself, out of version control: comfort only.
            fsio.write_atomic(marker, "*\n", durable=False)
    with hold(folder / f"{name}.lock"):
        yield


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
    """Take the slot lock ``path`` without waiting; None when another process has it.

    Not through filelock, whose locks cannot outlive their process in a child, as a slot does in the launcher. Raises
    LockTrouble when the slot cannot be taken at all: then nothing is known about a holder.
    """
    import fcntl

    try:
        _make_ready(path)
        fd = fsio.open_regular(path, os.O_RDWR)
    except OSError as error:
        raise _unusable(error, path) from error
    except ValueError as error:
        raise _not_a_lock(path) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in _TAKEN:
            return None
        raise _unusable(error, path) from error
    return Slot(fd, path)


def _make_ready(path: Path) -> None:
    """Make the lock file if it is missing, and let whoever may write its folder take it.

    An earlier version made lock files that only their owner could take. The owner's next command mends them.
    """
    sharing.make_folder(path.parent)
    mode = sharing.mode_in(path.parent)
    try:
        info = anchored.lstat(path)
    except FileNotFoundError:
        fsio.create(path, mode=mode, group=os.stat(path.parent).st_gid)
        return
    if not stat.S_ISREG(info.st_mode):
        raise _not_a_lock(path)
    sharing.widen(path, mode, os.stat(path.parent).st_gid)


def _unusable(error: OSError, path: Path) -> OSError:
    """What is said of a lock that cannot be taken, by the reason; a vanished folder stays what it is."""
    if isinstance(error, LockTrouble | FileNotFoundError):
        return error
    if error.errno in _NO_LOCKS:
        return LockTrouble(
            error.errno,
            f"its file system gives no locks ({error.strerror}), so wf cannot exclude other processes there",
            path,
            hint="mount it with locks (NFS: version 4, or a running lock service and no option nolock), or use "
            "another file system (spool.dir in wf.config moves the spool; `wf doctor --fs-probe` tries a folder out)",
        )
    known = sharing.explained(error, path)
    if isinstance(known, FileTrouble):
        return LockTrouble(known.errno, known.strerror or "", Path(known.filename), hint=known.hint)
    text = f"the lock cannot be taken: {error.strerror or error}"
    return LockTrouble(error.errno, text, path, hint="check the disk or the mount, then try again")


def _not_a_lock(path: Path) -> LockTrouble:
    hint = f"somebody put it there; remove it: rm -r {shlex.quote(str(path))}"
    return LockTrouble(errno.EINVAL, "it is not a regular file, so it cannot be a lock", path, hint=hint)
