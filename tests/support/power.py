"""Power cuts: from recorded calls to every spool that a disk may hold after one.

The rules are the strictest that POSIX allows, those of ``cut="tear"`` in `tests/model`: each directory falls back on
its own to some moment since its last sync, so that the halves of a rename may part, and a file whose data was not
synced is empty. A file system with an ordered journal leaves fewer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from support.syncs import Call
from wf_cli.spool.layout import FOLDERS

#: The names in one directory, each with the number of its file.
Names = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class World:
    """What a disk may hold: two links of one file have one number."""

    folders: tuple[tuple[str, Names], ...]
    files: frozenset[tuple[int, bytes]]

    def lay_out(self, root: Path) -> None:
        """Make the folder ``root`` hold this."""
        data, made = dict(self.files), dict[int, Path]()
        for folder in ("", *FOLDERS):
            (root / folder).mkdir()
        for folder, names in self.folders:
            for name, number in sorted(names):
                path = root / folder / name
                path.parent.mkdir(exist_ok=True)  # archive/quarantine
                if number in made:
                    os.link(made[number], path)
                else:
                    path.write_bytes(data[number])
                    made[number] = path

    def __str__(self) -> str:
        return "; ".join(sorted(f"{folder}/{name}" for folder, names in self.folders for name, _ in names))


@dataclass
class Disk:
    """A spool's folder and, for each directory, the moments that a cut can bring back. The last one is now."""

    moments: dict[str, list[Names]] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    unsynced: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, root: Path) -> Disk:
        """As it is, all of it durable."""
        disk = cls()
        for folder in (".", *FOLDERS):
            paths = [path for path in (root / folder).iterdir() if path.is_file() and folder != "locks"]
            disk.moments[folder] = [frozenset((path.name, path.stat().st_ino) for path in paths)]
            disk.data.update((path.stat().st_ino, path.read_bytes()) for path in paths)
        return disk

    def do(self, call: Call) -> None:
        folder, _, name = call.path.partition("/")
        match call.what:
            case "create":
                number = -len(self.data) - 1  # no inode has that
                self.data[number] = b""
                self.unsynced.add(number)
                self._name(folder, name, number)
            case "write":
                number = self._number(folder, name)
                self.data[number] += call.data
                self.unsynced.add(number)
            case "fsync" if call.path.endswith("/"):
                self.moments[folder] = self.moments[folder][-1:]
            case "fsync":
                self.unsynced.discard(self._number(folder, name))
            case "link" | "rename":
                number = self._number(folder, name)
                target, _, new = call.target.partition("/")
                same = dict(self.moments[target][-1]).get(new) == number
                if call.what == "rename" and not same:  # of two links of one file it does nothing
                    self._name(folder, name, None)
                self._name(target, new, number)
            case "unlink":
                self._name(folder, name, None)

    def worlds(self) -> Iterator[World]:
        """What may be left when the power fails now."""
        files = frozenset((n, b"" if n in self.unsynced else data) for n, data in self.data.items())
        for chosen in product(*(dict.fromkeys(moments) for moments in self.moments.values())):
            folders = tuple(zip(self.moments, chosen, strict=True))
            there = {number for _, names in folders for _, number in names}
            yield World(folders, frozenset((n, data) for n, data in files if n in there))

    def _number(self, folder: str, name: str) -> int:
        return dict(self.moments[folder][-1])[name]

    def _name(self, folder: str, name: str, number: int | None) -> None:
        """``name`` means the file ``number`` from now on, or nothing. A rename within a directory is one moment."""
        names = dict(self.moments[folder][-1])
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
        self.moments[folder].append(frozenset(names.items()))


def cuts(disk: Disk, calls: Sequence[Call]) -> dict[World, int]:
    """Every world that a power cut during or after ``calls`` may leave, with the most calls done at which it may.

    ``disk`` is how it was before.
    """
    found: dict[World, int] = {}
    for done in range(len(calls) + 1):
        if done:
            disk.do(calls[done - 1])
        for world in disk.worlds():
            found[world] = done
    return found
