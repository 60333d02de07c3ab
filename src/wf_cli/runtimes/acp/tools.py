"""What a tool call is, from all that an agent tells of it: its kind, its title, and the command that it would run.

Agents tell these in different messages, and some of them once only, so they are kept by the call's id (`Tools`). What
one agent words in its own way is put right by one table, `_SUFFIXES`, by the name that the agent gives itself.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wf_cli.frozen import frozen
from wf_cli.runtimes.acp.messages import items
from wf_cli.runtimes.jsonlines import obj, text
from wf_cli.runtimes.permissions import Decision, Permissions

#: Tool calls that are remembered. The bound is for an agent that never reports the end of one.
_TOOLS = 1000
#: Fields of a call's raw input that hold a command, and those that say best what another call is about.
_COMMANDS, _SUBJECTS = ("command", "cmd", "script"), ("file_path", "path", "filePath", "url", "pattern", "query")
#: What agents put behind the command in the title of an execution, by the beginning of their names. A description in
#: parentheses is one only behind a word: behind an operator it would be a subshell.
_DESCRIPTION = r" \((?:[^()]|\([^()]*\))*\)"
_FOLDER = r" \[(?:in|current working directory) [^\]]*\]"
_SUFFIXES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(
        rf"(?<=[^\s;&|({{!`])(?:{_FOLDER})?(?: \[background\])?(?: \[timeout: \d+ms\])?(?:{_DESCRIPTION})?$",
        re.DOTALL,
    )
    for name in ("qwen", "gemini")
}


@frozen
class Tool:
    """One call, as far as it is known."""

    kind: str = "other"
    title: str = ""
    status: str = "pending"
    #: What it would run as a line of shell; None when the agent told no command.
    command: str | None = None

    def told(self, update: Mapping[str, Any], agent: str) -> Tool:
        """This call after one more message about it."""
        kind = text(update.get("kind")) or self.kind
        raw = update.get("rawInput")
        command = _command(raw) or self.command
        title = _title(text(update.get("title")), kind, agent) or self.title
        title = title or (command if kind == "execute" else None) or _subject(raw, update)
        return replace(
            self, kind=kind, title=title, command=command, status=text(update.get("status")) or self.status
        )

    def decide(self, permissions: Permissions) -> Decision:
        """What the policy says: of the title, and of the command, whatever kind the agent makes of it."""
        denied = self.denied(permissions)
        if denied is not None:
            return Decision(False, denied)
        is_command = self.kind == "execute" and self.command is not None
        return permissions.decide(self.kind, self.command if is_command else self.title)

    def denied(self, permissions: Permissions) -> str | None:
        """The rule that denies the title, or the command, which is one whatever kind the agent makes of it."""
        rule = permissions.denies(self.kind, self.title)
        if rule is not None or self.command is None:
            return rule
        return permissions.denies("execute", self.command)

    @property
    def what(self) -> str:
        """For people, in the form that rules have."""
        shown = self.command if self.kind == "execute" and self.command is not None else self.title
        return f"{self.kind}:{shown}"


class Tools:
    """The calls of a session that have not ended."""

    def __init__(self) -> None:
        self._known: dict[str, Tool] = {}
        #: The agent's name for itself.
        self.agent = ""

    def hear(self, call: str, update: Mapping[str, Any]) -> tuple[Tool | None, Tool]:
        """What was known of a call, and what is known after this message about it."""
        before = self._known.get(call)
        now = (before or Tool()).told(update, self.agent)
        if now.status in ("completed", "failed"):
            self._known.pop(call, None)
        elif before is not None or len(self._known) < _TOOLS:
            self._known[call] = now
        return before, now


def _command(raw: Any) -> str | None:
    """The command in a call's raw input: a line, or the words of one."""
    told = next((obj(raw)[key] for key in _COMMANDS if obj(raw).get(key)), None)
    if isinstance(told, list) and all(isinstance(word, str) for word in told):
        return text(shlex.join(told))
    return text(told) or None


def _title(told: str, kind: str, agent: str) -> str:
    suffix = next((pattern for name, pattern in _SUFFIXES.items() if agent.lower().startswith(name)), None)
    if kind != "execute":
        return told
    if len(told) > 2 and told[0] == told[-1] == "`" and "`" not in told[1:-1]:
        return told[1:-1]  # Claude Code's older way to show code.
    return told if suffix is None else suffix.sub("", told, count=1)


def _subject(raw: Any, update: Mapping[str, Any]) -> str:
    """What a call without a title is about."""
    place = next((text(item.get("path")) for item in items(update.get("locations"))), "")
    return next((found for key in _SUBJECTS if (found := text(obj(raw).get(key)))), place)
