"""What a process does to a spool's files, in order, and whether each cut of that order is a legal one.

`recording` notes the calls that change a spool, or make a change durable, while they happen. `complaints` checks the
order by the rules that `tests/model` found to be needed against power cuts:

1. The data of a file is synced before the file gets a name that others read.
2. A step is durable before the next one begins: one may not survive without the other. A claim is one step with its
   start. The end of an attempt, which moves the token out of ``claimed/`` or ``running/``, need not be durable at
   all, because the outcome is, and says where the token goes. It has to be once somebody else moves the token on.
3. Of a rename the target's directory is synced before the source's, because a token in two places can be repaired
   without guessing, and one in none cannot.
4. When a call returns, or an agent's process is spawned, everything before is durable; but a claim only when an
   agent is spawned.

Some files need none of that: parts, locks, leases, logs, transcripts. Removing a file from ``tmp/`` neither, because
a sweeper removes it again.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.stand_ins import stand_in
from wf_cli import fsio

#: Folders whose names or contents the protocol does not build on.
_LOOSE = frozenset({"locks", "leases", "log", "transcripts"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call that succeeded. Paths are ``folder/name`` below the spool; a directory's name is empty."""

    #: create, write, fsync, rename, link, unlink, mkdir, spawn
    what: str
    path: str = ""
    target: str = ""
    data: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.path, self.target) if part)

    @property
    def folder(self) -> str:
        return self.path.partition("/")[0]

    @property
    def target_folder(self) -> str:
        return self.target.partition("/")[0]


class Recorder:
    """The calls of all threads of this process on one spool."""

    def __init__(self, root: Path):
        self.calls: list[Call] = []
        self._root = os.path.realpath(root)
        self._open: dict[int, str] = {}
        self._lock = threading.RLock()

    def note(self, what: str, *paths: Any, data: bytes = b"") -> None:
        """Remember a call, if it is one on this spool."""
        inside = [self._inside(path) for path in paths]
        if None not in inside and not any(_is_loose(str(path)) for path in inside):
            self.calls.append(Call(what, *map(str, inside), data=data))

    def _inside(self, path: Any) -> str | None:
        absolute = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if absolute == self._root:
            return "./"
        if not absolute.startswith(self._root + os.sep):
            return None
        inside = os.path.relpath(absolute, self._root)
        # A file in the root lies in the folder "."; a folder ends with its slash. What lies deeper (the quarantine in
        # archive/) counts as lying in the folder of the spool.
        if os.path.isdir(absolute):
            return f"{inside}/"
        return inside if os.sep in inside else f"./{inside}"

    # -- the wrapped calls

    def open(self, real: Callable[..., int], path: Any, flags: int, *rest: Any, **more: Any) -> int:
        with self._lock:
            fd = real(path, flags, *rest, **more)
            inside = self._inside(path) if not isinstance(path, int) else None
            if inside is not None:
                self._open[fd] = os.fspath(path)
                if flags & os.O_CREAT:
                    self.note("create", path)
            return fd

    def close(self, real: Callable[[int], None], fd: int) -> None:
        with self._lock:
            self._open.pop(fd, None)
            real(fd)

    def write(self, real: Callable[..., int], fd: int, data: Any) -> int:
        with self._lock:
            written = real(fd, data)
            if fd in self._open:
                self.note("write", self._open[fd], data=bytes(data)[:written])
            return written

    def fsync(self, real: Callable[[int], None], fd: int) -> None:
        with self._lock:
            real(fd)
            if fd in self._open:
                self.note("fsync", self._open[fd])

    def _named(self, what: str) -> Callable[..., Any]:
        def call(real: Callable[..., Any], *paths: Any, **more: Any) -> Any:
            with self._lock:
                answer = real(*paths, **more)
                self.note(what, *(path for path in paths if isinstance(path, str | os.PathLike)))
                return answer

        return call

    def wrappers(self) -> dict[str, Callable[..., Any]]:
        """By name in ``os``."""
        return {
            "open": self.open, "close": self.close, "write": self.write, "fsync": self.fsync,
            "rename": self._named("rename"), "replace": self._named("rename"), "link": self._named("link"),
            "unlink": self._named("unlink"), "mkdir": self._named("mkdir"),
        }  # fmt: skip


@contextmanager
def recording(root: Path) -> Iterator[list[Call]]:
    """The calls on the spool ``root`` during the block."""
    recorder = Recorder(root)
    real = {name: getattr(os, name) for name in recorder.wrappers()}
    real_spawn, full_sync = subprocess.Popen.__init__, fsio._HAS_FULLFSYNC

    def spawn(self: Any, *args: Any, **options: Any) -> None:
        recorder.calls.append(Call("spawn"))
        real_spawn(self, *args, **options)

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            return recorder.wrappers()[name](real[name], *args, **options)

        return call

    try:
        for name in real:
            setattr(os, name, stand_in(name, wrapped(name)))
        subprocess.Popen.__init__ = spawn  # type: ignore[method-assign]
        fsio._HAS_FULLFSYNC = False  # elsewhere a sync is an fcntl
        yield recorder.calls
    finally:
        fsio._HAS_FULLFSYNC = full_sync
        subprocess.Popen.__init__ = real_spawn  # type: ignore[method-assign]
        for name, function in real.items():
            setattr(os, name, function)


