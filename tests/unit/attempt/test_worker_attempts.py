"""Attempts of a worker while the disk lies, a lock is busy or the work takes long. Real agents, in one process."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.in_process import BUILDERS, WAITS, Yard
from support.stand_ins import stand_in
from support.wait import wait_until
from wf_cli import seams
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.errors import SpoolError, Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.runtimes.base import AgentEvent
from wf_cli.runtimes.command import CommandAdapter, CommandReader
from wf_cli.spool import attempt, control, enqueue, lease, operate, scan, session, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import SessionFile
from wf_cli.worker import loop

#: The first attempt fails, the second one waits for the note ``end``.
FAILS_THEN_WAITS = """
[ "$2" -gt 1 ] || exit 3
: > "$N/second"; while [ ! -e "$N/end" ]; do sleep 0.02; done
"""
NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/spool/sessions")


class WatchedClock(FakeClock):
    """Time passes only while the lease's own thread looks on, as it would if it passed by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def monotonic(self) -> float:
        if threading.current_thread().name == "wf-lease-ticks":
            self.looks += 1
        return super().monotonic()

    def pass_time(self, seconds: float, step: float) -> None:
        def watched() -> bool:
            names = {thread.name for thread in threading.enumerate()}
            return self.looks >= before + 2 or "wf-lease-ticks" not in names

        left = seconds
        while left > 0:
            before = self.looks
            self.advance(step)
            wait_until(watched, what="a look of the lease's thread")
            left -= step


def failing_times(n: int, error: Exception, real: Callable[..., Any], wanted: Callable[..., bool]) -> Any:
    """``real``, whose first ``n`` calls that are ``wanted`` raise; ``.hits`` counts those."""

    def wrapped(*args: Any, **options: Any) -> Any:
        if wanted(*args, **options) and wrapped.hits < n:  # type: ignore[attr-defined]
            wrapped.hits += 1  # type: ignore[attr-defined]
            raise error
        return real(*args, **options)

    wrapped.hits = 0  # type: ignore[attr-defined]
    return wrapped


# -- long work


@pytest.mark.parametrize("work", ["repair", "sweep", "rescan", "reap"])
def test_work_that_takes_longer_than_the_lease_does_not_cost_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    monkeypatch.setattr(lease, "SHORTEST_SECONDS", 0.1)
    clock = WatchedClock()
    yard = Yard(tmp_path, "true\n", clock)
    yard.enqueue("job")
    left = 3

    def slow(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            nonlocal left
            if threading.current_thread() is threading.main_thread() and left > 0:
                left -= 1
                clock.pass_time(1.5, step=0.25)
            return real(*args, **options)

        return wrapped

    match work:
        case "repair":
            monkeypatch.setattr(verify, "repair", slow(verify.repair))
        case "sweep":
            monkeypatch.setattr(enqueue, "sweep", slow(enqueue.sweep))
        case "rescan":
            monkeypatch.setattr(SpoolQueue, "rescan", slow(SpoolQueue.rescan))
        case "reap":
            monkeypatch.setattr(SpoolQueue, "reap", slow(SpoolQueue.reap))
    yard.worker(max_jobs=1, lease_seconds=0.6).run()
    assert yard.outcome("job").end is End.SUCCEEDED
    assert left < 3
    assert yard.sessions == 1, yard.said


def test_repairs_are_made_before_there_is_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("job")
    leases: list[list[str]] = []
    real = verify.repair

    def repair(spool: Spool, **options: Any) -> Any:
        leases.append(os.listdir(spool.folder("leases")))
        return real(spool, **options)

    monkeypatch.setattr(verify, "repair", repair)
    yard.worker(max_jobs=1).run()
    assert leases == [[]]


# -- looks that fail


@pytest.mark.parametrize("topology", ["local", "shared"])
def test_an_agent_goes_on_while_its_token_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, topology: str
) -> None:
    yard = Yard(tmp_path, WAITS, spool={"topology": topology})
    yard.enqueue("job")
    stale = OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(yard.spool.folder("running")))

    def in_running(path: Any, **_: Any) -> bool:
        text = os.fspath(path)
        return threading.current_thread().name == "wf-job" and "/running" in text

    with yard.running():
        yard.noted("started.job.1")
        call = "lstat" if topology == "local" else "listdir"
        fault = failing_times(3, stale, getattr(os, call), in_running)
        with monkeypatch.context() as patch:
            patch.setattr(os, call, stand_in(call, fault))
            yard.until(lambda: fault.hits == 3 or yard.queue.outcome("job", 1), "three looks that fail")
        yard.note("end")
        assert yard.outcome("job").end is End.SUCCEEDED
    assert sum("cannot look at its token" in line for line in yard.said) == 1


