"""Wake-up: from a job's enqueue in one process to its claim in another, which waits.

The first figure begins when enqueue returns, and the second one when it is called. The processes have slept for 50 ms
before, so the call finds cold caches. The enqueuer does not sync, so that the disk's time is not in the figure. The
baseline is the same hand-over without wf: a file renamed into a folder that another process polls every millisecond.
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
from benchmarks.figures import Figure
from wf_cli.queue.values import JobRequest

ROUNDS = 200

_POLLER = """
import os, sys, time
folder = sys.argv[1]
while True:
    for name in os.listdir(folder):
        if name.startswith("q"):
            os.rename(f"{folder}/{name}", f"{folder}/c{name}")
    time.sleep(0.001)
"""


def run() -> Iterator[Figure]:
    with scratch.project("spool: {durability: none}") as (app, spool), scratch.worker(app):
        queue = app.queue(spool)
        times, wakes, baseline = [], [], []
        poller = _Poller(app.root / "poll")
        try:
            for i in range(ROUNDS):
                request = JobRequest("builder", "shell", key=f"bench-{i}")
                queued, done = spool.folder("queued"), spool.folder("done")
                begin = time.perf_counter()
                job_id = queue.enqueue(request).job_id
                there = time.perf_counter()
                scratch.spin_until(lambda f=queued, job=job_id: not any(f".{job}." in n for n in os.listdir(f)))
                end = time.perf_counter()
                times.append(end - begin)
                wakes.append(end - there)
                # The worker is to be idle again, not closing the books of the job before.
                scratch.wait_until(lambda f=done, job=job_id: any(f".{job}." in n for n in os.listdir(f)))
                time.sleep(0.05)
                baseline.append(poller.hand_over(i))
        finally:
            poller.close()
    beside = "; ".join(f"{name} of the 1 ms poller: {1000 * at(baseline, share):.1f} ms" for name, share in _SHARES)
    yield Figure(f"claim after a job is enqueued, {ROUNDS} times", _told(wakes), beside)
    yield Figure("the same, and the enqueue before it", _told(times), beside)


def _told(times: list[float]) -> str:
    return ", ".join(f"{name} {1000 * at(times, share):.1f} ms" for name, share in _SHARES)


_SHARES = (("p50", 0.5), ("p99", 0.99))


def at(times: list[float], share: float) -> float:
    """The time that ``share`` of them do not exceed."""
    return statistics.quantiles(times, n=1000, method="inclusive")[round(share * 1000) - 1]


class _Poller:
    def __init__(self, folder: Path):
        folder.mkdir()
        self._folder = folder
        self._process = subprocess.Popen([sys.executable, "-c", _POLLER, str(folder)])

    def hand_over(self, i: int) -> float:
        (self._folder / f"t{i}").touch()
        begin = time.perf_counter()
        os.rename(self._folder / f"t{i}", self._folder / f"q{i}")
        scratch.spin_until((self._folder / f"cq{i}").exists)
        return time.perf_counter() - begin

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
