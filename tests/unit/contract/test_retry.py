"""What an attempt's end costs, and when the job is ready again."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.contract.backoff import MAX_PARKED, RetryPolicy
from wf_cli.contract.failure import CODES, ErrorClass, Failure
from wf_cli.contract.job import End, Outcome, destination
from wf_cli.contract.retry import HOST_LIMIT, RELEASE_DELAY, Ending, decide, ending_of
from wf_cli.contract.token import Pool, Token, validate

NOW = 1_764_000_000_000
policies = st.builds(RetryPolicy, st.floats(0, 1e6), st.floats(1, 100), st.floats(0, 1e6), st.booleans())
tokens = st.builds(
    lambda attempt, burned, budget: Token(
        5, NOW - 1000, "j", Pool("r", "x"), attempt, min(burned, budget - 1), budget, owner="o"
    ),
    st.integers(1, 500),
    st.integers(0, 30),
    st.integers(1, 20),
)
codes = st.sampled_from(sorted(CODES))
delays = st.none() | st.floats(allow_nan=True, allow_infinity=True)
FIXED = RetryPolicy(jitter=False)


def end(token: Token, ending: Ending, policy: RetryPolicy = FIXED, previous: Outcome | None = None) -> Outcome:
    return decide(
        token, ending, by="o", nonce="0" * 16, now_ms=NOW, policy=policy, previous=previous, rng=random.Random(1)
    )


@given(tokens, codes, delays, policies)
def test_every_failure_leads_to_a_valid_place(
    token: Token, code: str, after: float | None, policy: RetryPolicy
) -> None:
    outcome = end(token, ending_of(Failure(code, "m", retry_after_s=after)), policy)
    directory, moved = destination(token, outcome)
    assert validate(moved) == moved
    counts = CODES[code] in (ErrorClass.TRANSIENT, ErrorClass.QUALITY, ErrorClass.PERMANENT)
    assert outcome.burned == token.burned + counts
    dead = CODES[code] is ErrorClass.PERMANENT or outcome.burned >= token.budget
    held = CODES[code] in (ErrorClass.BUDGET, ErrorClass.OPERATOR)
    assert directory == ("dead" if dead else "held" if held else "queued")
    assert outcome.disposition.delay_s * 1000 >= outcome.disposition.time_ms - NOW >= 0
    if CODES[code] in (ErrorClass.PARKED, ErrorClass.HOST):
        assert outcome.disposition.time_ms >= NOW + RELEASE_DELAY * 1000


@given(tokens, delays, st.none() | codes)
def test_a_release_always_sets_a_later_ready_time_and_burns_nothing(
    token: Token, delay: float | None, code: str | None
) -> None:
    outcome = end(token, Ending(End.RELEASED, delay_s=delay, failure=Failure(code, "") if code else None))
    assert outcome.burned == token.burned
    assert outcome.disposition.to == "queued"
    assert outcome.disposition.time_ms >= NOW + RELEASE_DELAY * 1000
    assert outcome.disposition.delay_s >= 1


@given(tokens, policies)
def test_the_first_loss_in_a_row_is_ready_at_once_and_later_ones_wait(token: Token, policy: RetryPolicy) -> None:
    roomy = replace(token, burned=0, budget=10)
    first = end(roomy, Ending(End.LOST), policy)
    assert (first.losses, first.burned) == (1, 1)
    assert (first.disposition.time_ms, first.disposition.delay_s) == (token.time_ms, 0)
    again = destination(roomy, first)[1].claimed_by("p")
    second = end(again, Ending(End.LOST), replace(policy, jitter=False), previous=first)
    assert second.losses == 2
    wait = math.ceil(min(policy.cap_s, policy.base_s) * 1000)
    assert second.disposition.time_ms == (NOW + wait if wait else token.time_ms)


def test_a_lost_job_keeps_its_place_in_the_queue_and_none_of_the_future() -> None:
    token = Token(5, NOW - 60_000, "j", Pool("r", "x"), 1, 0, 9, owner="o")
    older, newer = (Token(5, NOW + ms, name, token.pool, 0, 0, 9) for ms, name in ((-60_001, "a"), (-59_999, "b")))
    _, lost = destination(token, end(token, Ending(End.LOST)))
    assert sorted(t.name for t in (newer, lost, older)) == [older.name, lost.name, newer.name]
    # A delayed token may be claimed by the own clock of its worker before the wall clock has reached its time.
    ahead = replace(token, time_ms=NOW + 5000, delay_s=30)
    assert end(ahead, Ending(End.LOST)).disposition.time_ms == NOW


def test_a_failure_between_two_losses_breaks_the_row() -> None:
    token = Token(5, NOW, "j", Pool("r", "x"), 1, 0, 9, owner="o")
    lost = end(token, Ending(End.LOST))
    failed = end(token, ending_of(Failure("timeout", "")), previous=lost)
    assert failed.losses == 0
    assert end(token, Ending(End.LOST), previous=failed).disposition.delay_s == 0


@pytest.mark.parametrize("budget", [1, 3])
def test_the_budget_counts_losses_and_failures_alike(budget: int) -> None:
    token = Token(5, NOW, "j", Pool("r", "x"), 1, 0, budget, owner="o")
    previous = None
    for n in range(1, budget + 1):
        previous = end(token, Ending(End.LOST) if n % 2 else ending_of(Failure("stall", "")), previous=previous)
        directory, moved = destination(token, previous)
        assert directory == ("dead" if n == budget else "queued")
        token = moved.claimed_by(f"o{n}")
    assert previous is not None
    assert previous.burned == budget


@pytest.mark.parametrize("code", ["disk_full", "outdated", "unreadable"])
def test_a_job_with_host_faults_ten_times_its_budget_is_dead_with_the_reason(code: str) -> None:
    token = Token(5, NOW, "j", Pool("r", "x"), 1, 0, 2, owner="o")
    previous = None
    for n in range(1, HOST_LIMIT * 2 + 1):
        previous = end(token, ending_of(Failure(code, "why")), previous=previous)
        assert (previous.faults, previous.parked, previous.burned) == (n, 0, 0)
        assert previous.disposition.to == ("dead" if n == HOST_LIMIT * 2 else "queued")
    assert previous is not None
    assert previous.failure is not None
    assert previous.failure.message == "why"
    afresh = end(token, ending_of(Failure(code, "why")), previous=previous)
    assert afresh.faults == 1, "a retry from the dead letter starts the count anew"


PARKED = [code for code, of_class in CODES.items() if of_class is ErrorClass.PARKED]


@pytest.mark.parametrize("code", PARKED)
def test_a_refusal_of_the_provider_kills_no_job_however_long_it_lasts(code: str) -> None:
    """A month of hours is 720 refusals: a monthly allowance that is used up."""
    token = Token(5, NOW, "j", Pool("r", "x"), 1, 0, 1, owner="o")
    previous = None
    for n in range(1, 1001):
        previous = end(token, ending_of(Failure(code, "why")), previous=previous)
        assert (previous.disposition.to, previous.parked, previous.faults, previous.burned) == ("queued", n, 0, 0)
    assert previous is not None
    fault = end(token, ending_of(Failure("disk_error", "EIO")), previous=previous)
    assert fault.disposition.to == "queued", "refusals do not count as faults of the host"
    last = end(token, ending_of(Failure(code, "why")), previous=replace(previous, parked=MAX_PARKED - 1))
    assert last.disposition.to == "dead", "and yet nothing goes on for ever"


@pytest.mark.parametrize("code", PARKED)
def test_who_wants_an_end_of_refusals_sets_it(code: str) -> None:
    token = Token(5, NOW, "j", Pool("r", "x"), 1, 0, 9, owner="o")
    previous = None
    for n in range(1, 4):
        previous = end(token, ending_of(Failure(code, "why")), RetryPolicy(max_parked=3), previous=previous)
        assert previous.disposition.to == ("dead" if n == 3 else "queued")


def test_a_drained_worker_parks_nothing() -> None:
    token = Token(5, NOW, "j", Pool("r", "x"), 1, 0, 1, owner="o")
    previous = None
    for _ in range(50):
        previous = end(token, Ending(End.RELEASED, reason="drained"), previous=previous)
        assert previous.disposition.to == "queued"


@given(st.integers(1, 10**6), policies, st.randoms(use_true_random=False))
def test_back_off_stays_between_nothing_and_the_cap(burned: int, policy: RetryPolicy, rng: random.Random) -> None:
    assert 0 <= policy.delay(burned, rng) <= policy.cap_s
    fixed = replace(policy, jitter=False)
    assert fixed.delay(burned, rng) <= fixed.delay(burned + 1, rng)


@given(tokens, st.sampled_from([End.SUCCEEDED, End.CANCELLED]))
def test_an_accepted_end_is_final_and_costs_nothing(token: Token, how: End) -> None:
    outcome = end(token, Ending(how))
    directory, moved = destination(token, outcome)
    assert (directory, moved.status, moved.burned) == ("done", str(how), token.burned)
