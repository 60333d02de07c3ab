"""Running one gate: a command without a shell, its output told line by line, nothing of it left behind.

A gate runs with the rights of whoever integrates. It knows nothing of the job, so it cannot change the plan, and
nobody answers a question that it asks.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from wf_cli import git
from wf_cli.contract import text
from wf_cli.workspace.testing import TAIL, Argv, Result

#: The exit code for a command that cannot be started, as a shell says it.
NOT_STARTED = 127
#: Seconds for the rest of the output, once the gate and all of its group have ended.
_REST = 2.0


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without what sends git elsewhere, and without the permit and the names of a job."""
    return {
        name: value
        for name, value in git.without_redirects(environ).items()
        if not name.startswith("WF_JOB")
        and name not in ("WF_ATTEMPT", "WF_ROLE", "WF_SPOOL", "WF_PROJECT", "WF_ROOT")
    }


def run(folder: Path, argv: Argv, *, environ: Mapping[str, str], tell: Callable[[str], object]) -> Result:
    """Run ``argv`` in ``folder`` to its end. ``tell`` gets each line of its output, made harmless.

    Programs that it leaves behind in its process group are killed. A command that cannot be started has failed with
    the exit code 127; one that a signal ended has 128 and the signal's number.
    """
    tell(f"gate: {text.line(shlex.join(argv))}")
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=folder,
            env=environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        told = f"{argv[0] if argv else 'nothing'} cannot be started: {why}"
        tell(text.line(told))
        return Result(NOT_STARTED, text.line(told))
    assert child.stdout is not None
    kept: list[str] = []
    reader = threading.Thread(target=_read, args=(child.stdout, kept, tell), daemon=True)
    reader.start()
    try:
        # The gate is left unreaped until its group was killed, because others may get its number afterwards.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
    # A program that left the group may keep the pipe open for ever. What it says is no output of the gate.
    reader.join(_REST)
    return Result(code if code >= 0 else 128 - code, "".join(kept)[-TAIL:])


def _read(lines: IO[bytes], kept: list[str], tell: Callable[[str], object]) -> None:
    size = 0
    with contextlib.suppress(OSError, ValueError), lines:
        for raw in lines:
            line = text.lines(raw.decode("utf-8", "replace"))
            kept.append(line)
            size += len(line)
            while size - len(kept[0]) > TAIL:
                size -= len(kept.pop(0))
            tell(line.rstrip("\n"))
