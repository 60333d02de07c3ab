"""A person's own patterns of failures: what they change, and that none of them holds up a worker."""

from __future__ import annotations

import time

import pytest

from wf_cli.config import model
from wf_cli.contract.failure import CODES, Failure
from wf_cli.runtimes.failures import own

SAID = Failure("crashed", "exit code 1: bye", details={"exit_code": 1, "stderr": "The Moon is wrong, 3 hours\nbye"})


def applied(patterns: dict[str, str], failure: Failure = SAID) -> tuple[Failure, list[str]]:
    said: list[str] = []
    return own.applied(failure, patterns, said.append), said


def test_a_pattern_decides_what_a_message_means() -> None:
    failure, said = applied({"no such words": "auth", "moon is (wrong|right)": "usage_limit"})
    assert (failure.code, said) == ("usage_limit", [])
    assert failure.message == SAID.message
    assert failure.details["stderr"] == SAID.details["stderr"]
    assert failure.details["evidence"] == {
        "source": "config",
        "value": "moon is (wrong|right)",
        "text": "The Moon is wrong, 3 hours",
    }


def test_the_time_of_a_limit_is_read_from_the_message() -> None:
    failure, _ = applied({"no credit": "parked"}, Failure("crashed", "no credit, try again in 3 hours"))
    assert (failure.code, failure.retry_after_s) == ("usage_limit", 10_800.0)


def test_a_pattern_wins_over_what_is_known() -> None:
    known = Failure("usage_limit", "usage limit of the disk", details={"evidence": {"source": "text"}})
    assert applied({"usage limit of the disk": "transient"}, known)[0].code == "crashed"


def test_without_a_match_the_failure_stays_as_it_is() -> None:
    assert applied({"nothing of the kind": "auth"}) == (SAID, [])
    assert applied({}) == (SAID, [])


def test_a_pattern_that_never_ends_is_passed_over_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "LIMIT", 1.0)
    began = time.monotonic()
    failure, said = applied({"(a+)+$": "auth"}, Failure("crashed", "a" * 60 + "!"))
    assert failure.code == "crashed"
    assert "passed over" in said[0]
    assert time.monotonic() - began < 60, "the pattern alone would take years"


def test_every_meaning_is_a_code() -> None:
    assert set(own.CODES) == set(model.MEANINGS)
    assert set(own.CODES.values()) <= set(CODES)
