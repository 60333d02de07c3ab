"""A job is found by its id without a listing of tokens, wherever its records say that it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.round_trips import counted
from support.spools import SUCCESS, failing, make_spool, request, run_one, spool_queue, tokens_on_disk
from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.contract.token import Placed
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import late, scan, whereabouts
from wf_cli.views.record import record
from wf_cli.views.viewer import Viewer


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"), FakeClock())


def crash(queue: SpoolQueue) -> None:
    queue.end(run_one(queue), failing("crashed"), by="w-box-1")
    queue._clock.advance(3600)  # type: ignore[attr-defined]


def finish(queue: SpoolQueue) -> None:
    queue.end(run_one(queue), SUCCESS, by="w-box-1")


def die(queue: SpoolQueue) -> None:
    queue.end(run_one(queue), failing("policy_denied"), by="w-box-1")


def times(n: int, do: Callable[[SpoolQueue], object]) -> Callable[[SpoolQueue], None]:
    def repeat(queue: SpoolQueue) -> None:
        for _ in range(n):
            do(queue)

    return repeat


#: What happens to the job, and whether it is found by its name.
LIVES: dict[str, tuple[list[Callable[[SpoolQueue], object]], bool]] = {
    "new": ([], True),
    "held": ([lambda q: q.hold("k")], True),
    "waits again": ([crash], True),
    "waits again after many": ([times(5, crash)], True),
    "held after an attempt": ([crash, lambda q: q.hold("k")], False),
    "done": ([finish], True),
    "done at the third": ([crash, crash, finish], True),
    "dead": ([die], True),
    "archived": ([finish, lambda q: q.gc(older_s=-1)], True),
    "cancelled": ([lambda q: q.cancel("k", by="me")], False),
    "retried": ([die, lambda q: q.retry("k")], False),
    "running": ([run_one], False),
    "finished after a retry": ([die, lambda q: q.retry("k"), finish], True),
}


def live(queue: SpoolQueue, name: str) -> Placed:
    queue.enqueue(request("k", max_attempts=9))
    queue.enqueue(request("k-2", max_attempts=9, priority=9))
    for do in LIVES[name][0]:
        do(queue)
    (placed,) = [placed for placed in tokens_on_disk(queue.spool) if placed.token.job_id == "k"]
    return placed


@pytest.mark.parametrize("name", LIVES)
def test_a_job_is_found_wherever_it_is(queue: SpoolQueue, name: str) -> None:
    placed, by_name = live(queue, name), LIVES[name][1]
    with counted(queue.spool.root) as trips:
        assert scan.find(queue.spool, "k") == placed
    assert bool(listings(trips.calls)) is not by_name
    assert whereabouts.of(queue.spool, "k") == (placed if by_name else None)
    if placed.folder != "archive":
        assert scan.match(queue.spool, "k") == [placed]


def listings(calls: list[str]) -> set[str]:
    return {call.removeprefix("listdir ") for call in calls if call.startswith("listdir ")} & set(DIRECTORIES)


@pytest.mark.parametrize("damage", ["spec", "outcome", "garbled spec", "garbled outcome"])
def test_without_its_records_a_job_is_found_by_listing(queue: SpoolQueue, damage: str) -> None:
    placed = live(queue, "done at the third")
    path = queue.spool.spec_path("k") if "spec" in damage else queue.spool.outcome_path("k", 3)
    path.unlink()
    if "garbled" in damage:
        path.write_text("{")
    assert scan.find(queue.spool, "k") == placed
    assert scan.match(queue.spool, "k") == [placed]


def test_where_lookups_can_be_old_only_listings_count(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool", topology="shared")
    queue = spool_queue(spool)
    queue.enqueue(request("k"))
    with counted(spool.root) as trips:
        assert scan.find(spool, "k") is not None
    assert "queued" in listings(trips.calls)


def test_a_job_that_is_not_there_is_not_found(queue: SpoolQueue) -> None:
    for text in ("k", "../jobs/k", "", "K", "k."):
        assert scan.find(queue.spool, text) is None
        assert scan.match(queue.spool, text) == []


def test_showing_a_finished_job_lists_no_folder_of_tokens(queue: SpoolQueue) -> None:
    placed = live(queue, "done at the third")
    with counted(queue.spool.root) as trips:
        (found,) = scan.match(queue.spool, "k")
        shown = record(found, Viewer(queue.spool, FakeClock()))
    assert (found, len(shown.attempts)) == (placed, 3)
    assert listings(trips.calls) == set()


def test_a_beginning_is_found_by_one_listing_of_each_folder(queue: SpoolQueue) -> None:
    live(queue, "done")
    with counted(queue.spool.root) as trips:
        assert [placed.token.job_id for placed in scan.match(queue.spool, "k-")] == ["k-2"]
    assert max(trips.calls.count(f"listdir {folder}") for folder in DIRECTORIES) <= 2  # queued/ again, for returns
    assert "listdir jobs" not in trips.calls


def test_late_results_of_one_job_are_those_of_all(queue: SpoolQueue) -> None:
    from wf_cli.spool import attempt

    live(queue, "waits again")
    outcome = queue.outcome("k", 1)
    assert outcome is not None
    attempt.keep_late(queue.spool, outcome, "w-late-1")
    assert late.listing(queue.spool, "k") == late.listing(queue.spool) != []
    assert late.listing(queue.spool, "k-2") == []
