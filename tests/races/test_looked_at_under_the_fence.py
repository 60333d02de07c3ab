"""Operators' commands and repairs decide under a job's fence: another actor comes between each look and its act."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import POOL, SUCCESS, assert_sound, failing, make_spool, problems, run_one, spool_queue, where
from support.views import make_late
from wf_cli import seams
from wf_cli.contract.identity import Target
from wf_cli.errors import NotFound, Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import late, operate, retention, verify
from wf_cli.spool.layout import Spool

#: Seconds that a second actor gets while the first one stands still. One that waits for the fence needs all of them.
A_MOMENT = 0.5
STEP = Target("01", 0, "code", POOL.role, "01")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def queue(spool: Spool) -> SpoolQueue:
    return spool_queue(spool)


@pytest.fixture(autouse=True)
def _no_hook() -> Iterator[None]:
    yield
    seams.install(None)


def finished(queue: SpoolQueue) -> str:
    """A finished job of epic 01; its id."""
    job_id = queue.enqueue(JobRequest(POOL.role, POOL.runtime, target=STEP)).job_id
    queue.end(run_one(queue), SUCCESS, by="w-box-1")
    return job_id


def files_of(spool: Spool, job_id: str) -> list[str]:
    """What is there of a job, apart from its lock, which is never removed."""
    return sorted(
        f"{folder.name}/{path.name}"
        for folder in spool.root.iterdir()
        if folder.is_dir() and folder.name != "locks"
        for path in folder.rglob("*")
        if job_id in path.name
    )


class Meanwhile:
    """Lets another actor, a thread, begin at the first step called ``name``, and waits for it for a moment."""

    def __init__(self, name: str, actor: Callable[[], object]):
        self._name = name
        self._thread = threading.Thread(target=actor)
        self._begun = False
        seams.install(self)

    def __call__(self, step: str) -> None:
        if step == self._name and not self._begun:
            self._begun = True
            self._thread.start()
            self._thread.join(A_MOMENT)

    def over(self) -> None:
        assert self._begun, f"{self._name} was never reached"
        self._thread.join(60)
        seams.install(None)


def at_step(name: str, do: Callable[[], object]) -> list[str]:
    """``do`` at the first step called ``name``, in the same thread; the list holds the name once that was."""
    done: list[str] = []

    def hook(step: str) -> None:
        if step == name and not done:
            done.append(step)
            do()

    seams.install(hook)
    return done


# -- purge


def test_a_repair_gives_no_key_back_to_a_job_that_is_purged_just_now(spool: Spool, queue: SpoolQueue) -> None:
    """A purge removes the reservation first. A repair that saw only the token would reserve its key again."""
    job_id = finished(queue)
    meanwhile = Meanwhile("purge.unreserved", lambda: verify.repair(spool))
    assert retention.purge(spool, "01") == [job_id]
    meanwhile.over()
    assert files_of(spool, job_id) == []
    assert problems(spool) == []


def test_verify_does_not_report_a_job_that_is_purged_just_now(spool: Spool, queue: SpoolQueue) -> None:
    finished(queue)
    found: list[str] = []
    meanwhile = Meanwhile("purge.unreserved", lambda: found.extend(problems(spool)))
    retention.purge(spool, "01")
    meanwhile.over()
    assert found == []


def test_a_repair_rebuilds_no_job_that_was_purged_since_it_looked(spool: Spool, queue: SpoolQueue) -> None:
    job_id = finished(queue)
    placed = queue.find(job_id)
    assert placed is not None
    os.unlink(spool.path(placed.folder, placed.token.name))  # a reserved key without a token
    done = at_step("repair.orphan", lambda: retention.purge(spool, "01"))
    assert verify.repair(spool) == []
    assert done
    assert files_of(spool, job_id) == []


def test_a_key_that_is_enqueued_while_its_old_job_is_purged_makes_a_whole_job(
    spool: Spool, queue: SpoolQueue
) -> None:
    done = at_step("purge.unreserved", lambda: queue.enqueue(JobRequest(POOL.role, POOL.runtime, target=STEP)))
    job_id = finished(queue)
    assert retention.purge(spool, "01") == [job_id]
    assert done
    assert where(queue, job_id) == "queued"
    assert_sound(spool, jobs=1)
    assert queue.outcome(job_id, 1) is None
    queue.end(run_one(queue), SUCCESS, by="w-box-1")


def test_a_job_that_was_retried_and_ended_again_while_its_epic_is_purged_stays_whole(
    spool: Spool, queue: SpoolQueue
) -> None:
    """Its second outcome was not listed. Left alone, it would be taken for the end of a new job's second attempt."""
    job_id = finished(queue)

    def go_on() -> None:
        assert queue.retry(job_id, force=True)
        queue.end(run_one(queue), SUCCESS, by="w-box-1")

    done = at_step("purge.looked", go_on)
    with pytest.raises(Refused, match=job_id):
        retention.purge(spool, "01")
    assert done
    assert where(queue, job_id) == "done"
    assert queue.outcome(job_id, 1) is not None
    assert queue.outcome(job_id, 2) is not None
    assert_sound(spool, jobs=1)