def test_a_token_that_cannot_be_looked_at_before_the_gate_opens_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("job")
    at_the_gate = threading.Event()
    seams.install(lambda name: at_the_gate.set() if name == "work.recorded" else None)
    try:
        stale = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        fault = failing_times(2, stale, SpoolQueue.holds, lambda *_: at_the_gate.is_set())
        monkeypatch.setattr(SpoolQueue, "holds", fault)
        yard.worker(max_jobs=1).run()
    finally:
        seams.install(None)
    assert fault.hits == 2
    assert yard.outcome("job").end is End.SUCCEEDED


@pytest.mark.parametrize("topology", ["local", "shared"])
def test_a_version_that_cannot_be_read_just_now_is_no_reason_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, topology: str
) -> None:
    yard = Yard(tmp_path, "true\n", spool={"topology": topology})
    error = SpoolError("cannot read VERSION: I/O error")
    error.__cause__ = OSError(errno.EIO, os.strerror(errno.EIO))
    fault = failing_times(1, error, Spool.assert_same, lambda *_: True)
    monkeypatch.setattr(Spool, "assert_same", fault)
    with yard.running():
        yard.until(lambda: fault.hits, "the look that fails")
        yard.enqueue("job")
        assert yard.outcome("job").end is End.SUCCEEDED


def test_an_audit_that_meets_a_busy_lock_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token lies under the session's own owner id, and the session does not know it."""
    monkeypatch.setattr(loop, "SWEEP_EVERY", 0.05)
    yard = Yard(tmp_path, "true\n")
    control.request(yard.spool, "pause", yard.app.clock)
    with yard.running():
        yard.says("paused")
        (owner,) = session.owners(yard.spool)
        yard.enqueue("lied")
        busy = failing_times(2, Temporary("the fence is busy"), SpoolQueue.end, lambda *_, **__: True)
        monkeypatch.setattr(SpoolQueue, "end", busy)
        assert yard.queue.claim(owner, (BUILDERS,)) is not None
        outcome = yard.outcome("lied")
    assert busy.hits == 2
    assert (outcome.end, outcome.reason) == (End.RELEASED, "found by the audit")


# -- ends


def test_what_an_agent_finished_counts_although_its_record_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("job")
    fault = failing_times(1, NO_SPACE, SessionFile.write_what_is_new, lambda file: file.record.agents == ())
    monkeypatch.setattr(SessionFile, "write_what_is_new", fault)
    yard.worker(max_jobs=1).run()
    assert fault.hits == 1
    assert yard.outcome("job").end is End.SUCCEEDED


def test_an_agent_goes_on_although_its_session_cannot_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Yard(tmp_path, "echo one; echo two\n")
    yard.enqueue("job")
    fault = failing_times(1, NO_SPACE, SessionFile.set_agent_session, lambda *_: True)
    monkeypatch.setattr(SessionFile, "set_agent_session", fault)
    monkeypatch.setattr(
        CommandReader, "feed", lambda _self, line: [AgentEvent("session", session_id="ses-1", text=line)]
    )
    yard.worker(max_jobs=1).run()
    assert fault.hits == 1
    outcome = yard.outcome("job")
    assert (outcome.end, outcome.session_id) == (End.SUCCEEDED, "ses-1")


@pytest.mark.parametrize(
    "error", [Temporary("the fence stays busy"), OSError(errno.EIO, os.strerror(errno.EIO))], ids=["busy", "EIO"]
)
def test_an_outcome_that_cannot_be_published_is_offered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("job")
    fault = failing_times(2, error, attempt.publish_outcome, lambda *_: True)
    monkeypatch.setattr(attempt, "publish_outcome", fault)
    yard.worker(max_jobs=1).run()
    assert fault.hits == 2
    assert yard.outcome("job").end is End.SUCCEEDED
    assert sum("cannot write the outcome" in line for line in yard.said) == 1


def test_a_transcript_that_cannot_be_written_is_told_once_and_noted(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "echo hello\n")
    yard.enqueue("job")
    yard.spool.folder("transcripts").rmdir()
    yard.spool.folder("transcripts").touch()  # no folder, and not one that is missing
    yard.worker(max_jobs=1).run()
    outcome = yard.outcome("job")
    assert outcome.end is End.SUCCEEDED
    path = str(yard.spool.transcript_path("job", 1))
    (told,) = [line for line in yard.said if "transcript" in line]
    assert path in told
    assert "check" in told
    assert "/transcripts" in outcome.result["transcript"]


def test_a_failed_attempt_notes_its_transcript_too(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "exit 3\n")
    yard.enqueue("job")
    yard.spool.folder("transcripts").rmdir()
    yard.spool.folder("transcripts").touch()  # no folder, and not one that is missing
    yard.worker(max_jobs=1).run()
    outcome = yard.outcome("job")
    assert outcome.end is End.FAILED
    assert "no transcript" in outcome.result["transcript"]


# -- what must not begin, and what must not be forgotten


