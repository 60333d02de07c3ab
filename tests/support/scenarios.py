"""What can be interrupted: each scenario prepares a spool and then does one thing.

Used by the crash tests (in a child that dies) and the fault tests (with calls that fail or lie).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from support import children
from support.clock import FakeClock
from support.spools import (
    OTHER,
    RELEASE,
    SUCCESS,
    claim_one,
    failing,
    granted,
    make_spool,
    recover,
    request,
    run_one,
    spool_queue,
)
from wf_cli import seams
from wf_cli.contract.failure import Failure
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.queue.batch import prepare
from wf_cli.spool import enqueue, layout, liveness, operate, session, verify
from wf_cli.spool.layout import Spool

#: The session that dies.
VICTIM = "w-box-1"
#: A session that died before.
EARLIER = "v-box-1"


def open_at(root: Path) -> Spool:
    return layout.open_spool(root)


def register(spool: Spool, owner: str) -> None:
    """As each session does before anything else: say which process it is."""
    session.SessionFile(spool, session.this_process(owner, "opencode", 30.0, FakeClock().now_ms()))


def stage_only(spool: Spool, *keys: str) -> None:
    """Enqueues whose process died right after staging."""
    batch = prepare([request(key) for key in keys], FakeClock().now_ms())
    for spec, token in batch.jobs.values():
        enqueue._stage(spool, enqueue.Entry(spec, token))


# -- what was before


def nothing(root: Path) -> None:
    make_spool(root, durability="fsync")


def no_spool(root: Path) -> None:
    root.parent.mkdir(exist_ok=True)


def one_queued(root: Path) -> None:
    nothing(root)
    spool_queue(open_at(root)).enqueue(request("a"))


def one_queued_shared(root: Path) -> None:
    """The same where a start is an exclusive link, too."""
    make_spool(root, topology="shared", durability="fsync")
    spool_queue(open_at(root)).enqueue(request("a"))


def one_reserved_before(root: Path) -> None:
    """Key b is taken by a job that ended."""
    nothing(root)
    queue = spool_queue(open_at(root))
    queue.enqueue(request("b"))
    queue.end(run_one(queue, EARLIER), SUCCESS, by=EARLIER)


def staged(root: Path) -> None:
    """One new job and one duplicate are staged; nobody finishes them."""
    one_reserved_before(root)
    stage_only(open_at(root), "a", "b")


def one_held(root: Path) -> None:
    one_queued(root)
    spool_queue(open_at(root)).hold("a")


def one_claimed(root: Path) -> None:
    one_queued(root)
    claim_one(spool_queue(open_at(root)), EARLIER)


def one_running(root: Path) -> None:
    one_queued(root)
    run_one(spool_queue(open_at(root)), EARLIER)


def one_dead(root: Path) -> None:
    one_running(root)
    queue = spool_queue(open_at(root))
    (placed,) = queue.placed()
    queue.end(placed.token, failing("policy_denied"), by=EARLIER)


def one_parked(root: Path) -> None:
    """Its provider wanted it to wait."""
    one_running(root)
    queue = spool_queue(open_at(root))
    (placed,) = queue.placed()
    queue.end(placed.token, ending_of(Failure("usage_limit", "no more", retry_after_s=3600)), by=EARLIER)


def three_finished(root: Path) -> None:
    nothing(root)
    queue = spool_queue(open_at(root))
    queue.enqueue_many([request("a"), request("b"), request("c")])
    queue.end(run_one(queue, EARLIER), SUCCESS, by=EARLIER)
    queue.end(run_one(queue, EARLIER), failing("policy_denied"), by=EARLIER)
    queue.cancel("c", by="op-box-1")


def _claim_and_start(root: Path) -> None:
    spool = open_at(root)
    register(spool, EARLIER)
    queue = spool_queue(spool)
    run_one(queue, EARLIER)
    claim_one(queue, EARLIER)


def dead_session(root: Path) -> None:
    """A session was killed with one job running and one claimed."""
    nothing(root)
    spool_queue(open_at(root)).enqueue_many([request("a"), request("b")])
    children.run(_claim_and_start, root)


def lost_before(root: Path) -> None:
    """The victim's attempt was given up by others while it was paused."""
    nothing(root)
    queue = spool_queue(open_at(root))
    queue.enqueue(request("a"))
    run_one(queue, VICTIM)
    queue.reap(lambda _owner: "seen dead", by="r-box-1")


