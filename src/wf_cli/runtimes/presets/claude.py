"""Claude Code: ``claude -p --verbose --output-format stream-json``. Seen with 2.1.197 (tests/agents).

- The prompt goes to stdin. ``--resume`` of an unknown session fails at once, and the worker starts afresh then.
- ``--dangerously-skip-permissions`` is refused to root, so all tools are allowed by name instead (`TOOLS`). The
  denials of the user's own settings stay, because with Claude Code a denial wins over a permission.
- Denials of wf.config become its own rules (``--disallowedTools``). It looks at each command of a shell line, so
  ``Bash(git push*)`` denies ``cd . && git push``, too. It tells the model, which may go on with something else.
- With ``default: deny`` the mode is ``dontAsk``: what no rule allows is refused. Claude Code still reads inside the
  checkout, and runs shell commands that it knows to only read.
- It repeats a refused request up to ten times, for minutes. `runtimes.jsonl.reader` ends it at a limit or a refusal.
- The dollars are those of the API's prices, under a subscription as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from wf_cli.errors import ConfigError
from wf_cli.runtimes import options, program
from wf_cli.runtimes.base import Launch, Reader, Request, RuntimeSettings
from wf_cli.runtimes.jsonl import rules
from wf_cli.runtimes.permissions import Permissions

_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "args": (list,),
    "permission_mode": (str,),
    "effort": (str,),
    "result_grace": (int, float),
}
#: The protocol's kinds of tools, and Claude Code's tools of that kind.
_KINDS: Mapping[str, tuple[str, ...]] = {
    "read": ("Read",),
    "edit": ("Edit", "Write", "NotebookEdit"),
    "delete": ("Edit", "Write", "NotebookEdit"),
    "move": ("Edit", "Write", "NotebookEdit"),
    "search": ("Grep", "Glob"),
    "execute": ("Bash",),
    "fetch": ("WebFetch", "WebSearch"),
}
#: Tools whose rules say more than their name: a command, or a pattern of paths (one rule for all that edit).
_SPECIFIC: Mapping[str, str] = {"execute": "Bash", "read": "Read", "edit": "Edit", "delete": "Edit", "move": "Edit"}
#: What an agent may use without asking, where the policy allows everything by default.
TOOLS = (*dict.fromkeys(tool for tools in _KINDS.values() for tool in tools), "Task", "Skill")


class ClaudeAdapter:
    """``adapter: claude``. Options: ``args`` (further arguments), ``permission_mode``, ``effort``, ``result_grace``
    (seconds from the result to the end by force)."""

    def __init__(self, settings: RuntimeSettings):
        self._settings = settings
        self._options = options.checked(settings, _OPTIONS)
        self._denied = denials(settings)
        self._allowed = allowances(settings)

    def locate(self, request: Request) -> tuple[str, ...]:
        """The program with its leading arguments; RuntimeMissing when it is not here."""
        return program.require(
            self._settings.command or ("claude",),
            root=request.root,
            environment=request.environment,
            config_path=f"runtimes.{self._settings.name}",
            install="install it with `npm i -g @anthropic-ai/claude-code`",
        )

    def launch(self, request: Request) -> Launch:
        from wf_cli.runtimes.jsonl.reader import RESULT_GRACE

        denying = self._settings.permissions.default == "deny"
        argv = [*self.locate(request), "-p", "--verbose", "--output-format", "stream-json"]
        if self._denied:
            argv += ["--disallowedTools", *self._denied]
        if self._allowed:
            argv += ["--allowedTools", *self._allowed]
        # A flag follows the lists, because each takes all words up to the next one.
        argv += ["--permission-mode", self._options.get("permission_mode", "dontAsk" if denying else "acceptEdits")]
        if request.model:
            argv += ["--model", request.model]
        if "effort" in self._options:
            argv += ["--effort", self._options["effort"]]
        if request.resume:
            argv += ["--resume", request.resume]
        resumed = request.resume_prompt if request.resume is not None else None
        return Launch(
            [*argv, *(str(item) for item in self._options.get("args", ()))],
            {"DISABLE_AUTOUPDATER": "1", **request.environment, "PWD": str(request.root)},
            (request.prompt if resumed is None else resumed).encode(),
            result_grace_s=float(self._options.get("result_grace", RESULT_GRACE)),
            exit_proves="success",
        )

    def reader(self, request: Request) -> Reader:
        from wf_cli.runtimes.jsonl.reader import JsonlReader

        found = rules.of({"format": "claude"})
        assert found is not None
        return JsonlReader(found)


def denials(settings: RuntimeSettings) -> list[str]:
    """The denials as rules of Claude Code. Raises ConfigError for one that it cannot keep."""
    return [rule for given in settings.permissions.deny for rule in _rules(settings, "deny", given)]


def allowances(settings: RuntimeSettings) -> list[str]:
    """What may be used without asking, as rules. Raises ConfigError for one that Claude Code does not know."""
    policy: Permissions = settings.permissions
    if policy.default == "allow":
        return list(TOOLS)
    return [rule for given in policy.allow for rule in _rules(settings, "allow", given)]


def _rules(settings: RuntimeSettings, key: str, given: str) -> list[str]:
    kind, _, title = given.partition(":")
    tools = _KINDS.get(kind) if kind != "*" else TOOLS
    if tools is not None and title in ("", "*"):
        return list(tools)
    if kind in _SPECIFIC and title:
        content = title.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        return [f"{_SPECIFIC[kind]}({content})"]
    path = f"runtimes.{settings.name}"
    raise ConfigError(
        f"{path}: Claude Code has no rule for permissions.{key}: {given}",
        hint=f"it knows KIND:* for {', '.join(_KINDS)}, and patterns for execute, read and edit; or give {path} "
        "permissions of its own",
        path=f"{path}.permissions",
    )
