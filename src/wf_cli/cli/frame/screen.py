"""A picture on a terminal that is drawn over itself, and lines that stay above it. The one home of rich.

Rich is imported with the first picture, so a command that draws none does not pay for it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from wf_cli.cli.frame import output

if TYPE_CHECKING:
    from rich.live import Live


def is_screen(stream: TextIO) -> bool:
    """Whether a person looks at ``stream``, and pictures can be drawn there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class Screen:
    """Shows lines, and a picture below them, on one stream. Without ``live`` pictures are left out.

    As a context manager it gives the terminal back at the end, also after Ctrl-C: the cursor shows again, and the
    picture is gone, unless ``keep`` says that the last one stays. Methods may be called from any thread. They raise
    OSError when the stream cannot be written, and ValueError when it is closed.
    """

    def __init__(self, stream: TextIO, *, live: bool, keep: bool = False):
        self.live = live
        self._stream = stream
        self._keep = keep
        self._drawing: Live | None = None
        self._drawn: tuple[object, ...] = ()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, line: str) -> None:
        """A line that stays, above the picture."""
        with self._lock:
            line = output.shown(line)
            if self._drawing is not None:
                from rich.text import Text

                self._drawing.console.print(Text.from_ansi(line), soft_wrap=True)
                return
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the picture by ``lines``, which may hold colours; cut to the width and height of the terminal."""
        if not self.live:
            return
        with self._lock:
            if self._drawing is None:
                if not lines:
                    return
                self._drawing = self._start()
            lines = [output.shown(line) for line in lines]
            now = (tuple(lines), self._drawing.console.size)
            if now == self._drawn:
                return  # What stands there already cannot flicker.
            self._drawn = now
            from rich.console import Group
            from rich.text import Text

            texts = [Text.from_ansi(line, no_wrap=True, overflow="ellipsis") for line in lines]
            self._drawing.update(Group(*texts), refresh=True)

    def close(self) -> None:
        """End the picture for good. Lines can still be said."""
        with self._lock:
            drawing, self._drawing, self.live = self._drawing, None, False
            if drawing is not None:
                drawing.stop()

    def _start(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        live = Live(
            console=console,
            auto_refresh=False,
            transient=not self._keep,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="ellipsis",
        )
        live.start()
        return live
