"""The parts of the ACP client that can be seen without an agent: its transport, its words, its reader."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from wf_cli.contract.failure import Failure
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.acp.report import TEXT_LIMIT, Reporter, Words, cut
from wf_cli.runtimes.acp.transport import LineTransport
from wf_cli.runtimes.base import Exit, Usage


class Writer:
    """As much of a StreamWriter as a transport needs."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass


def received(data: bytes, *, limit: int = 1000, pieces: int = 7) -> tuple[list[Any], list[str], bytes]:
    """The messages in ``data``, the noise, and what was answered."""
    noise: list[str] = []
    writer = Writer()

    async def read() -> list[Any]:
        reader = asyncio.StreamReader()
        transport = LineTransport(
            reader,
            writer,  # type: ignore[arg-type]
            on_message=lambda: None,
            on_noise=noise.append,
            answer=lambda method: {"no": 1} if method == "other/ask" else None,
            limit=limit,
        )
        for start in range(0, len(data), pieces):
            reader.feed_data(data[start : start + pieces])
        reader.feed_eof()
        messages = []
        while (message := await transport.receive()) is not None:
            messages.append(message)
        return messages

    return asyncio.run(read()), noise, writer.written


class TestTransport:
    def test_messages_are_found_among_anything_else(self) -> None:
        data = b'hi\n{"id": 1, "result": {}}\n[]\n\n{"method": "m"}\r\n{"id": {}}\n{"half": '
        messages, noise, _ = received(data)
        assert messages == [{"id": 1, "result": {}}, {"method": "m"}]
        assert noise == ["hi", "[]", '{"id": {}}']

    def test_a_line_without_end_takes_no_memory_and_the_next_one_counts(self) -> None:
        messages, noise, _ = received(b"x" * 300_000 + b'\n{"method": "m"}\n', pieces=100_000)
        assert messages == [{"method": "m"}]
        assert len(noise) == 1

    def test_an_error_that_is_no_object_becomes_one(self) -> None:
        messages, _, _ = received(b'{"id": 1, "error": "no"}\n')
        assert messages == [{"id": 1, "error": {"code": -32603, "message": "no"}}]

    def test_a_request_outside_of_the_protocol_is_answered(self) -> None:
        messages, _, written = received(b'{"id": "q", "method": "other/ask"}\n{"method": "other/ask"}\n')
        assert messages == [{"method": "other/ask"}]
        assert json.loads(written) == {"jsonrpc": "2.0", "id": "q", "result": {"no": 1}}


class TestWords:
    def test_text_is_passed_on_in_whole_words(self) -> None:
        said: list[str] = []
        words = Words(said.append)
        for piece in ("the sec", "ret is abc", "def", " now"):
            words.add(piece)
            words.flush()
        words.end()
        assert said == ["the ", "secret is ", "abcdef ", "now"]

    def test_the_summary_is_the_last_message(self) -> None:
        words = Words(lambda text: None)
        words.add("On it.", "m1")
        words.add("Done.", "m2")
        words.add(" Really.", "m2")
        assert words.summary == "Done. Really."
        words.end()
        words.add("More.", "m2")  # after a tool
        assert words.summary == "More."

    def test_a_word_without_end_is_not_kept_for_ever(self) -> None:
        said: list[str] = []
        words = Words(said.append)
        for _ in range(100):
            words.add("x" * 1000)
        assert sum(map(len, said)) > 80_000

    def test_a_cut_never_leaves_half_a_word(self) -> None:
        assert cut("short") == "short"
        assert cut("a secretly long word", 8) == "a …"
        assert cut("x" * (TEXT_LIMIT + 1)) == "…"


def test_notes_wait_for_the_session_and_are_few() -> None:
    lines: list[tuple[str, Any]] = []
    report = Reporter(lambda kind, **facts: lines.append((kind, facts)), now=lambda: 0.0)
    report.note("early")
    report.alive("x")
    assert lines == []
    report.start()
    for number in range(100):
        report.note(str(number))
    assert lines[0] == ("note", {"text": "early"})
    assert len(lines) == 20


def read(*lines: dict[str, Any]) -> AcpReader:
    reader = AcpReader()
    for line in lines:
        reader.feed(json.dumps(line))
    return reader


ENDED = Exit(1)
RESULT = {"type": "result", "stop_reason": "end_turn", "text": "Done."}
DENIED = {"type": "permission", "what": "execute:rm", "allowed": False, "rule": "default", "tool": "t"}


