"""Calls of the system that follow no link below a guarded root, whatever others put there meanwhile.

Whoever may write a spool may put a link in the place of one of its folders, at any moment. The system follows that
link in a path that it gets as a whole, and a file is read, written or moved somewhere else. So each folder below a
guarded root (`guard`) is opened as what it is (``O_DIRECTORY | O_NOFOLLOW``), one after the other, and the call is
made by the descriptor of the last one. No descriptor is kept between two calls, so a folder that was removed and made
again is noticed at once, and a file system can be unmounted.

The root itself may be reached by links. Paths that lie below no guarded root go to the system as they are. Where the
system takes no descriptor of a folder (Windows), the folders are looked at before each call, and a link that is put
there in between is followed.

The functions have the names of those of `os` and raise what those raise, with whole paths in their errors. Besides
they raise LinkedFolder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from wf_cli.errors import LinkedFolder

#: A path as text, or as a Path, which takes some microseconds longer.
StrPath = str | Path

#: Roots, as text. Entries stay, because a process has few.
_guarded: set[str] = set()

_BY_DESCRIPTOR = {os.open, os.rename, os.link, os.unlink, os.mkdir, os.rmdir, os.stat} <= os.supports_dir_fd
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
#: To pass through a folder. With O_PATH it is not opened on the server of a network mount, only looked up.
_PASS = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)


def guard(root: Path) -> None:
    """From now on this process follows no link below ``root``."""
    _guarded.add(os.fspath(root))


def _folders(path: str) -> list[str]:
    """The folders between the guarded root and ``path``, ``path`` itself included, outermost first; none when it lies
    below no guarded root."""
    found: list[str] = []
    while path:
        found.append(path)
        path = path.rpartition(os.sep)[0]
        if path in _guarded:
            return found[::-1]
    return []


def _opened(folders: list[str], flags: int) -> int:
    """A descriptor of the last of ``folders``, each of which lies in the one before. Raises LinkedFolder."""
    above: int | None = None
    for folder in folders:
        inside, name = above, folder if above is None else folder.rpartition(os.sep)[2]
        try:
            above = os.open(name, flags if folder is folders[-1] else _PASS, dir_fd=inside)
        except OSError as error:
            error.filename = folder
            if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EMLINK):
                _assert_real([folder])
            raise
        finally:
            if inside is not None:
                os.close(inside)
    assert above is not None
    return above


def _assert_real(folders: list[str]) -> None:
    """Raises LinkedFolder unless these are folders, or missing."""
    for folder in folders:
        try:
            mode = os.lstat(folder).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(mode):
            raise linked(folder, is_link=stat.S_ISLNK(mode))


def linked(folder: str, *, is_link: bool) -> LinkedFolder:
    """The error of ``folder``, which is a link or no folder at all, with the way out."""
    if not is_link:
        return LinkedFolder(
            errno.ENOTDIR, "it is no folder", Path(folder), hint=f"look at it and remove it: rm {shlex.quote(folder)}"
        )
    target = "somewhere else"
    with contextlib.suppress(OSError):
        target = ascii(os.readlink(folder))[1:-1][:200]
    return LinkedFolder(
        errno.ENOTDIR,
        f"it is a link (to {target}), and inside a spool no link is followed",
        Path(folder),
        hint=f"rm {shlex.quote(folder)}, and move the folder that it meant into its place; for a larger disk move "
        "the whole spool, which may be a link itself",
    )


class _Way:
    """How a call reaches ``path``: ``name`` in the open folder ``fd``, or the whole path where ``fd`` is None."""

    __slots__ = ("fd", "name", "path")

    def __init__(self, path: StrPath):
        self.path = text = os.fspath(path)
        self.name, self.fd = text, None
        folders = _folders(text.rpartition(os.sep)[0]) if _guarded else []
        if folders and _BY_DESCRIPTOR:
            self.name = text.rpartition(os.sep)[2]
            try:
                self.fd = _opened(folders, _PASS)
            except LinkedFolder:
                raise
            except OSError as error:
                error.filename = text
                raise
        elif folders:
            _assert_real(folders)

    def __enter__(self) -> _Way:
        return self

    def __exit__(self, _kind: type | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if self.fd is None:
            return
        os.close(self.fd)
        if isinstance(error, OSError):
            if error.filename == self.name:
                error.filename = self.path
            if error.filename2 == self.name:
                error.filename2 = self.path


def open(path: StrPath, flags: int, mode: int = 0o777) -> int:
    with _Way(path) as way:
        return os.open(way.name, flags, mode, dir_fd=way.fd)


@contextlib.contextmanager
def inside(folder: StrPath) -> Iterator[Callable[[str, int], int]]:
    """`open` of a name in ``folder`` and its flags, for many names: the folders are gone through once.

    A folder that is removed or replaced meanwhile is noticed at the end only, so this is for short looks that change
    nothing. The names come from a listing, and have no separator in them.
    """
    folders = _folders(os.fspath(folder)) if _guarded else []
    if not folders or not _BY_DESCRIPTOR:
        yield lambda name, flags: open(os.path.join(folder, name), flags)
        return
    fd = _opened(folders, _PASS)
    try:
        yield lambda name, flags: os.open(name, flags, dir_fd=fd)
    finally:
        os.close(fd)


def lstat(path: StrPath) -> os.stat_result:
    with _Way(path) as way:
        return os.lstat(way.name, dir_fd=way.fd)


def is_folder(path: StrPath) -> bool:
    """Whether ``path`` is a folder. A link to one counts outside of guarded roots only.

    Raises OSError when the disk does not tell.
    """
    try:
        return stat.S_ISDIR((lstat(path) if _folders(os.fspath(path)) else os.stat(path)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def assert_folder(path: StrPath) -> None:
    """Raises LinkedFolder when ``path`` lies below a guarded root, and is something else than a folder."""
    if _folders(os.fspath(path)):
        with _Way(path):
            _assert_real([os.fspath(path)])


def unlink(path: StrPath) -> None:
    with _Way(path) as way:
        os.unlink(way.name, dir_fd=way.fd)


def mkdir(path: StrPath, mode: int = 0o777) -> None:
    with _Way(path) as way:
        os.mkdir(way.name, mode, dir_fd=way.fd)


def rmdir(path: StrPath) -> None:
    with _Way(path) as way:
        os.rmdir(way.name, dir_fd=way.fd)


def rename(source: StrPath, target: StrPath) -> None:
    with _Way(source) as one, _Way(target) as other:
        os.rename(one.name, other.name, src_dir_fd=one.fd, dst_dir_fd=other.fd)


def replace(source: StrPath, target: StrPath) -> None:
    with _Way(source) as one, _Way(target) as other:
        os.replace(one.name, other.name, src_dir_fd=one.fd, dst_dir_fd=other.fd)


def link(source: StrPath, target: StrPath) -> None:
    with _Way(source) as one, _Way(target) as other:
        as_it_is = one.fd is None and other.fd is None
        os.link(one.name, other.name, src_dir_fd=one.fd, dst_dir_fd=other.fd, follow_symlinks=as_it_is)


def open_folder(path: StrPath) -> int:
    """A descriptor of the folder ``path``, to list or sync it. A link is followed outside of guarded roots only."""
    folders = _folders(os.fspath(path)) if _guarded else []
    if folders and _BY_DESCRIPTOR:
        return _opened(folders, _FOLDER | os.O_RDONLY)
    _assert_real(folders)
    return os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))


def _by_descriptor(path: StrPath) -> bool:
    """Whether the folder ``path`` is listed by a descriptor. Raises LinkedFolder where it can only be looked at."""
    folders = _folders(os.fspath(path)) if _guarded else []
    if folders and not _BY_DESCRIPTOR:
        _assert_real(folders)
        return False
    return bool(folders)


def listdir(path: StrPath) -> list[str]:
    if not _by_descriptor(path):
        return os.listdir(path)
    fd = open_folder(path)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def scandir(path: StrPath) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of a folder, which have no more than their names in ``path``."""
    if not _by_descriptor(path):
        with os.scandir(path) as entries:
            yield entries
        return
    fd = open_folder(path)
    try:
        with os.scandir(fd) as entries:
            yield entries
    finally:
        os.close(fd)
