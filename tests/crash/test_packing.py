"""Processes die, and the power fails, at every step of packing and of bringing a packed job back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support import children, stage
from support.clock import FakeClock
from support.packed import files_of_jobs, finished, pack, queue_of, spool_with_packs
from support.power import Disk, cuts
from support.spools import POOL, SUCCESS, problems, recover, request, run_one, spool_queue, staged_entries
from support.syncs import recording
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import enqueue, layout, packing

#: The jobs, and how many attempts of each have ended.
JOBS = {"a": 2, "b": 1, "c": 1, "never-run": 0}


def later(seconds: float = 100.0) -> FakeClock:
    clock = FakeClock()
    clock.advance(seconds)
    return clock


def before(root: Path) -> None:
    """Job c is packed; the others are archived."""
    spool_with_packs(root, durability="fsync")
    queue = queue_of(root)
    finished(queue, "c")
    pack(queue)
    finished(queue, "a", failures=1)
    finished(queue, "b", dead=True)
    queue.enqueue(request("never-run"))
    queue.cancel("never-run", by="op-box-1")
    queue.gc(older_s=-1.0)


def before_sweep(root: Path) -> None:
    before(root)
    spool = layout.open_spool(root)
    for entry in staged_entries("c", "new"):
        enqueue._stage(spool, entry)


def do_pack(root: Path) -> None:
    pack(queue_of(root, later()), later())


def do_retry(root: Path) -> None:
    assert queue_of(root, later()).retry("c", force=True)


def do_sweep(root: Path) -> None:
    enqueue.sweep(layout.open_spool(root))


def do_merge(root: Path) -> None:
    packing.MOST_PACKS = 2
    try:
        pack(queue_of(root, later()), later())
    finally:
        packing.MOST_PACKS = 8


def before_merging(root: Path) -> None:
    """Three packs, and more to come: they are merged then."""
    before(root)
    for n in range(2):
        queue = queue_of(root, later(n))
        finished(queue, f"m{n}")
        pack(queue, later(n))
    finished(queue_of(root, later()), "d")


Do = Callable[[Path], None]
CASES: dict[str, tuple[Do, Do]] = {
    "pack": (before, do_pack),
    "retry": (before, do_retry),
    "sweep": (before_sweep, do_sweep),
    "merge": (before_merging, do_merge),
}


def points(case: str) -> list[tuple[str, int]]:
    with tempfile.TemporaryDirectory(prefix="wf-dry-") as folder:
        root = Path(folder) / "spool"
        prepare, do = CASES[case]
        prepare(root)
        return list(stage.steps_of(lambda: do(root)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "point" in metafunc.fixturenames:
        found = [(case, point) for case in CASES for point in points(case)]
        metafunc.parametrize(("case", "point"), found, ids=[f"{case}-{name}-{n}" for case, (name, n) in found])


def assert_all_there(root: Path, *, may_be_queued: frozenset[str] = frozenset()) -> SpoolQueue:
    """Every job is where it was or was retried, with all its outcomes, and no key is free."""
    queue = recover(layout.open_spool(root), later(86400))
    for job_id, attempts in JOBS.items():
        placed = queue.find(job_id)
        assert placed is not None, f"{job_id} is lost"
        assert placed.token.attempt == attempts
        assert placed.folder in ("done", "dead", "archive") or job_id in may_be_queued, placed
        assert [queue.outcome(job_id, n) is not None for n in range(1, attempts + 2)] == [True] * attempts + [False]
        assert queue.spec(job_id) is not None
    answers = queue.enqueue_many([request(key) for key in JOBS])
    assert all(answer.deduped for answer in answers), "invariant 4"
    return queue


def assert_goes_on(queue: SpoolQueue) -> None:
    """Whatever was left is packed by the next gc, and comes back by a retry."""
    while (token := queue.claim("x-box-1", (POOL,))) is not None:
        with queue.fence(token.job_id):
            assert queue.start(token) == "go"
        queue.end(token, SUCCESS, by="x-box-1")
    pack(queue, later(2 * 86400))
    assert files_of_jobs(queue.spool) == []
    assert problems(queue.spool) == []
    again = spool_queue(queue.spool, later(3 * 86400))
    was = again.find("a")
    assert was is not None
    assert again.retry("a", force=True)
    assert run_one(again, "x-box-1").attempt == was.token.attempt + 1


def test_killed_at_any_step_nothing_is_lost_and_no_key_is_free(
    tmp_path: Path, case: str, point: tuple[str, int]
) -> None:
    root = tmp_path / "spool"
    prepare, do = CASES[case]
    prepare(root)
    children.run_until_killed(do, root, die_at=point)
    queue = assert_all_there(root, may_be_queued=frozenset("c" if case == "retry" else ""))
    assert problems(queue.spool, later(86400)) == []
    assert_goes_on(queue)


@pytest.mark.parametrize("case", CASES)
def test_a_power_cut_at_any_call_loses_nothing_and_frees_no_key(tmp_path: Path, case: str) -> None:
    root = tmp_path / "spool"
    prepare, do = CASES[case]
    prepare(root)
    disk = Disk.of(root)
    with recording(root) as calls:
        do(root)
    worlds = cuts(disk, calls)
    assert len(worlds) > 5
    for i, (world, done) in enumerate(worlds.items()):
        laid = tmp_path / f"world-{i}"
        world.lay_out(laid)
        queue = assert_all_there(laid, may_be_queued=frozenset("c" if case == "retry" else ""))
        if done == len(calls) and case == "retry":
            placed = queue.find("c")
            assert placed is not None
            assert placed.folder == "queued", f"acknowledged, and taken back: {world}"
        assert_goes_on(queue)


def test_every_step_of_packing_is_tried() -> None:
    passed = {name for case in CASES for name, _ in points(case)}
    assert passed >= {
        "pack.part", "pack.published", "pack.token-gone", "pack.records-gone", "pack.key-gone", "pack.replaced",
        "unpack.file", "unpack.synced", "unpack.token", "enqueue.taken-back",
    }  # fmt: skip
