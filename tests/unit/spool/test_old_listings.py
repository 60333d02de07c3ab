"""Repairs on a spool whose listings can be old: no attempt starts twice, and no live token is put away.

Those that call a repair without suspicions fail on version 0.4.0, whose repairs did both on a mount by sshfs.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.lying import Host, Lie, always
from support.spools import (
    POOL,
    RELEASE,
    SUCCESS,
    claim_one,
    failing,
    make_spool,
    request,
    run_one,
    spool_queue,
    tokens_on_disk,
    where,
)
from wf_cli import seams
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import session, started, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import SessionFile
from wf_cli.spool.suspicion import Suspicions

A, B = "w-box-1", "w-box-2"
LEASE = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology="shared")


@pytest.fixture
def queue(spool: Spool, clock: FakeClock) -> SpoolQueue:
    SessionFile(spool, session.this_process(A, "opencode", LEASE, clock.now_ms()))
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    return queue


def folders(spool: Spool, *names: str) -> list[Path]:
    return [spool.folder(name) for name in names]


def repairs(spool: Spool, clock: FakeClock, suspicions: Suspicions, times: int, every_s: float) -> list[str]:
    """The kinds that ``times`` repairs fixed."""
    fixed = []
    for _ in range(times):
        suspicions.look_again()
        fixed += [f.kind for f in verify.repair(spool, suspicions=suspicions) if f.fixed]
        clock.advance(every_s)
    return fixed


def test_i1_a_session_does_not_make_a_running_job_again_because_old_listings_do_not_show_it(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    other_host = Host(spool.root)
    other_host.keep(*folders(spool, "claimed", "running"))
    run_one(queue, A)
    with other_host.mounted():
        verify.repair(spool)  # as a session does at its start
        assert queue.claim(B, (POOL,)) is None, "no token was made again"
    assert [p.folder for p in tokens_on_disk(spool)] == ["running"]


def test_i1_a_token_made_again_from_old_listings_starts_no_attempt_twice(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    """The second line of defence: the repair as it was, which trusts what it sees once."""
    trusting = Suspicions(clock, 0.0)
    other_host = Host(spool.root)
    other_host.keep(*folders(spool, "claimed", "running"))
    first = run_one(queue, A)
    with other_host.mounted():
        verify.repair(spool, suspicions=trusting)
    assert sorted(p.folder for p in tokens_on_disk(spool)) == ["queued", "running"]
    other = spool_queue(spool, clock)
    twin = other.claim(B, (POOL,))
    assert twin is not None
    assert twin.attempt == first.attempt
    with other.fence("a"):
        assert other.start(twin) != "go"
    assert queue.end(first, SUCCESS, by=A).accepted


def test_i3_a_retried_job_is_not_put_away_because_old_listings_show_it_twice(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    token = run_one(queue, A)
    queue.end(token, failing("policy_denied"), by=A)
    assert where(queue, "a") == "dead"
    other_host = Host(spool.root)
    other_host.keep(*folders(spool, "dead"))
    assert queue.retry("a")
    with other_host.mounted():
        verify.repair(spool)
        verify.verify(spool, clock, fix=True)
    assert [p.folder for p in tokens_on_disk(spool)] == ["queued"]
    with other_host.mounted():
        # Not even one who trusts what it sees: the token to be kept cannot be opened.
        verify.repair(spool, suspicions=Suspicions(clock, 0.0))
    assert [p.folder for p in tokens_on_disk(spool)] == ["queued"]
    assert spool_queue(spool, clock).claim(B, (POOL,)) is not None


@pytest.mark.parametrize("replies_lost", [False, True])
def test_i3_a_token_put_away_comes_back_when_the_kept_one_moved_meanwhile(
    spool: Spool, queue: SpoolQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, replies_lost: bool
) -> None:
    """`hold` needs no fence: it moves a job of two tokens from where the repair has just opened it onto the other.

    With replies lost it kills: the token counts as not put away because the rename said EIO, so nobody looks after
    the kept one.
    """
    lies = (always(Lie(errno.EIO), "rename"),) if replies_lost else ()
    other_host = Host(spool.root, *lies)
    (placed,) = tokens_on_disk(spool)
    queued, held = (spool.path(folder, placed.token.name) for folder in ("queued", "held"))
    held.write_bytes(queued.read_bytes())
    rename = os.rename  # as another host renames, which tells this one no lie
    other_host.keep(*folders(spool, "held", "queued"))

    def hold_again(name: str) -> None:
        if name == "repair.choosing":
            rename(queued, held)

    monkeypatch.setattr(seams, "_hook", hold_again)
    with other_host.mounted():
        verify.repair(spool, suspicions=Suspicions(clock, 0.0))
    assert [p.folder for p in tokens_on_disk(spool)] == ["held"]


def test_a_lost_token_is_made_again_once_its_absence_was_watched_for_a_whole_lease(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    (placed,) = tokens_on_disk(spool)
    spool.path("queued", placed.token.name).unlink()
    suspicions = Suspicions(clock, LEASE)
    assert repairs(spool, clock, suspicions, 4, LEASE / 4) == []
    assert suspicions.jobs == ["a"]
    assert repairs(spool, clock, suspicions, 1, LEASE / 4) == ["missing_token"]
    assert [p.token.job_id for p in tokens_on_disk(spool)] == ["a"]
    assert repairs(spool, clock, suspicions, 1, 1) == []
    suspicions.look_again()
    assert suspicions.jobs == []


def test_of_two_tokens_one_is_put_away_once_both_were_watched_for_a_whole_lease(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    (placed,) = tokens_on_disk(spool)
    data = spool.path("queued", placed.token.name).read_bytes()
    token = run_one(queue, A)
    spool.path("queued", placed.token.name).write_bytes(data)
    suspicions = Suspicions(clock, LEASE)
    assert repairs(spool, clock, suspicions, 4, LEASE / 4) == []
    assert repairs(spool, clock, suspicions, 1, LEASE / 4) == ["duplicate_token"]
    assert [(p.folder, p.token) for p in tokens_on_disk(spool)] == [("running", token)]
    (kept,) = (spool.root / "archive" / "quarantine").iterdir()
    assert kept.read_bytes() == data, "put away, not removed"


@pytest.mark.parametrize("gap", [LEASE, 24 * 3600.0])
def test_a_watch_starts_again_after_a_gap_in_which_its_process_may_have_stood_still(
    spool: Spool, queue: SpoolQueue, clock: FakeClock, gap: float
) -> None:
    (placed,) = tokens_on_disk(spool)
    spool.path("queued", placed.token.name).unlink()
    suspicions = Suspicions(clock, LEASE)
    repairs(spool, clock, suspicions, 3, LEASE / 4)
    clock.advance(gap)
    assert repairs(spool, clock, suspicions, 4, LEASE / 4) == []
    assert repairs(spool, clock, suspicions, 1, LEASE / 4) == ["missing_token"]


def test_a_watch_starts_again_when_the_job_was_seen_whole(spool: Spool, queue: SpoolQueue, clock: FakeClock) -> None:
    (placed,) = tokens_on_disk(spool)
    path = spool.path("queued", placed.token.name)
    data = path.read_bytes()
    suspicions = Suspicions(clock, LEASE)
    path.unlink()
    repairs(spool, clock, suspicions, 4, LEASE / 4)
    path.write_bytes(data)
    repairs(spool, clock, suspicions, 1, LEASE / 4)
    path.unlink()
    assert repairs(spool, clock, suspicions, 4, LEASE / 4) == []


def test_verify_fix_waits_for_the_watch_and_repairs_then(spool: Spool, queue: SpoolQueue, clock: FakeClock) -> None:
    (placed,) = tokens_on_disk(spool)
    spool.path("queued", placed.token.name).unlink()
    assert [(f.kind, f.fixed) for f in verify.verify(spool, clock, fix=True)] == [("missing_token", False)]
    waited: list[tuple[int, float]] = []

    def pause(jobs: int, seconds: float) -> None:
        waited.append((jobs, seconds))
        clock.advance(seconds)

    found = verify.verify(spool, clock, fix=True, watch=verify.Watch(LEASE, pause))
    assert [(f.kind, f.fixed) for f in found] == [("missing_token", True)]
    assert waited == [(1, 15.0)] * 4
    assert verify.verify(spool, clock, fix=True, watch=verify.Watch(LEASE, pause)) == []
    assert len(waited) == 4, "a sound spool is not watched"


@pytest.mark.parametrize("fix", [False, True])
def test_a_job_that_moved_on_behind_an_old_listing_is_no_finding(
    spool: Spool, queue: SpoolQueue, clock: FakeClock, fix: bool
) -> None:
    """On sshfs the other host's `running/` still shows what is in `done/` for 20 s, and in no folder what began."""
    ended = run_one(queue, A)
    queue.enqueue(request("b"))
    other_host = Host(spool.root)
    other_host.keep(*folders(spool, "running", "claimed"))
    queue.end(ended, SUCCESS, by=A)
    run_one(queue, A)
    waited: list[tuple[int, float]] = []

    def pause(jobs: int, seconds: float) -> None:
        waited.append((jobs, seconds))
        clock.advance(seconds)
        if len(waited) == 2:
            other_host.expire()

    with other_host.mounted():
        found = verify.verify(spool, clock, fix=fix)
        assert [f.kind for f in found] == ["missing_token"], "the ended one opens in one place only"
        assert verify.verify(spool, clock, fix=fix, watch=verify.Watch(LEASE, pause)) == []
    assert waited == [(1, 15.0)] * 2
    assert sorted(p.folder for p in tokens_on_disk(spool)) == ["done", "running"]


