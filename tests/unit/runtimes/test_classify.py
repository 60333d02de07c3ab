"""Codes from fields, headers and wordings, and the evidence for them."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wf_cli.contract.failure import CODES, ErrorClass, Failure
from wf_cli.runtimes.failures import classify, patterns, wordings

NOW = 1_795_336_000_000  # 2026-11-22T08:26:40Z

#: As they were seen in issues, documentation and runs; shortened where they are long.
REAL: dict[str, list[str]] = {
    "usage_limit": [
        # Cursor
        "You've hit your usage limit. It resets on 12/20/2026.",
        "Error: You've hit your usage limit",
        "chatMessage: *You've hit your free requests limit. [Upgrade to Pro](https://www.cursor.com/api/auth)",
        "ActionRequiredError: Increase limits for faster responses You're out of usage. Switch to Auto, or ask",
        "S: Increase limits for faster responses",
        # OpenCode Zen and Go
        "Free usage exceeded, subscribe to Go",
        "Free usage exceeded, add credits https://opencode.ai/zen",
        '{"type":"error","error":{"type":"FreeUsageLimitError","message":"Rate limit exceeded. Please try again"}}',
        "weekly usage limit reached. It will reset in 5 days 10 hours. To continue using this model now, enable",
        "Insufficient balance. Manage your billing here: https://opencode.ai/",
        # OpenAI, Codex
        "You exceeded your current quota, please check your plan and billing details",
        "Quota exceeded. Check your plan and billing details.",
        '429 {"error":{"type":"insufficient_quota","code":"insufficient_quota"}}',
        "■ You've hit your usage limit. Upgrade to Pro (https://x) or try again in 5 days 22 hours 11 minutes.",
        "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.",
        "Billing hard limit has been reached",
        # Anthropic
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
        "Claude AI usage limit reached|1760000400",
        "You've hit your limit · resets 6:20pm (Europe/Berlin)",
        "5-hour limit reached ∙ resets 1am",
        "Weekly limit reached · resets 10am (Asia/Seoul)",
        # others
        "[1308][Usage limit reached for 5 hour. Your limit will reset at 2026-08-31 18:19:41][20260831150427]",
        "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-08-27 12:05:49",
        "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens",
        "API error (status 402 Payment Required): Grok Build usage balance exhausted",
        "Error: HTTP 402",
    ],
    "rate_limited": [
        "Rate limit reached for gpt-5.2 in organization org-1 on tokens per min",
        "429 Too Many Requests",
        "Too Many Requests",
        "Rate Limited",
        "AI_APICallError: Error code: 429 - {'error': {}}",
        'API Error: 429 {"type":"error","error":{"type":"rate_limit_error","message":"slow"}}',
        "This request would exceed your account's rate limit. Please try again later.",
        "Error from provider (Console Go): Provider rate limit exceeded",
        "Sorry, you have been rate-limited. Please wait 2 minutes before trying again or consider switching to Auto.",
        "Sorry, you've exceeded your weekly rate limit. Please review our Terms of Service.",
        "Sorry, you've hit a rate limit that restricts the number of Copilot requests. Please try again in 51 hours.",
        "Error: S: [resource_exhausted] Error",
        "Connect error resource_exhausted: Error",
        "Resource has been exhausted (e.g. check quota).",
        "✕ [API Error: got status: 429 Too Many Requests.]",
        "got status: 429",
        "API Error: Request rejected (429)",
        'level=ERROR message="stream error" error="HTTP/1.1 429"',
    ],
    "auth": [
        "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY environment variable.",
        "Not logged in. Run `cursor-agent login`",
        "⚠ Warning: The provided API key is invalid.",
        "[unauthenticated] Not logged in. If you are logged in, try logging out and back in.",
        "ConnectError: [unauthenticated] Error",
        "ConnectError: [permission_denied] Error",
        "Too many computers used within the last 24 hours for the same Cursor account. Please try again later",
        "Authentication required",
        "Incorrect API key provided: sk-...",
        "Missing environment variable: `OPENAI_API_KEY`.",
        "AI_LoadAPIKeyError: OpenAI API key is missing. Pass it using the 'apiKey' parameter",
        "No API key found for provider anthropic",
        "API key not valid. Please pass a valid API key.",
        '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}',
        "ProviderAuthError: x",
        "Unauthorized",
        "Unauthorized: request was blocked by a gateway or proxy.",
        "Forbidden: request was blocked by a gateway or proxy.",
        "Failed to authenticate: OAuth session expired and could not be refreshed",
        "OAuth token has expired. Please obtain a new token",
        "Token refresh failed: 401",
        "Upstream request failed: [permission_error] API access paused for this organization.",
        "request failed with status code 401",
        '{"statusCode":403,"isRetryable":false}',
    ],
    "model_not_found": [
        "Cannot use this model: gpt-9. Available models: auto, composer-2-fast, gpt-5.3-codex-high",
        "ActionRequiredError: Named models unavailable Free plans can only use Auto. Switch to Auto or upgrade plans",
        'Error: I: AI Model Not Found Model name is not valid: "claude-opus-4-7"',
        "ProviderModelNotFoundError: Model not found: scripted/nope.",
        "The model `gpt-9` does not exist or you do not have access to it.",
        "Project `proj_x` does not have access to model `gpt-5.2`",
        '{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}',
        "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.",
        "The requested model is not supported.",
        "gpt-99 is not a valid model ID",
        "No endpoints found for x/y.",
        "AI_NoSuchModelError: x",
        '{"error":{"code":"model_not_found"}}',
    ],
    "policy_denied": [
        "Workspace Trust Required",
        "Do you trust this folder?",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        "The user rejected permission to use this specific tool call.",
    ],
    "crashed": [
        # more than fits
        "AI_APICallError: prompt is too long: 210171 tokens > 200000 maximum",
        "This model's maximum context length is 16385 tokens. However, your messages resulted in 33625 tokens.",
        "Please reduce the length of the messages or completion. Current length is 69553 while limit is 65536",
        "input length and `max_tokens` exceed context limit: 184714 + 32000 > 200000, decrease input length",
        "prompt token count of 146270 exceeds the limit of 128000",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).",
        '{"error":{"code":"context_length_exceeded"}}',
        # the filter of an output
        '400 {"error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}',
        # sessions
        "Error: Session not found",
        "No conversation found with session ID: 0b9a3a52",
        "Chat 0b9a3a52-5c0e-4f7e-9a55-9b1c8e8f7a10 not found",
    ],
    "network": [
        "read ECONNRESET",
        "connect ECONNREFUSED 127.0.0.1:443",
        "getaddrinfo ENOTFOUND api2.cursor.sh",
        "ConnectError: [unavailable] read ETIMEDOUT",
        "ConnectError: [unknown] [canceled] This operation was aborted",
        "Error: [aborted] Error",
        "Unable to connect. Is the computer able to access the url?",
        "Cannot connect to API: The socket connection was closed unexpectedly. For more information, pass `verbose`",
        "TypeError: terminated",
        "OpenRouter API error: terminated",
        "Invalid response body: Premature close",
        'level=ERROR message="stream error" providerID=opencode',
        "Client network socket disconnected before secure TLS connection was established",
        "HTTP 503: Inference is temporarily unavailable",
        "request timed out",
        "Internal server error",
    ],
    "overloaded": ["Overloaded", "Provider is overloaded", "API Error: 529"],
    "outdated": ["[resource_exhausted] Please update to the latest version to continue using the Agent"],
    "disk_full": [
        "ENOSPC: no space left on device, write",
        "EDQUOT: disk quota exceeded, open 'opencode.db'",
        "SQLiteError: database or disk is full",
    ],
    "disk_error": ["SQLiteError: disk I/O error", "EROFS: read-only file system, mkdir '.cursor'"],
}
WORDED = [(message, code) for code, messages in REAL.items() for message in messages]

#: What agents, their tools and their tests print.
HARMLESS = [
    "",
    "TypeError: undefined is not a function",
    "error on line 401 of foo.py",
    "see line 429 of limits.ts",
    "src/server.ts:429:12: error: unexpected token",
    "downloaded 429 files, 403 of them new",
    "Error: 401 tests failed",
    "took 403 ms",
    "FAILED tests/test_auth.py::test_unauthorized - assert 401 == 200",
    "tests/test_rate_limit.py::test_too_many_requests PASSED",
    "E   AssertionError: expected 'Unauthorized', got 'HTTP 401'",
    "PASS src/limits/rate.test.ts (429 Too Many Requests)",
    "✓ answers HTTP 429 when the rate limit is reached",
    "not ok 3 - invalid API key is refused",
    "    at checkRateLimitReached (/app/src/limit/usage.ts:429:12)",
    '  File "/app/unauthorized.py", line 401, in forbidden',
    "I added a rate limiter to the login page",
    "rate limiting middleware registered",
    "unauthorized access is logged from now on",
    "forbidden import of wf_cli.cli",
    "the model layer was not changed",
    "level=ERROR service=mcp name=github error=Unauthorized",
    "MCP server jira failed: HTTP 401 Unauthorized",
    "session saved, 3 files found",
    "4290 tokens in, 401 out",
    "status: 200, 1429 bytes",
]


def code_of(text: str) -> str | None:
    """The code that its words suggest."""
    cause = classify.wording(text)
    return None if cause is None else cause.code


@pytest.mark.parametrize(("message", "code"), WORDED, ids=[row[0][:60] for row in WORDED])
def test_a_wording_that_was_seen_has_its_code(message: str, code: str) -> None:
    assert code_of(message) == code


@pytest.mark.parametrize("line", HARMLESS)
def test_what_agents_and_tests_print_says_nothing(line: str) -> None:
    assert code_of(line) is None


def test_the_table_is_large_enough_and_has_every_class_of_a_provider() -> None:
    assert len(WORDED) >= 100
    assert set(REAL) == {row.code for row in wordings.WORDINGS} <= set(CODES)
    assert {*patterns.NAMES.values(), *patterns.STATUSES.values()} <= set(CODES)


def test_every_row_says_where_it_comes_from() -> None:
    assert all(row.origin for row in wordings.WORDINGS)


class TestLines:
    def test_of_several_lines_the_last_one_that_is_known_counts(self) -> None:
        text = "HTTP 429 Too Many Requests, next attempt in 2 s\nread ECONNRESET\nError: Not logged in\nbye"
        assert code_of(text) == "auth"

    def test_the_evidence_is_the_words_and_their_line(self) -> None:
        cause = classify.wording("warming up\n  Error: You've hit your usage limit for today\n  at x (y.js:1:2)")
        assert cause is not None
        assert cause.evidence() == {
            "source": "text",
            "value": "usage limit",
            "text": "Error: You've hit your usage limit for today",
        }

    def test_colours_do_not_hide_anything(self) -> None:
        text = "\x1b[91m\x1b[1mError: \x1b[0mSession not found"  # OpenCode 1.18.33 into a pipe
        assert classify.lost(text)
        cause = classify.wording("\x1b]0;title\x07\x1b[38;5;196mUnauth\x1b[0morized")
        assert cause is not None
        assert cause.evidence() == {"source": "text", "value": "Unauthorized", "text": "Unauthorized"}

    def test_a_long_line_is_shown_around_its_words(self) -> None:
        cause = classify.wording("x" * 500 + " Unauthorized: " + "y " * 500)
        assert cause is not None
        assert "Unauthorized" in cause.text
        assert len(cause.text) <= 200

    def test_what_an_error_log_quotes_of_the_conversation_is_not_looked_at(self) -> None:
        said = "blah " * 200 + "fix the HTTP 401 Unauthorized"
        line = f'level=ERROR error={{"requestBodyValues":{{"messages":["{said}"]}}}}'
        assert code_of(line) is None

    def test_the_tail_of_a_stream_may_begin_inside_of_such_a_line(self) -> None:
        tail = "Unauthorized: quoted " + "x" * 8000 + "\nall is lost"
        assert code_of(tail) is None


class TestSessions:
    @pytest.mark.parametrize(
        "text",
        [
            "Session not found",
            "Error: Session not found: ses_0000000000000000000000000",
            "NotFoundError: session ses_abc not found",
            'Session "ses_abc" does not exist',
            "SessionNotFoundError",
            "chat not found",
            "Chat 0b9a3a52-5c0e-4f7e-9a55-9b1c8e8f7a10 was not found",
            "conversation 77 could not be found",
            "No conversation found with session ID: 77",
            "No such session",
            "No such chat: 77",
            "Unknown chat 77",
            "Could not find chat 77",
            "warming up\nError: chat not found\nread ECONNRESET",
        ],
    )
    def test_lost_ones(self, text: str) -> None:
        assert classify.lost(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Model not found: a/b",
            "the chat model gpt-9 was not found",
            "file not found",
            "session started",
            "OAuth session expired",
            "tests/test_session.py::test_session_not_found PASSED",
            "prompt is too long: 210171 tokens > 200000 maximum",
        ],
    )
    def test_others(self, text: str) -> None:
        assert classify.lost(text) is None


class TestErrors:
    """Structured errors."""

    def test_a_name_outweighs_a_status_and_both_outweigh_words(self) -> None:
        found = classify.of_error("read ECONNRESET", names=["APIError", "insufficient_quota"], status=429)
        assert found is not None
        assert (found.code, found.source, found.value) == ("usage_limit", "name", "insufficient_quota")
        found = classify.of_error("read ECONNRESET", names=["APIError"], status=429)
        assert found is not None
        assert found.evidence() == {"source": "status", "value": 429, "text": "read ECONNRESET"}

    @pytest.mark.parametrize("status", [401, 403, 429])
    def test_spent_money_hides_behind_other_statuses(self, status: int) -> None:
        found = classify.of_error("Insufficient balance. Manage your billing here", status=status)
        assert found is not None
        assert (found.code, found.source) == ("usage_limit", "text")

    def test_403_may_be_about_the_model_or_the_prompt(self) -> None:
        said = {
            "Project `p` does not have access to model `m`": "model_not_found",
            "your input was flagged: input flagged by moderation": "policy_denied",
            "go away": "auth",
        }
        for message, code in said.items():
            found = classify.of_error(message, status=403)
            assert found is not None
            assert found.code == code

    def test_json_rpc_knows_one_code(self) -> None:
        found = classify.of_error("Log in", rpc_code=-32000)
        assert found is not None
        assert (found.code, found.source, found.value) == ("auth", "rpc_code", -32000)
        assert classify.of_error("boom", rpc_code=-32603) is None

    def test_retryable_is_the_last_resort(self) -> None:
        found = classify.of_error("hm", retryable=True)
        assert found is not None
        assert (found.code, found.source) == ("network", "retryable")
        found = classify.of_error("Too Many Requests", retryable=True)
        assert found is not None
        assert found.code == "rate_limited"

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (401, "auth"),
            (403, "auth"),
            (402, "usage_limit"),
            (408, "network"),
            (413, "crashed"),
            (429, "rate_limited"),
            (500, "network"),
            (503, "network"),
            (529, "overloaded"),
            (426, "outdated"),
            (400, None),
            (404, None),
            (200, None),
            (None, None),
        ],
    )
    def test_statuses(self, status: int | None, code: str | None) -> None:
        assert classify.by_status(status) == code


class TestFailures:
    def test_words_make_a_failure_with_its_evidence(self) -> None:
        failure = classify.failure("Error: Not logged in", stage="session/new", other=None)
        assert failure.error_class is ErrorClass.PARKED
        evidence = {"source": "text", "value": "Not logged in", "text": "Error: Not logged in"}
        assert failure.details == {"stage": "session/new", "evidence": evidence}

    def test_what_nobody_knows_is_a_crash_without_evidence(self) -> None:
        assert classify.failure("boom") == Failure("crashed", "boom")

    def test_a_given_code_is_not_looked_for_in_the_words(self) -> None:
        assert classify.failure("Not logged in", code="crashed") == Failure("crashed", "Not logged in")

    def test_a_limit_says_when_it_ends(self) -> None:
        failure = classify.failure("You've hit your usage limit. It resets on 12/20/2026.", now_ms=NOW)
        assert (failure.code, failure.retry_after_s) == ("usage_limit", 2_388_800.0)

    def test_the_end_may_stand_on_another_line_than_the_words(self) -> None:
        said = (
            "Error: You've hit your usage limit\n  Get Cursor Pro for more Agent usage, unlimited Tab, and more.\n"
            "  fallbackModel: \n  spendLimitHit: false\n  chatMessage: *You've hit your free requests limit. Your\n"
            "  usage limits will reset when your monthly cycle ends on 11/25/2026.*\n  spendLimits: [50,100,200]"
        )
        failure = classify.failure("no result", cause=classify.wording(said), said=said, now_ms=NOW)
        assert (failure.code, failure.retry_after_s) == ("usage_limit", 228_800.0)

    def test_a_structured_time_wins_over_words(self) -> None:
        failure = classify.failure("Too Many Requests, try again in 5 minutes", retry_after_s=7.0)
        assert failure.retry_after_s == 7.0

    @pytest.mark.parametrize("message", ["Not logged in, try again in 5 minutes", "ECONNRESET, retry after 5 s"])
    def test_only_limits_have_an_end(self, message: str) -> None:
        assert classify.failure(message).retry_after_s is None

    def test_a_full_session_is_lost_if_nothing_was_done_in_it(self) -> None:
        message = "prompt is too long: 210171 tokens > 200000 maximum"
        assert classify.failure(message, idle=True).details["session_lost"] is True
        assert "session_lost" not in classify.failure(message).details
        assert "session_lost" not in classify.failure("ECONNRESET", idle=True).details


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 08:27:40 GMT"}, 60.0),
        ({"retry-after": "Sun, 22 Nov 2020 08:27:40 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "99999999999999999999"}, None),
        ({}, None),
        # providers' own, only where the standard one is missing
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"X-RateLimit-Reset-Requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "6m0s", "retry-after": "3"}, 3.0),
        ({"x-ratelimit-reset-tokens": "6m0s", "retry-after": "soon"}, 360.0),
        (
            {
                "x-ratelimit-reset-requests": "7s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "149984",
            },
            7.0,
        ),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-22T08:27:40Z"}, 60.0),
        (
            {
                "anthropic-ratelimit-requests-reset": "2026-11-22T08:27:40Z",
                "anthropic-ratelimit-tokens-reset": "2026-11-22T08:28:40Z",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-tokens-remaining": "8000",
            },
            60.0,
        ),
        ({"anthropic-ratelimit-unified-reset": "1795336100"}, 100.0),
        ({"x-ratelimit-reset": "1795336100000"}, 100.0),
        ({"x-ratelimit-reset-tokens": "soon"}, None),
        ({"x-ratelimit-limit-tokens": "150000"}, None),
    ],
)
def test_when_to_come_back_by_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert classify.retry_after(headers, NOW) == seconds


_PIECES = st.sampled_from([message for message, _ in WORDED] + HARMLESS + ["\n", " ", ": ", "\ud800", "\u202f", "["])
TEXTS = st.text() | st.lists(_PIECES | st.text(max_size=10), max_size=12).map("".join)


@given(TEXTS, st.booleans())
@example("429" * 400, True)
def test_any_text_gives_a_failure_that_can_be_stored(text: str, idle: bool) -> None:
    failure = classify.failure(text, idle=idle, now_ms=NOW)
    assert failure.code in CODES
    told = json.loads(json.dumps(failure.to_json()))
    assert Failure.from_json(told) == failure
    evidence = failure.details.get("evidence")
    assert (evidence is None) == (code_of(text) is None)
    if evidence is not None:
        assert len(evidence["text"]) <= 200
    if classify.lost(text):
        assert code_of(text) is not None


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]), st.text()))
def test_any_headers_give_a_wait_or_none(headers: dict[str, str]) -> None:
    wait_s = classify.retry_after(headers, NOW)
    assert wait_s is None or wait_s >= 0


@pytest.mark.parametrize(
    "text",
    [
        "model " * 100_000,
        "session " + "x" * 1_000_000,
        "rate limit " * 50_000,
        "exceeded your current " * 50_000,
        "error " * 100_000,
        "\n".join(["a model " * 70] * 5000),
    ],
    ids=["model", "session", "rate", "exceeded", "error", "lines"],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    begin = time.process_time()
    classify.wording(text)
    classify.lost(text)
    assert time.process_time() - begin < 5
