"""Claude Code, Codex and Gemini CLI: their command lines, what they print, and what they are refused for.

The programs are stand-ins here, which print what the real ones were seen to print; tests/agents drives those.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.runs import Bench, Outcome, request_for
from wf_cli.clock import SystemClock
from wf_cli.config.layers import build
from wf_cli.doctor import logins
from wf_cli.errors import ConfigError
from wf_cli.runtimes import registry
from wf_cli.runtimes.base import Request, RuntimeMissing, RuntimeSettings, Usage
from wf_cli.runtimes.permissions import Permissions
from wf_cli.runtimes.presets.claude import TOOLS

NAMES = ("claude", "codex", "gemini")


def program(root: Path, name: str, *lines: Any, code: int = 0, more: str = "") -> str:
    """A stand-in: notes its arguments and its stdin, prints the lines and ends with ``code``."""
    said = root / f"{name}.said"
    said.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    path = root / name
    path.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >"{root}/{name}.argv"\ncat >"{root}/{name}.stdin"\n'
        f'{more}\ncat "{said}"\nexit {code}\n'
    )
    path.chmod(0o755)
    return str(path)


def settings(name: str, command: str, **facts: Any) -> RuntimeSettings:
    return RuntimeSettings(name, name, command=(command,), **facts)


def ran(bench: Bench, name: str, *lines: Any, code: int = 0, more: str = "", **facts: Any) -> Outcome:
    options = {key: facts.pop(key) for key in ("options", "permissions") if key in facts}
    command = program(bench.root, name, *lines, code=code, more=more)
    return bench.run(registry.make(settings(name, command, **options)), **facts)


def argv(bench: Bench, name: str) -> list[str]:
    return (bench.root / f"{name}.argv").read_text().splitlines()


RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "result": "Done.",
    "session_id": "8c4b21ee",
    "total_cost_usd": 0.25,
    "usage": {
        "input_tokens": 5,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 7,
    },
}


def test_claude_gets_prompt_model_and_session_and_tells_what_it_did(bench: Bench) -> None:
    outcome = ran(
        bench,
        "claude",
        {"type": "system", "subtype": "init", "session_id": "8c4b21ee"},
        {
            "type": "assistant",
            "message": {"content": [{"type": "tool_use", "name": "Bash", "input": {"command": "make"}}]},
        },
        RESULT,
        prompt="-p is no flag here",
        resume_prompt="go on",
        model="opus",
        resume="8c4b21ee",
    )
    assert outcome.result.verdict.failure is None
    assert outcome.result.verdict.usage == Usage(125, 7, 0.25)
    assert [event.text for event in outcome.events if event.kind == "tool"] == ["Bash: make"]
    words = argv(bench, "claude")
    assert words[:4] == ["-p", "--verbose", "--output-format", "stream-json"]
    assert words[words.index("--model") + 1] == "opus"
    assert words[words.index("--resume") + 1] == "8c4b21ee"
    assert words[words.index("--permission-mode") + 1] == "acceptEdits"
    assert (bench.root / "claude.stdin").read_text() == "go on"


@pytest.mark.parametrize(
    ("facts", "code", "wait"),
    [
        ({"api_error_status": 401, "result": "Failed to authenticate. API Error: 401"}, "auth", None),
        ({"api_error_status": None, "result": "Not logged in · Please run /login"}, "auth", None),
        ({"api_error_status": 429, "result": "Request rejected (429) · try again in 7 minutes"}, "rate_limited", 420),
        ({"api_error_status": 429, "result": "You exceeded your current quota"}, "usage_limit", None),
        ({"api_error_status": 529, "result": "API Error: 529 Overloaded."}, "overloaded", None),
        (
            {"result": "There's an issue with the selected model (x). It may not exist."},
            "model_not_found",
            None,
        ),
        ({"subtype": "error_max_turns", "result": None}, "crashed", None),
    ],
)
def test_claude_fails_by_the_class_of_what_it_says(
    bench: Bench, facts: dict[str, Any], code: str, wait: float | None
) -> None:
    said = {"type": "assistant", "error": "unknown", "message": {"content": [{"type": "text", "text": "API Error"}]}}
    outcome = ran(bench, "claude", said, {**RESULT, "is_error": True, **facts}, code=1)
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.code == code, failure
    assert failure.retry_after_s == wait
    assert not [event for event in outcome.events if event.kind == "text"]


def test_claude_whose_session_is_gone_has_lost_it(bench: Bench) -> None:
    words = "No conversation found with session ID: 8c4b21ee"
    gone = {**RESULT, "is_error": True, "subtype": "error_during_execution", "result": None, "errors": [words]}
    failure = ran(bench, "claude", gone, code=1, resume="8c4b21ee").result.verdict.failure
    assert failure is not None
    assert failure.details["session_lost"] is True


def test_denials_become_claudes_own_rules(bench: Bench) -> None:
    policy = Permissions(deny=("execute:git push*", "fetch:*", "edit:secret(1)/**"))
    ran(bench, "claude", RESULT, permissions=policy)
    words = argv(bench, "claude")
    begin, end = words.index("--disallowedTools"), words.index("--allowedTools")
    assert words[begin + 1 : end] == ["Bash(git push*)", "WebFetch", "WebSearch", "Edit(secret\\(1\\)/**)"]
    assert words[end + 1 : end + 1 + len(TOOLS)] == list(TOOLS)


def test_a_denying_default_asks_claude_to_refuse_what_no_rule_allows(bench: Bench) -> None:
    ran(bench, "claude", RESULT, permissions=Permissions("deny", allow=("execute:make *", "edit:*")))
    words = argv(bench, "claude")
    begin, end = words.index("--allowedTools"), words.index("--permission-mode")
    assert words[begin + 1 : end] == ["Bash(make *)", "Edit", "Write", "NotebookEdit"]
    assert words[end + 1] == "dontAsk"


@pytest.mark.parametrize("rule", ["think:*", "search:secret", "fetch:http://x*", "no kind", "other:x", "*:git push*"])
def test_a_rule_that_claude_cannot_keep_is_refused_and_not_left_out(rule: str) -> None:
    for policy in (Permissions(deny=(rule,)), Permissions("deny", allow=(rule,))):
        with pytest.raises(ConfigError, match=r"runtimes\.claude: Claude Code has no rule for permissions\."):
            registry.make(settings("claude", "claude", permissions=policy))


def test_codex_gets_prompt_model_and_thread_and_tells_what_it_did(bench: Bench) -> None:
    lines = (
        {"type": "thread.started", "thread_id": "01a2-b"},
        {"type": "item.started", "item": {"type": "command_execution", "command": "make"}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "Done."}},
        {"type": "turn.completed", "usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}},
    )
    first = ran(bench, "codex", *lines, prompt="write", model="gpt-x", options={"sandbox": "workspace-write"})
    assert first.result.verdict.failure is None
    assert first.result.verdict.summary == "Done."
    assert first.result.verdict.usage == Usage(10, 2)
    assert (bench.root / "codex.stdin").read_text() == "write"
    words = argv(bench, "codex")
    assert words[:3] == ["exec", "--json", "--skip-git-repo-check"]
    assert 'sandbox_mode="workspace-write"' in words
    assert words[-3:] == ["-m", "gpt-x", "-"]
    again = ran(bench, "codex", *lines, resume="01a2-b", resume_prompt="go on")
    assert argv(bench, "codex")[-3:] == ["resume", "01a2-b", "-"]
    assert (bench.root / "codex.stdin").read_text() == "go on"
    # The tokens are those of the thread, so nobody knows what this attempt used.
    assert again.result.verdict.usage == Usage()
    assert not [event for event in again.events if event.usage is not None]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("unexpected status 401 Unauthorized: Missing bearer or basic authentication in header", "auth"),
        ("unexpected status 529 <unknown status code>: Overloaded", "overloaded"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "rate_limited"),
        ("Quota exceeded. Check your plan and billing details.", "usage_limit"),
        ("You've hit your usage limit. Try again in 2 hours.", "usage_limit"),
    ],
)
def test_codex_fails_by_the_class_of_what_it_says(bench: Bench, words: str, code: str) -> None:
    failed = {"type": "turn.failed", "error": {"message": words}}
    outcome = ran(bench, "codex", {"type": "error", "message": words}, failed, code=1)
    assert outcome.code == code


def test_codex_whose_thread_is_gone_has_lost_it(bench: Bench) -> None:
    words = "Error: thread/resume: thread/resume failed: no rollout found for thread id 01a2 (code -32600)"
    failure = ran(bench, "codex", code=1, more=f"echo '{words}' >&2", resume="01a2").result.verdict.failure
    assert failure is not None
    assert failure.details["session_lost"] is True


@pytest.mark.parametrize("policy", [Permissions("deny"), Permissions(deny=("execute:git push*",))])
def test_codex_does_not_start_where_something_is_denied(policy: Permissions) -> None:
    with pytest.raises(ConfigError, match="cannot deny what permissions deny"):
        registry.make(settings("codex", "codex", permissions=policy))


def test_codex_knows_its_sandboxes() -> None:
    with pytest.raises(ConfigError, match=r"options\.sandbox"):
        registry.make(settings("codex", "codex", options={"sandbox": "none"}))


def test_gemini_is_driven_over_acp_with_its_model_on_the_command_line(tmp_path: Path) -> None:
    command = program(tmp_path, "gemini")
    adapter = registry.make(settings("gemini", command, options={"args": ["--debug"]}))
    launch = adapter.launch(request_for(tmp_path, "m", model="gemini-2.5-pro"))
    job = json.loads(launch.stdin)
    assert job["command"] == [command, "--acp", "--skip-trust", "--model", "gemini-2.5-pro", "--debug"]
    assert job["choose"] == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_runtime_of_that_name_needs_no_more_than_its_name(name: str) -> None:
    runtime = build({"runtimes": {name: {}}}).runtimes[name]
    assert (runtime.adapter, runtime.command) == (name, (name,))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_program_is_said_with_the_command_that_brings_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing) as caught:
        registry.make(settings(name, "no-such-program")).launch(request_for(tmp_path, "m"))
    assert "npm i -g" in str(caught.value.hint)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"runtimes\.{name}\.options\.modell"):
        registry.make(settings(name, name, options={"modell": "x"}))


def asked(root: Path, **environment: str) -> Request:
    return request_for(root, "m", environment=environment)


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ('{"loggedIn": true, "authMethod": "claude.ai"}', True),
        ('{"loggedIn": false, "authMethod": "none"}', False),
        ("what?", None),
        ('{"loggedIn": "yes"}', None),
    ],
)
def test_claudes_login_is_asked_for(tmp_path: Path, said: str, known: bool | None) -> None:
    found = logins.of_claude((program(tmp_path, "claude", said),), asked(tmp_path), SystemClock())
    assert found.known is known
    assert argv(Bench(tmp_path), "claude") == ["auth", "status"]


def test_codexs_login_is_asked_for_and_keys_of_other_providers_are_not_known(tmp_path: Path) -> None:
    command = (program(tmp_path, "codex", code=1, more="echo 'Not logged in' >&2"),)
    assert logins.of_codex(command, asked(tmp_path), SystemClock()).known is False
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text('model_provider = "ours"\n')
    assert logins.of_codex(command, asked(tmp_path), SystemClock()).known is None
    assert logins.of_codex(command, asked(tmp_path, CODEX_API_KEY="x"), SystemClock()).known is True
    command = (program(tmp_path, "codex", more="echo 'API key configured - sk-x-000***00000' >&2"),)
    found = logins.of_codex(command, asked(tmp_path), SystemClock())
    assert found.known is True
    assert "sk-x" not in found.text


def test_a_login_of_gemini_that_cannot_be_proven_is_said_to_be_unproven(tmp_path: Path) -> None:
    assert logins.of_gemini(asked(tmp_path)).known is None
    assert logins.of_gemini(asked(tmp_path, GEMINI_API_KEY="x")).known is True
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "oauth_creds.json").write_text("{}")
    assert logins.of_gemini(asked(tmp_path)).known is True
