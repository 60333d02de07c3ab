"""What the denials of wf.config bind in each runtime: one table, by adapter and by program.

A denial binds where the agent asks before it acts, or has rules of its own that wf gives it. No program tells which
of its tools ask, so the table says what was seen (docs/how-to/agents.md). Of a program that it does not know it says
that. A denied tool that an ACP agent runs unasked ends the attempt once it has run (`runtimes.acp.unasked`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from wf_cli import fsio
from wf_cli.config.load import LoadedConfig
from wf_cli.doctor.check import with_command
from wf_cli.errors import ConfigError
from wf_cli.runtimes import registry
from wf_cli.runtimes.base import RuntimeSettings

#: Bytes of a settings file that are looked at; a larger one is not the agent's.
_LARGEST = 1_000_000
#: What happens to a denied tool that was not asked for.
_LATE = "a denied tool that it runs unasked ends the attempt, once it has run"
_GEMINI = "asks before it edits, runs commands and fetches, never before it reads or searches"
#: The kinds of tools that Gemini CLI and Qwen Code use without asking.
_UNASKED = ("read", "search", "think", "*")
#: Words that let Gemini CLI and Qwen Code ask for nothing.
_YOLO = ("yolo", "--yolo", "-y", "--approval-mode=yolo")


class Binding(NamedTuple):
    """``holds``: whether a denied tool cannot run without wf's answer, as far as is known of the program."""

    holds: bool
    text: str
    #: The command that changes it; empty where ``holds``.
    remedy: str = ""


def of(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding | None:
    """What denials bind; None where nothing is denied. ``environ`` is the agent's."""
    if not settings.permissions.restricts:
        return None
    return _TABLE[settings.adapter](settings, environ)


def told(loaded: LoadedConfig, names: Iterable[str], environ: Mapping[str, str]) -> dict[str, Binding]:
    """The bindings of runtimes that deny something, by name. One that would refuse to start says so."""
    found = {}
    for name in sorted(names):
        runtime = loaded.config.runtimes.get(name)
        if runtime is None:
            continue
        settings = registry.settings_of(loaded.config, runtime)
        if not settings.permissions.restricts:
            continue
        try:
            registry.make(settings)
        except ConfigError as error:
            found[name] = Binding(
                False, f"it does not start: {error.message}", with_command(error.hint, "wf config check")
            )
        else:
            binding = of(settings, environ)
            assert binding is not None
            found[name] = binding
    return found


def _claude(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    return Binding(True, "they become rules of Claude Code, which looks at each command of a shell line")


def _codex(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    return _nothing(settings, "codex exec asks for nothing: it does not start under denials")


def _opencode(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    return Binding(True, "they become rules of OpenCode, and answers to what it asks")


def _gemini(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    words = (str(settings.options.get("mode", "")), *map(str, settings.options.get("args", ())), *settings.command)
    if any(word in _YOLO for word in words):
        return _nothing(settings, f"in its mode yolo it asks for nothing; {_LATE}")
    free = [rule for rule in settings.permissions.deny if rule.partition(":")[0] in _UNASKED]
    if free:
        return _nothing(settings, f"it {_GEMINI}, and {', '.join(free)} is denied; {_LATE}")
    return Binding(True, f"it {_GEMINI}")


def _cursor(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    """Denials reach what Cursor asks for, which its own configuration decides (see `runtimes.cursor`)."""
    file = _cursor_config(environ)
    mode = _approval_mode(file)
    if mode == "allowlist":
        return Binding(True, "Cursor asks for shell commands and fetches; it never asks before it reads or edits")
    said = f"approvalMode is {mode!r}" if mode else "no approvalMode is set"
    return Binding(
        False,
        f"{said} in {file}: Cursor may ask for nothing; {_LATE}",
        f'${{EDITOR:-vi}} {shlex.quote(str(file))}: set "approvalMode": "allowlist"',
    )


def _acp(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    program = Path(settings.command[0]).name
    known = _PROGRAMS.get(program)
    if known is None:
        return _nothing(settings, f"only what {program} asks for, which wf does not know; {_LATE}")
    return known(settings, environ)


def _asks(text: str) -> Callable[[RuntimeSettings, Mapping[str, str]], Binding]:
    return lambda settings, environ: _nothing(settings, f"{text}; {_LATE}")


def _opencode_by_acp(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    text = f"OpenCode asks for nearly nothing by itself; {_LATE}. `adapter: opencode` gives it rules"
    return Binding(False, text, f"wf config set runtimes.{settings.name} '{{adapter: opencode}}'")


def _unread(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    return _nothing(settings, "nothing: wf only starts the program, and is asked for nothing")


def _scripted(settings: RuntimeSettings, environ: Mapping[str, str]) -> Binding:
    return Binding(True, "nothing to bind: wf's own stand-in runs no tools but `wf` commands")


def _nothing(settings: RuntimeSettings, text: str) -> Binding:
    remedy = f"wf config set runtimes.{settings.name}.permissions '{{default: allow, deny: []}}': if its own rules do"
    return Binding(False, text, remedy)


_Row = Callable[[RuntimeSettings, Mapping[str, str]], Binding]
_TABLE: Mapping[str, _Row] = {
    "acp": _acp,
    "claude": _claude,
    "codex": _codex,
    "command": _unread,
    "cursor": _cursor,
    "gemini": _gemini,
    "opencode": _opencode,
    "scripted": _scripted,
}
#: Programs that speak ACP, by name.
_PROGRAMS: Mapping[str, _Row] = {
    "codex-acp": _asks("Codex asks as its approval_policy says, and for nothing with `never`"),
    "claude-agent-acp": _asks("Claude Code asks for what its own settings do not allow"),
    "claude-code-acp": _asks("Claude Code asks for what its own settings do not allow"),
    "cursor-agent": _cursor,
    "gemini": _gemini,
    "opencode": _opencode_by_acp,
    "pi": _asks("pi asks for nothing"),
    "pi-acp": _asks("pi asks for nothing"),
    "qwen": _gemini,
}


def _cursor_config(environ: Mapping[str, str]) -> Path:
    """Where Cursor's command line has its configuration."""
    if environ.get("CURSOR_CONFIG_DIR"):
        folder = Path(environ["CURSOR_CONFIG_DIR"])
    elif environ.get("XDG_CONFIG_HOME"):
        folder = Path(environ["XDG_CONFIG_HOME"]) / "cursor"
    else:
        folder = Path(environ.get("HOME", "/")) / ".cursor"
    return folder / "cli-config.json"


def _approval_mode(file: Path) -> str | None:
    try:
        value = json.loads(fsio.read_regular(file, _LARGEST, follow=True)).get("approvalMode")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None
    return value if isinstance(value, str) else None