def token_vanished(root: Path) -> None:
    """A power cut tore a rename: reserved, ended once, and in no directory."""
    one_running(root)
    spool = open_at(root)
    queue = spool_queue(spool)
    (placed,) = queue.placed()
    queue.end(placed.token, failing("crashed"), by=EARLIER)
    (path,) = spool.folder("queued").iterdir()
    path.unlink()


def token_doubled(root: Path) -> None:
    """A power cut tore a rename the other way: in two directories."""
    one_queued(root)
    spool = open_at(root)
    (path,) = spool.folder("queued").iterdir()
    data = path.read_bytes()
    claim_one(spool_queue(spool), EARLIER)
    path.write_bytes(data)


def reservation_vanished(root: Path) -> None:
    one_queued(root)
    open_at(root).spec_path("a").unlink()


def much_to_do(root: Path) -> None:
    """Everything at once that a fresh session can find."""
    dead_session(root)
    spool = open_at(root)
    stage_only(spool, "c")
    queue = spool_queue(spool)
    queue.enqueue(request("d"))
    spool.folder("queued").joinpath(queue.find("d").token.name).unlink()  # type: ignore[union-attr]


def node(root: Path) -> None:
    """The spool of a node that is not the home, without a job."""
    make_spool(root, durability="fsync", adopts=True)


def node_adopted(root: Path) -> None:
    node(root)
    spool_queue(open_at(root)).adopt(granted("a"), 3)


def node_ended(root: Path) -> None:
    """Attempt 3 ended on the node."""
    node_adopted(root)
    queue = spool_queue(open_at(root))
    queue.end(run_one(queue, EARLIER), failing("crashed"), by=EARLIER)


def node_lost_token(root: Path) -> None:
    node_adopted(root)
    (path,) = open_at(root).folder("queued").iterdir()
    path.unlink()


# -- what is done


def do_adopt(root: Path) -> object:
    return spool_queue(open_at(root)).adopt(granted("a"), 5)


def do_enqueue(root: Path) -> object:
    return spool_queue(open_at(root)).enqueue(request("a")).deduped


def do_enqueue_many(root: Path) -> object:
    got = spool_queue(open_at(root)).enqueue_many([request("a"), request("b"), request("c")])
    return [answer.deduped for answer in got]


def do_sweep(root: Path) -> object:
    return [token.job_id for token in enqueue.sweep(open_at(root))]


def _live(root: Path, ending: Ending) -> object:
    spool = open_at(root)
    register(spool, VICTIM)
    queue = spool_queue(spool)
    token = claim_one(queue, VICTIM)
    with queue.fence(token.job_id):
        started = queue.start(token)
    return (started, queue.end(token, ending, by=VICTIM).accepted)


def do_succeed(root: Path) -> object:
    return _live(root, SUCCESS)


def do_fail(root: Path) -> object:
    return _live(root, failing("crashed"))


def do_fail_for_good(root: Path) -> object:
    return _live(root, failing("policy_denied"))


def do_release(root: Path) -> object:
    return _live(root, RELEASE)


def do_spend_all(root: Path) -> object:
    return _live(root, ending_of(Failure("over_budget", "too much")))


def do_unpark(root: Path) -> object:
    return spool_queue(open_at(root)).unpark("opencode")


def do_end_late(root: Path) -> object:
    spool = open_at(root)
    register(spool, VICTIM)
    queue = spool_queue(spool)
    placed = queue.find("a")
    assert placed is not None
    mine = replace(placed.token, attempt=1, burned=0, owner=VICTIM)
    return queue.end(mine, SUCCESS, by=VICTIM).accepted


def do_cancel(root: Path) -> object:
    return spool_queue(open_at(root)).cancel("a", by="op-box-1")


def do_hold(root: Path) -> object:
    return spool_queue(open_at(root)).hold("a")


def do_unhold(root: Path) -> object:
    return spool_queue(open_at(root)).unhold("a")


