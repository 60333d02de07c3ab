"""The queue: steps of the spool, with the retry policy, the clock and the log.

Each method takes and gives values, and none waits for longer than a fence's time limit. A lost race is a return value
(None, False), never an exception. The invariants are numbered as in docs/explanation/spool-protocol.md.
"""

from __future__ import annotations

import contextlib
import math
import random
import threading
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.contract.backoff import RetryPolicy
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Placed, Pool, Token
from wf_cli.errors import ContractError, NotALock, NotFound, Refused, Temporary
from wf_cli.queue.batch import prepare
from wf_cli.queue.offers import Offers
from wf_cli.queue.report import Report
from wf_cli.queue.twins import Twins
from wf_cli.queue.values import Cancelled, Ended, Enqueued, JobRequest, Reaped, Started
from wf_cli.seams import step
from wf_cli.spool import adopt, attempt, enqueue, operate, packing, records, scan, started
from wf_cli.spool import late as late_results
from wf_cli.spool.findings import OnProgress, unheard
from wf_cli.spool.late import LateResult
from wf_cli.spool.layout import Spool
from wf_cli.spool.ready import ReadyIndex
from wf_cli.spool.started import Start
from wf_cli.spool.troubles import EachItem, SayOnce, Trouble
from wf_cli.spool.unchanged import Unchanged

#: Looks again this often when a job keeps moving while an operator reaches for it.
CHASE = 50


