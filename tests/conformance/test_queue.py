"""What every `Queue` does: one suite for the spool and for its model in memory.

It runs over mounts that lose the reply of every change, too, because no answer may depend on that.
``WF_HYPOTHESIS=long`` runs it over every such lie of every call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.lying import LOSSES, SINGLE_LOSSES, Always, Host, Lie
from support.queues import Queue
from support.spools import (
    OTHER,
    POOL,
    RELEASE,
    SUCCESS,
    Recorder,
    claim_one,
    failing,
    make_spool,
    memory_queue,
    request,
    run_one,
    spool_queue,
    where,
)
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import TRANSITIONS, Action, Status
from wf_cli.contract.retry import HOST_DELAY, HOST_LIMIT, PARKED_DELAY, RELEASE_DELAY, Ending, ending_of
from wf_cli.contract.token import Pool, Token
from wf_cli.errors import ContractError, Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Cancelled, Enqueued, JobRequest, Started

ME = "w-box-1"
REAPER = "r-box-1"


LYING = LOSSES | (SINGLE_LOSSES if os.environ.get("WF_HYPOTHESIS") == "long" else {})


@pytest.fixture(params=["memory", "spool", "spool-shared", *(f"over-{name}" for name in LYING)])
def queue(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Recorder) -> Iterator[Queue]:
    if request.param == "memory":
        yield memory_queue(clock, events)
        return
    topology = "local" if request.param == "spool" else "shared"
    spool = make_spool(tmp_path / "spool", topology=topology)
    lies = LYING.get(request.param.removeprefix("over-"), {})
    with Host(spool.root, Always(lies)).mounted():
        yield spool_queue(spool, clock, events)


def order(queue: Queue, n: int) -> list[str]:
    return [claim_one(queue).job_id for _ in range(n)]


def end(queue: Queue, token: Token, ending: Ending) -> bool:
    """End by the owner; whether it was accepted."""
    assert token.owner is not None
    return queue.end(token, ending, by=token.owner).accepted


def everybody(_owner: str) -> str:
    return "seen dead"


def nobody(_owner: str) -> str:
    return ""


# -- enqueue


def test_i4_the_same_key_makes_one_job_however_often_it_is_enqueued(queue: Queue) -> None:
    assert queue.enqueue(request("a")) == Enqueued("a", deduped=False)
    assert queue.enqueue(request("a", priority=0)) == Enqueued("a", deduped=True)
    assert [p.token.priority for p in queue.placed()] == [5]


def test_i4_a_key_twice_in_one_batch_makes_one_job(queue: Queue) -> None:
    got = queue.enqueue_many([request("a"), request("b"), request("a")])
    assert got == [Enqueued("a", deduped=False), Enqueued("b", deduped=False), Enqueued("a", deduped=True)]
    assert len(queue.placed()) == 2


def test_an_empty_batch_makes_nothing(queue: Queue) -> None:
    assert queue.enqueue_many([]) == []


def test_i4_the_runtime_is_not_part_of_identity(queue: Queue) -> None:
    target = Target(plan_id="03", iteration=0, command="code", role="coder", epic_id="01")
    first = queue.enqueue(JobRequest(role="coder", runtime="opencode", target=target))
    again = queue.enqueue(JobRequest(role="coder", runtime="cursor", target=target))
    assert first.job_id == "e01-p03-i0-code-coder"
    assert again == Enqueued(first.job_id, deduped=True)


def test_another_iteration_is_another_job(queue: Queue) -> None:
    for iteration in (1, 10):
        target = Target(plan_id="03", iteration=iteration, command="fix", role="fixer")
        assert not queue.enqueue(JobRequest(role="fixer", runtime="opencode", target=target)).deduped


@pytest.mark.parametrize(
    "bad",
    [
        {"key": ""},
        {"key": "x" * 97},
        {"priority": 10},
        {"priority": -1},
        {"max_attempts": 0},
        {"max_attempts": 10**6},
        {"role": "Coder"},
        {"runtime": "open/code"},
        {"role": "c" * 40},
        {"delay_s": 10.0**9},
    ],
    ids=str,
)
def test_a_request_outside_the_grammar_is_refused_and_makes_nothing(queue: Queue, bad: dict[str, object]) -> None:
    made = JobRequest(**{"key": "bad", "role": "coder", "runtime": "opencode", **bad})  # type: ignore[arg-type]
    with pytest.raises(ContractError):
        queue.enqueue_many([request("good"), made])
    assert queue.placed() == []
    assert queue.find("good") is None


def test_the_spec_is_what_was_asked_for(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", payload={"text": "ünï", "n": [1, None]}, priority=2, max_attempts=7, source="test"))
    spec = queue.spec("a")
    assert spec is not None
    assert (spec.job_id, spec.dedupe_key, spec.priority, spec.max_attempts) == ("a", "key:a", 2, 7)
    assert (spec.payload, spec.source, spec.created_ms) == ({"text": "ünï", "n": [1, None]}, "test", clock.now_ms())
    assert queue.spec("b") is None


def test_unknown_jobs_are_nowhere(queue: Queue) -> None:
    queue.enqueue(request("ab"))
    assert queue.find("a") is None
    assert queue.outcome("ab", 1) is None
    assert queue.cancel("a", by="op") is Cancelled.MISSING
    assert not queue.hold("a")
    assert not queue.unhold("a")
    assert not queue.retry("a", force=True)


# -- claim: order, readiness, pools


def test_jobs_are_claimed_by_priority_then_first_in_first_out(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("late-urgent", priority=1))
    clock.advance(1)
    queue.enqueue_many([request("z", priority=5), request("a", priority=5), request("m", priority=5)])
    clock.advance(1)
    queue.enqueue(request("most-urgent", priority=0))
    queue.enqueue(request("least", priority=9))
    assert order(queue, 6) == ["most-urgent", "late-urgent", "z", "a", "m", "least"]
    assert queue.claim(ME, (POOL,)) is None


def test_a_claim_takes_only_jobs_of_its_pools(queue: Queue) -> None:
    queue.enqueue(request("a", OTHER))
    assert queue.claim(ME, (POOL, Pool("coder", "cursor"), Pool("reviewer", "opencode"))) is None
    assert queue.claim(ME, ()) is None
    assert claim_one(queue, ME, POOL, OTHER).job_id == "a"


def test_i1_a_claimed_job_is_claimed_by_nobody_else(queue: Queue) -> None:
    queue.enqueue(request("a"))
    token = claim_one(queue, ME)
    assert (token.attempt, token.burned, token.owner) == (1, 0, ME)
    assert queue.claim("w-box-2", (POOL,)) is None
    assert queue.claim(ME, (POOL,)) is None
    placed = queue.find("a")
    assert placed is not None
    assert (placed.folder, placed.token) == ("claimed", token)


def test_may_is_asked_in_order_and_a_no_leaves_the_job(queue: Queue) -> None:
    queue.enqueue_many([request("a"), request("b"), request("c")])
    asked: list[str] = []

    def may(token: Token) -> bool:
        asked.append(token.job_id)
        return token.job_id == "b"

    claimed = queue.claim(ME, (POOL,), may)
    assert claimed is not None
    assert claimed.job_id == "b"
    assert asked == ["a", "b"]
    assert (where(queue, "a"), where(queue, "c")) == ("queued", "queued")
    assert queue.claim(ME, (POOL,), lambda _token: False) is None


def test_may_is_not_asked_about_other_pools_or_jobs_that_are_not_ready(queue: Queue) -> None:
    queue.enqueue_many([request("other", OTHER), request("later", delay_s=10)])
    assert queue.claim(ME, (POOL,), lambda token: pytest.fail(f"asked about {token}")) is None


def test_may_may_ask_the_queue_itself(queue: Queue) -> None:
    queue.enqueue_many([request("a"), request("b")])
    claimed = queue.claim(ME, (POOL,), lambda token: queue.cancel(token.job_id, by="op") is Cancelled.MISSING)
    assert claimed is None
    assert {p.status for p in queue.placed()} == {Status.CANCELLED}


def test_i1_a_job_taken_while_may_is_asked_is_not_claimed(queue: Queue) -> None:
    queue.enqueue_many([request("a"), request("b")])
    stolen: list[Token] = []

    def may(token: Token) -> bool:
        if not stolen:
            stolen.append(claim_one(queue, "w-box-2"))
        return True

    token = queue.claim(ME, (POOL,), may)
    assert token is not None
    assert (stolen[0].job_id, token.job_id) == ("a", "b")


def test_i6_a_delayed_job_is_ready_when_the_wall_clock_says_so(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", delay_s=30))
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(29.9)
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(0.1)
    assert claim_one(queue).job_id == "a"


def test_i6_a_wall_clock_set_back_delays_no_job_for_longer_than_its_delay(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", delay_s=30))
    assert queue.claim(ME, (POOL,)) is None, "seen for the first time"
    clock.jump(-86400)
    clock.advance(29.9)
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(0.1)
    assert claim_one(queue).job_id == "a"


def test_i6_a_wall_clock_set_forward_ends_a_delay_and_nothing_else(queue: Queue, clock: FakeClock) -> None:
    """Ready times are hints: early is allowed, never is not."""
    queue.enqueue(request("a", delay_s=30))
    clock.jump(31)
    assert claim_one(queue).job_id == "a"


def test_i6_a_job_without_delay_is_ready_whatever_the_clock_says(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a"))
    clock.jump(-10 * 365 * 86400)
    assert claim_one(queue).job_id == "a"


def test_i6_first_sight_counts_for_each_waiting_job_by_itself(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", delay_s=30))
    assert queue.claim(ME, (POOL,)) is None
    clock.jump(-86400)
    clock.advance(20)
    queue.enqueue(request("b", delay_s=30))
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(10)
    assert claim_one(queue).job_id == "a"
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(20)
    assert claim_one(queue).job_id == "b"


def test_a_fraction_of_a_second_of_delay_is_a_delay(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", delay_s=0.5))
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(0.5)
    assert claim_one(queue).job_id == "a"


# -- start


def test_i1_start_says_go_once(queue: Queue) -> None:
    queue.enqueue(request("a"))
    token = claim_one(queue)
    with queue.fence("a"):
        assert queue.start(token) is Started.GO
    assert where(queue, "a") == "running"
    with queue.fence("a"):
        assert queue.start(token) is Started.GONE
    assert where(queue, "a") == "running"


@pytest.mark.parametrize("ending", [SUCCESS, RELEASE, failing("crashed"), Ending(End.CANCELLED)], ids=lambda e: e.end)
def test_i1_an_attempt_that_was_ended_is_never_started(queue: Queue, ending: Ending) -> None:
    queue.enqueue(request("a"))
    token = claim_one(queue)
    queue.end(token, ending, by="op-box-1")
    before = queue.find("a")
    with queue.fence("a"):
        assert queue.start(token) is Started.ENDED
    assert queue.find("a") == before


def test_i1_a_job_that_went_on_without_its_old_owner_is_not_started_by_it(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a"))
    old = claim_one(queue)
    queue.reap(everybody, by=REAPER)
    new = claim_one(queue, "w-box-2")
    with queue.fence("a"):
        assert queue.start(old) is Started.ENDED
        assert queue.start(new) is Started.GO


def test_a_token_that_was_never_claimed_is_gone(queue: Queue) -> None:
    queue.enqueue(request("a"))
    placed = queue.find("a")
    assert placed is not None
    with queue.fence("a"):
        assert queue.start(placed.token.claimed_by(ME)) is Started.GONE
    assert where(queue, "a") == "queued"


def test_holds_follows_the_token(queue: Queue) -> None:
    queue.enqueue(request("a"))
    token = claim_one(queue)
    assert queue.holds(token)
    with queue.fence("a"):
        queue.start(token)
    assert queue.holds(token)
    assert not queue.holds(claim_twin(token))
    end(queue, token, SUCCESS)
    assert not queue.holds(token)


def claim_twin(token: Token) -> Token:
    """The same attempt under another owner."""
    return replace(token, owner="w-box-9")


# -- end


@pytest.mark.parametrize("started", [True, False], ids=["running", "claimed"])
def test_i2_success_ends_in_done_with_the_result(queue: Queue, clock: FakeClock, started: bool) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue) if started else claim_one(queue)
    clock.advance(5)
    assert end(queue, token, Ending(End.SUCCEEDED, result={"summary": "ok"}, session_id="s-1"))
    placed = queue.find("a")
    assert placed is not None
    assert (placed.folder, placed.status, placed.token.time_ms) == ("done", Status.SUCCEEDED, clock.now_ms())
    outcome = queue.outcome("a", 1)
    assert outcome is not None
    assert (outcome.result, outcome.owner, outcome.by, outcome.session_id) == ({"summary": "ok"}, ME, ME, "s-1")
    assert queue.outcome("a", 2) is None


def test_i2_the_first_ending_of_an_attempt_stands_and_the_second_is_kept_as_late(
    queue: Queue, events: Recorder
) -> None:
    """Invariant 5 too: what came late is not dropped."""
    queue.enqueue(request("a"))
    token = run_one(queue)
    reaped = queue.reap(everybody, by=REAPER)
    late = queue.end(token, Ending(End.SUCCEEDED, result={"n": 1}), by=ME)
    assert not late.accepted
    assert late.outcome == reaped[0].outcome == queue.outcome("a", 1)
    assert late.outcome.end is End.LOST
    assert where(queue, "a") == "queued", "the late success did not move it"
    assert late_results(queue) == [("a", 1, ME)]
    assert "attempt.late" in events.kinds()


def late_results(queue: Queue) -> list[tuple[str, int, str]]:
    if isinstance(queue, SpoolQueue):
        names = sorted(p.name for p in queue.spool.folder("outcomes").iterdir() if p.name.endswith(".late.json"))
        return [(j, int(a[1:]), o) for j, a, o, *_ in (n.split(".") for n in names)]
    return sorted(queue.late)  # type: ignore[attr-defined]


def test_i5_a_late_failure_is_kept_and_a_late_release_says_nothing_worth_keeping(queue: Queue) -> None:
    queue.enqueue_many([request("a"), request("b")])
    first, second = run_one(queue), run_one(queue)
    queue.reap(everybody, by=REAPER)
    end(queue, first, failing("gate_failed"))
    end(queue, second, RELEASE)
    assert late_results(queue) == [("a", 1, ME)]


def test_i2_a_reaper_or_operator_that_comes_late_leaves_no_late_result(queue: Queue) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue)
    end(queue, token, SUCCESS)
    assert not queue.end(token, Ending(End.LOST), by=REAPER).accepted
    assert not queue.end(token, Ending(End.CANCELLED), by="op-box-1").accepted
    assert where(queue, "a") == "done"
    assert late_results(queue) == []


def test_i2_a_superseded_attempt_cannot_end_the_attempt_after_it(queue: Queue) -> None:
    queue.enqueue(request("a"))
    old = run_one(queue)
    queue.reap(everybody, by=REAPER)
    new = run_one(queue, "w-box-2")
    assert not end(queue, old, SUCCESS)
    assert queue.holds(new)
    assert end(queue, new, SUCCESS)
    assert queue.outcome("a", 2).by == "w-box-2"  # type: ignore[union-attr]


# -- budget, back-off, dead letter


def test_a_failure_burns_an_attempt_and_backs_off(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", max_attempts=4))
    for n, delay in ((1, 10), (2, 20), (3, 40)):
        token = run_one(queue)
        assert (token.attempt, token.burned) == (n, n - 1)
        end(queue, token, failing("crashed"))
        placed = queue.find("a")
        assert placed is not None
        assert (placed.folder, placed.token.burned, placed.token.delay_s) == ("queued", n, delay)
        clock.advance(delay - 0.001)
        assert queue.claim(ME, (POOL,)) is None
        clock.advance(0.001)
    end(queue, run_one(queue), failing("crashed"))
    assert where(queue, "a") == "dead"


@pytest.mark.parametrize("code", ["crashed", "timeout", "stall", "network", "gate_failed", "brand_new"])
def test_the_budget_ends_in_the_dead_letter(queue: Queue, clock: FakeClock, events: Recorder, code: str) -> None:
    queue.enqueue(request("a", max_attempts=2))
    end(queue, run_one(queue), failing(code))
    clock.advance(3600)
    end(queue, run_one(queue), failing(code))
    placed = queue.find("a")
    assert placed is not None
    assert (placed.folder, placed.status, placed.token.burned, placed.token.attempt) == ("dead", Status.FAILED, 2, 2)
    assert queue.claim(ME, (POOL,)) is None
    assert events.kinds()[-1] == "job.dead"


@pytest.mark.parametrize("code", ["invalid_spec", "policy_denied", "model_not_found"])
def test_a_permanent_failure_is_dead_at_once(queue: Queue, code: str) -> None:
    queue.enqueue(request("a", max_attempts=9))
    end(queue, run_one(queue), failing(code))
    assert where(queue, "a") == "dead"


def test_a_release_burns_nothing_and_always_waits(queue: Queue, clock: FakeClock) -> None:
    """Nothing ping-pongs: even a delay of 0 is a second."""
    queue.enqueue(request("a", max_attempts=1))
    for n, asked in enumerate((None, 0.0, -5.0, float("nan")), start=1):
        token = run_one(queue)
        assert (token.attempt, token.burned) == (n, 0)
        end(queue, token, Ending(End.RELEASED, delay_s=asked))
        assert where(queue, "a") == "queued"
        assert queue.claim(ME, (POOL,)) is None
        clock.advance(RELEASE_DELAY)


@pytest.mark.parametrize(
    ("failure", "delay"),
    [
        (Failure("rate_limited", "wait", retry_after_s=90.0), 90.0),
        (Failure("usage_limit", "wait"), PARKED_DELAY),
        (Failure("disk_full", "no space"), HOST_DELAY),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_parked_and_host_faults_burn_nothing_and_wait(
    queue: Queue, clock: FakeClock, failure: Failure, delay: float
) -> None:
    queue.enqueue(request("a"))
    end(queue, run_one(queue), ending_of(failure))
    placed = queue.find("a")
    assert placed is not None
    assert (placed.folder, placed.token.burned) == ("queued", 0)
    clock.advance(delay - 0.001)
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(0.001)
    assert claim_one(queue).attempt == 2


@pytest.mark.parametrize("seconds", [1e11, 1e300, float("inf")])
def test_i3_a_provider_that_asks_for_ages_does_not_lose_the_job(
    queue: Queue, clock: FakeClock, seconds: float
) -> None:
    """A delay with more digits than a name has would put the token outside the grammar."""
    queue.enqueue(request("a"))
    end(queue, run_one(queue), ending_of(Failure("rate_limited", "wait", retry_after_s=seconds)))
    assert where(queue, "a") == "queued"
    clock.advance(366 * 86400)
    assert claim_one(queue).job_id == "a"


@pytest.mark.parametrize("code", ["rate_limited", "usage_limit", "auth", "overloaded", "refused"])
def test_a_job_that_its_provider_refuses_waits_on(queue: Queue, clock: FakeClock, code: str) -> None:
    queue.enqueue(request("a", max_attempts=1))
    for _ in range(3 * HOST_LIMIT):
        end(queue, run_one(queue), ending_of(Failure(code, "wait")))
        assert where(queue, "a") == "queued"
        clock.advance(60)


@pytest.mark.parametrize("code", ["disk_full", "spawn_failed"])
def test_a_job_with_host_faults_ten_times_its_budget_is_dead(queue: Queue, clock: FakeClock, code: str) -> None:
    queue.enqueue(request("a", max_attempts=1))
    for _ in range(HOST_LIMIT - 1):
        end(queue, run_one(queue), ending_of(Failure(code, "wait")))
        assert where(queue, "a") == "queued"
        clock.advance(60)
    end(queue, run_one(queue), ending_of(Failure(code, "wait")))
    assert where(queue, "a") == "dead"


def test_a_job_whose_money_is_spent_is_held_and_goes_on_when_it_is_released(queue: Queue) -> None:
    queue.enqueue(request("a"))
    assert end(queue, run_one(queue), ending_of(Failure("over_budget", "too much")))
    assert where(queue, "a") == "held"
    assert queue.claim("w-box-1", (POOL,)) is None
    assert queue.unhold("a")
    token = claim_one(queue)
    assert (token.attempt, token.burned) == (2, 0)


def test_releases_without_a_fault_never_count_towards_the_limit(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", max_attempts=1))
    for _ in range(HOST_LIMIT + 2):
        end(queue, run_one(queue), RELEASE)
        clock.advance(RELEASE_DELAY)
    assert where(queue, "a") == "queued"


def test_a_retry_starts_the_count_of_faults_again(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", max_attempts=1))
    for _ in range(2):
        for _ in range(HOST_LIMIT):
            end(queue, run_one(queue), ending_of(Failure("disk_full", "no room")))
            clock.advance(60)
        assert where(queue, "a") == "dead"
        assert queue.retry("a")


# -- reap


def test_the_first_loss_in_a_row_is_ready_at_once_and_back_off_starts_with_the_second(
    queue: Queue, clock: FakeClock
) -> None:
    queue.enqueue(request("a", max_attempts=9))
    for n, delay in ((1, 0), (2, 10), (3, 20)):
        run_one(queue)
        (reaped,) = queue.reap(everybody, by=REAPER)
        assert (reaped.outcome.end, reaped.outcome.losses, reaped.outcome.burned) == (End.LOST, n, n)
        placed = queue.find("a")
        assert placed is not None
        assert placed.token.delay_s == delay
        clock.advance(delay)
    end(queue, run_one(queue), failing("crashed"))
    clock.advance(3600)
    run_one(queue)
    (reaped,) = queue.reap(everybody, by=REAPER)
    assert reaped.outcome.losses == 1, "a failure in between ends the row"
    assert queue.find("a").token.delay_s == 0  # type: ignore[union-attr]


def test_a_lost_attempt_counts_also_when_it_never_started(queue: Queue) -> None:
    queue.enqueue_many([request("a"), request("b")])
    run_one(queue)
    claim_one(queue)
    reaped = queue.reap(everybody, by=REAPER)
    codes = {r.token.job_id: (r.outcome.failure.code, r.outcome.burned) for r in reaped if r.outcome.failure}
    assert codes == {"a": ("lost", 1), "b": ("never_started", 1)}


def test_losses_use_the_budget_up(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", max_attempts=2))
    for _ in range(2):
        clock.advance(3600)
        run_one(queue)
        queue.reap(everybody, by=REAPER)
    assert where(queue, "a") == "dead"


def test_i6_only_the_attempts_of_gone_owners_are_reaped(queue: Queue) -> None:
    queue.enqueue_many([request("a"), request("b"), request("c")])
    run_one(queue, "w-box-1")
    run_one(queue, "w-box-2")
    claim_one(queue, "w-box-3")
    asked: list[str] = []

    def gone(owner: str) -> str:
        asked.append(owner)
        return "seen dead" if owner == "w-box-2" else ""

    assert [r.token.job_id for r in queue.reap(gone, by=REAPER)] == ["b"]
    assert sorted(asked) == ["w-box-1", "w-box-2", "w-box-3"]
    assert (where(queue, "a"), where(queue, "b"), where(queue, "c")) == ("running", "queued", "claimed")
    assert queue.reap(nobody, by=REAPER) == []


def test_a_recovered_job_runs_before_newer_ones_of_its_priority(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue_many([request("late-a"), request("late-b"), request("urgent", priority=1)])
    for _ in range(2):
        run_one(queue)  # urgent, then late-a
        clock.advance(1)
    queue.enqueue(request("newest"))
    clock.advance(60)
    queue.reap(everybody, by=REAPER)
    assert order(queue, 4) == ["urgent", "late-a", "late-b", "newest"]


def test_a_reaper_never_reaps_itself(queue: Queue) -> None:
    queue.enqueue(request("a"))
    run_one(queue, ME)
    assert queue.reap(everybody, by=ME) == []
    assert where(queue, "a") == "running"


def test_reaping_again_finds_nothing(queue: Queue) -> None:
    queue.enqueue(request("a"))
    run_one(queue)
    assert len(queue.reap(everybody, by=REAPER)) == 1
    assert queue.reap(everybody, by=REAPER) == []


# -- the fence


def hold_fence(queue: Queue, job_id: str) -> Callable[[], None]:
    """Another thread holds the fence, like a process in the middle of a change; the answer lets it go."""
    taken, release = threading.Event(), threading.Event()

    def holder() -> None:
        with queue.fence(job_id):
            taken.set()
            release.wait(60)

    thread = threading.Thread(target=holder)
    thread.start()
    assert taken.wait(60)

    def let_go() -> None:
        release.set()
        thread.join(60)

    return let_go


@pytest.fixture(params=["memory", "spool"])
def hasty(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A queue that gives up on a busy fence soon."""
    if request.param == "memory":
        return memory_queue(clock, fence_timeout=0.02)
    queue = spool_queue(make_spool(tmp_path / "spool"), clock)
    monkeypatch.setattr(queue, "fence", lambda job_id: queue.spool.fence(job_id, timeout=0.02))
    return queue


