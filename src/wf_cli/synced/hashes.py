"""Digests of files, remembered while a file is what it was: same size, times and inode.

The change time counts, because a sync tool gives a new file the old one's modification time. A file that was changed
less than `SETTLED_S` before it was read is not remembered: it may change again within one tick of the disk's clock.
"""

from __future__ import annotations

import json
import os
import stat
import time
import unicodedata
from collections.abc import Callable, Iterable
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.errors import Temporary

SETTLED_S = 2.0
#: Bytes of the memory that are read.
LIMIT = 256 * 1024 * 1024


class Hashes:
    """The digests of one checkout's files. Not for several threads at once."""

    def __init__(self, root: Path, memory: Path, *, go_on: Callable[[], bool] = lambda: True):
        """``memory`` is where digests are kept between processes. ``go_on`` is asked before each file that is read.

        A file may be a placeholder that the sync tool fetches when it is read. So this belongs into a thread that may
        wait, and nothing here is called where a lease is beaten.
        """
        self._root = os.fspath(root)
        self._memory = memory
        self._go_on = go_on
        self._known = self._load()
        self._dirty = False
        #: Whether a folder lies where its path says, and is not reached by a link.
        self._real: dict[str, bool] = {"": True}
        #: How many files were read.
        self.reads = 0

    def of(self, path: str) -> str | None:
        """The digest of what lies at ``path``: of a file's content, or ``l:`` and that of a link's target.

        None when nothing lies there, or something that does not travel: a folder, a pipe, what lies behind a link. A
        name that is not in NFC on the disk is found, too. Raises Temporary when ``go_on`` says no, OSError when a
        file cannot be read.
        """
        found = self._find(path)
        if found is None:
            return None
        path, info = found
        facts = [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
        known = self._known.get(path)
        if known is not None and known[:4] == facts:
            return str(known[4])
        if not self._go_on():
            raise Temporary("reading the files of the checkout took too long", hint="it is tried again")
        full = f"{self._root}/{path}"
        try:
            digest = "l:" + _of_text(os.readlink(full)) if stat.S_ISLNK(info.st_mode) else self._read(full)
            after = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None  # It vanished, or became something else.
        self.reads += 1
        same = facts == [after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino]
        settled = time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns) > SETTLED_S * 1e9
        if same and settled:
            self._known[path] = [*facts, digest]
            self._dirty = True
        elif self._known.pop(path, None) is not None:
            self._dirty = True
        return digest

    def save(self) -> None:
        """Keep what was learned for the next process. A failure costs time only, so none is raised."""
        if self._dirty:
            text = json.dumps(self._known)
            try:
                fsio.write_atomic(self._memory, text, durable=False)
                self._dirty = False
            except OSError:
                return

    def forget_others(self, paths: Iterable[str]) -> None:
        """Forget files that are not in ``paths``, once they are most of the memory: it must not grow for ever.

        Some of them may be listed all the same, as those are that git ignores and a plan's folder has.
        """
        kept = set(paths)
        if len(self._known) > 2 * len(kept) + 1000:
            self._known = {path: known for path, known in self._known.items() if path in kept}
            self._dirty = True

    def _find(self, path: str) -> tuple[str, os.stat_result] | None:
        for form in (path,) if path.isascii() else (path, unicodedata.normalize("NFD", path)):
            folder = form.rpartition("/")[0]
            if not (self._real.get(folder) or self._is_real(folder)):
                continue
            try:
                info = os.lstat(f"{self._root}/{form}")
            except (FileNotFoundError, NotADirectoryError):
                continue
            kind = info.st_mode & 0o170000
            if kind in (stat.S_IFREG, stat.S_IFLNK):
                return form, info
        return None

    def _is_real(self, folder: str) -> bool:
        real = self._real.get(folder)
        if real is None:
            above = folder.rpartition("/")[0]
            try:
                real = self._is_real(above) and stat.S_ISDIR(os.lstat(f"{self._root}/{folder}").st_mode)
            except OSError:
                real = False
            self._real[folder] = real
        return real

    def _read(self, full: str) -> str:
        with os.fdopen(fsio.open_regular(full), "rb") as file:
            return file_digest(file, sha256).hexdigest()

    def _load(self) -> dict[str, list[Any]]:
        """By path size, times, inode and digest, as they were stored (making tuples of them takes long)."""
        try:
            value = json.loads(fsio.read_regular(self._memory, LIMIT))
        except (OSError, ValueError, RecursionError):
            return {}
        whole = isinstance(value, dict) and all(type(one) is list and len(one) == 5 for one in value.values())
        return value if whole else {}


def _of_text(target: str) -> str:
    return sha256(os.fsencode(unicodedata.normalize("NFC", target))).hexdigest()
