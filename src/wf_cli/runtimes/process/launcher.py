"""The small process that every agent runs under.

The worker starts it with three descriptors and talks to it in lines. On the control pipe it sends::

    {"argv": [...], "cwd": ..., "environment": {...},                  never in argv: it may hold secrets
     "mark": ..., "ask_first": bool, "grace_s": seconds,
     "keep": {"root": path, "part": path, "path": path, "mode": ..., "record": {...}} or null}
    go                                                                  the gate
    stop <seconds>                                                      end the tree, with that grace; with
                                                                        ask_first the agent alone gets the first
                                                                        SIGTERM and all of the grace

and on the status pipe it hears::

    ready                          the agent can be started; nothing of it exists yet
    failed missing|spawn <text>    there will be no agent
    exit <code> survivors <n>      all is over; n other processes of the attempt had to be ended

Guarantees, as long as the launcher lives:

- no agent starts before ``go``, and none ever starts when the control pipe ends before it;
- when the control pipe ends (its worker was killed), or on SIGTERM, or when the agent has ended, everything that the
  agent started is ended too: descendants, which the subreaper keeps below itself however often they daemonise
  (Linux), and processes that carry the attempt's mark (everywhere);
- the exit of an agent that no signal ended is kept as the file ``keep`` before the worker hears of it, so that an
  agent whose worker dies now does not run again (`wf_cli.spool.exits`). A disk that does not take the file within
  `KEEP_LIMIT` does not keep the worker from hearing;
- the slot's lock, inherited as a third descriptor and not passed on, is held until all of these are gone.

A launcher that is itself killed by SIGKILL takes the agent with it (Linux), but not the agent's children, which
`strays` ends from the worker's records. SIGINT and SIGHUP are ignored, because Ctrl-C reaches whole process groups
and the worker decides what it means.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from wf_cli import anchored, proc

#: Seconds between SIGTERM and SIGKILL once the worker is dead, at most those of the configured grace. They are few,
#: because a dead worker does not hear the agent's last words.
ORPHAN_GRACE = 0.5
#: The same for processes that an agent left running when it ended by itself.
LEFTOVER_GRACE = 0.5
#: Seconds that a disk may take to keep the exit.
KEEP_LIMIT = 1.0
#: Seconds until processes are looked for again that the last look has missed.
MISSED_PAUSE = 0.01
#: Seconds between two attempts to end processes that the kernel does not let go of.
STUCK_PAUSE = 1.0


class _Grace(NamedTuple):
    """Seconds between SIGTERM and SIGKILL, and whether the worker asked for the end."""

    seconds: float
    asked: bool = False


class _Control:
    """Lines from the worker; the end of the pipe is None."""

    def __init__(self, fd: int):
        self.fd = fd
        self._buffer = b""

    @property
    def has_line(self) -> bool:
        """Whether a line was read already, which `select` on the descriptor would not tell."""
        return b"\n" in self._buffer

    def read_line(self) -> bytes | None:
        while not self.has_line:
            chunk = os.read(self.fd, 65536)
            if not chunk:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def main(control_fd: int, status_fd: int) -> None:
    """Run one attempt from the gate to its end. The only use is that of `gate.Gate`."""
    for number in (signal.SIGINT, signal.SIGHUP):
        # A handler is set instead of SIG_IGN, because ignored signals stay ignored in the agent and handlers do not.
        signal.signal(number, lambda *_: None)
    control = _Control(control_fd)
    header = control.read_line()
    if header is None:
        return
    job = json.loads(header)
    proc.set_subreaper()
    _report(status_fd, "ready")
    if control.read_line() != b"go":
        return
    wakeup = _wake_on(signal.SIGCHLD, signal.SIGTERM)
    try:
        agent = _spawn(job)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in an argument
        _report(status_fd, f"failed {_spawn_fault(job, error)}")
        return
    grace = _wait_for_reason(agent, control, wakeup)
    # Nothing was signalled yet, and a reaper signals this process first.
    by_itself = _reap(agent)
    told: set[int] = set()
    if not by_itself and not grace.asked:
        # At once, because `kill_tree` looks at all processes first, and an agent that ends meanwhile would seem to
        # have ended by the signal.
        os.kill(agent.pid, signal.SIGTERM)  # It is not reaped yet, so the pid is still its own.
        told.add(agent.pid)
    if grace.asked and job.get("ask_first"):
        grace = _ask(agent, control, wakeup, grace.seconds)
    seconds = grace.seconds if grace.asked else min(grace.seconds, job["grace_s"])
    keeping = _keep(job, agent, by_itself=by_itself)
    killed = _end_tree(agent, job["mark"], seconds, told)
    if _reap(agent) and keeping is None:
        keeping = _keep(job, agent, by_itself=by_itself)
    if keeping is not None:
        keeping.join(KEEP_LIMIT)
    others = [ref for ref in killed.seen if ref.pid != agent.pid]
    code = -signal.SIGKILL if agent.returncode is None else agent.returncode
    _report(status_fd, f"exit {code} survivors {len(others)}")
    while killed.left:  # The worker knows of it and goes on; the slot stays taken.
        time.sleep(STUCK_PAUSE)
        killed = proc.kill_tree([os.getpid()], job["mark"], grace_s=0)


def _end_tree(agent: subprocess.Popen[bytes], mark: str, grace_s: float, told: set[int]) -> proc.Killed:
    """`proc.kill_tree` of all that runs below this process, until the kernel says that no child of it is left.

    A look at all processes can miss one, and the kernel does not. Orphans are children of this process (Linux).
    """
    seen: frozenset[proc.ProcessRef] = frozenset()
    begin = time.monotonic()
    while True:
        waited = time.monotonic() - begin
        killed = proc.kill_tree([os.getpid()], mark, grace_s=max(0.0, grace_s - waited), told=told)
        seen |= killed.seen
        if killed.left or waited > grace_s + proc.KILL_LIMIT or not _collect(agent):
            return proc.Killed(seen, killed.left)
        told |= {ref.pid for ref in killed.seen}
        time.sleep(MISSED_PAUSE)


def _keep(job: dict[str, Any], agent: subprocess.Popen[bytes], *, by_itself: bool) -> threading.Thread | None:
    """Begin to keep the agent's exit; None when it has none that is kept.

    A thread does it, because a disk may hang (a network mount without its server), and it costs no time so.
    """
    order, code = job.get("keep"), agent.returncode
    if not order or code is None or code < 0:
        return None
    record = {**order["record"], "pid": os.getpid(), "code": code, "by_itself": by_itself}

    def write() -> None:
        # Without the file the agent runs again if its worker dies now, which is no harm.
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            anchored.guard(Path(order["root"]))
            fd = anchored.open(Path(order["part"]), flags, order["mode"] or 0o666)
            try:
                if order["mode"]:
                    os.fchmod(fd, order["mode"])
                os.write(fd, json.dumps(record).encode())
            finally:
                os.close(fd)
            anchored.rename(Path(order["part"]), Path(order["path"]))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def _spawn(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    """The agent, on this process's standard streams, which are then closed here so that its end is theirs."""
    if job.get("shared"):  # What the agent makes in the checkout, the agents of other users have to change.
        os.umask(os.umask(0o077) & ~0o070)
    agent = subprocess.Popen(
        job["argv"],
        cwd=job["cwd"],
        env=job["environment"],
        start_new_session=True,
        close_fds=True,
        preexec_fn=proc.die_with_parent,
    )
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)
    return agent


