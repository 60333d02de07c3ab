"""The spool cannot be used for a while, and then it can again: "cannot look" is not "stop".

Workers with real agents in this process. While the file system of their spool fails, their agents write elsewhere.
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from support.in_process import Yard
from support.outages import lasting, outage
from wf_cli.contract.job import End
from wf_cli.spool import session

#: ``short`` ends when it is told so, and so does ``long``. Each notes how often it was started.
TWO_JOBS = """
echo x >> "$N/starts.$1"; : > "$N/started.$1.$2"
[ "$2" -gt 1 ] || while [ ! -e "$N/end.$1" ]; do sleep 0.02; done
: > "$N/ended.$1"
"""
WAITING, OVER = "waiting until that is over", "the spool can be used again"
OUTAGES = [
    pytest.param(errno.EIO, False, id="EIO"),
    pytest.param(errno.EROFS, True, id="EROFS"),
    pytest.param(errno.EACCES, False, id="EACCES"),
]


def make_yard(folder: Path) -> Yard:
    folder.mkdir()
    yard = Yard(folder, TWO_JOBS)
    yard.enqueue("short", "long")
    return yard


def starts(yard: Yard, job_id: str) -> int:
    return (yard.notes / f"starts.{job_id}").read_text().count("x")


def said(yard: Yard, text: str) -> int:
    return sum(text in line for line in yard.said)


@pytest.mark.parametrize(("code", "writes_only"), OUTAGES)
@pytest.mark.parametrize("seconds", [3.0, 12.0])
def test_an_outage_costs_no_agent_no_result_and_no_worker(
    tmp_path: Path, code: int, writes_only: bool, seconds: float
) -> None:
    """Two workers, with leases of 5 and 30 s. Only an outage that is longer than a lease ends what runs in it."""
    yards = {lease: make_yard(tmp_path / f"lease-{lease:g}") for lease in (5.0, 30.0)}
    quick, slow = yards.values()
    with quick.running(concurrency=2, lease_seconds=5.0), slow.running(concurrency=2, lease_seconds=30.0):
        for yard in yards.values():
            yard.noted("started.short.1")
            yard.noted("started.long.1")
        with outage(code, quick.spool.root, slow.spool.root, writes_only=writes_only):
            for yard in yards.values():
                yard.note("end.short")
            lasting(seconds)
            ended = [(yard.notes / "ended.short").exists() for yard in yards.values()]
        assert ended == [True, True], "both ended in the outage"
        for lease, yard in yards.items():
            lost = seconds > lease
            assert yard.outcome("short").end is End.SUCCEEDED, yard.said
            yard.note("end.long")
            yard.enqueue("after")
            yard.note("end.after")
            assert yard.outcome("after").end is End.SUCCEEDED, yard.said
            if lost:
                assert yard.outcome("long").end is End.RELEASED, yard.said
            assert yard.outcome("long", 2 if lost else 1).end is End.SUCCEEDED, yard.said
            assert (starts(yard, "short"), starts(yard, "long")) == (1, 2 if lost else 1)
            assert yard.sessions >= 2 if lost else yard.sessions == 1
            yard.says(OVER)
            if not lost:
                assert said(yard, WAITING) == 1, yard.said
                assert said(yard, OVER) == 1, yard.said
            assert str(yard.spool.root) in next(line for line in yard.said if WAITING in line)


@pytest.mark.parametrize(("code", "writes_only"), OUTAGES[:2])
def test_a_worker_that_begins_in_an_outage_waits_and_can_be_ended(
    tmp_path: Path, code: int, writes_only: bool
) -> None:
    yard = make_yard(tmp_path / "yard")
    worker = yard.worker()
    with outage(code, yard.spool.root, writes_only=writes_only):
        ended = yard.start(worker)
        yard.says(WAITING)
        worker.drain("SIGTERM")
        assert ended() is None
    assert (said(yard, WAITING), worker.tally.processed, yard.sessions) == (1, 0, 0)


def test_a_worker_that_may_not_use_the_spool_at_all_says_so_and_ends(tmp_path: Path) -> None:
    """No waiting mends missing rights. A refusal may pass where the worker has used the spool before."""
    yard = make_yard(tmp_path / "yard")
    with outage(errno.EACCES, yard.spool.folder("sessions"), writes_only=True):
        error = yard.start(yard.worker())()
    assert isinstance(error, PermissionError)
    assert (said(yard, WAITING), said(yard, OVER)) == (0, 0)


def test_a_worker_without_watch_waits_for_the_end_of_an_outage_and_empties_the_queue(tmp_path: Path) -> None:
    """It ends when the queue is empty. A queue that cannot be read is not empty."""
    yard = make_yard(tmp_path / "yard")
    for name in ("short", "long"):
        yard.note(f"end.{name}")
    with outage(errno.ESTALE, yard.spool.root):
        ended = yard.start(yard.worker())
        yard.says(WAITING)
    assert ended() is None
    for name in ("short", "long"):
        assert yard.outcome(name).end is End.SUCCEEDED
    assert (said(yard, WAITING), said(yard, OVER)) == (1, 1)


def test_what_a_refused_close_leaves_keeps_no_session_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease cannot be removed, nor the state written. The next session goes on."""
    yard = make_yard(tmp_path / "yard")
    with yard.running(concurrency=2) as worker:
        yard.noted("started.short.1")
        yard.noted("started.long.1")
        with outage(errno.EROFS, yard.spool.folder("leases"), yard.spool.folder("sessions"), writes_only=True):
            worker._session._lease.give_up("said so")
            yard.until(lambda: said(yard, "lost the lease"), "the end of the session")
            yard.says(WAITING)
        yard.until(lambda: yard.sessions == 2, "the next session")
        assert len(session.owners(yard.spool)) == 2
        for name in ("short", "long"):
            assert yard.outcome(name).end is End.RELEASED
            assert yard.outcome(name, 2).end is End.SUCCEEDED