def _is_loose(path: str) -> bool:
    return path.partition("/")[0] in _LOOSE or path.startswith("./.")


def is_part(path: str) -> bool:
    """Whether nobody but its writer reads this name."""
    return path.endswith(".part")


class _Disk:
    """What is not durable yet."""

    def __init__(self) -> None:
        #: Files by name; two links of one file share a number.
        self._file: dict[str, int] = {}
        self._unsynced_data: set[int] = set()
        #: Folder -> the calls that changed its names since its last sync.
        self.pending: dict[str, list[Call]] = {}
        self._step: tuple[str, str, str] | None = None
        #: Moves at the end of an attempt. They stand in its outcome.
        self._ends: set[Call] = set()

    def wrong_with(self, call: Call) -> Iterator[str]:
        """Do ``call``; what is against the rules in that."""
        match call.what:
            case "create":
                self._file[call.path] = len(self._file)
            case "write":
                self._unsynced_data.add(self._number(call.path))
            case "fsync" if call.path.endswith("/"):
                yield from self._sync(call)
            case "fsync":
                self._unsynced_data.discard(self._number(call.path))
            case "rename" | "link":
                yield from self._name(call)
            case "unlink" if call.folder != "tmp" and not is_part(call.path):
                self._change(call.folder, call)
            case "mkdir":
                inside = call.path.rstrip("/").rpartition("/")[0]
                self._change(inside or ".", call)
            case "spawn":
                yield from self.left("an agent's process is spawned", claims=True)

    def left(self, when: str, *, claims: bool = False) -> Iterator[str]:
        """What is not durable ``when`` it has to be; ``claims`` have to be, too."""
        for folder, calls in self.pending.items():
            for call in calls:
                if call not in self._ends and (claims or not _is_claim(call)):
                    yield f"{when}, and {folder}/ is not synced after: {call}"

    def _number(self, path: str) -> int:
        return self._file.setdefault(path, len(self._file))

    def _change(self, folder: str, call: Call) -> None:
        self.pending.setdefault(folder, []).append(call)

    def _sync(self, call: Call) -> Iterator[str]:
        for other in self.pending.pop(call.folder, []):
            target = other.target_folder
            if target != call.folder and other in self.pending.get(target, []):
                yield f"{call.folder}/ is synced before {target}/ after: {other}"

    def _name(self, call: Call) -> Iterator[str]:
        number = self._number(call.path)
        if number in self._unsynced_data:
            yield f"the data is not synced before: {call}"
        # Many files may go the same way together: a batch.
        call = self._joined(call)
        step = (call.what, "part" if is_part(call.path) else call.folder, call.target_folder)
        if step != self._step:
            yield from self.left(f"{call} begins")
        self._step = step
        self._file[call.target] = number
        self._change(call.target_folder, call)
        if call.what == "rename":
            self._file.pop(call.path, None)
            if not is_part(call.path) and call.folder != call.target_folder:
                self._change(call.folder, call)

    def _joined(self, call: Call) -> Call:
        """A start together with its claim, if that is not durable yet. An end that somebody builds on counts."""
        before = next((c for calls in self.pending.values() for c in calls if c.target == call.path), None)
        if before is not None and _is_claim(before) and call.target_folder == "running":
            for calls in self.pending.values():
                calls[:] = [other for other in calls if other != before]
            self._file[before.path] = self._file[call.path]
            call = Call("rename", before.path, call.target)
        elif before is not None and call.target_folder != "claimed":
            self._ends.discard(before)
        if call.what == "rename" and call.folder in ("claimed", "running") and call.target_folder in _AFTER:
            self._ends.add(call)
        return call


#: Where an attempt's end takes its token.
_AFTER = frozenset({"queued", "held", "done", "dead"})


def _is_claim(call: Call) -> bool:
    return call.what == "rename" and (call.folder, call.target_folder) == ("queued", "claimed")


def complaints(calls: Iterable[Call]) -> list[str]:
    """Where the order of ``calls`` is against the rules; the last of them returned to somebody who relies on it."""
    disk = _Disk()
    found = [text for call in calls for text in disk.wrong_with(call)]
    return found + list(disk.left("it returns"))


def syncs_of_folders(calls: Iterable[Call]) -> list[str]:
    """The folders synced, in order."""
    return [call.folder for call in calls if call.what == "fsync" and call.path.endswith("/")]
