"""What agent runtimes do wrong, and what becomes of the attempt: the data of `test_misbehaviours`.

Each row is run with every pair of runtime and protocol that it names; what an attempt costs follows from the
class of its code (`COSTS`, which is the table of docs/explanation/attempts.md). The stand-ins that do these things
are ``support/opencode_agent.py`` and ``support/cursor_agent.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

OC_ACP, OC_PRINT, CU_ACP, CU_PRINT = PAIRS = ("opencode-acp", "opencode-print", "cursor-acp", "cursor-print")
ACP, PRINT = (OC_ACP, CU_ACP), (OC_PRINT, CU_PRINT)
OPENCODE, CURSOR = (OC_ACP, OC_PRINT), (CU_ACP, CU_PRINT)

Told = Mapping[str, Any]


class Cost(NamedTuple):
    """What the end of an attempt costs, and where the job is then."""

    burned: int
    folder: str
    cools_down: bool = False


#: What each class of failure costs: docs/explanation/attempts.md.
COSTS: Mapping[str, Cost] = {
    "success": Cost(0, "done"),
    "transient": Cost(1, "queued"),
    "parked": Cost(0, "queued", cools_down=True),
    "host": Cost(0, "queued"),
    "permanent": Cost(1, "dead"),
}
CLASSES: Mapping[str | None, str] = {
    None: "success",
    **dict.fromkeys(("crashed", "timeout", "stall", "network"), "transient"),
    **dict.fromkeys(("rate_limited", "usage_limit", "auth", "overloaded", "refused"), "parked"),
    **dict.fromkeys(("spawn_failed", "runtime_missing"), "host"),
    **dict.fromkeys(("policy_denied", "model_not_found"), "permanent"),
}


@dataclass(frozen=True)
class Row:
    """One misbehaviour."""

    name: str
    #: What the stand-in is told: the same for all of ``pairs``, or by pair.
    does: Told | Mapping[str, Told]
    #: The error code; None: a success all the same.
    code: str | None
    pairs: tuple[str, ...] = PAIRS
    #: The clock that ended it, as ``timeouts`` of wf.config has it. The others are long.
    clock: str | None = None
    #: Whether the outcome of a failure names the agent's session, for the next attempt to go on with. None: either.
    session: bool | None = True
    #: Bounds of the seconds that the provider wants us to wait; None: it named no time.
    retry_after: tuple[float, float] | None = None
    #: Part of the failure's message.
    says: str = ""
    #: The job is at its second attempt, and the agent's session of the first one is to be resumed.
    resumes: bool = False
    model: str | None = None
    permissions: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    payload: str = "do it"
    version: str | None = None
    #: What is installed under the runtime's name.
    program: str = "the stand-in"
    #: Whether the launcher may be a fork (`forked_launchers`). Not where the row is about processes.
    forks: bool = True

    def __post_init__(self) -> None:
        if "mode" not in self.does and self.pairs == PAIRS:
            object.__setattr__(self, "pairs", tuple(pair for pair in PAIRS if pair in self.does))

    def told(self, pair: str) -> Told:
        """What the stand-in of ``pair`` is told."""
        told: Told = self.does if "mode" in self.does else self.does[pair]
        return told


def do(mode: str, **facts: Any) -> Told:
    return {"mode": mode, **facts}


def provider(message: str, status: int | None = None, *, wait_s: int | None = None, retryable: bool = False) -> Any:
    """An error of the model's provider, the way in which each pair tells it.

    OpenCode's events have the status and the headers; its ACP has neither, but its server does. Of Cursor's ACP
    nothing is known, so it gets the usual fields; its stream has nothing but words.
    """
    headers = {"retry-after": str(wait_s)} if wait_s is not None else {}
    data = {"message": message, "statusCode": status, "isRetryable": retryable, "responseHeaders": headers}
    error = {"name": "APIError", "data": {key: value for key, value in data.items() if value is not None}}
    fields = {"message": message, "status": status, "retryAfter": wait_s, "isRetryable": retryable}
    internal = do("error", code=-32603, message="Internal error")
    return {
        OC_PRINT: do("error", error=error),
        OC_ACP: {**internal, "server": {"error": error}},
        CU_ACP: {**internal, "data": {key: value for key, value in fields.items() if value is not None}},
        CU_PRINT: do("error", message=message),
    }


NOTHING = do("")
HUNDRED_MEGABYTES = 100_000_000
#: More than all pipes on the way hold.
LONG_PROMPT = "word " * 400_000
DENY = {"default": "deny"}
DAY = 86400.0
#: The day on which a usage limit is reset, the way in which Cursor writes it.
RESET = datetime.now(UTC) + timedelta(days=20)
CYCLE_ENDS = f"Your usage limits will reset when your monthly cycle ends on {RESET.month}/{RESET.day}/{RESET.year}."
#: As in github.com/cursor/cursor issue 3703.
CURSOR_LIMIT = f"""Error: You've hit your usage limit
  Get Cursor Pro for more Agent usage, unlimited Tab, and more.
  fallbackModel:
  spendLimitHit: false
  chatMessage: *You've hit your free requests limit. [Upgrade to Pro](https://www.cursor.com/api/auth/checkout?tier=pro)
  for more usage, frontier models, Background Agents, and more. {CYCLE_ENDS}*
  spendLimits: [50,100,200]
