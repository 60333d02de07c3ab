"""What many processes do at once in the stress test. Evidence is kept outside the spool, by O_EXCL."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from support.clock import FakeClock
from support.spools import POOL, RELEASE, SUCCESS, request, spool_queue
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


def work(root: Path, evidence: Path, owner: str, die_after: int | None, doomed: int, spared: int) -> int:
    """Claim, start and end jobs until none is left; SIGKILL in the middle of the one after ``die_after`` jobs.

    A worker that is not to die takes none of the last ``spared`` jobs before ``doomed`` others have died. However the
    machine shares out its time, each of these finds its jobs.
    """
    spool = layout.open_spool(root)
    clock = SystemClock()
    spool.path("leases", f"{owner}.lease").write_text(owner)
    session.SessionFile(spool, session.this_process(owner, "opencode", 30.0, clock.now_ms()))
    queue = spool_queue(spool, clock)
    at_once(evidence, 4)
    done = 0
    # Only the reaper knows when all is over.
    while not (evidence / "over").exists():
        if die_after is None and len(os.listdir(spool.folder("queued"))) <= spared:
            wait_until(lambda: len(list(evidence.glob("died.*"))) == doomed, 60, "the end of those that die")
            spared = -1
        token = queue.claim(owner, (POOL,))
        if token is None:
            time.sleep(0.002)
            continue
        with queue.fence(token.job_id):
            if queue.start(token) != "go":
                continue
        _evidence(evidence, f"started.{token.job_id}.{token.attempt}")
        if die_after is not None and done >= die_after:
            _evidence(evidence, f"died.{owner}")
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
        lost += len(queue.reap(lambda who: "seen" * (observer.verdict(who) in liveness.GONE), by=owner))
        time.sleep(0.005)
    (evidence / "over").touch()
    return lost


def enqueue_on(root: Path, gate: Path, writers: int, who: str, jobs: int) -> int:
    """With the other writers, enqueue ``jobs`` keys: every second one is also the other enqueuer's."""
    queue = spool_queue(layout.open_spool(root), FakeClock())
    at_once(gate, writers)
    for i in range(jobs):
        queue.enqueue(request(f"{who if i % 2 else 'both'}-{i}"))
    (gate / f"done.{who}").touch()
    return jobs


def work_in_short_sessions(root: Path, gate: Path, writers: int, enqueuers: int) -> int:
    """Take, start and end jobs, give some back and hold and release others, until the enqueuers are done and nothing
    is queued; how many were ended. Every tenth job begins a new session."""
    spool = layout.open_spool(root)
    queue = spool_queue(spool, SystemClock())
    at_once(gate, writers)
    ended = 0
    while True:
        owner = f"w-box-{ended // 10}"
        spool.path("leases", f"{owner}.lease").write_text(owner)
        file = session.SessionFile(spool, session.this_process(owner, "opencode", 30.0, 0))
        for _ in range(10):
            token = queue.claim(owner, (POOL,))
            if token is None:
                time.sleep(0.002)
                continue
            with queue.fence(token.job_id):
                queue.start(token)
            queue.end(token, RELEASE if ended % 5 == 0 and token.attempt == 1 else SUCCESS, by=owner)
            if ended % 7 == 0 and queue.hold(token.job_id):
                queue.unhold(token.job_id)
            ended += 1
        file.set_state("stopped")
        lease.path_of(spool, owner).unlink()
        over = len(list(gate.glob("done.*"))) == enqueuers
        if over and not os.listdir(spool.folder("queued")):
            return ended
