"""What is left out of a log unparsed: never a line that is wanted, and most of what is not."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.round_trips import counted
from support.stand_ins import stand_in
from wf_cli import clock, growing
from wf_cli.contract.event import Event
from wf_cli.eventlog import glance, read, stream
from wf_cli.eventlog.lines import parse_line
from wf_cli.eventlog.read import Selection

NOW = 1_764_000_000_000
EVENTS = st.builds(
    lambda at, kind, job, epic: Event(clock.iso(NOW + at), kind, {"job_id": job, "epic_id": epic, "attempt": 1}),
    st.integers(0, 10_000_000),
    st.sampled_from(["job.enqueued", "job.claimed", "job.dead", "worker.started", "pool.paused"]),
    st.sampled_from(["a", "a-b", "b", "k--2e"]),
    st.sampled_from(["01", "02"]),
)
NOISE = st.sampled_from([b"", b"{", b"\xff\x00", b'{"ts": "yesterday"}', b'"a"', b"x" * 3000])
LINES = st.lists(st.one_of(EVENTS.map(lambda event: event.line().encode()), NOISE), max_size=40)
SELECTIONS = st.builds(
    Selection,
    kinds=st.frozensets(st.sampled_from(["job", "job.dead", "worker", "pool.paused", "epic"]), max_size=2),
    since_ms=st.one_of(st.none(), st.integers(NOW - 10, NOW + 10_000_010)),
    jobs=st.frozensets(st.sampled_from(["a", "b", "k--2e", "none"]), max_size=2),
    epic_id=st.sampled_from([None, "01"]),
)


def plainly(logs: list[list[bytes]], selection: Selection) -> list[Event]:
    events = [event for lines in logs for line in lines if (event := parse_line(line)) is not None]
    return [event for event in events if selection.takes(event)]


@settings(deadline=None, max_examples=200)
@given(st.lists(LINES, min_size=1, max_size=3), SELECTIONS, st.sampled_from([64, 300, 100_000]))
def test_every_wanted_event_is_read(logs: list[list[bytes]], selection: Selection, block: int) -> None:
    """The clocks of these writers jump by up to three hours, so nothing but what is kept back by the slack may be."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(glance, "_BLOCK", block)
        patched.setattr(glance, "SLACK_MS", 10_000_000)
        for n, lines in enumerate(logs):
            (Path(folder) / f"w-{n}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        found = read.read(Path(folder), selection)
        # Events of one moment come in the order of the logs or of a merge, which is tested elsewhere.
        assert sorted(event.line() for event in found) == sorted(event.line() for event in plainly(logs, selection))


@given(st.binary(max_size=300), st.lists(st.sampled_from([b"a", b"ab", b"\x00", b"zz"]), max_size=3, unique=True))
def test_lines_with_a_text_are_found_once_and_in_order(block: bytes, needles: list[bytes]) -> None:
    expected = [line for line in block.split(b"\n") if any(needle in line for needle in needles)]
    assert list(glance.lines_with(block, needles)) == expected


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\r", b"\n")), st.integers(1, 50))
def test_what_is_passed_over_is_what_was_complete(data: bytes, block: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(growing, "_CHUNK", block)
        path = Path(folder) / "w.jsonl"
        path.write_bytes(data)
        file = growing.GrowingFile(path)
        file.skip()
        path.write_bytes(data + b"new\n")
        assert list(file.lines()) == [data.rpartition(b"\n")[2] + b"new"]


@given(st.lists(st.sampled_from([b"a", b"bb a", b"c" * 9, b""]), max_size=9), st.integers(1, 30))
def test_chosen_lines_are_those_of_all(lines: list[bytes], most: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "w.jsonl"
        path.write_bytes(b"\n".join(lines))
        file = growing.GrowingFile(path)
        found: list[bytes] = []
        while (some := file.some(most, lambda piece: glance.lines_with(piece, [b"a"]))) is not None:
            found += some
        assert found == [line for line in lines[:-1] if b"a" in line]


def write(path: Path, events: int, *, begin_ms: int) -> int:
    """A log with an event a second; its size."""
    with path.open("w") as log:
        for n in range(events):
            log.write(Event(clock.iso(begin_ms + 1000 * n), "job.claimed", {"job_id": f"j-{n}"}).line() + "\n")
    return path.stat().st_size


def test_recent_events_cost_the_end_of_a_log_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 24 * 3600
    path = tmp_path / "w.jsonl"
    size = write(path, day, begin_ms=NOW - day * 1000)
    asked: list[int] = []
    real = glance.begin_of

    def begin_of(file, whole, since_ms):  # type: ignore[no-untyped-def]
        asked.append(real(file, whole, since_ms))
        return asked[-1]

    monkeypatch.setattr(glance, "begin_of", stand_in("begin_of", begin_of))
    found = read.read(tmp_path, Selection(since_ms=NOW - 60_000))
    assert [event.facts["job_id"] for event in found] == [f"j-{n}" for n in range(day - 60, day)]
    assert asked[0] > size * 0.9


def test_one_job_costs_one_pass_and_no_parsing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "w.jsonl", 5000, begin_ms=NOW)
    parsed: list[bytes] = []
    real = stream.parse_line

    def parse(line: bytes) -> Event | None:
        parsed.append(line)
        return real(line)

    monkeypatch.setattr(stream, "parse_line", stand_in("parse_line", parse))
    (found,) = read.read(tmp_path, Selection(jobs=frozenset({"j-4711"})))
    assert found.facts["job_id"] == "j-4711"
    assert len(parsed) == 1


def test_following_from_now_on_does_not_read_what_was(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    size = write(path, 20_000, begin_ms=NOW)
    assert size > 4 * glance._BLOCK
    late = Event(clock.iso(NOW), "job.dead", {"job_id": "new"}).line()
    turns = iter([False, True])

    class Appending:
        def monotonic(self) -> float:
            return 0.0

        def now_ms(self) -> int:
            return NOW

        def sleep(self, _seconds: float) -> None:
            with path.open("a") as log:
                log.write(late + "\n")

    with counted(tmp_path) as trips:
        found = list(read.follow(tmp_path, clock=Appending(), stop=lambda: next(turns)))
    assert [json.loads(event.line())["job_id"] for event in found] == ["new"]
    assert len(trips.calls) < 10
