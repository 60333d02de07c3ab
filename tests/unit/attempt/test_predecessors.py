"""No attempt of a job begins while the agent of an earlier one may live."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.in_process import Yard
from support.plain_steps import PlainSteps
from support.spools import POOL, Recorder, failing, request, run_one, where
from support.views import beat, sight, write_session
from wf_cli import proc
from wf_cli.attempt.claim import Claims
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token, mark
from wf_cli.errors import Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import judgement, retention
from wf_cli.spool.session import Agent
from wf_cli.views.explain import explanation
from wf_cli.views.viewer import Viewer

#: Its number is this process's, because the mark of an attempt is looked for among all processes of the machine.
OWNER = f"w-box-{os.getpid()}"
OPERATOR, NEXT = "operator-box-1", "w-box-2"


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Agents of a test, ended with it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


class Stage:
    """A job whose agent, a real process that carries the attempt's mark, outlives its attempt."""

    def __init__(self, queue: SpoolQueue, clock: FakeClock, processes: list[subprocess.Popen[bytes]], job: str = "a"):
        self.queue, self.clock = queue, clock
        self.claims = Claims(queue, PlainSteps(), clock, pools=frozenset({POOL}), max_parallel_plans=1)
        queue.enqueue(request(job, max_attempts=9))
        self.token = run_one(queue, OWNER)
        environment = {proc.MARK_VARIABLE: mark(self.token)}
        self.agent = subprocess.Popen(["/bin/sleep", "1000"], env=environment)
        processes.append(self.agent)

    def record(self, **facts: Any) -> None:
        """The file of the session that names the agent, with a lease."""
        start = proc.start_token(self.agent.pid)
        agent = Agent(self.token.job_id, self.token.attempt, mark(self.token), self.agent.pid, start)
        write_session(self.queue.spool, OWNER, **{"agents": (agent,), **facts})
        beat(self.queue.spool, OWNER)

    def cancel_and_retry(self) -> None:
        assert self.queue.cancel(self.token.job_id, by=OPERATOR) == "attempt"
        assert self.queue.retry(self.token.job_id)

    def stop(self) -> None:
        self.agent.kill()
        self.agent.wait()

    def take(self) -> Token | None:
        """The token that a worker claims next, as `Claims` lets it."""
        claimed = self.claims.take(NEXT, lambda _token, _ending: None)
        return getattr(claimed, "token", None)


@pytest.fixture
def stage(queue: SpoolQueue, clock: FakeClock, processes: list[subprocess.Popen[bytes]]) -> Stage:
    return Stage(queue, clock, processes)


def test_a_job_that_was_cancelled_and_retried_waits_for_its_agent_and_uses_no_attempt_up(stage: Stage) -> None:
    stage.record()
    stage.cancel_and_retry()
    for _ in range(3):
        assert stage.take() is None
    assert where(stage.queue, "a") == "queued"
    stage.stop()
    token = stage.take()
    assert token is not None
    assert (token.attempt, token.burned) == (2, 0)


@pytest.mark.parametrize("move", ["hold", "reroute"])
def test_no_move_of_the_waiting_job_hides_its_agent(stage: Stage, move: str) -> None:
    stage.record()
    stage.cancel_and_retry()
    placed = stage.queue.find("a")
    assert placed is not None
    if move == "hold":
        assert stage.queue.hold("a")
        assert stage.queue.unhold("a")
    else:
        assert stage.queue.reroute(placed.token, POOL)
    assert stage.take() is None
    stage.stop()
    assert stage.take() is not None


def test_a_launcher_that_has_started_no_agent_yet_counts(stage: Stage) -> None:
    """Its gate may be opened still, because its worker looked at the token before the attempt was ended."""
    launcher = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        stage.stop()
        agent = Agent("a", 1, mark(stage.token), launcher.pid, proc.start_token(launcher.pid))
        stage.record(agents=(agent,))
        stage.cancel_and_retry()
        assert stage.take() is None
    finally:
        launcher.kill()
        launcher.wait()
    assert stage.take() is not None


def test_an_agent_of_an_attempt_before_the_last_counts(stage: Stage) -> None:
    """The second attempt ended without an agent."""
    stage.record()
    stage.cancel_and_retry()
    second = stage.queue.claim("w-box-3", (POOL,))
    assert second is not None
    stage.queue.end(second, Ending(End.RELEASED, reason="drained", delay_s=1.0), by="w-box-3")
    stage.clock.advance(2)
    assert stage.take() is None
    stage.stop()
    assert stage.take() is not None


def test_an_agent_counts_although_no_outcome_tells_whose_it_is(stage: Stage) -> None:
    stage.record()
    stage.cancel_and_retry()
    stage.queue.spool.outcome_path("a", 1).unlink()
    assert stage.take() is None
    stage.stop()
    assert stage.take() is not None


def test_the_agent_that_a_dead_session_left_is_ended_before_the_next_attempt(stage: Stage) -> None:
    """Its launcher was killed, too, and the attempt was cancelled, so no reaper had a reason to look at it."""
    stage.record()
    stage.cancel_and_retry()
    stage.record(pid=2**22 + 1, start="1")
    assert stage.take() is not None
    assert stage.agent.wait(10) != 0


def test_the_agent_of_a_session_that_another_host_judged_is_ended_on_its_own_host(stage: Stage) -> None:
    """The reaper of another host cannot reach it."""
    stage.record()
    spool = stage.queue.spool
    judgement.publish(spool, judgement.judge(OWNER, "expired", 30.0, by="r-far-1", host="far", now_ms=0))
    stage.queue.reap(lambda _owner: "seen", by="r-far-1")
    assert stage.take() is not None
    assert stage.agent.wait(10) != 0


