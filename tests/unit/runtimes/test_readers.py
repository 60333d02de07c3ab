"""Nothing an agent prints may raise, whatever runtime it is."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.contract.failure import CODES
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Exit, Reader
from wf_cli.runtimes.command import CommandReader
from wf_cli.runtimes.cursor.events import CursorReader
from wf_cli.runtimes.jsonlines import brief
from wf_cli.runtimes.opencode.events import OpencodeReader
from wf_cli.runtimes.scripted.adapter import ScriptedReader

READERS = [AcpReader, CommandReader, CursorReader, OpencodeReader, ScriptedReader]

_NAMES = st.sampled_from(
    """type part error data sessionID session_id tokens cost reason state tool text result is_error usage message
    content tool_call subtype input output cache read statusCode responseHeaders retry-after id code responseBody
    isRetryable name source provider headers retry_after_s attempt stop_reason allowed tokens_in tokens_out cost_usd
    context inputTokens status""".split()
)
_KINDS = st.sampled_from(
    """step_start text tool_use step_finish error assistant tool_call result session usage stop --x \ud800 429
    rpc exit retry choice permission end_turn insufficient_quota ContextOverflowError""".split()
)
_WORDS = st.sampled_from(
    [
        "You've hit your usage limit, it resets in 3 days",
        "Too Many Requests, try again at 99:99",
        "Session not found",
        "prompt is too long",
        '{"error": {"type": "FreeUsageLimitError"}}',
    ]
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _KINDS | _WORDS
VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5)
)
EVENTS = st.builds(lambda kind, rest: {**rest, "type": kind}, _KINDS, st.dictionaries(_NAMES, VALUES, max_size=6))
LINES = st.text() | VALUES.map(json.dumps) | EVENTS.map(json.dumps)
ENDS = st.builds(Exit, st.integers(-15, 200), st.sampled_from([None, "stall", "after_result"]), st.text() | _WORDS)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@pytest.mark.parametrize("reader_class", READERS)
@given(lines=st.lists(LINES, max_size=8), end=ENDS)
def test_any_output_gives_events_and_a_verdict_that_can_be_stored(
    reader_class: type[Reader], lines: list[str], end: Exit
) -> None:
    reader = reader_class()
    for line in lines:
        for event in reader.feed(line):
            assert event.text == brief(event.text)
            _json([event.kind, event.text, event.session_id, event.usage and asdict(event.usage)]).encode()
    assert reader.finished in (True, False)
    verdict = reader.verdict(end)
    failure = verdict.failure.to_json() if verdict.failure else None
    _json([verdict.session_id, verdict.summary, asdict(verdict.usage)]).encode()
    if verdict.failure and reader_class is not ScriptedReader:  # which reports what its script says
        assert verdict.failure.code in CODES
        assert verdict.failure.retry_after_s is None or verdict.failure.retry_after_s >= 0
        assert verdict.failure.code == "crashed" or "evidence" in verdict.failure.details
    if not any("\ud800" <= char <= "\udfff" for char in end.stderr_tail):
        _json(failure).encode()


@pytest.mark.parametrize("reader_class", READERS)
@pytest.mark.parametrize(
    "line",
    [
        "{" * 100_000,
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"type": ' + "9" * 10_000 + "}",
        "{\0}",
        '{"type": NaN}',
        "\x1b[2J",
    ],
    ids=["braces", "brackets", "nested", "digits", "nul", "nan", "escape"],
)
def test_hostile_lines(reader_class: type[Reader], line: str) -> None:
    reader = reader_class()
    for event in reader.feed(line):
        assert event.text.isprintable()
    reader.verdict(Exit(1))
