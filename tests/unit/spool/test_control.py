"""Pause, cool-down and drain: level-triggered files, whose time no wall clock decides (invariant 6)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool
from wf_cli import proc
from wf_cli.spool import control, elapsed
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
def test_a_timed_request_ends_after_its_time(spool: Spool, clock: FakeClock, name: str) -> None:
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


HOUR, YEARS = 3600.0, 10 * 365 * 86400.0


def on_another_host(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> FakeClock:
    """From now on this process is on another host, whose clocks are the result."""
    monkeypatch.setattr(proc, "boot_id", lambda: "another-boot")
    return FakeClock(clock.now_ms(), monotonic=7.0)


def written_ago(spool: Spool, name: str, seconds: float) -> None:
    """The file server's clock goes on, and nobody changes the file."""
    path = spool.path("control", f"{name}.json")
    then = path.stat().st_mtime_ns - round(seconds * 1e9)
    os.utime(path, ns=(then, then))


@pytest.mark.parametrize("off", [HOUR, -HOUR, YEARS, -YEARS])
@pytest.mark.parametrize("name", ["pause", "cooldown.opencode"])
def test_i6_a_request_of_a_host_with_another_clock_holds_for_its_time(
    spool: Spool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, name: str, off: float
) -> None:
    """From a host an hour ahead, five seconds lasted an hour; from one an hour behind they stopped nothing."""
    control.request(spool, name, FakeClock(clock.now_ms() + round(off * 1000)), seconds=60)
    here = on_another_host(monkeypatch, clock)
    requests = control.Requests(spool, here)
    (stop,) = requests.stops()
    assert stop.until_ms is not None
    assert here.now_ms() < stop.until_ms <= here.now_ms() + 60_000
    here.advance(60)
    assert requests.stops() == []
    assert len(control.Requests(spool, here).stops()) == 1, "by the file's server no time has passed"
    written_ago(spool, name, 30)
    late = control.Requests(spool, here)
    (stop,) = late.stops()
    assert stop.until_ms is not None
    assert stop.until_ms <= here.now_ms() + 30_000
    written_ago(spool, name, 30)
    assert control.Requests(spool, here).stops() == []
    assert len(late.stops()) == 1, "it is the same request, and this process's own clock tells when it is over"
    here.advance(30)
    assert late.stops() == []


@pytest.mark.parametrize("step", [HOUR, -HOUR, YEARS, -YEARS])
def test_i6_a_step_of_this_hosts_clock_changes_nothing_for_a_new_process(
    spool: Spool, clock: FakeClock, step: float
) -> None:
    """A new process said "paused until 2036" for a pause of five seconds, or did not see it."""
    control.request(spool, "pause", clock, seconds=5)
    clock.jump(step)
    (stop,) = control.Requests(spool, clock).stops()
    assert stop.until_ms == clock.now_ms() + 5000
    clock.advance(5)
    assert control.Requests(spool, clock).stops() == []


def test_i6_a_step_of_the_clock_under_a_watcher_changes_neither_the_end_nor_its_text(
    spool: Spool, clock: FakeClock
) -> None:
    control.request(spool, "pause", clock, seconds=60)
    requests = control.Requests(spool, clock)
    told = [stop.text() for stop in requests.stops()]
    for step in (HOUR, -2 * HOUR, HOUR):
        clock.jump(step)
        assert [stop.text() for stop in requests.stops()] == told
    clock.advance(60)
    assert requests.stops() == []


def test_i6_where_the_time_of_the_files_cannot_be_told_a_request_is_watched_from_its_first_sight(
    spool: Spool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.request(spool, "pause", clock, seconds=60)
    written_ago(spool, "pause", 1000)
    spool.folder("tmp").rmdir()
    here = on_another_host(monkeypatch, clock)
    requests = control.Requests(spool, here)
    assert len(requests.stops()) == 1
    here.advance(59.9)
    assert len(requests.stops()) == 1
    here.advance(0.1)
    assert requests.stops() == []


def test_a_request_of_an_older_wf_holds_for_its_time(spool: Spool, clock: FakeClock) -> None:
    """It names the writer's wall clock only."""
    far = clock.now_ms() + round(YEARS * 1000)
    spool.path("control", "pause.json").write_text(json.dumps({"until_ms": far, "seconds": 60, "reason": "lunch"}))
    requests = control.Requests(spool, clock)
    (stop,) = requests.stops()
    assert stop.until_ms is not None
    assert stop.until_ms <= clock.now_ms() + 60_000
    clock.advance(60)
    assert requests.stops() == []


def test_looking_leaves_nothing_behind(spool: Spool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    control.request(spool, "pause", clock, seconds=60)
    control.Requests(spool, on_another_host(monkeypatch, clock)).stops()
    assert list(spool.folder("tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "command"), [("pause", "`wf resume`"), ("cooldown.opencode", "`wf resume --runtime opencode`")]
)
def test_an_end_that_is_years_away_is_said_with_the_command_that_ends_it(
    spool: Spool, clock: FakeClock, name: str, command: str
) -> None:
    control.request(spool, name, clock, seconds=YEARS)
    (stop,) = control.Requests(spool, clock).stops()
    assert f"(that is 3650 days; {command} ends it)" in stop.text()


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-1", "true", "1e300", '"5"'])
def test_i7_a_duration_that_is_none_holds_until_it_is_withdrawn(spool: Spool, clock: FakeClock, seconds: str) -> None:
    spool.path("control", "pause.json").write_text(f'{{"seconds": {seconds}, "until_ms": 5}}')
    (stop,) = control.Requests(spool, clock).stops()
    assert stop.until_ms is None


@pytest.mark.parametrize(
    "stamp", ['"boot": 5', '"uptime_s": "x"', '"uptime_s": 1e400', '"boot": null', '"uptime_s": -1e300']
)
def test_i7_a_stamp_that_is_none_harms_nothing(spool: Spool, clock: FakeClock, stamp: str) -> None:
    mine = json.dumps(elapsed.stamp(clock))[1:-1]
    spool.path("control", "pause.json").write_text(f'{{"seconds": 60, {mine}, {stamp}}}')
    for stop in control.Requests(spool, clock).stops():
        assert "paused" in stop.text()


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
