"""The stream of all logs: by time, each event once, in little memory, whatever lies in the folder."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from wf_cli import clock as times
from wf_cli.contract import plain_json
from wf_cli.contract.event import Event
from wf_cli.eventlog import stream as streams
from wf_cli.eventlog.stream import Stream

NOW = 1_764_000_000_000


def append(path: Path, *found: tuple[int, str], **facts: Any) -> None:
    """As `EventLog` writes them."""
    with path.open("a") as file:
        for ms, kind in found:
            file.write(plain_json.dumps(Event(times.iso(NOW + ms), kind, facts).to_json()) + "\n")


def seen(stream: Stream) -> list[tuple[int, str]]:
    return [(ms - NOW, event.event) for ms, event in stream.new_events()]


@pytest.fixture(params=[None, 64], ids=["large pieces", "pieces shorter than a line"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param is not None:
        monkeypatch.setattr(streams, "_LEAST", request.param)
        monkeypatch.setattr(streams, "_MOST", request.param)


@pytest.mark.usefixtures("pieces")
def test_logs_are_merged_by_time_and_each_event_comes_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    moments = sorted(rng.sample(range(10_000), 300))
    for ms in moments:
        append(tmp_path / f"w-{rng.randrange(7)}.jsonl", (ms, "job.claimed"), job_id="a")
    stream = Stream(tmp_path)
    assert seen(stream) == [(ms, "job.claimed") for ms in moments]
    assert seen(stream) == []
    append(tmp_path / "w-3.jsonl", (20_000, "job.failed"), job_id="a")
    append(tmp_path / "new.jsonl", (15_000, "job.dead"), job_id="a")
    assert seen(stream) == [(15_000, "job.dead"), (20_000, "job.failed")]


@pytest.mark.usefixtures("pieces")
def test_a_line_that_is_not_complete_comes_when_it_is(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", (1, "job.claimed"), (2, "job.failed"))
    whole = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(whole[:-9])
    stream = Stream(tmp_path)
    assert seen(stream) == [(1, "job.claimed")]
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(whole[-9:])
    assert seen(stream) == [(2, "job.failed")]


def test_kinds_that_are_not_wanted_are_left_out_in_any_form_of_a_line(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", (1, "job.started"), (2, "job.failed"), reason='"event": "job.started"')
    with (tmp_path / "a.jsonl").open("a") as file:
        for ms, kind in ((3, "job.started"), (4, "job.dead")):
            file.write(json.dumps({"event": kind, "ts": times.iso(NOW + ms)}, separators=(",", ":")) + "\n")
    assert seen(Stream(tmp_path, without={"job.started"})) == [(2, "job.failed"), (4, "job.dead")]


def test_thousands_of_logs_do_not_need_thousands_of_descriptors(tmp_path: Path) -> None:
    count = 3000
    for n in range(count):
        append(tmp_path / f"w-{n}.jsonl", (n, "job.claimed"))
    before, most = len(os.listdir("/dev/fd")), 0
    found = []
    for entry in Stream(tmp_path).new_events():
        found.append(entry[0] - NOW)
        if len(found) % 100 == 0:
            most = max(most, len(os.listdir("/dev/fd")))
    assert found == list(range(count))
    assert most < before + 50


def test_what_is_no_log_costs_nothing_and_what_may_not_be_read_is_said_once(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", (1, "job.claimed"))
    (tmp_path / "b.jsonl").symlink_to("a.jsonl")
    os.mkfifo(tmp_path / "c.jsonl")
    (tmp_path / "d.jsonl").mkdir()
    (tmp_path / "e.jsonl").write_bytes(b"\x00\xff{[" * 1000)
    said: list[OSError] = []
    assert seen(Stream(tmp_path, report=said.append)) == [(1, "job.claimed")]
    assert said == []


def test_a_log_that_begins_anew_is_read_from_its_start_and_no_folder_is_no_event(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "log")
    assert seen(stream) == []
    (tmp_path / "log").mkdir()
    append(tmp_path / "log" / "a.jsonl", (1, "job.claimed"), (2, "job.failed"))
    assert len(seen(stream)) == 2
    (tmp_path / "log" / "a.jsonl").rename(tmp_path / "old")
    append(tmp_path / "log" / "a.jsonl", (5, "job.dead"))
    assert seen(stream) == [(5, "job.dead")]
