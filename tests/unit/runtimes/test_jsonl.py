"""Agents whose JSON lines are read by rules of wf.config: what is found, and what hostile output does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from support.runs import Bench, Outcome, python
from wf_cli.config import check
from wf_cli.config.layers import as_tree, build
from wf_cli.runtimes.base import AgentEvent, Exit, RuntimeSettings, Usage
from wf_cli.runtimes.command import CommandAdapter
from wf_cli.runtimes.jsonl import reader as jsonl
from wf_cli.runtimes.jsonl import rules
from wf_cli.runtimes.jsonl.reader import JsonlReader

#: An agent of nobody in particular.
OWN: dict[str, Any] = {
    "format": "jsonl",
    "session": "session.id",
    "text": {"when": {"kind": "say"}, "at": "parts.*.text"},
    "tool": {"when": {"kind": "do"}, "at": ["name", "input.command"]},
    "usage": {
        "when": {"kind": "end"},
        "tokens_in": ["used.new", "used.cached"],
        "tokens_out": "used.out",
        "cost_usd": "price",
    },
    "error": {
        "when": {"kind": ["end", "broken"], "ok": False},
        "message": ["error.message", "error"],
        "status": "error.status",
        "name": "error.code",
        "retry_after": "error.wait",
    },
    "retry": {"when": {"kind": "again"}, "message": "why", "status": "status"},
    "result": {"when": {"kind": "end"}, "at": "words"},
}


def made(output: Mapping[str, Any]) -> JsonlReader:
    found = rules.of(output)
    assert found is not None
    return JsonlReader(found)


def fed(reader: JsonlReader, *lines: Any) -> list[AgentEvent]:
    said = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return [event for line in said for event in reader.feed(line)]


def after(*lines: Any, output: Mapping[str, Any] = OWN, code: int = 0, stderr: str = "") -> Any:
    reader = made(output)
    fed(reader, *lines)
    return reader.verdict(Exit(code, None, stderr))


END = {"kind": "end", "ok": True, "words": "All done."}


def ran(bench: Bench, *lines: Any, output: Mapping[str, Any] = OWN, then: str = "") -> Outcome:
    """A real process that prints the lines, then runs ``then``."""
    said = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (bench.root / "said").write_text(said)
    argv = python(f"import sys, time\nsys.stdout.write(open('said').read())\nsys.stdout.flush()\n{then}")
    return bench.run(CommandAdapter(RuntimeSettings("own", "command", argv=argv, output=output)))


def test_session_words_tools_and_usage_are_found(bench: Bench) -> None:
    outcome = ran(
        bench,
        {"session": {"id": "s-1"}},
        {"kind": "say", "parts": [{"text": "I will"}, {"image": 1}, {"text": "try."}]},
        {"kind": "do", "name": "shell", "input": {"command": "make"}},
        {**END, "used": {"new": 10, "cached": 5, "out": 7}, "price": 0.25},
    )
    verdict = outcome.result.verdict
    assert verdict.failure is None
    assert verdict.session_id == "s-1"
    assert verdict.usage == Usage(15, 7, 0.25)
    assert verdict.summary == "All done."
    assert [(event.kind, event.text) for event in outcome.events] == [
        ("session", ""),
        ("text", "I will try."),
        ("tool", "shell: make"),
        ("usage", "15 tokens in, 7 out"),
        ("result", "All done."),
    ]
    assert outcome.events[3].usage == Usage(15, 7, 0.25)


@pytest.mark.parametrize(
    ("error", "code", "wait"),
    [
        ({"message": "no", "status": 401}, "auth", None),
        ({"message": "slow down", "status": "429", "wait": 90}, "rate_limited", 90.0),
        ({"message": "no", "status": 529}, "overloaded", None),
        ({"message": "nope", "code": "insufficient_quota", "status": 429}, "usage_limit", None),
        ("You've hit your usage limit. Try again in 20 minutes.", "usage_limit", 1200.0),
        ({"message": "it broke"}, "crashed", None),
    ],
)
def test_an_error_line_has_its_class_by_status_then_name_then_words(
    bench: Bench, error: Any, code: str, wait: float | None
) -> None:
    broken = {"kind": "broken", "ok": False, "error": error}
    outcome = ran(bench, {"session": {"id": "s-1"}}, broken, then="sys.exit(1)")
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.code == code
    assert failure.message == (error if isinstance(error, str) else error["message"])
    assert failure.retry_after_s == wait
    assert outcome.result.verdict.session_id == "s-1"


def test_an_error_counts_whatever_the_exit_code_says() -> None:
    assert after({"kind": "end", "ok": False, "error": "it broke"}).failure.message == "it broke"


def test_a_result_after_an_error_takes_it_back() -> None:
    assert after({"kind": "broken", "ok": False, "error": {"status": 500}}, END).failure is None


def test_a_run_without_its_result_has_failed_although_it_exits_with_0() -> None:
    failure = after({"kind": "say", "parts": [{"text": "I will"}]}).failure
    assert failure.code == "crashed"
    assert "output.result" in failure.message
    without = {key: value for key, value in OWN.items() if key != "result"}
    assert after({"kind": "say", "parts": [{"text": "I will"}]}, output=without).failure is None


def test_exit_code_75_still_parks(bench: Bench) -> None:
    outcome = ran(bench, then="print('back in 20 minutes', file=sys.stderr); sys.exit(75)")
    assert outcome.code == "rate_limited"


def test_words_outside_of_the_json_explain_a_refusal_and_nothing_that_comes_later() -> None:
    said = "Error: No conversation found with session ID: 1234"
    failure = after(code=1, stderr=said).failure
    assert failure.details["session_lost"] is True
    assert failure.message == said
    assert after("Please log in: not logged in", code=1).failure.code == "auth"
    worked = after({"kind": "do", "name": "shell"}, code=1, stderr="not logged in").failure
    assert worked.code == "crashed"
    assert after(code=-9, stderr="not logged in").failure.code == "crashed"


def test_an_agent_that_tries_a_refusal_again_for_ever_is_ended_and_parked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "RESULT_GRACE", 0.2)
    again = {"kind": "again", "why": "rate limit", "status": 429}
    outcome = ran(bench, again, again, then="time.sleep(600)")
    assert outcome.code == "rate_limited"
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.message == "the agent's provider refused, and the agent tried again: rate limit (HTTP 429)"
    assert outcome.result.exit.stopped == "after_result"


def test_a_retry_that_came_through_is_forgotten() -> None:
    reader = made(OWN)
    fed(reader, {"kind": "again", "status": 529})
    assert reader.finished
    fed(reader, {"kind": "say", "parts": [{"text": "So."}]})
    assert not reader.finished
    fed(reader, END)
    assert reader.verdict(Exit(0)).failure is None


def test_a_retry_for_the_network_is_the_agents_own_matter() -> None:
    reader = made(OWN)
    fed(reader, {"kind": "again", "why": "ECONNRESET"}, {"kind": "again", "status": 500})
    assert not reader.finished


def test_amounts_of_lines_are_added_up_where_the_rules_say_so() -> None:
    line = {"kind": "end", "ok": True, "used": {"new": 10, "out": 1}}
    assert after(line, line).usage == Usage(10, 1)
    adding = {**OWN, "usage": {**OWN["usage"], "add": True}}
    assert after(line, line, output=adding).usage == Usage(20, 2)


@pytest.mark.parametrize("amount", [-1, 1e300, "7", True, None, {"a": 1}, [7], float("nan"), float("inf")])
def test_what_is_no_amount_is_unknown(amount: Any) -> None:
    assert after({**END, "used": {"new": amount, "out": amount}, "price": amount}).usage == Usage()


@pytest.mark.parametrize(
    "line",
    [
        "{" * 100_000,
        "[" * 100_000,
        '{"kind": "end", "ok": true, "words": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"kind": ' + '{"kind":' * 5000 + "1" + "}" * 5001,
        '{"kind": "say", "parts": "text"}',
        '{"kind": "say", "parts": [[[{"text": "deep"}]]]}',
        '{"kind": {"kind": "end"}}',
        '{"session": {"id": "--help"}}',
        '{"session": {"id": "' + "x" * 10_000 + '"}}',
        '{"session": {"id": "a\\u001b[2Jb"}}',
        '{"session": ["id"]}',
        '{"kind": "broken", "ok": 0, "error": "no"}',
        "null",
        '"text"',
        "\x00\x1b]0;title\x07",
        "{'kind': 'end'}",
        '{"kind": "end"',
    ],
)
def test_hostile_lines_are_no_result_no_session_and_no_error(line: str) -> None:
    reader = made(OWN)
    for event in reader.feed(line):
        assert event.text.isprintable()
        assert event.kind == "other"
    verdict = reader.verdict(Exit(0))
    assert verdict.session_id is None
    assert verdict.failure is not None
    assert "output.result" in verdict.failure.message
    assert fed(reader, {"session": {"id": "s-1"}})[0].session_id == "s-1"


def test_control_characters_in_words_do_not_reach_a_terminal(bench: Bench) -> None:
    bad = "\x1b[2J\x1b]0;owned\x07\u202eevil\nsecond"
    outcome = ran(
        bench,
        {"kind": "say", "parts": [{"text": bad}]},
        {"kind": "do", "name": bad},
        {"kind": "broken", "ok": False, "error": bad},
        bad,
    )
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.message.isprintable()
    assert all(event.text.isprintable() for event in outcome.events)


def test_a_line_of_megabytes_and_a_list_of_many_cost_no_more_than_they_are_worth(bench: Bench) -> None:
    long = {"kind": "say", "parts": [{"text": "word "}] * 300_000}
    outcome = ran(bench, long, "x" * (6 << 20), {**END, "words": "y" * 100_000})
    verdict = outcome.result.verdict
    assert verdict.failure is None
    assert len(verdict.summary) == jsonl.SUMMARY_LIMIT
    assert max(len(event.text) for event in outcome.events) <= 200


def test_a_result_that_was_cut_is_said() -> None:
    failure = after('{"kind": "end", "ok": true, "words": "' + "y" * 1000).failure
    assert "1 lines began like JSON and were none" in failure.message


def test_a_bare_path_and_a_null_condition() -> None:
    output = {"format": "jsonl", "text": {"when": {"error": None}, "at": "text"}, "session": ["a", "b.c"]}
    reader = made(output)
    assert fed(reader, {"text": "shown"}, {"text": "not shown", "error": "x"}, {"b": {"c": "s-2"}}) == [
        AgentEvent("text", "shown"),
        AgentEvent("session", "", "s-2"),
    ]


def tree(**runtime: Any) -> dict[str, Any]:
    return {"runtimes": {"own": {"adapter": "command", "argv": ["agent"], **runtime}}}


def problems(**runtime: Any) -> list[tuple[str, str]]:
    whole = tree(**runtime)
    return [(found.key, found.message) for found in (*check.shape(whole), *check.sense(whole))]


def test_the_schema_takes_the_rules_and_the_model_keeps_them() -> None:
    assert problems(output=OWN) == []
    config = build(tree(output=OWN))
    assert config.runtimes["own"].output == OWN
    assert build(as_tree(config)).runtimes["own"].output == OWN


@pytest.mark.parametrize(
    ("output", "key", "words"),
    [
        ({"format": "yaml"}, "output.format", "jsonl"),
        ({}, "output", "format"),
        ({"format": "jsonl"}, "output", "expected: session, text"),
        ({"format": "text", "session": "id"}, "output.session", "format: jsonl"),
        ({"format": "jsonl", "session": "a..b"}, "output.session", "session: session_id"),
        ({"format": "jsonl", "sesion": "id"}, "output.sesion", "did you mean session?"),
        ({"format": "jsonl", "error": {"message": "m"}}, "output.error", "when"),
        ({"format": "jsonl", "error": {"when": {"a b": 1}}}, "output.error.when", "no path"),
        ({"format": "jsonl", "usage": {"tokens": "t"}}, "output.usage.tokens", "did you mean"),
        ({"format": "jsonl", "result": {"when": {"type": {"x": 1}}}}, "output.result.when.type", "a value"),
    ],
)
def test_config_check_names_what_is_wrong(output: dict[str, Any], key: str, words: str) -> None:
    found = problems(output=output)
    assert len(found) == 1, found
    assert found[0][0] == f"runtimes.own.{key}"
    assert words in found[0][1]


def test_other_adapters_take_no_output() -> None:
    found = check.sense({"runtimes": {"a": {"adapter": "acp", "command": ["x"], "output": {"format": "claude"}}}})
    assert [one.key for one in found] == ["runtimes.a.output"]


def test_variables_and_rules_may_be_called_like_durations() -> None:
    assert problems(env={"base": "x", "cap": "y"}) == []
    assert problems(output={"format": "jsonl", "result": {"when": {"base": "end", "cap": "x"}}}) == []
