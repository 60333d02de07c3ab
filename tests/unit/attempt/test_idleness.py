"""Attempts that ended at once without work: when they burn, when their pool parks, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.spools import claim_one, failing, make_spool, request, run_one, spool_queue
from wf_cli.attempt import cooldown, idleness
from wf_cli.contract.event import NoEvents
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import PARKED_DELAY, Ending
from wf_cli.contract.token import Pool, Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control

POOL = Pool("coder", "cursor")


class Bench:
    """A spool with jobs of one pool, and attempts that do nothing."""

    def __init__(self, root: Path):
        self.clock = FakeClock()
        self.spool = make_spool(root / "spool")
        self.queue: SpoolQueue = spool_queue(self.spool, self.clock)

    def enqueue(self, *keys: str, **options: Any) -> None:
        for key in keys:
            self.queue.enqueue(request(key, POOL, **options))

    def idle(self, key: str | None = None, *, code: str = "crashed", seconds: float = 0.4) -> Outcome:
        """The next job's next attempt, which does nothing; its outcome."""
        token = self.next(key)
        before = self.queue.readable_outcome(token.job_id, token.attempt - 1) if token.attempt > 1 else None
        ending = idleness.weigh(
            self.spool, token, failing(code), before, seconds=seconds, clock=self.clock, events=NoEvents()
        )
        return self.queue.end(token, ending, by="w-box-1").outcome

    def next(self, key: str | None) -> Token:
        self.clock.advance(10 * 3600)
        token = run_one(self.queue, "w-box-1", POOL)
        assert key in (None, token.job_id)
        return token

    def work(self) -> None:
        self.clock.advance(idleness.NOTED_EVERY + 1)
        idleness.note_work(self.spool, "cursor", self.clock)
        self.clock.advance(1)

    @property
    def pause(self) -> float | None:
        """Seconds for which the pool is parked from now on."""
        found = control.cooldown(self.spool, "cursor")
        left = (found.until_ms - self.clock.now_ms()) / 1000 if found is not None else 0
        return left if left > 0 else None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_three_in_a_row_park_the_pool_and_burn_nothing(bench: Bench) -> None:
    bench.enqueue("a")
    for number in (1, 2):
        outcome = bench.idle("a")
        assert (outcome.end, outcome.burned, outcome.disposition.to) == (End.RELEASED, 0, "queued"), number
        assert bench.pause is None
    third = bench.idle("a")
    assert (third.burned, third.failure and third.failure.code) == (0, "no_work")
    assert bench.pause == pytest.approx(PARKED_DELAY)
    stop = control.Requests(bench.spool, bench.clock).stop_for("cursor")
    assert stop is not None
    assert "3 attempts on cursor ended within 1 s without work: `wf doctor`" in stop.text()
    assert "it was crashed" in stop.text()


def test_the_pause_grows_while_nothing_works_and_begins_anew_after_work(bench: Bench) -> None:
    bench.enqueue("a", max_attempts=9)
    pauses = []
    for _ in range(3 + 9):
        token = run_one(bench.queue, "w-box-1", POOL)
        ending = idleness.weigh(
            bench.spool, token, failing("crashed"), None, seconds=1, clock=bench.clock, events=NoEvents()
        )
        bench.queue.end(token, ending, by="w-box-1")
        pauses.append(bench.pause)
        bench.clock.advance((bench.pause or 5) + 1)
    assert pauses[:3] == [None, None, pytest.approx(60)]
    assert pauses[3:] == [pytest.approx(min(60 * 2.0**n, cooldown.LONGEST_WAIT["no_work"])) for n in range(1, 10)]
    bench.work()
    bench.enqueue("b")
    assert bench.idle().burned == 1, "another agent has worked since, so it is the job's own fault"
    assert bench.idle("b").burned == 0
    assert bench.pause is None


def test_jobs_of_one_pool_count_together_and_pools_apart(bench: Bench) -> None:
    bench.enqueue("a", "b", "c")
    for _ in range(3):
        bench.idle()
    assert bench.pause is not None
    assert control.cooldown(bench.spool, "opencode") is None


def test_the_series_lasts_across_processes(bench: Bench) -> None:
    bench.enqueue("a")
    bench.idle("a")
    bench.idle("a")
    bench.queue = spool_queue(bench.spool, bench.clock)
    bench.idle("a")
    assert bench.pause is not None


def test_a_job_whose_own_fault_it_is_burns_while_its_pool_works_and_goes_dead(bench: Bench) -> None:
    bench.enqueue("poison")
    outcomes = []
    for _ in range(4):
        outcomes.append(bench.idle("poison"))
        bench.work()
    assert [outcome.burned for outcome in outcomes] == [0, 1, 2, 3]
    assert [outcome.failure and outcome.failure.code for outcome in outcomes] == ["no_work"] + ["crashed"] * 3
    assert outcomes[-1].disposition.to == "dead"
    assert bench.pause is None


def test_a_damaged_file_begins_the_series_anew(bench: Bench) -> None:
    bench.enqueue("a")
    bench.idle("a")
    for damage in ("{", "[]", '{"count": -1, "longest_s": 0, "worked_ms": 0}', '{"count": "x"}', '{"count": 1e999}'):
        bench.spool.path("control", "idle.cursor.json").write_text(damage)
        bench.idle("a")
        assert bench.pause is None, damage


@pytest.mark.parametrize(
    ("ending", "seconds", "worked", "idle"),
    [
        (failing("crashed"), 1.0, False, True),
        (failing("network"), 1.0, False, True),
        (failing("checks_unmet"), 1.0, False, True),
        (failing("crashed"), 1.0, True, False),
        (failing("crashed"), idleness.AT_ONCE, False, False),
        (failing("model_not_found"), 1.0, False, False),
        (Ending(End.SUCCEEDED), 1.0, False, False),
        (Ending(End.RELEASED, reason="stopped"), 1.0, False, False),
    ],
)
def test_what_counts_as_idle(ending: Ending, seconds: float, worked: bool, idle: bool) -> None:
    assert idleness.may_be_idle(ending, seconds=seconds, worked=worked) is idle


def test_what_was_said_is_kept_whole(bench: Bench) -> None:
    bench.enqueue("a")
    failure = bench.idle("a").failure
    assert failure is not None
    assert failure.message == "ended after 0.4 s without work: it was crashed"
    assert failure.details["code"] == "crashed"


def test_a_claim_that_was_not_started_is_no_idle_attempt(bench: Bench) -> None:
    bench.enqueue("a")
    token = claim_one(bench.queue, "w-box-1", POOL)
    bench.queue.end(token, Ending(End.RELEASED, reason="paused"), by="w-box-1")
    assert control.cooldown(bench.spool, "cursor") is None
