"""A session's lease: one lockfile per session, whose mtime is its heartbeat.

filelock's `SoftFileLease` makes the marker and beats; reapers never acquire it, they observe it
(`liveness`). One claim stays one rename, and a hundred jobs cost one heartbeat.

A lease is a hint for others about when to give a session up. It protects nothing: what protects a job is
that an attempt has one outcome, and what protects a plan is the fence.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wf_cli.clock import Clock
from wf_cli.spool.layout import Spool

if TYPE_CHECKING:
    from filelock import LeaseCompromise

#: Seconds, by topology: attribute caches of network file systems live up to a minute.
DEFAULT_SECONDS = {"local": 30.0, "shared": 180.0}
#: Shorter leases cannot be told from an ordinary delay of owner or observer.
SHORTEST_SECONDS = 2.0
#: The worker gives its lease up when its main loop has not ticked for this share of the duration.
TICK_SHARE = 0.5


def path_of(spool: Spool, owner: str) -> Path:
    return spool.path("leases", f"{owner}.lease")


def beat_age_s(spool: Spool, owner: str, now_ms: int) -> float | None:
    """Seconds since the last heartbeat of a session, to be shown; None when it has no lease.

    The age compares two clocks, this host's and the file's, so no decision may follow from it (invariant 6).
    """
    try:
        beaten = os.lstat(path_of(spool, owner)).st_mtime
    except OSError:
        return None
    return max(0.0, round(now_ms / 1000 - beaten, 3))


class Lease:
    """The owner's side. `tick` it from the main loop; a loop that hangs loses it, so others can go on.

    ``lost`` becomes true, and ``on_lost`` is called (from a helper thread, or in `tick`), when the marker
    vanished, was replaced, could not be refreshed in time, or the main loop did not tick.
    """

    def __init__(self, spool: Spool, owner: str, seconds: float, clock: Clock, on_lost: Callable[[str], None]):
        from filelock import SoftFileLease  # only for owners: observers just need the path

        self._clock = clock
        self._seconds = seconds
        self._on_lost = on_lost
        self._last_tick = clock.monotonic()
        self._stop = threading.Event()
        self._once = threading.Lock()
        self.lost: str | None = None
        self._marker = SoftFileLease(
            path_of(spool, owner),
            lease_duration=seconds,
            timeout=0,
            thread_local=False,
            on_compromise=self._compromised,
        )
        self._marker.acquire()
        self._monitor = threading.Thread(target=self._watch_ticks, name="wf-lease-ticks", daemon=True)
        self._monitor.start()

    def tick(self) -> None:
        """The main loop is alive. After a gap the lease is lost: others may have given the session up meanwhile."""
        late = self._is_late()  # a whole process that was stopped and goes on is noticed here, or by the monitor
        self._last_tick = self._clock.monotonic()
        if late:
            self._give_up()

    def release(self) -> None:
        """End the session's claim to be alive; its jobs are to be ended before."""
        self._stop.set()
        if threading.current_thread() is not self._monitor:  # `on_lost` may well release
            self._monitor.join(timeout=5)
        self._marker.release(force=True)

    def _compromised(self, what: LeaseCompromise) -> None:
        self._lose(what.reason)

    def _lose(self, reason: str) -> None:
        with self._once:
            if self.lost is not None:
                return
            self.lost = reason
        self._on_lost(reason)

    def _watch_ticks(self) -> None:
        while not self._stop.wait(min(1.0, self._seconds / 6)):
            if self._is_late():
                self._give_up()
                return

    def _is_late(self) -> bool:
        return self._clock.monotonic() - self._last_tick > self._seconds * TICK_SHARE

    def _give_up(self) -> None:
        self._marker.release(force=True)
        self._lose("main-loop-stopped")
