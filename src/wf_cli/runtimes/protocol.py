"""Which of two protocols an agent CLI is driven by: ACP or print (docs/decisions/0004-acp-first.md).

ACP comes first for every runtime, for four reasons. The agent tells its session before any work, so the attempt
after a killed one can resume it. Tools are seen when they start. A stop cancels what runs. Permissions are asked
for. Print serves versions that cannot do ACP. ``runtimes.<name>.protocol: acp|print`` of wf.config overrides.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from wf_cli.errors import ConfigError
from wf_cli.runtimes.base import CannotStart, RuntimeSettings

Spoken = Literal["acp", "print"]
#: The date in what ``cursor-agent --version`` says (``2026.09.18-3a1b2c4``): year, month, day.
Build = tuple[int, int, int]

#: The first OpenCode whose ACP was tested with this adapter. The ACP of older ones could not choose a session's model
#: (github.com/anomalyco/opencode issue 31750). 2.x has it from the beginning (opencode.ai/v2/docs/cli/acp).
OPENCODE_ACP = (1, 18)
#: The first Cursor build that is reported to speak it (github.com/pingdotgg/t3code/blob/05f4cb2,
#: .plans/18-cursor-agent-provider.md); it was announced five days later (cursor.com/blog/jetbrains-acp).
CURSOR_ACP: Build = (2026, 2, 27)
#: Builds whose ACP stands still at the first shell command (forum.cursor.com/t/158988; github.com/greenpolo/
#: cc-multi-cli-plugin, CHANGELOG 2.0.1).
CURSOR_STALLS: frozenset[Build] = frozenset({(2026, 4, 17)})


#: Brings the newest build of Cursor's program.
_CURSOR_UPDATE = "cursor-agent update"


class Choice(NamedTuple):
    """A protocol, and the reason for it in words for people, without a full stop."""

    spoken: Spoken
    why: str


def of_opencode(settings: RuntimeSettings, version: str) -> Choice:
    """ACP for OpenCode 1.18 and later, 2.x included; print for older ones.

    A runtime with ``options.args`` is driven by print unless its wf.config says acp. The arguments have always been
    those of ``opencode run``, and ``opencode acp`` refuses arguments that it does not know.
    """
    if settings.protocol != "auto":
        return _asked_for(settings, settings.protocol)
    match = re.search(r"(\d+)\.(\d+)", version)
    first = ".".join(map(str, OPENCODE_ACP))
    if match is None:
        return _print(settings, f"its version ({version[:40]!r}) is none of OpenCode's")
    if (int(match[1]), int(match[2])) < OPENCODE_ACP:
        return _print(settings, f"OpenCode {match[0]} is older than {first}", update="opencode upgrade")
    if settings.options.get("args") and not settings.permissions.restricts:
        return Choice("print", "its options.args are those of `opencode run`")
    return Choice("acp", f"OpenCode {first} and later speak it")


def of_cursor(settings: RuntimeSettings, version: str) -> Choice:
    """ACP for builds that speak it; print for older builds, and for programs that do not tell their build."""
    if settings.protocol != "auto":
        return _asked_for(settings, settings.protocol)
    build = cursor_build(version)
    if build is None:
        return _print(settings, f"its version ({version[:40]!r}) is no build of Cursor's")
    if build < CURSOR_ACP:
        return _print(settings, f"Cursor's builds before {_date(CURSOR_ACP)} do not speak ACP", update=_CURSOR_UPDATE)
    if build in CURSOR_STALLS:
        return _print(
            settings,
            f"the ACP of Cursor's build {_date(build)} stands still at shell commands",
            update=_CURSOR_UPDATE,
        )
    return Choice("acp", f"Cursor's builds from {_date(CURSOR_ACP)} on speak it")


def cursor_build(version: str) -> Build | None:
    """The date in what ``--version`` says; None when there is none."""
    match = re.search(r"\b(20\d\d)\.(\d\d)\.(\d\d)\b", version)
    return (int(match[1]), int(match[2]), int(match[3])) if match is not None else None


def checked(settings: RuntimeSettings) -> None:
    """Refuse settings that contradict each other; ConfigError with the key path."""
    if settings.protocol == "print" and settings.permissions.restricts:
        raise ConfigError(
            f"runtimes.{settings.name}.protocol: print cannot deny what permissions deny",
            hint="use protocol: acp, or give this runtime permissions of its own",
            path=f"runtimes.{settings.name}.protocol",
        )


def _asked_for(settings: RuntimeSettings, spoken: Spoken) -> Choice:
    why = f"runtimes.{settings.name}.protocol says so"
    return _print(settings, why) if spoken == "print" else Choice(spoken, why)


def _print(settings: RuntimeSettings, why: str, *, update: str | None = None) -> Choice:
    """Print. Raises CannotStart when the policy denies anything, because a printing agent asks for no permission.

    ``update`` is the command that brings a version which speaks ACP.
    """
    if settings.permissions.restricts:
        insist = f"wf config set runtimes.{settings.name}.protocol acp insists on it; or update it, or deny nothing"
        raise CannotStart(
            f"runtimes.{settings.name}: the configured permissions need ACP, and {why}",
            hint=insist if update is None else f"{update}; or deny nothing in wf.config",
        )
    return Choice("print", why)


def _date(build: Build) -> str:
    return "{}.{:02}.{:02}".format(*build)