def test_verify_says_what_is_wrong_once_it_is_sure(spool: Spool, queue: SpoolQueue, clock: FakeClock) -> None:
    (placed,) = tokens_on_disk(spool)
    spool.path("queued", placed.token.name).unlink()
    watch = verify.Watch(LEASE, lambda _jobs, seconds: clock.advance(seconds))
    began = clock.monotonic()
    assert [(f.kind, f.fixed) for f in verify.verify(spool, clock, watch=watch)] == [("missing_token", False)]
    assert clock.monotonic() - began == LEASE


def test_on_a_local_spool_a_repair_is_made_at_once(tmp_path: Path, clock: FakeClock) -> None:
    local = make_spool(tmp_path / "local")
    queue = spool_queue(local, clock)
    queue.enqueue(request("a"))
    (placed,) = tokens_on_disk(local)
    local.path("queued", placed.token.name).unlink()
    assert [(f.kind, f.fixed) for f in verify.repair(local)] == [("missing_token", True)]


# -- after lost replies


def test_a_session_holds_a_token_whose_renames_got_no_reply(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    """Kills: an old listing without the token ends a running agent. Lookups are fresh there (sshfs)."""
    host = Host(spool.root, always(Lie(errno.EIO), "rename"), clock=clock, listings_s=20)
    with host.mounted():
        queue.placed()
        token = run_one(queue, A)
        assert queue.holds(token)
        assert queue.end(token, SUCCESS, by=A).accepted
        clock.advance(21)
        assert not queue.holds(token)


def test_i5_a_session_that_missed_the_start_of_its_twin_does_not_end_the_attempt(
    spool: Spool, queue: SpoolQueue, clock: FakeClock
) -> None:
    """Kills: a lookup of the past says that no session started the attempt. The listing tells (NFS)."""
    (placed,) = tokens_on_disk(spool)
    data = spool.path("queued", placed.token.name).read_bytes()
    first = claim_one(queue, A)
    spool.path("queued", placed.token.name).write_bytes(data)
    other = spool_queue(spool, clock)
    twin = claim_one(other, B)
    host = Host(spool.root, clock=clock, lookups_s=30)
    with host.mounted():
        assert started.start_of_another(spool, twin) is None
    with queue.fence("a"):
        assert queue.start(first) == "go"
    with host.mounted(), pytest.raises(OSError, match="listed, but not found"):
        other.end(twin, RELEASE, by=B)
    assert queue.outcome("a", 1) is None
    clock.advance(31)
    with host.mounted():
        assert not other.end(twin, RELEASE, by=B).accepted
    assert queue.end(first, SUCCESS, by=A).accepted
