"""Cursor, through a stand-in that speaks its documented stream (tests/support/cursor_agent.py)."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support.runs import SUPPORT, Bench, Outcome, request_for
from wf_cli.runtimes.base import Exit, Limits, RuntimeMissing, RuntimeSettings
from wf_cli.runtimes.cursor import CursorAdapter
from wf_cli.runtimes.cursor_events import CursorReader

SESSION = "0b9a3a52-5c0e-4f7e-9a55-9b1c8e8f7a10"
STAND_IN = (sys.executable, str(SUPPORT / "cursor_agent.py"))
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
