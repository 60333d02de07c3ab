"""Every change wf makes to the disk: write whole, publish exclusively, rename, sync.

Return codes lie on network file systems: a retried rename says ENOENT and a retried link EEXIST, and it
was us; a cached lookup may still say no. So after any error the verdict comes from a fresh ``listdir``
of the destination, and from the content there, never from errno or ``exists()``.

Assumption: source and destination of a rename lie in one file system.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wf_cli import ids
from wf_cli.errors import StateError
from wf_cli.seams import step

_HAS_FULLFSYNC = hasattr(__import__("fcntl"), "F_FULLFSYNC") if os.name == "posix" else False


def sync_file(fd: int) -> None:
    """The data of ``fd`` is on stable storage when this returns. macOS needs F_FULLFSYNC for that."""
    if _HAS_FULLFSYNC:
        import fcntl

        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined, unused-ignore]
            return
        except OSError:  # not every file system knows it; fsync is then the best there is
            pass
    os.fsync(fd)


def sync_dir(path: Path) -> None:
    """The names in ``path`` are on stable storage when this returns (no-op where directories cannot be opened)."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems cannot sync a directory at all (EINVAL): the server decides there.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            error.filename = str(path)
            raise
    finally:
        os.close(fd)


def write_new(path: Path, data: bytes, *, durable: bool, mode: int = 0o666) -> None:
    """Create ``path`` with ``data``; nothing remains of it when that fails (a full disk leaves empty files)."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            if mode != 0o666:  # open's mode is cut by the umask
                os.fchmod(fd, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                sync_file(fd)
        finally:
            os.close(fd)  # NFS reports a failed write here
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        if error.filename is None:  # write and fsync know a descriptor only; people need the path
            error.filename = str(path)
        raise


def write_atomic(path: Path, data: bytes | str, *, durable: bool = True, parents: bool = True) -> None:
    """Replace ``path`` as a whole: a reader, or a crash at any moment, sees the old file or the new one.

    Does not exclude other writers: hold the lock of what the file belongs to. ``parents`` are created.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{ids.nonce()}.part")
    write_new(part, data.encode() if isinstance(data, str) else data, durable=durable)
    step("fsio.part-written")
    try:
        with contextlib.suppress(OSError):  # keep the mode of what is replaced, where that can be had
            os.chmod(part, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    step("fsio.replaced")
    if durable:
        sync_dir(path.parent)


def json_text(value: Any) -> str:
    """The one JSON form of files for people: two blanks, no escapes, no final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """`write_atomic` of `json_text`."""
    write_atomic(path, json_text(value), durable=durable)


def read_json_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``; None when there is no such file; StateError when it is anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"cannot read {path}: {error}", path=str(path)) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StateError(
            f"{path} is not valid JSON: {error}",
            hint="repair the file or restore it from version control",
            path=str(path),
        ) from error
    if not isinstance(value, dict):
        raise StateError(f"{path} holds no JSON object", hint="repair the file", path=str(path))
    return value


def names(directory: Path) -> list[str]:
    """What is listed in ``directory`` now. Names only, no stat; raises FileNotFoundError when it is gone."""
    return os.listdir(directory)


def listed(directory: Path, name: str) -> bool:
    """Whether a fresh listing of ``directory`` shows ``name`` (a lookup may answer from a stale cache)."""
    return name in os.listdir(directory)


def move(source: Path, target: Path) -> bool:
    """Rename; True when ``target`` exists afterwards, whoever moved it; False when ``source`` was gone.

    ``target`` must be a name that only this transition can make. Raises what the system says when
    neither holds (EIO, EROFS, ...): then nothing is known, and the caller must not go on.
    """
    try:
        os.rename(source, target)
    except OSError as error:
        if listed(target.parent, target.name):
            return True
        if isinstance(error, FileNotFoundError):
            return False
        raise
    return True


def publish(part: Path, target: Path) -> bool:
    """Give ``part`` the second name ``target``, if nobody has that yet. True when the file there is ours.

    ``part`` stays. The content decides when the answer was EEXIST: a retried link says so of its own work
    (each published file carries a nonce, so equal bytes are ours).
    """
    try:
        os.link(part, target)
    except OSError as error:
        # sshfs says EPERM where others say EEXIST; both mean: look.
        if error.errno not in (errno.EEXIST, errno.EPERM, errno.EIO):
            raise
        if not listed(target.parent, target.name):
            raise
        mine = part.read_bytes()
        try:
            # Never a plain read: what lies there may be a FIFO or a link (invariant 7).
            return read_regular(target, len(mine)) == mine
        except ValueError:
            return False
    return True


def unlink_quietly(path: Path) -> None:
    """Remove ``path``; gone already is fine."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; ValueError for links, devices, pipes, giants.

    Opened without following a link and without blocking: a hostile name in a shared folder may be a
    symbolic link or a FIFO (invariant 7).
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise ValueError(f"{path} is not a regular file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"{path} is not a regular file")
        with os.fdopen(fd, "rb", closefd=False) as file:  # of a directory it raises, and keeps the descriptor
            data = file.read(limit + 1)
    finally:
        os.close(fd)
    if len(data) > limit:
        raise ValueError(f"{path} is larger than {limit} bytes")
    return data


@contextlib.contextmanager
def discarding(part: Path) -> Iterator[Path]:
    """``part`` is removed at the end, whatever happened."""
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
