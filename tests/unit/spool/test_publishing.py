"""Exclusive publication: what `fsio.publish` makes of an error of link, and damaged outcomes under the fence."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.faults import fault
from support.spools import SUCCESS, failing, make_spool, request, run_one, spool_queue, where
from support.stand_ins import stand_in
from wf_cli import fsio
from wf_cli.contract.job import End
from wf_cli.errors import Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import attempt
from wf_cli.spool.layout import Spool

ME = "w-box-1"


# -- an error of link is no verdict


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "part"
    path.write_text("mine")
    return path


UNSURE = pytest.mark.parametrize(
    "code",
    [
        errno.EPERM, errno.EEXIST, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOENT, errno.EACCES, errno.ENOSPC,
        errno.EROFS,
    ],
    ids=errno.errorcode.get,
)  # fmt: skip


@UNSURE
def test_a_link_that_was_made_is_ours_although_it_says_otherwise(part: Path, code: int) -> None:
    """Kills: EPERM (sshfs), EEXIST (a retried call) or EIO (a lost answer) is taken for a failure."""
    with fault("link", code, 1, lying=True):
        assert fsio.publish(part, part.with_name("target"))


@UNSURE
def test_a_name_that_somebody_else_has_is_his_whatever_link_says(part: Path, code: int) -> None:
    target = part.with_name("target")
    target.write_text("yours")
    with fault("link", code, 1):
        assert not fsio.publish(part, target)
    assert target.read_text() == "yours"


@UNSURE
def test_a_link_that_failed_and_left_nothing_is_an_error(part: Path, code: int) -> None:
    with fault("link", code, 1), pytest.raises(OSError, match=os.strerror(code)) as raised:
        fsio.publish(part, part.with_name("target"))
    assert raised.value.errno == code


def test_a_listing_of_the_past_does_not_hide_what_a_lookup_sees(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sshfs with its directory cache: the name is there at once, the listing shows it seconds later."""
    target = part.with_name("target")
    target.write_text("yours")
    monkeypatch.setattr(fsio, "listed", lambda _directory, _name: False)
    assert not fsio.publish(part, target)
    with fault("link", errno.ESTALE, 1, lying=True):
        assert fsio.publish(part, part.with_name("another"))


