"""What jobs may cost: sums over outcomes, unknown costs, and a job that is held and goes on (decision 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.spools import assert_sound, make_spool, request, spool_queue
from wf_cli.attempt.budget import Purse
from wf_cli.config.model import Budget
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Pool, Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest

OWNER = "w-box-1"
POOL = Pool("plan-coder", "opencode")


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"))


def step(plan: str, epic: str | None = "01") -> JobRequest:
    target = Target(plan_id=plan, iteration=0, command="code", role="plan-coder", epic_id=epic)
    return JobRequest(role="plan-coder", runtime="opencode", target=target, max_attempts=9)


def claim(queue: SpoolQueue) -> Token:
    token = queue.claim(OWNER, (POOL,))
    assert token is not None
    return token


def attempt(queue: SpoolQueue, cost: float | None, *, started: bool = True, **facts: Any) -> Token:
    """One more attempt of the first ready job, which told ``cost``."""
    token = claim(queue)
    usage = {"tokens_in": 5, "tokens_out": 1, "cost_usd": cost} if cost is not None else None
    ending = Ending(End.RELEASED, usage=usage, started_ms=1_764_000_000_000 if started else None, **facts)
    queue.end(token, ending, by=OWNER)
    clock = queue._clock
    clock.sleep(3600)
    return token


def objection(queue: SpoolQueue, limits: Budget) -> Failure | None:
    return Purse.open(queue, claim(queue), limits).objection()


def test_without_limits_nothing_is_objected_to(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    attempt(queue, 1e6)
    assert objection(queue, Budget()) is None


def test_a_job_may_spend_up_to_its_limit_over_all_attempts(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    attempt(queue, 0.75)
    attempt(queue, 0.75)
    token = claim(queue)
    assert Purse.open(queue, token, Budget(per_job_usd=1.51)).objection() is None
    refused = Purse.open(queue, token, Budget(per_job_usd=1.5)).objection()
    assert refused is not None
    assert refused.code == "over_budget"
    assert "$1.5000 of $1.5" in refused.message
    assert refused.details == {"budget": "per_job_usd", "limit_usd": 1.5, "spent_usd": 1.5}


def test_an_epics_limit_counts_its_jobs_and_no_others(queue: SpoolQueue) -> None:
    for request_ in (step("01"), step("02"), step("03", epic="02"), step("04", epic=None)):
        queue.enqueue(request_)
    for _ in range(4):
        token = claim(queue)
        queue.end(token, Ending(End.SUCCEEDED, usage={"cost_usd": 1.0}, started_ms=1), by=OWNER)
    queue.enqueue(step("05"))
    token = claim(queue)
    assert Purse.open(queue, token, Budget(per_epic_usd=2.01)).objection() is None
    refused = Purse.open(queue, token, Budget(per_epic_usd=2.0)).objection()
    assert refused is not None
    assert "epic 01 has cost $2.0000" in refused.message


def test_the_running_agent_is_stopped_when_all_of_it_is_too_much(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    attempt(queue, 0.75)
    purse = Purse.open(queue, claim(queue), Budget(per_job_usd=1.0, per_epic_usd=5.0))
    assert purse.exceeded(0.24) is None
    stopped = purse.exceeded(0.25)
    assert stopped is not None
    assert stopped.details["budget"] == "per_job_usd"
    assert purse.exceeded(4.25) is not None


@pytest.mark.parametrize("unknown_cost", ["allow", "hold"])
def test_an_unknown_cost_is_no_zero(queue: SpoolQueue, unknown_cost: Any) -> None:
    queue.enqueue(step("01"))
    first = attempt(queue, None)
    refused = objection(queue, Budget(per_job_usd=1.0, unknown_cost=unknown_cost))
    if unknown_cost == "allow":
        assert refused is None
    else:
        assert refused is not None
        assert refused.code == "unknown_cost"
        assert refused.details["attempts"] == [f"{first.job_id}.a1"]


def test_attempts_without_an_agent_cost_nothing(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    attempt(queue, None, started=False)
    never = Failure("never_started", "gone")
    token = claim(queue)
    queue.end(token, Ending(End.LOST, failure=never), by="reaper-1")
    assert objection(queue, Budget(per_job_usd=1.0, unknown_cost="hold")) is None


def test_a_lost_attempt_may_have_cost_anything(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    queue.end(claim(queue), Ending(End.LOST, failure=Failure("lost", "gone")), by="reaper-1")
    assert objection(queue, Budget(per_job_usd=1.0, unknown_cost="hold")) is not None


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-5", "1" + "0" * 400])
def test_a_cost_that_is_no_money_is_an_unknown_one(queue: SpoolQueue, cost: str) -> None:
    queue.enqueue(step("01"))
    token = attempt(queue, 0.125)
    path = queue.spool.outcome_path(token.job_id, 1)
    path.write_text(path.read_text().replace("0.125", cost))
    refused = Purse.open(queue, token, Budget(per_job_usd=1.0, unknown_cost="hold")).objection()
    assert refused is not None
    assert refused.code == "unknown_cost"


def test_a_damaged_outcome_is_an_unknown_cost(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    token = attempt(queue, 0.1)
    queue.spool.outcome_path(token.job_id, 1).write_text("{")
    purse = Purse.open(queue, token, Budget(per_job_usd=1.0, unknown_cost="hold"))
    assert purse.objection() is not None


def test_over_budget_holds_the_job_and_burns_nothing_and_release_lets_it_go_on(queue: SpoolQueue) -> None:
    queue.enqueue(step("01"))
    token = claim(queue)
    ended = queue.end(token, ending_of(Failure("over_budget", "too much")), by=OWNER)
    assert ended.accepted
    placed = queue.find(token.job_id)
    assert placed is not None
    assert (placed.status, placed.token.burned, placed.token.attempt) == (Status.HELD, 0, 1)
    assert_sound(queue.spool, jobs=1)
    assert queue.unhold(token.job_id)
    assert claim(queue).attempt == 2


def test_i3_a_job_held_by_its_outcome_is_rebuilt_where_it_was(queue: SpoolQueue) -> None:
    from wf_cli.spool import verify

    queue.enqueue(request("a", POOL))
    token = claim(queue)
    queue.end(token, ending_of(Failure("over_budget", "too much")), by=OWNER)
    (path,) = queue.spool.folder("held").iterdir()
    path.unlink()
    verify.repair(queue.spool)
    placed = queue.find("a")
    assert placed is not None
    assert placed.status is Status.HELD
