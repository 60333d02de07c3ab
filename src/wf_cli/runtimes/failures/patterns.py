"""What is known of the ways in which agent CLIs and their providers fail. Data only; `classify` applies it.

Names of errors, HTTP statuses and JSON-RPC codes, which stand in fields, and the form of a row of the tables of
wordings (`wordings`, `wordings_abroad`).

Some codes need their reasons:

- *Context overflow* is ``crashed``: another attempt, in a session of its own, may well fit; one that never does
  uses up its budget. Such a session cannot be gone on with, like one that does not exist (``session_over``).
- *A blocked output* is ``crashed`` too: the filters of providers hit harmless text, and not every time
  (anthropics/claude-code 25934). A blocked *prompt* is ``policy_denied``: it will be the same next time.
- *A model that a plan does not include* is ``model_not_found`` and not ``usage_limit``: waiting does not help.
- *An overloaded provider* is ``overloaded``, which parks the pool for a short time. Cursor says
  ``resource_exhausted`` for both a rate and a lack of capacity; it is ``rate_limited``.
- *A program that has to be updated* is ``outdated``, whatever else its message says, because no waiting helps.
- *A missing subscription* is ``usage_limit``, like spent money: a person has to pay before it works again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """One wording. ``pattern`` is searched in one line, whatever its case."""

    code: str
    pattern: str
    #: The provider or CLI that says so, or an issue that shows it.
    origin: str
    #: The session itself is why: it cannot be gone on with.
    session_over: bool = False


def rows(code: str, *wordings: tuple[str, str], session_over: bool = False) -> tuple[Row, ...]:
    return tuple(Row(code, pattern, origin, session_over) for pattern, origin in wordings)


#: Names and codes of errors, as they stand in fields.
NAMES: Mapping[str, str] = {
    # OpenCode: MessageV2, Provider
    "ProviderAuthError": "auth",
    "ProviderModelNotFoundError": "model_not_found",
    "ModelNotFoundError": "model_not_found",
    "MessageAbortedError": "crashed",
    "MessageOutputLengthError": "crashed",
    "ContextOverflowError": "crashed",
    # OpenCode Zen and Go, with any status
    "FreeUsageLimitError": "usage_limit",
    "GoUsageLimitError": "usage_limit",
    "CreditsError": "usage_limit",
    # AI SDK
    "AI_LoadAPIKeyError": "auth",
    "AI_NoSuchModelError": "model_not_found",
    # OpenAI, Codex
    "insufficient_quota": "usage_limit",
    "billing_hard_limit_reached": "usage_limit",
    "usage_limit_reached": "usage_limit",
    "usage_not_included": "usage_limit",
    "rate_limit_exceeded": "rate_limited",
    "invalid_api_key": "auth",
    "model_not_found": "model_not_found",
    "context_length_exceeded": "crashed",
    "content_policy_violation": "policy_denied",
    "server_is_overloaded": "overloaded",
    "usage_limit_exceeded": "usage_limit",
    "usage_limit": "usage_limit",
    "quota_exceeded": "usage_limit",
    "insufficient_credits": "usage_limit",
    "rate_limit": "rate_limited",
    "rate_limited": "rate_limited",
    "auth_required": "auth",
    # Codex: codex_error_info of its core, and as its app server writes it
    "usageLimitExceeded": "usage_limit",
    "server_overloaded": "overloaded",
    "serverOverloaded": "overloaded",
    "unauthorized": "auth",
    "context_window_exceeded": "crashed",
    "contextWindowExceeded": "crashed",
    "cyber_policy": "policy_denied",
    "cyberPolicy": "policy_denied",
    "http_connection_failed": "network",
    "httpConnectionFailed": "network",
    "response_stream_connection_failed": "network",
    "responseStreamConnectionFailed": "network",
    "response_stream_disconnected": "network",
    "responseStreamDisconnected": "network",
    "response_too_many_failed_attempts": "network",
    "responseTooManyFailedAttempts": "network",
    "internal_server_error": "network",
    "internalServerError": "network",
    # Claude Code: errorKind of claude-agent-acp
    "authentication_failed": "auth",
    "oauth_org_not_allowed": "auth",
    "overloaded": "overloaded",
    "server_error": "network",
    "max_output_tokens": "crashed",
    # Anthropic
    "billing_error": "usage_limit",
    "rate_limit_error": "rate_limited",
    "authentication_error": "auth",
    "permission_error": "auth",
    "overloaded_error": "overloaded",
    "timeout_error": "network",
    # AWS
    "ThrottlingException": "rate_limited",
    "TooManyRequestsException": "rate_limited",
    "ServiceQuotaExceededException": "usage_limit",
    "ModelNotReadyException": "overloaded",
    "AccessDeniedException": "auth",
    "UnrecognizedClientException": "auth",
    "ExpiredTokenException": "auth",
    # Google, and Connect's codes as Cursor has them
    "RESOURCE_EXHAUSTED": "rate_limited",
    "resource_exhausted": "rate_limited",
    "too_many_requests": "rate_limited",
    "UNAUTHENTICATED": "auth",
    "unauthenticated": "auth",
    "PERMISSION_DENIED": "auth",
    "permission_denied": "auth",
    "UNAVAILABLE": "network",
    "unavailable": "network",
}

#: Names that mean that the session is full.
FULL_NAMES = frozenset(
    {"ContextOverflowError", "context_length_exceeded", "context_window_exceeded", "contextWindowExceeded"}
)

#: HTTP statuses; every other 5xx is ``network``.
STATUSES: Mapping[int, str] = {
    401: "auth",
    402: "usage_limit",
    403: "auth",
    408: "network",
    426: "outdated",
    529: "overloaded",  # Anthropic's
    413: "crashed",  # OpenCode's own reading too: more than fits into the context
    429: "rate_limited",
}
#: Statuses that mean that the session is full.
FULL_STATUSES = frozenset({413})

#: JSON-RPC error codes that mean one thing (agentclientprotocol.com/protocol/schema, ErrorCode).
RPC_CODES: Mapping[int, str] = {-32000: "auth"}


def http(statuses: str) -> str:
    """A status in a line. A number alone is none: "line 401 of foo.py", "429 files", "error: 401 tests failed"."""
    words = r"https?(?:/[\d.]+)?|status(?:[ _-]?code)?|error(?:[ _-]?code)?|response|rejected|code"
    no_count = r"(?! (?:tests?|files?|lines?|errors?|warnings?|items?|times?|of)\b)(?!\w|\.\d|:\d)"
    return rf"\b(?:{words})(?: is| was|:)?[ \"'=(:]{{0,4}}(?:{statuses}){no_count}"


_SESSION = r"(?:session|chat|conversation)"
_ABSENT = r"(?:was |is |could )?(?:not (?:be )?found|does ?n[o']t exist|does not exist|no longer exists)"

#: The session to go on with is not known.
SESSION_LOST = rows(
    "crashed",
    (
        rf"\b{_SESSION}(?: ?id)?[ :]*[\"'`(]?(?!(?:model|log|file)\b)[\w.:-]{{0,80}}[\"'`)]? {_ABSENT}",
        "OpenCode 1.18.33 'Session not found'; with the id in between elsewhere",
    ),
    (rf"\b(?:no such|unknown) {_SESSION}\b", "agent CLIs in general"),
    (rf"\b(?:could not|cannot|can't|failed to) find (?:the )?{_SESSION}\b", "agent CLIs in general"),
    (
        rf"\bno (?:saved |previous )?{_SESSION}s?(?: was| were)? found\b",
        "Claude Code 'No conversation found with ..'",
    ),
    (r"\bno rollout found for (?:thread|conversation)", "Codex 0.171.0"),
    (rf"\b{_SESSION}_?not_?found", "names of errors: SessionNotFoundError, session_not_found"),
    session_over=True,
)

#: Lines that are no message of a provider or an agent CLI: frames of stacks, what tests print, and what OpenCode
#: logs of its helpers, which have logins and connections of their own.
NOT_ERRORS = "|".join(
    (
        r"^\s*at (?:async )?\S.*[(:/]\S+:\d+|^\s*File \"[^\"]*\", line \d+",
        r"^\s*(?-i:E {2,}|>{1,3} |@@ |diff --git|(?:--- )?(?:PASS|FAIL)(?:ED)?\b|ok\s|not ok \d|[✓✔√●○] )",
        r"\bassert\w*\b|\bexpect\(|\btest_\w+|\w_test\b|\.(?:test|spec)\.[jt]sx?\b|\btests?[/\\]\w",
        r"\bservice=(?:mcp|lsp|plugin|format\w*|file\w*|models\.dev|ide|bun|installation)\b",
        r"\bmcp\b|\blanguage server\b",
    )
)
