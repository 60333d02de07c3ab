"""Reading a file that grows, from where the last look stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from wf_cli import fsio

#: Bytes read at once.
_CHUNK = 1024 * 1024


class GrowingFile:
    """What another process appends to ``path``, line by line. Another file under this name is read from its start.

    A line that has more than ``longest`` bytes comes in pieces, because it must not fill the memory.
    """

    def __init__(self, path: Path, *, longest: int = _CHUNK):
        self._path = path
        self._longest = longest
        self._inode = -1
        self._offset = 0
        self._rest = b""

    def lines(self) -> Iterator[bytes]:
        """The lines completed since the last call. OSError, or ValueError for what is not a regular file."""
        with os.fdopen(fsio.open_regular(self._path), "rb") as file:
            info = os.fstat(file.fileno())
            if info.st_ino != self._inode or info.st_size < self._offset:
                self._inode, self._offset, self._rest = info.st_ino, 0, b""
            file.seek(self._offset)
            while chunk := file.read(_CHUNK):
                self._offset += len(chunk)
                *complete, self._rest = (self._rest + chunk).split(b"\n")
                yield from complete
                if len(self._rest) > self._longest:
                    piece, self._rest = self._rest, b""
                    yield piece

    def rest(self) -> bytes:
        """The beginning of a line whose end has not come; the next call of `lines` goes on behind it."""
        rest, self._rest = self._rest, b""
        return rest
