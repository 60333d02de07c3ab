"""What one user does to a spool, in a process of that user (`support.users.User.call`)."""

from __future__ import annotations

import os
from pathlib import Path

from support.scenarios import register, stage_only
from support.spools import POOL, SUCCESS, Recorder, request, run_one, spool_queue
from wf_cli.clock import SystemClock
from wf_cli.locks import Slot
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import attempt, control, enqueue, layout, lease, liveness, verify
from wf_cli.spool.layout import Spool
from wf_cli.workflow.project import Project


def open_at(root: str) -> Spool:
    return layout.open_spool(Path(root))


def make(root: str) -> None:
    layout.create(Path(root), topology="shared")


def take_slot(root: str) -> bool:
    slot = open_at(root).slot("checkout", 0)
    if slot is None:
        return False
    slot.close()
    return True


_held: list[Slot] = []


def hold_slot(root: str) -> None:
    slot = open_at(root).slot("checkout", 0)
    assert slot is not None
    _held.append(slot)


def let_go() -> None:
    _held.pop().close()


def fence(root: str) -> bool:
    with open_at(root).fence("x", timeout=5):
        return True


def take_project_lock(project: str) -> None:
    with Project(Path(project)).lock("numbering"):
        pass


def stage(root: str) -> None:
    stage_only(open_at(root), "a")


def sweep(root: str) -> list[str]:
    return [token.job_id for token in enqueue.sweep(open_at(root))]


def begin_and_die(root: str, key: str = "x", owner: str = "w-box-1") -> None:
    """A session with a lease and a running attempt, whose process ends without a word."""
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        return
    spool = open_at(root)
    register(spool, owner)
    lease.Lease(spool, owner, 30.0, SystemClock(), lambda _why: None)
    queue = spool_queue(spool)
    queue.enqueue(request(key))
    run_one(queue, owner)
    os._exit(0)


_kept: list[object] = []


def begin_and_stay(root: str) -> None:
    """A session with a running attempt, in this process, which goes on."""
    spool = open_at(root)
    register(spool, "w-box-1")
    _kept.append(lease.Lease(spool, "w-box-1", 30.0, SystemClock(), lambda _why: None))
    queue = spool_queue(spool)
    queue.enqueue(request("x"))
    run_one(queue, "w-box-1")


def reap(root: str) -> list[str]:
    """The attempts that were ended, because their session is gone."""
    spool = open_at(root)
    observer = liveness.Observer(spool, SystemClock())
    gone = spool_queue(spool).reap(lambda owner: "seen" * (observer.verdict(owner) in liveness.GONE), by="r-box-1")
    return [reaped.token.job_id for reaped in gone]


def finish_next(root: str) -> str:
    """Run the next job to its end."""
    queue = spool_queue(open_at(root))
    token = run_one(queue, "f-box-1", POOL)
    queue.end(token, SUCCESS, by="f-box-1")
    return token.job_id


def pause(root: str) -> None:
    control.request(open_at(root), "pause", SystemClock(), reason="lunch")


def paused(root: str) -> list[str]:
    return [stop.reason for stop in control.Requests(open_at(root), SystemClock()).stops()]


def put_damage_away(root: str, job_id: str) -> bool:
    """An outcome that is damaged, and its quarantine."""
    spool = open_at(root)
    spool.outcome_path(job_id, 1).write_text("{")
    return attempt.standing_outcome(spool, job_id, 1) is None


def find_faults(root: str) -> list[str]:
    return [finding.kind for finding in verify.verify(open_at(root), SystemClock())]


def _close(spool: Spool, folder: str, part: str) -> None:
    """Take every right to a file away, from its owner, too."""
    (name,) = [name for name in os.listdir(spool.folder(folder)) if part in name]
    spool.path(folder, name).chmod(0)


def stage_a_closed_one(root: str) -> None:
    """Two staged enqueues, ``a`` with mode 0."""
    spool = open_at(root)
    stage_only(spool, "a", "b")
    _close(spool, "tmp", ".a.")


def sweep_and_say(root: str) -> tuple[list[str], list[str]]:
    """The jobs admitted by two rounds, and what was said."""
    said: list[str] = []
    queue = SpoolQueue(open_at(root), clock=SystemClock(), events=Recorder(), say=said.append)
    return [token.job_id for _ in range(2) for token in queue.sweep()], said


def leave_a_closed_outcome(root: str) -> None:
    """The attempts of two jobs, of a session that is no more; ``x`` has an outcome with mode 0."""
    spool = open_at(root)
    queue = spool_queue(spool)
    for key in ("x", "y"):
        queue.enqueue(request(key))
        run_one(queue, "gone-box-1")
    spool.outcome_path("x", 1).write_text("whatever it says")
    _close(spool, "outcomes", "x.")


def reap_and_say(root: str) -> tuple[list[str], list[str]]:
    """The attempts that two rounds ended, and what was said."""
    said: list[str] = []
    queue = SpoolQueue(open_at(root), clock=SystemClock(), events=Recorder(), say=said.append)
    reaped = [
        r.token.job_id
        for _ in range(2)
        for r in queue.reap(lambda owner: "seen" * (owner == "gone-box-1"), by="r-box-1")
    ]
    return reaped, said
