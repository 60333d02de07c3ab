"""Refusals of providers, one a row in tests/cases/limits.tsv: none of them is a crash, and none burns an attempt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from wf_cli.contract.failure import CODES, ErrorClass
from wf_cli.contract.job import End
from wf_cli.contract.retry import ending_of
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Exit
from wf_cli.runtimes.cursor.events import CursorReader
from wf_cli.runtimes.failures import classify

TABLE = Path(__file__).parents[2] / "cases" / "limits.tsv"
ROWS = [line.split("\t", 2) for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

#: Lines that agents and their tools print, which speak of the same things and refuse nothing.
HARMLESS = [
    "A new version is available: 1.2.3 (you have 1.2.2)",
    "Update available! Run npm i -g to upgrade",
    "deprecated: this option of the client will go",
    "throttling middleware registered for 3 routes",
    "debounce and throttle helpers restored",
    "overloaded function signature has no match",
    "keychain helper module compiled",
    "the subscription handler was renamed",
    "plan 03 is done, 2 plans left",
    "token bucket refilled",
    "credits: written by the team",
    "capacity of the list is 10",
    "sign in page rendered",
    "reached the limit of 100 files",
    "exceeded the maximum line length",
    "文件已更新",
]


def test_the_table_has_enough_wordings_of_enough_providers() -> None:
    assert len(ROWS) >= 60
    assert len({row[0] for row in ROWS}) >= 10
    assert all(CODES[code] in (ErrorClass.PARKED, ErrorClass.HOST) for _, code, _ in ROWS)


@pytest.mark.parametrize(("provider", "code", "message"), ROWS, ids=[f"{row[0]}-{row[2][:40]}" for row in ROWS])
def test_a_refusal_on_stderr_is_known_and_burns_nothing(provider: str, code: str, message: str) -> None:
    failure = CursorReader().verdict(Exit(1, stderr_tail=message)).failure
    assert failure is not None
    assert failure.code == code
    assert ending_of(failure).end is End.RELEASED
    assert failure.details["stderr"] == message, "the message is kept whole"


@pytest.mark.parametrize("line", HARMLESS)
def test_what_only_speaks_of_it_is_no_refusal(line: str) -> None:
    assert classify.wording(line) is None


@pytest.mark.parametrize("data", ['"{}"', '{{"detail": "{}"}}', '{{"errors": [{{"title": "{}"}}]}}'])
def test_a_limit_that_only_the_data_of_an_acp_error_names(data: str) -> None:
    reader = AcpReader()
    told = data.format("You've hit your usage limit, try again in 2 hours")
    reader.feed(
        '{"type": "error", "source": "rpc", "code": -32603, "message": "Internal error", "data": ' + told + "}"
    )
    failure = reader.verdict(Exit(0)).failure
    assert failure is not None
    assert (failure.code, failure.retry_after_s) == ("usage_limit", 7200.0)


@pytest.mark.parametrize("kind", ["reason", "errorKind", "errorCode"])
def test_a_limit_that_a_field_of_the_data_names(kind: str) -> None:
    reader = AcpReader()
    reader.feed(
        f'{{"type": "error", "source": "rpc", "code": -32603, "message": "no", "data": {{"{kind}": "usage_limit"}}}}'
    )
    failure = reader.verdict(Exit(0)).failure
    assert failure is not None
    assert failure.code == "usage_limit"


def test_what_the_data_quotes_of_the_request_is_no_refusal() -> None:
    reader = AcpReader()
    data = '{"requestBody": "fix the usage limit reached page", "stack": "rate limit exceeded"}'
    reader.feed('{"type": "error", "source": "rpc", "code": -32603, "message": "no", "data": ' + data + "}")
    failure = reader.verdict(Exit(0)).failure
    assert failure is not None
    assert failure.code == "crashed"


def test_an_overloaded_provider_outweighs_its_status() -> None:
    found = classify.of_error("The model is overloaded", status=503)
    assert found is not None
    assert found.code == "overloaded"


def test_an_outdated_program_is_told_to_the_person() -> None:
    failure = classify.failure("[resource_exhausted] Please update to the latest version to continue using the Agent")
    assert failure.error_class is ErrorClass.HOST
    assert failure.retry_after_s is None
    assert "update the agent's program" in classify.failure("HTTP 426").message


def test_the_wordings_take_linear_time() -> None:
    began = time.process_time()
    for line in ("reached your " * 2000, "keychain " * 2000, "no more " * 2000, "quota is " * 2000, "1 % " * 4000):
        classify.failure(line + "\n" + "resets " * 1000 + "used_percent: 5 {" * 500)
    assert time.process_time() - began < 20, "a catastrophe would take hours"