class SpoolQueue:
    """The queue of one spool. One per process; its methods may be called from any thread."""

    def __init__(
        self,
        spool: Spool,
        *,
        clock: Clock,
        events: EventSink,
        policy: Callable[[Token], RetryPolicy] | None = None,
        rng: random.Random | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ):
        """``say`` gets one line for people about each foreign file that a loop had to pass over."""
        self.spool = spool
        #: Hears of what a loop over foreign files has to pass over.
        self.troubles = SayOnce(say)
        self._clock = clock
        self._report = Report(events, final=spool.version.adopts)
        self._twins = Twins(spool, clock, self._report)
        self._offers = Offers(
            spool, clock, policy or (lambda _token: RetryPolicy()), rng or random.Random(), self.troubles
        )
        self._index = ReadyIndex(clock)
        self._index_lock = threading.Lock()
        self._unchanged = Unchanged(spool, "queued")
        # Names whose rename a thread of this process has tried. Its target holds the same owner for all of
        # them, so the second thread would take the first one's success for its own (invariant 1). They are
        # dropped once the attempt has its outcome, which tells a late second thread the same (`forget`).
        self._tried: set[str] = set()
        # Outcomes whose publication failed with an I/O error; the link may exist all the same. A retry offers the
        # same bytes, so publish recognises them as ours, and a success is not kept as a late result of itself
        # (invariant 5).
        self._unsure: dict[tuple[str, int, str], tuple[Ending, Outcome]] = {}
        #: Whether each claim lists queued/ first. A worker with a watcher does that at its own pace (`rescan`).
        self.rescan_on_claim = True

    # -- making jobs

    def enqueue(self, request: JobRequest, *, reason: str | None = None) -> Enqueued:
        """Make the job of the request's key, once, however often and by whomever it is asked for (invariant 4).

        The job is durable when this returns (invariant 3). Raises ContractError for a request outside the grammar,
        Refused when the job id belongs to another key, OSError when the disk fails; then it can be repeated.
        """
        return self.enqueue_many([request], reason=reason)[0]

    def enqueue_many(
        self, requests: Sequence[JobRequest], *, reason: str | None = None, on_progress: OnProgress = unheard
    ) -> list[Enqueued]:
        """`enqueue` of many, with one sync of each directory; one answer for each request, in their order.

        A key that stands twice in ``requests`` makes one job. An invalid request raises before any job is made.
        ``reason`` stands in the events. ``on_progress`` follows the steps of the jobs, of which each has three.
        """
        adopt.assert_home(self.spool, "no job is made")
        batch = prepare(requests, self._clock.now_ms())
        entries = [enqueue.Entry(spec, token) for spec, token in batch.jobs.values()]
        new = enqueue.admit(self.spool, entries, on_progress)
        answers = batch.answers(dict(zip(batch.jobs, new, strict=True)))
        self._report.enqueued(batch, answers, reason)
        return answers

    def adopt(self, spec: Spec, number: int, *, pool: Pool | None = None, reason: str | None = None) -> bool:
        """Make attempt ``number`` of the job ``spec`` claimable: the home granted it to this node
        (docs/explanation/synced.md). ``pool`` is the one that the home has given the job to; None is the spec's.

        A claim makes the queued token this attempt, and its end is final. Durable when this returns True. False when
        the spool has any trace of this attempt or a later one, or of a job of this key that has not ended: each
        attempt is adopted once, however often and by how many processes that is tried. When this raises it can be
        repeated. Raises Refused where ends are not final, or when the key belongs to another job here (one that was
        purged at home and enqueued again is another job); ContractError for a spec or number outside the grammar;
        Temporary when the fence stays busy; OSError when the disk fails.
        """
        token = adopt.admit(self.spool, spec, number, pool)
        if token is None:
            return False
        self._report.emit("job.enqueued", token, reason=reason or f"attempt {number}, granted by the home")
        return True

    def sweep(self) -> list[Token]:
        """Carry staged enqueues forward, whoever left them (invariant 3); the tokens admitted.

        Raises OSError when a write of our own failed, after all staged files were tried.
        """
        return enqueue.sweep(self.spool, self.troubles)

    # -- an attempt

    def rescan(self) -> None:
        """List queued/ now. What is gone from there is forgotten; what stays keeps its first sight (invariant 6).

        Nothing is listed while the folder is unchanged since the last listing (`spool.unchanged`).
        """
        with self._index_lock, self._unchanged.look() as unchanged:
            if not unchanged:
                self._index.replace(self.spool.names("queued"))

    def note(self, name: str) -> bool:
        """An event told of a name in queued/; False when it is no token. Claims see it before the next rescan."""
        with self._index_lock:
            return self._index.add(name)

    def next_ready(self, pools: Container[Pool], after: str = "") -> Token | None:
        """The best token that could be claimed now, as far as known; of those behind the name ``after``."""
        with self._index_lock:
            return self._index.first(pools, after)

    def next_ready_s(self, pools: Container[Pool]) -> float | None:
        """Seconds until a delayed job of these pools is ready; None when there is none."""
        with self._index_lock:
            return self._index.next_ready_s(pools)

    def claim(
        self, owner: str, pools: Container[Pool], may: Callable[[Token], bool] = lambda _token: True
    ) -> Token | None:
        """Begin an attempt of the first ready job of ``pools`` that ``may`` be taken; None when there is none.

        ``may`` is asked just before, and may take a slot. No other session gets the same attempt (invariant 1). A
        token that the system lets nobody move is passed over. The claim is durable once `start` returned. Raises
        OSError when it is not known whether the claim succeeded, or when the system let none be moved.
        """
        if self.rescan_on_claim:
            self.rescan()
        stuck: list[tuple[Token, PermissionError]] = []
        after = ""
        while (token := self.next_ready(pools, after)) is not None:
            after = token.name
            failure = operate.used_up(token)
            if failure is not None:
                self._bury(token, failure, owner)
                continue
            if not may(token):
                continue
            if not self._first_try(f"queued/{token.name}"):
                continue
            claimed = None
            try:
                claimed = attempt.take(self.spool, token, owner)
            except PermissionError as refused:
                if not scan.holds(self.spool, "queued", token):
                    raise  # It was moved, and nobody knows whether by us.
                stuck.append((token, refused))
            finally:
                with self._index_lock:
                    self._index.discard(token)
                    if claimed is None:
                        self._unchanged.forget()  # It may be there all the same.
                        # A job that is held and released comes back under this name.
                        self._tried.discard(f"queued/{token.name}")
            if claimed is not None:
                for left, error in stuck:
                    self.troubles(Trouble.of(self.spool.path("queued", left.name), error))
                self._report.emit("job.claimed", claimed, from_="queued", to="claimed")
                return claimed
            # RACE: another session's claim, or an operator's rename, was faster. The next token follows.
        if stuck:
            raise stuck[0][1]
        return None

    def fence(self, job_id: str) -> AbstractContextManager[None]:
        """Held by whoever takes a token away or changes a plan by it (invariant 2). A thread that holds it may take
        it again. Raises Temporary when it stays busy."""
        return self.spool.fence(job_id)

    def start(self, token: Token) -> Started:
        """Move a claimed token to running, durably, under the fence that the caller holds.

        GO is said once for an attempt (invariant 1). An outcome that stands already is rolled forward (invariant 5).
        Raises OSError when the disk does not tell, and then the caller ends the attempt.
        """
        # An outcome can be older than its claim only when a power cut took the claim's rename back (invariant 5).
        # Where lookups can be old, the start that goes with finished work is found by its exclusive link below.
        outcome = attempt.standing_outcome(self.spool, token.job_id, token.attempt, glance=True)
        if outcome is not None:
            attempt.roll_forward(self.spool, token, outcome)
            return Started.ENDED
        if not self._first_try(f"claimed/{token.name}"):
            return Started.GONE
        start = started.claim_start(self.spool, token)
        if start is not None:
            return self._leave_twin(token, start)
        if not attempt.begin(self.spool, token):
            if self.spool.version.topology != "local":
                # Nobody else can start this attempt now. Without an outcome the job's other token would wait for one.
                self._end(
                    token, Ending(End.RELEASED, reason="its token vanished before it began"), by=token.owner or ""
                )
            return Started.GONE
        self._report.emit("job.started", token, from_="claimed", to="running")
        return Started.GO

    def _leave_twin(self, token: Token, start: Start) -> Started:
        """Leave the attempt to its starter, or end it when that session is gone. The caller holds the fence."""
        lost = self._twins.lost(start)
        if lost is not None:
            self._end(token, lost, by=token.owner or "")
            return Started.ENDED
        self._give_back(token, start)
        return Started.TWIN

    def _give_back(self, token: Token, start: Start) -> None:
        self._twins.give_back(token, start)
        with self._index_lock:
            self._tried.discard(f"claimed/{token.name}")

    def _first_try(self, name: str) -> bool:
        with self._index_lock:
            if name in self._tried:
                return False
            self._tried.add(name)
            return True

    def forget(self, token: Token) -> None:
        """This process is done with an attempt that it claimed. One without an outcome is remembered all the same."""
        with contextlib.suppress(OSError, ContractError):
            if self.outcome(token.job_id, token.attempt) is not None:
                self._forget(token)

    def _forget(self, token: Token) -> None:
        queued = replace(token, attempt=token.attempt - 1, owner=None)
        with self._index_lock:
            self._tried -= {f"queued/{queued.name}", f"claimed/{token.name}"}

    def holds(self, token: Token) -> bool:
        """Whether the token still lies where its owner put it (claimed or running). OSError when the disk does not
        tell, which is no "no"."""
        return any(scan.holds(self.spool, folder, token) for folder in ("running", "claimed"))

    def end(self, token: Token, ending: Ending, *, by: str) -> Ended:
        """End an attempt: exactly one ending of it is ever accepted (invariant 2). The token then goes where the
        standing outcome says, unless the fence stays busy: then any reaper moves it later.

        A refused success or failure of the owner itself is kept as a late result (invariant 5). Raises OSError when
        the disk fails; the same ending may then be offered again, and counts once. An attempt that another claim
        started under another token of the job (a twin) is not ended: the token goes back, and nothing is accepted.
        """
        start = self._twins.whose(token, ending, by=by)
        if start is None:
            return self._end(token, ending, by=by)
        with self.fence(token.job_id):
            self._give_back(token, start)
        return Ended(self._offers.of(token, ending, by=by), False)

    def _end(self, token: Token, ending: Ending, *, by: str) -> Ended:
        key = (token.job_id, token.attempt, by)
        unsure = self._unsure.pop(key, None)
        offered = unsure[1] if unsure is not None and unsure[0] == ending else self._offers.of(token, ending, by=by)
        try:
            try:
                with self.fence(token.job_id):
                    published = attempt.publish_outcome(self.spool, offered)
                    attempt.roll_forward(self.spool, token, published.outcome)
            except (Temporary, NotALock) as error:
                # The fence stays busy, or is none. The outcome decides all the same, and any reaper moves the token
                # once the fence can be taken.
                if isinstance(error, NotALock):
                    self.troubles(Trouble.of(self.spool.outcome_path(token.job_id, token.attempt), error))
                published = attempt.publish_outcome(self.spool, offered)
        except OSError:
            self._unsure[key] = (ending, offered)
            raise
        self._forget(token)
        if published.accepted:
            self._report.ended(token, offered)
        elif by == token.owner and ending.end in (End.SUCCEEDED, End.FAILED):
            attempt.keep_late(self.spool, offered, by)
            self._report.emit("attempt.late", token, reason=f"superseded: {published.outcome.end}")
        return Ended(published.outcome, published.accepted)

    def reap(
        self,
        gone: Callable[[str], str],
        *,
        by: str,
        kept: Callable[[Token], Ending | None] = lambda _token: None,
    ) -> list[Reaped]:
        """End every attempt whose owner is ``gone``, and finish every end that was left half done (invariant 5).

        ``gone`` returns the evidence, which has to be a proof (invariant 6), and an empty text for other owners. Any
        number may reap at once; each attempt is in one answer only (invariant 2). A token whose fence is busy is left
        for the next round. ``kept`` gives the end of a running attempt whose agent had ended before its owner was
        gone; without one the attempt is lost. An attempt whose outcome cannot be read is passed over, and said once.
        When all were tried, the first OSError of a write of our own is raised.
        """
        reaped = []
        each = EachItem(self.troubles)
        # claimed/ comes first, so a token that is started meanwhile is seen in one of the two.
        for folder in ("claimed", "running"):
            for token in scan.listing(self.spool, folder):
                step("reap.listed")
                path, seen = self.spool.outcome_path(token.job_id, token.attempt), False
                with each.stepping(path), each.looking(path):
                    # One that is overlooked now is met by the link of `_end_lost`, or seen in a later round.
                    standing = attempt.standing_outcome(self.spool, token.job_id, token.attempt, glance=True)
                    seen = True
                if not seen:
                    continue
                with each.stepping(path):
                    if standing is not None:
                        with self.fence(token.job_id):
                            attempt.roll_forward(self.spool, token, standing)
                    elif token.owner is not None and token.owner != by and (evidence := gone(token.owner)):
                        ending = kept(token) if folder == "running" else None
                        ended = self._end_gone(token, ending or _lost(folder, token, evidence), by)
                        if ended.accepted:
                            reaped.append(Reaped(token, ended.outcome))
        each.finish()
        return reaped

    def _bury(self, token: Token, failure: Failure, by: str) -> None:
        """Make a dead letter of a queued token that no session may claim."""
        path = self.spool.path("queued", token.name)
        each = EachItem(self.troubles)
        with each.stepping(path):
            if operate.bury(self.spool, Placed("queued", token), failure, self._clock.now_ms(), by):
                why, code = failure.message, failure.code
                self._report.emit("job.quarantined", token, from_="queued", to="dead", reason=why, error_code=code)
                self.troubles(Trouble(str(path), why, f"it is a dead letter now: wf explain {token.job_id}"))
        with self._index_lock:
            self._index.discard(token)
            self._unchanged.forget()  # It may be there all the same.
        each.finish()

    def _end_gone(self, token: Token, ending: Ending, by: str) -> Ended:
        """Raises Temporary when the fence stays busy: then the token is skipped, never forced."""
        with self.fence(token.job_id):
            return self.end(token, ending, by=by)

    # -- operators

    def cancel(self, job_id: str, *, by: str, reason: str | None = None, seen: Placed | None = None) -> Cancelled:
        """End a job, which a listing has ``seen`` (`find`). After this returned no new attempt of it starts, until
        somebody retries it.

        An attempt that is under way ends by an outcome like any other (invariant 2). Raises Temporary when the fence
        of a decided attempt stays busy, or the job keeps moving.
        """
        for _ in range(CHASE):
            placed, seen = self.find(job_id, seen), None
            if placed is None:
                return Cancelled.MISSING
            if placed.status in (Status.QUEUED, Status.HELD):
                if operate.cancel_waiting(self.spool, placed, self._clock.now_ms()):
                    self._report.emit("job.cancelled", placed.token, from_=placed.folder, to="done", reason=reason)
                    return Cancelled.WAITING
            elif placed.status in (Status.CLAIMED, Status.RUNNING):
                if self.end(placed.token, Ending(End.CANCELLED, reason=reason), by=by).accepted:
                    return Cancelled.ATTEMPT
                if self.find(job_id) == placed:  # Without this each look would wait for the fence again.
                    raise Temporary(f"the end of {job_id} is decided, and its fence stays busy", hint="try again")
            else:
                return Cancelled.FINISHED
        raise Temporary(f"{job_id} keeps moving", hint="try again")

    def hold(self, job_id: str, *, reason: str | None = None, seen: Placed | None = None) -> bool:
        """Keep a queued job from being claimed; False when it is not queued. It keeps its place in the line."""
        placed = self.find(job_id, seen)
        if placed is None or placed.status is not Status.QUEUED or not operate.hold(self.spool, placed.token):
            return False
        self._report.emit("job.held", placed.token, from_="queued", to="held", reason=reason)
        return True

    def unhold(self, job_id: str, *, reason: str | None = None, seen: Placed | None = None) -> bool:
        """Let a held job be claimed again; False when it is not held."""
        placed = self.find(job_id, seen)
        if placed is None or placed.status is not Status.HELD or not operate.unhold(self.spool, placed.token):
            return False
        self._report.emit("job.released", placed.token, from_="held", to="queued", reason=reason)
        return True

    def hurry(self, job_id: str, *, reason: str | None = None, seen: Placed | None = None) -> bool:
        """Make a queued job ready that waits for its time; False when it is not queued. It keeps its budget."""
        placed = self.find(job_id, seen)
        if placed is None or placed.status is not Status.QUEUED:
            return False
        if not operate.hurry(self.spool, placed.token, self._clock.now_ms()):
            return False
        self._report.emit("job.released", placed.token, from_="queued", to="queued", reason=reason or "made ready")
        return True

    def retry(
        self,
        job_id: str,
        *,
        force: bool = False,
        delay_s: float = 0.0,
        reason: str | None = None,
        before: Callable[[Token], None] = lambda _token: None,
        seen: Placed | None = None,
    ) -> bool:
        """Queue a failed or cancelled job again (with ``force`` a succeeded one too), budget restored.

        An archived job comes back, too.
        False when it is in no such state. ``before`` is called with its token, under its fence and before it can be
        claimed. Raises Refused when its attempt numbers are used up, Temporary when its fence stays busy. The fence
        keeps a concurrent `retention.purge` from removing the files of a live job.
        """
        adopt.assert_home(self.spool, f"{job_id} is not retried")
        allowed = {Status.FAILED, Status.CANCELLED} | ({Status.SUCCEEDED} if force else set())

        def look() -> Placed | None:
            placed = self._still(seen) or scan.find(self.spool, job_id)
            return placed if placed is not None and placed.status in allowed else None

        if look() is None:  # No fence for a job that is not there, or is at work under its own.
            return False
        with self.fence(job_id):
            placed = look()
            if placed is None:
                return False
            self._refuse_used_up(placed.token)
            before(placed.token)
            if placed.folder == "archive":
                packing.lay_out(self.spool, job_id)
            if not operate.requeue(self.spool, placed, self._clock.now_ms(), math.ceil(delay_s)):
                return False
        self._report.emit("job.retried", placed.token, from_=placed.folder, to="queued", reason=reason)
        return True

    def _refuse_used_up(self, token: Token) -> None:
        failure = operate.used_up(token)
        if failure is not None:
            raise Refused(f"{token.job_id} cannot run again: {failure.message}")

    def apply_late(
        self,
        late: LateResult,
        *,
        by: str,
        unmet: Callable[[Token], Failure | None] = lambda _token: None,
        reason: str | None = None,
    ) -> Ended:
        """Make a late success the job's result: begin its next attempt as the operator ``by`` and end it with the
        late content, all under the fence. The late file is removed once that was accepted.

        ``unmet`` is asked first, under the fence: what a plan still lacks for the job to count as done. Raises
        NotFound without such a late result, Refused when it is no success, something is unmet, or the job is
        not queued, held or dead.
        """
        adopt.assert_home(self.spool, f"{late} is not applied")
        with self.fence(late.job_id):
            outcome = records.read_late(self.spool, late.job_id, late.attempt, late.owner)
            placed = self.find(late.job_id)
            if outcome is None or placed is None:
                raise NotFound(f"there is no late result {late}", hint="wf late ls shows them all")
            if outcome.end is not End.SUCCEEDED:
                raise Refused(f"the late result {late} is {outcome.end}: there is nothing to apply")
            if placed.status not in (Status.QUEUED, Status.HELD, Status.FAILED):
                raise Refused(
                    f"{late.job_id} is {placed.status}: a late result applies to a queued, held or dead job",
                    hint=f"wf explain {late.job_id} says more",
                )
            self._refuse_used_up(placed.token)
            missing = unmet(placed.token)
            if missing is not None:
                raise Refused(
                    f"the plan does not have what {late} says it did: {missing.message}",
                    hint="bring the plan there (wf finish-code PLAN --as-operator, say), then apply it again",
                    errors=list(missing.errors),
                )
            if placed.folder == "archive":
                packing.lay_out(self.spool, late.job_id)
            token = operate.seize(self.spool, placed, by)
            if token is None:
                raise Refused(f"{late.job_id} was claimed meanwhile", hint="look again with wf spool show")
            said = f"late result of attempt {late.attempt} ({late.owner})" + (f": {reason}" if reason else "")
            self._report.emit("job.claimed", token, from_=placed.folder, to="claimed", reason=said)
            ending = Ending(
                End.SUCCEEDED,
                reason=said,
                result=outcome.result,
                started_ms=outcome.started_ms,
                session_id=outcome.session_id,
                usage=outcome.usage,
            )
            ended = self.end(token, ending, by=by)
            if ended.accepted:
                late_results.discard(self.spool, late)
            return ended

    def reroute(self, token: Token, pool: Pool, *, reason: str | None = None) -> bool:
        """Give a queued token to another pool; False when it is not queued any more."""
        if not operate.reroute(self.spool, token, pool):
            return False
        self._report.emit("job.rerouted", token, reason=reason or f"{token.pool} to {pool}")
        return True

    def unpark(self, runtime: str | None, *, reason: str | None = None) -> list[str]:
        """Make the jobs ready that wait for the provider of ``runtime`` (None: of any), because it is known to take
        requests again; their ids."""
        ready = []
        each = EachItem(self.troubles)
        for token in scan.listing(self.spool, "queued"):
            if not token.attempt or not token.delay_s or runtime not in (None, token.pool.runtime):
                continue
            last = self.readable_outcome(token.job_id, token.attempt)
            parked = last is not None and last.failure is not None and last.failure.error_class is ErrorClass.PARKED
            outdated = last is not None and last.failure is not None and last.failure.code == "outdated"
            if last is None or not (parked or outdated) or last.disposition.time_ms != token.time_ms:
                continue  # also when an operator's `wf retry --in` has set the time
            with each.stepping(self.spool.path("queued", token.name)):
                if operate.hurry(self.spool, token, self._clock.now_ms()):
                    self._report.emit("job.released", token, from_="queued", to="queued", reason=reason or "resumed")
                    ready.append(token.job_id)
        each.finish()
        return ready

    def quarantine(self, token: Token, failure: Failure, *, by: str) -> Ended:
        """End a claimed attempt whose content cannot be run: the job goes to dead/ with the reason."""
        ended = self.end(token, Ending(End.FAILED, failure=failure), by=by)
        self._report.emit("job.quarantined", token, reason=failure.message, error_code=failure.code)
        return ended

    def gc(self, *, older_s: float, keep_failed: bool = False, on_progress: OnProgress = unheard) -> list[Token]:
        """Put the jobs away that ended more than ``older_s`` ago. Their keys stay taken (invariant 4)."""
        before = self._clock.now_ms() - math.floor(older_s * 1000)
        return operate.archive(
            self.spool, before_ms=before, keep_failed=keep_failed, on_trouble=self.troubles, on_progress=on_progress
        )

    # -- looking

    def find(self, job_id: str, seen: Placed | None = None) -> Placed | None:
        """Where a job is; None when it was never enqueued. A job that moves meanwhile is found all the same.

        ``seen`` is where a listing had it a moment ago. Whoever changes many jobs names it, so that no directory is
        listed for each of them: the job is there still, by a lookup, or it is searched for. On a network file
        system the lookup may be wrong for a while, and then the rename that was to follow finds nothing to move.

        Raises OSError when it is not found, and a staged enqueue that may be its own cannot be carried on.
        """
        placed = self._still(seen) or scan.find(self.spool, job_id)
        if placed is None:
            failed = None
            try:
                self.sweep()  # Its key may be reserved while its token is still staged.
            except OSError as error:
                failed = error
            placed = scan.find(self.spool, job_id)
            if placed is None and failed is not None:
                raise failed
        return placed

    def _still(self, seen: Placed | None) -> Placed | None:
        there = seen is not None and fsio.exists(self.spool.path(seen.folder, seen.token.name))
        return seen if there else None

    def placed(self, statuses: Container[Status] | None = None) -> list[Placed]:
        """All jobs, or those of some stored statuses, the archived ones excluded."""
        return scan.everything(self.spool, statuses)

    def spec(self, job_id: str) -> Spec | None:
        """What a job is; None when it was never enqueued. Raises ContractError when its file is damaged."""
        return records.read_spec(self.spool, job_id)

    def outcome(self, job_id: str, attempt_number: int) -> Outcome | None:
        """How an attempt ended; None when it has not, or never was. Raises ContractError when its file is damaged."""
        return records.read_outcome(self.spool, job_id, attempt_number)

    def readable_outcome(self, job_id: str, attempt_number: int) -> Outcome | None:
        """The same for whoever can do without: None also for a file that cannot be read, which is said once."""
        with EachItem(self.troubles).looking(self.spool.outcome_path(job_id, attempt_number)):
            return self.outcome(job_id, attempt_number)
        return None


def _lost(folder: str, token: Token, evidence: str) -> Ending:
    code = "lost" if folder == "running" else "never_started"
    return Ending(End.LOST, failure=Failure(code, f"the session {token.owner} is gone: {evidence}"))
