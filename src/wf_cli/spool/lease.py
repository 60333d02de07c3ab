"""A session's lease: one lockfile per session, whose mtime is its heartbeat.

filelock's `SoftFileLease` makes the marker and beats; reapers never acquire it, they observe it
(`liveness`). One claim stays one rename, and a hundred jobs cost one heartbeat.

A lease is a hint that tells others when to give a session up. It protects neither jobs nor plans: a job is protected
by the one outcome of its attempt, and a plan by the fence.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.spool.layout import Spool

if TYPE_CHECKING:
    from filelock import LeaseCompromise

#: Seconds, by topology. ``shared`` is long, because attribute caches of network file systems live up to a minute.
DEFAULT_SECONDS = {"local": 30.0, "shared": 180.0}
#: Seconds. A shorter lease could not be told from an ordinary delay of its owner or of an observer.
SHORTEST_SECONDS = 2.0
#: Bytes. A larger file is no lease.
SIZE_LIMIT = 65536
#: Time between two beats, as a share of the duration. A lease whose beats fail is given up one beat before its end,
#: so it outlasts an outage of two thirds of its duration, whenever that begins.
BEAT_SHARE = 1 / 6
#: A session gives its lease up when its main loop has not ticked for this share of the duration.
TICK_SHARE = 0.5
#: It gives it up also when no thread of the process ran for this share. Together with the time since the last beat
#: and the delay of an observer, the lease may have been seen unchanged for all of its duration then.
SUSPENDED_SHARE = 2 / 3
#: Seconds a main loop may go without a tick while it is at a piece of work that it has announced (`Lease.working`).
LONGEST_WORK = 300.0


def path_of(spool: Spool, owner: str) -> Path:
    return spool.path("leases", f"{owner}.lease")


def beat_age_s(spool: Spool, owner: str, now_ms: int) -> float | None:
    """Seconds since the last heartbeat of a session, to be shown; None when it has no lease.

    The age compares two clocks, this host's and the file's, so no decision may follow from it (invariant 6).
    """
    path, beaten = path_of(spool, owner), []
    # Opening it makes NFS ask the server. Where it may not be opened, its name still tells.
    with contextlib.suppress(OSError, ValueError):
        beaten.append(fsio.read_with_info(path, SIZE_LIMIT)[1].st_mtime)
    with contextlib.suppress(OSError):
        beaten.append(fsio.facts(path).st_mtime)
    return max(0.0, round(now_ms / 1000 - max(beaten), 3)) if beaten else None


class Lease:
    """The owner's side. `tick` it from the main loop; a loop that hangs loses it, so others can go on.

    ``lost`` becomes true, and ``on_lost`` is called (from a helper thread, or in `tick`), when the marker vanished,
    was replaced, could not be refreshed in time, when the main loop did not tick, or when the process was suspended.
    """

    def __init__(self, spool: Spool, owner: str, seconds: float, clock: Clock, on_lost: Callable[[str], None]):
        from filelock import SoftFileLease  # Imported here, because observers need only the path.

        # Observers of other users read it. filelock lets the owner alone write a lease, whatever the mode.
        shared: dict[str, Any] = {} if spool.shared_mode is None else {"mode": spool.shared_mode}
        self._clock = clock
        self._seconds = seconds
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._once = threading.Lock()
        self.lost: str | None = None
        # filelock takes a path as a whole. It beats and removes only a marker in which it finds what it wrote itself.
        spool.assert_folder("leases")
        self._marker = SoftFileLease(
            path_of(spool, owner),
            lease_duration=seconds,
            heartbeat_interval=seconds * BEAT_SHARE,
            timeout=0,
            thread_local=False,
            **shared,
            on_compromise=self._compromised,
        )
        self._marker.acquire()
        self._promises = threading.Lock()
        self._ran = clock.monotonic()
        self._work, self._tick_by = "", self._ran + seconds * TICK_SHARE
        self._monitor = threading.Thread(target=self._watch_ticks, name="wf-lease-ticks", daemon=True)
        self._monitor.start()

    def tick(self) -> None:
        """The main loop is alive. After a gap the lease is lost: others may have given the session up meanwhile."""
        self._promise("", self._clock.monotonic() + self._seconds * TICK_SHARE)

    @contextlib.contextmanager
    def working(self, what: str, limit_s: float = LONGEST_WORK) -> Iterator[None]:
        """The main loop is at ``what`` and does not tick before the end of the block, which comes within ``limit_s``.

        Past that bound the lease is lost, because a loop that hangs must not beat for ever. Blocks may be nested.
        """
        with self._promises:
            outer = (self._work, self._tick_by)
        self._promise(what, self._clock.monotonic() + limit_s)
        try:
            yield
        finally:
            if outer[0]:
                self._promise(*outer)
            else:
                self.tick()

    def release(self) -> None:
        """End the session's claim to be alive; its jobs are to be ended before."""
        self._stop.set()
        if threading.current_thread() is not self._monitor:  # `on_lost` may call this from the monitor's own thread.
            self._monitor.join(timeout=5)
        self._marker.release(force=True)

    def give_up(self, why: str) -> None:
        """Lose the lease now. The session stops its agents as after any loss, and begins another one."""
        # A marker that the disk does not let go is beaten no more, so others see the lease expire all the same.
        with contextlib.suppress(OSError):
            self._marker.release(force=True)
        self._lose(why)

    def _compromised(self, what: LeaseCompromise) -> None:
        self._lose(what.reason)

    def _lose(self, reason: str) -> None:
        with self._once:
            if self.lost is not None:
                return
            self.lost = reason
        self._on_lost(reason)

    def _promise(self, work: str, tick_by: float) -> None:
        """The main loop is here now, and will be again by ``tick_by``. A promise that was broken stays broken."""
        why = self._overdue()  # A process that was stopped as a whole and goes on is noticed here, or by the monitor.
        if why is not None:
            self.give_up(why)
            return
        with self._promises:
            self._work, self._tick_by = work, tick_by

    def _watch_ticks(self) -> None:
        while not self._stop.wait(min(1.0, self._seconds / 6)):
            why = self._overdue()
            if why is not None:
                self.give_up(why)
                return

    def _overdue(self) -> str | None:
        """Why others may have given the session up; None while they cannot have."""
        with self._promises:
            now = self._clock.monotonic()
            stood_still, self._ran = now - self._ran, max(now, self._ran)
            if now > self._tick_by:
                return f"too-long-at-{self._work}" if self._work else "main-loop-stopped"
        return "suspended" if stood_still > self._seconds * SUSPENDED_SHARE else None