def test_the_fence_is_exclusive_between_threads_and_reentrant_in_one(hasty: Queue) -> None:
    let_go = hold_fence(hasty, "a")
    with pytest.raises(Temporary), hasty.fence("a"):
        pytest.fail("two holders")
    with hasty.fence("b"):
        pass
    let_go()
    with hasty.fence("a"), hasty.fence("a"):
        pass


def test_i2_an_end_decides_even_while_the_fence_stays_busy_and_a_reaper_moves_the_token(hasty: Queue) -> None:
    hasty.enqueue(request("a"))
    token = run_one(hasty)
    let_go = hold_fence(hasty, "a")
    assert end(hasty, token, SUCCESS)
    assert where(hasty, "a") == "running", "nobody moves a token past a busy fence"
    assert hasty.reap(everybody, by=REAPER) == []
    assert where(hasty, "a") == "running", "skipped, not forced"
    let_go()
    assert hasty.reap(nobody, by=REAPER) == [], "its owner lives; the outcome stands all the same"
    assert where(hasty, "a") == "done"


def test_i2_a_dead_session_s_token_is_skipped_while_its_fence_is_busy(hasty: Queue) -> None:
    hasty.enqueue_many([request("a"), request("b")])
    run_one(hasty)
    run_one(hasty)
    let_go = hold_fence(hasty, "a")
    assert [r.token.job_id for r in hasty.reap(everybody, by=REAPER)] == ["b"]
    assert hasty.outcome("a", 1) is None
    let_go()
    assert [r.token.job_id for r in hasty.reap(everybody, by=REAPER)] == ["a"]


