"""The main loop of a worker.

One thread claims, beats, reaps, sweeps and reconciles; each claimed job runs in a thread of its own. The
loop waits for one event that a watcher, a finished job or a signal sets, and otherwise for its next
duty. The lease is beaten only while this loop turns.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable

from wf_cli import ids
from wf_cli.attempt.claim import Entrance
from wf_cli.attempt.reaper import Reaper
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass
from wf_cli.contract.identity import target_of
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import HOST_DELAY, Ending
from wf_cli.contract.token import Token
from wf_cli.errors import SpoolMissing
from wf_cli.locks import Slot
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.seams import step
from wf_cli.spool import control, session, verify
from wf_cli.spool.lease import Lease
from wf_cli.spool.watch import Watcher
from wf_cli.worker.execute import Done, Execution
from wf_cli.worker.settings import Equipment, SlotView, Tally, WorkerSettings

#: Seconds between rounds: reaping decides how fast a crash on this host is noticed, and whether the shortest
#: leases are looked at often enough to be seen expiring (`liveness.SHORTEST_GAP`).
REAP_EVERY = 0.5
SWEEP_EVERY = 2.0
RECONCILE_EVERY = 5.0
BURY_EVERY = 30.0
#: Seconds between rescans, with a watcher and without one.
RESCAN_WATCHED = 2.0
RESCAN_POLLING = 0.3
#: Seconds without claims after the disk gave trouble.
DISK_PAUSE = 5.0
#: Below this nothing is claimed: an outcome and its transcript need room.
MIN_FREE_BYTES = 8 * 1024 * 1024

_TAKEN = frozenset({Status.CLAIMED, Status.RUNNING})


class Worker:
    """One worker. `run` it from one thread; `drain` and `abort` may come from any, or from a signal."""

    def __init__(
        self, queue: SpoolQueue, settings: WorkerSettings, equipment: Equipment, clock: Clock, events: EventSink
    ):
        self._queue = queue
        self._settings = settings
        self._equipment = equipment
        self._clock = clock
        self._events = events
        self._wake = threading.Event()
        self._done_lock = threading.Lock()
        self._done: list[Done] = []
        self._running: dict[str, Execution] = {}
        self._draining: str | None = None
        self._drain_since = 0.0
        self._aborting = False
        self._paused_until = 0.0
        self._entrance = Entrance(queue, equipment.steps, settings.max_parallel_plans)
        self._first_owner = settings.owner
        self._stop_said = ""
        self._trouble_said = ""
        self.tally = Tally()

    # -- signals

    def drain(self, reason: str) -> None:
        """Claim nothing more, finish what runs, end. Safe in a signal handler."""
        if self._draining is None:
            self._drain_since = self._clock.monotonic()
            self._draining = reason
        self._wake.set()

    def abort(self) -> None:
        """Stop the agents, give the jobs back, end. Safe in a signal handler."""
        self._aborting = True
        self.drain("aborted")

    # -- the loop

    def run(self) -> Tally:
        """Work until drained, until ``max_jobs`` are done or, without ``watch``, nothing is ready."""
        while True:
            again = self._run_session()
            if not again:
                return self.tally

    def _run_session(self) -> bool:
        """One session; True when its lease was lost and another one is to take its place."""
        spool, settings = self._queue.spool, self._settings
        owner = self._first_owner or ids.owner_id(settings.name or settings.runtime)
        self._first_owner = None  # an owner id is never used again
        record = session.this_process(
            owner,
            settings.runtime,
            settings.lease_seconds,
            self._clock.now_ms(),
            roles=tuple(sorted(pool.role for pool in settings.pools)),
            concurrency=settings.concurrency,
        )
        self._session = session.SessionFile(spool, record)
        self._lease = Lease(spool, owner, settings.lease_seconds, self._clock, self._lease_lost)
        self._reaper = Reaper(self._queue, self._clock, self._events, me=owner)
        self._requests = control.Requests(spool, self._clock)
        self._events.emit("lease.acquired", owner=owner, runtime=settings.runtime)
        self._events.emit("worker.started", owner=owner, runtime=settings.runtime)
        self._equipment.say(f"worker {owner} on {settings.runtime}: {', '.join(record.roles)}")
        watcher = Watcher(spool, self._changed, self._equipment.say) if settings.watch else None
        self._queue.rescan_on_claim = False
        self._rescan_every = settings.poll_seconds or (
            RESCAN_WATCHED if watcher is not None and watcher.active else RESCAN_POLLING
        )
        try:
            verify.repair(spool)
            self._turn()
        except SpoolMissing as gone:
            self._equipment.say(gone.message)
            self._stop_agents("the spool is gone")
            raise
        finally:
            if watcher is not None:
                watcher.close()
            self._close_session(owner)
        return self._lease.lost is not None and not self._finished()

    def _turn(self) -> None:
        duties = self._duties()
        due = dict.fromkeys((name for name, _, _ in duties), 0.0)
        while not self._lease.lost:
            self._lease.tick()
            self._wake.clear()
            now = self._clock.monotonic()
            try:
                for name, every, duty in duties:
                    if now >= due[name]:
                        due[name] = self._clock.monotonic() + every
                        duty()
                self._collect()
                claimed = self._claim()
                if not claimed and not self._running and not self._settings.watch:
                    # Nothing to be had: look once more with fresh eyes, then go home.
                    self._queue.rescan()
                    claimed = self._claim()
            except OSError as error:
                # A full, read-only or broken disk: nothing is half done, every step is repeated later.
                self._trouble(str(error))
                claimed = False
            if not self._running and (self._finished() or not (claimed or self._settings.watch)):
                return
            self._drain_step()
            self._wait(due)

    def _trouble(self, what: str) -> None:
        """Claim nothing for a while; say why, once per cause."""
        self._paused_until = self._clock.monotonic() + DISK_PAUSE
        if what != self._trouble_said:
            self._trouble_said = what
            self._equipment.say(f"{what}; claiming nothing until that is better")

    def _room(self) -> bool:
        """Whether the disk has room for outcomes and transcripts: a claim must be able to end."""
        free = shutil.disk_usage(self._queue.spool.root).free
        if free < MIN_FREE_BYTES:
            self._trouble(f"only {free // 1024} KiB are free on the disk of {self._queue.spool.root}")
        return free >= MIN_FREE_BYTES

    def _duties(self) -> list[tuple[str, float, Callable[[], object]]]:
        duties: list[tuple[str, float, Callable[[], object]]] = [
            ("pin", self._rescan_every, self._queue.spool.assert_same),
            ("sweep", SWEEP_EVERY, self._queue.sweep),
            ("reap", REAP_EVERY, self._reap),
            ("bury", BURY_EVERY, self._reaper.bury),
            ("reconcile", RECONCILE_EVERY, lambda: self._equipment.reconcile(None)),
            ("audit", SWEEP_EVERY, self._audit),
            ("control", REAP_EVERY, self._obey),
            ("rescan", self._rescan_every, self._queue.rescan),
        ]
        return duties

    def _wait(self, due: dict[str, float]) -> None:
        now = self._clock.monotonic()
        # Also often enough for the lease: the loop has to turn within half of it.
        timeout = min(max(0.01, min(due.values()) - now), self._settings.lease_seconds / 6)
        ready = self._queue.next_ready_s(self._settings.pools)
        if ready is not None:
            timeout = min(timeout, max(0.05, ready))
        self._wake.wait(timeout)

    def _finished(self) -> bool:
        if self._draining is not None:
            return True
        limit = self._settings.max_jobs
        return limit is not None and self.tally.processed >= limit

    # -- claiming

    def _claim(self) -> bool:
        """Fill the free slots; True when something was claimed."""
        took = False
        while self._may_claim_more():
            token = self._queue.claim(self._session.record.owner, self._settings.pools, self._entrance.may)
            slot = self._entrance.take()
            if token is None:
                if slot is not None:
                    slot.close()
                return took
            took = True
            stop = self._requests.stop_for(self._settings.runtime)
            if stop is not None:  # it came between the look and the rename
                if slot is not None:
                    slot.close()
                self._queue.end(token, Ending(End.RELEASED, reason=stop.text()), by=self._session.record.owner)
                return took
            step("worker.claimed")
            self._begin(token, slot)
        return took

    def _may_claim_more(self) -> bool:
        if self._draining is not None or self._lease.lost or self._clock.monotonic() < self._paused_until:
            return False
        if len(self._running) >= self._settings.concurrency:
            return False
        limit = self._settings.max_jobs
        if limit is not None and self.tally.processed + len(self._running) >= limit:
            return False
        stop = self._requests.stop_for(self._settings.runtime)
        text = stop.text() if stop is not None else ""
        if text != self._stop_said:
            self._stop_said = text
            self._equipment.say(text or "going on")
        return stop is None and self._room()

    def _begin(self, token: Token, slot: Slot | None) -> None:
        execution = Execution(
            token,
            queue=self._queue,
            session=self._session,
            equipment=self._equipment,
            slot=slot,
            clock=self._clock,
            events=self._events,
            owner_lost=lambda lease=self._lease: lease.lost is not None,  # type: ignore[misc]
        )
        self._running[token.job_id] = execution
        self._equipment.say(f"{token.job_id}: attempt {token.attempt} of {token.pool}")
        threading.Thread(target=self._execute, args=(execution,), name=f"wf-{token.job_id}", daemon=True).start()

    def _execute(self, execution: Execution) -> None:
        try:
            done = execution.run()
        except Exception as error:  # noqa: BLE001 - one job's fault may not take the worker with it
            self._equipment.say(f"{execution.token.job_id}: {type(error).__name__}: {error}")
            done = Done(execution.token, End.LOST, None, accepted=False)
        with self._done_lock:
            self._done.append(done)
        self._wake.set()

    # -- what comes back

    def _collect(self) -> None:
        with self._done_lock:
            finished, self._done = self._done, []
        for done in finished:
            self._running.pop(done.token.job_id, None)
            self.tally.processed += 1
            self._equipment.say(f"{done.token.job_id}: {done.end}{_why(done)}")
            if done.end is End.SUCCEEDED:
                self.tally.succeeded += 1
            elif done.end is End.FAILED:
                self.tally.failed += 1
            else:
                self.tally.released += 1
            if done.failure is not None and done.failure.error_class is ErrorClass.HOST:
                self._paused_until = self._clock.monotonic() + HOST_DELAY
                self._equipment.say(f"this host cannot run it; no claims for {HOST_DELAY:g} s")
            target = target_of(done.token.job_id)
            if target is not None:
                self._equipment.reconcile(target)
        if finished:
            self._queue.rescan()

    # -- duties

    def _reap(self) -> None:
        for reaped in self._reaper.round():
            token = reaped.token
            self._equipment.say(
                f"{token.job_id}: attempt {token.attempt} of {token.owner} is lost; {reaped.outcome.disposition.to}"
            )
            self._wake.set()

    def _audit(self) -> None:
        """Give back tokens under our own owner id that this session does not know: a rename that lied."""
        owner = self._session.record.owner
        for placed in self._queue.placed(_TAKEN):
            token = placed.token
            if token.owner == owner and token.job_id not in self._running:
                with self._done_lock:
                    known = any(done.token == token for done in self._done)
                if not known:
                    self._queue.end(token, Ending(End.RELEASED, reason="found by the audit"), by=owner)

    def _obey(self) -> None:
        if self._draining is not None:
            return
        for name in (self._session.record.owner, self._settings.name or "", "all", self._settings.runtime):
            if name and control.has(self._queue.spool, f"drain.{name}"):
                self._equipment.say(f"asked to drain; `wf worker undrain {name}` takes that back for the next worker")
                self.drain("asked to drain")
                return

    def _drain_step(self) -> None:
        if self._draining is None:
            return
        if self._session.record.state != "draining":
            self._session.set_state("draining")
            self._events.emit("worker.draining", owner=self._session.record.owner, reason=self._draining)
            if self._running:
                self._equipment.say(f"draining ({self._draining}): {len(self._running)} job(s) to finish")
        limit = self._settings.drain_timeout
        late = limit is not None and self._clock.monotonic() - self._drain_since > limit
        if self._aborting or late:
            self._stop_agents("drained too long" if late else "aborted")

    def _stop_agents(self, reason: str) -> None:
        for execution in self._running.values():
            execution.stop(reason)

    def _lease_lost(self, reason: str) -> None:
        self._events.emit("lease.lost", owner=self._session.record.owner, reason=reason)
        self._wake.set()

    def _close_session(self, owner: str) -> None:
        """Stop what runs, end it, let the lease go. After a lost lease others may have ended it already."""
        lost = self._lease.lost
        if lost:
            self._equipment.say(f"lost the lease ({lost}); stopping {len(self._running)} agent(s)")
        self._stop_agents("the session ends")
        while self._running:
            self._lease.tick()
            self._wake.wait(0.2)
            self._wake.clear()
            with contextlib.suppress(SpoolMissing):  # told already, and no reason to leave the other agents alone
                self._collect()
        self._session.set_state("stopped")
        self._lease.release()
        self._events.emit("worker.stopped", owner=owner, reason=lost or self._draining or "nothing more to do")

    def _changed(self, folder: str, name: str) -> None:
        """From the watcher's thread."""
        if folder == "queued":
            self._queue.note(name)
            self._wake.set()
        elif folder in ("control", "done", "dead"):
            self._wake.set()

    def slots(self) -> list[SlotView]:
        """What each slot does now, the busy ones first. From any thread."""
        busy = [execution.view() for _, execution in sorted(self._running.copy().items())]
        waits = f"draining ({self._draining})" if self._draining else self._stop_said or "waiting for a job"
        return busy + [SlotView(None, 0, 0.0, waits)] * (self._settings.concurrency - len(busy))


def _why(done: Done) -> str:
    if done.failure is None or done.end is End.SUCCEEDED:
        return ""
    return f" ({done.failure.code}: {done.failure.message.partition(chr(10))[0][:200]})"
