"""Looking at jobs that move while the directories are listed one after the other. The orders are forced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.scenarios import stage_only
from support.spools import RELEASE, SUCCESS, claim_one, failing, make_spool, request, run_one, spool_queue
from wf_cli import fsio
from wf_cli.contract.failure import Failure
from wf_cli.contract.retry import ending_of
from wf_cli.contract.token import Placed, Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import scan

ME = "w-box-1"


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    queue = spool_queue(make_spool(tmp_path / "spool"))
    queue.enqueue(request("a"))
    return queue


@contextmanager
def after_listing(folder: str, act: Callable[[], object], *others: str) -> Iterator[list[str]]:
    """``act`` happens right after the first listing of ``folder``, or of one of the others; listings are noted."""
    real, listed = fsio.names, list[str]()

    def names(directory: Path) -> list[str]:
        found = real(directory)
        listed.append(directory.name)
        if directory.name in (folder, *others) and sum(map(listed.count, (folder, *others))) == 1:
            act()
        return found

    fsio.names = names
    try:
        yield listed
    finally:
        fsio.names = real


def running(queue: SpoolQueue) -> Token:
    return run_one(queue, ME)


def release(queue: SpoolQueue) -> None:
    (token,) = scan.listing(queue.spool, "running")
    assert queue.end(token, RELEASE, by=ME).accepted


def spend(queue: SpoolQueue) -> None:
    (token,) = scan.listing(queue.spool, "running")
    assert queue.end(token, ending_of(Failure("over_budget", "too much")), by=ME).accepted


def finished(queue: SpoolQueue) -> None:
    queue.end(running(queue), SUCCESS, by=ME)


def dead(queue: SpoolQueue) -> None:
    queue.end(running(queue), failing("policy_denied"), by=ME)


Act = Callable[[SpoolQueue], object]

#: What was, after which listing what happens, and what a look at all jobs says.
MOVES: dict[str, tuple[Act | None, str, Act, tuple[str, int]]] = {
    "claimed": (None, "queued", lambda q: claim_one(q, ME), ("claimed", 1)),
    "started": (lambda q: claim_one(q, ME), "claimed", lambda q: start(q), ("running", 1)),
    "released": (running, "running", release, ("queued", 1)),
    "released early": (running, "queued", release, ("queued", 1)),
    "held": (None, "queued", lambda q: q.hold("a"), ("held", 0)),
    "unheld": (lambda q: q.hold("a"), "queued", lambda q: q.unhold("a"), ("queued", 0)),
    "retried": (dead, "queued", lambda q: q.retry("a"), ("queued", 1)),
    "retried after it was seen": (dead, "dead", lambda q: q.retry("a"), ("queued", 1)),
    "held for its money": (running, "claimed", spend, ("held", 1)),
}


def start(queue: SpoolQueue) -> None:
    (token,) = scan.listing(queue.spool, "claimed")
    with queue.fence("a"):
        queue.start(token)


@pytest.mark.parametrize("move", MOVES)
def test_i3_a_job_that_moves_past_a_look_at_all_jobs_is_seen_once_and_where_it_went(
    queue: SpoolQueue, move: str
) -> None:
    """Kills: the first sight wins; the later one wins only with a higher attempt; no second look at queued/."""
    before, folder, act, (where, attempt) = MOVES[move]
    if before is not None:
        before(queue)
    with after_listing(folder, lambda: act(queue)):
        seen = [(p.folder, p.token.attempt) for p in scan.everything(queue.spool)]
    assert seen == [(where, attempt)]


def test_a_token_that_a_torn_rename_left_behind_does_not_hide_the_attempt(queue: SpoolQueue) -> None:
    """Kills: the later sight wins whatever its attempt. queued/ is looked at last."""
    (old,) = queue.spool.folder("queued").iterdir()
    data = old.read_bytes()
    token = claim_one(queue, ME)
    old.write_bytes(data)
    assert scan.everything(queue.spool) == [Placed("claimed", token)]


@pytest.mark.parametrize("folder", ["queued", "held", "claimed"])
def test_i3_a_job_that_goes_back_past_a_look_for_it_is_found_by_the_next_look(queue: SpoolQueue, folder: str) -> None:
    """Kills: one look is enough."""
    running(queue)
    with after_listing(folder, lambda: release(queue)):
        found = scan.find(queue.spool, "a")
    assert found is not None
    assert (found.folder, found.token.attempt) == ("queued", 1)


def test_a_job_that_nobody_reserved_is_looked_for_once(queue: SpoolQueue) -> None:
    with after_listing("none", lambda: None) as listed:
        assert scan.find(queue.spool, "b") is None
        assert scan.find(queue.spool, "b", archive=False) is None
    assert listed.count("queued") == 2
    assert listed.count("archive") == 1


def test_i3_a_job_whose_enqueuer_died_after_staging_it_is_found(queue: SpoolQueue) -> None:
    stage_only(queue.spool, "b")
    assert scan.find(queue.spool, "b") is None
    found = queue.find("b")
    assert found is not None
    assert found.folder == "queued"


def test_i2_a_token_that_is_started_while_a_reaper_lists_is_not_missed(queue: SpoolQueue) -> None:
    """Kills: running/ is listed before claimed/. The session is paused, not dead: it starts its job meanwhile."""
    queue.enqueue(request("b"))
    first = running(queue)
    claimed = claim_one(queue, ME)

    def begin() -> None:
        with queue.fence(claimed.job_id):
            assert queue.start(claimed) == "go"

    with after_listing("claimed", begin, "running"):
        reaped = spool_queue(queue.spool).reap(lambda owner: "seen dead" * (owner == ME), by="r-box-1")
    assert sorted(r.token.job_id for r in reaped) == sorted([first.job_id, claimed.job_id])


def test_i2_a_token_that_is_started_after_a_reaper_has_listed_it_goes_where_its_outcome_says(
    queue: SpoolQueue,
) -> None:
    claimed = claim_one(queue, ME)
    with after_listing("claimed", lambda: start(queue)):
        (reaped,) = spool_queue(queue.spool).reap(lambda owner: "seen dead" * (owner == ME), by="r-box-1")
    assert reaped.token == claimed
    found = queue.find("a")
    assert found is not None
    assert (found.folder, found.token.burned) == ("queued", 1)
