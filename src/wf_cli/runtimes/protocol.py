"""Which of its two protocols an agent CLI is driven by: ``runtimes.<name>.protocol: acp|print`` of wf.config."""

from __future__ import annotations

import re
from typing import Literal

from wf_cli.errors import ConfigError
from wf_cli.runtimes.base import CannotStart, RuntimeSettings

Spoken = Literal["acp", "print"]


def of_opencode(settings: RuntimeSettings, version: str) -> Spoken:
    """ACP for 1.18 and later of 1.x, where it is not asked for differently.

    It tells the session before any work, tool starts as they happen, cancels cleanly and asks for
    permission; what it does not tell (retries, HTTP status, sums of usage) the process itself does
    (`opencode_server`). Not by itself: older versions and 2.x, which nobody has run against this, and
    runtimes with ``args``, which are those of ``opencode run``.
    """
    match = re.search(r"(\d+)\.(\d+)", version)
    able = match is not None and int(match[1]) == 1 and int(match[2]) >= 18
    if settings.protocol != "auto":
        return _denying(settings, settings.protocol)
    if able and (not settings.options.get("args") or settings.permissions.restricts):
        return "acp"
    return _denying(settings, "print", why=f"OpenCode {version or 'of an unknown version'} is driven without ACP")


def of_cursor(settings: RuntimeSettings) -> Spoken:
    """Print, unless ACP is asked for (or needed, since permissions are set).

    Of Cursor's ACP nothing could be run here, and reports speak against it as a default: other names of
    models than the command line has (alookai/alook pull 631), so that a configured model would not be
    found; no usage (lee259/oh-my-claudian pull 27); an authentication that never returns when nobody is
    logged in (screenpipe pull 6455).
    """
    if settings.protocol != "auto":
        return _denying(settings, settings.protocol)
    return "acp" if settings.permissions.restricts else "print"


def _denying(settings: RuntimeSettings, spoken: Spoken, why: str = "protocol: print asks nobody") -> Spoken:
    """``spoken``; CannotStart when permissions are to be denied over a protocol that never asks for any."""
    if spoken == "print" and settings.permissions.restricts:
        raise CannotStart(
            f"runtimes.{settings.name}: the configured permissions need ACP, and {why}",
            hint=f"set runtimes.{settings.name}.protocol: acp, or remove the denials",
        )
    return spoken


def checked(settings: RuntimeSettings) -> None:
    """Refuse what can be known to be wrong before anything runs."""
    if settings.protocol == "print" and settings.permissions.restricts:
        raise ConfigError(
            f"runtimes.{settings.name}.protocol: print cannot deny what permissions deny",
            hint="use protocol: acp, or give this runtime permissions of its own",
            path=f"runtimes.{settings.name}.protocol",
        )
