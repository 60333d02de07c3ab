"""The client's side of an ACP session: prints the agent's reports as lines, and answers its requests.

`Conversation.handlers` are the methods of a client (agentclientprotocol.com/protocol/overview). Files and terminals
are not offered, because the agent works in the checkout by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from wf_cli.runtimes.acp.messages import Ended, amount, items, needed
from wf_cli.runtimes.acp.peer import Handler
from wf_cli.runtimes.acp.report import Reporter, Words, cut
from wf_cli.runtimes.acp.tools import Tools
from wf_cli.runtimes.acp.unasked import Unasked
from wf_cli.runtimes.jsonlines import number, obj, text
from wf_cli.runtimes.permissions import Permissions

#: In the names of agents whose cost begins at nothing in each process, also in a session that is resumed. With any
#: other agent the cost of a resumed session is unknown, unless the agent tells what it was before.
_COST_OF_THE_PROCESS = ("claude",)
#: Seconds that a piece of text waits for more.
TEXT_PAUSE = 0.5


class Conversation:
    """One session's handlers."""

    def __init__(self, report: Reporter, permissions: Permissions):
        self._report = report
        self._permissions = permissions
        self.tools = Tools()
        self.unasked = Unasked(permissions)
        self._flushing: asyncio.TimerHandle | None = None
        self._cost_before: float | None = None
        self._words = Words(lambda text: report.say("text", text=text))
        #: False while a loaded session tells its history, which is no work of this attempt.
        self.live = False

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What answers the agent, by method."""
        return {
            "session/update": self.session_update,
            "session/request_permission": self.request_permission,
            "elicitation/create": self.create_elicitation,
        }

    def begin(self, *, new: bool, cost_before: float | None = None) -> None:
        """The prompt is about to be sent. Agents tell the cost of a session, so earlier costs are taken off.

        ``cost_before``: what a resumed session had cost, where that is known from elsewhere.
        """
        self.live = True
        if new or cost_before is not None:
            self._cost_before = 0.0 if new else cost_before
        elif any(name in self.tools.agent.lower() for name in _COST_OF_THE_PROCESS):
            self._cost_before = 0.0

    def end(self) -> str:
        """The turn is over; its closing words."""
        self._words.end()
        return self._words.summary

    def session_update(self, params: Mapping[str, Any]) -> None:
        """The agent tells what it does. Raises Malformed."""
        self._report.progress += 1
        update = obj(params.get("update"))
        kind = needed(update, "sessionUpdate")
        if kind == "usage_update":
            self._usage(update)
        elif not self.live:
            self._report.alive("history")
        elif kind == "agent_message_chunk":
            self._text(update)
        elif kind in ("tool_call", "tool_call_update"):
            self._tool(update)
        else:
            self._report.alive(kind[:100])

    def request_permission(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The policy answers, for this one call, because after "always" it would not be asked the next time."""
        call, options = obj(params.get("toolCall")), list(items(params.get("options")))
        tool = needed(call, "toolCallId")
        _, known = self.tools.hear(tool, call)
        self.unasked.ask(tool)
        decision = known.decide(self._permissions)
        wanted = ("allow_once", "allow_always") if decision.allowed else ("reject_once", "reject_always")
        chosen = next((text(o.get("optionId")) for want in wanted for o in options if o.get("kind") == want), None)
        allowed = decision.allowed and chosen is not None
        self._words.end()
        self._report.say(
            "permission",
            what=cut(known.what),
            allowed=allowed,
            rule=decision.rule if allowed == decision.allowed else "the agent offers no way to allow it",
            tool=text(tool),
        )
        if chosen is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": chosen}}

    def create_elicitation(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A question to a person who is not there."""
        self._words.end()
        self._report.say("question", text=cut(text(params.get("message"))))
        return {"action": "decline"}

    def outside(self, method: str) -> Any:
        """The result for a request that is not of the protocol; None for those that are, or that have none.

        Cursor asks questions and shows plans this way (``cursor/ask_question``, ``cursor/create_plan``), and
        waits for ever when the answer is an error (github.com/xenodium/agent-shell pull 728).
        """
        if not method.startswith("cursor/"):
            return None
        self._report.say("question", text=method)
        return {"outcome": {"outcome": "cancelled"}}

    def tell_usage(self, ended: Ended) -> None:
        """The tokens of a turn, as its response tells them."""
        if ended.tokens is not None:
            self._report.say("usage", tokens_in=ended.tokens[0], tokens_out=ended.tokens[1])

    def _usage(self, update: Mapping[str, Any]) -> None:
        cost = obj(update.get("cost"))
        dollars = number(cost.get("amount")) if cost.get("currency") == "USD" else None
        if not self.live:
            self._cost_before = dollars
            return
        spent = None if dollars is None or self._cost_before is None else dollars - self._cost_before
        # A cost of 0 counts as unknown, because agents tell it of models whose price they do not know.
        self._report.say(
            "usage", cost_usd=spent if spent is not None and spent > 0 else None, context=amount(update.get("used"))
        )

    def _text(self, update: Mapping[str, Any]) -> None:
        content = obj(update.get("content"))
        if needed(content, "type") != "text":
            self._report.alive(text(content["type"])[:100])
            return
        self._words.add(needed(content, "text"), text(update.get("messageId")) or None)
        self._report.alive("text")
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(TEXT_PAUSE, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._words.flush()

    def _tool(self, update: Mapping[str, Any]) -> None:
        tool = needed(update, "toolCallId")
        known, now = self.tools.hear(tool, update)
        self.unasked.hear(tool, now)
        if known is not None and (now.kind, now.title, now.status) == (known.kind, known.title, known.status):
            self._report.alive("tool")
            return
        done = now.status in ("completed", "failed")
        self._words.end()
        self._report.say(
            "tool",
            id=text(tool)[:100],
            kind=now.kind,
            title=cut(now.title),
            status=now.status,
            output=cut(_output(update)) or None if done else None,
        )


def _output(update: Mapping[str, Any]) -> str:
    parts = (obj(part.get("content")) for part in items(update.get("content")) if part.get("type") == "content")
    return "\n".join(text(part.get("text")) for part in parts if part.get("type") == "text")
