"""How many calls a job costs on a shared spool, each of which is a round trip on a network file system.

If a figure here grows, that is a decision: at a millisecond each, ten more calls cost a job ten milliseconds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.in_process import Yard
from support.round_trips import RoundTrips, counted


def trips_of(folder: Path, jobs: int, durability: str = "none") -> RoundTrips:
    """Those of a worker that does so many jobs of no plan. The clock stands still, so other duties are due once."""
    folder.mkdir()
    yard = Yard(folder, "exit 0\n", clock=FakeClock(), spool={"topology": "shared", "durability": durability})
    yard.enqueue(*(f"j{n}" for n in range(jobs)))
    worker = yard.worker(max_jobs=jobs)
    with counted(yard.spool.root) as trips:
        assert worker.run().succeeded == jobs, yard.said
    return trips


@pytest.mark.parametrize(
    ("umask", "durability", "most"),
    [
        pytest.param(0o007, "none", 29, id="a umask that leaves the group its rights"),
        pytest.param(0o022, "none", 38, id="each new file gets its mode afterwards"),
        pytest.param(0o007, "fsync", 42, id="three files are synced, and five folders opened and synced"),
    ],
)
def test_a_job_costs_few_round_trips(tmp_path: Path, umask: int, durability: str, most: int) -> None:
    old = os.umask(umask)
    try:
        one, three = trips_of(tmp_path / "one", 1, durability), trips_of(tmp_path / "three", 3, durability)
    finally:
        os.umask(old)
    per_folder = three.by_folder()
    per_folder.subtract(one.by_folder())
    assert (len(three.calls) - len(one.calls)) / 2 <= most, per_folder


def test_an_agent_that_has_ended_is_recorded_as_gone_with_the_next_one_or_when_none_follows(tmp_path: Path) -> None:
    three = trips_of(tmp_path / "three", 3)
    written = [call for call in three.calls if call.startswith("replace sessions/")]
    # Its begin, one for each agent, the last agent's end, its own end. One more where the loop came round between the
    # end of an attempt and its collection.
    assert len(written) in (6, 7), "the end of each agent was written by itself"
