"""From the call of enqueue in one process to the claim in another (the aim: under 100 ms, median).

The baseline is the same hand-over without wf: a file renamed into a folder that another process polls
every millisecond.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import scratch
from wf_cli.queue.values import JobRequest

ROUNDS = 40

_POLLER = """
import os, sys, time
folder = sys.argv[1]
while True:
    for name in os.listdir(folder):
        if name.startswith("q"):
            os.rename(f"{folder}/{name}", f"{folder}/c{name}")
    time.sleep(0.001)
"""


def run() -> Iterator[tuple[str, str]]:
    with scratch.project() as (app, spool), scratch.worker(app):
        queue = app.queue(spool)
        times = []
        for i in range(ROUNDS):
            request = JobRequest("builder", "shell", key=f"bench-{i}")
            begin = time.monotonic()
            job_id = queue.enqueue(request).job_id
            queued = spool.folder("queued")
            scratch.wait_until(lambda folder=queued, job=job_id: not any(f".{job}." in n for n in os.listdir(folder)))
            times.append(time.monotonic() - begin)
            # The worker is to be idle again, not closing the books of the job before.
            scratch.wait_until(lambda job=job_id: any(f".{job}." in n for n in os.listdir(spool.folder("done"))))
            time.sleep(0.25)
        baseline = list(_baseline(app.root / "poll"))
    yield f"claim after enqueue, median of {ROUNDS}", f"{1000 * statistics.median(times):.1f} ms"
    yield f"claim after enqueue, p95 of {ROUNDS}", f"{1000 * sorted(times)[int(ROUNDS * 0.95)]:.1f} ms"
    yield "baseline: rename seen by a 1 ms poller, median", f"{1000 * statistics.median(baseline):.1f} ms"


def _baseline(folder: Path) -> Iterator[float]:
    folder.mkdir()
    poller = subprocess.Popen([sys.executable, "-c", _POLLER, str(folder)])
    try:
        for i in range(ROUNDS):
            (folder / f"t{i}").touch()
            begin = time.monotonic()
            os.rename(folder / f"t{i}", folder / f"q{i}")
            scratch.wait_until((folder / f"cq{i}").exists)
            yield time.monotonic() - begin
    finally:
        poller.kill()
        poller.wait()
