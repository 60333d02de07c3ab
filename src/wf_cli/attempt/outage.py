"""An outage: the spool cannot be used for a while, by errors that may pass (`wf_cli.system_errors`).

Every part of a session meets the same outage, each at its own file. People hear of it once when it begins and once
when it is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from wf_cli import sharing, system_errors
from wf_cli.attempt import trouble
from wf_cli.errors import FileTrouble, WfError
from wf_cli.warn import TroubleLine


class Outage:
    """The outage that one process meets, or none. Its methods may be called from any thread."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._lock = threading.Lock()
        #: What fails now.
        self._failing: set[str] = set()
        #: The kinds of errors that were said since the outage began. Not empty while it goes on.
        self._said: set[object] = set()

    def met(self, what: str, error: OSError | WfError, *, was_allowed: bool = True) -> bool:
        """Note that ``what`` failed. True when ``error`` may pass, so that the caller has to wait and try again.

        It is said with path and remedy, unless an error of its kind was said since the outage began. A refusal counts
        as one that may pass unless this process has not used the spool before (``was_allowed``).
        """
        if not system_errors.may_pass(error, was_allowed=was_allowed):
            return False
        kind = _kind(error)
        with self._lock:
            known = kind in self._said or (kind is None and bool(self._said))
            self._failing.add(what)
            self._said.add(kind)
        if not known:
            self._say(TroubleLine(f"{what}: {trouble.told(error)}; waiting until that is over"))
        return True

    def over(self, what: str) -> None:
        """Note that ``what`` works. The end of the outage is said when nothing else fails."""
        with self._lock:
            self._failing.discard(what)
            if self._failing or not self._said:
                return
            self._said.clear()
        self._say("the spool can be used again; going on")

    def left(self, what: str) -> None:
        """Note that ``what`` is not tried any more. The end of the outage is said when something works."""
        with self._lock:
            self._failing.discard(what)

    @property
    def lasts(self) -> bool:
        """Whether something fails now."""
        with self._lock:
            return bool(self._failing)


def _kind(error: OSError | WfError) -> object:
    """What errors of one cause have in common.

    That is the file in the way where rights are missing, and the error's number elsewhere. None is a refusal whose
    cause is gone already, so that it belongs to any outage that is known.
    """
    found = system_errors.behind(error)
    while isinstance(found, FileTrouble) and isinstance(found.__cause__, OSError):
        found = found.__cause__  # A lock names its own file, and the same refusal has many locks.
    if found is None or found.errno not in sharing.DENIED:
        return found.errno if found is not None else None
    known = sharing.explained(found, Path(found.filename)) if isinstance(found.filename, str) else found
    return known.filename if isinstance(known, FileTrouble) else None
