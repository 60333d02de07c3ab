"""Processes of this host: who is alive, whose child, marked as whose, and how to end all of them.

The one module with platform calls about processes. Linux is read from ``/proc`` (see proc_pid_stat(5)), so
that the launcher starts without importing psutil; everything else goes through psutil.

The kernel reuses pids, so a process is identified by a `ProcessRef`: its pid and its start time. No signal is ever
sent to a pid whose start time has changed.

Two things cannot be seen: the environment of another user's process, and any process of another host or of another
pid namespace (compare `boot_id` and `pid_namespace` first).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import sys
import time
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple, Protocol

#: The environment variable by which processes of an attempt are found, in whatever session they are.
MARK_VARIABLE = "WF_JOB_TOKEN"
#: Seconds after the grace in which SIGKILL is repeated. Only a process that is stuck in the kernel outlives them.
KILL_LIMIT = 10.0
#: Seconds between two looks at a dying tree. The first are short, so a tree that dies at once costs no time.
_LOOKS = (0.005, 0.01, 0.02, 0.05, 0.1)


class ProcessRef(NamedTuple):
    """One process of this host and boot. A later process with the same pid is another one."""

    pid: int
    start: str


class _Info(NamedTuple):
    parent: int
    start: str
    dead: bool  # A zombie: the process has ended, and its parent has not collected it yet.
    stopped: bool = False  # A signal (SIGSTOP, SIGTSTP) or a debugger has stopped it.


class _Table(Protocol):
    def one(self, pid: int) -> _Info | None:
        """None when there is no such process; OSError when that cannot be told."""

    def pids(self) -> list[int]: ...
    def environ_has(self, pid: int, name: str, value: str) -> bool: ...
    def arguments(self, pid: int) -> list[str]: ...


class _ProcFs:
    """Linux. Start times are ticks since boot (field 22): no clock can change them."""

    def one(self, pid: int) -> _Info | None:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                text = file.read()
        except (FileNotFoundError, ProcessLookupError):  # The process is gone, or is going, which reads as ESRCH.
            if not _answers(pid):
                return None
            raise  # It hides from us: /proc may show users their own processes only (hidepid), or be missing.
        # The second field is the program's name in parentheses. The name may hold anything, even ") Z 1".
        fields = text.rpartition(b")")[2].split()
        return _Info(int(fields[1]), fields[19].decode(), fields[0] in (b"Z", b"X"), fields[0] in (b"T", b"t"))

    def pids(self) -> list[int]:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]

    def environ_has(self, pid: int, name: str, value: str) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                text = file.read()
        except OSError:  # The process belongs to another user, or is gone.
            return False
        return os.fsencode(f"\0{name}={value}\0") in b"\0" + text + b"\0"

    def arguments(self, pid: int) -> list[str]:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsdecode(file.read()).split("\0")
        except OSError:
            return []


class _Psutil:
    """macOS and the BSDs. Start times are seconds since 1970, as the kernel stored them at the start."""

    def one(self, pid: int) -> _Info | None:
        import psutil

        try:
            process = psutil.Process(pid)
            with process.oneshot():
                status = process.status()
                dead, stopped = status == psutil.STATUS_ZOMBIE, status == psutil.STATUS_STOPPED
                return _Info(process.ppid(), f"{process.create_time():.3f}", dead, stopped)
        except (psutil.NoSuchProcess, ValueError, OverflowError):
            return None
        except psutil.Error as error:
            raise PermissionError(errno.EPERM, str(error)) from error

    def pids(self) -> list[int]:
        import psutil

        return psutil.pids()

    def environ_has(self, pid: int, name: str, value: str) -> bool:
        import psutil

        try:
            return psutil.Process(pid).environ().get(name) == value
        except (psutil.Error, OSError):
            return False

    def arguments(self, pid: int) -> list[str]:
        import psutil

        try:
            return psutil.Process(pid).cmdline()
        except (psutil.Error, OSError):
            return []


_table: _Table = _ProcFs() if sys.platform == "linux" else _Psutil()


def start_token(pid: int) -> str | None:
    """When ``pid`` started, as text that is compared for equality only; None when there is no process to see."""
    info = _seen(pid)
    return info.start if info else None


def this_process() -> ProcessRef:
    """The caller."""
    return ProcessRef(os.getpid(), start_token(os.getpid()) or "")


def arguments(pid: int) -> list[str]:
    """The words that the process was started with; none when that cannot be told."""
    return _table.arguments(pid)


def alive(pid: int, start: str | None) -> bool:
    """Whether that very process is seen to run. It does not when it is gone, is a zombie, or has another start time.

    With an unknown ``start`` (None) any living process with this pid counts. False proves no death: see `gone`.
    """
    info = _seen(pid)
    return info is not None and not info.dead and start in (None, info.start)


def stopped(pid: int, start: str | None) -> bool:
    """Whether that very process is seen to be stopped by a signal. It goes on after SIGCONT.

    False also when it cannot be told.
    """
    info = _seen(pid)
    return info is not None and info.stopped and start in (None, info.start)


def gone(pid: int, start: str | None) -> bool:
    """Whether that very process is proven to run no more.

    False also when it cannot be told: another user's process may be hidden, and the caller may have no descriptor
    left to look with.
    """
    try:
        info = _table.one(pid)
    except OSError:
        return False
    return info is None or info.dead or (bool(start) and start != info.start)


@functools.cache
def boot_id() -> str:
    """The id of this boot of this host. Only under one boot id can the death of a process be proven.

    Raises OSError when it cannot be read just now. Another source would name the same boot otherwise.
    """
    if sys.platform == "linux":
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                return file.read().strip()
        except (FileNotFoundError, PermissionError):  # No process of this container can read it.
            pass
    import psutil

    return f"{psutil.boot_time():.0f}"


def pid_namespace() -> str:
    """The namespace in which this process's pids are valid; a container has its own. ``host`` without namespaces."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "host"


