"""Tells whether anything opened, read, changed or moved a file in folders that nobody has any business in (Linux)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: linux/inotify.h. Opening a folder to list it counts as IN_OPEN of the folder, a look at a name as nothing.
_WHAT = {
    0x1: "read", 0x2: "written", 0x4: "attributes", 0x20: "opened", 0x40: "moved away", 0x80: "moved in",
    0x100: "made", 0x200: "removed",
}  # fmt: skip
_MASK = sum(_WHAT)
_EVENT = struct.Struct("iIII")


class Trespasses:
    """What happened in ``folders`` and below, since the block began. Folders that come later are not watched."""

    def __init__(self, *folders: Path):
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._fd >= 0, os.strerror(ctypes.get_errno())
        self._folders: dict[int, str] = {}
        for folder in folders:
            for place, _, _ in os.walk(folder):
                watch = libc.inotify_add_watch(self._fd, os.fsencode(place), _MASK)
                assert watch >= 0, os.strerror(ctypes.get_errno())
                self._folders[watch] = place

    def close(self) -> None:
        os.close(self._fd)

    def seen(self) -> list[str]:
        """``what: path`` of all that happened since the last call."""
        found = []
        while True:
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, at)
                name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
                at += _EVENT.size + length
                path = os.path.join(self._folders.get(watch, "?"), os.fsdecode(name))
                found += [f"{what}: {path}" for bit, what in _WHAT.items() if mask & bit]


@contextmanager
def trespasses(*folders: Path) -> Iterator[Trespasses]:
    """A `Trespasses` for the block."""
    watch = Trespasses(*folders)
    try:
        yield watch
    finally:
        watch.close()