def do_retry(root: Path) -> object:
    return spool_queue(open_at(root)).retry("a", force=True)


def do_reroute(root: Path) -> object:
    queue = spool_queue(open_at(root))
    placed = queue.find("a")
    assert placed is not None
    return queue.reroute(placed.token, OTHER)


def do_bury(root: Path) -> object:
    spool = open_at(root)
    placed = spool_queue(spool).find("a")
    assert placed is not None
    why = Failure("invalid_spec", "it cannot be run")
    return operate.bury(spool, placed, why, FakeClock().now_ms(), VICTIM)


def do_gc(root: Path) -> object:
    clock = FakeClock()
    clock.advance(100)
    return sorted(token.job_id for token in spool_queue(open_at(root), clock).gc(older_s=10))


def do_create(root: Path) -> object:
    return layout.create(root).version.topology


def do_repair(root: Path) -> object:
    return sorted(finding.kind for finding in verify.repair(open_at(root)))


def do_recover(root: Path) -> object:
    recover(open_at(root), FakeClock(), by="rescuer-box-1")
    return None


# -- what comes after: functions for fresh processes


def rescue(root: Path) -> list[str]:
    """What a fresh session does; whom it found dead."""
    spool = open_at(root)
    observer = liveness.Observer(spool, FakeClock())
    dead = [owner for owner in (VICTIM, EARLIER) if observer.verdict(owner) is liveness.Verdict.DEAD]
    recover(spool, FakeClock())
    return dead


def recover_until(root: Path, point: int) -> None:
    """A rescuer that is killed at its ``point``-th step, whatever that is."""
    left = point

    def hook(_name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    seams.install(hook)
    recover(open_at(root), FakeClock())


def live_until_started(root: Path) -> None:
    """Claims and starts, and then has an agent to wait for."""
    spool = open_at(root)
    register(spool, VICTIM)
    run_one(spool_queue(spool), VICTIM)


@dataclass(frozen=True)
class Scenario:
    """Something that can be interrupted: ``before`` prepares a spool, ``do`` does one thing to it."""

    name: str
    before: Callable[[Path], None]
    do: Callable[[Path], object]

    def __str__(self) -> str:
        return self.name


SCENARIOS = (
    Scenario("enqueue", nothing, do_enqueue),
    Scenario("enqueue-taken", one_queued, do_enqueue),
    Scenario("enqueue_many", one_reserved_before, do_enqueue_many),
    Scenario("sweep", staged, do_sweep),
    Scenario("succeed", one_queued, do_succeed),
    Scenario("succeed-shared", one_queued_shared, do_succeed),
    Scenario("fail", one_queued, do_fail),
    Scenario("fail-for-good", one_queued, do_fail_for_good),
    Scenario("release", one_queued, do_release),
    Scenario("over-budget", one_queued, do_spend_all),
    Scenario("unpark", one_parked, do_unpark),
    Scenario("late", lost_before, do_end_late),
    Scenario("cancel-queued", one_queued, do_cancel),
    Scenario("cancel-held", one_held, do_cancel),
    Scenario("cancel-claimed", one_claimed, do_cancel),
    Scenario("cancel-running", one_running, do_cancel),
    Scenario("hold", one_queued, do_hold),
    Scenario("unhold", one_held, do_unhold),
    Scenario("retry", one_dead, do_retry),
    Scenario("reroute", one_queued, do_reroute),
    Scenario("bury", one_queued, do_bury),
    Scenario("gc", three_finished, do_gc),
    Scenario("adopt", node, do_adopt),
    Scenario("adopt-again", node_ended, do_adopt),
    Scenario("adopt-lost", node_lost_token, do_adopt),
    Scenario("adopted-fail", node_adopted, do_fail),
    Scenario("adopted-release", node_adopted, do_release),
    Scenario("repair-adopted", node_lost_token, do_repair),
    Scenario("create", no_spool, do_create),
    Scenario("repair-missing", token_vanished, do_repair),
    Scenario("repair-doubled", token_doubled, do_repair),
    Scenario("repair-unreserved", reservation_vanished, do_repair),
    Scenario("recover", much_to_do, do_recover),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
