"""Two actors, one order, forced: one is stopped at a named step while the other does all of its work.

The first part does that for every pair of operations and every step of the first; the second part names
the orders that once lost or doubled a job in the model (`tests/model`).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import children, stage
from support.clock import FakeClock
from support.scenarios import do_enqueue, do_succeed, open_at, register, stage_only
from support.spools import (
    OTHER,
    POOL,
    RELEASE,
    SUCCESS,
    assert_sound,
    claim_one,
    failing,
    make_spool,
    recover,
    request,
    run_one,
    spool_queue,
    state,
    where,
)
from wf_cli import seams
from wf_cli.contract.token import Token
from wf_cli.errors import StaleAttempt, Temporary
from wf_cli.fencing import by_token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Cancelled, Started
from wf_cli.spool import census, enqueue, layout, scan, verify
from wf_cli.spool.layout import Spool

A, B = "a-box-1", "b-box-1"
REAPER = "r-box-1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """A spool whose fences are given up on soon: an actor that is stopped inside one stays there."""
    real = Spool.fence
    monkeypatch.setattr(Spool, "fence", lambda self, job_id, timeout=0.03: real(self, job_id, timeout=timeout))
    return make_spool(tmp_path / "spool")


def everybody(_owner: str) -> str:
    return "seen dead"


class Session:
    """One session's own view: its queue object, what it started and what was accepted of it."""

    def __init__(self, spool: Spool, clock: FakeClock, owner: str, log: Log):
        self.queue = spool_queue(spool, clock)
        self.owner, self.log = owner, log

    def start(self, token: Token) -> None:
        with contextlib.suppress(Temporary), self.queue.fence(token.job_id):
            if self.queue.start(token) is Started.GO:
                self.log.started[token.job_id, token.attempt] += 1


@dataclass
class Log:
    """What two actors did: the evidence for invariants 1 and 2."""

    started: Counter[tuple[str, int]]
    accepted: Counter[tuple[str, int]]


# -- every pair, every step

Act = Callable[[Spool, FakeClock, Log, str], None]


def ended(log: Log, token: Token, accepted: bool) -> None:
    log.accepted[token.job_id, token.attempt] += accepted


