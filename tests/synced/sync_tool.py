"""A sync tool that does its worst, step by step and from one seed; in the end all machines are alike.

It knows each file of each machine by a version vector, as Syncthing does. Steps: a file is delivered whole, or under
a temporary name first, or in half under its own name (as other tools do). Deliveries wait, overtake one another, and
stop while two machines are apart. Two writers of one file make a conflict copy, or one of them loses without a copy.
An edit beats a deletion. In the folders of `Faults.unsafe` a file of any earlier time may come back, and all may be
deleted.

Elsewhere no machine goes back to an older version: that is what the design asks of a sync tool.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Vector = Mapping[str, int]


@dataclass(frozen=True)
class Version:
    """One state of one file: its content (None: deleted), and what each machine has done to it."""

    content: bytes | None
    vector: Vector
    #: When it was made, by the number of the step. The later one wins a conflict.
    made: int
    by: str

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Of two versions that do not know each other the higher one wins."""
        return self.content is not None, self.made, self.by

    def includes(self, other: Version) -> bool:
        return all(self.vector.get(name, 0) >= count for name, count in other.vector.items())


@dataclass
class Faults:
    """What may happen besides slow deliveries."""

    #: Folders in which old files come back and everything may vanish.
    unsafe: tuple[str, ...] = ()
    temporary: bool = True
    torn: bool = True
    without_copy: bool = True
    #: Names that do not travel.
    ignored: tuple[str, ...] = (".part",)


@dataclass
class _Machine:
    root: Path
    files: dict[str, Version] = field(default_factory=dict)
    #: Deliveries that have begun: the temporary file, and what it becomes.
    under_way: dict[str, Version] = field(default_factory=dict)
    #: Files of which only a part is there; no edit of anybody.
    torn: set[str] = field(default_factory=set)
    #: Contents by path, with what the file was when it was read.
    read: dict[str, tuple[tuple[int, int, int], bytes]] = field(default_factory=dict)


