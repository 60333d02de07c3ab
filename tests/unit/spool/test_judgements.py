"""A verdict is published before it is used: by reapers, for every observer, and for the accused that lives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.in_process import WAITS, Yard
from support.spools import Recorder, claim_one, make_spool, request, run_one, spool_queue
from wf_cli import seams
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.job import End
from wf_cli.spool import judgement, lease, retention, session, verify
from wf_cli.spool.judgement import Judgement
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import Observer, Verdict
from wf_cli.spool.session import SessionFile

ACCUSED, JUDGE = "w-box-1", "r-box-2"
LEASE = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["local", "shared"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology=request.param)


def remote(spool: Spool, clock: FakeClock, owner: str = ACCUSED) -> None:
    """A session of another host, with a lease that nobody beats any more."""
    here = session.this_process(owner, "opencode", LEASE, clock.now_ms())
    SessionFile(spool, session.replace(here, boot_id="another-boot", host="other"))
    lease.path_of(spool, owner).write_text("beat")


def judged(spool: Spool, owner: str = ACCUSED) -> Judgement:
    found = judgement.standing(spool, owner)
    assert found is not None
    return found


def watch_it_expire(reaper: Reaper, clock: FakeClock) -> list[Any]:
    reaped = reaper.round()
    for _ in range(5):
        assert reaped == []
        clock.advance(LEASE / 4)
        reaped = reaper.round()
        if reaped:
            break
    return reaped


def test_a_reaper_publishes_its_verdict_before_it_ends_an_attempt(
    spool: Spool, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Recorder()
    queue = spool_queue(spool, clock, events)
    queue.enqueue(request("a"))
    run_one(queue, ACCUSED)
    remote(spool, clock)
    at_the_end: list[Judgement | None] = []

    def look(name: str) -> None:
        if name == "end.part":
            at_the_end.append(judgement.standing(spool, ACCUSED))

    monkeypatch.setattr(seams, "_hook", look)
    (reaped,) = watch_it_expire(Reaper(queue, clock, events, me=JUDGE), clock)
    verdict = judged(spool)
    assert at_the_end == [verdict]
    assert (verdict.rule, verdict.unchanged_s, verdict.by) == ("expired", LEASE, JUDGE)
    assert f"{LEASE:g} s" in verdict.evidence
    assert JUDGE in verdict.evidence
    assert verdict.evidence in (reaped.outcome.failure.message if reaped.outcome.failure else "")
    (facts,) = [facts for kind, facts in events.events if kind == "job.reaped"]
    assert verdict.evidence in facts["reason"]


def test_no_session_is_reaped_without_a_verdict(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    run_one(queue, ACCUSED)
    remote(spool, clock)
    reaper = Reaper(queue, clock, Recorder(), me=JUDGE)
    assert reaper.round() == []
    assert judgement.standing(spool, ACCUSED) is None


def test_everybody_acts_on_a_published_verdict_at_once(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    run_one(queue, ACCUSED)
    remote(spool, clock)
    assert Observer(spool, clock).verdict(ACCUSED) is Verdict.UNKNOWN
    judgement.publish(spool, judgement.judge(ACCUSED, "expired", LEASE, by="x-box-3", host="x", now_ms=1))
    assert Observer(spool, clock).verdict(ACCUSED) is Verdict.EXPIRED
    (reaped,) = Reaper(queue, clock, Recorder(), me=JUDGE).round()
    assert "x-box-3" in (reaped.outcome.failure.message if reaped.outcome.failure else "")


def test_of_two_verdicts_the_first_one_stands(spool: Spool) -> None:
    first = judgement.judge(ACCUSED, "expired", 61.0, by=JUDGE, host="a", now_ms=1)
    second = judgement.judge(ACCUSED, "dead", None, by="x-box-3", host="b", now_ms=2)
    assert judgement.publish(spool, first) == first
    assert judgement.publish(spool, second) == first
    assert judged(spool) == first


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"verdict": 7, "by": "../x", "unchanged_s": "long"}',
        b'{"unchanged_s": true}',
        b"\xff",
        b"[" * 60_000,
    ],
)
def test_a_verdict_that_cannot_be_read_counts_and_says_nothing(
    spool: Spool, clock: FakeClock, content: bytes
) -> None:
    path = spool.path("sessions", ACCUSED + judgement.SUFFIX)
    path.write_bytes(content)
    verdict = judged(spool)
    assert (verdict.by, verdict.unchanged_s) == ("", None)
    assert verdict.evidence
    assert Observer(spool, clock).verdict(ACCUSED) is Verdict.EXPIRED


def test_what_is_no_file_judges_nobody_and_is_reported(spool: Spool, clock: FakeClock) -> None:
    os.mkfifo(spool.path("sessions", ACCUSED + judgement.SUFFIX))
    assert judgement.standing(spool, ACCUSED) is None
    assert [finding.kind for finding in verify.verify(spool, clock)] == ["not_a_file"]


def test_a_verdict_is_a_file_of_wf_and_goes_with_its_session(spool: Spool, clock: FakeClock) -> None:
    remote(spool, clock)
    judgement.publish(spool, judgement.judge(ACCUSED, "expired", LEASE, by=JUDGE, host="x", now_ms=1))
    assert verify.verify(spool, clock) == []
    later = clock.now_ms() + 10**12
    assert retention.clean(spool, before_ms=later).sessions == [ACCUSED]
    assert os.listdir(spool.folder("sessions")) == []
    assert os.listdir(spool.folder("leases")) == []


@pytest.mark.parametrize("topology", ["local", "shared"])
def test_the_accused_that_lives_stops_its_agent_and_begins_a_new_session(tmp_path: Path, topology: str) -> None:
    yard = Yard(tmp_path, WAITS, spool={"topology": topology})
    yard.enqueue("job")
    with yard.running():
        yard.noted("started.job.1")
        (owner,) = session.owners(yard.spool)
        verdict = judgement.judge(owner, "expired", 61.0, by=JUDGE, host="far", now_ms=1)
        judgement.publish(yard.spool, verdict)
        yard.says("judged")
        yard.noted("started.job.2")
        assert yard.outcome("job", 2).end is End.SUCCEEDED
        yard.until(lambda: yard.sessions == 2, "a second session")
    assert any(JUDGE in line for line in yard.said), "it says who judged, and by which rule"
    assert owner not in {yard.outcome("job", 2).owner}


def test_a_session_that_claims_after_its_verdict_is_reaped_by_it(spool: Spool, clock: FakeClock) -> None:
    queue = spool_queue(spool, clock)
    queue.enqueue(request("a"))
    judgement.publish(spool, judgement.judge(ACCUSED, "expired", LEASE, by=JUDGE, host="x", now_ms=1))
    claim_one(queue, ACCUSED)
    assert len(Reaper(queue, clock, Recorder(), me=JUDGE).round()) == 1
