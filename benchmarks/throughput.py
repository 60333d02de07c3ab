"""Jobs a second through the spool, without agents: enqueue, and claim + start + end, in one process.

The baseline is what durability costs by itself: write, fsync, rename, fsync of both folders.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import scratch
from wf_cli import fsio
from wf_cli.contract.event import NoEvents
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest

JOBS = 200


def run() -> Iterator[tuple[str, str]]:
    with scratch.project() as (app, spool):
        queue = SpoolQueue(spool, clock=app.clock, events=NoEvents())
        begin = time.monotonic()
        for i in range(JOBS):
            queue.enqueue(JobRequest("builder", "shell", key=f"one-{i}"))
        yield f"enqueue, {JOBS} one by one", _rate(begin)
        begin = time.monotonic()
        queue.enqueue_many([JobRequest("builder", "shell", key=f"many-{i}") for i in range(JOBS)])
        yield f"enqueue_many, {JOBS} with one sync a folder", _rate(begin)
        begin = time.monotonic()
        pools = frozenset({Pool("builder", "shell")})
        for _ in range(JOBS):
            token = queue.claim("bench-owner", pools)
            assert token is not None
            with queue.fence(token.job_id):
                queue.start(token)
            queue.end(token, Ending(End.SUCCEEDED), by="bench-owner")
        yield f"claim + start + end, {JOBS}", _rate(begin)
        begin = time.monotonic()
        _baseline(app.root)
        yield "baseline: write, fsync, rename, fsync both folders", _rate(begin)


def _rate(begin: float) -> str:
    return f"{JOBS / (time.monotonic() - begin):.0f} a second"


def _baseline(root: Path) -> None:
    source, target = root / "a", root / "b"
    source.mkdir()
    target.mkdir()
    for i in range(JOBS):
        fsio.write_new(source / str(i), b"x" * 700, durable=True)
        os.rename(source / str(i), target / str(i))
        fsio.sync_dir(target)
        fsio.sync_dir(source)
