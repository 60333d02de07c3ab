"""What an agent may do without a person: ``permissions`` of wf.config, which answers each permission request.

A rule is a pattern of `fnmatch` (case counts, ``*`` crosses blanks and slashes) for ``kind:title`` of the
requested tool call, such as ``execute:git push*``. A denial wins over a permission, and both win over the
default. A line of shell is read (`runtimes.shell`), so ``cd . && git push`` is denied, too. The agent itself words
the title, so a policy keeps an honest agent in its lane and is no sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wf_cli.frozen import frozen

if TYPE_CHECKING:
    from wf_cli.runtimes.shell.commands import Line

#: ToolKind of the protocol (agentclientprotocol.com/protocol/tool-calls).
KINDS = ("read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other")


class Decision(NamedTuple):
    """An answer, and the rule that gave it (``default`` where none did)."""

    allowed: bool
    rule: str


@frozen
class Permissions:
    """A policy. Without any rule it allows everything, because whoever starts an agent wants the work done."""

    default: Literal["allow", "deny"] = "allow"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @property
    def restricts(self) -> bool:
        """Whether anything could be denied at all."""
        return self.default == "deny" or bool(self.deny)

    def decide(self, kind: str | None, title: str | None) -> Decision:
        """Whether a tool call of ``kind`` called ``title`` may go on. An unknown kind is ``other``.

        Each command of a line of shell is looked at. One that is denied denies the line. A line is allowed by rules
        that allow each of its commands, if all of it can be read, or by a rule that is the whole line or everything.
        """
        kind, title = kind if kind in KINDS else "other", title or ""
        line, what = self._line(kind, title), f"{kind}:{title}"
        denied = self._denial(kind, title, line)
        if denied is not None:
            return Decision(False, denied)
        allowed = next((rule for rule in self.allow if fnmatchcase(what, rule)), None)
        if kind != "execute" or not self.restricts or (allowed is not None and _is_plain(allowed)):
            return Decision(True, allowed) if allowed is not None else Decision(self.default == "allow", "default")
        return self._each_allowed(kind, line)

    def denies(self, kind: str, title: str) -> str | None:
        """The rule that denies a tool call by itself, and not by the default; None when none does."""
        return self._denial(kind, title, self._line(kind, title)) if self.deny else None

    def _denial(self, kind: str, title: str, line: Line) -> str | None:
        forms = {f"{kind}:{title}", *(f"{kind}:{form}" for command in line.commands for form in command.forms)}
        return next((rule for rule in self.deny if any(fnmatchcase(form, rule) for form in forms)), None)

    def _line(self, kind: str, title: str) -> Line:
        """The commands of a tool call that is one of shell. Agents that tell no kind may run one, too."""
        if kind not in ("execute", "other") or not self.restricts:
            title = ""
        from wf_cli.runtimes.shell import commands  # an agent that is never asked about needs no reading

        return commands.read(title)

    def _each_allowed(self, kind: str, line: Line) -> Decision:
        """Whether each command of ``line`` is allowed by a rule, and the rule of the last one."""
        rule = None
        for command in line.commands:
            if not command.open:
                what = f"{kind}:{command.text}"
                rule = next((rule for rule in self.allow if fnmatchcase(what, rule)), None)
                if rule is None:
                    break
        if rule is not None and line.complete:
            return Decision(True, rule)
        return Decision(self.default == "allow", "default")

    def to_json(self) -> dict[str, Any]:
        return {"default": self.default, "allow": list(self.allow), "deny": list(self.deny)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Permissions:
        default: Literal["allow", "deny"] = "deny" if value.get("default") == "deny" else "allow"
        return cls(default, tuple(value.get("allow", ())), tuple(value.get("deny", ())))


def _is_plain(rule: str) -> bool:
    """Whether a rule of allowance needs no look into a line of shell: it is everything, or one line and no other."""
    return not rule.partition(":")[2].strip("*") or not any(char in rule.partition(":")[2] for char in "*?[")


#: The protocol's kinds of tools, and the names that OpenCode gives their permissions.
_OPENCODE: Mapping[str, tuple[str, ...]] = {
    "read": ("read",),
    "edit": ("edit",),
    "delete": ("edit",),
    "move": ("edit",),
    "search": ("grep", "glob", "list"),
    "execute": ("bash",),
    "fetch": ("webfetch", "websearch"),
}


def opencode_rules(policy: Permissions) -> dict[str, Any]:
    """``policy`` as rules for OpenCode, which by itself asks for so little that the policy would see no request.

    OpenCode lays these rules over the project's own, and the last match counts. They only tighten: each denial
    becomes one of OpenCode's, which looks at every command of a shell line. A denying default becomes "ask" for
    everything else, so that the allowed patterns decide. The names are written as patterns (``?ash`` for
    ``bash``), because a key that stands in the project's file as well would replace the project's rules.
    """
    rules: dict[str, Any] = {"?*": "ask"} if policy.default == "deny" else {}
    for rule in policy.deny:
        kind, colon, title = rule.partition(":")
        names = _OPENCODE.get(kind) if colon else None
        if names is None:  # OpenCode knows no such kind, so what stands behind the colon holds for every tool.
            names, title = ("*",), title if colon and kind in (*KINDS, "*") else rule
        for name in names:
            rules.setdefault("?" + name[1:] if name != "*" else "*?", {})[title or "*"] = "deny"
    return rules
