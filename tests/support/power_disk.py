"""What a disk holds after a power cut, computed from the changes that `support.recording_disk` noted.

Two kinds of file systems:

- ``posix``: what the standard promises and no more. The data of a file survives if that file was synced, a name if
  its folder was. The two halves of a rename survive together, unless renames are torn.
- ``journal``: ext4, xfs and others. Changes of names survive in their order, up to some moment, and a sync of
  anything makes all of them before it durable. Data survives by its own sync only.

And what is lost of that which is not durable: ``all`` of it, or ``some`` (by chance; data may be old, empty, cut
short, or half of it zeros).
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Change = tuple[Any, ...]
ROOT = 0


class Naming(NamedTuple):
    """A name that a folder gets, or loses (``number`` is None). Those of one call share its ``call``."""

    call: int
    folder: int
    name: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Cut:
    """How a disk behaves at a power cut."""

    journal: bool
    lose: str
    torn: bool = False

    def __str__(self) -> str:
        return "-".join(["journal" if self.journal else "posix", self.lose, *(["torn"] if self.torn else [])])


#: A disk with a journal is what people have. The others are stricter.
CUTS = (
    Cut(journal=True, lose="all"),
    Cut(journal=True, lose="some"),
    Cut(journal=False, lose="all"),
    Cut(journal=False, lose="some"),
    Cut(journal=False, lose="some", torn=True),
)


def read_log(path: Path) -> list[Change]:
    """The changes that a recording disk noted."""
    found = []
    with path.open("rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except EOFError:
                return found


@dataclass
class Tree:
    """The names in each folder, and the content of each file. A number that is no file is a folder."""

    names: dict[int, dict[str, int]]
    data: dict[int, bytes]

    def folder(self, *names: str) -> dict[str, int]:
        """What the folder ``names`` below the root holds; nothing when it is not there."""
        number: int | None = ROOT
        for name in names:
            number = self.names.get(number, {}).get(name) if number is not None else None
        return self.names.get(number, {}) if number is not None else {}

    def lay_out(self, path: Path, *names: str) -> None:
        """Make the new folder ``path`` hold what the folder ``names`` holds."""
        self._lay_out(path, self.folder(*names), {})

    def _lay_out(self, path: Path, names: dict[str, int], made: dict[int, str]) -> None:
        path.mkdir()
        for name, number in names.items():
            below = os.path.join(path, name)
            if number in self.names:
                self._lay_out(Path(below), self.names[number], made)
            elif number in made:
                os.link(made[number], below)
            else:
                with open(below, "wb") as file:
                    file.write(self.data.get(number, b""))
                made[number] = below


@dataclass
class PowerDisk:
    """A disk while changes are made on it: how it is seen, and what of it is durable."""

    journal: bool
    torn: bool = False
    seen: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    durable: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    data: dict[int, bytearray] = field(default_factory=dict)
    durable_data: dict[int, bytes] = field(default_factory=dict)
    pending: list[Naming] = field(default_factory=list)
    _calls: int = 0

    def do(self, change: Change) -> None:
        what, *facts = change
        self._calls += 1
        if what == "create":
            folder, name, number, kind = facts
            if kind == "folder":
                self.seen[number], self.durable[number] = {}, {}
            else:
                self.data[number] = bytearray()
            self._name(folder, name, number)
        elif what == "link":
            self._name(*facts)
        elif what == "remove":
            self._name(*facts, None)
        elif what == "rename":
            folder, name, to, new, number = facts
            self._name(folder, name, None)
            self._name(to, new, number)
        elif what == "write":
            number, offset, data = facts
            content = self.data[number]
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        elif what == "cut":
            number, length = facts
            del self.data[number][length:]
        else:
            self._sync(facts[0])

    def _name(self, folder: int, name: str, number: int | None) -> None:
        _settle(self.seen, Naming(self._calls, folder, name, number))
        self.pending.append(Naming(self._calls, folder, name, number))

    def _sync(self, number: int) -> None:
        if number in self.data:
            self.durable_data[number] = bytes(self.data[number])
        if self.journal:
            kept, self.pending = self.pending, []
        elif number in self.seen:
            calls = {naming.call for naming in self.pending if naming.folder == number}
            names = {
                (naming.folder, naming.name)
                for naming in self.pending
                if naming.folder == number or (not self.torn and naming.call in calls)
            }
            kept = [naming for naming in self.pending if (naming.folder, naming.name) in names]
            self.pending = [naming for naming in self.pending if (naming.folder, naming.name) not in names]
        else:
            return
        for naming in kept:
            _settle(self.durable, naming)

    def after_cut(self, lose: str, chance: random.Random) -> Tree:
        """What the disk holds when the power comes back."""
        names = {number: dict(entries) for number, entries in self.durable.items()}
        data = dict(self.durable_data)
        if lose == "some":
            calls = sorted({naming.call for naming in self.pending})
            if self.journal:
                kept = set(calls[: chance.randint(0, len(calls))])
            else:
                kept = {call for call in calls if chance.random() < 0.5}
            for naming in self.pending:
                if naming.call in kept and (not self.torn or chance.random() < 0.5):
                    _settle(names, naming)
            for number, content in self.data.items():
                if content != self.durable_data.get(number):
                    data[number] = _torn(bytes(content), self.durable_data.get(number, b""), chance)
        return Tree(names, data)


def _settle(names: dict[int, dict[str, int]], naming: Naming) -> None:
    if naming.number is None:
        names[naming.folder].pop(naming.name, None)
    else:
        names[naming.folder][naming.name] = naming.number


def _torn(new: bytes, old: bytes, chance: random.Random) -> bytes:
    half = len(new) // 2
    return chance.choice((old, b"", new, new[: chance.randint(0, len(new))], new[:half] + bytes(len(new) - half)))


def survivors(changes: Sequence[Change], cut: Cut, seed: int) -> Iterator[tuple[int, Tree]]:
    """For each number of changes that were made before the power failed: what is left."""
    disk, chance = PowerDisk(cut.journal, cut.torn), random.Random(f"{seed} {cut}")
    for done, change in enumerate(changes, 1):
        disk.do(change)
        yield done, disk.after_cut(cut.lose, chance)
