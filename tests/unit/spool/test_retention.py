"""What is removed for good: transcripts of archived jobs, files of ended sessions, a finished epic."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.clock import START_MS, FakeClock
from support.spools import SUCCESS, assert_sound, make_spool, problems, run_one, spool_queue, where
from support.views import beat, write_session
from wf_cli import fsio, seams
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Pool
from wf_cli.errors import NotFound, Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import retention, verify
from wf_cli.spool.layout import Spool

POOL = Pool("plan-coder", "opencode")
LATER = START_MS * 2


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


def add(queue: SpoolQueue, epic: str, plan: str, *, finish: bool = True) -> str:
    """A step of a plan, finished; its job id."""
    target = Target(plan, 0, "code", POOL.role, epic_id=epic)
    job_id = queue.enqueue(JobRequest(role=POOL.role, runtime=POOL.runtime, target=target)).job_id
    if finish:
        token = run_one(queue, "w-box-1", POOL)
        queue.spool.transcript_path(job_id, 1).write_text("said\n", encoding="utf-8")
        queue.end(token, SUCCESS, by="w-box-1")
    return job_id


def files(spool: Spool) -> list[str]:
    folders = ("jobs", "done", "archive", "outcomes", "transcripts")
    return sorted(f"{folder}/{name}" for folder in folders for name in os.listdir(spool.folder(folder)))


def test_transcripts_go_with_the_archive_and_no_sooner(spool: Spool) -> None:
    clock = FakeClock()
    queue = spool_queue(spool, clock)
    add(queue, "01", "01")
    assert retention.clean(spool, before_ms=LATER).transcripts == []
    clock.advance(100)
    kept = add(queue, "01", "02")
    assert [t.job_id for t in queue.gc(older_s=50)] == ["e01-p01-i0-code-plan-coder"]
    removed = retention.clean(spool, before_ms=LATER)
    assert removed.transcripts == ["e01-p01-i0-code-plan-coder.a1.log"]
    assert os.listdir(spool.folder("transcripts")) == [f"{kept}.a1.log"]
    assert_sound(spool, jobs=2)


def test_only_sessions_that_ended_long_ago_and_hold_nothing_are_removed(spool: Spool) -> None:
    queue = spool_queue(spool)
    add(queue, "01", "01", finish=False)
    token = run_one(queue, "w-busy-1", POOL)
    write_session(spool, "w-busy-1", token, dead=True)
    write_session(spool, "w-alive-1")
    write_session(spool, "w-stopped-1", state="stopped")
    write_session(spool, "w-dead-1", dead=True)
    write_session(spool, "w-recent-1", state="stopped", started_ms=LATER)
    for name in ("busy", "alive", "stopped", "dead", "recent"):
        beat(spool, f"w-{name}-1")
    assert retention.clean(spool, before_ms=LATER - 1).sessions == ["w-dead-1", "w-stopped-1"]
    assert sorted(os.listdir(spool.folder("leases"))) == ["w-alive-1.lease", "w-busy-1.lease", "w-recent-1.lease"]
    assert retention.clean(spool, before_ms=0).sessions == []


def test_purge_leaves_nothing_of_the_epic_and_all_of_the_others(spool: Spool) -> None:
    queue = spool_queue(spool)
    add(queue, "01", "01")
    other = add(queue, "10", "03")
    archived = add(queue, "01", "02")
    queue.gc(older_s=-1)
    assert retention.purge(spool, "01") == ["e01-p01-i0-code-plan-coder", archived]
    assert [name for name in files(spool) if "e01" in name] == []
    assert len([name for name in files(spool) if other in name]) == 4
    assert where(queue, "e01-p01-i0-code-plan-coder") is None
    assert not queue.enqueue(
        JobRequest(role=POOL.role, runtime=POOL.runtime, target=Target("01", 0, "code", POOL.role, epic_id="01"))
    ).deduped


def test_a_purge_looks_at_each_name_once_and_not_once_for_each_job(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = spool_queue(spool)
    for n in range(1, 31):
        job_id = add(queue, "01", f"{n:02d}")
        spool.path("transcripts", f"{job_id}.a1.log").write_text("said")
    looks: list[str] = []
    real = retention._job_of_transcript
    monkeypatch.setattr(retention, "_job_of_transcript", lambda name: looks.append(name) or real(name))
    assert len(retention.purge(spool, "01")) == 30
    assert len(looks) == 30
    assert [name for name in files(spool) if "e01" in name] == []


def test_purge_removes_nothing_while_a_job_is_live(spool: Spool) -> None:
    queue = spool_queue(spool)
    add(queue, "01", "01")
    live = add(queue, "01", "02", finish=False)
    before = files(spool)
    with pytest.raises(Refused) as refused:
        retention.purge(spool, "01")
    assert refused.value.facts["live"] == [live]
    assert refused.value.code == "EPIC_NOT_FINISHED"
    assert files(spool) == before


def test_an_epic_without_jobs_is_not_found(spool: Spool) -> None:
    with pytest.raises(NotFound):
        retention.purge(spool, "07")


@pytest.mark.parametrize("point", range(4))
def test_a_purge_that_dies_leaves_what_repair_and_another_purge_can_finish(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    queue = spool_queue(spool)
    job_id = add(queue, "01", "01")
    real, calls = fsio.unlink_quietly, 0

    def dying(path: Path) -> None:
        nonlocal calls
        if calls == point:
            raise KeyboardInterrupt
        calls += 1
        real(path)

    monkeypatch.setattr(retention.fsio, "unlink_quietly", dying)
    with pytest.raises(KeyboardInterrupt):
        retention.purge(spool, "01")
    monkeypatch.setattr(retention.fsio, "unlink_quietly", real)
    verify.repair(spool)
    assert where(queue, job_id) == "done", "never queued again by itself"
    # The outcome goes before the token, so a finished job can be left without it, and is said to be.
    assert [line for line in problems(spool) if not line.startswith("missing_outcome")] == []
    assert retention.purge(spool, "01") == [job_id]
    assert [name for name in files(spool) if job_id in name] == []


def test_a_job_that_is_retried_while_its_epic_is_purged_stays_whole(spool: Spool) -> None:
    """Forced: the retry comes after purge has looked at all jobs, and before it removes the first."""
    queue = spool_queue(spool)
    revived, other = add(queue, "01", "01"), add(queue, "01", "02")

    def hook(name: str) -> None:
        if name == "purge.looked":
            seams.install(None)
            assert queue.retry(revived, force=True)

    seams.install(hook)
    try:
        with pytest.raises(Refused, match=revived):
            retention.purge(spool, "01")
    finally:
        seams.install(None)
    assert where(queue, revived) == "queued"
    assert queue.outcome(revived, 1) is not None, "its attempts are still known"
    assert where(queue, other) is None
    assert_sound(spool, jobs=1)
