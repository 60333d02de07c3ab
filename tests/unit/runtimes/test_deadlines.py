"""The three clocks, without a process and without waiting."""

import pytest

from wf_cli.runtimes.base import Limits
from wf_cli.runtimes.process.deadlines import UNWATCHED, Deadlines, Expiry

LIMITS = Limits(startup_s=5, stall_s=10, max_runtime_s=30, grace_s=2)


def _watch(clock: Deadlines, until: float, start: float = 100.0, step: float = 0.5) -> tuple[Expiry | None, float]:
    """Ask in steps; the first limit exceeded, and when (seconds after ``start``)."""
    now = start
    while now <= start + until:
        expired = clock.expired(now)
        if expired:
            return expired, now - start
        now += step
    return None, until


def test_the_first_sign_of_life_has_its_own_limit() -> None:
    assert _watch(Deadlines(LIMITS, 100.0), 20) == ("startup", 5)


def test_silence_counts_from_the_last_sign() -> None:
    clock = Deadlines(LIMITS, 100.0)
    clock.sign_of_life(103.0)
    assert _watch(clock, 20) == ("stall", 13)


def test_a_program_that_need_not_speak_can_still_stall() -> None:
    assert _watch(Deadlines(LIMITS, 100.0, speaks_first=False), 20) == ("stall", 10)


def test_a_talkative_agent_ends_at_the_last_limit() -> None:
    clock = Deadlines(LIMITS, 100.0)
    now = 100.0
    while (expired := clock.expired(now)) is None:
        clock.sign_of_life(now)
        now += 1
    assert (expired, now) == ("max_runtime", 130.0)


@pytest.mark.parametrize(("grace", "after"), [(None, 2), (7.0, 7)])
def test_after_its_result_an_agent_has_the_grace_and_nothing_else_counts(grace: float | None, after: float) -> None:
    clock = Deadlines(LIMITS, 100.0, result_grace_s=grace)
    clock.finished(100.0, finished=True)
    clock.finished(101.0, finished=True)
    assert _watch(clock, 20) == ("after_result", after)


def test_a_result_can_be_taken_back() -> None:
    clock = Deadlines(LIMITS, 100.0)
    clock.sign_of_life(100.0)
    clock.finished(100.0, finished=True)
    clock.finished(101.0, finished=False)
    assert _watch(clock, 20) == ("stall", 10)


def test_time_in_which_the_host_slept_is_nobodys_silence() -> None:
    clock = Deadlines(LIMITS, 100.0)
    clock.sign_of_life(100.0)
    assert clock.expired(101.0) is None
    assert clock.expired(101.0 + UNWATCHED + 3600) is None
    assert _watch(clock, 20, start=101.0 + UNWATCHED + 3600) == ("stall", 9)
