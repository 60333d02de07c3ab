"""The opening: one start of an attempt, and the checkout that its change is proven against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.plain_steps import PlainSteps
from support.spools import claim_one, make_spool, run_one, spool_queue, where
from wf_cli.attempt.opening import Opened, open_attempt
from wf_cli.attempt.steps import Opening
from wf_cli.config.model import Budget
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Pool, Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest

OWNER = "w-box-1"
CODERS = Pool("plan-coder", "opencode")
JOB = "e01-p01-i0-code-plan-coder"


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    made = spool_queue(make_spool(tmp_path / "spool"))
    enqueue(made, "01")
    return made


def enqueue(queue: SpoolQueue, plan: str, role: str = "plan-coder", command: str = "code") -> None:
    target = Target(plan_id=plan, iteration=0, command=command, role=role, epic_id="01")
    queue.enqueue(JobRequest(role, "opencode", target=target, max_attempts=20))


def opened(queue: SpoolQueue, token: Token, steps: PlainSteps, **options: Any) -> Opened | Ending | None:
    return open_attempt(queue, steps, token, by=OWNER, **{"budget": Budget(), "must_change": True, **options})


def test_i1_an_attempt_that_another_thread_of_the_session_started_is_not_started_again(queue: SpoolQueue) -> None:
    """Both hold the same token: a rename that was repeated by the system told the second one that it had worked."""
    token, steps = claim_one(queue, OWNER, CODERS), PlainSteps()
    assert isinstance(opened(queue, token, steps), Opened)
    assert opened(queue, token, steps) is None
    assert where(queue, JOB) == "running"


def test_i1_an_own_job_is_not_started_twice_either(queue: SpoolQueue) -> None:
    queue.enqueue(JobRequest("plan-coder", "opencode", key="a-own", priority=0))
    token, steps = claim_one(queue, OWNER, CODERS), PlainSteps()
    assert token.job_id == "a-own"
    assert isinstance(opened(queue, token, steps), Opened)
    assert opened(queue, token, steps) is None


def test_an_attempt_that_ended_before_its_start_is_not_opened(queue: SpoolQueue) -> None:
    token, steps = claim_one(queue, OWNER, CODERS), PlainSteps()
    queue.cancel(JOB, by="op-box-1")
    assert opened(queue, token, steps) is None
    assert steps.opened == []


def test_a_plan_that_another_job_works_on_waits(queue: SpoolQueue) -> None:
    enqueue(queue, "01", role="plan-reviewer", command="review")
    run_one(queue, "v-box-1", Pool("plan-reviewer", "opencode"))
    ending = opened(queue, claim_one(queue, OWNER, CODERS), PlainSteps())
    assert isinstance(ending, Ending)
    assert (ending.end, ending.failure) == (End.RELEASED, None)


@pytest.mark.parametrize(("answer", "end"), [(Opening.DONE, End.SUCCEEDED), (Opening.SUPERSEDED, End.CANCELLED)])
def test_a_plan_that_needs_no_agent_says_so(queue: SpoolQueue, answer: Opening, end: End) -> None:
    ending = opened(queue, claim_one(queue, OWNER, CODERS), PlainSteps(answer=(answer, "so it is")))
    assert isinstance(ending, Ending)
    assert ending.end is end
    assert where(queue, JOB) == "claimed"


def test_no_money_is_no_start(queue: SpoolQueue) -> None:
    steps = PlainSteps()
    ending = opened(queue, claim_one(queue, OWNER, CODERS), steps, budget=Budget(per_job_usd=0.0))
    assert isinstance(ending, Ending)
    assert ending.hold
    assert steps.opened == []


def failed(code: str, **facts: Any) -> Ending:
    return ending_of(Failure(code, f"it was {code}"), **facts)


NOW, BEFORE = "git:now", "git:before"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], NOW),
        ([failed("gate_failed", started_ms=1, baseline=BEFORE)], BEFORE),
        ([failed("gate_failed", started_ms=1)], None),
        ([failed("runtime_missing")], NOW),
        ([Ending(End.RELEASED, reason="another job works on this plan")], NOW),
        ([Ending(End.LOST, failure=Failure("lost", "its session is gone"), baseline=BEFORE)], BEFORE),
        ([Ending(End.LOST, failure=Failure("lost", "its session is gone"))], None),
        ([Ending(End.LOST, failure=Failure("never_started", "its session is gone"))], NOW),
        ([Ending(End.LOST, failure=Failure("lost", "gone"), baseline=BEFORE), failed("runtime_missing")], BEFORE),
    ],
    ids=[
        "a first attempt",
        "one whose checkout is known",
        "one with an agent and no checkout",
        "one that never had an agent",
        "one given back before its start",
        "a lost one whose checkout is known",
        "a lost one that may have had an agent",
        "a lost one that was never started",
        "a lost one, and one without an agent after it",
    ],
)
def test_i5_the_baseline_is_the_checkout_before_the_jobs_first_agent(
    queue: SpoolQueue, before: list[Ending], expected: str | None
) -> None:
    for ending in before:
        queue.end(run_one(queue, OWNER, CODERS), ending, by=OWNER)
        queue._clock.sleep(100_000)
    found = opened(queue, claim_one(queue, OWNER, CODERS), PlainSteps(checkout=NOW))
    assert isinstance(found, Opened)
    assert found.baseline == expected


def test_a_cancelled_attempt_may_have_had_an_agent(queue: SpoolQueue) -> None:
    run_one(queue, OWNER, CODERS)
    queue.cancel(JOB, by="op-box-1")
    queue.retry(JOB)
    found = opened(queue, claim_one(queue, OWNER, CODERS), PlainSteps())
    assert isinstance(found, Opened)
    assert found.baseline is None


def test_a_step_that_need_not_change_anything_has_no_baseline(queue: SpoolQueue) -> None:
    found = opened(queue, claim_one(queue, OWNER, CODERS), PlainSteps(), must_change=False)
    assert isinstance(found, Opened)
    assert found.baseline is None