class TestReader:
    @pytest.mark.parametrize(
        ("after", "code"),
        [
            ([], "policy_denied"),
            ([{"type": "tool", "id": "t", "status": "failed"}], "policy_denied"),
            ([{"type": "tool", "id": "u", "status": "pending"}], None),
            ([{"type": "text", "text": "Then I do it differently."}], None),
            ([{**DENIED, "allowed": True}], None),
        ],
    )
    def test_a_turn_that_ends_at_a_denial(self, after: list[dict[str, Any]], code: str | None) -> None:
        failure = read(DENIED, *after, RESULT).verdict(Exit(0)).failure
        assert (failure.code if failure else None) == code

    def test_a_turn_that_we_cancelled_is_not_finished(self) -> None:
        assert not read({"type": "result", "stop_reason": "cancelled"}).finished
        assert read(RESULT).finished
        assert read({"type": "error", "source": "rpc", "message": "x"}).finished

    @pytest.mark.parametrize(
        "line", ["", "x", "{}", '{"type": 7}', '{"type": "error"}', '{"type": "usage"}', "[" * 9999]
    )
    def test_nothing_raises(self, line: str) -> None:
        reader = AcpReader()
        reader.feed(line)
        assert reader.verdict(Exit(1, stderr_tail="boom")).failure is not None

    def test_hopeless_retries_are_what_the_provider_says(self) -> None:
        line = {
            "type": "error",
            "source": "retry",
            "message": "Rate limit reached",
            "attempt": 3,
            "retry_after_s": 99,
        }
        failure = read(line).verdict(Exit(1)).failure
        assert failure is not None
        assert (failure.code, failure.retry_after_s) == ("rate_limited", 99)
        failure = read({**line, "message": "Bad response"}).verdict(Exit(1)).failure
        assert failure is not None
        assert (failure.code, failure.retry_after_s) == ("network", None)

    def test_unknown_usage_stays_unknown(self) -> None:
        usage = read({"type": "usage", "context": 7}, RESULT).verdict(Exit(0)).usage
        assert (usage.tokens_in, usage.tokens_out, usage.cost_usd) == (None, None, None)

    def test_each_line_of_usage_tells_the_sums_so_far(self) -> None:
        reader = AcpReader()
        lines: list[dict[str, Any]] = [
            {"type": "usage", "context": 7},
            {"type": "usage", "cost_usd": 0.25, "context": 9},
            {"type": "text", "text": "On it."},
            {"type": "usage", "tokens_in": 100, "tokens_out": 5},
            {"type": "usage", "context": 11},
            RESULT,
        ]
        events = [event for line in lines for event in reader.feed(json.dumps(line))]
        assert [event.usage for event in events] == [
            None,
            Usage(None, None, 0.25),
            None,
            Usage(100, 5, 0.25),
            None,
            None,
        ]
        assert reader.verdict(Exit(0)).usage == Usage(100, 5, 0.25)


WORK = {"type": "text", "text": "On it."}


def failure_of(*lines: dict[str, Any], end: Exit = ENDED) -> Failure:
    failure = read(*lines).verdict(end).failure
    assert failure is not None
    return failure


def rpc(message: str, code: int = -32603, **facts: Any) -> dict[str, Any]:
    return {"type": "error", "source": "rpc", "message": message, "code": code, "stage": "session/prompt", **facts}


def codex(info: Any) -> dict[str, Any]:
    return rpc("Internal error", data={"message": "no", "codex_error_info": info})


