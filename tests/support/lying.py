"""A spool as a network file system shows it to one host: answers that lie, and looks that are old.

A `Host` sees the files below one folder through its own caches. Other hosts, and whoever acts while no host is
mounted, see the files as they are. What a host may be told (docs/explanation/file-systems.md):

- A call is performed and answers with an error (a lost reply), or is performed after it has answered (a soft mount).
- A listing is as old as ``listings_s``, and lookups are fresh (sshfs' directory cache). So are the facts that `stat`
  gives of the files in it.
- A name that was absent is not found by lookups for ``lookups_s``, while listings show it (NFS' negative cache).

Changes of a host's own are never hidden from it, unless they were answered with an error. `faults` is for one call by
its number, `outages` for a file system that fails as a whole.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from support.stand_ins import stand_in
from wf_cli.clock import Clock

#: What the reply to a repeated request says: the first one was performed.
REPEATED = (errno.ENOENT, errno.EEXIST)
#: What a client says that waits for no reply any more. The request may still be on its way.
BROKEN = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
CODES = REPEATED + BROKEN
#: The calls that change something, and can lie about it. ``open`` counts where it creates a file.
CHANGES = ("rename", "replace", "link", "unlink", "mkdir", "open")


@dataclass(frozen=True, slots=True)
class Lie:
    """What a call answers instead of the truth."""

    code: int
    #: The call is performed before the ``late``-th call after it; 0: before it answers.
    late: int = 0
    #: What the host's caches say of a call that was performed. ``lookups`` do not find its target until the directory
    #: is listed (NFS 4), the next of its ``listings`` is the one of before (sshfs).
    hidden_from: str = ""

    def __str__(self) -> str:
        late = f"-{self.late}-later" if self.late else ""
        return errno.errorcode[self.code] + late + (f"-old-{self.hidden_from}" if self.hidden_from else "")


#: A sample of all lies.
LIES = (
    *(Lie(code, hidden_from=caches) for code in CODES for caches in ("", "lookups", "listings")),
    *(Lie(code, late) for code in BROKEN for late in (1, 2, 7)),
)

#: Tells how the call ``name`` about ``path`` lies; None: it does not.
Liar = Callable[[str, str], Lie | None]


def honest(_name: str, _path: str) -> Lie | None:
    """A file system that does not lie."""
    return None


class Always:
    """Every one of these calls lies. What lies below locks/ keeps no token and is left out."""

    def __init__(self, lies: Mapping[str, Lie]):
        self._lies = lies
        self.told = 0

    def __call__(self, name: str, path: str) -> Lie | None:
        lie = self._lies.get(name) if "/locks/" not in path else None
        self.told += lie is not None
        return lie


def always(lie: Lie, *calls: str) -> Always:
    """Each of ``calls`` tells the same lie."""
    return Always(dict.fromkeys(calls, lie))


#: Changes that can be performed and answer with an error. (A file that is made so is made again.)
LOST = ("rename", "replace", "link", "unlink", "mkdir")
#: What mounts do that lose every reply. Each call is performed before somebody can look, so nothing may change by it.
LOSSES: dict[str, Mapping[str, Lie]] = {
    # The client repeats the request, and the server answers to the second one.
    "nfs": {
        "rename": Lie(errno.ENOENT, hidden_from="lookups"),
        "replace": Lie(errno.ENOENT, hidden_from="lookups"),
        "link": Lie(errno.EEXIST, hidden_from="lookups"),
        "mkdir": Lie(errno.EEXIST, hidden_from="lookups"),
        "unlink": Lie(errno.ENOENT),
    },
    # The connection broke, and the cache of the directory stays as it was.
    "sshfs": dict.fromkeys(LOST, Lie(errno.EIO)) | dict.fromkeys(("rename", "mkdir"), Lie(errno.EIO, 0, "listings")),
    "soft": dict.fromkeys(LOST, Lie(errno.ETIMEDOUT, late=1)),
    "stale": dict.fromkeys(LOST, Lie(errno.ESTALE)),
}
#: The same by single calls: every lie of every call.
SINGLE_LOSSES: dict[str, Mapping[str, Lie]] = {
    f"{call}-{lie}": {call: lie}
    for call in LOST
    for lie in LIES
    if lie.late <= 1 and not (lie.hidden_from == "listings" and call in ("link", "unlink", "replace"))
}


@dataclass(slots=True)
class Sometimes:
    """Of the next calls, ``left`` at most lie. A ``seed`` makes the same lies again."""

    seed: int
    share: float = 0.2
    left: int = 0
    lies: tuple[Lie, ...] = LIES
    calls: Container[str] = CHANGES
    told: int = 0
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def __call__(self, name: str, path: str) -> Lie | None:
        # What lies below locks/ keeps no token.
        if name not in self.calls or not self.left or "/locks/" in path or self._rng.random() >= self.share:
            return None
        self.left -= 1
        self.told += 1
        lie = self._rng.choice(self.lies)
        # The old listing is for the verdict on a rename or a new folder. Other calls are judged by other looks.
        if lie.hidden_from == "listings" and name not in ("rename", "mkdir"):
            return Lie(lie.code)
        return lie


@dataclass(slots=True)
class _Listing:
    names: list[str]
    facts: dict[str, os.stat_result]
    until: float


class Host:
    """One host's view of the files below ``root``."""

    def __init__(
        self,
        root: Path,
        liar: Liar = honest,
        *,
        clock: Clock | None = None,
        listings_s: float = 0.0,
        lookups_s: float = 0.0,
    ):
        self._root = str(root)
        self.liar = liar
        self._clock = clock
        self._listings_s, self._lookups_s = listings_s, lookups_s
        self._listings: dict[str, _Listing] = {}
        #: Names that lookups do not find, and until when; infinite: until their directory is listed.
        self._absent: dict[str, float] = {}
        self._late: list[tuple[int, Callable[[], object]]] = []
        self._real = {name: getattr(os, name) for name in (*CHANGES, "listdir", "stat", "lstat")}

    # -- for tests

    def keep(self, *folders: Path) -> None:
        """From now on these directories look as they are now, until `expire` or a change of this host's own."""
        for folder in folders:
            self._keep(str(folder), float("inf"))

    def expire(self) -> None:
        """What the caches held is forgotten."""
        self._listings.clear()
        self._absent.clear()

    def settle(self) -> None:
        """Every late call is performed."""
        while self._late:
            self._perform_late()

    @contextmanager
    def mounted(self) -> Iterator[Host]:
        """In the block this process is on this host."""
        calls = {
            "listdir": self._listdir,
            "open": self._open,
            **{name: self._looker(name) for name in ("stat", "lstat")},
            **{name: self._changer(name) for name in ("unlink", "mkdir", "rename", "replace", "link")},
        }
        with mock.patch.multiple(
            os,
            **{name: stand_in(name, call) for name, call in calls.items()},
        ):
            yield self

    # -- looks

    def _listdir(self, path: Any = ".") -> list[str]:
        folder = _text(path)
        if not self._is_ours(folder):
            return list(self._real["listdir"](path))
        self._perform_late()
        kept = self._listings.get(folder)
        if kept is not None and kept.until < 0:  # It is shown once.
            del self._listings[folder]
        elif kept is None or kept.until <= self._now():
            kept = self._keep(folder, self._now() + self._listings_s)
        # A listing that asks the server tells which of its names are new.
        self._absent = {
            name: until
            for name, until in list(self._absent.items())  # Other threads add to it.
            if until != float("inf") or os.path.dirname(name) != folder
        }
        return list(kept.names)

    def _keep(self, folder: str, until: float) -> _Listing:
        names, facts = self._real["listdir"](folder), {}
        for name in names:
            with suppress(OSError):  # It moved on.
                facts[name] = self._real["lstat"](os.path.join(folder, name))
        kept = _Listing(names, facts, until)
        if until > self._now() or until < 0:
            self._listings[folder] = kept
        return kept

    def _looker(self, name: str) -> Callable[..., Any]:
        def look(path: Any, *args: Any, **options: Any) -> Any:
            text = _text(path)
            if not self._is_ours(text):
                return self._real[name](path, *args, **options)
            self._perform_late()
            self._look_up(text)
            folder, last = os.path.split(text)
            kept = self._listings.get(folder)
            if kept is not None and last in kept.facts and kept.until > self._now():
                return kept.facts[last]
            return self._asked(text, lambda: self._real[name](path, *args, **options))

        return look

    def _look_up(self, text: str) -> None:
        """Raises where this host is sure that there is no such name."""
        until = self._absent.get(text)
        if until is not None and until <= self._now():
            del self._absent[text]
        elif until is not None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), text)

    def _asked(self, text: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except FileNotFoundError:
            if self._lookups_s:
                self._absent[text] = self._now() + self._lookups_s
            raise

    # -- changes

    def _open(self, path: Any, flags: int, *args: Any, **options: Any) -> int:
        text = _text(path)
        # A folder is opened on the way to the call that the lies are about.
        if not self._is_ours(text) or flags & os.O_DIRECTORY:
            return int(self._real["open"](path, flags, *args, **options))
        self._perform_late()
        if not flags & os.O_CREAT:
            self._look_up(text)
            return int(self._asked(text, lambda: self._real["open"](path, flags, *args, **options)))
        lie = self.liar("open", text)
        if lie is None:
            fd = self._real["open"](path, flags, *args, **options)
            self._knows(text)
            return int(fd)

        def create() -> None:
            os.close(self._real["open"](path, flags, *args, **options))

        self._tell(lie, text, create)
        raise AssertionError("unreachable")

    def _changer(self, name: str) -> Callable[..., None]:
        def change(path: Any, *args: Any, **options: Any) -> None:
            texts = [_text(path), *(_text(arg) for arg in args[:1] if name in ("rename", "replace", "link"))]
            if not any(self._is_ours(text) for text in texts):
                self._real[name](path, *args, **options)
                return
            self._perform_late()
            if name != "mkdir":
                self._look_up(texts[0])
            if name == "link":
                self._absent.pop(texts[-1], None)  # The client asks the server for the name again.
            # A call that cannot succeed answers with its own error.
            possible = name == "mkdir" or self._exists(texts[0])
            lie = self.liar(name, texts[-1]) if possible else None
            if lie is not None:
                self._tell(lie, texts[-1], lambda: self._real[name](path, *args, **options))
            self._real[name](path, *args, **options)
            for text in texts:
                self._knows(text)

        return change

    def _knows(self, text: str) -> None:
        """This host has changed ``text`` and got the true answer."""
        self._absent.pop(text, None)
        self._listings.pop(os.path.dirname(text), None)

    def _tell(self, lie: Lie, text: str, perform: Callable[[], object]) -> None:
        error = OSError(lie.code, os.strerror(lie.code), text)
        if lie.late:
            self._late.append((lie.late, perform))
            raise error
        if lie.hidden_from == "listings":
            self._keep(os.path.dirname(text), -1.0)
        perform()  # An error of its own is the true answer.
        if lie.hidden_from == "lookups":
            self._absent[text] = float("inf")
        raise error

    def _exists(self, text: str) -> bool:
        try:
            self._real["lstat"](text)
        except OSError:
            return False
        return True

    def _perform_late(self) -> None:
        due = [perform for left, perform in self._late if left <= 1]
        self._late = [(left - 1, perform) for left, perform in self._late if left > 1]
        for perform in due:
            with suppress(OSError):  # Nobody hears of it.
                perform()

    def _now(self) -> float:
        return self._clock.monotonic() if self._clock is not None else 0.0

    def _is_ours(self, text: str) -> bool:
        return text.startswith(self._root + os.sep) or text == self._root


def _text(path: Any) -> str:
    return "" if isinstance(path, int) else os.fsdecode(path)