def test_a_cancel_of_an_attempt_that_is_decided_gives_up_on_a_busy_fence(hasty: Queue) -> None:
    hasty.enqueue(request("a"))
    token = run_one(hasty)
    let_go = hold_fence(hasty, "a")
    assert end(hasty, token, SUCCESS)
    with pytest.raises(Temporary):
        hasty.cancel("a", by="op-box-1")
    let_go()


# -- operators


def to_queued(queue: Queue) -> None:
    queue.enqueue(request("a"))


def to_held(queue: Queue) -> None:
    to_queued(queue)
    assert queue.hold("a")


def to_claimed(queue: Queue) -> None:
    to_queued(queue)
    claim_one(queue)


def to_running(queue: Queue) -> None:
    to_queued(queue)
    run_one(queue)


def to_succeeded(queue: Queue) -> None:
    to_queued(queue)
    end(queue, run_one(queue), SUCCESS)


def to_failed(queue: Queue) -> None:
    to_queued(queue)
    end(queue, run_one(queue), failing("policy_denied"))


def to_cancelled(queue: Queue) -> None:
    to_queued(queue)
    queue.cancel("a", by="op-box-1")


PATHS: dict[Status, Callable[[Queue], None]] = {
    Status.QUEUED: to_queued,
    Status.HELD: to_held,
    Status.CLAIMED: to_claimed,
    Status.RUNNING: to_running,
    Status.SUCCEEDED: to_succeeded,
    Status.FAILED: to_failed,
    Status.CANCELLED: to_cancelled,
}

