"""OpenCode: its command line and environment, and the meaning of its events.

Event lines are as 1.18.33 printed them; tests/e2e/test_opencode_real.py drives the program itself.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from support.runs import Bench, request_for
from wf_cli.errors import ConfigError
from wf_cli.runtimes.base import CannotStart, Exit, Launch, Limits, RuntimeMissing, RuntimeSettings, Usage
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter, major, merged
from wf_cli.runtimes.opencode.events import OpencodeReader

SESSION = "ses_dfd9ef73effeXvHbIPkZQHwjQ7"
DONE = Exit(0)


def stub(root: Path, version: str = "1.18.33", body: str = "exit 0") -> str:
    """A program that knows its version."""
    path = root / f"opencode-{version}"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit 0\n{body}\n')
    path.chmod(0o755)
    return str(path)


def launch(root: Path, version: str = "1.18.33", *, options: dict[str, Any] | None = None, **facts: Any) -> Launch:
    adapter = OpencodeAdapter(
        RuntimeSettings("oc", "opencode", command=(stub(root, version),), options=options or {})
    )
    return adapter.launch(request_for(root, "m", **facts))


def event(kind: str, **facts: Any) -> str:
    return json.dumps({"type": kind, "timestamp": 1, "sessionID": SESSION, **facts})


def finish(reason: str, cost: float = 0) -> str:
    tokens = {"input": 100, "output": 7, "reasoning": 3, "cache": {"read": 20, "write": 5}}
    return event("step_finish", part={"type": "step-finish", "reason": reason, "cost": cost, "tokens": tokens})


def read(*lines: str) -> OpencodeReader:
    reader = OpencodeReader()
    for line in lines:
        reader.feed(line)
    return reader


def code_of(*lines: str, end: Exit = DONE) -> str | None:
    failure = read(*lines).verdict(end).failure
    return None if failure is None else failure.code


def error(name: str, **data: Any) -> str:
    return event("error", error={"name": name, "data": data})


class TestLaunch:
    def test_version_1_is_told_the_directory_twice_and_the_prompt_on_stdin(self, tmp_path: Path) -> None:
        found = launch(
            tmp_path, prompt="do it", model="p/m", resume=SESSION, options={"agent": "a", "variant": "high"}
        )
        argv = list(found.argv[1:])
        assert argv[:4] == ["run", "--format", "json", "--auto"]
        assert argv[argv.index("--dir") + 1] == found.environment["PWD"] == str(tmp_path)
        assert argv[argv.index("--title") + 1] == "j a1"
        assert argv[-8:] == ["-m", "p/m", "--variant", "high", "--agent", "a", "-s", SESSION]
        assert found.stdin == b"do it"
        assert not any("do it" in part for part in argv)

    def test_version_2_is_private_and_has_the_variant_in_the_model(self, tmp_path: Path) -> None:
        argv = list(launch(tmp_path, "2.0.11", model="p/m", options={"variant": "high"}).argv)
        assert "--standalone" in argv
        assert "p/m#high" in argv
        assert not {"--dir", "--variant"} & set(argv)

    def test_permissions_are_laid_under_what_the_user_injects(self, tmp_path: Path) -> None:
        own = {"provider": {"x": {}}, "permission": {"question": "allow", "bash": {"rm *": "deny"}}}
        found = launch(tmp_path, environment={"OPENCODE_CONFIG_CONTENT": json.dumps(own)})
        content = json.loads(found.environment["OPENCODE_CONFIG_CONTENT"])
        assert content["provider"] == {"x": {}}
        assert content["permission"] == {"question": "allow", "doom_loop": "deny", "bash": {"rm *": "deny"}}
        assert content["experimental"] == {"continue_loop_on_deny": True}
        assert content["mcp"] == {"wf": {"enabled": False}}, "it has its job, and takes no other"

    def test_no_rule_is_injected_that_would_win_over_a_denial_of_the_project(self, tmp_path: Path) -> None:
        content = json.loads(launch(tmp_path).environment["OPENCODE_CONFIG_CONTENT"])
        assert "allow" not in content["permission"].values()

    def test_an_injected_content_that_is_not_json_is_reported_without_its_text(self, tmp_path: Path) -> None:
        with pytest.raises(CannotStart) as caught:
            launch(tmp_path, environment={"OPENCODE_CONFIG_CONTENT": "{apiKey: sesame"})
        assert "sesame" not in str(caught.value)

    def test_updates_are_off_unless_the_user_says_otherwise(self, tmp_path: Path) -> None:
        assert launch(tmp_path).environment["OPENCODE_DISABLE_AUTOUPDATE"] == "1"
        own = {"OPENCODE_DISABLE_AUTOUPDATE": "0"}
        assert launch(tmp_path, environment=own).environment["OPENCODE_DISABLE_AUTOUPDATE"] == "0"

    def test_a_missing_program_says_how_to_get_it(self, tmp_path: Path) -> None:
        adapter = OpencodeAdapter(RuntimeSettings("oc", "opencode", command=("no-such-opencode",)))
        with pytest.raises(RuntimeMissing) as caught:
            adapter.launch(request_for(tmp_path, "m"))
        assert "runtimes.oc.command" in str(caught.value.hint)

    def test_unknown_options_are_named_with_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match=r"runtimes\.oc\.options\.varaint") as caught:
            OpencodeAdapter(RuntimeSettings("oc", "opencode", options={"varaint": "high"}))
        assert "variant" in str(caught.value.hint)

    @pytest.mark.parametrize(
        ("said", "number"), [("1.18.33", 1), ("opencode v2.0.1", 2), ("0.15.3", 1), ("", 1), ("dev", 1)]
    )
    def test_major_versions(self, said: str, number: int) -> None:
        assert major(said) == number

    def test_merging_keeps_the_order_of_rules(self) -> None:
        assert list(merged({"*": "ask", "a": {"x": 1}}, {"b": 2, "a": {"y": 2}})) == ["*", "a", "b"]


SAID = event("text", part={"text": "All is well."})


class TestVerdict:
    def test_success_is_a_last_step_that_stopped(self) -> None:
        text = event("text", part={"text": "All done."})
        verdict = read(event("step_start", part={}), text, finish("tool-calls"), finish("stop", 0.25)).verdict(DONE)
        assert verdict.failure is None
        assert verdict.session_id == SESSION
        assert verdict.summary == "All done."
        assert (verdict.usage.tokens_in, verdict.usage.tokens_out, verdict.usage.cost_usd) == (250, 20, 0.25)

    def test_a_cost_of_nothing_is_an_unknown_cost(self) -> None:
        assert read(finish("stop")).verdict(DONE).usage.cost_usd is None

    def test_each_step_tells_the_sums_so_far(self) -> None:
        reader = OpencodeReader()
        lines = [
            event("step_start", part={}),
            event("text", part={"text": "On it."}),
            finish("tool-calls"),
            finish("tool-calls", 0.25),
            finish("stop", 0.5),
        ]
        events = [found for line in lines for found in reader.feed(line)]
        assert [found.usage for found in events if found.usage is not None] == [
            Usage(125, 10, None),
            Usage(250, 20, 0.25),
            Usage(375, 30, 0.75),
        ]
        assert [found.kind for found in events] == ["session", "text", "usage", "usage", "result"]
        assert reader.verdict(DONE).usage == Usage(375, 30, 0.75)

    def test_without_a_step_the_usage_is_unknown(self) -> None:
        assert read().verdict(Exit(1)).usage.tokens_in is None

    @pytest.mark.parametrize("reason", ["tool-calls", "unknown", "length", None])
    def test_exit_code_0_in_the_middle_is_a_failure(self, reason: str | None) -> None:
        lines = [finish(reason)] if reason else [event("step_start", part={})]
        assert code_of(*lines) == "crashed"

    def test_a_refused_permission_that_ended_the_run_is_named(self) -> None:
        state = {
            "status": "error",
            "input": {"command": "touch x"},
            "error": "The user rejected permission to use this",
        }
        failure = (
            read(event("tool_use", part={"tool": "bash", "state": state}), finish("tool-calls")).verdict(DONE).failure
        )
        assert failure is not None
        assert failure.code == "policy_denied"
        assert "touch x" in failure.message

    def test_a_refused_permission_after_which_the_run_went_on_is_no_failure(self) -> None:
        state = {"status": "error", "input": {}, "error": "The user rejected permission to use this"}
        assert (
            code_of(event("tool_use", part={"tool": "bash", "state": state}), finish("tool-calls"), finish("stop"))
            is None
        )

    def test_a_step_after_the_stop_takes_it_back(self) -> None:
        reader = read(finish("stop"))
        assert reader.finished
        reader.feed(event("step_start", part={}))
        assert not reader.finished
        assert code_of(finish("stop"), event("step_start", part={})) == "crashed"

    def test_an_end_by_us_after_the_stop_is_a_success(self) -> None:
        assert code_of(SAID, finish("stop"), end=Exit(-15, "after_result")) is None

    def test_a_run_in_which_nothing_was_said_or_done_is_none(self) -> None:
        failure = read(event("step_start", part={}), finish("stop")).verdict(DONE).failure
        assert failure is not None
        assert (failure.code, "without a word" in failure.message) == ("crashed", True)
        tool = event("tool_use", part={"tool": "bash", "state": {"status": "completed"}})
        assert code_of(tool, finish("stop"), end=DONE) is None

    def test_a_refusal_for_an_answer_is_that_refusal(self) -> None:
        said = event("text", part={"text": "You've hit your usage limit, it resets in 3 hours"})
        tokens = {"input": 0, "output": 0}
        none_written = event("step_finish", part={"reason": "stop", "tokens": tokens})
        assert code_of(said, none_written, end=DONE) == "usage_limit"
        assert code_of(said, finish("stop"), end=DONE) is None  # the model wrote it

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (error("APIError", message="no", statusCode=401, isRetryable=False), "auth"),
            (error("APIError", message="no", statusCode=403), "auth"),
            (error("APIError", message="slow down", statusCode=429, isRetryable=True), "rate_limited"),
            (error("APIError", message="You exceeded your current quota", statusCode=429), "usage_limit"),
            (error("APIError", message="pay", statusCode=402), "usage_limit"),
            (error("APIError", message="boom", statusCode=500, isRetryable=True), "network"),
            (error("APIError", message="read ECONNRESET"), "network"),
            (error("APIError", message="hm", isRetryable=True), "network"),
            (
                error("APIError", message="Insufficient balance. Manage your billing here", statusCode=401),
                "usage_limit",
            ),
            (error("APIError", message="Request Entity Too Large", statusCode=413), "crashed"),
            (
                error("APIError", message="prompt is too long: 210171 tokens > 200000 maximum", statusCode=400),
                "crashed",
            ),
            (error("ContextOverflowError", message="x"), "crashed"),
            (error("MessageAbortedError", message="Aborted"), "crashed"),
            (
                error(
                    "APIError",
                    message="Rate limit exceeded. Please try again later.",
                    statusCode=429,
                    responseBody='{"type":"error","error":{"type":"FreeUsageLimitError","message":"Rate limit"}}',
                ),
                "usage_limit",
            ),
            (
                error("APIError", message="no", statusCode=400, responseBody='{"error":{"code":"model_not_found"}}'),
                "model_not_found",
            ),
            (error("APIError", message="scripted refusal", statusCode=400, isRetryable=False), "crashed"),
            (error("ProviderAuthError", message="x"), "auth"),
            (error("ProviderModelNotFoundError", message="x"), "model_not_found"),
            (
                event("error", error={"type": "provider.unknown", "message": "Model not found: a/b"}),
                "model_not_found",
            ),
            (event("error", error="text"), "crashed"),
        ],
    )
    def test_errors_by_their_structure_first(self, line: str, code: str) -> None:
        assert code_of(line, end=Exit(1)) == code
        assert code_of(line, finish("stop")) == code

    def test_when_to_come_back_is_taken_from_the_headers(self) -> None:
        line = error("APIError", message="slow", statusCode=429, responseHeaders={"retry-after": "7"})
        failure = read(line).verdict(Exit(1)).failure
        assert failure is not None
        assert failure.retry_after_s == 7.0

    def test_where_no_header_says_so_the_message_may_tell_when_to_come_back(self) -> None:
        message = "weekly usage limit reached. It will reset in 5 days 10 hours."
        failure = read(error("APIError", message=message, statusCode=429)).verdict(Exit(1)).failure
        assert failure is not None
        assert (failure.code, failure.retry_after_s) == ("usage_limit", 468_000.0)
        evidence = failure.details["evidence"]
        assert (evidence["source"], evidence["value"], evidence["text"]) == ("text", "usage limit", message)

    def test_or_the_answer_of_the_provider(self) -> None:
        body = '{"error":{"type":"usage_limit_reached","message":"secret","resets_in_seconds":90}}'
        line = error("APIError", message="The usage limit has been reached", statusCode=429, responseBody=body)
        failure = read(line).verdict(Exit(1)).failure
        assert failure is not None
        assert failure.retry_after_s == 90.0
        assert failure.details["evidence"]["source"] == "name"
        assert "secret" not in str(failure.to_json())

    def test_a_status_is_evidence(self) -> None:
        failure = read(error("APIError", message="no", statusCode=401)).verdict(Exit(1)).failure
        assert failure is not None
        assert failure.details["evidence"] == {"source": "status", "value": 401, "text": "no"}
        assert failure.details["status"] == 401

    def test_an_unknown_model_is_found_in_the_log(self) -> None:
        line = error("UnknownError", message="Unexpected server error. Check server logs for details.", ref="err_1")
        log = (
            'level=ERROR message=failed ref=err_1 error="ProviderModelNotFoundError: Model not found: scripted/nope."'
        )
        assert code_of(line, end=Exit(1, stderr_tail=log)) == "model_not_found"

    def test_of_an_error_the_log_knows_by_its_number_only_its_own_lines_count(self) -> None:
        line = error("UnknownError", message="Unexpected server error. Check server logs for details.", ref="err_2")
        log = (
            'level=ERROR message=failed ref=err_2 error="AI_LoadAPIKeyError: x API key is missing."\n'
            'level=ERROR message="stream error" error="read ECONNRESET"'
        )
        failure = read(line).verdict(Exit(1, stderr_tail=log)).failure
        assert failure is not None
        assert failure.code == "auth"
        assert failure.details["evidence"]["value"] == "API key is missing"
        assert failure.details["stderr"] == log

    def test_requests_that_were_repeated_do_not_explain_an_error_with_a_status(self) -> None:
        line = error("APIError", message="scripted refusal", statusCode=400, isRetryable=False)
        assert code_of(line, end=Exit(1, stderr_tail="level=ERROR error=429 Too Many Requests")) == "crashed"

    def test_what_the_agent_says_is_not_why_it_failed(self) -> None:
        said = event("text", part={"text": "HTTP 401 Unauthorized is answered now, 429 Too Many Requests too."})
        verdict = read(said, finish("length")).verdict(DONE)
        assert verdict.failure is not None
        assert verdict.failure.code == "crashed"
        assert "evidence" not in verdict.failure.details

    @pytest.mark.parametrize(
        "log", ["\x1b[91m\x1b[1mError: \x1b[0mSession not found", "Error: Session not found: ses_1\nread ECONNRESET"]
    )
    def test_a_session_that_is_gone_is_said(self, log: str) -> None:
        failure = read().verdict(Exit(1, stderr_tail=log)).failure
        assert failure is not None
        assert failure.code == "crashed"
        assert failure.message == "the session to resume does not exist"
        assert failure.details["session_lost"] is True
        assert failure.details["evidence"]["value"] == "Session not found"

    def test_older_versions_say_so_with_exit_code_0(self) -> None:
        failure = read().verdict(Exit(0, stderr_tail="Error: Session not found")).failure
        assert failure is not None
        assert failure.details["session_lost"] is True

    def test_after_some_work_exit_code_0_is_not_explained_by_the_log(self) -> None:
        log = "level=ERROR error=429 Too Many Requests"
        assert code_of(finish("tool-calls"), end=Exit(0, stderr_tail=log)) == "crashed"

    def test_a_signal_outweighs_what_the_log_said_before(self) -> None:
        log = "level=ERROR error=429 Too Many Requests"
        failure = read().verdict(Exit(-9, stderr_tail=log)).failure
        assert failure is not None
        assert (failure.code, failure.details["exit_code"]) == ("crashed", -9)
        assert code_of(end=Exit(1, stderr_tail=log)) == "rate_limited"

    def test_an_error_may_say_so_too(self) -> None:
        failure = read(error("NotFoundError", message="Session not found: ses_1")).verdict(Exit(1)).failure
        assert failure is not None
        assert failure.details["session_lost"] is True

    def test_a_session_in_which_something_was_done_was_there(self) -> None:
        failure = read(finish("tool-calls")).verdict(Exit(1, stderr_tail="Error: Session not found")).failure
        assert failure is not None
        assert "session_lost" not in failure.details

    def test_a_session_that_is_full_from_the_first_request_on_is_lost(self) -> None:
        line = error("ContextOverflowError", message="prompt is too long: 210171 tokens > 200000 maximum")
        failure = read(line).verdict(Exit(1)).failure
        assert failure is not None
        assert (failure.code, failure.details["session_lost"]) == ("crashed", True)
        failure = read(finish("tool-calls"), line).verdict(Exit(1)).failure
        assert failure is not None
        assert "session_lost" not in failure.details

    def test_a_session_id_that_could_be_a_flag_is_ignored(self) -> None:
        reader = OpencodeReader()
        assert reader.feed('{"type": "text", "sessionID": "--share", "part": {"text": "x"}}')[0].kind == "text"
        assert reader.verdict(DONE).session_id is None


def test_a_run_through_the_supervisor(bench: Bench) -> None:
    begin = event("step_start", part={})
    body = f"cat > prompt.txt; echo '{begin}'; echo noise; echo '{SAID}'; echo '{finish('stop')}'; exec sleep 600"
    settings = RuntimeSettings(
        "oc", "opencode", command=(stub(bench.root, body=body),), options={"result_grace": 0.2}
    )
    outcome = bench.run(OpencodeAdapter(settings), prompt="do it", limits=Limits(grace_s=0.2))
    assert outcome.code is None
    assert outcome.result.exit.stopped == "after_result"
    assert (bench.root / "prompt.txt").read_text() == "do it"
    assert [found.kind for found in outcome.events] == ["session", "text", "result"]