class TestEvidence:
    @pytest.mark.parametrize(
        ("line", "code", "source", "value"),
        [
            (rpc("Log in", -32000), "auth", "rpc_code", -32000),
            (rpc("You've hit your usage limit", -32000), "usage_limit", "text", "usage limit"),
            (rpc("no", data={"statusCode": 429}), "rate_limited", "status", 429),
            (rpc("no", data={"errorName": "ProviderModelNotFoundError"}), "model_not_found", "name", None),
            (rpc("no", provider={"name": "APIError", "status": 401, "message": "x"}), "auth", "status", 401),
            (rpc("no", data={"isRetryable": True}), "network", "retryable", True),
            (rpc("no", data={"statusCode": 529}), "overloaded", "status", 529),
            (rpc("no", data={"cause": {"response": {"status": 401}}}), "auth", "status", 401),
            (rpc("You exceeded your quota", data={"status": 429}), "usage_limit", "text", None),
            # Gemini's codes are HTTP statuses; 500 is what it says when it knows none
            (rpc("Rate limit exceeded. Try again later.", 429), "rate_limited", "status", 429),
            (rpc("API key not valid.", 401), "auth", "status", 401),
            (rpc("models/x is not found for API version v1beta", 404), "model_not_found", "text", None),
            (rpc("models/x is not found for API version v1beta", 500), "model_not_found", "text", None),
            (rpc("it broke", 503), "network", "status", 503),
            # Codex
            (codex("usage_limit_exceeded"), "usage_limit", "name", "usage_limit_exceeded"),
            (codex("unauthorized"), "auth", "name", "unauthorized"),
            (codex("server_overloaded"), "overloaded", "name", "server_overloaded"),
            (codex("context_window_exceeded"), "crashed", "name", "context_window_exceeded"),
            (codex({"response_too_many_failed_attempts": {"http_status_code": 429}}), "rate_limited", "status", 429),
            (codex({"http_connection_failed": {"http_status_code": 401}}), "auth", "status", 401),
            (codex({"response_stream_disconnected": {"http_status_code": None}}), "network", "name", None),
            (codex({"http_connection_failed": {"http_status_code": 502}}), "network", "name", None),
            # Claude Code
            (rpc("Internal error", data={"errorKind": "authentication_failed"}), "auth", "name", None),
            (rpc("You've hit your limit", data={"errorKind": "rate_limit"}), "usage_limit", "text", None),
            (rpc("no", data={"errorKind": "overloaded"}), "overloaded", "name", "overloaded"),
            (rpc("API Error: 529 Overloaded", data={"errorKind": "server_error"}), "overloaded", "text", None),
            (rpc("no", data={"errorKind": "model_not_found"}), "model_not_found", "name", None),
            # a code that JSON-RPC leaves to servers
            (rpc("429 Too Many Requests", -32000), "rate_limited", "text", None),
            (rpc("Invalid params: model not found: x/y", -32602), "model_not_found", "text", None),
            (rpc("Internal error", data={"details": "read ECONNRESET"}), "network", "text", "ECONNRESET"),
            (rpc("Internal error", data={"details": "Output blocked by content filter"}), "crashed", "text", None),
            (
                {"type": "error", "source": "choice", "category": "model", "message": "m"},
                "model_not_found",
                "client",
                None,
            ),
            (
                {"type": "error", "source": "choice", "category": "mode", "message": "m"},
                "invalid_spec",
                "client",
                None,
            ),
            ({"type": "error", "source": "version", "message": "m"}, "runtime_missing", "client", "version"),
            ({"type": "error", "source": "spawn", "message": "m"}, "spawn_failed", "client", "spawn"),
            ({"type": "error", "source": "retry", "message": "Bad response", "attempt": 3}, "network", "retry", 3),
            ({"type": "result", "stop_reason": "refusal"}, "policy_denied", "stop_reason", "refusal"),
            (DENIED, "policy_denied", "permission", "default"),
        ],
    )
    def test_a_failure_says_what_told_its_code(
        self, line: dict[str, Any], code: str, source: str, value: object
    ) -> None:
        failure = failure_of(line) if line is not DENIED else failure_of(DENIED, RESULT, end=Exit(0))
        evidence = failure.details["evidence"]
        assert (failure.code, evidence["source"]) == (code, source)
        assert value is None or evidence["value"] == value

    @pytest.mark.parametrize("line", [rpc("Internal error"), {"type": "error", "source": "protocol", "message": "m"}])
    def test_what_nobody_knows_has_none(self, line: dict[str, Any]) -> None:
        failure = failure_of(line)
        assert failure.code == "crashed"
        assert "evidence" not in failure.details

    def test_of_an_agent_that_ended_the_last_line_that_is_known_counts(self) -> None:
        stderr = (
            "HTTP 429 Too Many Requests, next attempt in 2 s\nError: not logged in\n    at login (x.js:1:401)\nbye"
        )
        line = {"type": "error", "source": "exit", "message": "the agent ended", "exit_code": 1}
        failure = failure_of(line, end=Exit(1, stderr_tail=stderr))
        assert failure.code == "auth"
        assert failure.message == "the agent ended: Error: not logged in"
        assert (failure.details["stderr"], failure.details["exit_code"]) == (stderr, 1)

    def test_a_refusal_outside_of_the_protocol_counts_too(self) -> None:
        note = {"type": "note", "text": "no message: Workspace Trust Required: run with --trust"}
        line = {"type": "error", "source": "exit", "message": "the agent ended", "exit_code": 0}
        failure = failure_of(line, note)  # a note from before the session comes after the error
        assert failure.code == "policy_denied"
        assert failure.message == "the agent ended: Workspace Trust Required: run with --trust"
        assert failure_of(line, {**note, "text": "Workspace Trust Required"}).code == "crashed"

    def test_a_signal_outweighs_what_was_said_before(self) -> None:
        line = {"type": "error", "source": "exit", "message": "the agent was killed", "exit_code": -9}
        failure = failure_of(line, end=Exit(1, stderr_tail="429 Too Many Requests"))
        assert (failure.code, failure.message) == (
            "crashed",
            "the agent was killed by SIGKILL: 429 Too Many Requests",
        )

    def test_a_limit_may_say_in_words_when_it_ends(self) -> None:
        failure = failure_of(rpc("Internal error", data={"details": "usage limit reached, resets in 2 hours"}))
        assert (failure.code, failure.retry_after_s) == ("usage_limit", 7200.0)
        failure = failure_of(rpc("usage limit reached, resets in 2 hours", data={"retryAfter": 90}))
        assert failure.retry_after_s == 90

    def test_or_in_the_headers_of_the_provider(self) -> None:
        provider = {
            "name": "APIError",
            "status": 429,
            "message": "no",
            "headers": {"x-ratelimit-reset-tokens": "6m0s"},
        }
        assert failure_of(rpc("no", provider=provider)).retry_after_s == 360


