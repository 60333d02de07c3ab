"""Standard input, output and error of a command, of which any may be closed, full, or left by its reader.

A write to standard output that fails raises no error in the command that made it, because the command may be in the
middle of a change. The rest of the output is dropped, and the failure is remembered. `finish` tells it at the end, in
one line on standard error, and `lost` asks for it, for a command that must not go on unheard.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import Any, TextIO

#: The exit code of a command that did what it was asked, and whose output is not complete.
_INCOMPLETE = 75


class OutputLost(Exception):
    """Nothing that is printed arrives any more. A command whose only work is to print ends with it."""


class _Sink(io.RawIOBase):
    """A descriptor to write to. After the first failed write, everything is dropped."""

    def __init__(self, fd: int, failed: OSError | None = None):
        super().__init__()
        self._fd = fd
        self.failed = failed
        #: Whether something was dropped.
        self.dropped = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return self.failed is None and os.isatty(self._fd)

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        while self.failed is None:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # Another process that shares a pipe may have made it non-blocking.
                select.select([], [self._fd], [])
            except OSError as error:
                self.failed = error
        self.dropped = True
        return size


#: The sinks below this process's ``sys.stdout`` and ``sys.stderr``; empty before `prepare`.
_sinks: dict[str, _Sink] = {}


def prepare() -> None:
    """Make the three streams usable, whatever they are. Called once, before anything is printed.

    A closed descriptor is opened on the null device. Otherwise the next file that is opened would get its number, and
    the output of a child process would go into that file. Characters that a stream cannot encode are printed as
    backslash escapes.
    """
    closed = [number for number in range(3) if _is_closed(number)]
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream: TextIO | None = getattr(sys, name)
        if stream is not None and stream is not getattr(sys, f"__{name}__"):
            _escape(stream)  # Somebody has replaced it, so what becomes of its writes is theirs.
            continue
        failed = OSError(errno.EBADF, "it is closed") if number in closed or stream is None else None
        _sinks[name] = sink = _Sink(number, failed)
        encoding = stream.encoding if stream is not None else "utf-8"
        new = io.TextIOWrapper(
            io.BufferedWriter(sink),
            encoding=encoding,
            errors="backslashreplace",
            line_buffering=name == "stderr" or sink.isatty(),
        )
        setattr(sys, name, new)


def lost(*, told: bool = False) -> OSError | None:
    """Why standard output takes nothing any more; None while it does. What was printed so far is flushed first.

    With ``told`` the caller says what became of that output, and `finish` does not.
    """
    sys.stdout.flush()
    sink = _sinks.get("stdout")
    if sink is None:
        return None
    sink.dropped = sink.dropped and not told
    return sink.failed


def finish(code: int) -> int:
    """Flush everything, and return the exit code of a command that ends with ``code``.

    A reader that left early (``wf recap | head -1``) has what it wanted, so that is no failure. Closed output
    is said in one line. So is a write that failed; then a command that would end with 0 ends with 75.
    """
    failed = lost()
    sink = _sinks.get("stdout")
    if sink is not None and failed is not None and sink.dropped and failed.errno != errno.EPIPE:
        print(
            f"error: standard output: {failed.strerror}; the output is incomplete, but what the command did is done",
            file=sys.stderr,
        )
        code = code or (0 if failed.errno == errno.EBADF else _INCOMPLETE)
    sys.stderr.flush()
    return code


def _is_closed(number: int) -> bool:
    """Whether descriptor ``number`` was closed. It is the null device afterwards."""
    try:
        os.fstat(number)
    except OSError:
        fd = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if fd != number:
            os.dup2(fd, number)
            os.close(fd)
        os.set_inheritable(number, True)
        return True
    return False


def _escape(stream: TextIO) -> None:
    with contextlib.suppress(AttributeError):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
