"""The queue in memory: the model that `SpoolQueue` is tested against.

Obviously right rather than fast: one lock around every method, one dict per directory of the spool. Costs,
destinations and readiness come from the same contract functions. What it does not have: durability,
sharing between processes, and anything that can be left half done, except an outcome whose token could
not be moved because somebody kept the fence.
"""

from __future__ import annotations

import contextlib
import math
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace

from wf_cli import ids
from wf_cli.clock import Clock
from wf_cli.contract.backoff import RetryPolicy
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Outcome, Spec, destination
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending, decide
from wf_cli.contract.token import NUMBER_LIMIT, Placed, Pool, Token, validate
from wf_cli.errors import ContractError, Refused, Temporary
from wf_cli.queue.batch import prepare
from wf_cli.queue.report import Report
from wf_cli.queue.values import Cancelled, Ended, Enqueued, JobRequest, Reaped, Started
from wf_cli.spool.layout import FENCE_TIMEOUT


class MemoryQueue:
    """Implements `support.queues.Queue`. Its methods may be called from any thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        events: EventSink,
        policy: Callable[[Token], RetryPolicy] | None = None,
        rng: random.Random | None = None,
        fence_timeout: float = FENCE_TIMEOUT,
        adopts: bool = False,
    ):
        self._adopts = adopts
        self._clock = clock
        self._report = Report(events, final=adopts)
        self._policy = policy or (lambda _token: RetryPolicy())
        self._rng = rng or random.Random()
        self._fence_timeout = fence_timeout
        self._lock = threading.RLock()
        self._fences: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        #: When this process first saw each waiting token.
        self._first_sights: dict[Token, float] = {}
        self._specs: dict[str, Spec] = {}
        #: Where each job's one token is (invariant 3: every reserved job has one).
        self._places: dict[str, Placed] = {}
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        #: What superseded attempts produced, by job, attempt and owner.
        self.late: dict[tuple[str, int, str], Outcome] = {}

    # -- making jobs

    def enqueue(self, request: JobRequest) -> Enqueued:
        return self.enqueue_many([request])[0]

    def enqueue_many(self, requests: Sequence[JobRequest]) -> list[Enqueued]:
        self._only_at_home(not self._adopts)
        batch = prepare(requests, self._clock.now_ms())
        with self._lock:
            new = {job_id: job_id not in self._specs for job_id in batch.jobs}
            for job_id, (spec, token) in batch.jobs.items():
                if new[job_id]:
                    self._specs[job_id] = spec
                    self._places[job_id] = Placed("queued", token)
        answers = batch.answers(new)
        self._report.enqueued(batch, answers)
        return answers

    def adopt(self, spec: Spec, number: int, *, pool: Pool | None = None) -> bool:
        self._only_at_home(self._adopts)
        if not 1 <= number < NUMBER_LIMIT or (pool is not None and pool.role != spec.role):
            raise ContractError("no such attempt", code="invalid_spec")
        with self.fence(spec.job_id), self._lock:
            placed = self._places.get(spec.job_id)
            if placed is not None and placed.token.status is None:
                return False
            if self._specs.get(spec.job_id, spec) != spec:
                raise Refused("the key belongs to another job here")
            ended = [attempt for job_id, attempt in self._outcomes if job_id == spec.job_id]
            if max(ended, default=0) >= number or (placed is not None and placed.token.attempt >= number):
                return False
            self._specs[spec.job_id] = spec
            burned = placed.token.burned if placed is not None else 0
            token = replace(spec.token(spec.created_ms), attempt=number - 1, burned=burned, budget=burned + 1)
            token = validate(replace(token, pool=pool or token.pool))
            self._places[spec.job_id] = Placed("queued", token)
        self._report.emit("job.enqueued", token, reason=f"attempt {number}, granted by the home")
        return True

    def _only_at_home(self, right: bool) -> None:
        if not right:
            raise Refused("this is not done in a spool of this kind")

    # -- an attempt

    def claim(
        self, owner: str, pools: Container[Pool], may: Callable[[Token], bool] = lambda _token: True
    ) -> Token | None:
        with self._lock:
            ready = self._ready(pools)
        for token in ready:
            # Without the lock: `may` is the caller's own code and may ask this queue.
            if may(token) and self._move("queued", token, "claimed", token.claimed_by(owner)):
                claimed = token.claimed_by(owner)
                self._report.emit("job.claimed", claimed, from_="queued", to="claimed")
                return claimed
        return None

    def _ready(self, pools: Container[Pool]) -> list[Token]:
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        listed = self._listing("queued")
        self._first_sights = {token: self._first_sights.get(token, now) for token in listed}
        return [
            token
            for token, first in sorted(self._first_sights.items(), key=lambda item: item[0].name)
            if token.pool in pools and (not token.delay_s or now_ms >= token.time_ms or now - first >= token.delay_s)
        ]

    def forget_first_sights(self) -> None:
        """As a fresh process, which has seen nothing for any time."""
        self._first_sights = {}

    @contextlib.contextmanager
    def fence(self, job_id: str) -> Iterator[None]:
        with self._lock:
            fence = self._fences[job_id]
        if not fence.acquire(timeout=self._fence_timeout):
            raise Temporary(
                f"the fence of {job_id} is held for more than {self._fence_timeout:g} s", code="LOCK_BUSY"
            )
        try:
            yield
        finally:
            fence.release()

    def start(self, token: Token) -> Started:
        with self._lock:
            outcome = self._outcomes.get((token.job_id, token.attempt))
            if outcome is not None:
                self._roll_forward(token, outcome)
                return Started.ENDED
            if not self._move("claimed", token, "running", token):
                return Started.GONE
        self._report.emit("job.started", token, from_="claimed", to="running")
        return Started.GO

    def holds(self, token: Token) -> bool:
        with self._lock:
            return self._places.get(token.job_id) in (Placed("running", token), Placed("claimed", token))

    def end(self, token: Token, ending: Ending, *, by: str) -> Ended:
        with self._lock:
            offered = decide(
                token,
                ending,
                by=by,
                nonce=ids.nonce(),
                now_ms=self._clock.now_ms(),
                policy=self._policy(token),
                previous=self._outcomes.get((token.job_id, token.attempt - 1)),
                rng=self._rng,
                final=self._adopts,
            )
        try:
            with self.fence(token.job_id), self._lock:
                standing = self._outcomes.setdefault((token.job_id, token.attempt), offered)
                self._roll_forward(token, standing)
        except Temporary:
            # The fence stays busy: the outcome decides all the same, and any reaper moves the token later.
            with self._lock:
                standing = self._outcomes.setdefault((token.job_id, token.attempt), offered)
        accepted = standing is offered
        if accepted:
            self._report.ended(token, offered)
        elif by == token.owner and ending.end in (End.SUCCEEDED, End.FAILED):
            with self._lock:
                self.late.setdefault((token.job_id, token.attempt, by), offered)
            self._report.emit("attempt.late", token, reason=f"superseded: {standing.end}")
        return Ended(standing, accepted)

    def reap(self, gone: Callable[[str], str], *, by: str) -> list[Reaped]:
        reaped = []
        for folder, code in (("claimed", "never_started"), ("running", "lost")):
            with self._lock:
                tokens = self._listing(folder)
            for token in tokens:
                standing = self.outcome(token.job_id, token.attempt)
                # Skipped while the fence stays busy, never forced: the next round tries again.
                with contextlib.suppress(Temporary):
                    if standing is not None:
                        with self.fence(token.job_id), self._lock:
                            self._roll_forward(token, standing)
                    elif token.owner is not None and token.owner != by and (evidence := gone(token.owner)):
                        told = f"the session {token.owner} is gone: {evidence}"
                        lost = Ending(End.LOST, failure=Failure(code, told))
                        with self.fence(token.job_id):
                            ended = self.end(token, lost, by=by)
                        if ended.accepted:
                            reaped.append(Reaped(token, ended.outcome))
        return reaped

    # -- operators

    def cancel(self, job_id: str, *, by: str, reason: str | None = None) -> Cancelled:
        while True:
            placed = self.find(job_id)
            if placed is None:
                return Cancelled.MISSING
            if placed.status in (Status.QUEUED, Status.HELD):
                ended = replace(placed.token.finished("cancelled"), time_ms=self._clock.now_ms())
                if self._move(placed.folder, placed.token, "done", ended):
                    self._report.emit("job.cancelled", placed.token, from_=placed.folder, to="done", reason=reason)
                    return Cancelled.WAITING
            elif placed.status in (Status.CLAIMED, Status.RUNNING):
                if self.end(placed.token, Ending(End.CANCELLED, reason=reason), by=by).accepted:
                    return Cancelled.ATTEMPT
                if self.find(job_id) == placed:
                    raise Temporary(f"the end of {job_id} is decided, and its fence stays busy", hint="try again")
            else:
                return Cancelled.FINISHED

    def hold(self, job_id: str, *, reason: str | None = None) -> bool:
        return self._operate(job_id, "queued", "held", "job.held", reason)

    def unhold(self, job_id: str, *, reason: str | None = None) -> bool:
        return self._operate(job_id, "held", "queued", "job.released", reason)

    def _operate(self, job_id: str, source: str, target: str, event: str, reason: str | None) -> bool:
        placed = self.find(job_id)
        if placed is None or not self._move(source, placed.token, target, placed.token):
            return False
        self._report.emit(event, placed.token, from_=source, to=target, reason=reason)
        return True

    def retry(self, job_id: str, *, force: bool = False, delay_s: float = 0.0, reason: str | None = None) -> bool:
        self._only_at_home(not self._adopts)
        placed = self.find(job_id)
        allowed = {Status.FAILED, Status.CANCELLED} | ({Status.SUCCEEDED} if force else set())
        if placed is None or placed.status not in allowed:
            return False
        wait_s = math.ceil(delay_s)
        queued = validate(placed.token.queued_at(self._clock.now_ms() + wait_s * 1000, wait_s, burned=0))
        if not self._move(placed.folder, placed.token, "queued", queued):
            return False
        self._report.emit("job.retried", placed.token, from_=placed.folder, to="queued", reason=reason)
        return True

    def gc(self, *, older_s: float, keep_failed: bool = False) -> list[Token]:
        before_ms = self._clock.now_ms() - math.floor(older_s * 1000)
        with self._lock:
            return [
                token
                for folder in (("done",) if keep_failed else ("done", "dead"))
                for token in self._listing(folder)
                if token.time_ms < before_ms and self._move(folder, token, "archive", token)
            ]

    # -- looking

    def find(self, job_id: str) -> Placed | None:
        with self._lock:
            return self._places.get(job_id)

    def placed(self, statuses: Container[Status] | None = None) -> list[Placed]:
        with self._lock:
            live = [place for place in self._places.values() if place.folder != "archive"]
        return [place for place in live if statuses is None or place.status in statuses]

    def spec(self, job_id: str) -> Spec | None:
        with self._lock:
            return self._specs.get(job_id)

    def outcome(self, job_id: str, attempt: int) -> Outcome | None:
        with self._lock:
            return self._outcomes.get((job_id, attempt))

    # -- the two things that ever happen to a token

    def _move(self, source: str, token: Token, target: str, moved: Token) -> bool:
        """The rename: True for the one caller that finds the token where it expects it."""
        with self._lock:
            if self._places.get(token.job_id) != Placed(source, token):
                return False
            self._places[token.job_id] = Placed(target, moved)
            return True

    def _roll_forward(self, token: Token, outcome: Outcome) -> None:
        folder, moved = destination(token, outcome)
        for source in ("running", "claimed"):
            self._move(source, token, folder, moved)

    def _listing(self, folder: str) -> list[Token]:
        found = (place.token for place in self._places.values() if place.folder == folder)
        return sorted(found, key=lambda token: token.name)