OPERATIONS: dict[Action, Callable[[Queue], bool]] = {
    Action.HOLD: lambda q: q.hold("a"),
    Action.UNHOLD: lambda q: q.unhold("a"),
    Action.RETRY: lambda q: q.retry("a", force=True),
    Action.CANCEL: lambda q: q.cancel("a", by="op-box-1") in (Cancelled.WAITING, Cancelled.ATTEMPT),
    Action.CLAIM: lambda q: q.claim("w-box-2", (POOL,)) is not None,
}


@pytest.mark.parametrize("action", OPERATIONS, ids=str)
@pytest.mark.parametrize("status", PATHS, ids=str)
def test_only_the_moves_of_the_lifecycle_table_do_anything(queue: Queue, status: Status, action: Action) -> None:
    PATHS[status](queue)
    before = queue.find("a")
    assert before is not None
    assert before.status is status
    did = OPERATIONS[action](queue)
    after = queue.find("a")
    assert after is not None
    legal = TRANSITIONS.get((status, action))
    assert did is (legal is not None)
    if legal is None:
        assert after == before, "an illegal move says no and changes nothing"
    else:
        assert after.status in legal


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (Status.QUEUED, Cancelled.WAITING),
        (Status.HELD, Cancelled.WAITING),
        (Status.CLAIMED, Cancelled.ATTEMPT),
        (Status.RUNNING, Cancelled.ATTEMPT),
        (Status.SUCCEEDED, Cancelled.FINISHED),
        (Status.FAILED, Cancelled.FINISHED),
        (Status.CANCELLED, Cancelled.FINISHED),
    ],
    ids=str,
)
def test_cancel_in_every_status(queue: Queue, status: Status, answer: Cancelled) -> None:
    PATHS[status](queue)
    assert queue.cancel("a", by="op-box-1", reason="not needed") is answer
    if answer is not Cancelled.FINISHED:
        placed = queue.find("a")
        assert placed is not None
        assert (placed.folder, placed.status) == ("done", Status.CANCELLED)
    assert queue.cancel("a", by="op-box-1") is Cancelled.FINISHED
    assert queue.claim("w-box-2", (POOL,)) is None