"""
#: What was said, and got over, long before the end.
RETRIED_ONCE = 'level=ERROR message=retrying error="429 Too Many Requests"\n'
UNTRUSTED = "Workspace Trust Required: run with --trust to trust this workspace\n"
LOG_IN = (
    "Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY environment variable.\n"
)
#: What a provider that is tried again and again says of itself, in OpenCode's server.
RETRIED = {"type": "retry", "attempt": 3}

ROWS = (
    Row("nothing wrong", NOTHING, None),
    # -- silence, and no end
    Row("hang before the first event", do("hang_start"), "timeout", clock="startup", session=False),
    Row("a login that waits for a browser", do("login"), "stall", (CU_PRINT,), clock="stall", session=False),
    Row("a login that waits for a browser", do("", login="hangs"), "auth", (CU_ACP,), session=False, says="login"),
    Row("silence after the first event", do("hang_prompt"), "stall", clock="stall"),
    Row("SIGTERM is ignored", do("deaf"), "stall", clock="stall"),
    Row("stopped by SIGSTOP", do("pause"), "stall", PRINT, clock="stall"),
    Row("an event now and then for ever", do("slow", seconds=600), "timeout", clock="max_runtime", session=None),
    Row("a question to a person who is not there", do("asks"), "stall", (CU_PRINT,), clock="stall", session=False),
    Row("a provider is retried for ever, silently", do("hang_prompt"), "stall", (OC_PRINT,), clock="stall"),
    Row(
        "a provider is retried for ever, being busy for hours",
        do("hang_prompt", server={"status": {**RETRIED, "message": "429 Too Many Requests", "wait_s": 7200}}),
        "rate_limited",
        (OC_ACP,),
        retry_after=(7000, 7200),
    ),
    Row(
        "a provider is retried for ever, being broken",
        do("hang_prompt", server={"status": {**RETRIED, "message": "503 Service Unavailable", "wait_s": 90}}),
        "network",
        (OC_ACP,),
        says="retried 3 times",
    ),
    # -- output
    Row("garbage on stdout", do("garbage"), None),
    Row("a hundred megabytes of events", do("flood", size=HUNDRED_MEGABYTES), None),
    Row("thirty megabytes of complaints on stderr", do("complaints", size=30_000_000), None, (CU_PRINT,)),
    Row("a line of 40 MB", do("long_line"), None),
    Row("a line without an end", do("open_line"), "timeout", PRINT, clock="max_runtime"),
    Row("a line without an end", do("open_line"), "stall", ACP, clock="stall"),
    Row("no newline after the last line", do("unended"), None, PRINT),
    Row("stdout is closed and it lives on", do("close_stdout"), "stall", PRINT, clock="stall"),
    Row("stdout is closed and it lives on", do("close_stdout"), "crashed", ACP, says="closed its stdout"),
    # -- input
    Row("the prompt is never read", do("unread"), None, PRINT, payload=LONG_PROMPT),
    Row("the prompt is never read", do("unread"), "stall", ACP, clock="stall", payload=LONG_PROMPT),
    Row("stdin is closed before the prompt comes", do("close_stdin"), None, PRINT, payload=LONG_PROMPT),
    Row("stdin is closed before the prompt comes", do("close_stdin"), "crashed", (OC_ACP,)),
    # -- the end
    Row("exit 0 without a result", do("exit"), "crashed"),
    Row("exit 0 without a result, after the work", do("no_result"), "crashed", (CU_PRINT,)),
    Row("exit 0 between two steps", do("reason", reason="tool-calls"), "crashed", (OC_PRINT,), says="tool-calls"),
    Row("exit 0 at the limit of tokens", do("reason", reason="length"), "crashed", (OC_PRINT,)),
    Row("the turn ends at the limit of tokens", do("stop", reason="max_tokens"), "crashed", (OC_ACP,)),
    Row("the turn ends with a refusal", do("stop", reason="refusal"), "policy_denied", (CU_ACP,)),
    Row("a turn without a word or a tool call", do("mute"), "crashed", (CU_ACP,), says="without a word"),
    Row(
        "a limit that is told as if it were an answer",
        do("says", text="You've hit your limit · resets in 2 hours"),
        "usage_limit",
        (CU_ACP,),
        retry_after=(7000, 7200),
    ),
    Row("a result and no exit", do("stays"), None, ACP),
    Row("a result and no exit", do("stays"), None, PRINT, options={"result_grace": 0.5}),
    Row("a result, then exit code 1", do("nonzero"), "crashed", (OC_PRINT,)),
    Row("a result, then exit code 1", do("nonzero"), None, (OC_ACP, CU_ACP, CU_PRINT)),
    Row("a result that says nothing about success", do("shapeless"), "crashed", (CU_PRINT,)),
    Row("a result that is an error, exit 0", do("is_error"), "network", (CU_PRINT,)),
    Row("an error event, exit 0", {OC_PRINT: {**provider("boom", 500)[OC_PRINT], "code": 0}}, "network"),
    Row("a result, and garbage without end", do("chatters"), None, PRINT, options={"result_grace": 0.5}),
    Row(
        "a result of two megabytes",
        do("long_result"),
        None,
        (CU_PRINT,),
    ),
    Row("killed by SIGKILL in the middle", do("crash"), "crashed"),
    Row(
        "killed by SIGKILL, after a limit that was got over",
        do("crash", stderr=RETRIED_ONCE),
        "crashed",
        (OC_ACP, *PRINT),
    ),
    Row("exit code 3, a child holds stdout open", do("orphan_pipe"), "crashed", (OC_PRINT, CU_ACP, CU_PRINT)),
    # -- permissions
    Row("exit 0 at a rejected permission", do("rejected"), "policy_denied", (OC_PRINT,)),
    Row("exit 0 in an untrusted workspace", do("untrusted"), "policy_denied", (CU_PRINT,), session=False),
    Row(
        "exit 0 in an untrusted workspace",
        do("refuse", stderr=UNTRUSTED),
        "policy_denied",
        (CU_ACP,),
        session=False,
    ),
    Row(
        "exit 0 in an untrusted workspace, told on stdout",
        do("refuse", stdout=UNTRUSTED),
        "policy_denied",
        (CU_ACP,),
        session=False,
    ),
    Row("stops at a denied permission", do("permission", stop=True), "policy_denied", ACP, permissions=DENY),
    Row(
        "cancels its turn at a denied permission",
        do("permission", stop="cancelled"),
        "policy_denied",
        (CU_ACP,),
        permissions=DENY,
    ),
    Row("goes on after a denied permission", do("permission"), None, (OC_ACP,), permissions=DENY),
    Row("a question by the protocol", do("elicitation"), None, ACP),
    Row("a question in Cursor's own words", do("question"), None, (CU_ACP,)),
    # -- limits of the provider
    Row(
        "429 with Retry-After",
        provider("Too many requests, please try again in 90 seconds", 429, wait_s=90),
        "rate_limited",
        retry_after=(60, 95),
    ),
    Row("429 without a time", provider("429 Too Many Requests", 429), "rate_limited"),
    Row("429 of an exhausted quota", provider("You exceeded your current quota", 429), "usage_limit"),
    Row(
        "a usage limit with the day of its reset",
        {
            **provider(f"You've hit your usage limit. {CYCLE_ENDS}", 429),
            CU_PRINT: do("exit", code=1, stderr=CURSOR_LIMIT),
        },
        "usage_limit",
        # The day is chosen when the table is read; midnight may pass before the row is run.
        retry_after=(18 * DAY, 21.5 * DAY),
    ),
    Row(
        "nobody is logged in",
        {
            OC_PRINT: do("error", error={"name": "ProviderAuthError", "data": {"message": "no credentials"}}),
            OC_ACP: do("error", at="session/new", code=-32000, message="Authentication required"),
            CU_ACP: do("", login="fails"),
            CU_PRINT: do("refuse", code=1, stderr=LOG_IN),
        },
        "auth",
        session=None,
    ),
    Row("nobody is logged in, exit 0", do("refuse", stderr=LOG_IN), "auth", CURSOR, session=False),
    Row("401", provider("401 Unauthorized: invalid x-api-key", 401), "auth"),
    # -- other faults of the provider
    Row("an unknown model", NOTHING, "model_not_found", OPENCODE, model="vendor/nope"),
    Row("an unknown model", NOTHING, "model_not_found", CURSOR, model="vendor/nope", session=False),
    Row(
        "an unknown model, by its name of ACP", NOTHING, "model_not_found", (CU_ACP,), model="vendor/nope[fast=true]"
    ),
    Row("a provider that is overloaded", provider("Overloaded", 529, retryable=True), "overloaded"),
    Row("a provider that is broken", provider("500 Internal Server Error", 500, retryable=True), "network", PRINT),
    Row("a stream that is cut", provider("read ECONNRESET", retryable=True), "network"),
    Row("a stream that is cut, and goes on", do("cut"), None, (OC_PRINT,)),
    Row("a context that is too long", provider("prompt is too long: 203524 tokens > 200000 maximum", 400), "crashed"),
    Row("an error that nobody has heard of", provider("it just broke"), "crashed", (OC_PRINT, CU_ACP, CU_PRINT)),
    # -- processes
    Row("a child in a session of its own stays", do("child"), None, forks=False),
    Row("an orphan without the mark stays", do("daemon"), None, forks=False),
    Row("a child stays that starts another one when it is ended", do("hydra"), None, PRINT, forks=False),
    Row("kills its launcher", do("kill_launcher"), "crashed", says="launcher was killed", forks=False),
    Row("kills the client between", do("kill_parent"), "crashed", (CU_ACP,), says="SIGKILL", forks=False),
    # -- the session
    Row(
        "the session to resume is unknown",
        {
            OC_ACP: NOTHING,
            OC_PRINT: NOTHING,
            CU_ACP: do("", lost=[-32602, "Invalid params", {"message": 'Session "sess-gone" not found'}]),
            CU_PRINT: do("no_chat"),
        },
        None,
        resumes=True,
    ),
    Row(
        "the session to resume is unknown, exit 0",
        do("no_session"),
        None,
        (OC_PRINT,),
        resumes=True,
    ),
    Row(
        "another session is begun instead of the one to resume",  # github.com/nexu-io/open-design pull 4790
        NOTHING,
        None,
        (CU_PRINT,),
        resumes=True,
    ),
    Row("no session just now", do("no_session_now"), "crashed", (CU_ACP,), session=False),
    # -- the protocol
    Row("version 99 of the protocol", do("version"), "runtime_missing", ACP, session=False),
    Row("an answer that is none", do("bad_stop"), "crashed", ACP),
    Row("a server that never answers", do("", server="mute"), None, (OC_ACP,)),
    Row(
        "an error in the form of version 2",
        do("error", error={"type": "provider.limit", "message": "Too many requests"}),
        "rate_limited",
        (OC_PRINT,),
        version="2.0.11",
    ),
    Row("a version from before", NOTHING, None, (OC_PRINT,), version="0.15.3"),
    # -- the program
    Row("not installed", NOTHING, "runtime_missing", program="missing", session=False),
    Row("not executable", NOTHING, "runtime_missing", program="not executable", session=False),
    Row("no program at all", NOTHING, "runtime_missing", (*OPENCODE, CU_ACP), program="broken", session=False),
    Row("no program at all", NOTHING, "spawn_failed", (CU_PRINT,), program="broken", session=False),
    Row("installed as agent, its newer name", NOTHING, None, CURSOR, program="agent"),
    Row(
        "another program of that name",
        NOTHING,
        "runtime_missing",
        CURSOR,
        program="another agent",
        session=False,
        says="is not Cursor's",
    ),
)
