"""One bad item stops no loop: what cannot be read is said once, with path and remedy, and the rest goes on."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.scenarios import stage_only
from support.spools import (
    PLAIN,
    POOL,
    SUCCESS,
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
from support.stand_ins import stand_in
from support.views import beat, make_late, write_session
from wf_cli import seams
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.retry import ending_of
from wf_cli.contract.token import NUMBER_LIMIT, Placed, Token
from wf_cli.errors import ContractError, Refused
from wf_cli.queue.spending import add_up
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import attempt, keys, late, retention, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import SayOnce, Trouble


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
        patch.setattr(os, "open", stand_in("open", refuse))
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
        patch.setattr(os, "rename", stand_in("rename", refuse))
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
            reaped = [r.token.job_id for r in queue.reap(lambda _owner: "seen dead", by="r-box-1")]
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


def rename_attempt(queue: SpoolQueue, folder: str, attempt: int) -> None:
    """As foreign hands do."""
    (name,) = os.listdir(queue.spool.folder(folder))
    os.rename(queue.spool.path(folder, name), queue.spool.path(folder, name.replace(".a0b", f".a{attempt}b")))


def test_a_token_whose_next_attempt_has_no_name_is_never_claimed(queue: SpoolQueue, said: list[str]) -> None:
    queue.enqueue(request("far"))
    rename_attempt(queue, "queued", NUMBER_LIMIT - 1)
    assert any("attempts_used_up" in line for line in problems(queue.spool))
    queue.enqueue(request("near"))
    assert claim_one(queue).job_id == "near"
    assert where(queue, "far") == "dead"
    assert "attempt numbers are used up" in said[0]
    outcome = queue.outcome("far", NUMBER_LIMIT - 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "invalid_spec", "the reason, where `wf explain` and `wf dead ls` look for it"
    assert problems(queue.spool) == [], "settled: it is no finding for ever"
    with pytest.raises(Refused, match="used up"):
        queue.retry("far")


@pytest.mark.parametrize("folder", ["queued", "held"])
def test_verify_makes_a_dead_letter_of_a_token_whose_next_attempt_has_no_name(queue: SpoolQueue, folder: str) -> None:
    queue.enqueue(request("far"))
    if folder == "held":
        assert queue.hold("far")
    rename_attempt(queue, folder, NUMBER_LIMIT - 1)
    found = verify.verify(queue.spool, FakeClock(), fix=True)
    assert [(f.kind, f.fixed) for f in found] == [("attempts_used_up", True)]
    assert where(queue, "far") == "dead"
    assert problems(queue.spool) == []


def test_the_last_attempt_that_a_name_can_say_runs_and_ends(queue: SpoolQueue) -> None:
    queue.enqueue(request("far"))
    rename_attempt(queue, "queued", NUMBER_LIMIT - 2)
    token = run_one(queue)
    assert token.attempt == NUMBER_LIMIT - 1
    assert problems(queue.spool) == [], "at work it is in order"
    queue.end(token, SUCCESS, by="w-box-1")
    assert where(queue, "far") == "done"
    with pytest.raises(Refused, match="used up"):
        queue.retry("far", force=True)


def test_a_late_result_is_not_applied_by_an_attempt_without_a_name(queue: SpoolQueue) -> None:
    queue.enqueue(request("far"))
    make_late(queue, run_one(queue))
    (name,) = os.listdir(queue.spool.folder("queued"))
    far = name.replace(".a1b", f".a{NUMBER_LIMIT - 1}b")
    os.rename(queue.spool.path("queued", name), queue.spool.path("queued", far))
    with pytest.raises(Refused, match="used up"):
        queue.apply_late(late.listing(queue.spool)[0], by="operator-box-1")


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
        return nullcontext(iter(found))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", stand_in("scandir", scandir))
        assert problems(spool) == []


def test_verify_does_not_report_what_a_purge_removed_meanwhile(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("gone"))
    placed = queue.find("gone")
    assert placed is not None
    os.unlink(spool.path(placed.folder, placed.token.name))
    gone = Placed(placed.folder, placed.token)
    assert list(keys.unreserved(spool, gone, lambda _job, _fault: True, dry_run=True)) == []


# -- every other loop over foreign things


@contextmanager
def refusing(monkeypatch: pytest.MonkeyPatch, call: str, part: str, code: int = errno.EPERM) -> Iterator[None]:
    """``os.<call>`` of a path with ``part`` in it fails: an immutable file, say, or another user's."""
    real = getattr(os, call)

    def refuse(path, *rest, **more):  # type: ignore[no-untyped-def]
        if part in os.fspath(path):
            raise OSError(code, os.strerror(code), os.fspath(path))
        return real(path, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, stand_in(call, refuse))
        yield


