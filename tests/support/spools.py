"""Queues to test with, and short ways to say what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.clock import FakeClock
from support.memory_queue import MemoryQueue
from support.queues import Queue
from wf_cli.clock import Clock
from wf_cli.contract.backoff import RetryPolicy
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Spec
from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Placed, Pool, Token, parse
from wf_cli.queue.batch import prepare
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import enqueue, layout, liveness, verify
from wf_cli.spool.layout import Spool

POOL = Pool("coder", "opencode")
OTHER = Pool("reviewer", "cursor")
#: Exact delays, so that two implementations can be compared.
PLAIN = RetryPolicy(jitter=False)

#: Has watched for long enough at once. For a repair on a shared spool whose listings are not old.
WATCH = verify.Watch(0.0, lambda _jobs, _seconds: None)

SUCCESS = Ending(End.SUCCEEDED)
RELEASE = Ending(End.RELEASED)


@dataclass
class Recorder:
    """An `EventSink` that remembers."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rest(self) -> None:
        pass

    def emit(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def make_spool(root: Path, *, topology: str = "local", durability: str = "none", adopts: bool = False) -> Spool:
    """A new spool. Without fsync, which no test of logic needs; crash tests ask for it."""
    return layout.create(root, topology=topology, durability=durability, adopts=adopts)


def spool_queue(spool: Spool, clock: Clock | None = None, events: EventSink | None = None) -> SpoolQueue:
    return SpoolQueue(spool, clock=clock or FakeClock(), events=events or Recorder(), policy=lambda _t: PLAIN)


def memory_queue(clock: Clock | None = None, events: EventSink | None = None, **options: Any) -> MemoryQueue:
    return MemoryQueue(clock=clock or FakeClock(), events=events or Recorder(), policy=lambda _t: PLAIN, **options)


def request(key: str, pool: Pool = POOL, **options: Any) -> JobRequest:
    """A job of one's own; its id is ``key`` (a plain word)."""
    return JobRequest(role=pool.role, runtime=pool.runtime, key=key, **options)


def staged_entries(*keys: str) -> list[enqueue.Entry]:
    """What an enqueue of these keys stages; nothing of it is on disk."""
    batch = prepare([request(key) for key in keys], FakeClock().now_ms())
    return [enqueue.Entry(spec, token) for spec, token in batch.jobs.values()]


def granted(key: str, **options: Any) -> Spec:
    """The spec of a job of one's own, as it comes from another machine."""
    ((spec, _token),) = prepare([request(key, **options)], FakeClock().now_ms()).jobs.values()
    return replace(spec, nonce="0123456789abcdef")


def failing(code: str, **facts: Any) -> Ending:
    return Ending(End.FAILED, failure=Failure(code, f"it was {code}"), **facts)


def claim_one(queue: Queue, owner: str = "w-box-1", *pools: Pool) -> Token:
    token = queue.claim(owner, pools or (POOL,))
    assert token is not None, "nothing to claim"
    return token


def run_one(queue: Queue, owner: str = "w-box-1", *pools: Pool) -> Token:
    """Claim and start the next job."""
    token = claim_one(queue, owner, *pools)
    with queue.fence(token.job_id):
        assert queue.start(token) == "go"
    return token


def where(queue: Queue, job_id: str) -> str | None:
    """The directory of a job's token."""
    placed = queue.find(job_id)
    return None if placed is None else placed.folder


def state(queue: Queue) -> dict[str, str]:
    """All jobs, archived ones too when they can be listed: id -> ``folder/name``."""
    if isinstance(queue, SpoolQueue):
        return {p.token.job_id: f"{p.folder}/{p.token.name}" for p in tokens_on_disk(queue.spool)}
    assert isinstance(queue, MemoryQueue)
    return {job_id: f"{p.folder}/{p.token.name}" for job_id, p in queue._places.items()}


def tokens_on_disk(spool: Spool) -> list[Placed]:
    """Every token there is, read in the plainest way."""
    return [
        Placed(folder, token)
        for folder in DIRECTORIES
        for path in sorted(spool.folder(folder).iterdir())
        if (token := parse(folder, path.name)) is not None
    ]


def staged(spool: Spool) -> list[str]:
    """What lies in tmp/."""
    return sorted(path.name for path in spool.folder("tmp").iterdir())


def problems(spool: Spool, clock: Clock | None = None) -> list[str]:
    """What verify finds, as text."""
    return [f"{f.kind}: {f.path}: {f.detail}" for f in verify.verify(spool, clock or FakeClock())]


def recover(spool: Spool, clock: Clock, *, by: str = "rescuer-box-1") -> SpoolQueue:
    """What a fresh session does first: repair, sweep, reap what is proven dead."""
    verify.repair(spool)
    enqueue.sweep(spool)
    queue = spool_queue(spool, clock)
    observer = liveness.Observer(spool, clock)
    queue.reap(lambda owner: "seen" * (observer.verdict(owner) in liveness.GONE), by=by)
    return queue


def assert_sound(spool: Spool, clock: Clock | None = None, *, jobs: int | None = None) -> None:
    """Invariants 3 and 4: each reserved job has exactly one token, nothing is staged, verify finds nothing."""
    tokens = [p.token.job_id for p in tokens_on_disk(spool)]
    reserved = sorted(path.stem for path in spool.folder("jobs").iterdir())
    assert sorted(tokens) == reserved, "one token for each reserved job"
    assert [n for n in staged(spool) if not n.endswith(".part")] == []
    assert problems(spool, clock) == []
    if jobs is not None:
        assert len(reserved) == jobs
