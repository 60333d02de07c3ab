"""Pause, cool-down and drain: level-triggered files, timed by the observer's own clock (invariant 6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool
from wf_cli.spool import control
from wf_cli.spool.layout import Spool


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


def test_a_pause_holds_until_it_is_withdrawn(spool: Spool, clock: FakeClock) -> None:
    requests = control.Requests(spool, clock)
    assert requests.stops() == []
    control.request(spool, "pause", clock, reason="lunch")
    clock.advance(10**6)
    stop = requests.stop_for("opencode")
    assert stop is not None
    assert stop.text() == "the spool is paused: lunch"
    assert control.withdraw(spool, "pause")
    assert requests.stop_for("opencode") is None
    assert not control.withdraw(spool, "pause")


def test_a_pause_of_one_runtime_leaves_the_others(spool: Spool, clock: FakeClock) -> None:
    control.request(spool, "pause.cursor", clock)
    requests = control.Requests(spool, clock)
    assert requests.stop_for("opencode") is None
    assert requests.stop_for("cursor") is not None


@pytest.mark.parametrize("name", ["pause", "cooldown.opencode"])
def test_a_timed_request_ends_by_the_wall_clock(spool: Spool, clock: FakeClock, name: str) -> None:
    control.request(spool, name, clock, seconds=60)
    requests = control.Requests(spool, clock)
    clock.advance(59.9)
    assert requests.stop_for("opencode") is not None
    clock.advance(0.1)
    assert requests.stop_for("opencode") is None


def test_i6_a_cool_down_ends_by_my_own_clock_when_the_wall_clock_is_set_back(spool: Spool, clock: FakeClock) -> None:
    control.request(spool, "cooldown.opencode", clock, seconds=60)
    clock.jump(-86400)
    requests = control.Requests(spool, clock)
    assert requests.stop_for("opencode") is not None, "first seen now"
    clock.advance(59.9)
    assert requests.stop_for("opencode") is not None
    clock.advance(0.1)
    assert requests.stop_for("opencode") is None


def test_i6_a_request_that_is_made_again_is_watched_anew(spool: Spool, clock: FakeClock) -> None:
    control.request(spool, "cooldown.opencode", clock, seconds=60)
    clock.jump(-86400)
    requests = control.Requests(spool, clock)
    requests.stops()
    clock.advance(59)
    clock.jump(86400)
    control.request(spool, "cooldown.opencode", clock, seconds=60)
    clock.jump(-86400)
    clock.advance(2)
    assert requests.stop_for("opencode") is not None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '"x"', "[" * 100_000, '{"until_ms": "x", "seconds": []}', '{"reason": {"a": 1}}'],
    ids=range(8),
)
def test_i7_a_damaged_request_still_asks_to_stop(spool: Spool, clock: FakeClock, content: str) -> None:
    """The safe reading. `wf spool verify` or whoever wrote it can take it back."""
    spool.path("control", "pause.json").write_text(content)
    (stop,) = control.Requests(spool, clock).stops()
    assert stop.text()


@pytest.mark.parametrize("until", [10**13, 10**30, -(10**30), 2**63])
def test_i7_a_time_that_no_calendar_has_can_still_be_shown(spool: Spool, clock: FakeClock, until: int) -> None:
    spool.path("control", "pause.json").write_text(json.dumps({"until_ms": until, "seconds": 10**12}))
    for stop in control.Requests(spool, clock).stops():
        assert "paused" in stop.text()


@pytest.mark.parametrize("name", ["pause", "pausex.json", "pause.json.part", ".pause.json", "drain.w-box-1.json"])
def test_only_the_names_of_requests_stop_anything(spool: Spool, clock: FakeClock, name: str) -> None:
    spool.path("control", name).write_text("{}")
    assert control.Requests(spool, clock).stops() == []


def test_drain_and_fresh_are_seen_by_name_alone(spool: Spool, clock: FakeClock) -> None:
    control.request(spool, "drain.w-box-1", clock)
    assert control.has(spool, "drain.w-box-1")
    assert not control.has(spool, "drain.w-box-2")
