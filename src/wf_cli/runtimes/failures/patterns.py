"""The known ways in which agent CLIs and their providers fail. This is data only; `classify` applies it.

There are names of errors, HTTP statuses and JSON-RPC codes, which stand in fields, and one table of wordings. Each
wording says where it comes from. The first row that matches a line counts, so rows stand in the order of their
weight: spent money outweighs the status 429 that comes with it, and anything outweighs a broken connection.

Some codes need their reasons:

- *Context overflow* is ``crashed``, because another attempt in a session of its own may fit. A job that never fits
  uses up its budget. A full session cannot be resumed, like one that does not exist (``session_over``).
- *A blocked output* is ``crashed`` too: the filters of providers hit harmless text, and not every time
  (anthropics/claude-code 25934). A blocked *prompt* is ``policy_denied``: it will be the same next time.
- *A model that a plan does not include* is ``model_not_found`` and not ``usage_limit``: waiting does not help.
- *An overloaded provider* is ``network``. Cursor says ``resource_exhausted`` for both a rate and a lack of capacity;
  it is ``rate_limited``, which burns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """One wording. ``pattern`` is searched in one line, and case does not count."""

    code: str
    pattern: str
    #: The provider or CLI that says so, or an issue that shows it.
    origin: str
    #: Whether the session itself is the reason, so that it cannot be resumed.
    session_over: bool = False


def _rows(code: str, *wordings: tuple[str, str], session_over: bool = False) -> tuple[Row, ...]:
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
    "server_is_overloaded": "network",
    # Anthropic
    "billing_error": "usage_limit",
    "rate_limit_error": "rate_limited",
    "authentication_error": "auth",
    "permission_error": "auth",
    "overloaded_error": "network",
    "timeout_error": "network",
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
FULL_NAMES = frozenset({"ContextOverflowError", "context_length_exceeded"})

#: HTTP statuses; every 5xx is ``network`` besides.
STATUSES: Mapping[int, str] = {
    401: "auth",
    402: "usage_limit",
    403: "auth",
    408: "network",
    413: "crashed",  # More than fits into the context, as OpenCode reads it too.
    429: "rate_limited",
}
#: Statuses that mean that the session is full.
FULL_STATUSES = frozenset({413})

#: JSON-RPC error codes that mean one thing (agentclientprotocol.com/protocol/schema, ErrorCode).
RPC_CODES: Mapping[int, str] = {-32000: "auth"}


def _http(statuses: str) -> str:
    """A status in a line. A number alone is none: "line 401 of foo.py", "429 files", "error: 401 tests failed"."""
    words = r"https?(?:/[\d.]+)?|status(?:[ _-]?code)?|error(?:[ _-]?code)?|response|rejected|code"
    no_count = r"(?! (?:tests?|files?|lines?|errors?|warnings?|items?|times?|of)\b)(?!\w|\.\d|:\d)"
    return rf"\b(?:{words})(?: is| was|:)?[ \"'=(:]{{0,4}}(?:{statuses}){no_count}"


_SESSION = r"(?:session|chat|conversation)"
_ABSENT = r"(?:was |is |could )?(?:not (?:be )?found|does ?n[o']t exist|does not exist|no longer exists)"

#: The session to go on with is not known.
SESSION_LOST = _rows(
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
    (rf"\b{_SESSION}_?not_?found", "names of errors: SessionNotFoundError, session_not_found"),
    session_over=True,
)

WORDINGS = (
    *SESSION_LOST,
    # this machine; before "quota exceeded"
    *_rows(
        "disk_full",
        (r"\bENOSPC\b|no space left on device", "Node, Bun"),
        (r"\bEDQUOT\b|disk quota exceeded", "Node, Bun"),
        (r"database or disk is full|\bSQLITE_FULL\b", "SQLite, where OpenCode keeps its sessions"),
    ),
    *_rows(
        "disk_error",
        (r"disk I/O error|\bSQLITE_IOERR", "SQLite"),
        (r"\bEROFS\b|read-only file system", "Node, Bun"),
    ),
    # models that this plan does not include; before "upgrade"
    *_rows(
        "model_not_found",
        (r"\bnamed models unavailable|\bfree plans can only use\b", "Cursor, ActionRequiredError of a free plan"),
        (r"\bcannot use this model\b", "Cursor 'Cannot use this model: X. Available models: ..'"),
    ),
    # money and allowances
    *_rows(
        "usage_limit",
        (r"\busage limits?\b", "Cursor 'You've hit your usage limit' (cursor/cursor 3703); Codex; Z.AI; Anthropic"),
        (r"\busage_limit_(?:reached|exceeded)|\busage_not_included\b", "Codex"),
        (r"UsageLimitError\b|\bfree usage exceeded", "OpenCode Zen and Go (anomalyco/opencode 50079)"),
        (
            r"\bhit your (?!.{0,20}\brate)(?:[\w-]+ ){0,3}limit\b",
            "Claude Code 'You've hit your limit · resets 6:20pm'",
        ),
        (
            r"\b(?:\d{1,3}[- ]?hours?|daily|weekly|monthly|session)(?:/\w+)? (?:usage |request )?limit"
            r" (?:is |was |has been )?(?:reached|exhausted|exceeded)",
            "Claude Code '5-hour limit reached ∙ resets 1am'; Z.AI 1310 'Weekly/Monthly Limit Exhausted'",
        ),
        (r"\bout of (?:usage|credits|budget|funds)\b", "Cursor, ActionRequiredError of a paid plan"),
        (r"\bincrease limits for faster responses", "the same, where the rest stands on another line"),
        (r"insufficient[ _](?:quota|funds|credits?|balance)", "OpenAI; OpenCode Zen, with 401"),
        (r"\bcredit balance (?:is too low|exhausted)|\busage balance exhausted", "Anthropic; Grok"),
        (r"\bquota (?:is |was |has been )?(?:exceeded|exhausted)", "OpenCode's words for insufficient_quota; Gemini"),
        (
            r"\bexceeded your (?:(?:current|monthly|daily|weekly|included|plan'?s?) )*"
            r"(?:quota|budget|balance|credits?|allowance|usage|spend\w*|plan)",
            "OpenAI, Gemini 'You exceeded your current quota, please check your plan and billing details'",
        ),
        (r"\bspend(?:ing)?[ _]limit\b", "Cursor"),
        (r"\bbilling[ _](?:hard[ _])?limit", "OpenAI"),
        (r"\bpayment required\b|\brequires more credits|\badd credits\b", "HTTP; OpenRouter; OpenCode Zen"),
        (r"\bupgrade (?:your plan|to (?:pro|plus|max|go)\b)", "Cursor; Codex"),
        (_http("402"), "HTTP"),
    ),
    # more than the model takes; before the limits of rates
    *_rows(
        "crashed",
        (r"\b(?:prompt|input|request|context)(?: \w+)? (?:is )?too (?:long|large)\b", "Anthropic; Bedrock; OpenAI"),
        (r"\bcontext[ _](?:length|window|limit)[ _](?:is |was |has been )?exceeded", "OpenAI; in general"),
        (r"\bcontext window exceeds limit", "MiniMax"),
        (
            r"(?:exceed\w*|greater than|larger than) (?:(?:the|this|its|model|model's|your|maximum|available|max) )*"
            r"(?:context|input|prompt|token)[ _](?:window|length|size|limit|count)",
            "OpenAI 'exceeds the context window'; llama.cpp; LM Studio; vLLM; Anthropic",
        ),
        (r"\btoken count\b.{0,40}\bexceeds the (?:limit|maximum)", "Gemini; Copilot (anomalyco/opencode 2464)"),
        (r"\bmaximum (?:context|prompt) length is \d", "OpenAI, OpenRouter, vLLM, xAI"),
        (r"\breduce the length of (?:the|your) (?:messages|prompt|input)", "Groq (anomalyco/opencode 1551)"),
        (r"\bexceeded model token limit", "Moonshot"),
        (r"\brequest entity too large\b", "HTTP 413"),
        (r"\bContextOverflow", "OpenCode"),
        session_over=True,
    ),
    *_rows(
        "rate_limited",
        (r"\btoo[ _]many[ _](?:concurrent )?requests\b|\btoomanyrequests\b", "AI SDK; HTTP"),
        (r"\bconcurrency limit\b", "Z.AI"),
        (
            r"\brate[ _-]?limit(?:s|ed)?\b.{0,60}?\b(?:reach\w*|exceed\w*|hit|exhaust\w*|try again|retry|wait)",
            "OpenAI 'Rate limit reached for ..'; OpenCode",
        ),
        (
            r"\b(?:reach\w*|exceed\w*|hit|over)\b.{0,40}\brate[ _-]?limits?\b",
            "Anthropic 'would exceed your account's rate limit'; GitHub Copilot",
        ),
        (r"\brate_limit_(?:error|exceeded)\b|\bRateLimitError\b", "Anthropic; OpenAI; LiteLLM"),
        (r"\b(?:been|is|are|were) rate[ _-]?limited\b", "GitHub Copilot 'you have been rate-limited'"),
        (r"^\W*(?:error\W+)?rate[ _-]?limit(?:ed)?\W*$", "OpenCode 'Rate Limited'"),
        (r"\bresource[ _](?:was |has been )?exhausted\b", "Cursor '[resource_exhausted] Error' (zed 54735); Gemini"),
        (_http("429") + r"|\b429 too many\b", "HTTP; Claude Code 'API Error: Request rejected (429)'"),
    ),
    *_rows(
        "auth",
        (
            r"\bauthentication (?:is )?required\b",
            "Cursor \"Authentication required. Please run 'agent login' first\"",
        ),
        (r"\bnot (?:logged|signed) in\b|\bplease (?:log ?in|sign in)\b", "Cursor"),
        (r"\bplease run .{0,40}\blog ?in\b|\brun [`'\"]?(?:[\w-]+ ){1,2}login\b", "Cursor; OpenCode"),
        (
            r"\b(?:invalid|incorrect|missing|expired|no|bad) (?:x-)?(?:api|auth\w*|access)[ _-]?(?:key|token)\b",
            "OpenAI; Anthropic 'invalid x-api-key'; agent CLIs",
        ),
        (
            r"\b(?:api|access)[ _-]?key (?:is )?(?:missing|invalid|not valid|expired|not found|required|not set)",
            "AI SDK 'OpenAI API key is missing'; Gemini; Cursor 'The provided API key is invalid'",
        ),
        (r"\bapi[ _-]?key header is required|LoadAPIKeyError", "Anthropic; AI SDK"),
        (r"\b(?:token|oauth session) (?:is |has |was |has been )?(?:expired|revoked|invalidated)", "logins by OAuth"),
        (r"\btoken refresh failed|\bfailed to authenticate|\binvalid_grant\b", "logins by OAuth"),
        (r"\bauthentication[_ ](?:error|failed)\b|\bProviderAuthError\b", "Anthropic; OpenCode"),
        (r"\bunauthenticated\b|\bpermission_(?:error|denied)\b", "Connect, so Cursor; Anthropic"),
        (r"\bunauthori[sz]ed\b(?=\W*$|:|,|\"| \(|\. | error)", "AI SDK 'Unauthorized'"),
        (r"\bforbidden: |^\W*(?:error\W+)?forbidden\W*$", "AI SDK 'Forbidden'; OpenCode behind a gateway"),
        (r"\b40[13] (?:unauthori[sz]ed|forbidden)", "HTTP"),
        (r"\borganization has been disabled|\baccess paused for this organization", "Anthropic; OpenCode Zen"),
        (r"\btoo many (?:computers|free trial accounts) used\b", "Cursor: an account or a machine is blocked"),
        (_http("401|403"), "HTTP"),
    ),
    *_rows(
        "model_not_found",
        (r"ModelNotFound|NoSuchModelError|\bmodel_not_found\b", "OpenCode; AI SDK; OpenAI"),
        (r"\b(?:unknown|invalid|no such|unsupported) (?:model|provider)\b", "agent CLIs"),
        (r"\bmodel name is not valid|\bnot a valid model\b", "Cursor ACP 'AI Model Not Found'; OpenRouter"),
        (r"\bno endpoints found for\b", "OpenRouter"),
        (
            r"\bmodels?[ /:]*[\"'`]?[\w./:@\[\]=,-]{0,80}[\"'`]? (?:was |is |could )?"
            r"(?:not (?:be )?found|does not exist|not (?:available|supported|valid)\b)",
            "OpenAI 'The model `x` does not exist or you do not have access to it'; OpenCode; Gemini; Copilot",
        ),
        (r"\bmodel\b.{0,80}\bmay not exist\b", "Claude Code"),
        (r"\b(?:not|does ?n[o']t) have access to (?:the )?model\b", "OpenAI, with 403"),
        (r"\bnot_found_error\b.{0,40}\bmodel:", "Anthropic"),
        (r"\bprovider (?:[\"'`]?[\w.-]{1,80}[\"'`]? )?not found\b", "OpenCode"),
    ),
    *_rows(
        "policy_denied",
        (r"\bworkspace trust required|\bworkspace is not trusted|\buntrusted workspace", "Cursor"),
        (r"\btrust (?:this|the) (?:workspace|directory|folder)", "Cursor"),
        (r"\b(?:prompt|input) (?:was )?(?:flagged|blocked)|\bprompt triggering\b", "OpenRouter; Azure"),
        (r"\bcontent_policy_violation\b|\bcontent management policy", "OpenAI; Azure"),
        (r"\bviolat\w+ (?:\w+ ){0,3}(?:content|usage) polic", "OpenAI"),
        (r"\bcontent policy\b", "in general"),
        (r"\bblocked by (?:policy|your (?:admin\w*|organi[sz]ation))", "Cursor, for teams"),
        (r"\brejected permission", "OpenCode"),
    ),
    *_rows(
        "crashed",
        (r"\boutput (?:was )?blocked by content filter", "Anthropic 'Output blocked by content filtering policy'"),
        (r"\bcontent[ _-]filter(?:ing|ed)?\b|\bresponse was filtered\b", "AI SDK; Azure"),
    ),
    # the way to the provider, and the provider itself
    *_rows(
        "network",
        (r"\b(?:ECONN\w+|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH)\b", "Node, Bun"),
        (r"\bUND_ERR_\w+|\bERR_(?:HTTP2|SSL|TLS)_\w+|\bsecure TLS connection was", "Node, undici"),
        (r"\bsocket hang up|\bother side closed|\bpremature close", "Node, undici"),
        (r"\bfetch failed|\bnetwork error|\bunable to connect|\bcannot connect to\b", "undici; Bun; AI SDK"),
        (r"\bconnection (?:error|refused|reset|closed|lost|failed|stalled)", "agent CLIs"),
        (r"\bsocket connection was closed", "Bun (anomalyco/opencode 23123)"),
        (r"\bstream (?:error|closed|disconnected|ended unexpectedly)", "OpenCode; Codex"),
        (r"(?:^|error)\W{0,4}terminated\W*$", "undici 'TypeError: terminated'"),
        (r"\[unavailable\]|\bconnect error (?:unavailable|aborted|deadline_exceeded|internal)", "Cursor, by Connect"),
        (r"(?:error|: \w):? ?\[(?:aborted|deadline_exceeded|internal|unknown|cancel+ed)\]", "Cursor, by Connect"),
        (r"\btimed? ?out\b|\bgateway time-?out", "in general"),
        (
            r"\boverloaded(?:_error)?\b|\bat capacity\b|\bserver is busy",
            "Anthropic; OpenCode 'Provider is overloaded'",
        ),
        (r"\btemporarily unavailable|\bservice[ _]unavailable|\bbad gateway|\binternal server error", "HTTP"),
        (_http(r"5\d\d"), "HTTP"),
    ),
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
