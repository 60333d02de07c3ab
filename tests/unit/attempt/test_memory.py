"""What a process remembers of its attempts: enough that no thread repeats another's step, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.in_process import Yard
from support.spools import POOL, RELEASE, SUCCESS, claim_one, make_spool, request, run_one, spool_queue, where
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Started

OWNER = "w-box-1"


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"))


def test_attempts_that_have_ended_are_forgotten(queue: SpoolQueue) -> None:
    for n in range(20):
        queue.enqueue(request(f"j{n}", max_attempts=9))
        queue.end(run_one(queue, OWNER), RELEASE, by=OWNER)
        queue._clock.sleep(100)
        queue.end(claim_one(queue, OWNER), SUCCESS, by=OWNER)
    assert queue._tried == set()


def test_an_attempt_that_somebody_else_ended_is_forgotten_by_its_owner(queue: SpoolQueue) -> None:
    queue.enqueue(request("a"))
    token = run_one(queue, OWNER)
    queue.forget(token)
    assert len(queue._tried) == 2, "it goes on: a second thread must still find it started"
    spool_queue(queue.spool).cancel("a", by="op-box-1")
    queue.forget(token)
    assert queue._tried == set()


def test_i1_a_thread_with_an_old_listing_claims_and_starts_nothing_afterwards(queue: SpoolQueue) -> None:
    queue.enqueue(request("a"))
    (queued,) = [p.token for p in queue.placed()]
    token = run_one(queue, OWNER)
    queue.end(token, SUCCESS, by=OWNER)
    queue.rescan_on_claim = False
    queue.note(queued.name)  # what a listing of before the claim still shows
    assert queue.claim(OWNER, (POOL,)) is None
    with queue.fence("a"):
        assert queue.start(token) is Started.ENDED
    assert where(queue, "a") == "done"


def test_a_worker_remembers_nothing_of_jobs_that_were_cancelled_under_it(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ': > "$N/ran.$1"; sleep 1000\n')
    yard.enqueue("one")
    with yard.running() as worker:
        yard.noted("ran.one")
        yard.queue.cancel("one", by="op-box-1")
        yard.says("one: cancelled")
        assert worker._queue._tried == set()