def descendants(pid: int) -> list[ProcessRef]:
    """The living children of ``pid``, theirs, and so on.

    Misses processes whose parent died earlier, unless ``pid`` is a subreaper (`set_subreaper`).
    """
    return sorted(_below([pid], _snapshot()))


def marked(mark: str) -> list[ProcessRef]:
    """The living processes started with ``WF_JOB_TOKEN=<mark>``, without the caller.

    Misses processes of another user, and processes that cleared their environment.
    """
    return sorted(_carrying(mark, _snapshot()))


def family(roots: Iterable[int], mark: str = "") -> set[ProcessRef]:
    """Descendants of ``roots``, carriers of ``mark``, and descendants of those; not the roots, not the caller."""
    table = _snapshot()
    found = _below(roots, table)
    if mark:
        carriers = _carrying(mark, table)
        found |= carriers | _below([ref.pid for ref in carriers], table)
    return {ref for ref in found if ref.pid not in (os.getpid(), *roots)}


def send(ref: ProcessRef, number: int) -> bool:
    """Signal that very process; False when it is gone, is the caller or init, or belongs to another user."""
    if ref.pid <= 1 or ref.pid == os.getpid():
        return False
    try:
        with _pinned(ref.pid) as fd:
            if not alive(*ref):
                return False
            if fd is None:
                os.kill(ref.pid, number)
            else:
                signal.pidfd_send_signal(fd, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Killed(NamedTuple):
    """The processes that a tree had when it was ended, and those that the kernel has not let go of yet."""

    seen: frozenset[ProcessRef]
    left: frozenset[ProcessRef]


def kill_tree(roots: Iterable[int], mark: str = "", *, grace_s: float, told: Container[int] = frozenset()) -> Killed:
    """End everything in `family`: SIGTERM, up to ``grace_s`` seconds, then SIGKILL until nothing is left.

    The pids in ``told`` have had their SIGTERM already. Many programs take a second one for "at once".
    Each round looks for new processes, so a process that forks while it is being ended does not escape. A look at all
    processes takes its time, and one that is forked during it by one that ends is in neither half of it. So none is
    left once two looks in a row find none, where there was any. Returns then, or once the caller may signal none of
    those that are left. ``grace_s + KILL_LIMIT`` seconds are the most it takes.
    """
    roots = tuple(roots)
    seen: set[ProcessRef] = set()
    beyond: set[ProcessRef] = set()  # What no SIGKILL of the last round could be sent to.
    # The real clock and no parameter, because other processes need the time.
    begin = time.monotonic()
    for pause in _pauses():
        now = family(roots, mark) or (family(roots, mark) if seen else set())
        waited = time.monotonic() - begin
        if not now or waited > grace_s + KILL_LIMIT:
            return Killed(frozenset(seen), frozenset(now))
        if waited >= grace_s:
            reached = [ref for ref in now if send(ref, signal.SIGKILL)]
            if not reached and now == beyond:
                return Killed(frozenset(seen), frozenset(now))  # They belong to another user, who has to end them.
            beyond = set() if reached else now
        else:
            for ref in now - seen:
                if ref.pid not in told:
                    send(ref, signal.SIGTERM)
        seen |= now
        time.sleep(pause)
    raise AssertionError("pauses never end")


def set_subreaper() -> bool:
    """Make orphans below this process its children from now on; False where the system cannot."""
    return _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, see prctl(2)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that forked it ends. Covers the gap from fork to exec."""
    _prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG


def _prctl(option: int, argument: int) -> bool:
    if sys.platform != "linux":
        return False
    import ctypes

    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0) == 0)


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # It belongs to another user.
        return True
    return True


def _seen(pid: int) -> _Info | None:
    with contextlib.suppress(OSError):
        return _table.one(pid)
    return None


def _snapshot() -> dict[int, _Info]:
    found = ((pid, _seen(pid)) for pid in _table.pids())
    return {pid: info for pid, info in found if info is not None}


def _below(roots: Iterable[int], table: dict[int, _Info]) -> set[ProcessRef]:
    children: dict[int, list[int]] = {}
    for pid, info in table.items():
        children.setdefault(info.parent, []).append(pid)
    found: set[ProcessRef] = set()
    todo = list(roots)
    while todo:
        for pid in children.get(todo.pop(), ()):
            ref = ProcessRef(pid, table[pid].start)
            if ref not in found and not table[pid].dead:
                found.add(ref)
                todo.append(pid)
    return found


def _carrying(mark: str, table: dict[int, _Info]) -> set[ProcessRef]:
    return {
        ProcessRef(pid, info.start)
        for pid, info in table.items()
        if not info.dead and pid != os.getpid() and _table.environ_has(pid, MARK_VARIABLE, mark)
    }


@contextlib.contextmanager
def _pinned(pid: int) -> Iterator[int | None]:
    """A descriptor that means this process even after its end; None where the system has no such descriptors."""
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError) as error:
        if isinstance(error, ProcessLookupError):
            raise
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _pauses() -> Iterator[float]:
    yield from _LOOKS
    while True:
        yield _LOOKS[-1]
