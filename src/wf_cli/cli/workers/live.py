"""The output of `wf worker`: lines of progress and, on a terminal, a picture of its slots below them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from wf_cli.cli.frame import output
from wf_cli.cli.frame.log_lines import LogLines
from wf_cli.cli.frame.screen import Screen, is_screen
from wf_cli.clock import format_duration
from wf_cli.runtimes.base import Usage
from wf_cli.worker.settings import SlotView

#: Seconds between two drawings.
REDRAW = 0.5


class Board:
    """Lines that stay, and a picture below them that is drawn anew. Any thread may call its methods.

    They raise no error when the terminal went away, because the work goes on without it.
    """

    def __init__(self, stream: TextIO, *, live: bool):
        self._stream = stream
        self._screen = Screen(stream, live=live)

    def say(self, line: str) -> None:
        """Print a line that stays, with the time of day."""
        self._try(lambda screen: screen.say(f"{time.strftime('%H:%M:%S')} {line}"))

    def draw(self, lines: list[str]) -> None:
        """Replace the picture. Without a terminal there is no picture, and the call does nothing."""
        self._try(lambda screen: screen.draw(lines))

    def begin(self) -> None:
        """Be ready for Ctrl-Z and for a window that changes its size. Only the main thread may call it."""
        self._screen.begin()

    def close(self) -> None:
        """Remove the picture, and give the terminal back. Only the main thread may call it."""
        self._try(lambda screen: screen.close())

    def _try(self, act: Callable[[Screen], None]) -> None:
        try:
            act(self._screen)
        except (OSError, ValueError):  # the terminal is gone; the work goes on without it
            self._screen = Screen(self._stream, live=False)


class _Logged(Board):
    """A board whose lines go to a log. The picture stays on the terminal unless the lines go there."""

    def __init__(self, log: LogLines):
        live = log.file is not None and is_screen(sys.stderr) and output.level() > output.Level.QUIET
        super().__init__(sys.stderr, live=live)
        self._log = log

    def say(self, line: str) -> None:
        """Write a line to the log."""
        self._log.say(line)


class _Silent(Board):
    """A board that shows nothing."""

    def say(self, line: str) -> None:
        """Leave ``line`` out."""

    def draw(self, lines: list[str]) -> None:
        """Leave the picture out."""


def board(log: LogLines | None = None) -> Board:
    """A board on stderr, whose lines go to ``log`` if there is one. It draws a picture only on a terminal.

    With ``wf -q`` it shows nothing.
    """
    if log is not None:
        return _Logged(log)
    if output.level() is output.Level.QUIET:
        return _Silent(sys.stderr, live=False)
    return Board(sys.stderr, live=is_screen(sys.stderr))


@contextmanager
def drawing(the_board: Board, slots: Callable[[], list[SlotView]]) -> Iterator[None]:
    """Draw ``slots`` in the background while the block runs, and clear the picture at its end."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(REDRAW):
            the_board.draw(picture(slots()))

    thread = threading.Thread(target=loop, name="wf-live", daemon=True)
    the_board.begin()
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)
        the_board.close()


def picture(slots: list[SlotView]) -> list[str]:
    """One line for each slot: job, attempt, elapsed time, tokens and cost so far, its agent's latest activity."""
    return [f"  {_busy(slot) if slot.job_id is not None else '-'}  {_one_line(slot.activity)}" for slot in slots]


def _busy(slot: SlotView) -> str:
    return f"{slot.job_id}.a{slot.attempt}  {format_duration(slot.elapsed_s):>6}  {_spent(slot.usage):<12}"


def _spent(usage: Usage) -> str:
    """Tokens and dollars: ``12.3k tok $0.04``. Unknown tokens are ``?``; unknown dollars are left out."""
    known = [count for count in (usage.tokens_in, usage.tokens_out) if count is not None]
    tokens = f"{_count(sum(known))} tok" if known else "? tok"
    return tokens if usage.cost_usd is None else f"{tokens} ${usage.cost_usd:.2f}"


def _count(number: int) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def _one_line(text: str) -> str:
    # Control characters of an agent's text must not reach the terminal.
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
