"""A provider's limit is a state of the pool: how long it lasts, who may shorten it, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import POOL, Recorder, claim_one, make_spool, request, spool_queue
from wf_cli.attempt import cooldown
from wf_cli.contract.failure import Failure
from wf_cli.contract.retry import PARKED_DELAY, ending_of
from wf_cli.spool import control
from wf_cli.spool.layout import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def refuse(spool: Spool, clock: FakeClock, code: str = "rate_limited", after: float | None = None) -> float:
    return cooldown.cool_down(spool, "opencode", Failure(code, "slow down", retry_after_s=after), clock, Recorder())


def stopped(spool: Spool, clock: FakeClock, runtime: str = "opencode") -> bool:
    return control.Requests(spool, clock).stop_for(runtime) is not None


def test_the_time_that_the_provider_named_counts(spool: Spool, clock: FakeClock) -> None:
    assert refuse(spool, clock, "usage_limit", after=7200) == 7200
    clock.advance(7199)
    assert stopped(spool, clock)
    assert not stopped(spool, clock, "cursor"), "other pools go on"
    clock.advance(1)
    assert not stopped(spool, clock)


def test_the_state_says_what_the_provider_said(spool: Spool, clock: FakeClock) -> None:
    refuse(spool, clock, "usage_limit", after=60)
    stop = control.Requests(spool, clock).stop_for("opencode")
    assert stop is not None
    assert "usage_limit: slow down" in stop.text()
    assert stop.to_json()["kind"] == "cooldown"


def test_without_a_time_the_wait_doubles_up_to_a_bound(spool: Spool, clock: FakeClock) -> None:
    waits = []
    for _ in range(8):
        waits.append(refuse(spool, clock, "usage_limit"))
        clock.advance(waits[-1] + 1)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert refuse(spool, clock, "rate_limited") == cooldown.LONGEST_WAIT["rate_limited"]


def test_agents_that_are_refused_at_once_are_one_round(spool: Spool, clock: FakeClock) -> None:
    assert refuse(spool, clock) == PARKED_DELAY
    clock.advance(5)
    assert refuse(spool, clock) == PARKED_DELAY - 5
    clock.advance(PARKED_DELAY)
    assert refuse(spool, clock) == 2 * PARKED_DELAY


def test_a_series_that_is_long_over_begins_anew(spool: Spool, clock: FakeClock) -> None:
    refuse(spool, clock)
    clock.advance(PARKED_DELAY + cooldown.SERIES + 1)
    assert refuse(spool, clock) == PARKED_DELAY


def test_a_longer_cool_down_is_never_shortened(spool: Spool, clock: FakeClock) -> None:
    refuse(spool, clock, after=3600)
    assert refuse(spool, clock, after=10) == 3600
    assert refuse(spool, clock) == 3600
    assert refuse(spool, clock, after=7200) == 7200


@pytest.mark.parametrize("after", [0.0, -5.0, float("nan"), float("inf"), 1e30])
def test_times_that_make_no_sense_are_bounded(spool: Spool, clock: FakeClock, after: float) -> None:
    assert 1 <= refuse(spool, clock, after=after) <= cooldown.MAX_DELAY


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_i6_a_step_of_the_clock_neither_shortens_nor_lengthens_it(
    spool: Spool, clock: FakeClock, step: float
) -> None:
    """After a step back the pool waited an hour more, and each refusal took that for the provider's word."""
    refuse(spool, clock)
    clock.jump(step)
    assert refuse(spool, clock) == PARKED_DELAY
    clock.advance(PARKED_DELAY)
    assert not stopped(spool, clock)
    assert refuse(spool, clock) == 2 * PARKED_DELAY, "the next round of the series"
    clock.jump(-2 * step)
    cooldown.warm_up(spool, "opencode", clock, Recorder())
    assert stopped(spool, clock)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"until_ms": ' + "9" * 400 + "}",
        '{"until_ms": 1, "round": -' + "9" * 400 + "}",
        '{"until_ms": "soon"}',
        '{"until_ms": 1e400}',
        '{"until_ms": null}',
    ],
)
def test_a_damaged_file_is_replaced(spool: Spool, clock: FakeClock, text: str) -> None:
    spool.path("control", "cooldown.opencode.json").write_text(text)
    assert refuse(spool, clock) == PARKED_DELAY
    assert stopped(spool, clock)


def test_a_success_ends_the_series_and_never_a_cool_down_that_holds(spool: Spool, clock: FakeClock) -> None:
    refuse(spool, clock)
    events = Recorder()
    cooldown.warm_up(spool, "opencode", clock, events)
    assert stopped(spool, clock), "another slot got through just before"
    assert events.kinds() == []
    clock.advance(PARKED_DELAY)
    cooldown.warm_up(spool, "opencode", clock, events)
    assert events.kinds() == ["pool.resumed"]
    assert refuse(spool, clock) == PARKED_DELAY


def test_resume_makes_parked_jobs_ready_and_no_others(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue_many([request("parked"), request("failed"), request("later", delay_s=500)])
    for code in ("usage_limit", "crashed"):
        token = claim_one(queue)
        queue.end(token, ending_of(Failure(code, "no", retry_after_s=300)), by="w-box-1")
    assert queue.unpark("cursor") == []
    assert queue.unpark("opencode") == ["parked"]
    assert claim_one(queue).job_id == "parked"
    assert queue.claim("w-box-1", (POOL,)) is None
