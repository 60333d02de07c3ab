"""One bad item stops no loop: what cannot be read is said once, with path and remedy, and the rest goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.scenarios import stage_only
from support.spools import (
    PLAIN,
    Recorder,
    assert_sound,
    claim_one,
    failing,
    make_spool,
    problems,
    request,
    run_one,
    spool_queue,
    where,
)
from wf_cli.contract.token import NUMBER_LIMIT, Placed
from wf_cli.errors import Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import verify
from wf_cli.spool.layout import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def queue(spool: Spool, said: list[str]) -> SpoolQueue:
    return SpoolQueue(spool, clock=FakeClock(), events=Recorder(), policy=lambda _t: PLAIN, say=said.append)


@contextmanager
def unreadable(monkeypatch: pytest.MonkeyPatch, part: str, code: int) -> Iterator[None]:
    """Opening a path with ``part`` in it for reading fails (root reads everything, so modes cannot show this)."""
    real = os.open

    def refuse(path, flags, *rest, **more):  # type: ignore[no-untyped-def]
        if part in os.fspath(path) and not flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code), os.fspath(path))
        return real(path, flags, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        yield


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_an_unreadable_staged_file_strands_none_behind_it_and_is_said_once(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    for key in ("first", "second"):
        stage_only(queue.spool, key)
    with unreadable(monkeypatch, ".first.", code):
        assert [token.job_id for token in queue.sweep()] == ["second"]
        assert queue.sweep() == []
    assert len(said) == 1
    assert ".first." in said[0]
    assert os.strerror(code) in said[0]
    assert [token.job_id for token in queue.sweep()] == ["first"], "readable again, it is carried on"
    assert_sound(queue.spool, jobs=2)


@pytest.mark.parametrize("make", ["directory", "fifo", "link", "garbage"])
def test_what_only_looks_like_a_staged_file_is_named_and_left(queue: SpoolQueue, said: list[str], make: str) -> None:
    stage_only(queue.spool, "good")
    (good,) = os.listdir(queue.spool.folder("tmp"))
    bad = queue.spool.path("tmp", good.replace("good", "abad"))
    match make:
        case "directory":
            bad.mkdir()
        case "fifo":
            os.mkfifo(bad)
        case "link":
            bad.symlink_to("/etc/passwd")
        case "garbage":
            bad.write_text("not JSON")
    assert [token.job_id for token in queue.sweep()] == ["good"]
    assert queue.sweep() == []
    assert len(said) == 1
    assert str(bad) in said[0]
    assert "wf spool verify --fix" in said[0]


def test_a_failed_write_of_our_own_is_raised_once_all_were_tried(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first", "second"):
        stage_only(queue.spool, key)
    real = os.rename

    def refuse(source, target):  # type: ignore[no-untyped-def]
        if ".first." in os.fspath(source):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(source))
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(OSError, match="Read-only") as raised:
            queue.sweep()
    assert raised.value.errno == errno.EROFS
    assert where(queue, "second") == "queued"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_an_unreadable_outcome_keeps_no_attempt_behind_it_from_being_reaped(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    for key in ("first", "second"):
        queue.enqueue(request(key))
        run_one(queue, "dead-box-1")
    queue.spool.outcome_path("first", 1).write_text("whatever it is")
    with unreadable(monkeypatch, "outcomes/first.", code):
        for _ in range(2):
            reaped = [r.token.job_id for r in queue.reap(lambda _owner: True, by="r-box-1")]
            assert reaped in (["second"], [])
    assert where(queue, "second") == "queued"
    assert where(queue, "first") == "running"
    assert len(said) == 1
    assert "first.a1.json" in said[0]


def test_an_unreadable_reservation_keeps_no_session_from_its_start(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first", "second"):
        queue.enqueue(request(key))
        os.unlink(next(queue.spool.folder("queued").iterdir()))
    with unreadable(monkeypatch, "jobs/first.json", errno.EACCES):
        found = {(f.kind, os.path.basename(f.path)) for f in verify.repair(queue.spool)}
    assert ("unreadable", "first.json") in found
    assert where(queue, "second") == "queued", "rebuilt all the same"


@pytest.mark.parametrize("attempt", [NUMBER_LIMIT - 1])
def test_a_token_whose_next_attempt_has_no_name_is_never_claimed(
    queue: SpoolQueue, said: list[str], attempt: int
) -> None:
    queue.enqueue(request("far"))
    (name,) = os.listdir(queue.spool.folder("queued"))
    os.rename(queue.spool.path("queued", name), queue.spool.path("queued", name.replace(".a0b", f".a{attempt}b")))
    assert any("attempts_used_up" in line for line in problems(queue.spool))
    queue.enqueue(request("near"))
    assert claim_one(queue).job_id == "near"
    assert where(queue, "far") == "dead"
    assert "attempt numbers are used up" in said[0]
    with pytest.raises(Refused, match="used up"):
        queue.retry("far")


def test_a_burned_count_at_its_limit_keeps_its_token(queue: SpoolQueue) -> None:
    queue.enqueue(request("worn", max_attempts=NUMBER_LIMIT - 1))
    (name,) = os.listdir(queue.spool.folder("queued"))
    far = name.replace("b0of", f"b{NUMBER_LIMIT - 1}of")
    os.rename(queue.spool.path("queued", name), queue.spool.path("queued", far))
    token = run_one(queue)
    queue.end(token, failing("crashed"), by="w-box-1")
    assert where(queue, "worn") == "dead"


def test_verify_beside_files_that_come_and_go_finds_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forced: each file of tmp/ is gone between its listing and the look at it."""
    for i in range(3):
        spool.path("tmp", f"{i:016x}.part").write_text("being written")
    real = os.scandir

    def scandir(path):  # type: ignore[no-untyped-def]
        with real(path) as entries:
            found = list(entries)
        if os.fspath(path).endswith("/tmp"):
            for entry in found:
                os.unlink(entry.path)
        return iter(found)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        assert problems(spool) == []


def test_verify_does_not_report_what_a_purge_removed_meanwhile(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("gone"))
    placed = queue.find("gone")
    assert placed is not None
    os.unlink(spool.path(placed.folder, placed.token.name))
    gone = Placed(placed.folder, placed.token)
    assert list(verify._unreserved(spool, gone, dry_run=True)) == []
