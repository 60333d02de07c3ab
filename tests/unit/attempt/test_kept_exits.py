"""The exit that a launcher keeps: what it proves, whose it is, and what an attempt becomes by it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.in_process import Yard
from support.plain_steps import PlainSteps
from support.spools import POOL, Recorder, problems, request, run_one, where
from support.views import beat, dead_pid, write_session
from wf_cli.attempt import kept
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.token import Token, exit_name, mark
from wf_cli.errors import Temporary
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import exits, retention
from wf_cli.spool.exits import KeptExit
from wf_cli.spool.session import Agent

OWNER, ME = "w-box-1", "me-box-2"
TARGET = Target("01", 0, "code", "coder", epic_id="01")


class Stage:
    """A running attempt of a session that died, with the record of its agent."""

    def __init__(self, queue: SpoolQueue, clock: FakeClock):
        self.queue, self.clock, self.steps, self.events = queue, clock, Plan(), Recorder()
        queue.enqueue(request("a"))
        self.token = run_one(queue, OWNER)
        pid, start = dead_pid()
        self.agent = Agent("a", 1, mark(self.token), pid, start, session_id="ses_1", baseline="git:then")
        write_session(queue.spool, OWNER, agents=(self.agent,), dead=True)
        beat(queue.spool, OWNER)
        self.reaper = Reaper(queue, clock, self.events, me=ME, steps=self.steps)

    def keep(self, **facts: Any) -> None:
        """The file of a launcher."""
        whole = {
            "mark": self.agent.mark, "pid": self.agent.pid, "code": 0, "by_itself": True, "proves": "end",
            "started_ms": 5, "words_decide": False, **facts,
        }  # fmt: skip
        self.path.write_text(json.dumps(whole), encoding="utf-8")

    @property
    def path(self) -> Path:
        return self.queue.spool.path("sessions", exit_name(self.agent.mark))


class Plan(PlainSteps):
    """Steps whose check says what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.unmet: Failure | Exception | None = None
        self.baselines: list[str | None] = []

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        self.baselines.append(baseline)
        return None

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        if isinstance(self.unmet, Exception):
            raise self.unmet
        return self.unmet


@pytest.fixture
def stage(queue: SpoolQueue, clock: FakeClock) -> Stage:
    return Stage(queue, clock)


def test_i5_what_an_agent_finished_counts_although_its_worker_died(stage: Stage) -> None:
    stage.keep()
    assert problems(stage.queue.spool) == [], "it is no foreign file"
    (reaped,) = stage.reaper.round()
    outcome = stage.queue.outcome("a", 1)
    assert outcome is not None
    assert reaped.outcome == outcome
    assert (outcome.end, outcome.by, outcome.owner, outcome.burned) == (End.SUCCEEDED, ME, OWNER, 0)
    assert (outcome.started_ms, outcome.session_id, outcome.baseline) == (5, "ses_1", "git:then")
    assert outcome.result["exit_code"] == 0
    assert where(stage.queue, "a") == "done"
    assert not stage.path.exists(), "it is removed with the attempt"
    assert stage.reaper.round() == []
    assert problems(stage.queue.spool) == []


def test_it_is_accepted_once_however_many_reap(stage: Stage) -> None:
    """Kills: a second reaper, or the worker that lives all the same, has its own end accepted."""
    stage.keep()
    others = [Reaper(stage.queue, stage.clock, stage.events, me=f"me-box-{n}") for n in (3, 4)]
    assert len([one for reaper in (stage.reaper, *others) for one in reaper.round()]) == 1
    assert not stage.queue.end(stage.token, kept.Ending(End.FAILED, started_ms=5), by=OWNER).accepted


def test_a_failed_agent_has_failed(stage: Stage) -> None:
    stage.keep(code=3)
    stage.reaper.round()
    outcome = stage.queue.outcome("a", 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert (outcome.end, outcome.failure.code, outcome.failure.message) == (End.FAILED, "crashed", "exit code 3")
    assert outcome.burned == 1


def test_a_program_that_asked_for_a_pause_gets_it(stage: Stage) -> None:
    stage.keep(code=75)
    stage.reaper.round()
    outcome = stage.queue.outcome("a", 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert (outcome.end, outcome.failure.code, outcome.burned) == (End.RELEASED, "rate_limited", 0)


@pytest.mark.parametrize(
    "facts",
    [
        {"by_itself": False},  # It may have taken the SIGTERM for a reason to end well.
        {"proves": "success", "code": 1},
        {"proves": "nothing"},
        {"proves": "nothing", "code": 1},
        {"code": 3, "words_decide": True},  # What it said may be a limit by a person's own pattern.
    ],
)
def test_what_proves_nothing_leaves_the_attempt_lost(stage: Stage, facts: dict[str, Any]) -> None:
    stage.keep(**facts)
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.LOST
    assert where(stage.queue, "a") == "queued"


def test_an_acp_agent_that_had_finished_its_turn_may_be_ended_while_it_closes(stage: Stage) -> None:
    stage.keep(proves="success", by_itself=False)
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.SUCCEEDED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"mark": 1}',
        " " * 5000 + "{}",
    ],
    ids=["empty", "torn", "list", "null", "deep", "short", "long"],
)
def test_a_damaged_file_proves_nothing(stage: Stage, text: str) -> None:
    stage.path.write_text(text, encoding="utf-8")
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.LOST


