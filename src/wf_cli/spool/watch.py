"""Wake-ups: what changed in the spool, as soon as the system tells. An accelerator; a rescan is the truth.

Only the folders in which a new file is something to do for a worker are watched, because a user's watches are few on
some systems and each worker takes its own.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from wf_cli.frozen import frozen
from wf_cli.spool.layout import Spool

#: ``queued`` has new jobs, ``control`` requests; a job in ``done`` or ``dead`` has freed a checkout or a slot.
WATCHED = ("queued", "control", "done", "dead")

#: Where Linux says how many watches and instances each user may have.
_LIMITS = Path("/proc/sys/fs/inotify")
#: What systems with enough of them have.
_ENOUGH = {"max_user_watches": 524288, "max_user_instances": 1024}


class Watches(Protocol):
    """The system's watches of one process."""

    @property
    def watched(self) -> set[str]:
        """The names of the folders that are watched now."""

    def watch(self, folder: str, path: Path) -> None:
        """Watch one folder more. Raises OSError."""

    def close(self) -> None: ...


@frozen
class Lack:
    """What cannot be watched and why, and the command that repairs it."""

    what: str
    remedy: str

    @classmethod
    def of(cls, spool: Spool, folders: list[str], error: OSError) -> Lack:
        where = "the spool" if len(folders) == len(WATCHED) else f"{', '.join(folders)} of the spool"
        return cls(f"cannot watch {where} at {spool.root}: {_why(error)}", _remedy(error))


class Watcher:
    """Calls ``on_change(folder, name)`` from its own thread for files that appear in the folders of `WATCHED`.

    What cannot be watched is handed to ``on_trouble`` once, with the remedy, and once more when it is watched again.
    """

    def __init__(self, spool: Spool, on_change: Callable[[str, str], None], on_trouble: Callable[[str], None]):
        self._spool = spool
        self._on_change = on_change
        self._on_trouble = on_trouble
        self._watches: Watches | None = None
        #: What cannot be watched now.
        self.lack: Lack | None = None
        self.mend()

    @property
    def active(self) -> bool:
        """Whether every change in every folder of `WATCHED` is told."""
        return self._watches is not None and self._watches.watched.issuperset(WATCHED)

    def mend(self) -> None:
        """Watch what is not watched: it could not be, or a folder was made again. Cheap when all of it is."""
        if self.active:
            return
        had, self.lack = self.lack, self._watch_missing()
        if self.lack is not None and self.lack != had:
            self._on_trouble(f"{self.lack.what}; looking there often instead ({self.lack.remedy})")
        elif self.lack is None and had is not None:
            self._on_trouble(f"all of {self._spool.root} is watched again")

    def _watch_missing(self) -> Lack | None:
        try:
            if self._watches is None:
                self._watches = _watches(self._on_change)
            watched = self._watches.watched
        except OSError as error:
            return Lack.of(self._spool, list(WATCHED), error)
        missing, first = [], None
        for folder in WATCHED:
            if folder not in watched:
                try:
                    self._watches.watch(folder, self._spool.folder(folder).resolve())
                except OSError as error:
                    missing.append(folder)
                    first = first or error
        return Lack.of(self._spool, missing, first) if first is not None else None

    def close(self) -> None:
        if self._watches is not None:
            self._watches.close()
            self._watches = None


def _why(error: OSError) -> str:
    """What keeps a folder from being watched. The system's words for it tell of disks and files."""
    if error.errno == errno.ENOSPC:
        return "no inotify watch is left for this user"
    if error.errno == errno.EMFILE and not _is_out_of_files():
        return "no inotify instance is left for this user"
    return error.strerror or str(error)


def _remedy(error: OSError) -> str:
    """The command that repairs it."""
    if error.errno == errno.ENOSPC:
        return _raise_limit("max_user_watches")
    if error.errno == errno.EMFILE:
        return "ulimit -n 4096" if _is_out_of_files() else _raise_limit("max_user_instances")
    return "`wf doctor --fs-probe` tells more"


def _raise_limit(name: str) -> str:
    try:
        now = int((_LIMITS / name).read_text())
    except (OSError, ValueError):
        now = 0
    return f"sudo sysctl fs.inotify.{name}={max(_ENOUGH[name], 2 * now)}"


def _is_out_of_files() -> bool:
    """Whether this process may open no more files. inotify says EMFILE for that and for its own limit."""
    try:
        with open("/dev/null", "rb"):
            return False
    except OSError:
        return True


def _watches(on_change: Callable[[str, str], None]) -> Watches:
    # Imported late, because only a worker that stays watches.
    if sys.platform == "linux":
        from wf_cli.spool.inotify import Inotify

        return Inotify(on_change)
    from wf_cli.spool.watchdogs import Watchdogs

    return Watchdogs(on_change)
