"""What waits costs nothing: claim + start + end with many jobs waiting, and a cold process's first claim.

The queues take turns, and the best turn of each counts, because other processes can only make one slower. The spool
is one without syncs, because only the cost that is wf's own is asked for here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.transitions import POOLS, queue_at, work
from wf_cli.contract.token import Token
from wf_cli.spool import layout

WAITING = (1_000, 10_000, 100_000)
CLAIMS = 50
ROUNDS = 9

_COLD = """
import sys, time
from pathlib import Path
from benchmarks.transitions import POOLS, queue_at
queue = queue_at(Path(sys.argv[1]))
begin = time.perf_counter()
assert queue.claim("cold-owner", POOLS) is not None
print(time.perf_counter() - begin)
"""
_LISTING = "import os, sys, time; b = time.perf_counter(); os.listdir(sys.argv[1]); print(time.perf_counter() - b)"


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as text:
        queues = {}
        for waiting in WAITING:
            root = Path(text) / str(waiting)
            fill(root, waiting)
            queues[waiting] = queue_at(root)
            queues[waiting].rescan()
            queues[waiting].rescan_on_claim = False
        times: dict[int, list[float]] = {waiting: [] for waiting in WAITING}
        for _ in range(ROUNDS):
            for waiting, queue in queues.items():
                begin = time.perf_counter()
                work(queue, CLAIMS)
                times[waiting].append(1000 * (time.perf_counter() - begin) / CLAIMS)
        few = min(times[WAITING[0]])
        for waiting in WAITING:
            best = min(times[waiting])
            beside = f"{best / few:.2f} times the cost at {WAITING[0]:,}"
            yield Figure(f"claim + start + end, {waiting:,} waiting", f"{best:.2f} ms a job", beside)
        most = Path(text) / str(WAITING[-1])
        cold = [_timed(_COLD, most) for _ in range(5)]
        listing = [_timed(_LISTING, most / "queued") for _ in range(5)]
        yield Figure(
            f"first claim of a cold process, {WAITING[-1]:,} waiting",
            f"{1000 * min(cold):.0f} ms",
            f"a listing of the folder: {1000 * min(listing):.0f} ms",
        )


def fill(root: Path, waiting: int) -> None:
    """A spool with that many jobs waiting. Their specs are missing, which a claim does not look at."""
    spool = layout.create(root, durability="none")
    (pool,) = POOLS
    for n in range(waiting):
        token = Token(5, 1_764_000_000_000 + n, f"x-{n:07d}", pool, 0, 0, 3)
        spool.path("queued", token.name).touch()


def _timed(code: str, folder: Path) -> float:
    argv = [sys.executable, "-c", code, str(folder)]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