def test_a_lookup_of_the_past_does_not_hide_what_a_listing_shows(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS: a cached "no such name" answers until the directory is listed."""
    real = fsio.read_regular
    hidden = [True]

    def read(path: Path, *more: Any) -> bytes:
        if path.name == "target" and hidden.pop():
            hidden.append(False)
            raise FileNotFoundError(errno.ENOENT, "cached", str(path))
        return real(path, *more)

    monkeypatch.setattr(fsio, "read_regular", read)
    with fault("link", errno.ENOENT, 1, lying=True):
        assert fsio.publish(part, part.with_name("target"))


# -- damaged outcomes


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"))


@pytest.fixture
def damaged(queue: SpoolQueue) -> Path:
    """The outcome of a running attempt, damaged by foreign hands."""
    queue.enqueue(request("a"))
    run_one(queue, ME)
    path = queue.spool.outcome_path("a", 1)
    path.write_text("{torn")
    return path


@contextmanager
def fence_held(spool: Spool, job_id: str) -> Iterator[None]:
    """By another thread, as by another process."""
    taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with spool.fence(job_id):
            taken.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(60)
    try:
        yield
    finally:
        release.set()
        thread.join(60)


def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Spool.fence
    monkeypatch.setattr(Spool, "fence", lambda self, job_id, timeout=0.03: real(self, job_id, timeout=timeout))


def test_i2_a_damaged_outcome_is_not_put_away_past_a_busy_fence(
    queue: SpoolQueue, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills: it is put away without the fence. Its holder may be about to publish, or to roll forward."""
    hasty(monkeypatch)
    with fence_held(queue.spool, "a"):
        with pytest.raises(Temporary):
            attempt.standing_outcome(queue.spool, "a", 1)
        assert damaged.read_text() == "{torn"
    assert attempt.standing_outcome(queue.spool, "a", 1) is None
    assert not damaged.exists()
    (kept,) = queue.spool.path("archive", "quarantine").iterdir()
    assert kept.read_text() == "{torn"


def test_i2_an_outcome_that_took_the_place_of_a_damaged_one_meanwhile_stands(
    queue: SpoolQueue, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills: what was damaged before the fence was taken is put away unseen under it."""
    real = Spool.fence
    token = queue.find("a").token  # type: ignore[union-attr]

    def fence(spool: Spool, job_id: str, **more: Any) -> AbstractContextManager[None]:
        monkeypatch.setattr(Spool, "fence", real)
        assert spool_queue(spool).end(token, SUCCESS, by=ME).accepted  # while we wait for the fence
        return real(spool, job_id, **more)

    monkeypatch.setattr(Spool, "fence", fence)
    outcome = attempt.standing_outcome(queue.spool, "a", 1)
    assert outcome is not None
    assert outcome.end is End.SUCCEEDED
    assert attempt.standing_outcome(queue.spool, "a", 1) == outcome
    assert where(queue, "a") == "done"


def test_i2_a_good_outcome_is_offered_again_after_a_damaged_one_was_put_away(
    queue: SpoolQueue, damaged: Path
) -> None:
    token = queue.find("a").token  # type: ignore[union-attr]
    assert queue.end(token, SUCCESS, by=ME).accepted
    assert where(queue, "a") == "done"


# -- offered again


@pytest.mark.parametrize("lying", [True, False], ids=["link-made", "link-not-made"])
def test_i5_an_outcome_that_is_offered_again_after_an_io_error_counts_once(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch, lying: bool
) -> None:
    """Kills: the second offer has another nonce, so a success would be taken for a late result of itself."""
    queue.enqueue(request("a"))
    token = run_one(queue, ME)
    listdir, read = os.listdir, fsio.read_regular

    def refuse(path: Any) -> list[str]:
        if os.fspath(path).endswith("outcomes"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return listdir(path)

    def refuse_too(path: Path, *more: Any, **options: Any) -> bytes:
        if Path(path).parent.name == "outcomes":
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return read(path, *more, **options)

    with monkeypatch.context() as patch, fault("link", errno.EIO, 1, lying=lying):
        patch.setattr(os, "listdir", stand_in("listdir", refuse))
        patch.setattr(fsio, "read_regular", refuse_too)
        with pytest.raises(OSError, match="Input/output"):
            queue.end(token, SUCCESS, by=ME)
    assert queue.spool.outcome_path("a", 1).exists() is lying
    assert queue.end(token, SUCCESS, by=ME).accepted
    assert not queue.end(token, SUCCESS, by=ME).accepted, "once"
    assert where(queue, "a") == "done"


def test_i2_another_ending_than_the_one_that_may_stand_is_offered_afresh(queue: SpoolQueue) -> None:
    """Kills: whatever is offered after an I/O error is answered with the first offer."""
    queue.enqueue(request("a"))
    token = run_one(queue, ME)
    with fault("link", errno.ENOSPC, 1), pytest.raises(OSError, match="No space"):
        queue.end(token, SUCCESS, by=ME)
    ended = queue.end(token, failing("policy_denied"), by=ME)
    assert (ended.accepted, ended.outcome.end) == (True, End.FAILED)


def test_i2_an_offer_of_one_is_not_that_of_another(queue: SpoolQueue) -> None:
    """Kills: the offers of an owner and of a reaper are taken for each other's."""
    queue.enqueue(request("a"))
    token = run_one(queue, ME)
    with fault("link", errno.ENOSPC, 1), pytest.raises(OSError, match="No space"):
        queue.end(token, SUCCESS, by=ME)
    ended = queue.end(token, SUCCESS, by="op-box-1")
    assert (ended.accepted, ended.outcome.by) == (True, "op-box-1")
    assert not queue.end(token, SUCCESS, by=ME).accepted
