"""Writing events: whole lines, never an exception, and said once when it does not work."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.round_trips import counted
from wf_cli import schema
from wf_cli.contract.event import EventSink
from wf_cli.errors import ContractError
from wf_cli.eventlog.log import KEEP_OPEN_S, EventLog
from wf_cli.eventlog.read import read
from wf_cli.eventlog.stream import Stream


class StoppedClock:
    """Always the same moment; a sleep is recorded."""

    def __init__(self, ms: int = 1_764_000_000_123):
        self.ms = ms
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def make(directory: Path, report: list[str] | None = None) -> EventLog:
    return EventLog(
        directory, "opencode-box1-7f3a9c2e", StoppedClock(), report.append if report is not None else None
    )


def test_an_event_is_one_valid_line_with_host_and_pid(tmp_path: Path) -> None:
    sink: EventSink = make(tmp_path)
    sink.emit("job.claimed", job_id="a", attempt=1, from_="queued", to="claimed", reason=None, nobody_knows="this")
    (line,) = (tmp_path / "opencode-box1-7f3a9c2e.jsonl").read_text().splitlines()
    value = json.loads(line)
    assert schema.problems("event", value) == []
    assert value["ts"] == "2025-11-24T16:00:00.123Z"
    assert (value["from"], value["to"], value["pid"]) == ("queued", "claimed", os.getpid())
    assert value["host"]
    assert "reason" not in value
    assert "nobody_knows" not in value


def test_strange_facts_do_not_stop_a_transition(tmp_path: Path) -> None:
    log = make(tmp_path)
    log.emit("job.failed", reason="line\nbreak \ud800 \x00", job_id=Path("x"))
    log.emit("job.failed", job_id="b")
    assert len(log.path.read_bytes().splitlines()) == 2
    assert [event.facts["job_id"] for event in read(tmp_path)] == ["x", "b"]
    assert log.dropped == 0


def test_a_full_disk_is_counted_and_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    log = make(tmp_path, said)

    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.emit("job.claimed", job_id="a")
        log.emit("job.started", job_id="a")
    assert log.dropped == 2
    assert len(said) == 1
    assert "No space left" in said[0]
    assert str(log.path) in said[0]


def test_a_torn_line_costs_itself_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = make(tmp_path)
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[:20]))
        log.emit("job.claimed", job_id="torn")
    log.emit("job.started", job_id="whole")
    assert log.dropped == 1
    assert [event.facts["job_id"] for event in read(tmp_path)] == ["whole"]


def test_a_deleted_log_starts_anew_but_a_vanished_spool_is_not_made_again(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (spool / "log").mkdir(parents=True)
    log = make(spool / "log")
    log.emit("job.claimed", job_id="a")
    log.path.unlink()
    (spool / "log").rmdir()
    log.emit("job.started", job_id="a")
    assert len(read(spool / "log")) == 1
    log.path.unlink()
    (spool / "log").rmdir()
    spool.rmdir()
    log.emit("job.failed", job_id="a")
    assert (log.dropped, spool.exists()) == (1, False)


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_a_hostile_file_under_its_name_neither_blocks_nor_is_written_through(tmp_path: Path, kind: str) -> None:
    log = make(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("")
    if kind == "fifo":
        os.mkfifo(log.path)
    elif kind == "link":
        log.path.symlink_to(victim)
    else:
        log.path.mkdir()
    log.emit("job.claimed", job_id="a")
    assert log.dropped == 1
    assert victim.read_text() == ""


def test_a_report_that_fails_is_no_reason_to_stop(tmp_path: Path) -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError

    log = EventLog(tmp_path / "no" / "where", "w", StoppedClock(), broken)
    log.emit("job.claimed")
    assert log.dropped == 1


def test_a_log_is_named_after_an_owner(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        EventLog(tmp_path, "../x", StoppedClock())


def test_a_row_of_events_costs_one_open_and_a_renamed_log_is_left_within_a_second(tmp_path: Path) -> None:
    clock = FakeClock()
    log = EventLog(tmp_path / "log", "w", clock)
    (tmp_path / "log").mkdir()
    with counted(tmp_path) as trips:
        for _ in range(5):
            log.emit("job.claimed")
    assert Counter(call.partition(" ")[0] for call in trips.calls) == {"open": 1, "write": 5}
    log.path.rename(tmp_path / "log" / "w.jsonl.1")
    log.emit("job.claimed")
    clock.advance(KEEP_OPEN_S)
    log.emit("job.claimed")
    assert [len(path.read_bytes().splitlines()) for path in (tmp_path / "log" / "w.jsonl.1", log.path)] == [6, 1]


def test_a_log_at_rest_is_closed(tmp_path: Path) -> None:
    """A network file system may hand a write on only when its file is closed."""
    log = EventLog(tmp_path, "w", FakeClock())
    log.emit("job.claimed")
    log.rest()
    assert not [fd for fd in os.listdir("/proc/self/fd") if _leads_to(fd) == str(log.path)]
    log.emit("job.claimed")
    assert len(log.path.read_bytes().splitlines()) == 2


def _leads_to(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_with_few_writes_an_event_that_another_follows_is_written_with_it(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "w-box-1", StoppedClock(), few_writes=True)
    log.emit("job.claimed", job_id="a")
    assert not log.path.exists()
    log.emit("job.started", job_id="a")
    log.emit("job.succeeded", job_id="a")
    assert [event.event for event in read(tmp_path)] == ["job.claimed", "job.started", "job.succeeded"]


def sized(directory: Path, writer: str = "w-box-1", clock: FakeClock | None = None, size: int = 300) -> EventLog:
    directory.mkdir(exist_ok=True)
    return EventLog(directory, writer, clock or FakeClock(), size=size)


def emitted(log: EventLog, clock: FakeClock, numbers: Iterable[int]) -> None:
    """An event of each number, each in a second of its own, so that the file is opened anew."""
    for n in numbers:
        log.emit("job.claimed", job_id=f"j-{n}")
        clock.advance(KEEP_OPEN_S)


def jobs_of(directory: Path) -> list[str]:
    return [str(event.facts["job_id"]) for event in read(directory)]


def test_a_full_log_is_followed_by_the_next_one_and_readers_see_all_events_once(tmp_path: Path) -> None:
    clock = FakeClock()
    log = sized(tmp_path / "log", clock=clock)
    emitted(log, clock, range(20))
    names = sorted(os.listdir(tmp_path / "log"))
    assert len(names) > 3
    assert names[:2] == ["w-box-1.2.jsonl", "w-box-1.3.jsonl"]
    assert "w-box-1.jsonl" in names
    assert jobs_of(tmp_path / "log") == [f"j-{n}" for n in range(20)]


def test_another_process_goes_on_in_the_last_file_and_does_not_open_the_full_ones_again(tmp_path: Path) -> None:
    clock = FakeClock()
    emitted(sized(tmp_path / "log", clock=clock), clock, range(20))
    names = sorted(os.listdir(tmp_path / "log"))
    sizes = {name: (tmp_path / "log" / name).stat().st_size for name in names}
    with counted(tmp_path) as trips:
        emitted(sized(tmp_path / "log", clock=clock), clock, [20])
    opened = {call for call in trips.calls if call.startswith("open log/")}
    assert len(opened) == 2, "the first file, which is full, and the last one"
    grown = [n for n in os.listdir(tmp_path / "log") if (tmp_path / "log" / n).stat().st_size != sizes.get(n)]
    assert len(grown) == 1
    assert jobs_of(tmp_path / "log")[-1] == "j-20"


def test_a_follower_reads_through_a_full_log(tmp_path: Path) -> None:
    clock = FakeClock()
    log = sized(tmp_path / "log", clock=clock)
    logs = Stream(tmp_path / "log")
    seen = []
    for n in range(20):
        emitted(log, clock, [n])
        seen += [event.facts["job_id"] for _, event in logs.new_events()]
    assert seen == [f"j-{n}" for n in range(20)]
    since = list(Stream(tmp_path / "log", since_ms=clock.now_ms() - 5500).new_events())
    assert [event.facts["job_id"] for _, event in since][-5:] == [f"j-{n}" for n in range(15, 20)]


def test_no_event_is_lost_when_its_file_is_deleted_while_it_is_open(tmp_path: Path) -> None:
    """The file goes between the last look at it and the write."""
    log = sized(tmp_path / "log", size=10**6)
    log.emit("job.claimed", job_id="j-1")
    write = os.write

    def deleted_before(fd: int, data: bytes) -> int:
        os.write = write  # type: ignore[assignment]
        (tmp_path / "log" / "w-box-1.jsonl").unlink()
        return write(fd, data)

    os.write = deleted_before  # type: ignore[assignment]
    try:
        log.emit("job.claimed", job_id="j-2")
    finally:
        os.write = write
    log.emit("job.claimed", job_id="j-3")
    assert jobs_of(tmp_path / "log") == ["j-2", "j-3"]


def test_many_processes_of_one_writer_fill_logs_and_lose_nothing(tmp_path: Path) -> None:
    """One-shot commands of a user on a host share a writer."""
    (tmp_path / "log").mkdir()
    program = (
        "import sys; from pathlib import Path; from wf_cli.clock import SystemClock;"
        "from wf_cli.eventlog.log import EventLog;"
        "[EventLog(Path(sys.argv[1]), 'cli-box-1', SystemClock(), size=2000)"
        ".emit('job.claimed', job_id=f'{sys.argv[2]}-{n}') for n in range(50)]"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log"), f"p{k}"]) for k in range(4)]
    assert [run.wait(timeout=60) for run in runs] == [0] * 4
    assert sorted(jobs_of(tmp_path / "log")) == sorted(f"p{k}-{n}" for k in range(4) for n in range(50))
    assert len(os.listdir(tmp_path / "log")) > 5
