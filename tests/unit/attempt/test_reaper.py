"""What a session does for others: attempts of dead sessions are ended, and the leases that they left removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import Recorder, claim_one, make_spool, request, run_one, spool_queue
from support.views import beat, write_session
from wf_cli import proc
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.job import End
from wf_cli.spool import lease, session
from wf_cli.spool.layout import Spool

ME, DEAD, ALIVE, BUSY = "me-box-1", "dead-box-1", "alive-box-1", "busy-box-1"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = make_spool(tmp_path / "spool")
    for owner in (ME, DEAD, ALIVE, BUSY):
        write_session(made, owner, dead=owner in (DEAD, BUSY))
        beat(made, owner)
    return made


def leases(spool: Spool) -> set[str]:
    return {path.stem for path in spool.folder("leases").iterdir()}


def test_the_leases_of_dead_sessions_are_removed_once_they_have_no_job(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    claim_one(queue, BUSY)
    reaper = Reaper(queue, FakeClock(), Recorder(), me=ME)
    reaper.bury()
    assert leases(spool) == {ME, ALIVE, BUSY}, "whoever reaps its job needs to see how the busy one ended"
    (reaped,) = reaper.round()
    assert (reaped.token.job_id, reaped.outcome.end) == ("a", End.LOST)
    reaper.bury()
    assert leases(spool) == {ME, ALIVE}


def test_ones_own_lease_is_never_removed_even_if_it_looks_dead(spool: Spool) -> None:
    Reaper(spool_queue(spool), FakeClock(), Recorder(), me=DEAD).bury()
    assert DEAD in leases(spool)


def test_a_lease_that_was_seen_unchanged_for_its_whole_duration_is_removed(spool: Spool) -> None:
    clock = FakeClock()
    write_session(spool, ALIVE, host="far", boot_id="another", lease_seconds=4.0)
    reaper = Reaper(spool_queue(spool, clock), clock, Recorder(), me=ME)
    for _ in range(4):
        reaper.bury()
        clock.advance(1.0)
        assert ALIVE in leases(spool)
    reaper.bury()
    clock.advance(1.0)
    assert ALIVE not in leases(spool)
    assert lease.path_of(spool, ME).exists()


def test_the_attempt_of_a_living_session_is_left_alone(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    run_one(queue, ALIVE)
    assert Reaper(queue, FakeClock(), Recorder(), me=ME).round() == []


@pytest.mark.parametrize("mark", ["job.a1.dead-box-1", "job.a1.w-box-1", "", "job"])
def test_a_record_of_foreign_hands_names_no_process_that_a_reaper_kills(tmp_path: Path, mark: str) -> None:
    """Pids, start times, boot ids and namespaces are for everyone to see, so a record can name any process."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("job"))
    run_one(queue, "dead-box-1")
    with subprocess.Popen(["sleep", "600"]) as innocent:
        try:
            agent = session.Agent("job", 1, mark, innocent.pid, proc.start_token(innocent.pid))
            write_session(spool, "dead-box-1", dead=True, agents=(agent,))
            assert len(Reaper(queue, FakeClock(), Recorder(), me="r-box-1").round()) == 1
            assert innocent.poll() is None
        finally:
            innocent.kill()
