"""One attempt gets exactly one end, whatever happens in it; and what it hands on to the next one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.spools import make_spool, request, run_one, spool_queue
from wf_cli.app import App
from wf_cli.attempt import briefing
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Pool, Token, mark
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.runtimes.command import CommandAdapter, CommandReader
from wf_cli.spool import session
from wf_cli.spool.session import Agent, SessionFile

POOL = Pool("builder", "shell")
OWNER = "w-box-1"


def work_once(root: Path) -> tuple[SpoolQueue, list[str]]:
    """One own job, by a worker in this process."""
    config = {
        "version": 1,
        "mode": "distributed",
        "spool": {"durability": "none"},
        "runtimes": {"shell": {"adapter": "command", "argv": ["true"]}},
        "routing": {"builder": {"runtime": "shell"}},
    }
    (root / "wf.config.json").write_text(json.dumps(config))
    app = App(root, {"PATH": "/usr/bin:/bin", "HOME": str(root)})
    spool = app.create_spool()
    queue = app.queue(spool)
    queue.enqueue(JobRequest("builder", "shell", key="job"))
    said: list[str] = []
    app.worker(spool, runtime="shell", pools=frozenset({POOL}), say=said.append, max_jobs=1).run()
    return queue, said


def fail(*_: object) -> None:
    raise ValueError("no such thing")


@pytest.mark.parametrize(("kind", "method"), [(CommandAdapter, "launch"), (CommandReader, "verdict")])
def test_a_bug_of_ours_burns_the_attempt_so_that_the_job_does_not_run_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, method: str
) -> None:
    monkeypatch.setattr(kind, method, fail)
    queue, said = work_once(tmp_path)
    outcome = queue.outcome("job", 1)
    assert outcome is not None
    assert (outcome.end, outcome.burned) == (End.FAILED, 1)
    assert outcome.failure is not None
    assert outcome.failure.message == "ValueError: no such thing"
    assert any("a bug in wf" in line for line in said)


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"))


def attempts(queue: SpoolQueue, *endings: Ending) -> Token:
    """A job after these attempts, and in its next one."""
    queue.enqueue(request("a", POOL, max_attempts=20))
    for ending in endings:
        queue.end(run_one(queue, OWNER, POOL), ending, by=OWNER)
        queue.unhold("a")
        queue._clock.sleep(100_000)
    return run_one(queue, OWNER, POOL)


def failed(code: str, *errors: str) -> Ending:
    return ending_of(Failure(code, f"it was {code}", errors=errors), started_ms=1)


OPEN = failed("gate_failed", "T1 is open")


class TestWhatTheNextAgentIsTold:
    def test_of_a_first_attempt_nothing(self, queue: SpoolQueue) -> None:
        assert briefing.last_failure(queue, attempts(queue)) is None

    @pytest.mark.parametrize(
        "between",
        [
            failed("over_budget"),
            failed("target_red"),
            failed("usage_limit"),
            failed("runtime_missing"),
            Ending(End.RELEASED, reason="another job works on this plan"),
            Ending(End.LOST, failure=Failure("never_started", "gone")),
        ],
        ids=["budget", "repository", "provider", "host", "busy", "never started"],
    )
    def test_what_was_not_the_works_fault_is_passed_over(self, queue: SpoolQueue, between: Ending) -> None:
        last = briefing.last_failure(queue, attempts(queue, OPEN, between))
        assert last is not None
        assert last.errors == ("T1 is open",)

    def test_a_job_that_was_cancelled_and_is_run_again_begins_anew(self, queue: SpoolQueue) -> None:
        attempts(queue, OPEN)
        queue.cancel("a", by="op-box-1")
        queue.retry("a")
        assert briefing.last_failure(queue, run_one(queue, OWNER, POOL)) is None


@pytest.mark.parametrize("how", ["cancelled", "lost", "released"])
def test_i5_what_an_agent_began_is_handed_on_by_whoever_ends_its_attempt(queue: SpoolQueue, how: str) -> None:
    queue.enqueue(request("a", POOL))
    token = run_one(queue, OWNER, POOL)
    file = SessionFile(queue.spool, session.this_process(OWNER, "shell", 30.0, 1))
    file.add_agent(Agent("a", 1, mark(token), 1, "x", session_id="ses-1", baseline="git:x:y"))
    match how:
        case "cancelled":
            queue.cancel("a", by="op-box-1")
        case "lost":
            queue.reap(lambda _owner: "seen dead", by="r-box-1")
        case "released":
            queue.end(token, Ending(End.RELEASED, reason="found by the audit"), by=OWNER)
    outcome = queue.outcome("a", 1)
    assert outcome is not None
    assert (outcome.baseline, outcome.session_id, outcome.runtime) == ("git:x:y", "ses-1", "shell")
