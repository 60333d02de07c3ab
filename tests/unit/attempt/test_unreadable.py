"""A job whose own file this host cannot read is given back. Other jobs go on, because they may be readable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from support.in_process import Yard
from support.spools import where
from support.stand_ins import stand_in
from wf_cli.contract.failure import ErrorClass
from wf_cli.contract.job import End
from wf_cli.spool import session


def unreadable(monkeypatch: pytest.MonkeyPatch, part: str, code: int) -> None:
    real = os.open

    def refuse(path, flags, *rest, **more):  # type: ignore[no-untyped-def]
        if part in os.fspath(path) and not flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code), os.fspath(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", stand_in("open", refuse))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_a_token_that_cannot_be_read_is_given_back_and_the_next_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("bad")
    yard.enqueue("good")
    unreadable(monkeypatch, ".bad.", code)
    tally = yard.worker().run()
    assert (tally.processed, tally.succeeded, tally.released) == (2, 1, 1)
    assert where(yard.queue, "good") == "done"
    outcome = yard.outcome("bad")
    assert (outcome.end, outcome.burned, outcome.disposition.to) == (End.RELEASED, 0, "queued")
    assert outcome.disposition.delay_s > 0, "not at once again: another host may be able to read it"
    assert outcome.failure is not None
    assert outcome.failure.error_class is ErrorClass.UNREADABLE
    assert os.strerror(code) in outcome.failure.message
    assert not any("claims" in line for line in yard.said), "the session does not pause"


def test_a_session_says_which_job_its_repairs_could_not_reach_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("bad")
    (name,) = os.listdir(yard.spool.folder("queued"))
    os.unlink(yard.spool.path("queued", name))
    yard.enqueue("good")
    unreadable(monkeypatch, "jobs/bad.json", errno.EIO)
    yard.worker().run()
    assert where(yard.queue, "good") == "done"
    assert [line for line in yard.said if "jobs/bad.json" in line and "look at the disk" in line]


def test_the_files_of_a_session_that_cannot_be_read_stop_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Yard(tmp_path, "true\n")
    yard.enqueue("good")
    for name in ("other-box-1.json", "another-box-2.json"):
        yard.spool.path("sessions", name).write_text("{}")
    yard.spool.path("leases", "other-box-1.lease").mkdir()
    unreadable(monkeypatch, "sessions/other-box-1", errno.EIO)
    assert yard.worker().run().succeeded == 1
    assert "other-box-1" in session.owners(yard.spool)
