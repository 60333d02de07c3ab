"""Writes events: JSONL files of one writer each, one append per line.

A log that has reached its size is *full*. Its writer goes on in the next file, ``<writer>.2.jsonl``, and so on. No
log is renamed for that, so a line that is under way meanwhile on any host has its place. Readers read all files and
need to know nothing of it. `wf_cli.spool.old_logs` removes files that nobody has written for long.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wf_cli import clock as times
from wf_cli import fsio, sharing, warn
from wf_cli.clock import Clock
from wf_cli.contract import plain_json
from wf_cli.contract.event import Event
from wf_cli.contract.token import is_word
from wf_cli.errors import ContractError

#: Seconds for which the file is kept open after an event. So a row of events costs one open, and a log that was
#: renamed (rotation) is noticed soon.
KEEP_OPEN_S = 1.0
#: Bytes after which a writer goes on in its next file. A file may have more, by what came while it was kept open.
SIZE = 16 * 1024 * 1024
#: Events that another one about the same attempt follows: a claim is started or given back, and usage is told at the
#: end. A log with few writes writes them with the next event.
_FOLLOWED = frozenset({"job.claimed", "attempt.usage"})
#: What a session says of itself.
_OF_SESSIONS = frozenset({"lease.acquired", "worker.started", "worker.draining", "worker.stopped"})


class EventLog:
    """An `EventSink` that appends to ``<directory>/<writer>.jsonl``, or to the first file after it that is not full.

    Never raises from `emit`, and never blocks on a hostile file (a FIFO, a link): what could not be written is
    counted in ``dropped`` and said once, on stderr or through ``report``. Lines of two processes of one host do not
    mix; each session has its own file, so two hosts never share one. Not synced: a power cut may take the last lines.
    ``mode`` is that of a new file, past the umask; without it the umask decides. With ``few_writes``, for network
    mounts, the events of `_FOLLOWED` are in the file only with the next one. A process that is killed between the two
    leaves no trace of the first in its log. With ``of_work_only`` what a session says of itself is in the file only
    with the first event of another kind, so a session that finds nothing to do leaves no file. ``hand_on`` gets each
    event when it was recorded, or could not be; it must not raise.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        clock: Clock,
        report: Callable[[str], None] | None = None,
        *,
        mode: int | None = None,
        few_writes: bool = False,
        of_work_only: bool = False,
        size: int = SIZE,
        hand_on: Callable[[Event], None] = lambda _event: None,
    ):
        if not is_word(writer):
            raise ContractError(f"{writer!r} cannot name a log", hint="an owner id: [a-z0-9-]")
        #: The file that gets the next event, as far as is known.
        self.path = directory / f"{writer}.jsonl"
        self._writer = writer
        self._number = 1
        self._size = size
        self.dropped = 0
        self._clock = clock
        self._report = report or warn.once
        self._mode = mode
        self._followed = _FOLLOWED if few_writes else frozenset()
        #: Whether an event came that is to be kept by itself.
        self.has_spoken = not of_work_only
        #: Lines that wait for the next event.
        self._waiting = b""
        self._host = socket.gethostname()
        self._hand_on = hand_on
        self._lock = threading.Lock()
        self._fd = -1
        self._opened = 0.0
        #: The last write ended in the middle of a line (full disk): begin the next one on a new line.
        self._torn = False

    def emit(self, event: str, **facts: Any) -> None:
        """Record ``event``. ``from_`` stands for ``from``; host and pid are filled in."""
        facts = {key.rstrip("_"): value for key, value in facts.items()}
        # The pid now, not at the start: a forked child writes too.
        entry = Event(times.iso(self._clock.now_ms()), event, {"host": self._host, "pid": os.getpid()} | facts)
        self._record(entry)
        self._hand_on(entry)

    def _record(self, entry: Event) -> None:
        try:
            # Not Event.line(): a fact of an unexpected type or a lone surrogate must not stop a transition.
            text = plain_json.dumps(entry.to_json(), ensure_ascii=False, default=str)
            line = text.encode("utf-8", "replace") + b"\n"
            with self._lock:
                self._waiting += line
                self.has_spoken = self.has_spoken or entry.event not in _OF_SESSIONS
                if self.has_spoken and entry.event not in self._followed:
                    lines, self._waiting = self._waiting, b""
                    self._append(lines)
        except (OSError, ValueError, TypeError, RecursionError) as error:
            self._drop(error)

    def rest(self) -> None:
        """Close the file until the next event. Some network file systems hand a write on only then."""
        with self._lock, contextlib.suppress(OSError):
            self._close()

    def _append(self, lines: bytes) -> None:
        now = self._clock.monotonic()
        if self._fd >= 0 and now - self._opened >= KEEP_OPEN_S:
            self._close()  # Somebody may have put another file in its place.
        if self._fd < 0:
            self._fd, self._opened = self._open(), now
        if not self._write(lines):
            # RACE: the file was deleted while it was open, and nobody reads what was written into it.
            self._close()
            self._torn = False
            self._fd, self._opened = self._open(), now
            self._write(lines)

    def _write(self, lines: bytes) -> bool:
        """Append to the open file; whether it was still there afterwards."""
        try:
            data = b"\n" + lines if self._torn else lines
            written = os.write(self._fd, data)
            self._torn = 0 < written < len(data) or (self._torn and written == 0)
            if written < len(data):
                raise OSError(errno.ENOSPC, "only a part of the line was written", str(self.path))
            return os.fstat(self._fd).st_nlink > 0
        except OSError as error:
            if error.errno == errno.ESTALE:
                return False  # So NFS says that another host has deleted it.
            with contextlib.suppress(OSError):
                self._close()
            raise

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self) -> int:
        """The first file that is not full. ``path`` names it then."""
        while True:
            fd = self._open_one()
            try:
                if os.fstat(fd).st_size < self._size:
                    return fd
            except OSError:
                os.close(fd)
                raise
            os.close(fd)
            self._number = max(self._number + 1, self._last())
            self.path = self.path.parent / f"{self._writer}.{self._number}.jsonl"

    def _last(self) -> int:
        """The highest number of a file of this writer. An earlier process may be some files ahead."""
        begin, end = f"{self._writer}.", ".jsonl"
        numbers = (
            name[len(begin) : -len(end)]
            for name in fsio.names(self.path.parent)
            if name.startswith(begin) and name.endswith(end)
        )
        return max((int(number) for number in numbers if number.isdecimal() and len(number) < 9), default=1)

    def _open_one(self) -> int:
        try:
            return fsio.open_append(self.path, mode=self._mode, for_others=True)
        except FileNotFoundError:
            # Somebody deleted the log, so it starts anew. A spool that vanished is not made again.
            if not fsio.is_folder(self.path.parent.parent):
                raise
            sharing.make_folder(self.path.parent)
            return fsio.open_append(self.path, mode=self._mode, for_others=True)

    def _drop(self, error: Exception) -> None:
        self.dropped += 1
        if self.dropped > 1:
            return
        if isinstance(error, OSError):
            error = sharing.explained(error, self.path)
        with contextlib.suppress(OSError, ValueError):  # A closed stderr is no reason to stop either.
            self._report(f"events are not recorded in {self.path}: {error}; the work goes on")
