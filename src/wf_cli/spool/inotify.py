"""Linux' inotify through the C library: one instance, and one watch for each folder that is asked for.

Other systems use watchdog. On Linux watchdog watches a tree folder by folder, and passes over the folders for which
the kernel has no watch left without telling its caller. Before its version 7 it makes an instance and two threads for
each folder that is named on its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path

_CREATE, _MOVED_TO = 0x100, 0x80
_IGNORED, _IS_DIR = 0x8000, 0x40000000
_ONLY_DIR, _DO_NOT_FOLLOW = 0x01000000, 0x02000000
_MASK = _CREATE | _MOVED_TO | _ONLY_DIR | _DO_NOT_FOLLOW
#: Watch, mask, cookie and the length of the name behind it.
_EVENT = struct.Struct("iIII")
_BUFFER = 65536


class Inotify:
    """Calls ``on_file(folder, name)`` from a thread of its own for each file that appears in a watched folder.

    ``folder`` is the key that `watch` was given. Events that the kernel dropped because too many waited are not made
    good. Raises OSError when there is no instance: EMFILE (this user's, or this process' descriptors), ENOSYS.
    """

    def __init__(self, on_file: Callable[[str, str], None]):
        self._on_file = on_file
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._instance = _checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            self._ended, self._end = os.pipe()
        except OSError:
            os.close(self._instance)
            raise
        self._folders: dict[int, str] = {}
        self._thread = threading.Thread(target=self._read, name="wf-inotify", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> set[str]:
        """The keys of the folders that are watched now. A folder that was removed or unmounted is watched no more."""
        return set(self._folders.values())

    def watch(self, folder: str, path: Path) -> None:
        """Watch the folder at ``path``. Raises OSError: ENOSPC when this user has no watches left."""
        number = _checked(self._libc.inotify_add_watch(self._instance, os.fsencode(path), ctypes.c_uint32(_MASK)))
        self._folders = {**self._folders, number: folder}

    def close(self) -> None:
        """No call of ``on_file`` begins after this, unless one is under way for more than five seconds."""
        os.write(self._end, b"x")
        self._thread.join(timeout=5)

    def _read(self) -> None:
        ready = select.poll()
        ready.register(self._instance, select.POLLIN)
        ready.register(self._ended, select.POLLIN)
        try:
            while self._ended not in {descriptor for descriptor, _ in ready.poll()}:
                with contextlib.suppress(BlockingIOError):
                    self._hand_on(os.read(self._instance, _BUFFER))
        finally:
            for descriptor in (self._instance, self._ended, self._end):
                os.close(descriptor)

    def _hand_on(self, events: bytes) -> None:
        at = 0
        while at < len(events):
            number, mask, _, length = _EVENT.unpack_from(events, at)
            name = events[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            if mask & _IGNORED:
                self._folders = {key: folder for key, folder in self._folders.items() if key != number}
            elif number in self._folders and name and not mask & _IS_DIR:
                self._on_file(self._folders[number], os.fsdecode(name))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
