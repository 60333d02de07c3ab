"""Jobs a second through the spool, without agents, beside what the disk allows and beside other queues.

All take turns in one run, and each turn begins with a synced disk. The best of eight turns counts, because other
processes can only make a turn slower. The floor is the recorded system calls of the same work, done again in a bare
loop on a copy of the spool. The two follow each other and change places from turn to turn, and the share of the floor
is the median of the turns' shares.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import peers, recorded
from benchmarks.figures import Figure
from wf_cli.clock import SystemClock
from wf_cli.contract.event import NoEvents
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import layout

JOBS = 200
ROUNDS = 8
POOLS = frozenset({Pool("builder", "shell")})
_FLOOR = "its own system calls, bare loop"


def queue_at(root: Path) -> SpoolQueue:
    return SpoolQueue(layout.open_spool(root), clock=SystemClock(), events=NoEvents())


def enqueue(queue: SpoolQueue, n: int = JOBS) -> None:
    for i in range(n):
        queue.enqueue(JobRequest("builder", "shell", key=f"one-{i}"))


def work(queue: SpoolQueue, n: int = JOBS) -> None:
    """Claim, start and end ``n`` jobs, as a worker does that has its index."""
    for _ in range(n):
        token = queue.claim("bench-owner", POOLS)
        assert token is not None
        with queue.fence(token.job_id):
            queue.start(token)
        queue.end(token, Ending(End.SUCCEEDED), by="bench-owner")


def _ready(root: Path) -> SpoolQueue:
    """A queue that has its index, as a worker's has."""
    queue = queue_at(root)
    queue.rescan()
    queue.rescan_on_claim = False
    return queue


def run() -> Iterator[Figure]:
    for durability in ("none", "fsync"):
        rates, calls, cpu, shares = _rounds(durability)
        for what in ("enqueue", "claim + start + end"):
            mine, floor = rates[what, "wf"], rates[what, _FLOOR]
            beside = [f"{_FLOOR} ({calls[what]:.0f} a job): {floor:.0f}, {shares[what]:.2f} of it"]
            beside += [f"{name}: {rates[what, name]:.0f}" for name in peers.known()]
            yield Figure(
                f"{what}, durability {durability}",
                f"{mine:.0f} jobs a second, {cpu[what]:.2f} ms CPU a job",
                "; ".join(beside),
            )


def _rounds(
    durability: str,
) -> tuple[dict[tuple[str, str], float], dict[str, float], dict[str, float], dict[str, float]]:
    times: dict[tuple[str, str], list[float]] = {}
    cpu: dict[str, list[float]] = {}
    calls: dict[str, float] = {}

    def timed(what: str, who: str, do: Callable[[], object]) -> None:
        os.sync()
        begin, used = time.perf_counter(), time.process_time()
        do()
        times.setdefault((what, who), []).append(time.perf_counter() - begin)
        if who == "wf":
            cpu.setdefault(what, []).append(1000 * (time.process_time() - used) / JOBS)

    for turn in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="wf-bench-") as text:
            folder = Path(text)
            layout.create(folder / "empty", durability=durability)
            for what, prepare, do in (
                ("enqueue", lambda _queue: None, enqueue),
                ("claim + start + end", lambda queue: queue.enqueue_many(_requests()), work),
            ):
                before = folder / f"before-{do.__name__}"
                shutil.copytree(folder / "empty", before)
                prepare(queue_at(before))
                mine, watched, bare = (shutil.copytree(before, folder / f"{do.__name__}-{n}") for n in range(3))
                queue = _ready(watched)
                with recorded.recording(watched) as recording:
                    do(queue)
                calls[what] = len(recording) / JOBS
                queue = _ready(mine)
                pair = [("wf", lambda queue=queue, do=do: do(queue)), (_FLOOR, recording.prepared(bare))]
                for who, task in pair if turn % 2 else reversed(pair):
                    timed(what, who, task)
            for n, (name, kind) in enumerate(peers.known().items()):
                peer = kind(folder / f"peer-{n}", durability == "fsync")
                timed("enqueue", name, lambda peer=peer: peer.enqueue(JOBS))
                timed("claim + start + end", name, lambda peer=peer: peer.work(JOBS))
    rates = {key: JOBS / min(found) for key, found in times.items()}
    shares = {
        what: statistics.median(
            floor / mine for floor, mine in zip(times[what, _FLOOR], times[what, "wf"], strict=True)
        )
        for what in calls
    }
    return rates, calls, {what: min(found) for what, found in cpu.items()}, shares


def _requests() -> list[JobRequest]:
    return [JobRequest("builder", "shell", key=f"many-{i}") for i in range(JOBS)]