@pytest.mark.parametrize("what", ["cancelled", "lease lost"])
def test_i1_no_agent_begins_an_attempt_that_was_over_before_its_gate_opened(tmp_path: Path, what: str) -> None:
    yard = Yard(tmp_path, ': > "$N/ran"\n')
    yard.enqueue("job")
    worker = yard.worker(max_jobs=1)

    def hook(name: str) -> None:
        if name != "work.recorded":
            return
        if what == "cancelled":
            yard.queue.cancel("job", by="op-box-1")
        else:
            worker._session._lease._lose("said so")

    seams.install(hook)
    try:
        worker.run()
    finally:
        seams.install(None)
    assert yard.outcome("job").end is (End.CANCELLED if what == "cancelled" else End.RELEASED)
    assert not (yard.notes / "ran").exists()


def test_a_pause_between_the_look_and_the_rename_is_obeyed(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ': > "$N/ran"\n')
    yard.enqueue("job")

    def hook(name: str) -> None:
        if name == "claim.chosen":
            control.request(yard.spool, "pause", yard.app.clock, reason="tea")

    seams.install(hook)
    try:
        yard.worker().run()
    finally:
        seams.install(None)
    outcome = yard.outcome("job")
    assert (outcome.end, outcome.burned) == (End.RELEASED, 0)
    assert "tea" in str(outcome.reason)
    assert not (yard.notes / "ran").exists()


def test_i2_an_attempt_is_not_given_back_because_the_one_before_it_was_collected_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt has its outcome, and its job is claimed again before the main loop hears of that."""
    monkeypatch.setattr(loop, "SWEEP_EVERY", 0.05)
    yard = Yard(tmp_path, FAILS_THEN_WAITS)
    yard.enqueue("job")
    audits = 0
    real_execute, real_audit = loop.Worker._execute, loop.Worker._audit

    def execute(self: Any, execution: Any) -> None:
        if execution.token.attempt == 1:
            real_run = execution.run

            def run() -> Any:
                done = real_run()
                yard.noted("second")
                return done

            execution.run = run
        real_execute(self, execution)

    def audit(self: Any) -> None:
        nonlocal audits
        real_audit(self)
        audits += 1

    monkeypatch.setattr(loop.Worker, "_execute", execute)
    monkeypatch.setattr(loop.Worker, "_audit", audit)
    with yard.running(concurrency=2):
        yard.says("job: failed")
        before = audits
        yard.until(lambda: audits >= before + 2, "two audits")
        yard.note("end")
        assert yard.outcome("job", 2).end is End.SUCCEEDED


@pytest.mark.parametrize(
    ("given", "resumed"),
    [("ses_1", "ses_1"), ("--force", None), ("-x", None), ("a\nb", None), ("\x1b[2J", "\\x1b[2J")],
)
def test_what_foreign_hands_wrote_as_a_session_is_no_option_of_an_agent_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, resumed: str | None
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("job")
    token = yard.queue.claim("w-box-1", frozenset({BUILDERS}))
    assert token is not None
    yard.queue.end(token, Ending(End.RELEASED, session_id=given), by="w-box-1")
    (waiting,) = scan.listing(yard.spool, "queued")
    assert operate.hurry(yard.spool, waiting, 0)
    seen: list[str | None] = []
    real = CommandAdapter.launch

    def launch(self: CommandAdapter, request: Any) -> Any:
        seen.append(request.resume)
        return real(self, request)

    monkeypatch.setattr(CommandAdapter, "launch", launch)
    assert yard.worker().run().succeeded == 1
    assert seen == [resumed]


# -- how often the queue is listed


def test_a_worker_does_not_list_the_queue_after_each_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing takes the longer, the more jobs wait. The clock stands still, so no listing is due again."""
    yard = Yard(tmp_path, "exit 0\n", clock=FakeClock())
    yard.enqueue(*(f"j{n}" for n in range(8)))
    listings: list[str] = []
    real = SpoolQueue.rescan

    def rescan(queue: SpoolQueue) -> None:
        listings.append("queued")
        real(queue)

    monkeypatch.setattr(SpoolQueue, "rescan", rescan)
    assert yard.worker(max_jobs=6).run().processed == 6
    assert len(listings) == 3, "one when it begins, one in its first round, one before it ends"


def test_a_worker_lists_a_long_queue_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    yard = Yard(tmp_path, "exit 0\n", clock=clock)
    worker = yard.worker(watch=True)
    listings: list[float] = []

    def slow(_queue: SpoolQueue) -> None:
        listings.append(clock.monotonic())
        clock.advance(1.0)

    monkeypatch.setattr(SpoolQueue, "rescan", slow)
    for _ in range(100):
        worker._rescan()
        clock.advance(0.5)
    assert len(listings) == 3
    assert all(after - before > loop.RESCAN_PAUSE for before, after in pairwise(listings))
