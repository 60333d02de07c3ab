"""Lock files that a killed git has left behind.

git takes a lock by making a file, and a git that is killed leaves it there for good. The file does not say whose it
is. A git that lives holds such a lock for milliseconds, so one that stays unchanged for seconds was left behind.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from wf_cli.frozen import frozen

#: Seconds for which a lock file has to stay as it is before it counts as left behind.
PATIENCE = 5.0
#: Never set: `wait` on it is a sleep.
_PAUSE = threading.Event()


@frozen
class Seen:
    """A lock file as it was seen. Another one has another number, or other times."""

    path: Path
    number: int
    changed: int


def look(path: Path) -> Seen | None:
    """The lock file at ``path``; None where there is none."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Seen(path, info.st_ino, info.st_mtime_ns)


def is_gone(seen: Seen, patience: float) -> bool:
    """Whether the lock file that was ``seen`` is gone after ``patience`` seconds. An unchanged one is removed.

    False when another lock file stands there.
    """
    _PAUSE.wait(patience)
    now = look(seen.path)
    if now != seen:
        return now is None
    with contextlib.suppress(FileNotFoundError):
        os.unlink(seen.path)
    return True
