"""Reading events: merged in the order of each job's life, whatever lies in the folder."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli import clock as times
from wf_cli.contract.event import Event
from wf_cli.eventlog import read as reading
from wf_cli.eventlog import stream as streams
from wf_cli.eventlog.lines import LINE_LIMIT, parse_line
from wf_cli.eventlog.read import Selection, follow, ordered, read

NOW = 1_764_000_000_000


def event(ms: int, kind: str, **facts: Any) -> Event:
    return Event(times.iso(NOW + ms), kind, facts)


def append(path: Path, *events: Event) -> None:
    with path.open("a") as file:
        file.writelines(event.line() + "\n" for event in events)


def kinds(events: list[Event]) -> list[str]:
    return [event.event for event in events]


LIFE = [
    ("job.enqueued", 0), ("job.claimed", 1), ("job.started", 1), ("attempt.session", 1), ("job.failed", 1),
    ("job.claimed", 2), ("job.started", 2), ("job.reaped", 2), ("job.dead", 2), ("job.retried", 2),
    ("job.claimed", 3), ("job.started", 3), ("job.succeeded", 3),
]  # fmt: skip


def test_a_job_seen_by_hosts_with_wrong_clocks_keeps_the_order_of_its_life() -> None:
    rng = random.Random(3)
    for _ in range(20):
        events = [event(rng.randrange(100), kind, job_id="a", attempt=n) for kind, n in LIFE]
        rng.shuffle(events)
        assert [(e.event, e.facts["attempt"]) for e in ordered(events)] == LIFE


def test_jobs_are_merged_by_time_and_equal_times_stay_in_order() -> None:
    one = [event(1, "job.enqueued", job_id="a"), event(5, "job.claimed", job_id="a", attempt=1)]
    two = [event(1, "job.enqueued", job_id="b"), event(3, "job.claimed", job_id="b", attempt=1)]
    assert [e.facts["job_id"] for e in ordered(one + two)] == ["a", "b", "b", "a"]


def test_what_can_happen_at_any_time_stays_where_its_time_puts_it() -> None:
    events = [
        event(1, "job.enqueued", job_id="a"),
        event(2, "job.held", job_id="a"),
        event(3, "job.released", job_id="a", **{"from": "held"}),
        event(4, "job.claimed", job_id="a", attempt=1),
        event(9, "attempt.late", job_id="a", attempt=1),
        event(5, "job.claimed", job_id="a", attempt=2),
    ]
    assert kinds(ordered(events)) == [
        "job.enqueued", "job.held", "job.released", "job.claimed", "job.claimed", "attempt.late",
    ]  # fmt: skip


def test_hostile_and_torn_lines_cost_themselves_only(tmp_path: Path) -> None:
    good = event(1, "job.enqueued", job_id="a").line().encode()
    bad = [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, good[:30],
        json.dumps({"ts": "soon", "event": "job.dead"}).encode(),
        json.dumps({"ts": 5, "event": "job.dead"}).encode(),
        json.dumps({"ts": "2026-11-22T08:00:00Z", "event": None}).encode(),
        b'{"pad": "' + b"x" * LINE_LIMIT + b'", ' + good[1:],
    ]  # fmt: skip
    (tmp_path / "w.jsonl").write_bytes(b"\n".join([*bad, good, b"\x00", good[:-5]]))
    assert kinds(read(tmp_path)) == ["job.enqueued"]


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_no_line_crashes_the_reader(line: bytes) -> None:
    parse_line(line)


@given(
    st.dictionaries(
        st.sampled_from(["schema", "ts", "event", "job_id", "attempt", "duration_s", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=9)
        | st.lists(st.integers(), max_size=2),
    )
)
def test_a_fact_of_a_wrong_type_is_left_out(value: dict[str, Any]) -> None:
    found = parse_line(json.dumps({"ts": "2026-11-22T08:00:00.000Z", "event": "job.dead"} | value).encode())
    if found is not None:
        assert isinstance(found.facts.get("job_id", ""), str)
        assert type(found.facts.get("attempt", 1)) is int
        ordered([found, found])


def test_only_regular_files_that_are_logs_are_read(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", event(1, "job.enqueued", job_id="a"))
    append(tmp_path / "notes.txt", event(1, "job.enqueued", job_id="b"))
    os.mkfifo(tmp_path / "fifo.jsonl")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "notes.txt")
    (tmp_path / "dir.jsonl").mkdir()
    assert [e.facts["job_id"] for e in read(tmp_path)] == ["a"]
    assert read(tmp_path / "nowhere") == []


def test_selections(tmp_path: Path) -> None:
    append(
        tmp_path / "a.jsonl",
        event(1, "job.enqueued", job_id="a", epic_id="01"),
        event(2, "job.claimed", job_id="b", attempt=1),
        event(3, "worker.started"),
    )

    def found(**wanted: Any) -> list[str]:
        return kinds(read(tmp_path, Selection(**wanted)))

    assert found(kinds=frozenset({"job"})) == ["job.enqueued", "job.claimed"]
    assert found(kinds=frozenset({"worker", "job.claimed"})) == ["job.claimed", "worker.started"]
    assert found(since_ms=NOW + 2) == ["job.claimed", "worker.started"]
    assert found(jobs=frozenset({"b"})) == ["job.claimed"]
    assert found(epic_id="01") == ["job.enqueued"]


def test_more_events_than_are_in_memory_at_once_come_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 8)
    monkeypatch.setattr(streams, "_MOST", 100)
    monkeypatch.setattr(streams, "_LEAST", 100)
    for number in range(3):
        mine = [event(at, "job.enqueued", job_id=f"j{at}") for at in range(number, 300, 3)]
        append(tmp_path / f"w{number}.jsonl", *mine)
    assert [e.facts["job_id"] for e in read(tmp_path)] == [f"j{at}" for at in range(300)]
    assert [e.facts["job_id"] for e in read(tmp_path, Selection(jobs=frozenset({"j7", "j70"})))] == ["j7", "j70"]


class ScriptedClock:
    """Runs the next step instead of sleeping."""

    def __init__(self, *steps: Any):
        self.steps = list(steps)

    def now_ms(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "no busy loop"
        self.steps.pop(0)()

    def stop(self) -> bool:
        return not self.steps


def followed(directory: Path, clock: ScriptedClock, **options: Any) -> Iterator[Event]:
    return follow(directory, clock=clock, stop=clock.stop, **options)


def test_following_yields_each_new_event_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    path = log / "a.jsonl"
    whole = event(3, "job.started", job_id="a", attempt=1).line().encode() + b"\n"
    clock = ScriptedClock(
        log.mkdir,
        lambda: append(path, event(1, "job.enqueued", job_id="a")),
        lambda: append(path, event(2, "job.claimed", job_id="a", attempt=1)),
        lambda: path.write_bytes(path.read_bytes() + whole[:25]),
        lambda: path.write_bytes(path.read_bytes() + whole[25:]),
        lambda: append(log / "b.jsonl", event(1, "worker.started")),
    )
    assert kinds(list(followed(log, clock))) == ["job.enqueued", "job.claimed", "job.started", "worker.started"]


def test_following_starts_with_what_is_there_only_if_asked(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", event(1, "job.enqueued", job_id="a"))
    assert kinds(list(followed(tmp_path, ScriptedClock(lambda: None)))) == []
    assert kinds(list(followed(tmp_path, ScriptedClock(lambda: None), from_start=True))) == ["job.enqueued"]


def test_following_survives_rotated_shortened_and_vanished_logs(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, event(1, "job.enqueued", job_id="a"), event(1, "job.claimed", job_id="a"))

    def rotate() -> None:
        path.rename(tmp_path / "a.jsonl.1")
        append(path, event(2, "job.started", job_id="a"))

    def shorten() -> None:
        path.write_text("")

    def vanish() -> None:
        for entry in tmp_path.iterdir():
            entry.unlink()
        tmp_path.rmdir()

    clock = ScriptedClock(
        rotate,
        shorten,
        lambda: append(path, event(3, "job.failed", job_id="a")),
        vanish,
        lambda: None,
        tmp_path.mkdir,
        lambda: append(path, event(4, "job.dead", job_id="a")),
    )
    assert kinds(list(followed(tmp_path, clock))) == ["job.started", "job.failed", "job.dead"]
