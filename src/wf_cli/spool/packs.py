"""Packs: many finished jobs in one file each, found by key without reading all of it.

A pack is written once, as a whole, and never changed. It holds what the loose files of its jobs held, byte for byte:
the spec, the name of the token in ``archive/``, and the outcomes. A key that is in a pack stays taken.

Format: a line ``wf-pack 1``; blocks of up to `BLOCK` entries, each block a zlib stream of JSON; an index, which also
names the packs that this one replaces; a footer.
Entries are in the order of a hash of their job id. The index has all hashes and the places of the blocks, and is read
once by each process that asks. So a key that is in no pack is told from memory, and one that is costs one read.

Nothing here writes. `wf_cli.spool.packing` makes packs, and says how files become entries and entries files again.
"""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import time
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from wf_cli import fsio
from wf_cli.errors import SpoolError
from wf_cli.frozen import frozen

FOLDER, SUFFIX = "packed", ".pack"
#: Entries of one block, which is read as a whole.
BLOCK = 64
#: Bytes that an entry may have. A larger job stays loose.
LARGEST = 1024 * 1024
#: Seconds for which a listing of the folder counts, where an answer may be that old.
RECENT, AN_AGE = 1.0, 60.0
#: Looks again this often when a pack vanishes between its listing and the look into it, because others were merged.
_TRIES = 5
_MAGIC = b"wf-pack 1\n"
_FOOTER = struct.Struct(">QQII4s")
_END = b"wfpk"


@frozen
class Entry:
    """A finished job, as its loose files had it."""

    job_id: str
    #: The name of its token in ``archive/``.
    token: str
    attempt: int
    #: When the job came into its present state, as its token says.
    time_ms: int
    #: The content of its file in ``jobs/``.
    spec: str
    #: Attempt and content of each file in ``outcomes/``.
    outcomes: tuple[tuple[int, str], ...]

    @property
    def age(self) -> tuple[int, int]:
        """Of two entries of one job the one with the greater `age` is the later one."""
        return self.attempt, self.time_ms

    @property
    def size(self) -> int:
        """Characters of what it keeps."""
        return len(self.spec) + sum(len(content) for _, content in self.outcomes)

    def outcome(self, attempt: int) -> str | None:
        """The content of the outcome of an attempt."""
        return next((content for number, content in self.outcomes if number == attempt), None)


def encode(entries: Iterable[Entry], replaces: Iterable[str] = ()) -> bytes:
    """A whole pack, which makes the packs ``replaces`` superfluous. Of several entries of a job it has the latest."""
    latest: dict[str, Entry] = {}
    for entry in entries:
        known = latest.get(entry.job_id)
        if known is None or known.age <= entry.age:
            latest[entry.job_id] = entry
    ordered = sorted(latest.values(), key=lambda entry: (_hash(entry.job_id), entry.job_id))
    parts, places, at = [_MAGIC], [], len(_MAGIC)
    for begin in range(0, len(ordered), BLOCK):
        rows = [[e.job_id, e.token, e.attempt, e.time_ms, e.spec, e.outcomes] for e in ordered[begin : begin + BLOCK]]
        block = zlib.compress(json.dumps(rows, separators=(",", ":")).encode())
        parts.append(block)
        places.append((at, len(block)))
        at += len(block)
    hashes = struct.pack(f">{len(ordered)}I", *(_hash(entry.job_id) for entry in ordered))
    rest = json.dumps({"places": places, "replaces": sorted(replaces)}).encode()
    index = zlib.compress(struct.pack(">I", len(ordered)) + hashes + rest)
    footer = _FOOTER.pack(at, len(index), len(ordered), zlib.crc32(index), _END)
    return b"".join((*parts, index, footer))


def _hash(job_id: str) -> int:
    return zlib.crc32(job_id.encode())


