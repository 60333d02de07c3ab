"""What a session does for dead ones: it ends their attempts, and later buries their leases."""

from __future__ import annotations

import pytest

from support.clock import FakeClock
from support.spools import Recorder, claim_one, request, run_one, where
from support.views import beat, write_session
from wf_cli.attempt.reaper import Reaper
from wf_cli.queue.spool_queue import SpoolQueue

ME = "me-box-1"
LEASE = 30.0


@pytest.fixture
def reaper(queue: SpoolQueue, clock: FakeClock) -> Reaper:
    return Reaper(queue, clock, Recorder(), me=ME)


def session(queue: SpoolQueue, owner: str, **facts: object) -> None:
    """A session with its lease."""
    write_session(queue.spool, owner, **facts)  # type: ignore[arg-type]
    beat(queue.spool, owner)


def leases(queue: SpoolQueue) -> list[str]:
    return sorted(path.stem for path in queue.spool.folder("leases").iterdir())


def test_only_leases_of_dead_sessions_without_tokens_are_buried(queue: SpoolQueue, reaper: Reaper) -> None:
    """Kills: none is buried; the own one, a living one or one whose attempts nobody has ended yet is."""
    queue.enqueue_many([request("a"), request("b")])
    for owner in ("idle-box-1", "running-box-1", "claimed-box-1", ME):
        session(queue, owner, dead=True)
    session(queue, "alive-box-1")
    run_one(queue, "running-box-1")
    claim_one(queue, "claimed-box-1")
    reaper.bury()
    assert leases(queue) == sorted(["alive-box-1", "claimed-box-1", ME, "running-box-1"])
    assert {reaped.token.owner for reaped in reaper.round()} == {"running-box-1", "claimed-box-1"}
    reaper.bury()
    assert leases(queue) == ["alive-box-1", ME]
    assert queue.spool.path("sessions", "idle-box-1.json").exists(), "its record stays, for people"


def test_i6_a_remote_lease_is_buried_when_it_was_seen_unchanged_for_its_duration(
    queue: SpoolQueue, reaper: Reaper, clock: FakeClock
) -> None:
    session(queue, "far-box-2", host="elsewhere", boot_id="another-boot")
    for _ in range(6):
        reaper.bury()
        assert leases(queue) == ["far-box-2"]
        clock.advance(LEASE / 6)
    reaper.bury()
    assert leases(queue) == []


def test_i6_an_attempt_of_a_remote_session_is_reaped_after_its_lease_and_not_before(
    queue: SpoolQueue, reaper: Reaper, clock: FakeClock
) -> None:
    session(queue, "far-box-2", host="elsewhere", boot_id="another-boot")
    queue.enqueue(request("a"))
    run_one(queue, "far-box-2")
    for _ in range(6):
        assert reaper.round() == []
        clock.advance(LEASE / 6)
    assert [reaped.token.job_id for reaped in reaper.round()] == ["a"]
    assert where(queue, "a") == "queued"


def test_a_session_is_judged_once_a_round_however_many_attempts_it_has(
    queue: SpoolQueue, reaper: Reaper, clock: FakeClock
) -> None:
    events = Recorder()
    reaper = Reaper(queue, clock, events, me=ME)
    session(queue, "gone-box-1", dead=True)
    queue.enqueue_many([request(key) for key in ("a", "b", "c")])
    for _ in range(3):
        run_one(queue, "gone-box-1")
    assert len(reaper.round()) == 3
    assert events.kinds().count("job.stalled") == 1
