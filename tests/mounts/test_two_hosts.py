"""Two hosts work on one spool through real network mounts, while workers are killed and the mount fails now and then.

``make mounts`` runs this with 500 jobs; ``WF_MOUNTS_JOBS`` and ``WF_MOUNTS_KILLS`` are other numbers.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.beds import Bed, Gluster, Host, Sshfs, missing
from support.shared_yard import Yard, try_out

pytestmark = [pytest.mark.mounts, pytest.mark.timeout(1800)]

JOBS = int(os.environ.get("WF_MOUNTS_JOBS", "500"))
KILLS = int(os.environ.get("WF_MOUNTS_KILLS", "10"))

BEDS: dict[str, Callable[[Path], Bed]] = {
    "sshfs": lambda root: Sshfs(root),
    "sshfs-without-cache": lambda root: Sshfs(root, cache=False),
    "glusterfs": lambda root: Gluster(root),
}


@pytest.fixture(params=BEDS)
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    # A brick needs a disk with trusted attributes, which the memory that other tests use has not.
    root = Path(os.environ.get("WF_MOUNTS_DIR", "/var/tmp")) / f"wf-mounts-{os.getpid()}"
    made = BEDS[request.param](root)
    reason = missing(*made.programs, "unshare", "nsenter")
    if reason is not None:
        pytest.skip(f"LOUDLY: no {request.param} was tried: {reason}")
    shutil.rmtree(root, ignore_errors=True)
    with made:
        yield made
    shutil.rmtree(root, ignore_errors=True)


def test_two_hosts_work_through_kills_and_outages(bed: Bed, request: pytest.FixtureRequest) -> None:
    chance = random.Random(JOBS)
    hosts = [Host(f"host{k}", bed.root / "hosts") for k in range(len(bed.mounts))]
    yard = Yard(bed.root / "project", hosts, [mount / "spool" for mount in bed.mounts], bed.lease_s)
    happenings: list[Callable[[], None]] = [lambda: yard.kill_a_worker(chance) for _ in range(KILLS)]
    happenings += [happen for _name, happen in bed.outages()]
    chance.shuffle(happenings)
    # The power is lost first, because its jobs come back only after a lease, while the others are worked on.
    figures = try_out(yard, JOBS, [lambda: yard.lose_power(1), *happenings])
    print(f"\n{request.node.name}: {figures}")
