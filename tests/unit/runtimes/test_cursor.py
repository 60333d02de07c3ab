"""Cursor, through a stand-in that speaks its documented stream (tests/support/cursor_agent.py)."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support.runs import SUPPORT, Bench, Outcome, request_for
from wf_cli.contract.failure import Failure
from wf_cli.runtimes.base import Exit, Limits, RuntimeMissing, RuntimeSettings, Usage
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.cursor.events import CursorReader

SESSION = "0b9a3a52-5c0e-4f7e-9a55-9b1c8e8f7a10"
STAND_IN = (sys.executable, str(SUPPORT / "cursor_agent.py"))
ENDED = Exit(1)
SHORT = Limits(startup_s=60, stall_s=60, grace_s=0.3)


def run(bench: Bench, mode: str = "", *, limits: Limits = SHORT, **facts: Any) -> Outcome:
    adapter = CursorAdapter(RuntimeSettings("cursor", "cursor", command=STAND_IN))
    environment = {"WF_FAKE_CURSOR": mode, "WF_FAKE_CURSOR_ARGS": str(bench.root / "args.json")}
    return bench.run(adapter, environment=environment, limits=limits, **facts)


def test_a_good_result_is_a_success_with_session_and_usage(bench: Bench) -> None:
    outcome = run(bench, prompt="do it", model="gpt-5.2", resume=SESSION)
    verdict = outcome.result.verdict
    assert verdict.failure is None
    assert verdict.session_id == SESSION
    assert verdict.summary == "All done."
    assert (verdict.usage.tokens_in, verdict.usage.tokens_out, verdict.usage.cost_usd) == (1500, 80, None)
    assert [event.kind for event in outcome.events] == ["session", "result"]
    seen = json.loads((bench.root / "args.json").read_text())
    assert seen["prompt"] == "do it"
    assert seen["argv"] == [
        *"-p --output-format stream-json --force --trust --approve-mcps --workspace".split(),
        *[str(bench.root), "--model", "gpt-5.2", "--resume", SESSION],
    ]


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("nonzero", None),
        ("untrusted", "policy_denied"),
        ("usage_limit", "usage_limit"),
        ("is_error", "network"),
        ("no_result", "crashed"),
    ],
)
def test_the_result_line_is_the_verdict_whatever_the_exit_code(bench: Bench, mode: str, code: str | None) -> None:
    assert run(bench, mode).code == code


def test_a_process_that_stays_after_its_result_is_ended_and_has_succeeded(bench: Bench) -> None:
    outcome = run(bench, "stays")
    assert outcome.code is None
    assert outcome.result.exit.stopped == "after_result"


def test_a_login_that_waits_for_a_browser_is_a_timeout(bench: Bench) -> None:
    limits = Limits(startup_s=1, grace_s=0.2)
    assert run(bench, "silent", limits=limits).code == "timeout"


def test_silence_after_the_first_line_is_a_stall(bench: Bench) -> None:
    outcome = run(bench, "quiet", limits=Limits(startup_s=60, stall_s=0.5, grace_s=0.2))
    assert outcome.code == "stall"
    assert outcome.result.verdict.session_id == SESSION


def test_the_prompt_can_be_an_argument_for_builds_that_need_it(tmp_path: Path) -> None:
    settings = RuntimeSettings("cursor", "cursor", command=STAND_IN, options={"prompt": "argument"})
    launch = CursorAdapter(settings).launch(request_for(tmp_path, "m", prompt="do it"))
    assert launch.argv[-1] == "do it"
    assert launch.stdin == b""


def _program(folder: Path, name: str, version: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
    (folder / name).chmod(0o755)


class TestWhichProgram:
    def test_cursor_agent_comes_first(self, tmp_path: Path) -> None:
        for name in ("agent", "cursor-agent"):
            _program(tmp_path / "bin", name, "2026.09.18-0fa4e11")
        assert self._found(tmp_path) == str(tmp_path / "bin" / "cursor-agent")

    def test_agent_is_taken_when_it_is_cursors(self, tmp_path: Path) -> None:
        _program(tmp_path / "bin", "agent", "2026.09.18-0fa4e11")
        assert self._found(tmp_path) == str(tmp_path / "bin" / "agent")

    def test_another_agent_is_not(self, tmp_path: Path) -> None:
        _program(tmp_path / "bin", "agent", "puppet 7.1.0")
        with pytest.raises(RuntimeMissing, match=r"puppet 7\.1\.0"):
            self._found(tmp_path)

    def test_none_at_all_says_how_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeMissing) as caught:
            self._found(tmp_path)
        assert "cursor.com" in str(caught.value.hint)

    def _found(self, root: Path) -> str:
        request = request_for(root, "m", environment={"PATH": f"{root / 'bin'}{os.pathsep}/usr/bin"})
        return CursorAdapter(RuntimeSettings("cursor", "cursor")).launch(request).argv[0]


def test_events_of_tools_and_text() -> None:
    reader = CursorReader()
    lines = [
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "I will\nlook"}]}},
        {"type": "tool_call", "subtype": "started", "tool_call": {"shellToolCall": {"args": {"command": "ls"}}}},
        {"type": "tool_call", "subtype": "completed", "tool_call": {"shellToolCall": {"result": {"success": {}}}}},
        {
            "type": "tool_call",
            "subtype": "completed",
            "tool_call": {"shellToolCall": {"args": {"command": "rm x"}, "result": {"rejected": {"reason": "no"}}}},
        },
        {"type": "thinking", "subtype": "delta", "text": "hm"},
        {"type": "brand_new"},
    ]
    events = [event for line in lines for event in reader.feed(json.dumps(line))]
    assert [(event.kind, event.text) for event in events] == [
        ("text", "I will look"),
        ("tool", "shell: ls"),
        ("tool", "shell rejected: rm x"),
        ("other", "brand_new"),
    ]


def test_a_result_without_a_plain_false_is_no_success() -> None:
    reader = CursorReader()
    reader.feed('{"type": "result", "result": "fine?"}')
    assert reader.verdict(Exit(0)).failure is not None


def line(kind: str, **facts: Any) -> str:
    return json.dumps({"type": kind, "session_id": SESSION, **facts})


def assistant(text: str) -> str:
    return line("assistant", message={"content": [{"type": "text", "text": text}]})


def failure_of(*lines: str, end: Exit = ENDED) -> Failure:
    reader = CursorReader()
    for found in lines:
        reader.feed(found)
    failure = reader.verdict(end).failure
    assert failure is not None
    return failure


def test_a_result_of_a_run_that_said_and_did_nothing_is_a_failure() -> None:
    failure = failure_of(line("result", is_error=False, result=""), end=Exit(0))
    assert (failure.code, "without a word" in failure.message) == ("crashed", True)
    refusal = line("result", is_error=False, result="Authentication required. Please run 'agent login' first")
    assert failure_of(refusal, end=Exit(0)).code == "auth"


class TestUsage:
    RESULT = line("result", is_error=False, result="Done.", usage={"inputTokens": 1200, "outputTokens": 80})

    def test_the_result_tells_it(self) -> None:
        reader = CursorReader()
        events = [*reader.feed(assistant("On it.")), *reader.feed(self.RESULT)]
        assert [event.usage for event in events if event.usage is not None] == [Usage(1200, 80)]
        assert events[-1].kind == "result"

    def test_older_builds_tell_nothing(self) -> None:
        events = CursorReader().feed(line("result", is_error=False, result="Done."))
        assert [event.usage for event in events if event.kind == "result"] == [None]


class TestWithoutAResult:
    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ("Workspace Trust Required\n\nDo you trust the contents of this directory?", "policy_denied"),
            ("Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY.", "auth"),
            ("⚠ Warning: The provided API key is invalid.", "auth"),
            ("Cannot use this model: gpt-9. Available models: auto, composer-2-fast", "model_not_found"),
            ("ActionRequiredError: Named models unavailable Free plans can only use Auto.", "model_not_found"),
            ("S: Increase limits for faster responses\nYou're out of usage. Switch to Auto", "usage_limit"),
            ("ConnectError: [unavailable] read ETIMEDOUT\n    at Function.from (/x/connect.js:71:20)", "network"),
            ("Error: S: [resource_exhausted] Error", "rate_limited"),
            ("ConnectError: [unauthenticated] Error", "auth"),
            ("ConnectError: [permission_denied] Error", "auth"),
            ("it just broke", "crashed"),
        ],
    )
    def test_plain_text_on_either_stream_says_why(self, said: str, code: str) -> None:
        for failure in (failure_of(end=Exit(1, stderr_tail=said)), failure_of(*said.splitlines(), end=Exit(0))):
            assert failure.code == code
            assert failure.details["stderr"] == said
            assert ("evidence" in failure.details) == (code != "crashed")
            assert said.splitlines()[-1 if code in ("crashed", "usage_limit") else 0][:150] in failure.message

    def test_a_usage_limit_has_the_end_that_another_line_tells(self) -> None:
        said = (
            "Error: You've hit your usage limit\n  Get Cursor Pro for more Agent usage, unlimited Tab, and more.\n"
            "  spendLimitHit: false\n  spendLimits: [50,100,200]\n  Your usage limits will reset in 3 days."
        )
        failure = failure_of(end=Exit(1, stderr_tail=said))
        assert (failure.code, failure.retry_after_s) == ("usage_limit", 259_200.0)
        assert failure.details["exit_code"] == 1

    @pytest.mark.parametrize("said", ["Error: Chat 0b9a3a52 not found", "No such chat\nread ECONNRESET"])
    def test_a_chat_that_is_not_there_is_a_lost_session(self, said: str) -> None:
        failure = failure_of(end=Exit(1, stderr_tail=said))
        assert (failure.code, failure.details["session_lost"]) == ("crashed", True)

    def test_one_in_which_something_was_done_was_there(self) -> None:
        assert "session_lost" not in failure_of(assistant("Hi"), end=Exit(1, stderr_tail="chat not found")).details

    def test_a_line_of_type_error_says_why(self) -> None:
        failure = failure_of(line("error", message="workspace trust required"))
        assert failure.code == "policy_denied"
        assert "workspace trust required" in failure.message

    def test_a_signal_outweighs_it(self) -> None:
        assert failure_of(end=Exit(-9, stderr_tail="429 Too Many Requests")).code == "crashed"

    def test_what_the_agent_said_does_not(self) -> None:
        assert failure_of(assistant("The API answers HTTP 401 Unauthorized now.")).code == "crashed"


class TestReportedErrors:
    def test_the_words_are_the_evidence(self) -> None:
        failure = failure_of(
            line("result", is_error=True, subtype="error", result="Too Many Requests, retry after 9 s")
        )
        assert (failure.code, failure.retry_after_s) == ("rate_limited", 9.0)
        assert failure.details["evidence"]["value"] == "Too Many Requests"
        assert failure.details["subtype"] == "error"

    def test_a_named_error_outweighs_the_words(self) -> None:
        failure = failure_of(line("result", is_error=True, error={"code": "resource_exhausted", "message": "Error"}))
        assert (failure.code, failure.message) == ("rate_limited", "Error")
        assert failure.details["evidence"]["source"] == "name"

    def test_a_lost_session_is_said(self) -> None:
        failure = failure_of(line("result", is_error=True, error="No conversation found with session ID: 7"))
        assert failure.details["session_lost"] is True

    def test_a_report_that_the_agent_has_written_is_no_message_of_an_error(self) -> None:
        prose = "I looked at the login. " + "It answers HTTP 401 Unauthorized. " * 20
        failure = failure_of(assistant(prose), line("result", is_error=True, result=prose))
        assert failure.code == "crashed"
        assert "evidence" not in failure.details
