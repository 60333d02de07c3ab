"""Bytes of a stream into lines and tails, in bounded memory whatever is printed."""

from __future__ import annotations

from collections.abc import Iterator

#: Bytes of one line that a reader gets to see; the rest of that line is dropped. A result line holds a whole answer.
LINE_LIMIT = 4 << 20
#: Bytes of stderr that are kept for messages.
TAIL_LIMIT = 8 << 10


class Lines:
    """Cuts a stream at newlines. Bytes that are no UTF-8 become U+FFFD."""

    def __init__(self, limit: int = LINE_LIMIT):
        self._limit = limit
        self._part = bytearray()

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that ``data`` completes, without newlines."""
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._add(piece)
            yield self._take()
        self._add(rest)

    def end(self) -> Iterator[str]:
        """The last line, if it has no newline."""
        if self._part:
            yield self._take()

    def _add(self, piece: bytes) -> None:
        self._part += piece[: self._limit - len(self._part)]

    def _take(self) -> str:
        line = self._part.decode("utf-8", "replace").removesuffix("\r")
        self._part.clear()
        return line


class Tail:
    """The last bytes of a stream."""

    def __init__(self, limit: int = TAIL_LIMIT):
        self._limit = limit
        self._kept = b""

    def feed(self, data: bytes) -> None:
        self._kept = (self._kept + data[-self._limit :])[-self._limit :]

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace").strip()
