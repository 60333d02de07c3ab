"""One kind of lock: ``flock`` on a file that is never removed.

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
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wf_cli import fsio, sharing, system_errors
from wf_cli.anchored import StrPath
from wf_cli.errors import FileTrouble, LockTrouble, NotALock, Temporary
from wf_cli.frozen import frozen

#: Seconds a command waits for a busy lock before it gives up with exit code 75.
DEFAULT_TIMEOUT = 30.0
#: Seconds between two tries to take a busy lock.
_POLL = 0.02
#: What flock answers when another process has the lock. SMB says EACCES.
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
#: What flock answers where there are no locks: mounts without a lock service, file systems without the call.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})

_held = threading.local()


@frozen
class Rights:
    """Those of a new lock file, so that whoever may write its folder can take the lock."""

    mode: int
    #: None where the folder hands its group on.
    group: int | None
    #: Whether a new file has them at once, because the umask takes nothing of ``mode``.
    at_birth: bool

    @classmethod
    def of(cls, folder: Path) -> Rights:
        """What ``folder`` and this process's umask say now. Raises OSError, FileNotFoundError among them."""
        above = os.stat(folder)
        mode = stat.S_IMODE(above.st_mode) & 0o666 | 0o600
        group = None if above.st_mode & stat.S_ISGID else above.st_gid
        return cls(mode, group, fsio.is_born_so(mode, group))


def _mine() -> dict[str, int]:
    if not hasattr(_held, "depth"):
        _held.depth = {}
    depth: dict[str, int] = _held.depth
    return depth


@contextlib.contextmanager
def hold(path: StrPath, *, timeout: float = DEFAULT_TIMEOUT) -> Iterator[None]:
    """Hold the lock ``path`` for the block, as `take` says."""
    let_go = take(path, timeout=timeout)
    try:
        yield
    finally:
        let_go()


def take(path: StrPath, *, timeout: float = DEFAULT_TIMEOUT, rights: Rights | None = None) -> Callable[[], None]:
    """Take the lock ``path``; the result lets it go, in the same thread. A thread that holds it takes it once more.

    Two threads of one process exclude each other like two processes. Whoever may write the folder can take the lock.
    ``rights`` are those of its folder, where they are known already; that saves looks at the folder.
    Raises Temporary when another holder keeps it for ``timeout`` seconds, LockTrouble when it cannot be taken at all
    (NotALock when what lies there is none), FileNotFoundError when its folder is missing.
    """
    key, depth = os.path.abspath(path), _mine()
    if key in depth:
        depth[key] += 1

        def leave() -> None:
            depth[key] -= 1

        return leave
    end = 0.0
    while (slot := try_slot(path, rights)) is None:
        now = time.monotonic()
        end = end or now + timeout
        if now >= end:
            raise Temporary(
                f"{path} is held by another process for more than {timeout:g} s",
                hint="wait for the other wf command, or look for one that hangs",
                code="LOCK_BUSY",
                path=str(path),
            )
        time.sleep(min(_POLL, end - now))
    depth[key] = 1

    def let_go() -> None:
        del depth[key]
        slot.unlock()

    return let_go


@contextlib.contextmanager
def hold_in_project(root: Path, name: str, *, timeout: float = DEFAULT_TIMEOUT) -> Iterator[None]:
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
    with hold(folder / f"{name}.lock", timeout=timeout):
        yield


class Slot:
    """A lock that may be handed to a child: it stays taken while any process has its descriptor open."""

    def __init__(self, fd: int, path: StrPath):
        self.fd = fd
        self.path = path

    def close(self) -> None:
        """Let go of our share; taken again by others only when every inheritor has closed its own."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def unlock(self) -> None:
        """Free the lock, whoever else has the descriptor: a process that is forked just now has it for a moment."""
        import fcntl

        with contextlib.suppress(OSError):  # The close frees it then.
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        self.close()


def try_slot(path: StrPath, rights: Rights | None = None) -> Slot | None:
    """Take the lock ``path`` without waiting; None when another process has it. ``rights`` as in `take`.

    Raises LockTrouble when it cannot be taken at all: then nothing is known about a holder. Raises FileNotFoundError
    when its folder is missing.
    """
    import fcntl

    while True:
        try:
            fd = _open(path, rights)
        except OSError as error:
            raise _unusable(error, Path(path)) from error
        except ValueError as error:
            raise _not_a_lock(Path(path)) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            info = os.fstat(fd)
            if info.st_nlink:
                _widen(fd, info, path, rights)
                return Slot(fd, path)
        except OSError as error:
            os.close(fd)
            if error.errno in _TAKEN:
                return None
            raise _unusable(error, Path(path)) from error
        os.close(fd)  # Somebody removed the file before we had its lock, and others may lock a new one.


def _open(path: StrPath, rights: Rights | None) -> int:
    """A descriptor of the lock file, which is made if it is missing. ValueError when it is no regular file."""
    if rights is not None and rights.at_birth:
        return fsio.open_or_create(path, os.O_RDWR, rights.mode)
    try:
        return fsio.open_regular(path, os.O_RDWR)
    except FileNotFoundError:
        rights = rights or Rights.of(Path(path).parent)
    fd = fsio.create(Path(path), mode=rights.mode, group=rights.group)
    return fsio.open_regular(path, os.O_RDWR) if fd is None else fd


def _widen(fd: int, info: os.stat_result, path: StrPath, rights: Rights | None) -> None:
    """Let whoever may write the folder take a lock file of ours that its group may not write.

    An earlier version made lock files that only their owner could take. A file with another name stays as it is: that
    may be a private file of ours, to which somebody gave a name here by a hard link.
    """
    if info.st_mode & stat.S_IWGRP or info.st_uid != os.geteuid() or info.st_nlink > 1:
        return
    if rights is not None and not rights.mode & ~info.st_mode:
        return
    above = os.stat(os.path.dirname(path))
    missing = stat.S_IMODE(above.st_mode) & 0o666 & ~info.st_mode
    if missing:
        sharing.settle(fd, stat.S_IMODE(info.st_mode) | missing, above.st_gid)


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
    hint = system_errors.remedy(error.errno) or "check the disk or the mount, then try again"
    return LockTrouble(error.errno, text, path, hint=hint)


def _not_a_lock(path: Path) -> NotALock:
    hint = f"somebody put it there; remove it: rm -r {shlex.quote(str(path))}"
    return NotALock(errno.EINVAL, "it is not a regular file, so it cannot be a lock", path, hint=hint)
