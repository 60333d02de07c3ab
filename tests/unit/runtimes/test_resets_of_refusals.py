"""When a refused job goes on, one message a row in tests/cases/resets.tsv: judged as an attempt's end is, whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wf_cli.contract.job import End
from wf_cli.contract.retry import PARKED_DELAY, ending_of
from wf_cli.runtimes.failures import classify

TABLE = Path(__file__).parents[2] / "cases" / "resets.tsv"
ROWS = [line.split("\t", 3) for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
NOW = datetime(2026, 11, 22, 8, 26, 40, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The wall clocks of messages without a zone are those of this machine."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def seconds(when: str) -> float | None:
    if when == "-":
        return None
    if not when.isdecimal():
        return (datetime.fromisoformat(when) - NOW).total_seconds()
    return float(when) - NOW.timestamp() if len(when) == 10 else float(when)


def test_the_table_has_enough_wordings_of_enough_providers() -> None:
    assert len(ROWS) >= 20
    assert len({row[0] for row in ROWS}) >= 8


@pytest.mark.parametrize(("provider", "code", "when", "message"), ROWS, ids=[f"{r[0]}-{r[3][-30:]}" for r in ROWS])
def test_a_refused_job_burns_nothing_and_waits_until_the_time_that_was_named(
    provider: str, code: str, when: str, message: str
) -> None:
    failure = classify.failure(message, now_ms=round(NOW.timestamp() * 1000))
    assert failure.code == code
    assert failure.retry_after_s == (None if seconds(when) is None else pytest.approx(seconds(when)))
    ending = ending_of(failure)
    assert ending.end is End.RELEASED
    assert ending.delay_s == (PARKED_DELAY if seconds(when) is None else pytest.approx(seconds(when)))
