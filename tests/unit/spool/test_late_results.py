"""Late results: kept, shown, applied by an operator as the next attempt, or discarded (invariants 2, 5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.spools import assert_sound, claim_one, failing, make_spool, request, run_one, where
from support.views import clocked, make_late
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.errors import ContractError, NotFound, Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import late, records, verify
from wf_cli.spool.late import LateResult
from wf_cli.spool.layout import Spool

OPERATOR = "operator-box-1"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def queue(spool: Spool) -> SpoolQueue:
    return clocked(spool)[0]


@pytest.fixture
def kept(queue: SpoolQueue, spool: Spool) -> LateResult:
    """A job that is queued again, and what its first attempt produced too late."""
    queue.enqueue(request("a"))
    make_late(queue, run_one(queue), answer=42)
    (found,) = late.listing(spool)
    return found


def test_a_late_result_is_listed_under_the_name_of_its_attempt(kept: LateResult, spool: Spool) -> None:
    assert str(kept) == "a.a1.w-box-1"
    spool.path("outcomes", "a.a1.json~").write_text("x", encoding="utf-8")
    assert late.listing(spool) == [kept]


@pytest.mark.parametrize("state", ["queued", "held", "dead"])
def test_applied_it_is_the_next_attempts_success(
    queue: SpoolQueue, spool: Spool, kept: LateResult, state: str
) -> None:
    if state == "held":
        queue.hold("a")
    if state == "dead":
        queue.end(claim_one(queue), failing("invalid_spec"), by="w-box-1")
    assert where(queue, "a") == state
    ended = queue.apply_late(kept, by=OPERATOR, reason="it is good")
    assert (ended.accepted, ended.outcome.end, ended.outcome.result) == (True, End.SUCCEEDED, {"answer": 42})
    assert ended.outcome.reason == "late result of attempt 1 (w-box-1): it is good"
    placed = queue.find("a")
    assert placed is not None
    assert (placed.folder, placed.token.status, placed.token.attempt) == (
        "done",
        "succeeded",
        3 if state == "dead" else 2,
    )
    assert late.listing(spool) == []
    assert_sound(spool, jobs=1)


def test_it_is_refused_while_an_attempt_goes_on_or_after_success(
    queue: SpoolQueue, spool: Spool, kept: LateResult
) -> None:
    token = run_one(queue, "w-box-2")
    with pytest.raises(Refused):
        queue.apply_late(kept, by=OPERATOR)
    queue.end(token, Ending(End.SUCCEEDED), by="w-box-2")
    with pytest.raises(Refused):
        queue.apply_late(kept, by=OPERATOR)
    assert late.listing(spool) == [kept]


def test_what_the_plan_lacks_refuses_it_and_changes_nothing(
    queue: SpoolQueue, spool: Spool, kept: LateResult
) -> None:
    before = queue.find("a")
    with pytest.raises(Refused, match="no evidence") as refused:
        queue.apply_late(kept, by=OPERATOR, unmet=lambda _t: Failure("gate_failed", "no evidence", ("T1",)))
    assert refused.value.facts["errors"] == ["T1"]
    assert queue.find("a") == before


def test_a_late_failure_cannot_be_applied(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("b"))
    token = run_one(queue)
    queue.end(token, Ending(End.LOST), by="reaper-box-1")
    queue.end(token, failing("crashed"), by="w-box-1")
    (found,) = late.listing(spool)
    with pytest.raises(Refused, match="nothing to apply"):
        queue.apply_late(found, by=OPERATOR)


def test_an_operator_who_dies_in_between_leaves_an_attempt_that_a_reaper_ends(
    queue: SpoolQueue, spool: Spool, kept: LateResult
) -> None:
    from wf_cli.spool import operate

    placed = queue.find("a")
    assert placed is not None
    assert operate.seize(spool, placed, OPERATOR) is not None
    queue.reap(lambda owner: "seen dead" * (owner == OPERATOR), by="reaper-box-1")
    assert where(queue, "a") == "queued"
    assert late.listing(spool) == [kept]
    assert queue.apply_late(kept, by="operator-box-2").accepted


def test_an_unknown_or_forged_one_is_not_applied(queue: SpoolQueue, spool: Spool, kept: LateResult) -> None:
    with pytest.raises(NotFound):
        queue.apply_late(LateResult("a", 7, "w-box-1"), by=OPERATOR)
    path = spool.path("outcomes", "a.a1.w-box-1.late.json")
    spool.path("outcomes", "a.a1.other.late.json").write_bytes(path.read_bytes())
    with pytest.raises(ContractError):
        records.read_late(spool, "a", 1, "other")


def test_discarded_it_is_gone(queue: SpoolQueue, spool: Spool, kept: LateResult) -> None:
    assert late.discard(spool, kept)
    assert not late.discard(spool, kept)
    assert late.listing(spool) == []
    assert verify.verify(spool, clocked(spool)[1]) == []
