"""One kind of lock: ``flock`` on a file that is never removed.

The kernel lets go of it when its process ends, however that ends, so nothing stale is ever left behind.
It excludes other hosts where the file system forwards flock (NFS, SMB, GlusterFS), and this host only on
sshfs. Never falls back to a marker file.

Not through filelock, because that takes paths as a whole and would follow a link in the place of ``locks/``
(`wf_cli.anchored`), and because no lock of it outlives its process in a child, as a slot does in the launcher.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from wf_cli import anchored, fsio, sharing
from wf_cli.errors import FileTrouble, LockTrouble, NotALock, Temporary

#: Seconds a command waits for a busy lock before it gives up with exit code 75.
DEFAULT_TIMEOUT = 30.0
#: Seconds between two tries while another process has the lock.
_POLL = 0.05
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
    Raises Temporary when another holder keeps it for ``timeout`` seconds, LockTrouble when it cannot be taken at all
    (NotALock when what lies there is none).
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
    fd = _open(path)
    try:
        end = time.monotonic() + timeout
        while not _take(fd, path):
            if time.monotonic() >= end:
                raise Temporary(
                    f"{path} is held by another process for more than {timeout:g} s",
                    hint="wait for the other wf command, or look for one that hangs",
                    code="LOCK_BUSY",
                    path=str(path),
                )
            time.sleep(min(_POLL, max(0.0, end - time.monotonic())))
        depth[key] = 1
        try:
            yield
        finally:
            del depth[key]
            _let_go(fd)
    finally:
        os.close(fd)


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

    Raises LockTrouble when the slot cannot be taken at all: then nothing is known about a holder.
    """
    fd, taken = _open(path), False
    try:
        taken = _take(fd, path)
    finally:
        if not taken:
            os.close(fd)
    return Slot(fd, path) if taken else None


def _open(path: Path) -> int:
    """A descriptor of the lock file, which is made if it is missing. Raises LockTrouble."""
    try:
        _make_ready(path)
        return fsio.open_regular(path, os.O_RDWR)
    except OSError as error:
        raise _unusable(error, path) from error
    except ValueError as error:
        raise _not_a_lock(path) from error


def _take(fd: int, path: Path) -> bool:
    """Try to lock ``fd``; False when another process, or another thread, has it. Raises LockTrouble."""
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise _unusable(error, path) from error
    return True


def _let_go(fd: int) -> None:
    """Unlock ``fd`` also for a child that was forked meanwhile, and has the descriptor too."""
    import fcntl

    with contextlib.suppress(OSError):  # Closing it frees the lock, too.
        fcntl.flock(fd, fcntl.LOCK_UN)


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


def _not_a_lock(path: Path) -> NotALock:
    hint = f"somebody put it there; remove it: rm -r {shlex.quote(str(path))}"
    return NotALock(errno.EINVAL, "it is not a regular file, so it cannot be a lock", path, hint=hint)
