"""Share of one core that an idle `wf worker --watch` uses (the aim: under 1 %).

The baseline is a Python process that only sleeps.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from benchmarks import scratch

SECONDS = 20.0


def run() -> Iterator[tuple[str, str]]:
    with scratch.project() as (app, _), scratch.worker(app) as process:
        time.sleep(2.0)  # past its start
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
        try:
            share, baseline = measure(process.pid, sleeper.pid)
        finally:
            sleeper.kill()
            sleeper.wait()
    yield f"worker, CPU over {SECONDS:g} s", f"{share:.2f} % of a core"
    yield "baseline: a sleeping python", f"{baseline:.2f} % of a core"


def measure(*pids: int) -> list[float]:
    processes = [psutil.Process(pid) for pid in pids]
    before = [sum(p.cpu_times()[:2]) for p in processes]
    begin = time.monotonic()
    time.sleep(SECONDS)
    length = time.monotonic() - begin
    return [100 * (sum(p.cpu_times()[:2]) - b) / length for p, b in zip(processes, before, strict=True)]
