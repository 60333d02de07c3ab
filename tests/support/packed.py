"""Spools whose finished jobs lie in packs."""

from __future__ import annotations

import os
from pathlib import Path

from support.clock import FakeClock
from support.spools import SUCCESS, failing, make_spool, request, run_one, spool_queue
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import change, layout, packing
from wf_cli.spool.layout import Spool
from wf_cli.spool.packing import Packed

OWNER = "w-box-1"


def spool_with_packs(root: Path, *, topology: str = "local", durability: str = "none") -> Spool:
    """A spool of the format that has packs; it has none yet."""
    make_spool(root, topology=topology, durability=durability)
    assert change.allow_packs(root)
    return layout.open_spool(root)


def finished(queue: SpoolQueue, key: str, *, failures: int = 0, dead: bool = False) -> str:
    """A job of one's own that has ended, after so many failed attempts; its id."""
    queue.enqueue(request(key))
    for _ in range(failures):
        queue.end(run_one(queue, OWNER), failing("crashed"), by=OWNER)
        queue.hurry(key)
    queue.end(run_one(queue, OWNER), failing("policy_denied") if dead else SUCCESS, by=OWNER)
    return key


def pack(queue: SpoolQueue, clock: FakeClock | None = None) -> Packed:
    """What `wf spool gc --older 0s` does with jobs."""
    queue.gc(older_s=-1.0)
    return packing.run(queue.spool, clock or FakeClock())


def files_of_jobs(spool: Spool) -> list[str]:
    """Every loose file of a job, locks too."""
    folders = ("jobs", "queued", "done", "dead", "archive", "outcomes", "started", "transcripts", "locks")
    found = [f"{folder}/{name}" for folder in folders for name in os.listdir(spool.folder(folder))]
    return sorted(name for name in found if name.split("/")[1] not in ("quarantine", "packed.lock", "topology.lock"))


def queue_of(root: Path, clock: FakeClock | None = None) -> SpoolQueue:
    """A queue as another process has it."""
    return spool_queue(layout.open_spool(root), clock)
