"""What an agent printed, for people: one file per attempt, redacted, bounded, growing while it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from wf_cli import fsio, sharing
from wf_cli.errors import FileTrouble
from wf_cli.runtimes.process.redact import Redactor

#: Bytes of one transcript. A run prints some hundred kilobytes; only a broken one prints more than this.
SIZE_LIMIT = 10_000_000
TRUNCATED = b"\n[truncated]\n"


class Transcript:
    """Appends what the two streams print, in the order in which it came. Never raises, and never blocks on a file.

    ``trouble`` says why the transcript is missing or incomplete; the run goes on without it.
    """

    def __init__(self, path: Path | None, redactor: Redactor, *, limit: int = SIZE_LIMIT, mode: int | None = None):
        """``mode`` is that of the file; without it the folder is looked at."""
        self.trouble: str | None = None
        self._room = limit
        self._fd = -1
        self._streams = {"stdout": redactor.stream(), "stderr": redactor.stream()}
        if path is not None:
            try:
                # Other users never get rights, whatever the folder's mode is, because agents print what they read.
                mode = sharing.mode_in(path.parent) if mode is None else mode
                self._fd = fsio.open_append(path, mode=mode & 0o660)
            except OSError as error:
                known = sharing.explained(error, path)
                why = known if isinstance(known, FileTrouble) else f"{path}: {known.strerror or known}"
                self.trouble = f"no transcript: {why}"
            except ValueError as error:  # A FIFO, a link or a folder lies under its name.
                self.trouble = f"no transcript: {error}"

    def write(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Add what ``stream`` printed."""
        if self._fd >= 0:
            self._append(self._streams[stream].feed(data))

    def close(self) -> None:
        """Write the bytes that were held back, and close the file. Safe to repeat."""
        for stream in self._streams.values():
            self._append(stream.end())
        self._close()

    def _close(self) -> None:
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
        except OSError as error:  # NFS reports a failed write here.
            self.trouble = self.trouble or f"transcript incomplete: {error}"

    def _append(self, data: bytes) -> None:
        if self._fd < 0 or not data:
            return
        truncated = len(data) > self._room
        data = data[: self._room] + TRUNCATED if truncated else data
        self._room -= len(data)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self.trouble = f"transcript incomplete: {error}"
            truncated = True
        if truncated:
            self._close()
