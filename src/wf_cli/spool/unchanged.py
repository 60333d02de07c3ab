"""Has a folder of the spool changed since it was listed? One look at its times, whatever the number of names in it.

A file system sets a folder's time of modification when a name comes, goes or is renamed. It takes that time from a
clock that ticks, so a change right after a listing may leave the time as it was. A time counts only when it was old
already at the listing. Only on ``local``: a network mount answers such a look from a cache.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from wf_cli import fsio
from wf_cli.spool.layout import Spool

#: Nanoseconds. The coarsest ticks of file systems in use are two seconds (FAT, and it carries no spool).
_TICK_NS = 2_500_000_000


class Unchanged:
    """Whether ``folder`` is as it was at the last listing. Not thread-safe."""

    def __init__(self, spool: Spool, folder: str):
        self._path = spool.folder(folder)
        self._trusted = spool.version.topology == "local"
        self._seen: tuple[int, int, int] | None = None

    def forget(self) -> None:
        """What the last listing showed is not known any more."""
        self._seen = None

    @contextlib.contextmanager
    def look(self) -> Iterator[bool]:
        """True when a listing would show what the last one showed. Else the folder is to be listed in this block.

        A block that raises has not listed it. The clock is that of this host, which a local file system uses, too.
        """
        now_ns, facts = time.time_ns(), self._facts()
        if facts is not None and facts == self._seen:
            yield True
            return
        self._seen = None
        yield False
        # A time in the future, or of just now, may be given to the next change as well.
        if facts is not None and now_ns - facts[2] > _TICK_NS:
            self._seen = facts

    def _facts(self) -> tuple[int, int, int] | None:
        if not self._trusted:
            return None
        try:
            info = fsio.facts(self._path)
        except OSError:
            return None  # The listing says what is wrong.
        return info.st_dev, info.st_ino, info.st_mtime_ns
