"""The worker's end of a launcher: start it, open the gate, stop the tree, hear how it went."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from wf_cli import proc, sharing
from wf_cli.runtimes.base import CannotStart, Launch
from wf_cli.runtimes.jsonlines import brief
from wf_cli.runtimes.process import strays

#: Seconds that a launcher may take to be ready. It does little, but the machine may be busy.
READY_LIMIT = 30.0
#: Seconds for the launcher to be gone once it has reported, or its pipe was closed, beyond graces and kills.
LEAVE_LIMIT = 5.0

# The launcher sees exactly the modules that the worker sees, wherever those come from (user site, zip, PYTHONPATH).
# -I and -S save it the search, and keep the agent's checkout out of it. The trailing argument is for people who look
# at `ps`.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from wf_cli.runtimes.process.launcher import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class Report(NamedTuple):
    """The launcher's last word: an exit code with the number of processes that outlived it, or a fault."""

    code: int | None = None
    survivors: int = 0
    #: ``missing`` or ``spawn``, and the system's text.
    fault: tuple[str, str] | None = None


class Gate:
    """A launcher that waits, or runs, one attempt. `open` makes one, and `close` ends it.

    ``stdin``, ``stdout`` and ``stderr`` are the worker's ends of the agent's streams. Their reader closes them, or
    leaves them to `close`. Not thread-safe.
    """

    def __init__(self, process: subprocess.Popen[bytes], ref: proc.ProcessRef, control: int, status: int, mark: str):
        self.ref = ref
        self.status_fd = status
        self._process = process
        self._control = control
        self._mark = mark
        self._heard = b""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr

    @classmethod
    def open(
        cls,
        launch: Launch,
        *,
        root: Path,
        mark: str,
        grace_s: float,
        slot_fd: int | None = None,
        keep: Mapping[str, Any] | None = None,
    ) -> Gate:
        """A launcher that is ready and waits. Raises CannotStart, and then no process of it is left.

        ``keep`` says where it keeps the agent's exit (`wf_cli.spool.exits`); None keeps none.
        """
        job = {
            "argv": list(launch.argv),
            "cwd": str(root),
            "environment": {**launch.environment, **({proc.MARK_VARIABLE: mark} if mark else {})},
            "mark": mark,
            "ask_first": launch.ask_first,
            "grace_s": grace_s,
            "keep": {**keep, "record": {**keep["record"], "proves": launch.exit_proves}} if keep else None,
            "shared": bool(sharing.group_rights(root)),
        }
        with contextlib.ExitStack() as undo:
            try:
                control_r, control_w = _pipe(undo)
                status_r, status_w = _pipe(undo)
                process = _start(control_r, status_w, slot_fd, mark)
            except OSError as error:
                raise CannotStart(
                    f"cannot start a launcher: {error}", hint="see process and memory limits"
                ) from error
            os.close(control_r)
            os.close(status_w)
            undo.pop_all()
        ref = proc.ProcessRef(process.pid, proc.start_token(process.pid) or "")
        gate = cls(process, ref, control_w, status_r, mark)
        try:
            gate._send(json.dumps(job).encode() + b"\n")
            gate._await_ready()
        except BrokenPipeError:
            gate._raise_ended()
        except BaseException:
            gate.close()
            raise
        return gate

    def go(self) -> None:
        """Let the agent start. `hear` tells whether it did."""
        self._send_quietly(b"go\n")

    def stop(self, grace_s: float) -> None:
        """Ask for the end of the tree: SIGTERM, the grace, SIGKILL."""
        self._send_quietly(f"stop {grace_s:.3f}\n".encode())

    def hear(self) -> Report | None:
        """The launcher's last word from the status pipe, which has to be readable; None while it has not come.

        A pipe that ends without a last word (the launcher was killed) gives an empty report.
        """
        chunk = os.read(self.status_fd, 65536)
        self._heard += chunk
        for line in self._heard.split(b"\n")[:-1]:
            words = line.decode("utf-8", "replace").split(" ")
            if words[0] == "exit":
                return Report(code=int(words[1]), survivors=int(words[3]))
            if words[0] == "failed":
                return Report(fault=(words[1], " ".join(words[2:])))
        return None if chunk else Report()

    def end_tree(self) -> int:
        """End the tree in place of a launcher that is dead or stands still; returns how many processes were ended."""
        return strays.kill_attempt(*self.ref, self._mark)

    def close(self) -> None:
        """End every process of the attempt. Safe to repeat.

        The launcher ends its tree when the pipe is closed. Where it cannot, this process does so from the records.
        The call takes as long as the launcher needs for a stubborn tree, within a bound. Past it only processes that
        the kernel does not let go of are left, and the launcher goes on trying and keeps the slot.
        """
        if self._control < 0:
            return
        os.close(self._control)
        self._control = -1
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()
        os.close(self.status_fd)
        try:
            code: int | None = self._process.wait(proc.KILL_LIMIT + LEAVE_LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:  # It was killed, crashed, or is stuck.
            self.end_tree()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVE_LIMIT)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_LIMIT
        while b"ready\n" not in self._heard:
            readable, _, _ = select.select([self.status_fd], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise CannotStart(f"the launcher was not ready within {READY_LIMIT:g} s")
            chunk = os.read(self.status_fd, 4096)
            if not chunk:
                self._raise_ended()
            self._heard += chunk

    def _raise_ended(self) -> NoReturn:
        said = self.stderr.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        raise CannotStart("the launcher ended at once", hint=brief(said[-1]) if said else None)

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._control, view) :]

    def _send_quietly(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # The launcher is gone, as `hear` tells.
            self._send(data)


def _pipe(undo: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for fd in ends:
        undo.callback(os.close, fd)
    return ends


def _start(control: int, status: int, slot_fd: int | None, mark: str) -> subprocess.Popen[bytes]:
    path: Sequence[str] = [entry for entry in sys.path if entry]
    name = strays.launcher_name(mark)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(path), str(control), str(status), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd="/",  # It keeps no directory busy.
        pass_fds=[control, status] + ([slot_fd] if slot_fd is not None else []),
        start_new_session=True,
    )
