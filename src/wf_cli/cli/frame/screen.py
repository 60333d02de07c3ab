"""A picture on a terminal that is drawn over itself, and lines that stay above it.

The cursor rests on an empty line above the picture while nothing is drawn. So a line that another process writes to
the same terminal (a worker in the background, a warning, the shell) stands on that empty line, and moves the picture
down by one; the next drawing finds its place from the cursor alone. Nothing has to be put right in the terminal
after a picture: the cursor shows, and margins and modes are as they were, also after SIGKILL.
Out of reach is what a terminal moves to its history while it breaks the lines of a window that gets narrower.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self, TextIO

from wf_cli.cli.frame import cells, output
from wf_cli.cli.frame.foreground import Turn
from wf_cli.contract import text

_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"
#: One line down in the same column; the terminal scrolls where there is none.
_INDEX = "\x1bD"
#: Save the cursor, hide it, let no line go on in the next one; and the other way round.
_BEGIN, _USUAL = "\x1b7\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h"
_END = f"\x1b8{_USUAL}"
#: Seconds that a stop waits for a drawing of another thread.
_PATIENCE = 0.2


def is_screen(stream: TextIO) -> bool:
    """Whether a person looks at ``stream``, and pictures can be drawn there."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


class Screen:
    """Shows lines, and a picture below them, on one stream. Without ``live`` pictures are left out.

    They are also left out while this process is not in the foreground of its terminal, or while another process
    draws there; its lines are shown nevertheless. As a context manager the screen draws anew as soon as the window's
    size changes, takes the picture away before Ctrl-Z stops the process, and gives the terminal back at the end, also
    after Ctrl-C: the picture is gone, unless ``keep`` says that the last one stays. Methods may be called from any
    thread, `begin` and `close` from the main thread. They raise OSError when the stream cannot be written, and
    ValueError when it is closed.
    """

    def __init__(self, stream: TextIO, *, live: bool, keep: bool = False):
        self._wanted = live
        self._stream = stream
        self._keep = keep
        self._turn = Turn(stream)
        #: The last picture; its lines are cut to the terminal when they are drawn.
        self._lines: list[str] = []
        #: Whether it stands below the cursor.
        self._stands = False
        #: Whether `close` left the last picture on the terminal.
        self.kept = False
        self._lock = threading.Lock()
        self._before: dict[int, Any] = {}

    @property
    def live(self) -> bool:
        """Whether a picture would be drawn now."""
        return self._wanted and self._turn.mine()

    @property
    def room(self) -> tuple[int, int]:
        """The cells of the longest line of a picture that is not cut, and the lines of the tallest."""
        columns, rows = self._size()
        return max(1, columns - 1), max(1, rows - 1)

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self) -> None:
        """Heed Ctrl-Z and changes of the window's size until `close`."""
        if self._wanted:
            self._heed("SIGTSTP", self._stop)
            self._heed("SIGWINCH", self._resized)

    def say(self, line: str) -> None:
        """A line that stays, above the picture."""
        with self._lock:
            line = self._encodable(output.shown(line))
            if not self._wanted:
                self._write(f"{line}\n")
                return
            # The picture of this or of another process may stand there.
            fits = "\n" not in line and cells.width(line) <= self.room[0]
            erase = _ERASE_LINE if fits else _ERASE_BELOW
            if self._stands and self.live:
                self._write(f"\r{erase}{line}\n{self._drawing()}")
            else:  # What stands at the beginning of the line may be what a person types in a shell.
                self._write(f"{erase}{line}\n")

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the picture by ``lines``, which may hold colours; cut to the width and height of the terminal."""
        with self._lock:
            if not self.live:
                self._stands = False
                return
            self._lines = [
                self._encodable(line if isinstance(line, output.Coloured) else text.line(line)) for line in lines
            ]
            if self._lines or self._stands:
                self._write(self._drawing())
            self._stands = bool(self._lines)

    def close(self) -> None:
        """End the picture for good. Lines can still be said."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        with self._lock:
            stood, self._stands = self._stands and self.live, False
            self._wanted = False
            self._turn.give_back()
            if stood:
                kept = [f"{line}\n" for line in self._fitted()] if self._keep else []
                # Ctrl-C may have left its sign there, and a terminal may have dropped the end of a drawing for it.
                self._write(f"{_USUAL}\r{_ERASE_BELOW}{''.join(kept)}")
                self.kept = bool(kept)

    # -- signals

    def _heed(self, name: str, handle: Callable[[int, FrameType | None], None]) -> None:
        number = getattr(signal, name, None)
        if number is None or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(number) is not signal.SIG_IGN:  # A shell without job control ignores Ctrl-Z for all.
            self._before[number] = signal.signal(number, handle)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self._lock.acquire(timeout=_PATIENCE):
            try:
                if self._stands and self.live:
                    self._stands = False
                    self._write(_USUAL + _ERASE_BELOW)
            except (OSError, ValueError, RuntimeError):
                pass  # It was written to at this moment, or is gone.
            finally:
                self._lock.release()
        handler = signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # It returns when the process goes on.
        signal.signal(number, handler)

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        # Whoever holds the lock draws at this moment.
        if self._lock.acquire(blocking=False):
            try:
                if self._stands and self.live:
                    self._write(self._drawing())
            except (OSError, ValueError, RuntimeError):
                pass  # The next drawing meets the same error, where it is handled.
            finally:
                self._lock.release()

    # -- what is written

    def _drawing(self) -> str:
        lines = self._fitted()
        if not lines:
            return _ERASE_BELOW
        down = len(lines)
        below = "".join(f"\r\n{_ERASE_LINE}{line}" for line in lines)
        # A line that another process wrote has moved the cursor onto the last picture, so its line is made empty.
        # Lines are made below the cursor before it is saved, because a saved place does not move with a scroll.
        return f"{_ERASE_LINE}{_INDEX * down}\x1b[{down}A{_BEGIN}{below}{_ERASE_BELOW}{_END}"

    def _fitted(self) -> list[str]:
        """The picture's lines, none of which reaches the last column or, with the cursor's, the first line."""
        columns, rows = self.room
        mark = "…" if self._encodable("…") == "…" else "..."
        lines = self._lines
        if len(lines) > rows:
            lines = [*lines[: rows - 1], mark]
        return [cells.cut(line, columns, mark) for line in lines]

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            size = shutil.get_terminal_size()
        return size.columns or 80, size.lines or 24

    def _encodable(self, line: str) -> str:
        """``line`` as the stream writes it, which is longer where the stream's encoding lacks a character."""
        encoding = self._stream.encoding
        if encoding is None or line.isascii():
            return line
        return line.encode(encoding, "backslashreplace").decode(encoding)

    def _write(self, what: str) -> None:
        # One write, so that what other processes write stands before it or after it.
        self._stream.write(what)
        self._stream.flush()
