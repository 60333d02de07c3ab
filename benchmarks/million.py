"""A million jobs: enqueued in bulk, drained by four processes, verified, collected; the memory of each.

Runs when it is named, because it takes half an hour and some gigabytes of disk; JOBS=N sets another number. The four
processes claim, start and end jobs as workers do, without agents, and list the queue again as a worker does. A
process that begins with a long queue holds its names. So its memory is told at its beginning, half-way and at its
end.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import scratch
from benchmarks.figures import Figure
from wf_cli.queue.values import JobRequest

JOBS = int(os.environ.get("JOBS", "1000000"))
PROCESSES = 4
BULK = 10_000

_DRAIN = """
import json, sys, time
from pathlib import Path
from benchmarks.million import memory_mb
from benchmarks.transitions import POOLS, queue_at
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.queue.values import Started

queue, me = queue_at(Path(sys.argv[1])), sys.argv[2]
queue.rescan_on_claim = False
ended, memory, pause, last = 0, [], 0.0, False
next_look = 0.0
while True:
    now = time.monotonic()
    if now >= next_look or last:
        queue.rescan()
        took = time.monotonic() - now
        next_look = time.monotonic() + max(2.0, 20 * took)
        if not memory:
            memory.append([0, memory_mb()])
    token = queue.claim(me, POOLS)
    if token is None:
        if last:
            break
        last = True
        continue
    last = False
    with queue.fence(token.job_id):
        answer = queue.start(token)
    assert answer is Started.GO, answer
    assert queue.end(token, Ending(End.SUCCEEDED), by=me).accepted
    ended += 1
    if ended % 1000 == 0:
        memory.append([ended, memory_mb()])
memory.append([ended, memory_mb()])
print(json.dumps({"ended": ended, "memory": memory}))
"""


def memory_mb() -> float:
    """What this process holds in memory now, in MB."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


def run() -> Iterator[Figure]:
    with scratch.project("spool: {durability: none}") as (app, spool):
        begin = time.perf_counter()
        queue = app.queue(spool)
        for first in range(0, JOBS, BULK):
            many = range(first, min(first + BULK, JOBS))
            queue.enqueue_many([JobRequest("builder", "shell", key=f"million-{i}") for i in many])
        took = time.perf_counter() - begin
        yield Figure(f"{JOBS:,} jobs enqueued, {BULK:,} at once", f"{took:.0f} s", f"{JOBS / took:.0f} a second")
        begin = time.perf_counter()
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", _DRAIN, str(spool.root), f"million-{k}"], stdout=subprocess.PIPE, text=True
            )
            for k in range(PROCESSES)
        ]
        told = [json.loads(worker.communicate()[0]) for worker in workers]
        took = time.perf_counter() - begin
        assert sum(one["ended"] for one in told) == JOBS, told
        assert len(os.listdir(spool.folder("done"))) == JOBS
        yield Figure(f"drained by {PROCESSES} processes", f"{took:.0f} s", f"{JOBS / took:.0f} a second")
        for k, one in enumerate(told, 1):
            memory = one["memory"]
            begin_mb, half_mb, end_mb = memory[0][1], memory[len(memory) // 2][1], memory[-1][1]
            yield Figure(
                f"memory of process {k}, which ended {one['ended']:,}",
                f"{begin_mb:.0f} MB at its first listing",
                f"{half_mb:.0f} MB half-way; {end_mb:.0f} MB at its end",
            )
        for words in (("spool", "verify", "--json"), ("spool", "gc", "--older", "0s", "--json"), ("spool", "ls")):
            yield _command(app.root, words)


def _command(root: Path, words: tuple[str, ...]) -> Figure:
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        process = subprocess.Popen([*scratch.WF, *words], cwd=root, env=scratch.environment(), stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - begin
        assert os.waitstatus_to_exitcode(status) == 0, words
    return Figure(f"wf {' '.join(words)}", f"{took:.0f} s", f"{usage.ru_maxrss / 1000:.0f} MB")