class SyncTool:
    """The tool on all machines at once."""

    def __init__(self, folders: Mapping[str, Path], rng: random.Random, faults: Faults | None = None):
        self.machines = {name: _Machine(folder) for name, folder in folders.items()}
        self.rng = rng
        self.faults = faults or Faults()
        self.apart: set[frozenset[str]] = set()
        self.trace: list[str] = []
        self._history: list[tuple[str, Version]] = []
        self._now = 0

    # -- looking

    def scan(self, name: str) -> None:
        """Notice what was changed on a machine since the last look."""
        machine = self.machines[name]
        found = dict(self._disk(machine))
        for path in sorted({*found, *machine.files}):
            known, data = machine.files.get(path), found.get(path)
            if path in machine.torn or (known.content if known else None) == data:
                continue
            vector = dict(known.vector) if known else {}
            vector[name] = vector.get(name, 0) + 1
            self._keep(machine, path, Version(data, vector, self._tick(), name))

    def pending(self) -> list[tuple[str, str, str]]:
        """Deliveries that could be made now: from, to, path."""
        out = []
        for one, source in self.machines.items():
            for other, target in self.machines.items():
                if one == other or frozenset((one, other)) in self.apart:
                    continue
                for path, version in sorted(source.files.items()):
                    there = target.files.get(path)
                    if there is None or not there.includes(version):
                        out.append((one, other, path))
                out += [(one, other, path) for path in sorted(target.torn) if path in source.files]
        return out

    # -- steps

    def step(self) -> str | None:
        """One step of the tool; what it was, or None when there was nothing to do."""
        for name in self.machines:
            self.scan(name)
        begun = [(name, path) for name, machine in self.machines.items() for path in sorted(machine.under_way)]
        if begun and self.rng.random() < 0.5:
            name, path = self.rng.choice(begun)
            return self._said(f"{name}: {path} arrives, after its temporary name", self._finish(name, path))
        todo = self.pending()
        if not todo:
            return None
        one, other, path = self.rng.choice(todo)
        chance = self.rng.random()
        if self.faults.temporary and chance < 0.2 and self.machines[one].files[path].content is not None:
            return self._said(f"{other}: {path} begins to arrive from {one}", self._begin(one, other, path))
        if self.faults.torn and chance < 0.3 and self._tear(one, other, path):
            return self._said(f"{other}: a part of {path} arrives from {one}", None)
        return self._said(f"{other}: {path} arrives from {one}", self.deliver(one, other, path))

    def deliver(self, one: str, other: str, path: str) -> None:
        """A file arrives on machine ``other`` as it is on machine ``one``."""
        self.scan(other)
        self._arrive(other, path, self.machines[one].files[path])

    def part(self, one: str, other: str) -> None:
        """Nothing goes between two machines until `heal`."""
        self.apart.add(frozenset((one, other)))
        self.trace.append(f"{one} and {other} are apart")

    def heal(self) -> None:
        """All machines reach each other again."""
        self.apart.clear()
        self.trace.append("all are together")

    def disturb(self) -> str | None:
        """A fault that is no delivery: an old file comes back, or an unsafe folder vanishes."""
        if not self.faults.unsafe:
            return None
        name = self.rng.choice(sorted(self.machines))
        machine = self.machines[name]
        if self.rng.random() < 0.15:
            folder = self.rng.choice(self.faults.unsafe)
            shutil.rmtree(machine.root / folder, ignore_errors=True)
            machine.torn = {path for path in machine.torn if not path.startswith(f"{folder}/")}
            return self._said(f"{name}: all of {folder} is deleted", None)
        old = [(path, v) for path, v in self._history if self._is_unsafe(path) and v.content is not None]
        if not old:
            return None
        path, version = self.rng.choice(old)
        _write(machine.root / path, version.content)
        machine.torn.discard(path)
        return self._said(f"{name}: {path} comes back as it was at {version.made}", None)

    def settle(self, limit: int = 100_000) -> None:
        """Heal, and deliver until all machines are alike."""
        self.heal()
        for _ in range(limit):
            for name, machine in self.machines.items():
                for path in list(machine.under_way):
                    self._finish(name, path)
            for name in self.machines:
                self.scan(name)
            todo = self.pending()
            if not todo:
                return
            for one, other, path in todo:
                self.deliver(one, other, path)
        raise AssertionError("the sync tool does not come to rest")

    # -- how

    def _arrive(self, name: str, path: str, version: Version) -> None:
        machine = self.machines[name]
        here = machine.files.get(path)
        if here is None or version.includes(here) or (path in machine.torn and here == version):
            self._apply(machine, path, version)
            return
        if here.includes(version):
            if path in machine.torn:
                self._apply(machine, path, here)
            return
        # Two writers. An edit beats a deletion; of two edits the later one wins, the same everywhere.
        wins, loses = (version, here) if version.rank > here.rank else (here, version)
        vector = {n: max(version.vector.get(n, 0), here.vector.get(n, 0)) for n in {*version.vector, *here.vector}}
        lost = loses.content if loses.content != wins.content else None
        if lost is not None and not (self.faults.without_copy and self.rng.random() < 0.2):
            self._copy(machine, path, lost, loses)
        self._apply(machine, path, Version(wins.content, vector, wins.made, wins.by))

    def _copy(self, machine: _Machine, path: str, content: bytes, loses: Version) -> None:
        folder, _, name = path.rpartition("/")
        stem, dot, ext = name.partition(".")
        copy = f"{stem}.sync-conflict-20240101-{loses.made % 10**6:06d}-{loses.by.upper()[:7]:X<7}{dot}{ext}"
        _write(machine.root / folder / copy, content)
        self.trace.append(f"a conflict copy is made: {copy}")

    def _apply(self, machine: _Machine, path: str, version: Version) -> None:
        if version.content is None:
            (machine.root / path).unlink(missing_ok=True)
        else:
            _write(machine.root / path, version.content)
        machine.torn.discard(path)
        self._keep(machine, path, version)

    def _begin(self, one: str, other: str, path: str) -> None:
        machine, version = self.machines[other], self.machines[one].files[path]
        machine.under_way[path] = version
        _write(_temporary(machine.root / path), version.content)

    def _finish(self, name: str, path: str) -> None:
        machine = self.machines[name]
        version = machine.under_way.pop(path)
        _temporary(machine.root / path).unlink(missing_ok=True)
        self.scan(name)
        self._arrive(name, path, version)

    def _tear(self, one: str, other: str, path: str) -> bool:
        """A file of which nothing is there begins under its own name."""
        machine, content = self.machines[other], self.machines[one].files[path].content
        if not content or path in machine.torn or (machine.root / path).exists():
            return False
        _write(machine.root / path, content[: self.rng.randrange(len(content))])
        machine.torn.add(path)
        return True

    def _keep(self, machine: _Machine, path: str, version: Version) -> None:
        machine.files[path] = version
        if not any(path == p and version == v for p, v in self._history[-50:]):
            self._history.append((path, version))

    def _is_unsafe(self, path: str) -> bool:
        return any(path.startswith(f"{folder}/") for folder in self.faults.unsafe)

    def _disk(self, machine: _Machine) -> Iterator[tuple[str, bytes]]:
        for folder, _, names in os.walk(machine.root):
            for name in names:
                if not (name.startswith(".syncthing.") or name.endswith(self.faults.ignored)):
                    full = os.path.join(folder, name)
                    path = full[len(str(machine.root)) + 1 :]
                    yield path, self._content(machine, path, full)

    def _content(self, machine: _Machine, path: str, full: str) -> bytes:
        """The files in unsafe folders are never edited in place, so one inode is one content."""
        info = os.stat(full)
        facts = (info.st_ino, info.st_size, info.st_mtime_ns)
        known = machine.read.get(path)
        if known is None or known[0] != facts or not self._is_unsafe(path):
            known = machine.read[path] = (facts, Path(full).read_bytes())
        return known[1]

    def _tick(self) -> int:
        self._now += 1
        return self._now

    def _said(self, what: str, _done: None) -> str:
        self.trace.append(what)
        return what


def _temporary(path: Path) -> Path:
    return path.with_name(f".syncthing.{path.name}.tmp")


def _write(path: Path, content: bytes | None) -> None:
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".syncthing.{path.name}.tmp.new")
    part.write_bytes(content)
    os.replace(part, path)
