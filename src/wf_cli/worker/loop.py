"""The main loop of a worker.

One thread claims, beats, reaps, sweeps and reconciles. Each claimed job runs in a thread of its own. The loop waits
until its next duty is due, or until a watcher, a finished job or a signal sets its event. The lease is beaten only
while this loop turns, or is at a piece of work that it has announced.
"""

from __future__ import annotations

import contextlib
import threading

from wf_cli import ids
from wf_cli.attempt import trouble
from wf_cli.attempt.claim import Claimed, Claims, Obstacle
from wf_cli.attempt.end import Ends
from wf_cli.attempt.lasting import Lasting
from wf_cli.attempt.outage import Outage
from wf_cli.attempt.rounds import BURY_EVERY, REAP_EVERY, RECONCILE_EVERY, SWEEP_EVERY, Rounds
from wf_cli.attempt.session import Session
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import HOST_DELAY, Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.errors import LockTrouble, SpoolError, SpoolMissing, Temporary, WfError
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Reaped
from wf_cli.seams import step
from wf_cli.spool import control
from wf_cli.spool.watch import Watcher
from wf_cli.warn import TroubleLine
from wf_cli.worker.beginning import PAUSE, begin_session
from wf_cli.worker.execute import Done, Execution
from wf_cli.worker.settings import Equipment, SlotView, Tally, WorkerSettings

#: Seconds between rescans of the queue, with a watcher and without one.
RESCAN_WATCHED = 2.0
RESCAN_POLLING = 0.3
#: Seconds between tries to watch what could not be watched.
WATCH_EVERY = 10.0
#: A rescan of a long queue takes long. It comes again only after this many times as long.
RESCAN_PAUSE = 20
#: Seconds between two looks at what keeps from claiming, while there is nothing to claim.
IDLE_LOOK = 1.0
#: Seconds without claims after an error of the disk.
DISK_PAUSE = 5.0

_TAKEN = frozenset({Status.CLAIMED, Status.RUNNING})