def act_claim(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    session = Session(spool, clock, me, log)
    token = session.queue.claim(me, (POOL, OTHER))
    if token is not None:
        session.start(token)


def _owned(spool: Spool, clock: FakeClock, ending: object, log: Log) -> None:
    """The owner that was prepared ends its attempt."""
    queue = spool_queue(spool, clock)
    for token in PREPARED[str(spool.root)]:
        got = queue.end(token, ending, by=token.owner or "")  # type: ignore[arg-type]
        ended(log, token, got.accepted)


PREPARED: dict[str, list[Token]] = {}


def act_start(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    session = Session(spool, clock, me, log)
    for token in PREPARED[str(spool.root)]:
        session.start(token)


def act_succeed(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    _owned(spool, clock, SUCCESS, log)


def act_fail(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    _owned(spool, clock, failing("crashed"), log)


def act_release(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    _owned(spool, clock, RELEASE, log)


def act_reap(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    for reaped in spool_queue(spool, clock).reap(everybody, by=f"r-{me}"):
        ended(log, reaped.token, True)


def act_cancel(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    queue = spool_queue(spool, clock)
    with contextlib.suppress(Temporary):
        queue.cancel("a", by=f"op-{me}")


def act_hold(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    spool_queue(spool, clock).hold("a")


def act_unhold(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    spool_queue(spool, clock).unhold("a")


def act_retry(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    with contextlib.suppress(Temporary):  # its fence is held by the other, who is stopped
        spool_queue(spool, clock).retry("a", force=True)


def act_gc(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    later = FakeClock(clock.now_ms() + 10_000)
    spool_queue(spool, later).gc(older_s=1)


def act_reroute(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    queue = spool_queue(spool, clock)
    placed = queue.find("a")
    if placed is not None and placed.folder == "queued":
        queue.reroute(placed.token, OTHER if placed.token.pool == POOL else POOL)


def act_enqueue(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    spool_queue(spool, clock).enqueue(request("a"))


def act_sweep(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    enqueue.sweep(spool)


def act_repair(spool: Spool, clock: FakeClock, log: Log, me: str) -> None:
    verify.repair(spool)


def prepare_empty(spool: Spool, clock: FakeClock) -> list[Token]:
    return []


def prepare_staged(spool: Spool, clock: FakeClock) -> list[Token]:
    stage_only(spool, "a")
    return []


def prepare_queued(spool: Spool, clock: FakeClock) -> list[Token]:
    spool_queue(spool, clock).enqueue(request("a"))
    return []


def prepare_held(spool: Spool, clock: FakeClock) -> list[Token]:
    prepare_queued(spool, clock)
    spool_queue(spool, clock).hold("a")
    return []


def prepare_claimed(spool: Spool, clock: FakeClock) -> list[Token]:
    prepare_queued(spool, clock)
    return [claim_one(spool_queue(spool, clock), A)]


def prepare_running(spool: Spool, clock: FakeClock) -> list[Token]:
    prepare_queued(spool, clock)
    return [run_one(spool_queue(spool, clock), A)]


def prepare_done(spool: Spool, clock: FakeClock) -> list[Token]:
    tokens = prepare_running(spool, clock)
    spool_queue(spool, clock).end(tokens[0], SUCCESS, by=A)
    return []


ACTS: dict[str, tuple[Callable[[Spool, FakeClock], list[Token]], tuple[Act, ...]]] = {
    "empty": (prepare_empty, (act_enqueue, act_sweep, act_claim, act_repair, act_cancel)),
    "staged": (prepare_staged, (act_enqueue, act_sweep, act_claim, act_repair, act_cancel)),
    "queued": (prepare_queued, (act_claim, act_hold, act_cancel, act_reroute, act_repair, act_enqueue, act_reap)),
    "held": (prepare_held, (act_unhold, act_cancel, act_repair, act_claim)),
    "claimed": (prepare_claimed, (act_start, act_release, act_fail, act_cancel, act_reap, act_repair, act_claim)),
    "running": (prepare_running, (act_succeed, act_fail, act_release, act_cancel, act_reap, act_repair, act_claim)),
    "done": (prepare_done, (act_retry, act_gc, act_repair, act_enqueue, act_claim, act_cancel)),
}

PAIRS = [
    pytest.param(name, first, second, id=f"{name}-{first.__name__[4:]}-{second.__name__[4:]}")
    for name, (_, acts) in ACTS.items()
    for first in acts
    for second in acts
]


@pytest.mark.parametrize(("situation", "first", "second"), PAIRS)
def test_i1_i2_i3_i4_one_overtakes_the_other_at_every_step(
    tmp_path: Path, spool: Spool, clock: FakeClock, situation: str, first: Act, second: Act
) -> None:
    prepare = ACTS[situation][0]

    def fresh(name: str) -> tuple[Spool, Log]:
        made = make_spool(tmp_path / name)
        PREPARED[str(made.root)] = prepare(made, clock)
        return made, Log(Counter(), Counter())

    dry, log = fresh("dry")
    steps = stage.steps_of(lambda: first(dry, clock, log, "x"))
    for i, (step, n) in enumerate(steps):
        made, log = fresh(f"s{i}")
        with stage.stage() as play:
            stopped = play.start(lambda made=made, log=log: first(made, clock, log, A), stop_at=step, n=n)
            second(made, clock, log, B)
            stopped.result()
        # Whoever was kept from finishing by a fence is finished by any reaper, and nothing else is needed.
        enqueue.sweep(made)
        spool_queue(made, clock).reap(lambda _owner: "", by=REAPER)
        order = f"{first.__name__} stopped at {step}, then {second.__name__}"
        assert max(log.started.values(), default=0) <= 1, f"invariant 1: {order}"
        assert max(log.accepted.values(), default=0) <= 1, f"invariant 2: {order}"
        assert_sound(made, clock)
        _settles(made, clock, log, order)


def _settles(spool: Spool, clock: FakeClock, log: Log, order: str) -> None:
    """Whatever came out can be brought to an end, and no attempt is started a second time on the way."""
    later = FakeClock(clock.now_ms() + 10**7)
    queue = spool_queue(spool, later)
    queue.reap(everybody, by=REAPER)
    later.advance(3600)
    queue.unhold("a")
    while (token := queue.claim("z-box-1", (POOL, OTHER))) is not None:
        with queue.fence(token.job_id):
            assert queue.start(token) is Started.GO
        log.started[token.job_id, token.attempt] += 1
        assert log.started[token.job_id, token.attempt] == 1, f"invariant 1: {order}"
        assert queue.end(token, SUCCESS, by="z-box-1").accepted, f"invariant 2: {order}"
    assert_sound(spool, later)
    assert where(queue, "a") in ("done", "dead", "archive", None)


# -- named orders


def test_i1_two_claimers_of_one_token(spool: Spool, clock: FakeClock) -> None:
    """Both have chosen it; the second to rename finds nothing and takes the next job."""
    queue = spool_queue(spool, clock)
    queue.enqueue_many([request("a"), request("b")])
    with stage.stage() as play:
        one = play.start(lambda: spool_queue(spool, clock).claim(A, (POOL,)), stop_at="claim.chosen")
        other = claim_one(spool_queue(spool, clock), B)
        assert other.job_id == "a"
        assert one.result().job_id == "b"
    assert {t.owner for t in (other,)} == {B}


@pytest.mark.parametrize("step", ["claim.chosen", "claim.renamed"])
def test_i1_two_threads_of_one_session_never_take_one_token_twice(spool: Spool, clock: FakeClock, step: str) -> None:
    """Their target has the same name, so a listing shows the second the success of the first."""
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    queue.rescan()
    queue.rescan_on_claim = False  # the second sees what the first saw, as on a file system with a stale listing
    with stage.stage() as play:
        one = play.start(lambda: queue.claim(A, (POOL,)), stop_at=step)
        with_queue = queue.claim(A, (POOL,))
        first = one.result()
    assert sorted(t is not None for t in (first, with_queue)) == [False, True]


@pytest.mark.parametrize("step", ["start.checked", "start.renamed", "start.synced"])
def test_i1_two_threads_of_one_session_never_start_one_attempt_twice(
    tmp_path: Path, clock: FakeClock, step: str
) -> None:
    """Without the fence, even: that is the caller's, and it may have been given up."""
    queue = spool_queue(make_spool(tmp_path / "own"), clock)
    queue.enqueue(request("a"))
    token = claim_one(queue, A)
    with stage.stage() as play:
        one = play.start(lambda: queue.start(token), stop_at=step)
        second = queue.start(token)
        assert sorted([one.result(), second]) == [Started.GO, Started.GONE]


def test_i3_the_sweeper_overtakes_an_enqueuer_that_never_comes_back(tmp_path: Path, clock: FakeClock) -> None:
    """At each step, in processes of their own; the enqueuer is killed afterwards."""
    for step in ("enqueue.staged", "enqueue.synced", "enqueue.reserved", "enqueue.vouched"):
        root = tmp_path / step / "spool"
        root.parent.mkdir()
        make_spool(root)
        child = children.Child(do_enqueue, root, stop_at=(step, 1))
        child.reached()
        assert [t.job_id for t in enqueue.sweep(open_at(root))] == ["a"], step
        child.kill()
        assert_sound(open_at(root), jobs=1)


def test_i4_an_enqueuer_that_was_swept_and_whose_job_was_already_claimed_says_it_was_new(
    tmp_path: Path, clock: FakeClock
) -> None:
    """It finds neither its staged file nor the token in queued/: somebody carried it on, which is success."""
    for step in ("enqueue.staged", "enqueue.reserved", "enqueue.vouched"):
        root = tmp_path / step / "spool"
        root.parent.mkdir()
        make_spool(root)
        child = children.Child(do_enqueue, root, stop_at=(step, 1))
        child.reached()
        queue = spool_queue(open_at(root), clock)
        enqueue.sweep(queue.spool)
        run_one(queue, B)
        child.go()
        assert child.result() is False, "deduped: no"
        assert state(queue)["a"].startswith("running/")
        assert_sound(queue.spool, jobs=1)


def test_i4_two_enqueuers_of_one_key_at_every_step(tmp_path: Path, clock: FakeClock) -> None:
    for step in ("enqueue.part", "enqueue.staged", "enqueue.synced", "enqueue.reserved", "enqueue.vouched"):
        root = tmp_path / step / "spool"
        root.parent.mkdir()
        make_spool(root)
        child = children.Child(do_enqueue, root, stop_at=(step, 1))
        child.reached()
        second = do_enqueue(root)
        child.go()
        assert sorted([child.result(), second]) == [False, True], f"one is new, one a duplicate: {step}"
        assert_sound(open_at(root), jobs=1)


def test_i5_the_outcome_came_first_and_the_reaper_rolls_it_forward(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    token = run_one(queue, A)
    with stage.stage() as play:
        owner = play.start(lambda: queue.end(token, SUCCESS, by=A), stop_at="end.published")
        reaper = spool_queue(spool, clock)
        assert reaper.reap(everybody, by=REAPER) == [], "decided already; and its fence is held: skipped"
        assert where(reaper, "a") == "running"
        assert owner.result().accepted
    assert where(queue, "a") == "done"


def test_i2_the_reaper_came_first_and_the_owner_s_result_is_late(spool: Spool, clock: FakeClock) -> None:
    """The owner is paused before it publishes, the reaper ends the attempt, another session goes on."""
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    token = run_one(queue, A)
    with stage.stage() as play:
        # `end.part` is under the fence, so the owner is stopped before: it has decided, and not taken it.
        owner = play.start(lambda: _fenceless_end(queue, token), stop_at="end.part")
        reaper = spool_queue(spool, clock)
        assert [r.token for r in reaper.reap(everybody, by=REAPER)] == [token]
        other = run_one(reaper, B)
        assert other.attempt == 2
        assert not owner.result().accepted
    assert queue.holds(other), "the token of the next attempt was not moved"
    assert spool.path("outcomes", f"a.a1.{A}.late.json").is_file()
    assert reaper.end(other, SUCCESS, by=B).accepted


def _fenceless_end(queue: SpoolQueue, token: Token) -> object:
    """`end` as it goes on after it could not get the fence: published all the same."""

    @contextlib.contextmanager
    def busy(_job_id: str):  # type: ignore[no-untyped-def]
        raise Temporary("busy")
        yield

    real, queue.fence = queue.fence, busy  # type: ignore[method-assign]
    try:
        return queue.end(token, SUCCESS, by=A)
    finally:
        queue.fence = real  # type: ignore[method-assign]


def test_i1_a_session_that_wakes_up_before_its_start_finds_the_attempt_ended(spool: Spool, clock: FakeClock) -> None:
    """Paused between claim and start: reaped, claimed by another, done. Then it wakes up."""
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    token = claim_one(queue, A)
    other = spool_queue(spool, clock)
    other.reap(everybody, by=REAPER)
    other.end(run_one(other, B), SUCCESS, by=B)
    with queue.fence("a"):
        assert queue.start(token) is Started.ENDED
    late = queue.end(token, SUCCESS, by=A)
    assert (late.accepted, late.outcome.end) == (False, "lost")
    assert where(other, "a") == "done"
    assert other.outcome("a", 2).by == B  # type: ignore[union-attr]


def test_i1_a_session_paused_inside_its_start_is_not_reaped_under_the_fence(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    token = claim_one(queue, A)

    def begin() -> Started:
        with queue.fence("a"):
            return queue.start(token)

    with stage.stage() as play:
        owner = play.start(begin, stop_at="start.checked")
        reaper = spool_queue(spool, clock)
        assert reaper.reap(everybody, by=REAPER) == []
        assert reaper.outcome("a", 1) is None
        assert owner.result() is Started.GO
        assert [r.token.attempt for r in reaper.reap(everybody, by=REAPER)] == [1]


@pytest.mark.parametrize("step", ["claim.chosen", "claim.renamed"])
def test_i1_a_cancel_that_returned_is_followed_by_no_new_attempt(spool: Spool, clock: FakeClock, step: str) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    with stage.stage() as play:
        claimer = play.start(lambda: queue.claim(A, (POOL,)), stop_at=step)
        assert spool_queue(spool, clock).cancel("a", by="op-box-1") in (Cancelled.WAITING, Cancelled.ATTEMPT)
        token = claimer.result()
    if token is not None:
        with queue.fence("a"):
            assert queue.start(token) is Started.ENDED
    assert queue.claim(B, (POOL,)) is None
    assert queue.find("a").status == "cancelled"  # type: ignore[union-attr]


def test_i2_cancel_and_end_agree_whoever_is_first(spool: Spool, clock: FakeClock) -> None:
    for step in ("end.part", "end.published", "end.synced", "end.renamed"):
        job = step.replace(".", "-")
        queue = spool_queue(spool, clock)
        queue.enqueue(request(job))
        token = run_one(queue, A)
        with stage.stage() as play:
            owner = play.start(lambda queue=queue, token=token: queue.end(token, SUCCESS, by=A), stop_at=step)
            cancelled: Cancelled | None = None
            with contextlib.suppress(Temporary):
                cancelled = spool_queue(spool, clock).cancel(job, by="op-box-1")
            accepted = owner.result().accepted
        spool_queue(spool, clock).reap(lambda _o: False, by=REAPER)
        status = queue.find(job).status  # type: ignore[union-attr]
        assert accepted is (status == "succeeded"), step
        assert (cancelled is Cancelled.ATTEMPT) is (status == "cancelled"), step


def test_i2_cancel_and_reap_make_one_outcome(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    run_one(queue, A)
    with stage.stage() as play:
        reaper = play.start(lambda: spool_queue(spool, clock).reap(everybody, by=REAPER), stop_at="reap.listed")
        assert queue.cancel("a", by="op-box-1") is Cancelled.ATTEMPT
        assert reaper.result() == []
    assert queue.find("a").status == "cancelled"  # type: ignore[union-attr]


def test_i4_retry_and_gc_move_a_token_once(tmp_path: Path, clock: FakeClock) -> None:
    for first_is_gc in (True, False):
        job = "gc-first" if first_is_gc else "retry-first"
        spool = make_spool(tmp_path / job)
        queue = spool_queue(spool, clock)
        queue.enqueue(request(job))
        queue.end(run_one(queue, A), failing("policy_denied"), by=A)
        later = FakeClock(clock.now_ms() + 10_000)

        def gc(spool: Spool = spool, later: FakeClock = later) -> object:
            return spool_queue(spool, later).gc(older_s=1)

        def retry(job: str = job, queue: SpoolQueue = queue) -> object:
            return queue.retry(job)

        with stage.stage() as play:
            if first_is_gc:
                slow = play.start(gc, stop_at="gc.found")
                assert retry() is True
                assert slow.result() == []
            else:
                slow = play.start(retry, stop_at="retry.found")
                assert gc() != []
                assert slow.result() is False
        assert where(queue, job) == ("queued" if first_is_gc else "archive")
        assert_sound(spool, clock)


def test_i2_two_reapers_at_once_end_an_attempt_once(tmp_path: Path, clock: FakeClock) -> None:
    for step in ("reap.listed", "end.part", "end.published", "end.renamed"):
        spool = make_spool(tmp_path / step)
        queue = spool_queue(spool, clock)
        queue.enqueue(request("a"))
        run_one(queue, A)
        with stage.stage() as play:
            slow = play.start(lambda spool=spool: spool_queue(spool, clock).reap(everybody, by=REAPER), stop_at=step)
            fast = play.start(lambda spool=spool: spool_queue(spool, clock).reap(everybody, by="r-box-2"))
            if step == "reap.listed":
                fast.result()  # nothing is held yet: it goes all the way
            assert len(slow.result()) + len(fast.result()) == 1, step
        placed = queue.find("a")
        assert placed is not None
        assert (placed.folder, placed.token.burned) == ("queued", 1)


def test_i1_hold_and_claim_have_one_winner(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    with stage.stage() as play:
        claimer = play.start(lambda: queue.claim(A, (POOL,)), stop_at="claim.chosen")
        assert spool_queue(spool, clock).hold("a")
        assert claimer.result() is None
    assert where(queue, "a") == "held"
    queue.unhold("a")
    with stage.stage() as play:
        holder = play.start(lambda: spool_queue(spool, clock).hold("a"), stop_at="hold.found")
        assert claim_one(queue, B).job_id == "a"
        assert holder.result() is False
    assert where(queue, "a") == "claimed"


def test_i4_a_job_that_no_listing_happened_to_show_is_not_made_again(spool: Spool, clock: FakeClock) -> None:
    """A token that moves back (released) can slip past a repair's listings; it looks again under the fence."""
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a", max_attempts=9))
    token = claim_one(queue, A)
    real, looks = census.take, []
    real_find = scan.find

    def late_find(*args: Any, **options: Any) -> Any:
        looks.append(1)
        if len(looks) == 1:
            queue.end(token, RELEASE, by=A)  # moved back just after the directory was listed
            return None
        return real_find(*args, **options)

    census.take, scan.find = (lambda _spool: {}), late_find  # type: ignore[assignment]
    try:
        assert verify.repair(spool) == []
    finally:
        census.take, scan.find = real, real_find
    assert len(looks) == 2
    assert_sound(spool, clock, jobs=1)


def test_i2_a_zombie_s_command_is_refused_once_its_token_was_taken(tmp_path: Path, clock: FakeClock) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    made = do_plan_job(queue)
    token = run_one(queue, A)
    permit = by_token(spool, f"{made}.a1.{A}")
    with permit("03") as ask:
        ask()
    queue.reap(everybody, by=REAPER)
    with pytest.raises(StaleAttempt), permit("03") as ask:
        ask()
    assert token.attempt == 1


def do_plan_job(queue: SpoolQueue) -> str:
    from wf_cli.contract.identity import Target
    from wf_cli.queue.values import JobRequest

    target = Target(plan_id="03", iteration=0, command="code", role="coder")
    return queue.enqueue(JobRequest(role="coder", runtime="opencode", target=target)).job_id


def test_i2_a_zombie_s_command_is_refused_from_the_moment_its_end_was_decided(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The reaper died between publishing `lost` and the rename: the token still lies in running/."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    made = do_plan_job(queue)
    run_one(queue, A)

    class Died(BaseException):
        pass

    def die(name: str) -> None:
        if name == "end.published":
            raise Died

    seams.install(die)
    try:
        with pytest.raises(Died):
            queue.reap(everybody, by=REAPER)
    finally:
        seams.install(None)
    assert where(queue, made) == "running"
    with pytest.raises(StaleAttempt), by_token(spool, f"{made}.a1.{A}")("03") as ask:
        ask()


def test_i2_a_reaper_waits_for_a_command_that_is_changing_the_plan(tmp_path: Path, clock: FakeClock) -> None:
    """Both take the fence: a token is not taken away in the middle of a change."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    made = do_plan_job(queue)
    run_one(queue, A)
    order: list[str] = []
    with stage.stage() as play:
        with by_token(spool, f"{made}.a1.{A}")("03") as ask:
            ask()
            reaper = play.start(lambda: (queue.reap(everybody, by=REAPER), order.append("reaped")))
            order.append("changed")
        reaper.result()
    assert order == ["changed", "reaped"]
    assert where(queue, made) == "queued"


def test_i1_a_process_paused_in_its_start_keeps_its_attempt_from_a_reaper_until_it_goes_on(tmp_path: Path) -> None:
    """In processes of their own: the fence it holds is a kernel lock."""
    root = tmp_path / "spool"
    make_spool(root)
    clock = FakeClock()
    queue = spool_queue(layout.open_spool(root), clock)
    queue.enqueue(request("a"))
    child = children.Child(do_succeed, root, stop_at=("start.synced", 1))
    child.reached()
    quick = spool_queue(layout.open_spool(root), clock)
    quick.fence = lambda job_id: quick.spool.fence(job_id, timeout=0.05)  # type: ignore[method-assign]
    assert quick.reap(everybody, by=REAPER) == []
    child.go()
    assert child.result() == (Started.GO, True)
    assert where(queue, "a") == "done"
    register(layout.open_spool(root), B)
    recover(layout.open_spool(root), clock)
    assert where(queue, "a") == "done"