def _spawn_fault(job: dict[str, Any], error: Exception) -> str:
    program = job["argv"][0]
    text = f"{program}: {error}".replace("\n", " ")
    absent = isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError)
    return f"missing {text}" if absent and os.path.isdir(job["cwd"]) else f"spawn {text}"


def _wake_on(*numbers: int) -> int:
    """A descriptor from which each of these signals can be read as one byte, from now on."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return reading


def _wait_for_reason(agent: subprocess.Popen[bytes], control: _Control, wakeup: int) -> _Grace:
    """Wait until the tree has to end; the seconds it gets for that."""
    while True:
        ready, _, _ = select.select([control.fd, wakeup], [], [], 0 if control.has_line else None)
        if control.has_line or control.fd in ready:
            line = control.read_line()
            if line is None:
                return _Grace(ORPHAN_GRACE)
            word, _, seconds = line.partition(b" ")
            if word == b"stop":
                return _Grace(float(seconds), asked=True)
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 4096):
            return _Grace(ORPHAN_GRACE)
        if _reap(agent):
            return _Grace(LEFTOVER_GRACE)


def _ask(agent: subprocess.Popen[bytes], control: _Control, wakeup: int, seconds: float) -> _Grace:
    """SIGTERM to the agent alone; what its tree gets once it has ended, or would not. A dead worker cuts it short."""
    if _reap(agent):
        return _Grace(LEFTOVER_GRACE)
    os.kill(agent.pid, signal.SIGTERM)  # It is not reaped yet, so the pid is still its own.
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([control.fd, wakeup], [], [], left)
        if control.fd in ready and control.read_line() is None:
            return _Grace(ORPHAN_GRACE)
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 4096):
            return _Grace(ORPHAN_GRACE)
        if _reap(agent):
            return _Grace(LEFTOVER_GRACE)
    return _Grace(0.0)


def _reap(agent: subprocess.Popen[bytes]) -> bool:
    """Reap every child that has ended, adopted orphans too. True once the agent is among them."""
    _collect(agent)
    return agent.returncode is not None


def _collect(agent: subprocess.Popen[bytes]) -> bool:
    """Reap every child that has ended; whether another one lives."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == agent.pid:
            agent.returncode = os.waitstatus_to_exitcode(status)


def _report(fd: int, line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # The worker is dead; the work here is the same.
        os.write(fd, line.encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
