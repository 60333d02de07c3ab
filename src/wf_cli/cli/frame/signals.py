"""The signals that end a command which stays: SIGTERM, Ctrl-C, a closed terminal (SIGHUP), and SIGQUIT."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NoReturn

#: The signals that ask a command to end.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def handling(handle: Callable[[int], None], numbers: Sequence[signal.Signals] = ENDING) -> Iterator[None]:
    """Call ``handle`` for the signals ``numbers`` while the block runs, and restore the handlers afterwards.

    SIGHUP that was ignored when the command started stays ignored, because `nohup` and `disown` mean that.
    """
    before = {}
    for number in numbers:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, lambda n, _frame: handle(n))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def as_interrupt() -> AbstractContextManager[None]:
    """A block in which each of the signals is a KeyboardInterrupt, so that its clean-up runs as after Ctrl-C."""

    def interrupt(_number: int) -> NoReturn:
        raise KeyboardInterrupt

    return handling(interrupt)
