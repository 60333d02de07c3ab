"""Two tokens of one attempt on a shared spool: one of them starts it, and the other one never ends it.

Foreign hands put an old token back (a backup, rsync, a person), or a repair trusted an old listing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import POOL, RELEASE, SUCCESS, Recorder, claim_one, failing, make_spool, request, spool_queue
from support.spools import tokens_on_disk as tokens
from wf_cli import seams
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.twins import TWIN_DELAY
from wf_cli.spool import judgement, session, started
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import SessionFile

A, B, REAPER = "w-box-1", "w-box-2", "r-box-1"


class Pair:
    """A shared spool with one job, and a queue for each of two sessions, which have records that say they run."""

    def __init__(self, root: Path):
        self.clock = FakeClock()
        self.spool: Spool = make_spool(root, topology="shared")
        self.events = Recorder()
        self.a, self.b = (spool_queue(self.spool, self.clock, self.events) for _ in range(2))
        for owner in (A, B):
            record = session.this_process(owner, "opencode", 60.0, self.clock.now_ms())
            SessionFile(self.spool, record)
        self.a.enqueue(request("a"))
        (placed,) = tokens(self.spool)
        self.queued = placed.token
        self._data = self.spool.path("queued", placed.token.name).read_bytes()

    def put_back(self, token: Token | None = None) -> None:
        """A foreign hand puts the token as it was enqueued (or ``token``) back into queued/."""
        self.spool.path("queued", (token or self.queued).name).write_bytes(self._data)

    def run(self, queue: SpoolQueue, owner: str) -> tuple[Token, str]:
        token = claim_one(queue, owner, POOL)
        with queue.fence(token.job_id):
            return token, queue.start(token)

    def folders(self) -> list[str]:
        return sorted(p.folder for p in tokens(self.spool))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path / "spool")


def test_i1_only_one_of_two_claims_starts_the_attempt(pair: Pair) -> None:
    first, answer = pair.run(pair.a, A)
    assert answer == "go"
    pair.put_back()
    twin, answer = pair.run(pair.b, B)
    assert (twin.attempt, answer) == (first.attempt, "twin")
    (back,) = [p.token for p in tokens(pair.spool) if p.folder == "queued"]
    assert (back.attempt, back.burned, back.delay_s) == (0, 0, TWIN_DELAY)
    assert pair.b.claim(B, (POOL,)) is None, "it waits"
    kind, facts = pair.events.events[-1]
    assert kind == "job.released"
    assert A in facts["reason"]


def test_i1_a_session_takes_no_second_claim_of_its_own_for_its_start(pair: Pair) -> None:
    pair.run(pair.a, A)
    pair.put_back()
    _, answer = pair.run(spool_queue(pair.spool, pair.clock), A)
    assert answer == "twin"
    assert pair.folders() == ["queued", "running"]


def test_i5_the_twin_follows_the_outcome_of_its_attempt(pair: Pair) -> None:
    first, _ = pair.run(pair.a, A)
    pair.put_back()
    pair.run(pair.b, B)
    assert pair.a.end(first, SUCCESS, by=A).accepted
    pair.clock.advance(TWIN_DELAY + 1)
    _, answer = pair.run(pair.b, B)
    assert answer == "ended"
    assert pair.folders() == ["done"], "both tokens are one again"


def test_i5_a_twin_catches_up_over_several_attempts(pair: Pair) -> None:
    for _ in range(2):
        token, answer = pair.run(pair.a, A)
        assert answer == "go"
        pair.a.end(token, RELEASE, by=A)
        pair.clock.advance(3600)
    last, answer = pair.run(pair.a, A)
    pair.put_back()
    seen = [answer]
    while True:
        pair.clock.advance(TWIN_DELAY + 1)
        _, answer = pair.run(pair.b, B)
        seen.append(answer)
        if answer != "ended":
            break
    assert seen == ["go", "ended", "ended", "twin"]
    assert pair.a.end(last, SUCCESS, by=A).accepted


@pytest.mark.parametrize("ending", [RELEASE, failing("invalid_spec"), Ending(End.CANCELLED, reason="superseded")])
def test_i5_whoever_claimed_a_twin_does_not_end_the_attempt(pair: Pair, ending: Ending) -> None:
    """A pause after the claim, a plan that moved on: the session ends what it claimed before it starts it."""
    first, _ = pair.run(pair.a, A)
    pair.put_back()
    twin = claim_one(pair.b, B)
    assert not pair.b.end(twin, ending, by=B).accepted
    assert pair.folders() == ["queued", "running"]
    assert pair.a.outcome("a", first.attempt) is None
    assert pair.a.end(first, SUCCESS, by=A).accepted


@pytest.mark.parametrize("ending", [RELEASE, failing("invalid_spec")])
def test_i5_a_session_does_not_end_its_attempt_by_a_twin_that_it_claims_itself(pair: Pair, ending: Ending) -> None:
    """A twin that came back has another time in its name, so it is another claim of the same owner."""
    first, _ = pair.run(pair.a, A)
    pair.put_back(replace(pair.queued, time_ms=pair.queued.time_ms + 1))
    twin = claim_one(pair.a, A)
    assert (twin.owner, twin.attempt) == (first.owner, first.attempt)
    assert not pair.a.end(twin, ending, by=A).accepted
    assert pair.folders() == ["queued", "running"]
    assert pair.a.end(first, SUCCESS, by=A).accepted


def test_i7_a_start_that_is_nested_too_deep_is_one_of_nobody(pair: Pair) -> None:
    pair.spool.path("started", "a.a1.json").write_bytes(b"[" * 60_000)
    _, answer = pair.run(pair.a, A)
    assert answer == "ended", "the attempt is lost, and the job goes on"
    assert pair.run(pair.a, A)[1] == "go"


def test_i5_the_death_of_a_twins_owner_does_not_end_the_attempt(pair: Pair) -> None:
    first, _ = pair.run(pair.a, A)
    pair.put_back()
    claim_one(pair.b, B)
    reaper = spool_queue(pair.spool, pair.clock)
    assert reaper.reap(lambda owner: "seen dead" * (owner == B), by=REAPER) == []
    assert pair.folders() == ["queued", "running"]
    assert pair.a.end(first, SUCCESS, by=A).accepted


def test_an_attempt_that_was_started_by_a_session_that_is_gone_is_lost_and_the_twin_goes_on(pair: Pair) -> None:
    first, _ = pair.run(pair.a, A)
    os.unlink(pair.spool.path("running", first.name))  # a power cut took its token back
    pair.put_back()
    judgement.publish(pair.spool, judgement.judge(A, "expired", 61.0, by=REAPER, host="box", now_ms=1))
    _, answer = pair.run(pair.b, B)
    assert answer == "ended"
    outcome = pair.b.outcome("a", 1)
    assert outcome is not None
    assert (outcome.end, outcome.burned) == (End.LOST, 1)
    assert outcome.failure is not None
    assert outcome.failure.code == "lost"
    assert "61" in outcome.failure.message
    second, answer = pair.run(pair.b, B)
    assert (second.attempt, answer) == (2, "go")


@pytest.mark.parametrize("trace", ["stopped", "none"])
def test_a_starter_that_ended_or_left_no_trace_is_gone(pair: Pair, trace: str) -> None:
    first, _ = pair.run(pair.a, A)
    os.unlink(pair.spool.path("running", first.name))
    pair.put_back()
    if trace == "none":
        os.unlink(pair.spool.path("sessions", f"{A}.json"))
    else:
        SessionFile(pair.spool, session.this_process(A, "opencode", 60.0, 1)).set_state("stopped")
    assert pair.run(pair.b, B)[1] == "ended"


def test_a_cancel_ends_the_attempt_whichever_token_it_meets(pair: Pair) -> None:
    first, _ = pair.run(pair.a, A)
    pair.put_back()
    claim_one(pair.b, B)
    pair.b.cancel("a", by="operator")
    outcome = pair.a.outcome("a", first.attempt)
    assert outcome is not None
    assert outcome.end is End.CANCELLED


def test_a_start_whose_token_vanished_leaves_an_outcome_for_the_other_token(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = claim_one(pair.a, A)

    def take_away(name: str) -> None:
        if name == "start.durable":
            os.unlink(pair.spool.path("claimed", token.name))

    monkeypatch.setattr(seams, "_hook", take_away)
    with pair.a.fence("a"):
        assert pair.a.start(token) == "gone"
    outcome = pair.a.outcome("a", 1)
    assert outcome is not None
    assert outcome.end is End.RELEASED


def test_a_spool_of_an_older_wf_gets_the_folder_when_it_is_needed(pair: Pair) -> None:
    pair.spool.folder("started").rmdir()
    token, answer = pair.run(pair.a, A)
    assert answer == "go"
    assert started.start_of(pair.spool, "a", token.attempt) == started.Start(A, token.name)


def test_a_local_spool_keeps_no_starts(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = claim_one(queue, A)
    with queue.fence("a"):
        assert queue.start(token) == "go"
    assert os.listdir(spool.folder("started")) == []
