"""The client's side of an ACP session: prints the agent's reports as lines, and answers its requests.

The methods are those of `acp.Client` (agentclientprotocol.com/protocol/overview). Files and terminals are not
offered, because the agent works in the checkout by itself. `acp.Client` is not subclassed, because a method that is
not overridden would answer with an empty result instead of "method not found".
"""

from __future__ import annotations

import asyncio
from typing import Any

from acp.schema import (
    AgentMessageChunk,
    AllowedOutcome,
    ContentToolCallContent,
    DeclineElicitationResponse,
    DeniedOutcome,
    PermissionOption,
    PromptResponse,
    RequestPermissionResponse,
    TextContentBlock,
    ToolCallProgress,
    ToolCallStart,
    ToolCallUpdate,
    UsageUpdate,
)

from wf_cli.runtimes.acp.report import Reporter, Words, cut
from wf_cli.runtimes.permissions import Permissions

#: Seconds that a piece of text waits for more.
TEXT_PAUSE = 0.5
#: Tool calls that are remembered. The bound is for an agent that never reports the end of one.
_TOOLS = 1000


class Conversation:
    """One session's handlers."""

    def __init__(self, report: Reporter, permissions: Permissions):
        self._report = report
        self._permissions = permissions
        self._tools: dict[str, tuple[str, str, str]] = {}
        self._flushing: asyncio.TimerHandle | None = None
        self._cost_before: float | None = None
        self._words = Words(lambda text: report.say("text", text=text))
        #: False while a loaded session tells its history, which is no work of this attempt.
        self.live = False

    def on_connect(self, agent: Any) -> None:
        """Called by the library; nothing to do."""

    def begin(self, *, new: bool, cost_before: float | None = None) -> None:
        """The prompt is about to be sent. Agents tell the cost of a session, so earlier costs are taken off.

        ``cost_before``: what a resumed session had cost, where that is known from elsewhere.
        """
        self.live = True
        if new or cost_before is not None:
            self._cost_before = 0.0 if new else cost_before

    def end(self) -> str:
        """The turn is over; its closing words."""
        self._words.end()
        return self._words.summary

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self._report.progress += 1
        if isinstance(update, UsageUpdate):
            self._usage(update)
        elif not self.live:
            self._report.alive("history")
        elif isinstance(update, AgentMessageChunk):
            self._text(update)
        elif isinstance(update, ToolCallStart | ToolCallProgress):
            self._tool(update)
        else:
            self._report.alive(str(getattr(update, "session_update", "update")))

    async def request_permission(
        self, session_id: str, tool_call: ToolCallUpdate, options: list[PermissionOption], **_: Any
    ) -> RequestPermissionResponse:
        """The policy answers, for this one call, because after "always" it would not be asked the next time."""
        kind, title, _status = self._tools.get(tool_call.tool_call_id, ("other", "", ""))
        kind, title = tool_call.kind or kind, tool_call.title or title
        decision = self._permissions.decide(kind, title)
        wanted = ("allow_once", "allow_always") if decision.allowed else ("reject_once", "reject_always")
        chosen = next((option for want in wanted for option in options if option.kind == want), None)
        allowed = decision.allowed and chosen is not None
        self._words.end()
        self._report.say(
            "permission",
            what=cut(f"{kind}:{title}"),
            allowed=allowed,
            rule=decision.rule if allowed == decision.allowed else "the agent offers no way to allow it",
            tool=tool_call.tool_call_id,
        )
        if chosen is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=chosen.option_id))

    async def create_elicitation(self, message: str, mode: Any, **_: Any) -> DeclineElicitationResponse:
        """A question to a person who is not there."""
        self._words.end()
        self._report.say("question", text=cut(message))
        return DeclineElicitationResponse(action="decline")

    def outside(self, method: str) -> Any:
        """The result for a request that is not of the protocol; None for those that are, or that have none.

        Cursor asks questions and shows plans this way (``cursor/ask_question``, ``cursor/create_plan``), and
        waits for ever when the answer is an error (github.com/xenodium/agent-shell pull 728).
        """
        if not method.startswith("cursor/"):
            return None
        self._report.say("question", text=method)
        return {"outcome": {"outcome": "cancelled"}}

    def tell_usage(self, response: PromptResponse) -> None:
        """The tokens of a turn, as its response tells them. Tokens of the cache count as read, as elsewhere."""
        usage = response.usage
        if usage is None:
            return
        read = usage.input_tokens + (usage.cached_read_tokens or 0) + (usage.cached_write_tokens or 0)
        self._report.say("usage", tokens_in=read, tokens_out=usage.output_tokens + (usage.thought_tokens or 0))

    def _usage(self, update: UsageUpdate) -> None:
        dollars = update.cost.amount if update.cost is not None and update.cost.currency == "USD" else None
        if not self.live:
            self._cost_before = dollars
            return
        spent = None if dollars is None or self._cost_before is None else dollars - self._cost_before
        # A cost of 0 counts as unknown, because agents tell it of models whose price they do not know.
        self._report.say("usage", cost_usd=spent if spent is not None and spent > 0 else None, context=update.used)

    def _text(self, update: AgentMessageChunk) -> None:
        if not isinstance(update.content, TextContentBlock):
            self._report.alive(update.content.type)
            return
        self._words.add(update.content.text, getattr(update, "message_id", None))
        self._report.alive("text")
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(TEXT_PAUSE, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._words.flush()

    def _tool(self, update: ToolCallStart | ToolCallProgress) -> None:
        known = self._tools.get(update.tool_call_id)
        kind, title, status = known or ("other", "", "pending")
        now = (update.kind or kind, update.title or title, update.status or status)
        if now == known:
            self._report.alive("tool")
            return
        done = now[2] in ("completed", "failed")
        if done:
            self._tools.pop(update.tool_call_id, None)
        elif known is not None or len(self._tools) < _TOOLS:
            self._tools[update.tool_call_id] = now
        self._words.end()
        self._report.say(
            "tool",
            id=update.tool_call_id[:100],
            kind=now[0],
            title=cut(now[1]),
            status=now[2],
            output=cut(_output(update)) or None if done else None,
        )


def _output(update: ToolCallStart | ToolCallProgress) -> str:
    parts = (part.content for part in update.content or () if isinstance(part, ContentToolCallContent))
    return "\n".join(part.text for part in parts if isinstance(part, TextContentBlock))
