"""What a turn has done, and whether it may count as done: the same judgement for the client and for its reader.

The client's exit code has to say it when nobody has heard the lines (`wf_cli.spool.exits`), and the worker's reader
says it with its words. Both tell a `Deeds` each line of `acp.report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wf_cli.runtimes.failures import answers
from wf_cli.runtimes.jsonlines import brief, number, text

#: StopReason of the protocol, without ``end_turn``: code and words.
STOPS: Mapping[str, tuple[str, str]] = {
    "refusal": ("policy_denied", "the agent refused to go on"),
    "max_tokens": ("crashed", "the model's limit of tokens was reached in the middle of the work"),
    "max_turn_requests": ("crashed", "the agent's limit of requests was reached in the middle of the work"),
    "cancelled": ("crashed", "the turn was cancelled"),
}
#: Characters of the agent's words that are looked at, and tool calls that are remembered.
_WORDS, _TOOLS = 1000, 1000


class Fault(NamedTuple):
    """Why a turn that ended by itself has not done its work."""

    code: str
    message: str
    #: What told it, and its value and text (`classify.Cause`). An empty source: nothing is known.
    source: str = ""
    value: str | int | bool | None = None
    text: str = ""


class Deeds:
    """Hears the lines of one turn."""

    def __init__(self) -> None:
        #: The last denial, while nothing was said or begun after it.
        self.denied: Mapping[str, Any] | None = None
        #: The last denial of the turn, whatever came after it.
        self.last_denied: Mapping[str, Any] | None = None
        #: Whether nothing was said or done.
        self.idle = True
        self._tools: set[str] = set()
        self._said = ""
        self._tokens_out: float | None = None

    def hear(self, kind: str, facts: Mapping[str, Any]) -> None:
        """One line, by its ``type`` and its other fields."""
        match kind:
            case "text":
                self.denied, self.idle = None, False
                self._said = (self._said + text(facts.get("text")))[: _WORDS + 1]
            case "tool":
                self._tool(text(facts.get("id")))
            case "permission":
                self._tool(text(facts.get("tool")))
                self.denied = None if facts.get("allowed") is True else dict(facts)
                self.last_denied = self.denied or self.last_denied
            case "usage" if (told := number(facts.get("tokens_out"))) is not None:
                self._tokens_out = told

    def fault(self, stop_reason: str) -> Fault | None:
        """Why the turn has not done its work, having ended with ``stop_reason``; None when it may have."""
        # Many agents end the turn at a denial as if a person had pressed a key. wf's own cancel is judged elsewhere.
        denied = self.last_denied if stop_reason == "cancelled" else self.denied
        if denied is not None and stop_reason in ("end_turn", "cancelled"):
            return self._stopped_at(denied)
        if stop_reason != "end_turn":
            unknown = ("crashed", f"the turn ended with {stop_reason or 'no reason'}")
            code, words = STOPS.get(stop_reason, unknown)
            return Fault(code, words, "stop_reason" if stop_reason in STOPS else "", stop_reason)
        if self.idle:
            return Fault("crashed", answers.NOTHING)
        cause = answers.refusal(self._said, self._tokens_out) if not self._tools else None
        if cause is None:
            return None
        return Fault(cause.code, brief(self._said), cause.source, cause.value, cause.text)

    def error(self) -> Fault | None:
        """Why the turn ended with an error of the agent that nothing else explains; None when nothing is known."""
        return None if self.denied is None else self._stopped_at(self.denied)

    def _stopped_at(self, denied: Mapping[str, Any]) -> Fault:
        what, rule = text(denied.get("what")), text(denied.get("rule")) or None
        return Fault(
            "policy_denied", f"the agent stopped at a denied permission: {what}", "permission", rule, brief(what)
        )

    def _tool(self, tool: str) -> None:
        if self.denied is not None and tool != self.denied.get("tool"):
            self.denied = None  # The agent went on.
        self.idle = False
        if len(self._tools) < _TOOLS:
            self._tools.add(tool)
