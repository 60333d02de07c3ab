"""Many real processes at once, with two independent detectors: files outside the spool, and the spool itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support import crowd
from support.children import Child
from support.clock import FakeClock
from support.spools import assert_sound, make_spool, request, spool_queue, tokens_on_disk
from wf_cli.contract.job import End

pytestmark = pytest.mark.stress

JOBS = 200


@pytest.mark.parametrize("durability", ["none", "fsync"])
def test_i4_sixteen_processes_enqueue_the_same_hundred_keys_and_make_a_hundred_jobs(
    tmp_path: Path, durability: str
) -> None:
    n = 100 if durability == "none" else 12
    spool = make_spool(tmp_path / "spool", durability=durability)
    keys = [f"k{i}" for i in range(n)]
    gate = tmp_path / "gate"
    gate.mkdir()
    children = [Child(crowd.enqueue_all, spool.root, gate, 16, keys) for _ in range(16)]
    duplicates = [child.result() for child in children]
    assert sum(duplicates) == 15 * n
    assert sorted(p.token.job_id for p in tokens_on_disk(spool)) == sorted(keys)
    assert {p.folder for p in tokens_on_disk(spool)} == {"queued"}
    assert_sound(spool, FakeClock(), jobs=n)


def test_i1_i2_i3_processes_that_die_in_the_middle_lose_no_job_and_start_none_twice(tmp_path: Path) -> None:
    """Four workers, three of them killed in the middle of a job, one after the other replaced; one reaper."""
    spool = make_spool(tmp_path / "spool")
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    queue = spool_queue(spool)
    queue.enqueue_many([request(f"j{i}", max_attempts=9) for i in range(JOBS)])
    reaper = Child(crowd.reap_all, spool.root, evidence, JOBS, "r-box-1")
    # Those that die take 18 jobs, and each of the others may take one more than it wanted to leave.
    spared = (3, 30)
    doomed = [Child(crowd.work, spool.root, evidence, f"d{i}-box-1", 3 + 2 * i, *spared) for i in range(3)]
    workers = [Child(crowd.work, spool.root, evidence, "w0-box-1", None, *spared)]
    for i, child in enumerate(doomed):
        assert child.gone() == -signal.SIGKILL
        workers.append(Child(crowd.work, spool.root, evidence, f"w{i + 1}-box-1", None, *spared))
    lost = reaper.result()
    ended = sum(worker.result() for worker in workers)

    names = os.listdir(evidence)
    assert len([n for n in names if n.startswith("accepted.")]) == JOBS, "each accepted once"
    started = [n for n in names if n.startswith("started.")]
    assert lost == 3
    assert len(started) == JOBS + lost, "each attempt started once; a lost one is followed by another"
    assert ended + sum(3 + 2 * i for i in range(3)) == JOBS
    assert {p.folder for p in tokens_on_disk(spool)} == {"done"}
    assert sorted(os.listdir(spool.folder("claimed")) + os.listdir(spool.folder("running"))) == []
    assert_sound(spool, FakeClock(), jobs=JOBS)
    retried = [p.token for p in tokens_on_disk(spool) if p.token.attempt > 1]
    # A recovered job runs before the others, so the next one that is killed may hold the same job.
    assert sum(token.attempt - 1 for token in retried) == lost
    for token in retried:
        outcomes = [queue.outcome(token.job_id, n) for n in range(1, token.attempt + 1)]
        assert [o.end for o in outcomes if o is not None] == [End.LOST] * (token.attempt - 1) + [End.SUCCEEDED]
