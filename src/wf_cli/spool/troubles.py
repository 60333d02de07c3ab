"""Trouble with one item of a loop over foreign files: it is said once, with path and remedy, and the loop goes on.

A shared folder holds files of other users, other versions and other tools. One of them that cannot be read must not
keep a worker from the jobs behind it. A failed *write* of one's own is another matter: it is raised, because a
worker that cannot write must not claim.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wf_cli import sharing
from wf_cli.errors import FileTrouble

#: Troubles that are remembered in order not to be said again; a spool that has more says some of them twice.
REMEMBERED = 1000
#: What to do about an item, by the system's error.
_REMEDIES = {
    errno.EACCES: "give its owner's group access (chmod, chgrp), or remove it",
    errno.EPERM: "give its owner's group access (chmod, chgrp), or remove it",
    errno.EIO: "look at the disk or the mount",
    errno.ESTALE: "look at the mount; the server knows this file no more",
}
_FOREIGN = "`wf spool verify --fix` puts away what is not wf's"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One item that was passed over."""

    path: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.path}: {self.what}; passed over, the rest goes on ({self.remedy})"

    @classmethod
    def of(cls, path: Path, error: Exception) -> Trouble:
        """The trouble that reading ``path`` gave."""
        if isinstance(error, OSError):
            error = sharing.explained(error, path)
            if isinstance(error, FileTrouble):
                return cls(str(path), error.strerror or str(error), error.hint)
            return cls(str(path), error.strerror or str(error), _REMEDIES.get(error.errno or 0, _FOREIGN))
        what = str(getattr(error, "message", error)).removeprefix(f"{path}: ").removeprefix(f"{path} ")
        return cls(str(path), what, _FOREIGN)


OnTrouble = Callable[[Trouble], None]


def ignored(_trouble: Trouble) -> None:
    """For callers whose own command names what is wrong, such as ``wf spool verify``."""


class SayOnce:
    """An `OnTrouble` that hands each trouble's line to ``say`` when it is seen first."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._said: dict[Trouble, None] = {}

    def __call__(self, trouble: Trouble) -> None:
        if trouble in self._said:
            return
        while len(self._said) >= REMEMBERED:
            del self._said[next(iter(self._said))]
        self._said[trouble] = None
        self._say(str(trouble))
