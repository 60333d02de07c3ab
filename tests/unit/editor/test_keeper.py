"""A keeper while the disk gives trouble: in a thread of the test's process, with a channel of the test's own."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.in_process import BUILDERS, Yard
from support.outages import lasting, outage
from support.views import write_session
from wf_cli import proc
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.editor.job_in_hand import JobInHand
from wf_cli.editor.keeper import Keeper
from wf_cli.editor.request import Request
from wf_cli.errors import Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import enqueue, verify
from wf_cli.spool.layout import Spool

EIO = OSError(errno.EIO, os.strerror(errno.EIO))


class Agent:
    """The agent's end of a keeper's channel: it takes what it is given."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.job: Mapping[str, Any] = {}

    def say(self, document: Mapping[str, Any]) -> None:
        self.job = document["job"]
        self.told.set()

    def heard(self) -> bool | None:
        return True if self.told.is_set() else None

    def close(self) -> None:
        pass


class Kept:
    """A keeper in a thread, and its agent."""

    def __init__(self, yard: Yard, wait_s: float):
        self.agent = Agent()
        request = Request("shell", ("builder",), proc.this_process(), wait_s)
        self.keeper = Keeper(yard.app, request, self.agent)
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.keeper.run()
        except BaseException as error:  # noqa: BLE001 - looked at below
            self.errors.append(error)

    def take(self) -> str:
        """The token of the job that it hands over."""
        assert self.agent.told.wait(60), self.errors
        return str(self.agent.job["token"])

    def end(self) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()


@contextmanager
def keeping(yard: Yard, wait_s: float = 60.0) -> Iterator[Kept]:
    kept = Kept(yard, wait_s)
    kept.thread.start()
    try:
        yield kept
    finally:
        kept.keeper.stop("the test is over")
        kept.end()


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path, "true\n")


def test_repairs_are_made_before_there_is_a_lease(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    leases: list[list[str]] = []

    def repair(spool: Spool, **_: Any) -> list[Any]:
        leases.append(os.listdir(spool.folder("leases")))
        return []

    monkeypatch.setattr(verify, "repair", repair)
    with keeping(yard, wait_s=0) as kept:
        kept.end()
    assert leases == [[]]
    assert isinstance(kept.errors[0], Temporary)


def test_a_job_stays_with_its_agent_while_the_disk_does_not_tell(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.enqueue("job")
    with keeping(yard) as kept:
        token = kept.take()
        looks = 0

        def holds(*_: Any) -> bool:
            nonlocal looks
            looks += 1
            raise EIO

        with monkeypatch.context() as patch:
            patch.setattr(SpoolQueue, "holds", holds)
            yard.until(lambda: looks >= 2, "two looks that fail")
        assert JobInHand(yard.app, token).finish().status == "succeeded"
        kept.end()
    assert kept.errors == []
    assert yard.outcome("job").end is End.SUCCEEDED


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_keeper_that_begins_in_an_outage_waits_for_its_end(yard: Yard, code: int) -> None:
    """It ended at once, and the agent was told that there is no job to be had."""
    yard.enqueue("job")
    waits = threading.Event()
    real = Keeper._pause_until

    def pause(keeper: Keeper, deadline: float, why: str) -> None:
        assert "look at the disk or the mount" in why
        waits.set()
        real(keeper, deadline, why)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "_pause_until", pause)
        with outage(code, yard.spool.root):
            with keeping(yard, wait_s=0) as hasty:
                hasty.end()
            (error,) = hasty.errors
            assert isinstance(error, Temporary)
            assert str(yard.spool.root) in error.message
            waits.clear()
            kept = Kept(yard, 60.0)
            kept.thread.start()
            assert waits.wait(60)
    assert JobInHand(yard.app, kept.take()).finish().status == "succeeded"
    kept.end()
    assert kept.errors == []


def test_a_job_stays_with_its_agent_in_an_outage(yard: Yard) -> None:
    yard.enqueue("job")
    with keeping(yard) as kept:
        token = kept.take()
        with outage(errno.EIO, yard.spool.root):
            lasting(3)
        assert JobInHand(yard.app, token).finish().status == "succeeded"
        kept.end()
    assert kept.errors == []
    assert yard.outcome("job").end is End.SUCCEEDED


@pytest.mark.parametrize("error", [EIO, Temporary("the fence stays busy")], ids=["EIO", "busy"])
def test_a_job_is_given_back_however_long_that_takes(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    yard.enqueue("job")
    tries, real = 0, SpoolQueue.end

    def end(self: SpoolQueue, *args: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise error
        return real(self, *args, **options)

    with keeping(yard) as kept:
        kept.take()
        monkeypatch.setattr(SpoolQueue, "end", end)
        kept.keeper.stop("the keeper was told to end")
        kept.end()
    assert kept.errors == []
    outcome = yard.outcome("job")
    assert (outcome.end, outcome.reason) == (End.RELEASED, "the keeper was told to end")


def test_one_bad_staged_file_keeps_nobody_from_reaping(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.enqueue("job")
    write_session(yard.spool, "dead-box-1", dead=True)
    assert yard.queue.claim("dead-box-1", (BUILDERS,)) is not None

    def sweep(*_: Any) -> None:
        raise EIO

    monkeypatch.setattr(enqueue, "sweep", sweep)
    with keeping(yard) as kept:
        token = kept.take()
        assert JobInHand(yard.app, token).release().to == "queued"
    assert [yard.outcome("job", n).end for n in (1, 2)] == [End.LOST, End.RELEASED]


def test_an_opening_that_breaks_gives_the_job_an_end(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the fault is wf's own: an attempt without an end would be lost, and its budget with it."""
    from wf_cli.editor import handover

    def make(*_: Any, **__: Any) -> Any:
        raise ValueError("no such thing")

    yard.enqueue("job")
    monkeypatch.setattr(handover, "make", make)
    with keeping(yard, wait_s=0.5) as kept:
        outcome = yard.outcome("job")
    assert outcome.failure is not None
    assert (outcome.end, outcome.failure.message) == (End.FAILED, "ValueError: no such thing")
    assert kept.errors == [] or isinstance(kept.errors[0], Temporary)
    placed = yard.queue.find("job")
    assert placed is not None
    assert placed.status is not Status.RUNNING