class Pack:
    """One pack, with its index in memory. Raises SpoolError when it is damaged, FileNotFoundError when it is gone."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with self._opened() as file:
                fd = file.fileno()
                self.size = os.fstat(fd).st_size
                if self.size < len(_MAGIC) + _FOOTER.size:
                    raise ValueError("it is cut off")
                at, length, count, crc, end = _FOOTER.unpack(os.pread(fd, _FOOTER.size, self.size - _FOOTER.size))
                if at + length > self.size or count > self.size:
                    raise ValueError("its end was changed")
                index = os.pread(fd, length, at)
                if os.pread(fd, len(_MAGIC), 0) != _MAGIC or end != _END or zlib.crc32(index) != crc:
                    raise ValueError("it is cut off, or was changed")
            data = _unzipped(index, 8 * count + 1024 * 1024)
            self._hashes = array("I", struct.unpack_from(f">{count}I", data, 4))
            rest = json.loads(data[4 + 4 * count :])
            self._places = [(int(a), int(b)) for a, b in rest["places"]]
            #: Names of packs whose entries are in this one, as far as they are still wanted.
            self.replaces = tuple(map(str, rest["replaces"]))
        except (ValueError, TypeError, KeyError, struct.error, zlib.error, OverflowError) as error:
            raise damaged(path, error) from error

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, job_id: str) -> Entry | None:
        """The entry of ``job_id``."""
        wanted = _hash(job_id)
        at, blocks = bisect_left(self._hashes, wanted), set()
        while at < len(self._hashes) and self._hashes[at] == wanted:
            blocks.add(at // BLOCK)
            at += 1
        for block in sorted(blocks):
            for entry in self._block(block):
                if entry.job_id == job_id:
                    return entry
        return None

    def __iter__(self) -> Iterator[Entry]:
        for block in range(len(self._places)):
            yield from self._block(block)

    def _block(self, number: int) -> list[Entry]:
        try:
            at, length = self._places[number]
            with self._opened() as file:
                rows = json.loads(_unzipped(os.pread(file.fileno(), min(length, self.size), at), BLOCK * 6 * LARGEST))
            return [
                Entry(str(job), str(token), int(attempt), int(ms), str(spec), tuple((int(n), str(t)) for n, t in of))
                for job, token, attempt, ms, spec, of in rows
            ]
        except (ValueError, TypeError, IndexError, zlib.error) as error:
            raise damaged(self.path, error) from error

    def _opened(self) -> io.FileIO:
        return os.fdopen(fsio.open_regular(self.path), "rb", buffering=0)


def _unzipped(data: bytes, limit: int) -> bytes:
    """What ``data`` holds; ValueError when that has more bytes than ``limit``, because files are not trusted."""
    stream = zlib.decompressobj()
    out = stream.decompress(data, limit)
    if not stream.eof:
        raise ValueError("a part of it does not end")
    return out


def damaged(path: Path, error: Exception) -> SpoolError:
    """The error for a pack that cannot be read. Which keys it holds is not known, so no key may be given out."""
    return SpoolError(
        f"{path} is damaged and keeps the keys of finished jobs: {error}",
        hint="restore it from a backup; without one, remove it, and its keys can be enqueued again",
        code="DAMAGED_PACK",
    )


class Packs:
    """All packs of a spool. Its methods may be called from any thread, and look at the disk as rarely as they may."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._known: dict[str, Pack] = {}
        self._listed = float("-inf")

    def find(self, job_id: str, *, age_s: float = RECENT) -> Entry | None:
        """The latest entry of ``job_id``, by a listing that is at most ``age_s`` old; 0 asks for a fresh one.

        Raises SpoolError when a pack is damaged, OSError when the disk does not tell.
        """
        for _ in range(_TRIES):
            try:
                found = [entry for pack in self._packs(age_s) if (entry := pack.find(job_id)) is not None]
            except FileNotFoundError:  # RACE: it was merged into another one, which the next listing shows.
                age_s = 0.0
                continue
            return max(found, key=lambda entry: entry.age, default=None)
        raise OSError(errno.ESTALE, "packs are listed, but not found; the mount's caches are old", str(self._folder))

    def all(self) -> list[Pack]:
        """The packs by a fresh listing, those too that another one replaces. One that vanished meanwhile is left out.
        Raises as `find`."""
        self._packs(0.0, gone_is_fine=True)
        return list(self._known.values())

    def standing(self) -> list[Pack]:
        """Those of `all` that no other one replaces."""
        return self._packs(0.0, gone_is_fine=True)

    def entries(self) -> Iterator[Entry]:
        """The latest entry of each job. All packs are read, and ids are in memory. Raises as `find`."""
        ages: dict[str, tuple[int, int]] = {}
        several = len(packs := self.standing()) > 1
        if several:
            for pack in packs:
                for entry in pack:
                    ages[entry.job_id] = max(ages.get(entry.job_id, entry.age), entry.age)
        for pack in packs:
            for entry in pack:
                if not several:
                    yield entry
                elif ages.get(entry.job_id) == entry.age:
                    del ages[entry.job_id]
                    yield entry

    def _packs(self, age_s: float, *, gone_is_fine: bool = False) -> list[Pack]:
        now = time.monotonic()
        if now - self._listed < age_s:
            return self._counting()
        try:
            names = [name for name in fsio.names(self._folder) if name.endswith(SUFFIX)]
        except FileNotFoundError:
            names = []
        known = {}
        for name in sorted(names):
            try:
                known[name] = self._known.get(name) or Pack(self._folder / name)
            except FileNotFoundError:
                if not gone_is_fine:
                    raise
        self._known, self._listed = known, now
        return self._counting()

    def _counting(self) -> list[Pack]:
        """The packs that no other one replaces. A job that was purged is only in one that is replaced."""
        known = self._known
        replaced = {name for pack in known.values() for name in pack.replaces}
        return [pack for name, pack in known.items() if name not in replaced]
