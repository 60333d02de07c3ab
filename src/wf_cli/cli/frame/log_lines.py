"""What a command that stays says on the way, for programs and for files: ``--log-format``, ``--log-file``.

While a log is in use it takes all that goes to stderr otherwise, so that each line there is one JSON object, or in
the file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from wf_cli import fsio, warn
from wf_cli.cli.frame import output, working_project
from wf_cli.cli.frame.options import expanded_path
from wf_cli.clock import Clock, SystemClock, iso
from wf_cli.contract import plain_json, text
from wf_cli.errors import UsageError

Level = Literal["info", "warning", "error"]
_FORMATS = ("text", "json")
#: Bytes after which FILE becomes FILE.1, and how many such older files are kept.
SIZE, KEPT = 16 * 1024 * 1024, 5

FormatOption = Annotated[
    str | None,
    typer.Option("--log-format", metavar="text|json", help="json: each line one object of ts, level, owner, message"),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        help="append what is said to FILE; it is rotated at 16 MiB",
        callback=expanded_path,
    ),
]


class LogLines:
    """Writes lines to a file, or to stderr. Any thread may call its methods, which raise no OSError.

    The file is opened anew when another one, or none, has its name, so that it can be rotated by renaming. From
    ``size`` bytes on it is renamed here: FILE.1 is the last one, and up to `KEPT` are kept. Any number of processes
    of one host may write one file. While it cannot be written, its lines go to stderr, and the reason once.
    """

    def __init__(self, file: Path | None, *, as_json: bool, clock: Clock, size: int = SIZE):
        """Raises UsageError for a file that cannot be opened now."""
        self.file = file
        #: The session that speaks; None while there is none.
        self.owner: Callable[[], str | None] = lambda: None
        self._as_json = as_json
        self._clock = clock
        self._lock = threading.Lock()
        self._fd = -1
        self._failing = False
        self._size = size
        if file is not None:
            try:
                self._open(file)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"--log-file {file}: {error.strerror if isinstance(error, OSError) else error}",
                    hint="name a regular file in a folder that is there and that you may write",
                ) from error

    def say(self, line: str) -> None:
        """Write a line of progress; a `warn.TroubleLine` is a warning."""
        self.write("warning" if isinstance(line, warn.TroubleLine) else "info", line)

    def write(self, level: Level, message: str) -> None:
        """Write one line."""
        line = self._line(level, message)
        with self._lock:
            if self.file is not None and self._append(self.file, line.encode("utf-8", "replace") + b"\n"):
                return
        # The file holds everything; stderr what `wf -q` leaves.
        if level == "error" or output.level() > output.Level.QUIET:
            with contextlib.suppress(OSError, ValueError):
                print(line, file=sys.stderr, flush=True)

    def _line(self, level: Level, message: str) -> str:
        moment = iso(self._clock.now_ms())
        if not self._as_json:
            mark = "" if level == "info" else f"{level}: "
            return f"{moment} {mark}{text.line(message)}"
        return plain_json.dumps({"ts": moment, "level": level, "owner": self.owner(), "message": str(message)})

    def _append(self, file: Path, data: bytes) -> bool:
        try:
            if self._fd < 0 or self._is_rotated(file):
                self._forget()
                self._open(file)
            while data:
                data = data[os.write(self._fd, data) :]
            if os.fstat(self._fd).st_size >= self._size:
                with contextlib.suppress(OSError):  # It only grows on where files may not be renamed.
                    self._rotate(file)
        except (OSError, ValueError) as error:
            self._forget()
            if not self._failing:
                self._failing = True
                with contextlib.suppress(OSError, ValueError):
                    output.say_error(f"--log-file {file}: {error}; what follows is said here until it can be written")
            return False
        self._failing = False
        return True

    def _rotate(self, file: Path) -> None:
        import fcntl

        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            if self._is_rotated(file):
                return  # RACE: another process has renamed it, and the new one is small.
            path = os.path.realpath(file)
            for n in range(KEPT - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{path}.{n}", f"{path}.{n + 1}")
            os.replace(path, f"{path}.1")
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _is_rotated(self, file: Path) -> bool:
        try:
            there = os.stat(file)
        except OSError:
            return True
        ours = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _open(self, file: Path) -> None:
        # A person's file may be a link, as that of a service often is.
        self._fd = fsio.open_append(Path(os.path.realpath(file)))

    def _forget(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


def taken_over(form: str | None, file: Path | None) -> LogLines | None:
    """The log that the options ask for; None without them. From now on it takes what goes to stderr otherwise.

    It does so until the process ends, because the error that ends the command is told after it. Raises UsageError.
    """
    if form is not None and form not in _FORMATS:
        raise UsageError(f"--log-format {form} is not known", hint=f"one of {', '.join(_FORMATS)}")
    if form != "json" and file is None:
        return None
    path = working_project.working_directory() / file if file is not None else None
    log = LogLines(path, as_json=form == "json", clock=SystemClock())
    output.divert(log.write, errors_too=path is None)
    return log