def test_a_job_waits_for_the_agent_of_another_host_until_its_session_is_gone(stage: Stage) -> None:
    stage.record(host="far", boot_id="another-boot", lease_seconds=6.0)
    stage.cancel_and_retry()
    for _ in range(6):
        assert stage.take() is None
        stage.clock.advance(1.0)
    assert stage.take() is not None
    assert judgement.standing(stage.queue.spool, OWNER) is not None, "the verdict was published before it was used"


@pytest.mark.parametrize("facts", [{"state": "stopped"}, {"agents": ()}])
def test_a_session_of_another_host_that_has_stopped_it_keeps_no_job_waiting(
    stage: Stage, facts: dict[str, Any]
) -> None:
    stage.record(host="far", boot_id="another-boot", **facts)
    stage.cancel_and_retry()
    assert stage.take() is not None


def test_an_attempt_that_its_owner_ended_left_no_agent(stage: Stage) -> None:
    """Its record may still name one, where the disk refused to take the name out."""
    stage.record(host="far", boot_id="another-boot")
    stage.queue.end(stage.token, failing("crashed", started_ms=1), by=OWNER)
    stage.clock.advance(600)
    assert stage.take() is not None


def test_other_jobs_go_on(stage: Stage) -> None:
    stage.record()
    stage.cancel_and_retry()
    stage.queue.enqueue(request("b"))
    token = stage.take()
    assert token is not None
    assert token.job_id == "b"


def test_it_is_told_why_such_a_job_waits(stage: Stage) -> None:
    stage.record()
    stage.cancel_and_retry()
    placed = stage.queue.find("a")
    assert placed is not None
    viewer = Viewer(stage.queue.spool, stage.clock)
    told = explanation(placed, sight(viewer, placed), epic_paused=lambda _epic: False)
    why = f"the agent of its attempt 1 has not stopped yet (process {stage.agent.pid}, of {OWNER})"
    assert told.summary == f"it waits: {why}"
    assert viewer.reason(placed) == why
    stage.stop()
    viewer.refresh()
    assert viewer.reason(placed) == "retried after cancelled"


def test_an_epic_is_not_purged_while_an_agent_of_it_works(
    queue: SpoolQueue, processes: list[subprocess.Popen[bytes]]
) -> None:
    """A job of the same key would begin with attempt 1 again."""
    target = Target("01", 0, "code", "coder", epic_id="01")
    job_id = queue.enqueue(JobRequest(role=POOL.role, runtime=POOL.runtime, target=target)).job_id
    token = run_one(queue, OWNER)
    agent = subprocess.Popen(["/bin/sleep", "1000"], env={proc.MARK_VARIABLE: mark(token)})
    processes.append(agent)
    named = Agent(job_id, 1, mark(token), agent.pid, proc.start_token(agent.pid))
    write_session(queue.spool, OWNER, agents=(named,))
    queue.cancel(job_id, by=OPERATOR)
    with pytest.raises(Refused, match="has not stopped yet"):
        retention.purge(queue.spool, "01")
    assert queue.outcome(job_id, 1) is not None, "nothing was removed"
    agent.kill()
    agent.wait()
    assert retention.purge(queue.spool, "01") == [job_id]


def test_the_record_of_a_dead_session_stays_while_its_agent_lives(stage: Stage) -> None:
    stage.record(pid=2**22 + 1, start="1")
    stage.queue.cancel("a", by=OPERATOR)
    later = int(os.stat(stage.queue.spool.path("sessions", f"{OWNER}.json")).st_mtime * 1000) + 10_000
    assert retention.clean(stage.queue.spool, before_ms=later).sessions == []
    stage.stop()
    assert retention.clean(stage.queue.spool, before_ms=later).sessions == [OWNER]


def test_the_agent_that_a_dead_session_left_of_a_cancelled_job_is_ended_when_its_lease_is_buried(
    stage: Stage,
) -> None:
    stage.record(pid=2**22 + 1, start="1")
    stage.queue.cancel("a", by=OPERATOR)
    Reaper(stage.queue, stage.clock, Recorder(), me=NEXT).bury()
    assert stage.agent.wait(10) != 0


#: It ignores SIGTERM. The second attempt notes whether the first one's agent lives.
STUBBORN = """
trap '' TERM
echo $$ > "$N/pid.$1.$2"
[ "$2" -eq 1 ] || { kill -0 "$(cat "$N/pid.$1.1")" 2> /dev/null && : > "$N/together"; }
: > "$N/started.$1.$2"
[ "$2" -gt 1 ] || while :; do sleep 0.02; done
"""


def test_a_worker_with_a_free_hand_does_not_start_the_next_attempt_beside_an_agent_that_ignores_sigterm(
    tmp_path: Path,
) -> None:
    yard = Yard(tmp_path, STUBBORN, timeouts={"grace": "2s"})
    yard.enqueue("job")
    with yard.running(concurrency=2):
        yard.noted("started.job.1")
        assert yard.queue.cancel("job", by=OPERATOR) == "attempt"
        assert yard.queue.retry("job")
        assert yard.outcome("job", 2).end is End.SUCCEEDED
    assert not (yard.notes / "together").exists()
    placed = yard.queue.find("job")
    assert placed is not None
    assert (placed.status, placed.token.attempt) == (Status.SUCCEEDED, 2)