@pytest.mark.parametrize(
    "facts",
    [
        {"code": -9}, {"code": 256}, {"code": "0"}, {"code": True}, {"code": 0.0}, {"code": 10**40},
        {"by_itself": 1}, {"by_itself": "true"}, {"proves": "all"}, {"proves": None}, {"proves": ["end"]},
        {"started_ms": -1}, {"started_ms": 10**40}, {"started_ms": None},
        {"mark": "a.a1.w-box-9"}, {"mark": "a.a2.w-box-1"}, {"mark": "b.a1.w-box-1"},
        {"pid": 1}, {"pid": True}, {"pid": None}, {"words_decide": None}, {"words_decide": 0},
    ],
)  # fmt: skip
def test_a_file_of_another_attempt_or_launcher_or_without_sense_proves_nothing(
    stage: Stage, facts: dict[str, Any]
) -> None:
    stage.keep(**facts)
    assert exits.read(stage.queue.spool, stage.agent) is None
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.LOST


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_file_proves_nothing(stage: Stage, make: Callable[[Path], object]) -> None:
    make(stage.path)
    try:
        found = exits.read(stage.queue.spool, stage.agent)
    except OSError:
        found = None
    assert found is None


def test_the_exit_of_a_worker_on_another_host_counts_when_its_lease_has_expired(stage: Stage) -> None:
    write_session(stage.queue.spool, OWNER, agents=(stage.agent,), host="far", boot_id="another-boot")
    stage.keep()
    for _ in range(6):
        assert stage.reaper.round() == []
        stage.clock.advance(5)
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.SUCCEEDED


def plan_stage(queue: SpoolQueue, clock: FakeClock) -> Stage:
    stage = Stage(queue, clock)
    queue.cancel("a", by="operator-box-1")
    queue.enqueue(JobRequest(role=POOL.role, runtime=POOL.runtime, target=TARGET))
    stage.token = run_one(queue, OWNER)
    stage.agent = replace(stage.agent, job_id=stage.token.job_id, mark=mark(stage.token))
    write_session(queue.spool, OWNER, agents=(stage.agent,), dead=True)
    return stage


@pytest.mark.parametrize("proves", ["end", "success", "nothing"])
def test_a_step_counts_when_its_plan_says_so_whatever_the_exit_code_proves(
    queue: SpoolQueue, clock: FakeClock, proves: str
) -> None:
    stage = plan_stage(queue, clock)
    stage.keep(proves=proves, code=1)
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.SUCCEEDED
    assert stage.steps.baselines == ["git:then"]


def test_a_step_whose_agent_ended_well_fails_by_what_its_plan_lacks(queue: SpoolQueue, clock: FakeClock) -> None:
    stage = plan_stage(queue, clock)
    stage.keep()
    stage.steps.unmet = Failure("gate_failed", "the gate failed", errors=("no evidence",))
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.FAILED
    assert reaped.outcome.failure is not None
    assert (reaped.outcome.failure.code, reaped.outcome.failure.errors) == ("gate_failed", ("no evidence",))


@pytest.mark.parametrize(
    ("facts", "unmet"),
    [
        ({"code": 1}, Failure("gate_failed", "no")),  # What its agent said of its failure is not known.
        ({"proves": "nothing"}, Failure("gate_failed", "no")),
        ({"by_itself": False}, None),
        ({}, Temporary("the plan's lock is busy")),
        ({}, OSError(5, "Input/output error")),
    ],
)
def test_a_step_is_lost_when_it_is_not_known_what_its_worker_would_have_said(
    queue: SpoolQueue, clock: FakeClock, facts: dict[str, Any], unmet: Failure | Exception | None
) -> None:
    stage = plan_stage(queue, clock)
    stage.keep(**facts)
    stage.steps.unmet = unmet
    (reaped,) = stage.reaper.round()
    assert reaped.outcome.end is End.LOST


def test_only_an_attempt_that_was_started_has_an_exit(queue: SpoolQueue) -> None:
    """A step that its worker judged before the agent (`Opening.DONE`) has none, and nor has a claimed one."""
    one = KeptExit("a.a1.w", 1, 0, by_itself=True, proves="end", started_ms=0, words_decide=False)
    agent = Agent("a", 1, "a.a1.w", 1, None)
    token = Token(5, 0, "a", POOL, 1, 0, 3, owner="w")
    assert kept.ending(token, TARGET, one, agent, steps=None) is None, "without steps no plan is judged"


def test_gc_removes_what_a_killed_reaper_left_with_the_session(stage: Stage) -> None:
    stage.keep()
    stage.queue.cancel("a", by="operator-box-1")
    later = int(stage.path.stat().st_mtime * 1000) + 10_000
    assert retention.clean(stage.queue.spool, before_ms=later).sessions == [OWNER]
    assert not stage.path.exists()


def test_purge_removes_it_with_its_job(queue: SpoolQueue, clock: FakeClock) -> None:
    stage = plan_stage(queue, clock)
    stage.keep()
    queue.cancel(stage.token.job_id, by="operator-box-1")
    retention.purge(queue.spool, "01")
    assert not stage.path.exists()


def test_a_worker_leaves_no_exit_behind(tmp_path: Path) -> None:
    yard = Yard(tmp_path, ': > "$N/exit.$2"; [ "$2" -gt 1 ] || exit 3\n')
    yard.enqueue("job")
    with yard.running():
        assert yard.outcome("job", 2).end is End.SUCCEEDED
        yard.until(lambda: not list(yard.spool.folder("sessions").glob("*.exit.json")), "the end of the exits")
    assert [name for name in os.listdir(yard.spool.folder("tmp")) if name.endswith(".part")] == []
