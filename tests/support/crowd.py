"""What many processes do at once in the stress test. Evidence is kept outside the spool, by O_EXCL."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from support.clock import FakeClock
from support.spools import POOL, SUCCESS, request, spool_queue
from support.wait import wait_until
from wf_cli.clock import SystemClock
from wf_cli.spool import enqueue, layout, lease, liveness, session


def at_once(gate: Path, n: int) -> None:
    """Return when ``n`` processes are here."""
    (gate / f"here.{os.getpid()}").touch()
    wait_until(lambda: len(list(gate.glob("here.*"))) >= n, what="the others")


def enqueue_all(root: Path, gate: Path, n: int, keys: list[str]) -> int:
    """With ``n`` others, enqueue every key, one call each; how many were duplicates."""
    queue = spool_queue(layout.open_spool(root), FakeClock())
    at_once(gate, n)
    return sum(queue.enqueue(request(key)).deduped for key in keys)


def _evidence(folder: Path, name: str) -> None:
    """Raises FileExistsError the second time: the overlap detector."""
    os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def work(root: Path, evidence: Path, owner: str, die_after: int | None) -> int:
    """Claim, start and end jobs until none is left; SIGKILL in the middle of the ``die_after``-th."""
    spool = layout.open_spool(root)
    clock = SystemClock()
    spool.path("leases", f"{owner}.lease").write_text(owner)
    session.SessionFile(spool, session.this_process(owner, "opencode", 30.0, clock.now_ms()))
    queue = spool_queue(spool, clock)
    at_once(evidence, 4)
    done = 0
    # Only the reaper knows when all is over.
    while not (evidence / "over").exists():
        token = queue.claim(owner, (POOL,))
        if token is None:
            time.sleep(0.002)
            continue
        with queue.fence(token.job_id):
            if queue.start(token) != "go":
                continue
        _evidence(evidence, f"started.{token.job_id}.{token.attempt}")
        if die_after is not None and done >= die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if queue.end(token, SUCCESS, by=owner).accepted:
            _evidence(evidence, f"accepted.{token.job_id}")
        done += 1
    lease.path_of(spool, owner).unlink()
    return done


def reap_all(root: Path, evidence: Path, jobs: int, owner: str) -> int:
    """Reap and sweep until all jobs are done; how many attempts were lost."""
    spool = layout.open_spool(root)
    clock = SystemClock()
    queue = spool_queue(spool, clock)
    observer = liveness.Observer(spool, clock)
    lost = 0
    while sum(1 for name in os.listdir(spool.folder("done"))) < jobs:
        enqueue.sweep(spool)
        lost += len(queue.reap(lambda who: observer.verdict(who) in liveness.GONE, by=owner))
        time.sleep(0.005)
    (evidence / "over").touch()
    return lost
