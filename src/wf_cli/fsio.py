"""Every change wf makes to the disk: write whole, publish exclusively, rename, sync.

Return codes lie on network file systems: a retried rename says ENOENT and a retried link EEXIST, and it
was us. A cached lookup may still say no (NFS), and so may a cached listing (sshfs). So after any error the verdict
comes from a fresh ``listdir`` of the destination, then from a lookup there, and from the content, never from errno.

Assumption: source and destination of a rename lie in one file system.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import stat
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from wf_cli import anchored, ids, sharing
from wf_cli.anchored import StrPath
from wf_cli.errors import StateError
from wf_cli.seams import step

_P = TypeVar("_P", str, Path)
_HAS_FULLFSYNC = hasattr(__import__("fcntl"), "F_FULLFSYNC") if os.name == "posix" else False
#: Seconds in which an open that says EINVAL is tried again (`_open`). An SMB client keeps a closed file open for one
#: second, unless its mount says otherwise (closetimeo).
_OTHER_NAME_S = 3.0
#: Bytes read at once from a file whose size is not known.
_CHUNK = 1024 * 1024


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


def sync_dir(path: StrPath) -> None:
    """The names in ``path`` are on stable storage when this returns (no-op where directories cannot be opened)."""
    if os.name == "nt":
        return
    fd = anchored.open_folder(path)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems cannot sync a directory at all (EINVAL): the server decides there.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            error.filename = str(path)
            raise
    finally:
        os.close(fd)


def write_new(path: StrPath, data: bytes, *, durable: bool, mode: int | None = None) -> None:
    """Create ``path`` with ``data``; nothing remains of it when that fails (a full disk leaves empty files).

    ``mode`` counts past the umask. Without it the umask decides, and in a shared folder (`wf_cli.sharing`) the group
    gets the folder's rights.
    """
    fd = anchored.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode)
    try:
        try:
            if mode is None:
                sharing.let_group(fd, os.path.dirname(path))
            else:  # open's mode is cut by the umask
                sharing.settle(fd, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                sync_file(fd)
        finally:
            os.close(fd)  # NFS reports a failed write here
    except OSError as error:
        with contextlib.suppress(OSError):
            anchored.unlink(path)
        if error.filename is None:  # write and fsync know a descriptor only; people need the path
            error.filename = str(path)
        raise


def write_atomic(
    path: Path, data: bytes | str, *, durable: bool = True, parents: bool = True, mode: int | None = None
) -> None:
    """Replace ``path`` as a whole: a reader, or a crash at any moment, sees the old file or the new one.

    A link of that name is replaced too, and its target stays as it was (`write_through` is for people's files).
    Does not exclude other writers: hold the lock of what the file belongs to. ``parents`` are created. ``mode``
    counts past the umask. Without it the new file has the mode of the one that it replaces, or that of `write_new`.
    """
    if parents:
        sharing.make_folders(path.parent)
    raw = data.encode() if isinstance(data, str) else data
    part = path.with_name(f".{path.name}.{ids.nonce()}.part")
    try:
        write_new(part, raw, durable=durable, mode=_mode_of(path) if mode is None else mode)
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(path)  # Nobody asked for the part.
        raise
    step("fsio.part-written")
    try:
        anchored.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            anchored.unlink(part)
        if not raw or not _holds(path, raw):  # A lost reply: the file was replaced.
            raise
    step("fsio.replaced")
    if durable:
        sync_dir(path.parent)


def _mode_of(path: Path) -> int | None:
    """The mode of the regular file ``path``; None when there is none, or it cannot be had."""
    with contextlib.suppress(OSError):
        info = anchored.lstat(path)
        return info.st_mode & 0o777 if stat.S_ISREG(info.st_mode) else None
    return None


def write_through(path: Path, data: bytes | str, *, durable: bool = True, parents: bool = True) -> None:
    """`write_atomic` of a person's file, which may be a symbolic link: the link stays, and its target is replaced.

    A person's files are read through links, so they are written through them too. The spool's files never are. A
    byte order mark at the beginning stays, because readers get the text without it (`decode_text`). Raises
    StateError for a link to what cannot be replaced: no regular file, a link to itself, a folder that is missing.
    """
    target = Path(os.path.realpath(path))
    if os.path.islink(path):
        wrong = _no_target(target)
        if wrong is not None:
            raise StateError(
                f"{path} is a link to {os.readlink(path)}, and {wrong}",
                hint="correct the link or remove it, then run the command again",
                path=str(path),
            )
    raw = data.encode() if isinstance(data, str) else data
    if not raw.startswith(codecs.BOM_UTF8) and _has_mark(target):
        raw = codecs.BOM_UTF8 + raw
    write_atomic(target, raw, durable=durable, parents=parents)


def _has_mark(path: Path) -> bool:
    """Whether the file begins with a byte order mark. False for one that cannot be read: it has no text to keep."""
    try:
        fd = open_regular(path)
    except (OSError, ValueError):
        return False
    with os.fdopen(fd, "rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _no_target(target: Path) -> str | None:
    """Why the end of a link cannot be replaced by a regular file; None when it can."""
    try:
        info = os.lstat(target)
    except FileNotFoundError:
        return None if target.parent.is_dir() else f"there is no folder {target.parent}"
    if stat.S_ISLNK(info.st_mode):
        return "the links go round in a circle"
    return None if stat.S_ISREG(info.st_mode) else f"{target} is no regular file"


def decode_text(data: bytes) -> str:
    """The text of a file that people write, without a byte order mark. Raises ValueError unless it is UTF-8.

    The message says what the file seems to be, and what helps. UTF-16 of plain words decodes as UTF-8, too, with a
    NUL in every second place, so NULs at the beginning count as UTF-16.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise ValueError("it is not UTF-8, it looks like UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start} fits no character); save it as UTF-8") from error


def json_text(value: Any) -> str:
    """The one JSON form of files for people: two blanks, no escapes, no final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """`write_through` of `json_text`."""
    write_through(path, json_text(value), durable=durable)


def read_json_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``; None when there is no such file; StateError when it is anything else.

    A byte order mark is read.
    """
    try:
        text = decode_text(read_regular(path, follow=True))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not a regular file
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


def names(directory: StrPath) -> list[str]:
    """What is listed in ``directory`` now. Names only, no stat; raises FileNotFoundError when it is gone."""
    return anchored.listdir(directory)


def exists(path: StrPath) -> bool:
    """Whether something has the name ``path`` now. Raises OSError when the disk does not tell, which is no "no"."""
    try:
        anchored.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder, or outside of spools a link to one. Raises OSError as `exists` does."""
    return anchored.is_folder(path)


def facts(path: StrPath) -> os.stat_result:
    """What the system knows of the name ``path``; of a link, of the link itself. Raises OSError."""
    return anchored.lstat(path)


def listed(directory: StrPath, name: str) -> bool:
    """Whether a fresh listing of ``directory`` shows ``name`` (a lookup may answer from a stale cache)."""
    return name in anchored.listdir(directory)


def _is_there(path: StrPath) -> bool:
    """Whether a listing or a lookup shows ``path``, after an answer that may be wrong.

    The listing comes first, because it refreshes what lookups know of the directory (NFS). Where listings are the
    older ones (sshfs), the lookup shows a name that the listing does not. Raises OSError when a look fails.
    """
    return listed(*os.path.split(path)) or exists(path)


class Moved(Enum):
    """What is known after a rename."""

    #: The system said so.
    DONE = "done"
    #: The system said no, and the target exists: a reply was lost, or somebody else made it.
    THERE = "there"
    #: Neither exists.
    GONE = "gone"


def try_move(source: StrPath, target: StrPath) -> Moved:
    """Rename. ``target`` must be a name that only this transition can make.

    Raises what the system says when nothing is known (EIO, EROFS, ...), and then the caller must not go on.
    """
    try:
        anchored.rename(source, target)
    except OSError as error:
        if _is_there(target):
            return Moved.THERE
        if isinstance(error, FileNotFoundError):
            return Moved.GONE
        raise
    return Moved.DONE


def move(source: StrPath, target: StrPath) -> bool:
    """`try_move`; True when ``target`` exists afterwards, whoever moved it; False when ``source`` was gone."""
    return try_move(source, target) is not Moved.GONE


def publish(part: StrPath, target: StrPath) -> bool:
    """Give ``part`` the second name ``target``, if nobody has that yet. True when the file there is ours.

    ``part`` stays. After any error the content at ``target`` decides, because errors of link say little: a retried
    link says EEXIST of its own work, sshfs says EPERM for it, and after EIO, ESTALE, ETIMEDOUT or ENOENT the link may
    have been made. Each published file carries a nonce, so equal bytes are ours. Raises the error of link when
    nothing has the name.
    """
    try:
        anchored.link(part, target)
    except OSError as error:
        mine = read_regular(part)
        theirs = _what_is_there(target, len(mine))
        if theirs is None:
            raise error
        return theirs == mine
    return True


def _what_is_there(path: StrPath, limit: int) -> bytes | None:
    """The content of ``path``; None when nothing has that name; no bytes for what is no such file.

    A lookup may answer from a cache that knows of no such name. A listing refreshes that cache, so the second look
    tells (NFS). Where listings are the older ones (sshfs) the first look tells.
    """
    for again in (False, True):
        if again and not listed(*os.path.split(path)):
            return None
        try:
            # Never a plain read, because what lies there may be a FIFO or a link (invariant 7).
            return read_regular(path, limit)
        except FileNotFoundError:
            continue
        except ValueError:
            return b""
    return None


def _holds(path: StrPath, data: bytes) -> bool:
    """Whether ``data`` is the content of ``path``. False when that cannot be told."""
    try:
        return _what_is_there(path, len(data)) == data
    except OSError:
        return False


def make_folder(path: Path) -> None:
    """Make the folder ``path``, with the rights that the umask gives; one that exists stays as it is.

    Raises LinkedFolder for a link under its name inside a spool, and the system's error when it cannot be made.
    """
    try:
        anchored.mkdir(path)
    except OSError:
        anchored.assert_folder(path)
        if not anchored.is_folder(path):
            raise


def unlink_quietly(path: StrPath) -> bool:
    """Remove ``path``; False when it was gone already, which is fine. Raises what the system says when it is still
    there, or when that cannot be told."""
    try:
        anchored.unlink(path)
    except FileNotFoundError:
        return False
    except OSError:
        if _is_there(path):
            raise
    return True


def create(path: Path, *, mode: int, group: int | None = None) -> int | None:
    """Make the empty file ``path``, if there is none, with ``mode`` past the umask and with ``group`` (None: that of
    a file made there).

    The file has both when it appears under its name, so no other user meets it with too few rights. A descriptor that
    reads and writes it, where it was made under its own name; else None, and it has to be opened.
    """
    if is_born_so(mode, group):
        # A file that has all of it at once needs no other name before.
        try:
            fd = anchored.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            return None
        return _settled(fd, mode, group)
    part = path.with_name(f".{path.name}.{ids.nonce()}.part")
    with discarding(part):
        # It is closed before it gets its name: an SMB server refuses opens by another name (`_open`).
        fd = anchored.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        os.close(_settled(fd, mode, group))
        try:
            anchored.link(part, path)
        except OSError as error:
            if _is_there(path):
                return None  # Another process was faster, or the answer was wrong.
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            # A file system without hard links (FAT, exFAT) has no owners and modes either.
            os.close(anchored.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode))
    return None


def is_born_so(mode: int, group: int | None = None) -> bool:
    """Whether a new file has all of ``mode``, because the umask takes nothing of it, and ``group`` (None: any)."""
    return not mode & sharing.umask() and group in (None, os.getegid())


def _settled(fd: int, mode: int, group: int | None = None) -> int:
    """``fd``, after its file got ``mode`` and ``group``; it is closed when that fails."""
    try:
        sharing.settle(fd, mode, group)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open(path: StrPath, flags: int, mode: int) -> int:
    """`os.open` of a file that may have a second name.

    An SMB server ties the lease of an open file to its name. While this host has a file open under one name, or
    closed it a moment ago, an open by another name is refused with EINVAL. Published files have another name for a
    while, the one of their part.
    """
    end = time.monotonic() + _OTHER_NAME_S
    while True:
        try:
            return anchored.open(path, flags, mode)
        except OSError as error:
            if error.errno != errno.EINVAL or time.monotonic() > end:
                raise
        time.sleep(0.05)


def open_regular(path: StrPath, flags: int = os.O_RDONLY, *, follow: bool = False) -> int:
    """A descriptor of the regular file ``path``; ValueError for links, devices, pipes and folders.

    This is the one way in which a file of a shared folder is opened, because a hostile name there may be a symbolic
    link or a FIFO (invariant 7): no link is followed (unless ``follow`` asks for it), and nothing blocks. ``flags``
    must not create the file.
    """
    return _opened_regular(path, flags | (0 if follow else os.O_NOFOLLOW))


def open_or_create(path: StrPath, flags: int, mode: int) -> int:
    """`open_regular`; a missing file is made, empty and with ``mode``, of which the umask takes its part."""
    return _opened_regular(path, flags | os.O_CREAT | os.O_NOFOLLOW, mode)


def _opened_regular(path: StrPath, flags: int, mode: int = 0) -> int:
    try:
        fd = _open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            raise ValueError(f"{path} is not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError(f"{path} is not a regular file")
    return fd


def open_append(path: Path, *, mode: int | None = None, for_others: bool = False) -> int:
    """A descriptor that appends to the regular file ``path``, which is made when it is missing.

    ``mode`` counts past the umask; without it the umask decides. A new file gets it right after it was made, or
    before it has its name, where others append to it, too (``for_others``).

    ValueError as `open_regular` says, and for a file that has another name too: whoever may write the folder can give
    somebody else's file a name in it (a hard link).
    """
    if mode is not None and for_others and not is_born_so(mode):
        try:
            return _open_to_append(path)
        except FileNotFoundError:
            fd = create(path, mode=mode)  # Another user never meets it with too few rights.
        if fd is not None:
            os.close(fd)
        return _open_to_append(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        fd = anchored.open(path, flags, 0o666 if mode is None else mode)
    except FileExistsError:
        return _open_to_append(path)
    return fd if mode is None else _settled(fd, mode)


def _open_to_append(path: Path) -> int:
    """A descriptor that appends to a regular file that exists, and has this name only."""
    tries = 5
    while True:
        fd = open_regular(path, os.O_WRONLY | os.O_APPEND)
        if os.fstat(fd).st_nlink <= 1:
            return fd
        os.close(fd)
        tries -= 1
        if not tries:
            raise ValueError(f"{path} is also known by another name")
        time.sleep(0.02)  # RACE: it may have its first name for a moment yet (`create`).


def read_regular(path: StrPath, limit: int | None = None, *, follow: bool = False) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; ValueError for giants, and as `open_regular` says."""
    return read_with_info(path, limit, follow=follow)[0]


def read_with_info(path: StrPath, limit: int | None = None, *, follow: bool = False) -> tuple[bytes, os.stat_result]:
    """The same, with the facts about the file that was read, whatever has its name meanwhile."""
    fd = open_regular(path, follow=follow)
    try:
        info = os.fstat(fd)
        most = info.st_size if limit is None else min(info.st_size, limit)
        data = os.read(fd, most + 1)
        if len(data) != info.st_size:  # It grows or shrinks meanwhile, or its size is not told.
            while (limit is None or len(data) <= limit) and (more := os.read(fd, _CHUNK)):
                data += more
    finally:
        os.close(fd)
    if limit is not None and len(data) > limit:
        raise ValueError(f"{path} is larger than {limit} bytes")
    return data, info


@contextlib.contextmanager
def discarding(part: _P) -> Iterator[_P]:
    """``part`` is removed at the end, whatever happened."""
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            anchored.unlink(part)
