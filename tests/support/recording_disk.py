"""A file system (FUSE) that notes every change made on it, in order: ``python recording_disk.py BACKING MOUNT LOG``.

Its files lie in the folder BACKING. LOG gets one pickled tuple a change, with numbers for files and folders (0 is the
root), so that `support.power_disk` can tell what a disk held after a power cut at any of them:

- ``("create", folder, name, number, kind)`` with kind ``file`` or ``folder``, ``("link", folder, name, number)``,
  ``("remove", folder, name)``, ``("rename", folder, name, folder, name, number)``;
- ``("write", number, offset, data)``, ``("cut", number, length)``, ``("sync", number)`` of a file or a folder.

It is a program of its own, because a process must not wait for itself in a call on its own mount.
"""

from __future__ import annotations

import errno
import os
import pickle
import sys
from typing import Any, BinaryIO

import mfusepy


class Recording(mfusepy.Operations):  # type: ignore[misc]
    """One thread serves all calls, so their order is the one in the log."""

    use_ns = True

    def __init__(self, backing: str, log: BinaryIO):
        self._backing = backing
        self._log = log
        self._numbers = {os.lstat(backing).st_ino: 0}

    def _real(self, path: str) -> str:
        return self._backing + path

    def _note(self, *change: Any) -> None:
        pickle.dump(change, self._log)
        self._log.flush()

    def _number(self, facts: os.stat_result) -> int:
        return self._numbers[facts.st_ino]

    def _place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._number(os.lstat(self._real(folder))), name

    def _made(self, path: str, facts: os.stat_result, kind: str) -> None:
        number = self._numbers[facts.st_ino] = max(self._numbers.values()) + 1
        self._note("create", *self._place(path), number, kind)

    # -- looks

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        facts = os.fstat(fh) if fh is not None else os.lstat(self._real(path))
        names = ("mode", "ino", "nlink", "size", "uid", "gid")
        times = {f"st_{name}": getattr(facts, f"st_{name}_ns") for name in ("atime", "mtime", "ctime")}
        return {f"st_{name}": getattr(facts, f"st_{name}") for name in names} | times

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        found = [(".", os.lstat(self._real(path)))]
        with os.scandir(self._real(path)) as entries:
            found += [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return [(name, {"st_mode": facts.st_mode, "st_ino": facts.st_ino}, 0) for name, facts in found]

    def opendir(self, path: str) -> int:
        return os.open(self._real(path), os.O_RDONLY | os.O_DIRECTORY)

    def releasedir(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags & ~(os.O_APPEND | os.O_NOFOLLOW))  # The kernel names the offsets.

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def readlink(self, path: str) -> str:
        return os.readlink(self._real(path))

    def statfs(self, path: str) -> dict[str, int]:
        facts = os.statvfs(self._backing)
        return {name: getattr(facts, name) for name in dir(facts) if name.startswith("f_")}

    # -- changes

    def create(self, path: str, mode: int, flags: int) -> int:
        fd = os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._made(path, os.fstat(fd), "file")
        return fd

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._real(path), mode)
        self._made(path, os.lstat(self._real(path)), "folder")
        return 0

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        written = os.pwrite(fh, data, offset)
        self._note("write", self._number(os.fstat(fh)), offset, data[:written])
        return written

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._real(path) if fh is None else fh, length)
        self._note("cut", self._number(os.lstat(self._real(path)) if fh is None else os.fstat(fh)), length)
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._real(path))
        self._note("remove", *self._place(path))
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._real(path))
        self._note("remove", *self._place(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        number = self._number(os.lstat(self._real(old)))
        os.rename(self._real(old), self._real(new))
        self._note("rename", *self._place(old), *self._place(new), number)
        return 0

    def link(self, target: str, source: str) -> int:
        os.link(self._real(source), self._real(target))
        self._note("link", *self._place(target), self._number(os.lstat(self._real(target))))
        return 0

    def symlink(self, target: str, source: str) -> int:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))  # The spool makes none.

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._note("sync", self._number(os.fstat(fh)))
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        return self.fsync(path, datasync, fh)

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._real(path), mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        os.lchown(self._real(path), uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._real(path), ns=times)
        return 0


def main(backing: str, mount: str, log: str) -> None:
    with open(log, "wb") as file:
        # The subtype is one that wf takes for a local disk.
        mfusepy.FUSE(
            Recording(backing, file), mount, foreground=True, nothreads=True, fsname="recording-disk",
            subtype="fuse-overlayfs", attr_timeout=0, entry_timeout=0, negative_timeout=0, hard_remove=True,
            use_ino=True,
        )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
