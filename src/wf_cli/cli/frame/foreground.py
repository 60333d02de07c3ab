"""Which process may draw on a terminal: one that is in its foreground, and one at a time."""

from __future__ import annotations

import errno
import os
import threading
from typing import TextIO


class Turn:
    """Whether this process may draw on the terminal that ``stream`` writes to.

    A shell moves its jobs between foreground and background at any time, so the answer holds for one drawing. The
    first of several processes in the foreground has the turn until it ends or goes to the background. Where a system
    cannot tell, as on Windows, the turn is this process's.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._lock: int | None = None
        self._asking = threading.Lock()

    def mine(self) -> bool:
        """Ask anew. Raises no error."""
        if not in_foreground(self._stream):
            self.give_back()
            return False
        with self._asking:
            return self._lock is not None or self._take()

    def give_back(self) -> None:
        """Let another process draw. Further calls do nothing."""
        with self._asking:
            lock, self._lock = self._lock, None
            if lock is not None:
                os.close(lock)

    def _take(self) -> bool:
        # The lock belongs to an open file. The stream's own is shared with all that the shell started, so the
        # terminal is opened once more.
        try:
            import fcntl

            lock = os.open(os.ttyname(self._stream.fileno()), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except (ImportError, OSError, ValueError):  # No terminal, or one that has no name here.
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # Some systems lock no terminals.
        self._lock = lock
        return True


def in_foreground(stream: TextIO) -> bool:
    """Whether this process is in the foreground of the terminal that ``stream`` writes to.

    A stream that is no terminal has no foreground, and counts as one. A process that does not belong to the terminal
    (`setsid`) is not in its foreground.
    """
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        number = stream.fileno()
        if not os.isatty(number):
            return True
    except (OSError, ValueError):
        return True
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:
        return False
