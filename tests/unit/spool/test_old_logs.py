"""Old logs of events go in two steps, and no event that is written meanwhile goes with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.clock import START_MS, FakeClock
from support.spools import make_spool, problems
from wf_cli import seams
from wf_cli.eventlog.log import EventLog
from wf_cli.eventlog.read import read
from wf_cli.spool.layout import Spool
from wf_cli.spool.old_logs import WAIT_MS, remove
from wf_cli.spool.troubles import EachItem, Trouble

DAY = 24 * 3600 * 1000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


def wrote(spool: Spool, writer: str, job: str, at_ms: int) -> Path:
    """A log whose last event is of ``at_ms``."""
    log = EventLog(spool.folder("log"), writer, FakeClock())
    log.emit("job.claimed", job_id=job)
    log.rest()
    os.utime(log.path, (at_ms / 1000, at_ms / 1000))
    return log.path


def gc(spool: Spool, now_ms: int, keep_ms: int = DAY) -> list[str]:
    each = EachItem()
    gone = remove(spool, each, before_ms=now_ms - keep_ms, now_ms=now_ms)
    each.finish()
    assert not problems(spool)
    return gone


def jobs(spool: Spool) -> list[str]:
    return sorted(str(event.facts["job_id"]) for event in read(spool.folder("log")))


def test_a_log_is_put_aside_first_and_removed_an_hour_later(spool: Spool) -> None:
    wrote(spool, "w-old-1", "a", START_MS - 2 * DAY)
    wrote(spool, "w-new-1", "b", START_MS - DAY // 2)
    assert gc(spool, START_MS) == []
    assert jobs(spool) == ["b"]
    assert gc(spool, START_MS + WAIT_MS - 1) == []
    assert gc(spool, START_MS + WAIT_MS) == ["w-old-1.jsonl"]
    assert os.listdir(spool.folder("log")) == ["w-new-1.jsonl"]


def test_what_is_written_while_it_is_put_aside_comes_back(spool: Spool) -> None:
    path = wrote(spool, "w-old-1", "a", START_MS - 2 * DAY)
    with open(path, "ab") as opened:  # A writer on another host had it open.
        gc(spool, START_MS)
        late = path.parent / f"{path.name}.{START_MS}.old"
        assert late.exists()
        wrote(spool, "w-old-1", "c", START_MS + 1)  # Its next process begins a new file of the name.
        opened.write(b'{"schema": 1, "ts": "2025-11-24T16:00:00.123Z", "event": "job.claimed", "job_id": "b"}\n')
    os.utime(late, ((START_MS + 1) / 1000, (START_MS + 1) / 1000))
    assert gc(spool, START_MS + 2 * WAIT_MS) == []
    assert jobs(spool) == ["a", "b", "c"]


def test_events_of_the_last_hour_stay_however_short_the_time_is(spool: Spool) -> None:
    wrote(spool, "w-old-1", "a", START_MS - WAIT_MS + 1)
    gc(spool, START_MS, keep_ms=0)
    assert jobs(spool) == ["a"]


def test_two_at_once_and_one_that_dies_in_between_lose_nothing(spool: Spool) -> None:
    for k in range(3):
        wrote(spool, f"w-old-{k}", f"o{k}", START_MS - 2 * DAY)
    wrote(spool, "w-new-1", "n", START_MS)

    def other(name: str) -> None:
        seams.install(None)
        if name == "logs.aside":
            gc(spool, START_MS)

    seams.install(other)
    try:
        gc(spool, START_MS)
    finally:
        seams.install(None)
    assert jobs(spool) == ["n"]
    assert sorted(gc(spool, START_MS + WAIT_MS)) == [f"w-old-{k}.jsonl" for k in range(3)]
    assert jobs(spool) == ["n"]


def test_what_is_no_log_is_left_alone(spool: Spool) -> None:
    os.mkfifo(spool.path("log", "w-a-1.jsonl"))
    spool.path("log", "w-b-1.jsonl").mkdir()
    os.utime(spool.path("log", "w-b-1.jsonl"), (1, 1))
    troubles: list[Trouble] = []
    each = EachItem(troubles.append)
    assert remove(spool, each, before_ms=START_MS, now_ms=START_MS + DAY) == []
    each.finish()
    assert sorted(os.listdir(spool.folder("log"))) == ["w-a-1.jsonl", "w-b-1.jsonl"]
