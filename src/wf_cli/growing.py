"""Reading a file that grows, from where the last look stopped, with a bounded part of it in memory."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from wf_cli import fsio

#: Bytes read at once, and the longest line.
_CHUNK = 1024 * 1024


class GrowingFile:
    """What another process appends to ``path``, line by line. Another file under this name is read from its start.

    Of a line with more than ``longest`` bytes only the beginning is kept, and how many bytes are left out is said
    behind it (`shortened`), because a line must not fill the memory.
    """

    def __init__(
        self, path: Path, *, longest: int = _CHUNK, begin: Callable[[io.FileIO, int], int] = lambda _file, _size: 0
    ):
        """``begin(file, size)`` gives the offset, at a line's beginning, from which a file is read."""
        self._path = path
        self._begin = begin
        self._longest = longest
        self._inode = -1
        self._offset = 0
        self._rest = b""
        #: Bytes of the line in ``_rest`` that were dropped.
        self._left_out = 0

    def lines(self) -> Iterator[bytes]:
        """The lines completed since the last call. OSError, or ValueError for what is not a regular file.

        The file is open until the last of them was taken.
        """
        with self._opened() as file:
            while chunk := file.read(_CHUNK):
                yield from self._completed_by(chunk)

    def some(self, most: int, choose: Callable[[bytes], Iterator[bytes]] | None = None) -> list[bytes] | None:
        """The lines that end in the next ``most`` bytes; None when there are no more bytes now. Raises as `lines`.

        The file is closed in between, so a caller can read thousands of files side by side. ``choose`` gives the
        wanted lines of a block of whole ones. Without it all are wanted, and each costs a little.
        """
        with self._opened() as file:
            chunk = file.read(most)
        if not chunk:
            return None
        return list(self._completed_by(chunk)) if choose is None else self._chosen_of(chunk, choose)

    def skip(self) -> None:
        """Pass over the lines that are complete now, without reading them. Raises as `lines`."""
        with self._opened() as file:
            end = _behind_last_line(file, os.fstat(file.fileno()).st_size)
        if end > self._offset:
            self._offset, self._rest, self._left_out = end, b"", 0

    def rest(self) -> bytes:
        """The beginning of a line whose end has not come; the next call of `lines` goes on behind it."""
        rest, left_out = self._rest, self._left_out
        self._rest, self._left_out = b"", 0
        return shortened(rest, left_out) if left_out else rest

    def _opened(self) -> io.FileIO:
        file = os.fdopen(fsio.open_regular(self._path), "rb", buffering=0)
        info = os.fstat(file.fileno())
        if info.st_ino != self._inode or info.st_size < self._offset:
            self._inode, self._rest, self._left_out = info.st_ino, b"", 0
            self._offset = self._begin(file, info.st_size)
        file.seek(self._offset)
        return file

    def _completed_by(self, chunk: bytes) -> Iterator[bytes]:
        self._offset += len(chunk)
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            self._add(piece)
            yield self.rest()
        self._add(rest)

    def _chosen_of(self, chunk: bytes, choose: Callable[[bytes], Iterator[bytes]]) -> list[bytes]:
        self._offset += len(chunk)
        first, newline, others = chunk.partition(b"\n")
        self._add(first)
        if not newline:
            return []
        chosen = list(choose(self.rest()))
        whole, newline, rest = others.rpartition(b"\n")
        if newline:
            chosen += choose(whole)
        self._add(rest)
        return chosen

    def _add(self, piece: bytes) -> None:
        room = self._longest - len(self._rest)
        self._rest += piece[:room] if room < len(piece) else piece
        self._left_out += max(0, len(piece) - room)


def _behind_last_line(file: io.FileIO, size: int) -> int:
    """The offset behind the last whole line."""
    end = size
    while end > 0:
        begin = max(0, end - _CHUNK)
        file.seek(begin)
        last = file.read(end - begin).rfind(b"\n")
        if last >= 0:
            return begin + last + 1
        end = begin
    return 0


def shortened(beginning: bytes, left_out: int) -> bytes:
    """A line of which so many bytes are left out."""
    return b"%b... (%d bytes of this line are left out)" % (beginning, left_out)
