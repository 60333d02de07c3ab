"""Two machines with kernels of their own work on one spool by NFS and SMB, and everything of them fails once.

``make mounts`` runs this with 60 jobs; ``WF_MOUNTS_JOBS`` and ``WF_MOUNTS_KILLS`` are other numbers. The end of a
machine is known only by its leases, so the slowest part of a run is the shortest lease that the mount allows.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import kernels
from support.kernels import Export, Kernels
from support.shared_yard import Yard, try_out

pytestmark = [pytest.mark.mounts, pytest.mark.timeout(1800)]

JOBS = int(os.environ.get("WF_MOUNTS_JOBS", "60"))
KILLS = int(os.environ.get("WF_MOUNTS_KILLS", "3"))

EXPORTS: dict[str, Export] = {
    "nfs-4.2": kernels.NFS_4,
    "nfs-4.2-usual-caches": kernels.NFS_4_USUAL_CACHES,
    "nfs-3": kernels.NFS_3,
    "smb-3": kernels.SMB_3,
}


@pytest.fixture(params=EXPORTS)
def bed(request: pytest.FixtureRequest) -> Iterator[Kernels]:
    reason = kernels.missing()
    if reason is not None:
        pytest.skip(f"LOUDLY: no {request.param} between two kernels was tried: {reason}")
    root = Path(os.environ.get("WF_MOUNTS_DIR", "/var/tmp")) / f"wf-kernels-{os.getpid()}"
    shutil.rmtree(root, ignore_errors=True)
    try:
        with Kernels(root, EXPORTS[request.param]) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


#: A file is published as wf does it, and read at once under its new name.
PUBLISH = """
import sys
from pathlib import Path
from wf_cli import fsio
for n in range(5):
    part, target = (Path(sys.argv[1], f"{n}.{kind}") for kind in ("part", "json"))
    fsio.write_new(part, b"whole", durable=True)
    assert fsio.publish(part, target)
    assert fsio.read_regular(target) == b"whole"
"""


@pytest.mark.parametrize("bed", ["smb-3"], indirect=True)
def test_a_published_file_can_be_read_at_once_while_its_part_is_there(bed: Kernels) -> None:
    client, log = bed.clients[0], bed.share / "published"
    words = [sys.executable, "-c", PUBLISH, str(bed.mount)]
    published = client.run(*words, folder=bed.share, log=log, environment={"HOME": str(bed.share)})
    assert published.wait(120) == 0, log.read_text()


def test_two_kernels_work_through_kills_and_a_restart_of_the_server(
    bed: Kernels, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(JOBS)
    spools = [bed.mount / "spool" for _ in bed.clients]
    yard = Yard(bed.share / "yard", bed.clients, spools, bed.export.lease_s)
    happenings: list[Callable[[], None]] = [lambda: yard.kill_a_worker(chance) for _ in range(KILLS)]
    happenings.append(bed.restart_the_server)
    chance.shuffle(happenings)
    # The power is lost first, because its jobs come back only after a lease, while the others are worked on.
    figures = try_out(yard, JOBS, [lambda: yard.lose_power(1), *happenings])
    print(f"\n{request.node.name}: {figures}")