def test_i2_a_cancelled_attempt_is_ended_by_the_operator_and_its_owner_is_late(queue: Queue) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue)
    queue.cancel("a", by="op-box-1", reason="not needed")
    outcome = queue.outcome("a", 1)
    assert outcome is not None
    assert (outcome.end, outcome.by, outcome.owner, outcome.reason) == (End.CANCELLED, "op-box-1", ME, "not needed")
    assert not queue.holds(token)
    assert not end(queue, token, SUCCESS)
    assert queue.find("a").status is Status.CANCELLED  # type: ignore[union-attr]


def test_a_held_job_comes_back_with_its_place_in_the_line(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a"))
    clock.advance(1)
    queue.enqueue(request("b"))
    queue.hold("a")
    assert claim_one(queue).job_id == "b"
    assert queue.claim(ME, (POOL,)) is None
    queue.unhold("a")
    assert claim_one(queue).job_id == "a"


def test_a_job_that_one_session_saw_held_and_released_can_be_claimed_by_it(queue: Queue) -> None:
    """The token has the same name as before: having missed it once must not mean for ever."""
    queue.enqueue(request("a"))

    def may(_token: Token) -> bool:
        queue.hold("a")
        return True

    assert queue.claim(ME, (POOL,), may) is None
    queue.unhold("a")
    assert claim_one(queue).job_id == "a"


def test_retry_restores_the_budget_and_attempt_numbers_go_on(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a", max_attempts=2))
    for _ in range(2):
        end(queue, run_one(queue), failing("crashed"))
        clock.advance(3600)
    assert where(queue, "a") == "dead"
    assert queue.retry("a")
    placed = queue.find("a")
    assert placed is not None
    assert (placed.status, placed.token.attempt, placed.token.burned) == (Status.QUEUED, 2, 0)
    token = run_one(queue)
    assert token.attempt == 3
    end(queue, token, failing("crashed"))
    assert where(queue, "a") == "queued", "one of two burned"


def test_retry_of_a_success_needs_force(queue: Queue) -> None:
    to_succeeded(queue)
    assert not queue.retry("a")
    assert where(queue, "a") == "done"
    assert queue.retry("a", force=True)
    assert claim_one(queue).attempt == 2


def test_retry_with_a_delay_waits(queue: Queue, clock: FakeClock) -> None:
    to_failed(queue)
    assert queue.retry("a", delay_s=20)
    assert queue.claim(ME, (POOL,)) is None
    clock.advance(20)
    assert claim_one(queue).job_id == "a"


def test_i3_a_retry_delay_that_no_name_can_carry_is_refused(queue: Queue) -> None:
    to_failed(queue)
    before = queue.find("a")
    with pytest.raises(ContractError):
        queue.retry("a", delay_s=10.0**10)
    assert queue.find("a") == before


def test_a_retried_job_is_not_the_end_of_the_row_of_losses(queue: Queue) -> None:
    queue.enqueue(request("a", max_attempts=1))
    run_one(queue)
    queue.reap(everybody, by=REAPER)
    assert queue.retry("a")
    run_one(queue)
    (reaped,) = queue.reap(everybody, by=REAPER)
    assert reaped.outcome.losses == 1


# -- gc


def test_gc_puts_finished_jobs_away_and_keeps_their_keys_taken(queue: Queue, clock: FakeClock) -> None:
    """Invariant 4: a finished key never runs again by itself."""
    queue.enqueue_many([request("ok"), request("bad"), request("gone"), request("live"), request("held")])
    end(queue, run_one(queue), SUCCESS)
    end(queue, run_one(queue), failing("policy_denied"))
    queue.cancel("gone", by="op-box-1")
    queue.hold("held")
    clock.advance(100)
    assert queue.gc(older_s=100) == []
    clock.advance(0.001)
    assert sorted(token.job_id for token in queue.gc(older_s=100)) == ["bad", "gone", "ok"]
    assert sorted(p.token.job_id for p in queue.placed()) == ["held", "live"]
    for job_id in ("ok", "bad", "gone"):
        assert queue.enqueue(request(job_id)) == Enqueued(job_id, deduped=True)
        assert where(queue, job_id) == "archive"
        assert queue.cancel(job_id, by="op-box-1") is Cancelled.FINISHED
        assert not queue.hold(job_id)
        assert queue.spec(job_id) is not None
    assert queue.outcome("ok", 1) is not None
    assert queue.gc(older_s=0) == []


def test_a_person_retries_what_was_put_away(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue_many([request("ok"), request("bad")])
    end(queue, run_one(queue), SUCCESS)
    end(queue, run_one(queue), failing("policy_denied"))
    clock.advance(10)
    assert len(queue.gc(older_s=1)) == 2
    assert not queue.retry("ok"), "a success only with force"
    assert queue.retry("ok", force=True)
    assert queue.retry("bad")
    assert {where(queue, job_id) for job_id in ("ok", "bad")} == {"queued"}
    assert {run_one(queue).attempt, run_one(queue).attempt} == {2}


def test_gc_keeps_the_dead_letter_when_asked(queue: Queue, clock: FakeClock) -> None:
    to_failed(queue)
    clock.advance(10)
    assert queue.gc(older_s=1, keep_failed=True) == []
    assert where(queue, "a") == "dead"


def test_gc_counts_from_the_end_of_a_job_and_not_from_its_beginning(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue)
    clock.advance(1000)
    end(queue, token, SUCCESS)
    assert queue.gc(older_s=500) == []


# -- looking


def test_placed_can_be_asked_for_some_statuses(queue: Queue, clock: FakeClock) -> None:
    queue.enqueue_many(
        [request("ok"), request("bad"), request("gone"), request("run"), request("clm"), request("que")]
    )
    end(queue, run_one(queue), SUCCESS)
    end(queue, run_one(queue), failing("policy_denied"))
    queue.cancel("gone", by="op-box-1")
    run_one(queue)
    claim_one(queue)

    def ids(*statuses: Status) -> set[str]:
        return {p.token.job_id for p in queue.placed(statuses)}

    assert ids(Status.SUCCEEDED) == {"ok"}
    assert ids(Status.CANCELLED) == {"gone"}
    assert ids(Status.SUCCEEDED, Status.FAILED) == {"ok", "bad"}
    assert ids(Status.RUNNING, Status.CLAIMED) == {"run", "clm"}
    assert ids(Status.QUEUED) == {"que"}
    assert ids(Status.HELD) == set()
    assert ids() == set()
    assert len(queue.placed()) == 6


def test_the_life_of_a_job_is_told_to_the_log_in_order(queue: Queue, events: Recorder, clock: FakeClock) -> None:
    target = Target(plan_id="03", iteration=0, command="code", role="coder", epic_id="01")
    queue.enqueue(JobRequest(role="coder", runtime="opencode", target=target))
    job_id = queue.enqueue(JobRequest(role="coder", runtime="opencode", target=target)).job_id
    queue.hold(job_id)
    queue.unhold(job_id)
    token = run_one(queue)
    clock.advance(2)
    end(queue, token, failing("policy_denied", started_ms=clock.now_ms() - 2000))
    queue.retry(job_id)
    assert events.kinds() == [
        "job.enqueued", "job.deduped", "job.held", "job.released", "job.claimed", "job.started", "job.failed",
        "job.dead", "job.retried",
    ]  # fmt: skip
    facts = dict(events.events)["job.failed"]
    assert (facts["plan_id"], facts["epic_id"], facts["attempt"], facts["owner"]) == ("03", "01", 1, ME)
    assert (facts["error_class"], facts["error_code"], facts["duration_s"]) == ("permanent", "policy_denied", 2.0)


def test_i1_many_threads_of_one_session_claim_and_start_each_job_once(queue: Queue) -> None:
    """The slots of one session share its owner id: the name of the target cannot tell them apart."""
    n = 40
    queue.enqueue_many([request(f"j{i}") for i in range(n)])
    gate = threading.Barrier(4)
    won: list[tuple[str, int]] = []

    def slot() -> None:
        gate.wait(30)
        while (token := queue.claim(ME, (POOL,))) is not None:
            won.append((token.job_id, token.attempt))

    threads = [threading.Thread(target=slot) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == sorted((f"j{i}", 1) for i in range(n))


@pytest.mark.parametrize("lies", LYING.values(), ids=list(LYING))
def test_the_lies_reach_the_queue(tmp_path: Path, lies: Mapping[str, Lie]) -> None:
    """Without this, all of the above could pass over a mount that tells the truth."""
    spool, liar = make_spool(tmp_path / "spool", topology="shared"), Always(lies)
    with Host(spool.root, liar).mounted():
        queue = spool_queue(spool)
        for key in ("a", "b"):
            queue.enqueue(request(key))
            end(queue, run_one(queue), SUCCESS)
        spool.replace("control", "pause.json", "{}")
        spool.make_folder("archive", "quarantine")
    assert liar.told
