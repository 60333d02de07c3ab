"""A worker whose agent program answers a sentence that no table knows: real processes, several sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.in_process import Yard
from wf_cli.contract.job import End
from wf_cli.spool import control

NO = "The moon is in the wrong house for coding."
AGENT = """#!/bin/sh
case "$*" in *--version*) echo 2026.09.15-abc1234; exit 0;; esac
cat >/dev/null
if [ -e {notes}/open ]; then echo '{{"type": "result", "is_error": false, "result": "done"}}'; exit 0; fi
{said}
echo "{no}" >&2; exit 1
"""


def yard(root: Path, clock: FakeClock, said: str = "", **runtime: Any) -> Yard:
    fake = root / "fake-cursor"
    fake.write_text(AGENT.format(notes=root / "notes", no=NO, said=said), encoding="utf-8")
    fake.chmod(0o755)
    entry = {"adapter": "cursor", "protocol": "print", "command": [str(fake)], **runtime}
    return Yard(root, "", clock, runtimes={"shell": entry})


def one_session(yard: Yard, clock: FakeClock) -> None:
    clock.advance(1)
    yard.worker().run()


def test_three_attempts_park_the_pool_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    clock = FakeClock()
    there = yard(tmp_path, clock)
    there.enqueue("job")
    for _ in range(5):
        one_session(there, clock)
    placed = there.queue.find("job")
    assert placed is not None
    assert (placed.token.attempt, placed.token.burned, placed.folder) == (3, 0, "queued")
    stop = control.Requests(there.spool, clock).stop_for("shell")
    assert stop is not None
    assert "3 attempts on shell ended within" in stop.text()
    assert NO in stop.text()
    outcome = there.queue.outcome("job", 3)
    assert outcome is not None
    assert outcome.failure is not None
    assert NO in outcome.failure.details["stderr"]
    (tmp_path / "notes" / "open").touch()
    clock.advance(31)
    one_session(there, clock)
    outcome = there.queue.outcome("job", 4)
    assert outcome is not None
    assert (outcome.end, outcome.burned) == (End.SUCCEEDED, 0)


def assert_three_sessions_burn_it(there: Yard, clock: FakeClock) -> None:
    for _ in range(3):
        one_session(there, clock)
    placed = there.queue.find("job")
    assert placed is not None
    assert (placed.token.burned, placed.folder) == (3, "dead")


@pytest.mark.parametrize(
    "said",
    [
        """echo '{"type": "assistant", "message": {"content": [{"text": "I looked at it"}]}}'""",
        """echo '{"type": "tool_call", "subtype": "started", "tool_call": {"readToolCall": {"args": {}}}}'""",
    ],
)
def test_an_agent_that_did_something_burns_as_before(tmp_path: Path, said: str) -> None:
    clock = FakeClock()
    there = yard(tmp_path, clock, said)
    there.enqueue("job")
    assert_three_sessions_burn_it(there, clock)


def test_a_pattern_of_ones_own_parks_the_pool_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    there = yard(tmp_path, clock, failures={"wrong house": "usage_limit"})
    there.enqueue("job")
    one_session(there, clock)
    outcome = there.queue.outcome("job", 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == "usage_limit"
    assert control.Requests(there.spool, clock).stop_for("shell") is not None


def test_a_job_of_ones_own_on_the_command_adapter_is_judged_by_its_exit_code(tmp_path: Path) -> None:
    clock = FakeClock()
    there = Yard(tmp_path, "exit 3\n", clock)
    there.enqueue("job")
    assert_three_sessions_burn_it(there, clock)


@pytest.mark.parametrize("meaning", ["crashed", "network", "transient"])
def test_a_persons_pattern_says_that_it_burns_and_is_no_refusal(tmp_path: Path, meaning: str) -> None:
    clock = FakeClock()
    there = yard(tmp_path, clock, failures={"wrong house": meaning})
    there.enqueue("job")
    assert_three_sessions_burn_it(there, clock)
    outcome = there.queue.outcome("job", 3)
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code == ("network" if meaning == "network" else "crashed")
    assert control.Requests(there.spool, clock).stop_for("shell") is None


@pytest.mark.parametrize("meaning", ["rate_limited", "usage_limit", "parked"])
def test_a_persons_pattern_that_says_limit_parks_the_pool_at_the_first_time(tmp_path: Path, meaning: str) -> None:
    clock = FakeClock()
    there = yard(tmp_path, clock, failures={"wrong house": meaning})
    there.enqueue("job")
    one_session(there, clock)
    placed = there.queue.find("job")
    assert placed is not None
    assert (placed.token.attempt, placed.token.burned, placed.folder) == (1, 0, "queued")
    assert control.Requests(there.spool, clock).stop_for("shell") is not None
