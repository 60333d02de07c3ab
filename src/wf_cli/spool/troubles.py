"""Trouble with one item of a loop over foreign files: it is said once, with path and remedy, and the loop goes on.

A shared folder holds files of other users, other versions and other tools. One of them that cannot be read must not
keep a worker from the jobs behind it. A failed *write* of one's own is another matter: it is raised, because a
worker that cannot write must not claim.

Every loop over foreign items uses `EachItem` for its tries. Whoever calls the loop hands in what hears of troubles: a
`SayOnce` where lines go to people, `ignored` where the caller names what is wrong itself.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wf_cli import sharing, system_errors
from wf_cli.contract import text
from wf_cli.errors import ContractError, FileTrouble, NotALock, Refused, Temporary
from wf_cli.frozen import frozen

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
#: Errors of a step that are the item's own: another user's file or lock, a folder under a file's name.
_ITS_OWN = sharing.DENIED | {errno.EISDIR}


@frozen
class Trouble:
    """One item that was passed over."""

    path: str
    what: str
    remedy: str

    def __post_init__(self) -> None:
        for name in ("path", "what", "remedy"):  # File names and the words of records are others' text.
            object.__setattr__(self, name, text.line(getattr(self, name)))

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.path}: {self.what}; passed over, the rest goes on ({self.remedy})"

    @classmethod
    def of(cls, path: Path, error: Exception) -> Trouble:
        """The trouble that ``path`` gave. A file that may not be used is named with its owner. Of another error its
        folder is named, but no file in it: the names of our own parts are new each time, and so the trouble would be.
        """
        if isinstance(error, OSError):
            place = Path(error.filename) if isinstance(error.filename, str) else path
            known = sharing.explained(error, place)
            if isinstance(known, FileTrouble):
                return cls(str(known.filename), str(known.strerror), known.hint)
            what = error.strerror or str(error)
            if place.parent not in (path, path.parent):
                what += f" in {place.parent}"
            return cls(str(path), what, _remedy(error))
        what = str(getattr(error, "message", error)).removeprefix(f"{path}: ").removeprefix(f"{path} ")
        return cls(str(path), what, getattr(error, "hint", None) or _remedy(system_errors.behind(error)))


def _remedy(error: OSError | None) -> str:
    """What to do about an item, by the error of the system behind its trouble."""
    number = error.errno if error is not None else None
    return _REMEDIES.get(number or 0) or system_errors.remedy(number) or _FOREIGN


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


class EachItem:
    """The tries of one loop. What goes wrong with one item is handed to ``on_trouble``, and the loop goes on."""

    def __init__(self, on_trouble: OnTrouble = ignored):
        self._on_trouble = on_trouble
        self._failed: OSError | None = None

    @contextmanager
    def looking(self, path: Path) -> Iterator[None]:
        """A look at a foreign file: whatever it raises is the file's trouble. Gone meanwhile is none, because an
        item that moves between its listing and the look at it is whole somewhere else."""
        try:
            yield
        except FileNotFoundError:
            pass
        except (OSError, ValueError, ContractError) as error:
            self._on_trouble(Trouble.of(path, error))

    @contextmanager
    def stepping(self, path: Path) -> Iterator[None]:
        """A step of our own with a foreign item. A busy fence skips it, for the next round to try again. What the
        item itself does not allow is its trouble; any other OSError is kept for `finish`."""
        try:
            yield
        except Temporary:
            pass
        except (ContractError, Refused) as error:
            self._on_trouble(Trouble.of(path, error))
        except OSError as error:
            if error.errno in _ITS_OWN or isinstance(error, NotALock):
                self._on_trouble(Trouble.of(path, error))
            else:
                self._failed = self._failed or error

    def finish(self) -> None:
        """All items were tried. Raises the first OSError of a step of our own."""
        if self._failed is not None:
            raise self._failed
