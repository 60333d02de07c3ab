"""One try of a program: the event on its stdin, its exit code, the end of what it said on stderr."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from wf_cli.notify.delivery import Result

#: Bytes of stderr that are kept.
_KEPT = 4096
#: Seconds between SIGTERM and SIGKILL for a program that hangs.
_GRACE = 1.0
_POLL = 0.02


def run(
    argv: Sequence[str], body: bytes, *, kind: str, root: Path, environ: Mapping[str, str], timeout_s: float
) -> Result:
    """Run ``argv`` in ``root``, without a shell. A program that hangs is ended with its process group.

    What it leaves running in the background is neither waited for nor ended.
    """
    # Its parent may be an agent's shell, and a hook must not act under the mark of an attempt.
    own = {key: value for key, value in environ.items() if not key.startswith(("WF_JOB", "WF_ATTEMPT"))}
    with tempfile.TemporaryFile() as stdin:  # A pipe would block for a program that does not read.
        stdin.write(body)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                list(argv), cwd=root, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env={**own, "WF_EVENT": kind}, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return Result(False, f"{argv[0]} cannot be started: {why}")
    code, said = _watch(process, timeout_s)
    if process.stderr is not None:
        process.stderr.close()  # A child of it may hold the other end for ever.
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    detail = f": {last}" if last else ""
    if code is None:
        return Result(False, f"{argv[0]} did not end within {timeout_s:g} s and was ended{detail}", again=True)
    if code != 0:
        return Result(False, f"{argv[0]} ended with {code}{detail}", again=True)
    return Result(True, f"{argv[0]} ended with 0")


def _watch(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[int | None, bytes]:
    """The exit code, None after the timeout, and the end of stderr."""
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    said, end = b"", time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            ended = process.poll() is not None
            while (piece := _piece(process.stderr.fileno())) and time.monotonic() < end:
                said = (said + piece)[-_KEPT:]
            if ended:
                return process.returncode, said
            if time.monotonic() >= end:
                _end(process)
                return None, said
            if piece is None:
                selector.select(_POLL)
            else:
                time.sleep(_POLL)  # It has closed its stderr, which counts as readable.


def _piece(fd: int) -> bytes | None:
    """What can be read now; None when there is nothing yet, and no bytes at the end."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            if number == signal.SIGTERM:
                continue  # Its children may ignore SIGTERM.