class TestMessages:
    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (rpc("Internal error", data={"details": "read ECONNRESET"}), "Internal error: read ECONNRESET"),
            (rpc("Internal error", data={"message": "quota used up"}), "Internal error: quota used up"),
            (rpc("Internal error: boom", data={"message": "no"}), "Internal error: boom"),
            (rpc("Internal error", data="it is\nbroken"), "Internal error: it is broken"),
            (rpc("Internal error", data={"error": {"details": ["x", "the model says no"]}}), "Internal error: x"),
            (rpc("Internal error"), "Internal error"),
            (rpc("Internal error", data={"errorKind": "overloaded"}), "Internal error: overloaded"),
            (rpc("Internal error", data={"statusCode": 429}), "Internal error: HTTP 429"),
            (rpc("Invalid params", -32602, data={"message": "Session gone"}), "Invalid params: Session gone"),
            (rpc("Internal error", data={"prompt": "secret", "input": "secret"}), "Internal error"),
            (
                rpc("Internal error", provider={"name": "APIError", "status": 401, "message": "invalid x-api-key"}),
                "Internal error: invalid x-api-key",
            ),
            # a line that told the class outweighs the first one
            (
                rpc("Internal error", data={"hint": "see the log", "message": "You've hit your usage limit."}),
                "Internal error: You've hit your usage limit.",
            ),
            (codex({"http_connection_failed": {"http_status_code": 502}}), "Internal error: no"),
        ],
    )
    def test_a_person_sees_what_the_agent_said_of_its_error(self, line: dict[str, Any], message: str) -> None:
        assert failure_of(line).message == message

    def test_a_long_story_is_cut_and_kept(self) -> None:
        failure = failure_of(rpc("Internal error", data={"details": "word " * 1000}))
        assert len(failure.message) <= 500
        assert failure.details["data"]


class TestLostSessions:
    def test_one_that_the_agent_does_not_know(self) -> None:
        failure = failure_of(rpc("Session not found: sess-1"))
        assert (failure.code, failure.details["session_lost"]) == ("crashed", True)
        assert failure.details["rpc_code"] == -32603

    def test_one_that_is_full_from_the_first_request_on(self) -> None:
        full = rpc("Internal error", data={"details": "prompt is too long: 210171 tokens > 200000 maximum"})
        assert failure_of(full).details["session_lost"] is True
        assert "session_lost" not in failure_of(WORK, full).details

    def test_other_failures_leave_the_session(self) -> None:
        assert "session_lost" not in failure_of(rpc("read ECONNRESET")).details


def test_the_client_starts_without_the_library_of_the_protocol() -> None:
    """Its import of 280 pydantic models took most of the CPU time of a short attempt."""
    code = """
import sys, wf_cli.runtimes.acp.client
print(sorted({'acp', 'pydantic', 'yaml', 'rich', 'typer'} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
