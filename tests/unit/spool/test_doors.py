"""What one door takes, every later one takes: jobs and ends that come in can be stored, read back and named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.clock import FakeClock
from support.spools import assert_sound, failing, make_spool, problems, request, run_one, spool_queue, where
from support.views import beat, write_session
from wf_cli.attempt import briefing
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import RECORD_LIMIT, Disposition, End, Outcome, Spec
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import NUMBER_LIMIT, parse
from wf_cli.errors import ContractError
from wf_cli.queue.batch import prepare
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import records
from wf_cli.spool.layout import Spool
from wf_cli.views.sessions import sessions
from wf_cli.views.viewer import Viewer

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z0-9-]{1,50}", fullmatch=True) | TEXTS
TARGETS = st.builds(
    Target,
    plan_id=st.from_regex(r"[0-9]{1,40}", fullmatch=True) | TEXTS,
    iteration=st.integers(-1, 10**10),
    command=st.sampled_from(["plan", "code", "review", "fix", "other"]),
    role=st.just("coder"),
    epic_id=st.none() | st.from_regex(r"[0-9]{1,40}", fullmatch=True),
    repo_id=st.none() | st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True) | TEXTS,
)


def no_json(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def queue(spool: Spool) -> SpoolQueue:
    return spool_queue(spool)


@given(
    st.builds(
        JobRequest,
        role=NAMES | st.just("coder"),
        runtime=NAMES | st.just("opencode"),
        key=TEXTS | st.just("a"),
        target=st.none() | TARGETS,
        payload=VALUES,
        priority=st.integers(-1, 10),
        max_attempts=st.integers(-1, 2 * NUMBER_LIMIT) | st.integers(1, 5),
        delay_s=st.floats(0, 1e10) | st.just(0.0),
        source=TEXTS,
    )
)
def test_a_job_that_is_accepted_can_be_read_and_named(wanted: JobRequest) -> None:
    try:
        batch = prepare([wanted], FakeClock().now_ms())
    except ContractError:
        return
    ((spec, token),) = batch.jobs.values()
    text = spec.encode().decode("utf-8", "strict")
    assert Spec.from_json(json.loads(text, parse_constant=no_json)) == spec
    assert parse("queued", token.name) == token


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (request("a", payload={"n": [float("inf")]}), r"payload\.n\[0\]"),
        (request("a", payload={"half": "\ud800"}), r"surrogate pair .*payload\.half"),
        (request("caf\udce9"), "surrogate pair"),
        (request("a", source="\ud800"), "surrogate pair .*source"),
        (JobRequest("r", "x", target=Target("0" * 33, 0, "code", "r")), r"target\.plan_id: is longer than 32"),
        (JobRequest("r", "x", target=Target("01", 0, "code", "r", "1" * 40)), r"target\.epic_id: is longer than 32"),
    ],
)
def test_a_job_that_nobody_could_read_is_refused_and_takes_no_key(
    spool: Spool, queue: SpoolQueue, wanted: JobRequest, why: str
) -> None:
    with pytest.raises(ContractError, match=why):
        queue.enqueue(wanted)
    assert_sound(spool, jobs=0)


# -- ends

ENDS = st.builds(
    Outcome,
    job_id=st.just("a"),
    attempt=st.just(1),
    owner=st.just("w-box-1"),
    by=st.just("w-box-1"),
    nonce=st.just("0" * 16),
    end=st.sampled_from(End),
    burned=st.integers(0, NUMBER_LIMIT - 1),
    disposition=st.just(Disposition("done", 0)),
    at_ms=st.just(0),
    losses=st.integers(0, NUMBER_LIMIT),
    parked=st.integers(0, 20 * NUMBER_LIMIT),
    failure=st.none()
    | st.builds(Failure, st.just("crashed"), TEXTS, retry_after_s=st.none() | st.floats() | st.integers(-5, 5)),
    reason=st.none() | TEXTS,
    result=st.dictionaries(TEXTS, VALUES, max_size=3),
    usage=st.none() | st.dictionaries(st.sampled_from(["tokens_in", "cost_usd", "other"]), VALUES),
    baseline=st.none() | TEXTS | st.just("x" * 1025),
)


@given(ENDS)
def test_an_end_that_is_published_is_one_that_every_reader_takes(outcome: Outcome) -> None:
    kept, data = records.readable(outcome)
    read = Outcome.from_json(json.loads(data))
    assert (read.end, read.burned, read.disposition) == (outcome.end, outcome.burned, outcome.disposition)
    assert (read.failure and read.failure.code) == (outcome.failure and outcome.failure.code)
    if kept != outcome:
        assert "left_out" in read.result


BIG = "x" * (RECORD_LIMIT + 1)


@pytest.mark.parametrize(
    "ending",
    [
        Ending(End.SUCCEEDED, result={"text": BIG}),
        Ending(End.SUCCEEDED, usage={"cost_usd": -1.0}),
        Ending(End.SUCCEEDED, reason=BIG),
        Ending(End.SUCCEEDED, baseline="x" * 1025),
        failing("crashed", result={"text": BIG}),
        replace(failing("crashed"), failure=Failure("crashed", BIG, errors=(BIG,), retry_after_s=-1.0)),
    ],
)
def test_an_attempt_whose_end_is_out_of_bounds_ends_all_the_same(
    spool: Spool, queue: SpoolQueue, ending: Ending
) -> None:
    """Written as it is, it would be put away as damaged, and the work done again."""
    queue.enqueue(request("a", max_attempts=1))
    assert queue.end(run_one(queue), ending, by="w-box-1").accepted
    outcome = queue.outcome("a", 1)
    assert outcome is not None
    assert outcome.end is ending.end
    assert outcome.result["left_out"]
    assert where(queue, "a") == ("done" if ending.end is End.SUCCEEDED else "dead")
    assert problems(spool) == []


def test_losses_that_a_foreign_outcome_counts_to_the_limit_are_no_end_of_the_count(
    spool: Spool, queue: SpoolQueue
) -> None:
    queue.enqueue(request("a", max_attempts=9))
    queue.end(run_one(queue), Ending(End.LOST), by="r-box-1")
    path = spool.outcome_path("a", 1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"losses": NUMBER_LIMIT - 1}))
    queue.end(run_one(queue), Ending(End.LOST), by="r-box-1")
    outcome = queue.outcome("a", 2)
    assert outcome is not None
    assert outcome.losses == NUMBER_LIMIT - 1


# -- what older versions, or others, have stored


def test_a_payload_with_numbers_that_json_has_not_is_handed_on_as_json(spool: Spool, queue: SpoolQueue) -> None:
    queue.enqueue(request("a", payload={"n": 1.5}))
    token = run_one(queue)
    for path in (spool.spec_path("a"), spool.path("running", token.name)):
        path.write_text(path.read_text().replace("1.5", "Infinity"))
    spec = queue.spec("a")
    assert spec is not None

    steps: Any = None
    told = json.loads(briefing.prompt(steps, spec, token, None), parse_constant=no_json)
    assert told == {"n": "Infinity"}


@pytest.mark.parametrize("facts", [{"started_ms": 10**18}, {"started_ms": -1}, {"pid": 0}])
def test_a_session_file_with_impossible_numbers_keeps_no_other_from_being_listed(
    spool: Spool, facts: dict[str, int]
) -> None:
    write_session(spool, "bad-box-1", **facts)
    write_session(spool, "good-box-1")
    for owner in ("bad-box-1", "good-box-1"):
        beat(spool, owner)
    shown = [view.to_json()["owner"] for view in sessions(Viewer(spool, FakeClock()))]
    assert shown == ["bad-box-1", "good-box-1"]
