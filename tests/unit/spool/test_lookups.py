"""What others ask of a spool at one look: who is busy, which token a mark names, which jobs a plan has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.lookings import lookings
from support.spools import claim_one, make_spool, request, run_one, spool_queue
from wf_cli.contract import token
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool, mark
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import lease, scan

CODER = Pool("plan-coder", "opencode")


@pytest.fixture
def queue(tmp_path: Path) -> SpoolQueue:
    return spool_queue(make_spool(tmp_path / "spool"))


def step(plan: str, command: str = "code") -> JobRequest:
    target = Target(plan_id=plan, iteration=0, command=command, role="plan-coder")
    return JobRequest(role=CODER.role, runtime=CODER.runtime, target=target, max_attempts=3)


def test_a_session_is_busy_with_what_it_claimed_and_what_it_runs(queue: SpoolQueue) -> None:
    queue.enqueue_many([request(key) for key in ("a", "b", "c", "d")])
    run_one(queue, "first-box-1")
    claim_one(queue, "first-box-1")
    claim_one(queue, "second-box-1")
    assert scan.busy_owners(queue.spool) == {"first-box-1": 2, "second-box-1": 1}
    assert sorted(p.folder for p in scan.taken(queue.spool)) == ["claimed", "claimed", "running"]


def test_a_mark_names_a_running_token_of_its_own_attempt_and_owner_only(queue: SpoolQueue) -> None:
    queue.enqueue_many([request("a"), request("b")])
    running = run_one(queue, "first-box-1")
    claimed = claim_one(queue, "first-box-1")
    assert scan.running_token(queue.spool, mark(running)) == running
    assert scan.running_token(queue.spool, mark(claimed)) is None
    assert scan.running_token(queue.spool, f"{running.job_id}.a2.{running.owner}") is None
    assert scan.running_token(queue.spool, f"{running.job_id}.a1.second-box-1") is None
    assert scan.running_token(queue.spool, "no mark at all") is None


def test_jobs_by_plan_leave_out_the_jobs_of_no_plan(queue: SpoolQueue) -> None:
    queue.enqueue_many([step("01"), step("02"), step("01", "plan"), request("own")])
    found = {plan: [p.token.job_id for p in jobs] for plan, jobs in scan.by_plan(queue.placed()).items()}
    assert {plan: sorted(ids) for plan, ids in found.items()} == {
        "01": ["p01-i0-code-plan-coder", "p01-i0-plan-plan-coder"],
        "02": ["p02-i0-code-plan-coder"],
    }


def test_the_age_of_a_heartbeat_is_that_of_the_lease_file(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    path = lease.path_of(spool, "first-box-1")
    assert lease.beat_age_s(spool, "first-box-1", 10_000) is None
    path.touch()
    os.utime(path, (7.5, 7.5))
    assert lease.beat_age_s(spool, "first-box-1", 10_000) == 2.5
    assert lease.beat_age_s(spool, "first-box-1", 5_000) == 0.0, "a clock that lags behind shows no negative age"


def test_a_name_is_parsed_once_however_often_it_is_listed_and_a_target_once_a_job(queue: SpoolQueue) -> None:
    queue.enqueue_many([step(f"{n:02d}") for n in range(20)])
    token.parse.cache_clear()
    target_of.cache_clear()
    for _ in range(5):
        assert len(scan.by_plan(queue.placed())) == 20
    assert token.parse.cache_info().misses == 20
    assert target_of.cache_info().misses == 20


def test_a_job_is_found_without_parsing_the_names_of_others(queue: SpoolQueue) -> None:
    queue.enqueue_many([step(f"{n:02d}") for n in range(20)] + [request("a"), request("b-a")])
    token.parse.cache_clear()
    found = scan.find(queue.spool, "a")
    assert found is not None
    assert found.token.job_id == "a"
    assert token.parse.cache_info().misses <= 3, "names that this job can have"
    assert scan.any_reserved(queue.spool, ["no-such-job", "p07-i0-code-plan-coder"])
    assert not scan.any_reserved(queue.spool, ["no-such-job"])


def test_no_transition_lists_a_folder_that_grows_with_the_jobs_that_ended(tmp_path: Path) -> None:
    """On a network file system a listing takes the longer, the more there is. The links decide all the same."""
    spool = make_spool(tmp_path / "spool", topology="shared")
    queue = spool_queue(spool)
    with lookings(spool.root) as seen:
        queue.enqueue_many([request("a"), request("b")])
        queue.end(run_one(queue), Ending(End.SUCCEEDED, started_ms=1), by="w-box-1")
        run_one(queue)
        queue.reap(lambda owner: f"{owner} is gone", by="w-box-2")
    assert not set(seen.listed) & {"jobs", "outcomes", "started", "done", "dead", "archive"}
