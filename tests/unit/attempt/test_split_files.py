"""A session's file that stays unreadable, as GlusterFS answers EIO for good for a file whose replicas differ.

Found by two hosts on a real GlusterFS volume of which two bricks had died: three jobs stayed in running/ for ever.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from support.clock import FakeClock
from support.in_process import WAITS, Yard
from support.spools import Recorder, failing, make_spool, request, run_one, spool_queue
from support.stand_ins import stand_in
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.job import End
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import lease, patience, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import UNREADABLE_LEASES
from wf_cli.spool.session import SessionFile

OWNER, JUDGE = "w-box-1", "r-box-2"


@contextmanager
def unreadable(path: Path, *names: str) -> Iterator[None]:
    """In the block every call of these names in `os` that is about ``path`` fails with EIO."""
    real = {name: getattr(os, name) for name in names}

    def failing_call(name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if any(isinstance(arg, str | os.PathLike) and os.fspath(arg) == str(path) for arg in args):
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real[name](*args, **options)

        return call

    with mock.patch.multiple(os, **{name: stand_in(name, failing_call(name)) for name in names}):
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["local", "shared"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology=request.param)


@pytest.fixture
def queue(spool: Spool, clock: FakeClock) -> SpoolQueue:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    run_one(queue, OWNER)
    here = session.this_process(OWNER, "opencode", 30.0, clock.now_ms())
    SessionFile(spool, session.replace(here, boot_id="another-boot"))
    lease.path_of(spool, OWNER).write_text("beat")
    return queue


def test_the_attempts_of_a_session_whose_record_stays_unreadable_end(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    reaper = Reaper(queue, clock, Recorder(), me=JUDGE)
    usual, step = lease.DEFAULT_SECONDS[spool.version.topology], 5.0
    reaped: list[Any] = []
    passed = 0.0
    with unreadable(spool.path("sessions", f"{OWNER}.json"), "open"):
        while not reaped and passed < 3600:
            with suppress(OSError):
                reaped = reaper.round()
            clock.advance(step)
            passed += step
    (one,) = reaped
    assert one.outcome.end is End.LOST
    assert passed >= usual * UNREADABLE_LEASES, "not before several leases"
    assert passed < usual * UNREADABLE_LEASES + 3 * patience.SECONDS


def test_an_owner_ends_its_attempt_without_its_file(spool: Spool, queue: SpoolQueue, clock: FakeClock) -> None:
    token = queue.placed()[0].token
    with unreadable(spool.path("sessions", f"{OWNER}.json"), "open"):
        ended = queue.end(token, failing("crashed", session_id="s-1"), by=OWNER)
    assert ended.accepted
    assert ended.outcome.session_id == "s-1"


def test_an_operator_waits_for_the_file_of_a_session_and_then_does_without(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    token = queue.placed()[0].token
    with unreadable(spool.path("sessions", f"{OWNER}.json"), "open"):
        with pytest.raises(OSError, match="Input/output"):
            queue.end(token, failing("crashed"), by="operator")
        clock.advance(patience.SECONDS + 1)
        assert queue.end(token, failing("crashed"), by="operator").accepted


def test_a_session_that_cannot_write_its_file_any_more_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.0)
    yard = Yard(tmp_path, WAITS)
    broken: list[Path] = []
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        path = Path(target)
        if path.parent.name == "sessions" and (not broken or path in broken) and '"mark"' in Path(source).read_text():
            broken[:] = [path]
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        real(source, target)

    monkeypatch.setattr(os, "replace", stand_in("replace", replace))
    yard.enqueue("job")
    with yard.running():
        yard.until(lambda: yard.sessions == 2, "a second session")
    assert broken
    assert any("cannot write its file" in line for line in yard.said)
