"""What a queue does whose attempts are granted by the home: one suite for the spool and for its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.queues import Queue
from support.spools import (
    OTHER,
    POOL,
    RELEASE,
    SUCCESS,
    Recorder,
    claim_one,
    failing,
    granted,
    make_spool,
    memory_queue,
    request,
    run_one,
    spool_queue,
)
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Spec
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import NUMBER_LIMIT, Placed, Pool
from wf_cli.errors import ContractError, Refused

ME = "w-box-1"
SPEC = granted("a", max_attempts=3, priority=2)


@pytest.fixture(params=["memory", "spool"])
def queue(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, events: Recorder) -> Queue:
    if request.param == "memory":
        return memory_queue(clock, events, adopts=True)
    return spool_queue(make_spool(tmp_path / "spool", adopts=True), clock, events)


@pytest.fixture(params=["memory", "spool"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Queue:
    return memory_queue() if request.param == "memory" else spool_queue(make_spool(tmp_path / "home"))


def placed(queue: Queue, job_id: str = "a") -> Placed:
    found = queue.find(job_id)
    assert found is not None
    return found


def run(queue: Queue, ending: Ending) -> None:
    assert queue.end(run_one(queue), ending, by=ME).accepted


@pytest.mark.parametrize("number", [1, 2, 3, 1001, NUMBER_LIMIT - 1])
def test_y2_a_claim_makes_an_adopted_job_the_attempt_that_was_granted(queue: Queue, number: int) -> None:
    assert queue.adopt(SPEC, number)
    waiting = placed(queue)
    assert (waiting.folder, waiting.token.attempt, waiting.token.priority) == ("queued", number - 1, 2)
    token = run_one(queue)
    assert (token.job_id, token.attempt, token.budget) == ("a", number, token.burned + 1)
    assert queue.spec("a") == SPEC


def test_an_adopted_job_is_told_like_an_enqueued_one(queue: Queue, events: Recorder) -> None:
    queue.adopt(SPEC, 4)
    ((kind, facts),) = events.events
    assert (kind, facts["job_id"], facts["reason"]) == ("job.enqueued", "a", "attempt 4, granted by the home")


def test_the_pool_is_the_one_that_the_home_gave_the_job_to(queue: Queue) -> None:
    elsewhere = Pool(POOL.role, "cursor")
    assert queue.adopt(SPEC, 1, pool=elsewhere)
    assert queue.claim(ME, (POOL,)) is None
    assert claim_one(queue, ME, elsewhere).pool == elsewhere


LIVE: dict[str, Callable[[Queue], object]] = {
    "queued": lambda _queue: None,
    "held": lambda queue: queue.hold("a"),
    "claimed": claim_one,
    "running": run_one,
}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("folder", LIVE)
def test_y2_a_job_that_has_not_ended_is_not_adopted(queue: Queue, folder: str, number: int) -> None:
    assert queue.adopt(SPEC, 3)
    LIVE[folder](queue)
    before = placed(queue)
    assert before.folder == folder
    assert not queue.adopt(SPEC, number)
    assert placed(queue) == before


ENDS = {
    "succeeded": (SUCCESS, "done", Status.SUCCEEDED),
    "failed": (failing("crashed"), "dead", Status.FAILED),
    "failed for good": (failing("policy_denied"), "dead", Status.FAILED),
    "released": (RELEASE, "done", Status.CANCELLED),
    "parked": (ending_of(Failure("usage_limit", "no more", retry_after_s=60)), "done", Status.CANCELLED),
    "host fault": (ending_of(Failure("disk_full", "full")), "done", Status.CANCELLED),
    "held": (ending_of(Failure("over_budget", "too much")), "done", Status.CANCELLED),
    "cancelled": (Ending(End.CANCELLED), "done", Status.CANCELLED),
    "lost": (Ending(End.LOST, failure=Failure("lost", "gone")), "dead", Status.FAILED),
}


@pytest.mark.parametrize("how", ENDS)
def test_every_end_is_final(queue: Queue, clock: FakeClock, events: Recorder, how: str) -> None:
    ending, folder, status = ENDS[how]
    queue.adopt(SPEC, 2)
    run(queue, ending)
    assert (placed(queue).folder, placed(queue).status) == (folder, status)
    outcome = queue.outcome("a", 2)
    assert outcome is not None
    assert (outcome.end, outcome.disposition.to) == (ending.end, folder)
    clock.advance(10**6)
    assert queue.claim(ME, (POOL, OTHER)) is None
    assert not queue.hold("a")
    assert not queue.unhold("a")
    assert "job.dead" not in events.kinds(), "the home decides whether it is a dead letter"


def test_a_reaped_attempt_is_final_too(queue: Queue) -> None:
    for number, begin in ((2, claim_one), (3, run_one)):
        assert queue.adopt(SPEC, number)
        begin(queue)
        assert len(queue.reap(lambda _owner: "seen dead", by="r-box-1")) == 1
        assert placed(queue).folder == "dead"
        assert queue.claim(ME, (POOL,)) is None


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("archived", [False, True])
def test_y2_an_attempt_that_ended_here_is_never_adopted_again(
    queue: Queue, clock: FakeClock, how: str, archived: bool
) -> None:
    queue.adopt(SPEC, 3)
    run(queue, ENDS[how][0])
    if archived:
        clock.advance(100)
        assert len(queue.gc(older_s=10)) == 1
    before = placed(queue)
    for number in (1, 2, 3):
        assert not queue.adopt(SPEC, number)
    assert placed(queue) == before
    assert queue.adopt(SPEC, 5), "a later one is"
    assert run_one(queue).attempt == 5


def test_what_was_burned_here_leaves_room_for_one_attempt_more(queue: Queue) -> None:
    for number in range(1, 8):
        assert queue.adopt(SPEC, number)
        token = run_one(queue)
        assert (token.attempt, token.burned, token.budget) == (number, number - 1, number)
        assert queue.end(token, failing("crashed"), by=ME).accepted


def test_what_was_cancelled_before_it_began_can_be_adopted_again(queue: Queue) -> None:
    for _ in range(3):
        assert queue.adopt(SPEC, 4)
        queue.cancel("a", by="op-box-1")
        assert placed(queue).status is Status.CANCELLED
    assert queue.adopt(SPEC, 4)
    assert run_one(queue).attempt == 4


def test_jobs_of_several_keys_do_not_meet(queue: Queue) -> None:
    for key, number in (("a", 2), ("ab", 1), ("a-b", 7)):
        assert queue.adopt(granted(key), number)
    got = {token.job_id: token.attempt for token in (run_one(queue) for _ in range(3))}
    assert got == {"a": 2, "ab": 1, "a-b": 7}


@pytest.mark.parametrize("what", ["nonce", "payload", "role"])
def test_a_key_that_belongs_to_another_job_here_is_refused(queue: Queue, what: str) -> None:
    queue.adopt(SPEC, 1)
    run(queue, SUCCESS)
    before = placed(queue)
    changed = {"nonce": {"nonce": "f" * 16}, "payload": {"payload": [1]}, "role": {"role": "reviewer"}}
    other: Spec = replace(SPEC, **changed[what])  # type: ignore[arg-type]
    with pytest.raises(Refused, match="key"):
        queue.adopt(other, 2)
    assert placed(queue) == before
    assert queue.spec("a") == SPEC


@pytest.mark.parametrize("number", [1, 4, 5])
def test_a_job_that_was_enqueued_again_meets_the_ends_of_the_earlier_one_as_another_key_not_as_its_own(
    queue: Queue, number: int
) -> None:
    """The home purged the job and enqueued its key again: attempt 1 of the new job has not run here."""
    queue.adopt(SPEC, 5)
    run(queue, SUCCESS)
    with pytest.raises(Refused, match="key"):
        queue.adopt(replace(SPEC, nonce="f" * 16), number)
    assert queue.spec("a") == SPEC


def test_a_live_job_of_the_key_comes_before_the_question_whose_it_is(queue: Queue) -> None:
    queue.adopt(SPEC, 5)
    assert not queue.adopt(replace(SPEC, nonce="f" * 16), 1)
    assert placed(queue).token.attempt == 4


@pytest.mark.parametrize("number", [0, -1, NUMBER_LIMIT, 10**12])
def test_a_number_outside_the_grammar_makes_nothing(queue: Queue, number: int) -> None:
    with pytest.raises(ContractError):
        queue.adopt(SPEC, number)
    assert queue.find("a") is None


def test_a_pool_of_another_role_makes_nothing(queue: Queue) -> None:
    with pytest.raises(ContractError):
        queue.adopt(SPEC, 1, pool=OTHER)
    assert queue.find("a") is None


def test_a_node_makes_no_job_and_begins_no_attempt_that_was_not_granted(queue: Queue) -> None:
    with pytest.raises(Refused):
        queue.enqueue(request("b"))
    queue.adopt(SPEC, 1)
    run(queue, failing("crashed"))
    for force in (False, True):
        with pytest.raises(Refused):
            queue.retry("a", force=force)
    assert placed(queue).folder == "dead"
    assert queue.find("b") is None


def test_a_queue_of_its_own_adopts_nothing_and_its_ends_are_not_final(home: Queue) -> None:
    with pytest.raises(Refused):
        home.adopt(SPEC, 1)
    assert home.find("a") is None
    home.enqueue(request("a"))
    run(home, RELEASE)
    assert placed(home).folder == "queued"
