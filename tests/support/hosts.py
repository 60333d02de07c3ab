"""Three hosts on one shared spool, each with caches of its own, in one process and in random turns.

A turn is one operation of one host: a session begins, claims, starts, ends, reaps, or an operator acts. Sessions die,
and some are judged to be gone while they live. Time is a fake clock's. A ``seed`` makes the same history again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.clock import FakeClock
from support.lying import Host, Liar, honest
from support.spools import OTHER, POOL, RELEASE, SUCCESS, failing, make_spool, request, spool_queue, tokens_on_disk
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.twins import TWIN_DELAY
from wf_cli.spool import judgement, session, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import SessionFile
from wf_cli.spool.suspicion import Suspicions

#: Seconds for which a host's listings may be old, and its lookups may miss a new name.
LISTINGS = 20.0
LOOKUPS = 10.0
#: Seconds. A lease lasts three times as long as looks can be old.
LEASE = 60.0
_KEYS = ("a", "b", "c", "d", "e", "f", "g", "h")


class History:
    """What really happened, as nobody on a host can see it."""

    def __init__(self) -> None:
        self.starts: Counter[tuple[str, int]] = Counter()
        self.accepted: Counter[tuple[str, int]] = Counter()
        self.reserved: set[str] = set()
        #: Jobs that succeeded, until somebody retries them.
        self.finished: set[str] = set()
        self.redone: set[str] = set()

    def started(self, token: Token) -> None:
        self.starts[token.job_id, token.attempt] += 1
        if token.job_id in self.finished:
            self.redone.add(token.job_id)

    def ended(self, token: Token, end: End) -> None:
        self.accepted[token.job_id, token.attempt] += 1
        if end is End.SUCCEEDED:
            self.finished.add(token.job_id)

    @property
    def twice(self) -> list[tuple[str, int]]:
        """The attempts that were started twice."""
        return [attempt for attempt, n in self.starts.items() if n > 1]


class Worker:
    """One session after the other on one host."""

    def __init__(self, name: str, spool: Spool, clock: FakeClock, host: Host, history: History, watch_s: float):
        self.name, self.spool, self.clock, self.host, self.history = name, spool, clock, host, history
        self._watch_s = watch_s
        self._n = 0
        self.begin()

    def begin(self) -> None:
        """A session begins, as `wf_cli.attempt.session.Session` does. The one before has died."""
        self._n += 1
        self.owner = f"w-{self.name}-{self._n}"
        self.queue: SpoolQueue = spool_queue(self.spool, self.clock)
        self.claimed: list[Token] = []
        self.running: list[Token] = []
        #: What it has to end, and how: its start, or an end before, got no clear answer.
        self.ending: list[tuple[Token, Ending]] = []
        self.suspicions = Suspicions(self.clock, self._watch_s)
        record = session.this_process(self.owner, "opencode", LEASE, self.clock.now_ms())
        while True:
            with suppress(OSError):  # It tries again, as a worker does.
                self.repair()
                SessionFile(self.spool, record)
                return

    def repair(self) -> None:
        self.suspicions.look_again()
        verify.repair(self.spool, suspicions=self.suspicions)

    def claim(self) -> None:
        token = self.queue.claim(self.owner, (POOL, OTHER))
        if token is not None:
            self.claimed.append(token)

    def start(self) -> None:
        if not self.claimed:
            return
        token = self.claimed.pop(0)
        self.ending.append((token, RELEASE))
        with self.queue.fence(token.job_id):
            started = self.queue.start(token)
        self.ending.pop()
        if started == "go":
            self.history.started(token)
            self.running.append(token)

    def end(self, token: Token, ending: Ending) -> None:
        """End an attempt, and before it what is still to be ended."""
        self.ending.append((token, ending))
        while self.ending:
            token, ending = self.ending[0]
            if self.queue.end(token, ending, by=self.owner).accepted:
                self.history.ended(token, ending.end)
            self.ending.pop(0)

    def audit(self) -> None:
        """Give back the tokens of this session that it does not know, as a worker does."""
        known = {*self.claimed, *self.running, *(token for token, _ in self.ending)}
        for placed in self.queue.placed({Status.CLAIMED, Status.RUNNING}):
            if placed.token.owner == self.owner and placed.token not in known:
                self.end(placed.token, RELEASE)

    def reap(self, gone: set[str]) -> None:
        def evidence(owner: str) -> str:
            if owner not in gone:
                return ""
            verdict = judgement.judge(owner, "expired", LEASE, by=self.owner, host=self.name, now_ms=0)
            return judgement.publish(self.spool, verdict).evidence

        for reaped in self.queue.reap(evidence, by=self.owner):
            self.history.ended(reaped.token, End.LOST)


class Simulation:
    """``watch_s``: seconds for which a repair watches a job that looks wrong; the lease's duration is right."""

    def __init__(
        self, root: Path, seed: int, *, watch_s: float = LEASE, liar: Callable[[int], Liar] = lambda _n: honest
    ):
        self._rng = random.Random(seed)
        self.clock = FakeClock()
        self.spool = make_spool(root, topology="shared")
        self.history = History()
        self._watch_s = watch_s
        self.gone: set[str] = set()
        #: What sessions still do that were judged to be gone: their agents end.
        self._zombies: list[tuple[Worker, SpoolQueue, str, Token]] = []
        self.doubled: set[str] = set()
        self.workers = [self._worker(n, liar(n)) for n in range(3)]

    def _worker(self, n: int, liar: Liar) -> Worker:
        host = Host(self.spool.root, liar, clock=self.clock, listings_s=LISTINGS, lookups_s=LOOKUPS)
        with host.mounted():
            return Worker(f"box{n}", self.spool, self.clock, host, self.history, self._watch_s)

    def run(self, turns: int) -> None:
        """Random turns, and then everything that is left is done by one host without caches."""
        with suppress(OSError):
            self._enqueue(self.workers[0])
        for _ in range(turns):
            worker = self._rng.choice(self.workers)
            turn = self._rng.choices(list(_TURNS), list(_TURNS.values()))[0]
            # A look that fails, or an answer that is not known, ends the turn. Later turns go on.
            with suppress(OSError), worker.host.mounted():
                turn(self, worker)
            tokens = Counter(placed.token.job_id for placed in tokens_on_disk(self.spool))
            self.doubled |= {job_id for job_id, n in tokens.items() if n > 1}
            if self.history.twice:
                return
        self._settle()

    # -- turns

    def _time_passes(self, _worker: Worker) -> None:
        self.clock.advance(self._rng.choice((0.5, 3.0, 10.0)))
        for worker in self.workers:
            if worker.suspicions.jobs and self._watch_s:
                with suppress(OSError), worker.host.mounted():
                    worker.repair()

    def _enqueue(self, worker: Worker) -> None:
        for key in self._rng.sample(_KEYS, 3):
            worker.queue.enqueue(request(key, self._rng.choice((POOL, OTHER)), max_attempts=5))
            self.history.reserved.add(key)

    def _claim(self, worker: Worker) -> None:
        worker.claim()

    def _start(self, worker: Worker) -> None:
        worker.start()

    def _end(self, worker: Worker) -> None:
        if worker.running:
            endings = (SUCCESS, RELEASE, failing("crashed"), failing("policy_denied"))
            worker.end(worker.running.pop(), self._rng.choice(endings))

    def _session(self, worker: Worker) -> None:
        self.gone.add(worker.owner)
        worker.begin()

    def _visit(self, _worker: Worker) -> None:
        """Another session begins on this host, which does nothing but its repairs."""
        suspicions = Suspicions(self.clock, self._watch_s)
        suspicions.look_again()
        verify.repair(self.spool, suspicions=suspicions)

    def _judged(self, worker: Worker) -> None:
        """Others take it for dead. Its agents end later than that is said."""
        self._zombies += [(worker, worker.queue, worker.owner, token) for token in worker.running]
        self._session(worker)

    def _late(self, _worker: Worker) -> None:
        if self._zombies:
            worker, queue, owner, token = self._zombies.pop(0)
            with worker.host.mounted():
                if queue.end(token, SUCCESS, by=owner).accepted:
                    self.history.ended(token, End.SUCCEEDED)

    def _reap(self, worker: Worker) -> None:
        worker.audit()
        worker.reap(self.gone)

    def _sweep(self, worker: Worker) -> None:
        worker.queue.sweep()

    def _operator(self, worker: Worker) -> None:
        key = self._rng.choice(_KEYS)
        verb = self._rng.choice(("hold", "unhold", "unhold", "retry", "retry", "retry"))
        if verb != "retry":
            getattr(worker.queue, verb)(key)
        elif worker.queue.retry(key, force=True):
            self.history.finished.discard(key)

    # -- the end

    def _settle(self) -> None:
        """Caches are forgotten, and everything is done that can be done: each job ends, and repairs have time."""
        for worker in self.workers:
            worker.host.settle()
            self.gone.add(worker.owner)
            worker.host.expire()
        last = Worker("last", self.spool, self.clock, Host(self.spool.root), self.history, self._watch_s)
        for key in _KEYS:
            last.queue.unhold(key)
        quiet = 0
        while quiet < 3:
            last.queue.sweep()
            last.reap(self.gone)
            last.claim()
            quiet = 0 if last.claimed else quiet + 1
            last.start()
            while last.running:
                last.end(last.running.pop(), SUCCESS)
            self.clock.advance(TWIN_DELAY * 10)
        verify.verify(self.spool, self.clock, fix=True, watch=verify.Watch(LEASE, lambda _n, s: self.clock.sleep(s)))

    def wrong(self) -> list[str]:
        """What may never be, in words."""
        found = [f"{job_id} a{n} was started twice" for job_id, n in self.history.twice]
        found += [f"{key} was done again" for key in sorted(self.history.redone)]
        found += [f"{key} ended twice" for key, n in self.history.accepted.items() if n > 1]
        tokens = Counter(placed.token.job_id for placed in tokens_on_disk(self.spool))
        # An enqueue that raised may have made its job all the same.
        reserved = self.history.reserved | {path.stem for path in self.spool.folder("jobs").iterdir()}
        found += [f"{key} has {tokens[key]} tokens" for key in sorted(reserved) if tokens[key] != 1]
        found += [
            f"{p.token.job_id} ended in {p.folder}"
            for p in tokens_on_disk(self.spool)
            if p.folder not in ("done", "dead")
        ]
        return found


#: How often each turn comes, in comparison.
_TURNS: dict[Callable[[Simulation, Worker], None], int] = {
    Simulation._time_passes: 12,
    Simulation._enqueue: 1,
    Simulation._claim: 10,
    Simulation._start: 10,
    Simulation._end: 4,
    Simulation._visit: 6,
    Simulation._session: 1,
    Simulation._judged: 1,
    Simulation._late: 1,
    Simulation._reap: 4,
    Simulation._sweep: 1,
    Simulation._operator: 2,
}
