"""Tools that run although a rule denies them, because the agent did not ask.

Permissions are answers to requests. An agent that never asks for a kind of tool would run a denied one, and nobody
would know. So the turn ends when such a tool is seen: the tool itself has run by then, what would follow has not.

- A denied call that was not asked for and has completed ends the turn at once.
- One that is only told to be under way may still be asked for, because OpenCode tells that first and asks then. It
  has `ASKING` seconds for it.
- One that failed did no harm that is known: agents with rules of their own (OpenCode, Gemini) refuse a call this way.
- Only rules in ``deny`` count. A denying default does not, because agents read files without asking, and a policy
  that ended every such turn would be of no use.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from wf_cli.runtimes.acp.tools import Tool
from wf_cli.runtimes.permissions import Permissions

#: Seconds in which an agent may still ask for a tool that it calls started.
ASKING = 5.0
#: Calls that are remembered as asked for. The bound is for an agent that never tells the end of one.
_CALLS = 1000
#: Seconds that a timer may be late. One that is later was held up together with the messages that it waits for.
_LATE = 0.5


class Breach(NamedTuple):
    """What ran, in the form that rules have, and the rule that denies it."""

    what: str
    rule: str


class Unasked:
    """The calls of one session. ``seen`` is set once ``breach`` is."""

    def __init__(self, permissions: Permissions, asking_s: float = ASKING):
        self._permissions = permissions
        self._asking_s = asking_s
        self._asked: set[str] = set()
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self.seen = asyncio.Event()
        self.breach: Breach | None = None

    def ask(self, call: str) -> None:
        """The agent asks for this call."""
        if len(self._asked) < _CALLS:
            self._asked.add(call)
        self._forget(call)

    def hear(self, call: str, tool: Tool) -> None:
        """The state of a call that the agent told."""
        rule = tool.denied(self._permissions) if call not in self._asked else None
        match tool.status:
            case "completed":
                self._forget(call)
                self._asked.discard(call)
                if rule is not None:
                    self._found(Breach(tool.what, rule))
            case "failed":
                self._forget(call)
                self._asked.discard(call)
            case "in_progress" if rule is not None and call not in self._waiting and len(self._waiting) < _CALLS:
                self._wait(call, Breach(tool.what, rule))

    def _wait(self, call: str, breach: Breach) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self._asking_s
        self._waiting[call] = loop.call_at(due, self._overdue, call, breach, due)

    def _overdue(self, call: str, breach: Breach, due: float) -> None:
        if asyncio.get_running_loop().time() > due + _LATE:
            self._wait(call, breach)
        else:
            self._found(breach)

    def _found(self, breach: Breach) -> None:
        self.breach = self.breach or breach
        self.seen.set()

    def _forget(self, call: str) -> None:
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            waiting.cancel()