def test_a_purge_finds_the_token_that_gc_puts_away_meanwhile(spool: Spool, queue: SpoolQueue) -> None:
    job_id = finished(queue)
    done = at_step("purge.unreserved", lambda: queue.gc(older_s=-1))
    assert retention.purge(spool, "01") == [job_id]
    assert done
    assert files_of(spool, job_id) == []


def test_two_purges_at_once_remove_everything_and_both_say_so(spool: Spool, queue: SpoolQueue) -> None:
    job_id = finished(queue)
    second: list[str] = []
    meanwhile = Meanwhile("purge.unreserved", lambda: second.extend(retention.purge(spool, "01")))
    assert retention.purge(spool, "01") == [job_id]
    meanwhile.over()
    assert second == [job_id]
    assert files_of(spool, job_id) == []


# -- late results


def test_a_late_result_is_applied_or_discarded_and_not_both(spool: Spool, queue: SpoolQueue) -> None:
    job_id = queue.enqueue(JobRequest(POOL.role, POOL.runtime, key="a")).job_id
    make_late(queue, run_one(queue))
    (kept,) = late.listing(spool)
    discarded: list[bool] = []
    meanwhile = Meanwhile("seize.found", lambda: discarded.append(late.discard(spool, kept)))
    assert queue.apply_late(kept, by="operator-box-1").accepted
    meanwhile.over()
    assert discarded == [False]
    assert where(queue, job_id) == "done"
    with pytest.raises(NotFound):
        queue.apply_late(kept, by="operator-box-1")


# -- retry, gc, hold


def test_what_a_retry_prepares_is_for_the_attempt_that_follows(queue: SpoolQueue) -> None:
    """`wf retry --fresh` names an attempt. The job may have run once more since it was listed."""
    queue.enqueue(JobRequest(POOL.role, POOL.runtime, key="a", max_attempts=1))
    queue.end(run_one(queue), failing("crashed"), by="w-box-1")
    seen: list[int] = []
    assert queue.retry("a", before=lambda token: seen.append(token.attempt))
    queue.end(run_one(queue), failing("crashed"), by="w-box-1")
    assert queue.retry("a", before=lambda token: seen.append(token.attempt))
    assert not queue.retry("a", before=lambda token: seen.append(token.attempt)), "queued: nothing is prepared"
    assert seen == [1, 2]


@pytest.mark.parametrize("first", ["gc", "retry"])
def test_a_job_is_put_away_or_retried_and_not_both(spool: Spool, queue: SpoolQueue, first: str) -> None:
    job_id = finished(queue)
    if first == "gc":
        done = at_step("gc.found", lambda: queue.retry(job_id, force=True))
        assert queue.gc(older_s=-1) == []
    else:
        done = at_step("retry.found", lambda: queue.gc(older_s=-1))
        assert not queue.retry(job_id, force=True)
    assert done
    assert where(queue, job_id) == ("queued" if first == "gc" else "archive")
    assert_sound(spool, jobs=1)


@pytest.mark.parametrize("act", ["hold", "cancel"])
def test_a_job_that_is_claimed_while_an_operator_reaches_for_it_is_decided_once(
    spool: Spool, queue: SpoolQueue, act: str
) -> None:
    queue.enqueue(JobRequest(POOL.role, POOL.runtime, key="a"))
    worker = spool_queue(spool)
    done = at_step(f"{act}.found", lambda: run_one(worker))
    if act == "hold":
        assert not queue.hold("a")
        assert where(queue, "a") == "running"
    else:
        assert queue.cancel("a", by="operator-box-1") == "attempt"
        assert where(queue, "a") == "done"
    assert done
    assert_sound(spool, jobs=1)


def test_a_dead_letter_is_not_made_of_a_token_that_moved_meanwhile(spool: Spool, queue: SpoolQueue) -> None:
    queue.enqueue(JobRequest(POOL.role, POOL.runtime, key="a"))
    placed = queue.find("a")
    assert placed is not None
    done = at_step("bury.found", lambda: queue.hold("a"))
    failure = operate.used_up(placed.token)
    assert failure is None, "an ordinary token"
    assert not operate.bury(spool, placed, failing("invalid_spec").failure, FakeClock().now_ms(), "w-box-1")  # type: ignore[arg-type]
    assert done
    assert where(queue, "a") == "held"
