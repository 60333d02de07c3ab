"""Agents that end at once and have done nothing: whose fault that is, what it costs, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import POOL, Recorder, make_spool, request, spool_queue
from wf_cli.attempt import refusals
from wf_cli.attempt.end import Ends
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control


class Bench:
    """A spool and one worker's endings. Each call of `end` looks at the spool afresh, as another process would."""

    def __init__(self, root: Path):
        self.clock = FakeClock()
        self.spool = make_spool(root / "spool")
        self.queue = spool_queue(self.spool, self.clock)

    def enqueue(self, *keys: str, pool: Pool = POOL) -> None:
        self.queue.enqueue_many([request(key, pool) for key in keys])

    def end(self, job_id: str, ending: Ending, pool: Pool = POOL) -> Outcome:
        """Claim ``job_id`` once it is ready and the pool is not parked, and end the attempt."""
        queue: SpoolQueue = spool_queue(self.spool, self.clock)
        for _ in range(1000):
            token = queue.claim("w-box-1", (pool,), lambda token: token.job_id == job_id)
            if token is not None and not self.stopped():
                queue.start(token)
                return Ends(queue, self.clock, Recorder(), print).once(token, ending, by="w-box-1").outcome
            assert token is None, "a parked pool's job is not ready"
            self.clock.advance(10)
        raise AssertionError(f"{job_id} is never ready")

    def refuse(self, job_id: str, pool: Pool = POOL) -> Outcome:
        failure = refusals.refusal(Failure("crashed", "computer says no", details={"stderr": "no"}), 1.2)
        return self.end(job_id, ending_of(failure, started_ms=self.clock.now_ms()), pool)

    def work(self, job_id: str, pool: Pool = POOL) -> Outcome:
        return self.end(job_id, Ending(End.SUCCEEDED, started_ms=self.clock.now_ms()), pool)

    def stopped(self) -> str:
        stop = control.Requests(self.spool, self.clock).stop_for("opencode")
        return "" if stop is None else stop.text()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_after_three_refusals_the_pool_is_parked_and_none_burned(bench: Bench) -> None:
    bench.enqueue("a")
    outcomes = [bench.refuse("a") for _ in range(3)]
    assert [(o.end, o.burned) for o in outcomes] == [(End.RELEASED, 0)] * 3
    assert outcomes[0].failure is not None
    assert (outcomes[0].failure.code, outcomes[0].failure.details["stderr"]) == ("refused", "no")
    assert "3 attempts on opencode ended within 5 s without work: `wf doctor`" in bench.stopped()
    assert "computer says no" in bench.stopped()


def test_the_pause_grows_and_ends_by_itself(bench: Bench) -> None:
    bench.enqueue("a")
    waits = [bench.refuse("a").disposition.delay_s for _ in range(6)][2:]
    assert waits == [30, 60, 120, 240]
    bench.clock.advance(241)
    assert not bench.stopped()


def test_jobs_of_a_pool_count_together(bench: Bench) -> None:
    bench.enqueue("a", "b", "c")
    assert not bench.stopped()
    for job_id in ("a", "b", "c"):
        bench.refuse(job_id)
    assert "3 attempts" in bench.stopped()


def test_roles_of_a_runtime_count_together(bench: Bench) -> None:
    other = Pool("reviewer", "opencode")
    bench.enqueue("a", "b")
    bench.enqueue("c", pool=other)
    bench.refuse("a")
    bench.refuse("b")
    bench.refuse("c", other)
    assert "3 attempts" in bench.stopped()


def test_work_ends_the_row(bench: Bench) -> None:
    bench.enqueue("a", "b", "c", "d")
    bench.refuse("a")
    bench.refuse("b")
    bench.work("a")
    bench.refuse("c")
    bench.refuse("d")
    assert not bench.stopped()


def test_work_after_a_pause_begins_the_pauses_anew(bench: Bench) -> None:
    bench.enqueue("a", "b")
    for _ in range(4):
        bench.refuse("a")
    bench.clock.advance(200)
    bench.work("a")
    waits = [bench.refuse("b").disposition.delay_s for _ in range(3)]
    assert waits[2] == 30


def test_a_job_whose_own_fault_it_is_dies_while_others_succeed(bench: Bench) -> None:
    bench.enqueue("poison", "a", "b", "c")
    assert bench.refuse("poison").burned == 0
    bench.clock.advance(1)
    bench.work("a")
    outcomes = [bench.refuse("poison") for _ in range(3)]
    assert [o.burned for o in outcomes] == [1, 2, 3]
    assert outcomes[-1].disposition.to == "dead"
    assert outcomes[-1].failure is not None
    assert outcomes[-1].failure.code == "crashed"
    assert not bench.stopped()


def test_work_that_was_begun_before_proves_nothing_against_a_job(bench: Bench) -> None:
    bench.enqueue("a", "b")
    begun_ms = bench.clock.now_ms()
    bench.clock.advance(60)
    bench.refuse("a")
    bench.end("b", Ending(End.SUCCEEDED, started_ms=begun_ms))
    assert bench.refuse("a").burned == 0


def test_work_of_another_role_proves_nothing_because_it_has_another_model(bench: Bench) -> None:
    other = Pool("reviewer", "opencode")
    bench.enqueue("a")
    bench.enqueue("b", pool=other)
    bench.refuse("a")
    bench.clock.advance(1)
    bench.work("b", other)
    assert bench.refuse("a").burned == 0


def test_a_refusal_of_another_job_since_speaks_for_the_pool(bench: Bench) -> None:
    bench.enqueue("a", "b", "c")
    bench.refuse("a")
    bench.clock.advance(1)
    bench.work("b")
    bench.refuse("c")
    assert bench.refuse("a").burned == 0


def test_what_was_refused_before_a_pause_does_not_count_against_a_job(bench: Bench) -> None:
    bench.enqueue("a", "b")
    for _ in range(3):
        bench.refuse("a")
    bench.clock.advance(100)
    bench.work("b")
    assert bench.refuse("a").burned == 0, "the limit is back"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"count": -1}', '{"count": 1e400}', '{"worked": {"coder": 3}}'])
def test_a_damaged_record_is_begun_anew(bench: Bench, text: str) -> None:
    bench.enqueue("a")
    bench.spool.path("control", "refusals.opencode.json").write_text(text)
    bench.refuse("a")
    record = json.loads(bench.spool.path("control", "refusals.opencode.json").read_text())
    assert (record["count"], record["jobs"]) == (1, ["a"])
