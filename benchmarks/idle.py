"""Share of one core that idle workers (`wf worker --watch`) use: one, and 64 of them on one spool.

The baseline is a Python process that only sleeps.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import psutil

from benchmarks import scratch
from benchmarks.figures import Figure

SECONDS = 20.0
MANY = 64


def run() -> Iterator[Figure]:
    with scratch.project() as (app, _), scratch.worker(app) as process:
        time.sleep(2.0)  # past its start
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
        try:
            share, baseline = measure([process.pid], [sleeper.pid])
        finally:
            sleeper.kill()
            sleeper.wait()
    yield Figure(
        f"one worker, over {SECONDS:g} s", f"{share:.2f} % of a core", f"a sleeping python: {baseline:.2f} %"
    )
    with scratch.project() as (app, _), contextlib.ExitStack() as stack:
        many = [stack.enter_context(scratch.worker(app, leases=n + 1)) for n in range(MANY)]
        time.sleep(5.0)
        (share,) = measure([p.pid for p in many])
        for process in many:
            process.terminate()
    yield Figure(f"{MANY} workers on one spool, over {SECONDS:g} s", f"{share:.1f} % of a core together")


def measure(*groups: Sequence[int]) -> list[float]:
    """The share of each group of processes."""
    processes = [[psutil.Process(pid) for pid in pids] for pids in groups]
    before = [sum(sum(p.cpu_times()[:2]) for p in group) for group in processes]
    begin = time.monotonic()
    time.sleep(SECONDS)
    length = time.monotonic() - begin
    after = [sum(sum(p.cpu_times()[:2]) for p in group) for group in processes]
    return [100 * (b - a) / length for a, b in zip(before, after, strict=True)]