def finish(queue: SpoolQueue, *keys: str) -> None:
    for key in keys:
        queue.enqueue(request(key))
        queue.end(run_one(queue), SUCCESS, by="w-box-1")


def test_a_token_that_the_system_lets_nobody_move_keeps_no_worker_from_the_next_one(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first", "second"):
        queue.enqueue(request(key))
    with refusing(monkeypatch, "rename", ".first."):
        assert claim_one(queue).job_id == "second"
        assert len(said) == 1
        assert ".first." in said[0]
        with pytest.raises(PermissionError):
            queue.claim("w-box-1", (POOL,))
    assert claim_one(queue).job_id == "first"


def test_a_claim_that_was_refused_although_its_token_went_is_not_passed_over(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it is ours."""
    for key in ("first", "second"):
        queue.enqueue(request(key))
    real = attempt.take

    def take(spool: Spool, token: Token, owner: str) -> Token | None:
        claimed = real(spool, token, owner)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(claimed))

    with monkeypatch.context() as patch:
        patch.setattr(attempt, "take", take)
        with pytest.raises(PermissionError):
            queue.claim("w-box-1", (POOL,))
    assert [where(queue, key) for key in ("first", "second")] == ["claimed", "queued"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
def test_an_unreadable_outcome_is_an_unknown_cost(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    finish(queue, "first", "second")
    with unreadable(monkeypatch, "outcomes/first.", code):
        spent = add_up(queue, lambda _job_id: True)
    assert "first.a1" in spent.unknown
    assert len(said) == 1


def test_resume_makes_the_jobs_behind_an_unreadable_outcome_ready(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first", "second"):
        queue.enqueue(request(key))
        queue.end(run_one(queue), ending_of(Failure("rate_limited", "later")), by="w-box-1")
    with unreadable(monkeypatch, "outcomes/first.", errno.EACCES):
        assert queue.unpark(None) == ["second"]
    assert len(said) == 1
    assert queue.unpark(None) == ["first"]


def test_gc_puts_away_what_it_may(queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    finish(queue, "first", "second")
    with refusing(monkeypatch, "rename", ".first."):
        assert [token.job_id for token in queue.gc(older_s=-1)] == ["second"]
    assert len(said) == 1
    assert where(queue, "first") == "done"
    assert where(queue, "second") == "archive"


def test_gc_on_a_read_only_disk_raises_once_all_were_tried(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(queue, "first", "second")
    with refusing(monkeypatch, "rename", ".first.", errno.EROFS), pytest.raises(OSError, match="Read-only"):
        queue.gc(older_s=-1)
    assert where(queue, "second") == "archive"


def test_cleaning_removes_what_it_may(queue: SpoolQueue, said: list[str]) -> None:
    finish(queue, "first", "second")
    queue.gc(older_s=-1)
    queue.spool.transcript_path("first", 1).mkdir()
    queue.spool.transcript_path("second", 1).write_text("said")
    removed = retention.clean(queue.spool, before_ms=0, on_trouble=queue.troubles)
    assert removed.transcripts == ["second.a1.log"]
    assert len(said) == 1
    assert "first.a1.log" in said[0]


def test_purge_removes_what_it_may_and_then_says_what_stays(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = spool_queue(spool)
    ids = []
    for plan in ("01", "02"):
        target = Target(plan, 0, "code", POOL.role, "01")
        ids.append(queue.enqueue(JobRequest(POOL.role, POOL.runtime, target=target)).job_id)
        queue.end(run_one(queue), SUCCESS, by="w-box-1")
    with (
        refusing(monkeypatch, "unlink", f"{ids[0]}.a1.json", errno.EIO),
        pytest.raises(OSError, match="Input/output"),
    ):
        retention.purge(spool, "01")
    assert [where(queue, job_id) for job_id in ids] == ["done", None]
    assert queue.outcome(ids[0], 1) is not None
    assert_sound(spool, jobs=1)


def test_a_lease_that_may_not_be_removed_keeps_no_other_from_being_buried(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner in ("first-box-1", "second-box-1"):
        write_session(queue.spool, owner, dead=True)
        beat(queue.spool, owner)
    reaper = Reaper(queue, FakeClock(), Recorder(), me="r-box-1")
    with refusing(monkeypatch, "unlink", "first-box-1.lease"):
        reaper.bury()
    assert os.listdir(queue.spool.folder("leases")) == ["first-box-1.lease"]
    assert len(said) == 1


def test_a_job_is_found_although_another_ones_enqueue_cannot_be_carried_on(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first", "second"):
        stage_only(queue.spool, key)
    with refusing(monkeypatch, "rename", ".first.", errno.EROFS):
        assert where(queue, "second") == "queued"
        with pytest.raises(OSError, match="Read-only"):
            queue.find("first")
    assert where(queue, "first") == "queued"


def test_a_damaged_outcome_whose_fence_is_busy_is_left_and_the_rest_reaped(
    queue: SpoolQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put away under the fence only: somebody may publish a good one there just now."""
    real = Spool.fence
    monkeypatch.setattr(Spool, "fence", lambda self, job_id, timeout=0.03: real(self, job_id, timeout=timeout))
    for key in ("first", "second"):
        queue.enqueue(request(key))
        run_one(queue, "dead-box-1")
    queue.spool.outcome_path("first", 1).write_text("torn")
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with queue.fence("first"):
            held.set()
            free.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        assert [r.token.job_id for r in queue.reap(lambda _owner: "seen dead", by="r-box-1")] == ["second"]
        assert queue.spool.outcome_path("first", 1).read_text() == "torn"
    finally:
        free.set()
        holder.join()
    assert [r.token.job_id for r in queue.reap(lambda _owner: "seen dead", by="r-box-1")] == ["first"]


def test_a_session_says_which_jobs_its_repairs_could_not_reach(
    queue: SpoolQueue, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("first", "second"):
        queue.enqueue(request(key))
        os.unlink(next(queue.spool.folder("queued").iterdir()))
    with unreadable(monkeypatch, "jobs/first.json", errno.EIO):
        verify.repair(queue.spool, on_trouble=queue.troubles)
    assert len(said) == 1
    assert "jobs/first.json: Input/output error" in said[0]
    assert "look at the disk or the mount" in said[0]


def test_verify_names_a_folder_that_may_not_be_read_and_looks_at_the_rest(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.path("control", "what is this").write_text("")
    with refusing(monkeypatch, "scandir", "/transcripts", errno.EACCES):
        found = [line.split(": ")[:2] for line in problems(spool)]
    assert found == [["foreign_file", "control/what is this"], ["unreadable", "transcripts"]]


def test_a_trouble_is_said_once_whatever_part_of_ours_it_came_from(tmp_path: Path) -> None:
    """Our parts have another name each time."""
    said: list[str] = []
    say = SayOnce(said.append)
    for nonce in ("aaaa", "bbbb"):
        say(Trouble.of(tmp_path / "outcomes" / "a.json", OSError(errno.EIO, "EIO", str(tmp_path / "tmp" / nonce))))
    assert len(said) == 1
    assert said[0].startswith(f"{tmp_path}/outcomes/a.json: EIO in {tmp_path}/tmp; passed over")


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOTCONN, "look at the disk or the mount"), (errno.ENOSPC, "make room"), (0, "--fix")],
)
def test_an_item_that_met_an_outage_is_not_called_foreign(number: int, remedy: str) -> None:
    """`verify --fix` was named for it, which would have found nothing."""
    path = Path("outcomes/a.a1.json")
    error = OSError(number, "no", str(path)) if number else ValueError("it is no JSON")
    wrapped = ContractError("cannot read it", code="invalid_outcome")
    wrapped.__cause__ = error
    assert remedy in Trouble.of(path, error).remedy
    assert remedy in Trouble.of(path, wrapped).remedy


def test_what_is_gone_between_its_listing_and_the_look_at_it_is_no_trouble(
    queue: SpoolQueue, said: list[str]
) -> None:
    for key in ("first", "second"):
        stage_only(queue.spool, key)

    def hook(step: str) -> None:
        if step == "sweep.listed":
            for name in os.listdir(queue.spool.folder("tmp")):
                if ".first." in name:
                    os.unlink(queue.spool.path("tmp", name))

    seams.install(hook)
    try:
        assert [token.job_id for token in queue.sweep()] == ["second"]
    finally:
        seams.install(None)
    assert said == []