class Worker:
    """One worker. One thread calls `run`; any thread or a signal handler may call `drain` and `abort`."""

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
        self._done: list[tuple[Token, Done]] = []
        #: Keyed by token, because a second attempt of a job may begin before the end of the first was collected.
        self._running: dict[Token, Execution] = {}
        self._draining: str | None = None
        self._drain_since = 0.0
        self._aborting = False
        self._paused_until = 0.0
        self._no_rescan_until = 0.0
        self._claims = Claims(
            queue, equipment.steps, clock, pools=settings.pools, max_parallel_plans=settings.max_parallel_plans
        )
        self._outage = Outage(equipment.say)
        self._ends = Ends(queue, clock, events, equipment.say, self._outage)
        self._first_owner = settings.owner
        self._owner: str | None = None
        self._watcher: Watcher | None = None
        self._obstacle: Obstacle | None = None
        #: When `_obstacle` is looked for again although there is nothing to claim.
        self._next_idle_look = 0.0
        self._lasting = Lasting(equipment.say)
        self.tally = Tally()

    # -- signals

    def drain(self, reason: str) -> None:
        """Claim no more jobs, finish the running ones, end. Safe in a signal handler."""
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
        """Work until drained, until ``max_jobs`` are done or, without ``watch``, nothing is ready.

        While the spool cannot be used by errors that may pass, the worker waits. Raises SpoolError when the spool is
        gone, replaced or damaged, and OSError of another kind when no session can begin.
        """
        while self._run_session():
            pass
        return self.tally

    def _run_session(self) -> bool:
        """Run one session. True when its lease was lost and another session has to follow."""
        spool, settings = self._queue.spool, self._settings
        # The watcher and the rescan look at the whole spool, so they come before there is a lease to beat.
        self._watcher = watcher = Watcher(spool, self._changed, self._equipment.say) if settings.watch else None
        try:
            self._queue.rescan_on_claim = False
            with contextlib.suppress(OSError):  # The loop rescans again, and says what is wrong.
                self._queue.rescan()
            session = self._open_session()
            if session is None:
                return False
            self._session = session
            try:
                self._turn(self._duties())
            except SpoolError:  # Whoever started the worker says which spool, and what to do.
                line = f"the spool cannot be used any more; stopping {len(self._running)} agent(s)"
                self._equipment.say(TroubleLine(line))
                self._stop_agents("the spool can be used no more")
                raise
            finally:
                self._close_session()
        finally:
            if watcher is not None:
                watcher.close()
        return self._session.lost is not None and not self._finished()

    def _open_session(self) -> Session | None:
        """The next session; None when the worker is drained before one can begin."""
        first, self._first_owner = self._first_owner, None  # An owner id is never used again.
        self._owner = owner = first or ids.owner_id(self._settings.name or self._settings.runtime)
        return begin_session(
            self._queue.spool,
            owner,
            self._settings,
            clock=self._clock,
            events=self._events,
            say=self._equipment.say,
            on_lost=self._wake.set,
            outage=self._outage,
            is_first=first is not None,
            leaves_within=self._drains_within,
            has_worked=self._equipment.has_worked,
        )

    def _drains_within(self, seconds: float) -> bool:
        if self._draining is None and self._wake.wait(seconds):
            self._wake.clear()
        return self._draining is not None

    def _duties(self) -> Rounds:
        rounds = Rounds(self._session, self._clock, self._equipment.say, self._outage)
        reaper = rounds.for_others(self._queue, self._events, self._say_reaped, self._equipment.steps)
        rounds.every(BURY_EVERY, "bury", reaper.bury)
        rounds.every(RECONCILE_EVERY, "reconcile", lambda: self._reconcile(None))
        rounds.every(SWEEP_EVERY, "audit", self._audit)
        rounds.every(REAP_EVERY, "control", self._obey)
        rounds.every(self.rescan_every, "rescan", self._rescan)
        if self._watcher is not None:
            rounds.every(WATCH_EVERY, "watch", self._watcher.mend)
        return rounds

    @property
    def watched(self) -> bool:
        """Whether the system tells this worker of every change that it waits for."""
        return self._watcher is not None and self._watcher.active

    def rescan_every(self) -> float:
        """Seconds between rescans, as things are now."""
        return self._settings.poll_seconds or (RESCAN_WATCHED if self.watched else RESCAN_POLLING)

    def _turn(self, rounds: Rounds) -> None:
        while not self._session.lost:
            self._session.tick()
            self._wake.clear()
            rounds.do_due()
            with self._session.working("claim"):
                self._collect()
                claimed = self._claim()
                if not claimed and not self._running and not self._settings.watch:
                    # Without ``watch`` the worker ends when the queue is empty, so it lists the queue afresh first.
                    claimed = self._claim(rescan=True)
                if not claimed:
                    self._session.settle()
            stays = claimed or self._settings.watch or self._outage.lasts
            if not self._running and (self._finished() or not stays):
                return
            self._drain_step()
            self._wait(rounds)

    def _wait(self, rounds: Rounds) -> None:
        # The loop has to turn within half of the lease, or the beat stops.
        timeout = min(max(0.01, rounds.next_s()), self._settings.lease_seconds / 6)
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

    def _claim(self, *, rescan: bool = False) -> bool:
        """Fill the free slots; True when a job was claimed. An error of this host pauses claiming for a while."""
        took = False
        if self._is_full():
            self._outage.left("cannot claim")
        try:
            if rescan:
                self._queue.rescan()
            while self._has_free_slot() and (rescan or not self._idles()):
                claimed = self._claims.take(self._session.owner, self._give_back, self._leaving)
                self._lasting.over("cannot claim", "claiming again")
                self._outage.over("cannot claim")
                self._face(claimed if isinstance(claimed, Obstacle) else None)
                if not isinstance(claimed, Claimed):
                    self._next_idle_look = self._clock.monotonic() + IDLE_LOOK
                    break
                took = True
                step("worker.claimed")
                self._begin(claimed)
        except SpoolMissing:
            raise
        except (OSError, WfError) as error:
            # This host cannot claim. No step is left half done, so each can be repeated later.
            if self._outage.met("cannot claim", error):
                self._paused_until = self._clock.monotonic() + PAUSE
            else:
                seconds = HOST_DELAY if isinstance(error, WfError | LockTrouble) else DISK_PAUSE
                self._pause("cannot claim", error, seconds)
        return took

    def _idles(self) -> bool:
        """Whether there is nothing to claim, and what would keep from it was looked for a moment ago."""
        return self._clock.monotonic() < self._next_idle_look and self._queue.next_ready(self._settings.pools) is None

    def _has_free_slot(self) -> bool:
        return self._clock.monotonic() >= self._paused_until and not self._is_full()

    def _is_full(self) -> bool:
        limit, busy = self._settings.max_jobs, len(self._running)
        return busy >= self._settings.concurrency or (limit is not None and self.tally.processed + busy >= limit)

    def _leaving(self) -> str | None:
        """Why this session takes no more jobs; None while it does."""
        return self._session.lost or self._draining

    def _give_back(self, token: Token, ending: Ending) -> None:
        """End the attempt without work. When a lock is busy, the audit does it later."""
        with contextlib.suppress(Temporary):
            self._ends.once(token, ending, by=self._session.owner)

    def _face(self, obstacle: Obstacle | None) -> None:
        """Say once what keeps this worker from claiming, and once that it is over."""
        if obstacle is not None and obstacle.kind == "leaving":
            return
        if (obstacle.kind if obstacle else None) != (self._obstacle.kind if self._obstacle else None):
            self._equipment.say(obstacle.text if obstacle is not None else "going on")
        self._obstacle = obstacle

    def _pause(self, what: str, error: Exception, seconds: float) -> None:
        """Claim no job for ``seconds``, because of ``error``, which is said once."""
        self._paused_until = self._clock.monotonic() + seconds
        told = trouble.told(error) if isinstance(error, OSError | WfError) else str(error)
        self._lasting.met(what, error, f"{told}; claiming nothing until that is better")

    def _begin(self, claimed: Claimed) -> None:
        execution = Execution(
            claimed,
            queue=self._queue,
            session=self._session,
            equipment=self._equipment,
            clock=self._clock,
            events=self._events,
            outage=self._outage,
            requests=self._claims.requests,
        )
        token = claimed.token
        self._running[token] = execution
        thread = threading.Thread(target=self._execute, args=(execution,), name=f"wf-{token.job_id}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # The system gives this process no more threads.
            del self._running[token]
            claimed.let_go()
            self._pause("cannot start a thread", error, HOST_DELAY)
            self._give_back(token, ending_of(Failure("spawn_failed", str(error))))
            return
        self._lasting.over("cannot start a thread", "claiming again")
        self._equipment.say(f"{token.job_id}: attempt {token.attempt} of {token.pool}")

    def _execute(self, execution: Execution) -> None:
        try:
            done = execution.run()
        except SpoolMissing:  # The main loop meets that, too, and ends the worker.
            done = Done(End.LOST, None)
        except Exception as error:  # noqa: BLE001 - one job's fault may not take the worker with it
            self._equipment.say(TroubleLine(f"{execution.token.job_id}: {type(error).__name__}: {error}"))
            done = Done(End.LOST, None)
        with self._done_lock:
            self._done.append((execution.token, done))
        self._wake.set()

    # -- what comes back

    def _collect(self) -> None:
        with self._done_lock:
            finished, self._done = self._done, []
        for token, done in finished:
            self._running.pop(token, None)
            self.tally.processed += 1
            line = f"{token.job_id}: {done.end}{done.why}"
            self._equipment.say(TroubleLine(line) if done.end in (End.FAILED, End.LOST) else line)
            if done.end is End.SUCCEEDED:
                self.tally.succeeded += 1
            elif done.end is End.FAILED:
                self.tally.failed += 1
            else:
                self.tally.released += 1
            self._weigh_host(done)
            target = target_of(token.job_id)
            if target is not None:
                self._reconcile(target)
        if finished and self._queue.next_ready(self._settings.pools) is None:
            with contextlib.suppress(OSError):  # The duty "rescan" does it again, and says what is wrong.
                self._queue.rescan()

    def _reconcile(self, target: Target | None) -> None:
        """Publish the jobs that are due. TroubleLine is said once, and the next reconcile tries again."""
        what = "cannot reconcile"
        try:
            self._equipment.reconcile(target)
        except (OSError, WfError) as error:
            if not self._outage.met(what, error):
                line = f"{what}: {trouble.told(error)}; trying again every {RECONCILE_EVERY:g} s"
                self._lasting.met(what, error, line)
        else:
            self._outage.over(what)
            self._lasting.over(what)

    def _weigh_host(self, done: Done) -> None:
        """Pause after a failure that is this host's own. Said with the first one, and again once a job was run."""
        if done.failure is not None and done.failure.error_class is ErrorClass.HOST:
            self._paused_until = self._clock.monotonic() + HOST_DELAY
            line = f"this host cannot run it; no claims for {HOST_DELAY:g} s after each try"
            self._lasting.met("cannot run a job", done.failure.code, line)
        elif done.failure is not None or done.end is End.SUCCEEDED:
            self._lasting.over("cannot run a job", "this host can run jobs again")

    # -- duties

    def _rescan(self) -> None:
        begin = self._clock.monotonic()
        if begin < self._no_rescan_until:
            return
        self._queue.rescan()
        end = self._clock.monotonic()
        self._no_rescan_until = end + RESCAN_PAUSE * (end - begin)

    def _say_reaped(self, reaped: Reaped) -> None:
        token, outcome = reaped.token, reaped.outcome
        what = "is lost" if outcome.end is End.LOST else f"had ended: {outcome.end}"
        line = f"{token.job_id}: attempt {token.attempt} of {token.owner} {what}; {outcome.disposition.to}"
        self._equipment.say(TroubleLine(line) if outcome.end is End.LOST else line)
        target = target_of(token.job_id)
        if target is not None and outcome.end is not End.LOST:
            self._reconcile(target)
        self._wake.set()

    def _audit(self) -> None:
        """Give back the tokens of this owner id that this session does not know.

        A rename that was done although it reported an error leaves such a token.
        """
        owner, found = self._session.owner, Ending(End.RELEASED, reason="found by the audit")
        first: OSError | WfError | None = None
        for placed in self._queue.placed(_TAKEN):
            if placed.token.owner == owner and placed.token not in self._running:
                try:
                    self._ends.once(placed.token, found, by=owner)
                except (OSError, Temporary) as error:
                    first = first or error
        if first is not None:
            raise first

    def _obey(self) -> None:
        if self._draining is not None:
            return
        mine = ids.worker_name(self._settings.name) if self._settings.name else None
        for name in (self._session.owner, mine, "all", self._settings.runtime):
            if name and control.has(self._queue.spool, f"drain.{name}"):
                self._equipment.say(f"asked to drain; `wf worker undrain {name}` takes that back for the next worker")
                self.drain("asked to drain")
                return

    def _drain_step(self) -> None:
        if self._draining is None:
            return
        if self._session.file.record.state != "draining":
            self._session.say_state("draining")
            self._events.emit("worker.draining", owner=self._session.owner, reason=self._draining)
            if self._running:
                self._equipment.say(f"draining ({self._draining}): {len(self._running)} job(s) to finish")
        limit = self._settings.drain_timeout
        late = limit is not None and self._clock.monotonic() - self._drain_since > limit
        if self._aborting or late:
            for execution in self._running.values():
                execution.give_up("drained too long" if late else "aborted")

    def _stop_agents(self, reason: str) -> None:
        for execution in self._running.values():
            execution.stop(reason)

    def _close_session(self) -> None:
        """Stop the agents, end their attempts, release the lease. After a lost lease a reaper may end them first."""
        lost = self._session.lost
        if lost:
            self._equipment.say(TroubleLine(f"lost the lease ({lost}); stopping {len(self._running)} agent(s)"))
        self._stop_agents("the session ends")
        while self._running:
            self._drain_step()
            self._session.tick()
            self._wake.wait(0.2)
            self._wake.clear()
            # A missing spool was reported already, and the other agents are waited for all the same.
            with contextlib.suppress(SpoolMissing), self._session.working("collect"):
                self._collect()
        self._session.close(self._draining or "nothing more to do")

    def _changed(self, folder: str, name: str) -> None:
        """Note a change in ``folder`` and wake the loop. Called in the watcher's thread."""
        if folder == "queued":
            self._queue.note(name)
            self._wake.set()
        elif folder in ("control", "done", "dead"):
            self._next_idle_look = 0.0
            self._wake.set()

    @property
    def owner(self) -> str | None:
        """The id of the session that works now, or worked last; None before the first. For any thread."""
        return self._owner

    def slots(self) -> list[SlotView]:
        """The activity of each slot now, the busy ones first. May be called from any thread."""
        running = sorted(self._running.copy().values(), key=lambda execution: execution.token.job_id)
        if self._draining is not None:
            waits = f"draining ({self._draining})"
        else:
            waits = self._obstacle.text if self._obstacle is not None else "waiting for a job"
        free = self._settings.concurrency - len(running)
        return [execution.view() for execution in running] + [SlotView(None, 0, 0.0, waits)] * free
