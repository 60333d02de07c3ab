"""From the SIGKILL of a worker to the moment at which its job runs again in another worker of this host."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterator

from benchmarks import scratch
from benchmarks.figures import Figure
from benchmarks.latency import at
from wf_cli.queue.values import JobRequest

ROUNDS = 20


def run() -> Iterator[Figure]:
    times = []
    with scratch.project(runtime='shell: {adapter: command, argv: ["sleep", "1000"]}') as (app, spool):
        queue = app.queue(spool)
        running = spool.folder("running")
        for i in range(ROUNDS):
            job_id = queue.enqueue(JobRequest("builder", "shell", key=f"bench-{i}")).job_id
            with scratch.worker(app) as first:
                scratch.wait_until(
                    lambda job=job_id: any(f".{job}.builder@shell.a1b" in n for n in os.listdir(running))
                )
                with scratch.worker(app, leases=2) as second:
                    time.sleep(1.0)  # past its start
                    begin = time.perf_counter()
                    os.kill(first.pid, signal.SIGKILL)
                    scratch.wait_until(
                        lambda job=job_id: any(f".{job}.builder@shell.a2b" in n for n in os.listdir(running))
                    )
                    times.append(time.perf_counter() - begin)
                    queue.cancel(job_id, by="bench-owner")
                    second.terminate()
                    second.wait()
            for lease in spool.folder("leases").iterdir():
                lease.unlink()
    yield Figure(
        f"crash to re-run, {ROUNDS} times",
        f"p50 {statistics.median(times):.2f} s, p95 {at(times, 0.95):.2f} s",
        "a reaper looks every 0.5 s",
    )
