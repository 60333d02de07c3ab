"""What lies under the name of a lock and is none stops its own job at the most, and is said once with the way out."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.in_process import Yard
from support.spools import POOL, SUCCESS, problems, request, run_one, spool_queue
from support.views import write_session
from wf_cli.contract.job import End
from wf_cli.contract.token import NUMBER_LIMIT
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import scan, verify
from wf_cli.spool.layout import Spool


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # The name of a socket may have 107 bytes only.
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


KINDS: dict[str, Callable[[Path], None]] = {
    "folder": make_folder, "link": make_link, "fifo": os.mkfifo, "socket": make_socket,
}  # fmt: skip


@pytest.fixture(params=KINDS)
def no_lock(request: pytest.FixtureRequest) -> Callable[[Spool, str], Path]:
    def make(spool: Spool, name: str) -> Path:
        path = spool.path("locks", name)
        path.unlink(missing_ok=True)
        KINDS[request.param](path)
        return path

    return make


NoLock = Callable[[Spool, str], Path]


def about(said: list[str], path: Path) -> list[str]:
    return [line for line in said if str(path) in line]


def where(queue: SpoolQueue, job_id: str) -> str | None:
    placed = scan.find(queue.spool, job_id)
    return placed.folder if placed else None


def test_a_worker_passes_over_a_job_whose_lock_is_none_and_runs_the_others(tmp_path: Path, no_lock: NoLock) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("bad", "good", "next")
    path = no_lock(yard.spool, "bad.lock")
    assert yard.worker().run().succeeded == 2
    assert [where(yard.queue, key) for key in ("good", "next")] == ["done", "done"]
    outcome = yard.outcome("bad")
    assert (outcome.end, outcome.burned) == (End.RELEASED, 0)
    assert len(about(yard.said, path)) >= 1
    assert not any("no claims" in line for line in yard.said), "the others do not wait"

    verify.verify(yard.spool, yard.app.clock, fix=True)
    yard.worker().run()
    assert where(yard.queue, "bad") in ("queued", "done"), "it goes on once the lock is one again"


def test_an_attempt_whose_lock_became_none_keeps_its_outcome_and_the_worker_goes_on(
    tmp_path: Path, no_lock: NoLock
) -> None:
    yard = Yard(tmp_path, ': > "$N/started.$1"; while [ ! -e "$N/end" ]; do sleep 0.02; done\n')
    yard.enqueue("bad")
    with yard.running():
        yard.noted("started.bad")
        path = no_lock(yard.spool, "bad.lock")
        yard.note("end")
        assert yard.outcome("bad").end is End.SUCCEEDED
        yard.enqueue("good")
        yard.until(lambda: where(yard.queue, "good") == "done", "the next job")
        yard.until(lambda: about(yard.said, path), "a line about the lock")
    assert len(about(yard.said, path)) == 1, yard.said
    assert "rm -r" in about(yard.said, path)[0]
    assert where(yard.queue, "bad") == "running"

    verify.verify(yard.spool, yard.app.clock, fix=True)
    yard.enqueue("last")
    yard.worker().run()
    assert where(yard.queue, "bad") == "done"


def test_a_worker_that_is_asked_to_stop_ends_beside_a_lock_that_is_none(tmp_path: Path, no_lock: NoLock) -> None:
    yard = Yard(tmp_path, ': > "$N/started.$1"; while [ ! -e "$N/end" ]; do sleep 0.02; done\n')
    yard.enqueue("bad")
    worker = yard.worker(watch=True)
    ended = yard.start(worker)
    yard.noted("started.bad")
    no_lock(yard.spool, "bad.lock")
    yard.note("end")
    worker.drain("SIGTERM")
    assert ended() is None


def test_a_stalled_token_whose_lock_is_none_keeps_no_other_job_from_running(tmp_path: Path, no_lock: NoLock) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("bad")
    token = yard.queue.claim("dead-box-1", frozenset({scan.listing(yard.spool, "queued")[0].pool}))
    assert token is not None
    write_session(yard.spool, "dead-box-1", dead=True)
    path = no_lock(yard.spool, "bad.lock")
    yard.enqueue("good")
    assert yard.worker().run().succeeded == 1
    assert where(yard.queue, "bad") == "claimed"
    assert len(about(yard.said, path)) == 1, yard.said
    verify.verify(yard.spool, yard.app.clock, fix=True)
    yard.worker().run()
    assert yard.outcome("bad").end is End.LOST


def test_a_used_up_token_whose_lock_is_none_keeps_no_other_job_from_being_claimed(
    tmp_path: Path, no_lock: NoLock
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("bad")
    (name,) = os.listdir(yard.spool.folder("queued"))
    far = name.replace(".a0b", f".a{NUMBER_LIMIT - 1}b")
    os.rename(yard.spool.path("queued", name), yard.spool.path("queued", far))
    path = no_lock(yard.spool, "bad.lock")
    yard.enqueue("good")
    assert yard.worker().run().succeeded == 1
    assert len(about(yard.said, path)) == 1, yard.said


def test_another_slot_is_taken_where_one_is_none(tmp_path: Path, no_lock: NoLock) -> None:
    from support.plain_steps import PlainSteps
    from wf_cli.attempt.claim import Claimed, Claims

    clock = FakeClock()
    queue = spool_queue(Yard(tmp_path, "true\n").spool, clock)
    from wf_cli.contract.identity import Target
    from wf_cli.queue.values import JobRequest

    queue.enqueue(JobRequest(POOL.role, POOL.runtime, target=Target("01", 0, "code", POOL.role)))
    no_lock(queue.spool, "checkout.0.slot")
    claims = Claims(queue, PlainSteps(), clock, pools=frozenset({POOL}), max_parallel_plans=2)
    got = claims.take("w-box-1", lambda *_: None)
    assert isinstance(got, Claimed)
    assert got.slot is not None
    assert got.slot.path.name == "checkout.1.slot"
    got.let_go()


def test_verify_names_what_is_no_lock_and_puts_it_away(tmp_path: Path, no_lock: NoLock) -> None:
    queue = spool_queue(Yard(tmp_path, "true\n").spool)
    queue.enqueue(request("bad"))
    token = run_one(queue)
    no_lock(queue.spool, "bad.lock")
    assert problems(queue.spool) == ["not_a_file: locks/bad.lock: not a file that wf wrote"]
    assert [(f.kind, f.fixed) for f in verify.verify(queue.spool, FakeClock(), fix=True)] == [("not_a_file", True)]
    assert queue.end(token, SUCCESS, by="w-box-1").accepted
    assert where(queue, "bad") == "done"


def test_a_lock_that_another_repair_has_made_whole_is_not_put_away(
    tmp_path: Path, no_lock: NoLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them see what is no lock. A worker holds the lock that the first one made possible."""
    spool = Yard(tmp_path, "true\n").spool
    path = no_lock(spool, "bad.lock")
    real, seen = Spool.lock, []

    def lock(self: Spool, name: str, *, timeout: float):  # type: ignore[no-untyped-def]
        if name == "verify" and not seen:
            seen.append(name)
            list(verify.verify(spool, FakeClock(), fix=True))
            with spool.fence("bad"):
                pass
        return real(self, name, timeout=timeout)

    monkeypatch.setattr(Spool, "lock", lock)
    found = verify.verify(spool, FakeClock(), fix=True)
    assert seen
    assert path.is_file()
    assert not any(f.fixed for f in found)
