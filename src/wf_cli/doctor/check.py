"""What a check found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import Any

from wf_cli.errors import ConfigError, FileTrouble, SpoolError, WfError
from wf_cli.frozen import frozen


class Level(StrEnum):
    """How bad a finding is. An error keeps something from working; a warning is worth knowing."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@frozen
class Check:
    """One finding. ``remedy`` begins with the command that repairs it, for every level but ok.

    What there is to know about the command follows it, after a colon, a semicolon or a comma.
    """

    name: str
    status: Level
    detail: str
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, detail: str) -> Check:
    return Check(name, Level.OK, detail)


def warn(name: str, detail: str, remedy: str) -> Check:
    return Check(name, Level.WARN, detail, remedy)


def error(name: str, detail: str, remedy: str) -> Check:
    return Check(name, Level.ERROR, detail, remedy)


#: A hint that begins with a command, or has one between backticks. ``as NAME:`` says whose command it is.
_COMMAND = re.compile(
    r"\A(?:as [^:]+: )?(?:wf|sudo|chmod|chown|chgrp|git|rm|mv|ls|npm|cd|export|unset|printf|umount|mount -o"
    r"|kill -[A-Z]+|xcode-select|cursor-agent|opencode|claude|codex|gemini"
    r"|ulimit|\$\{EDITOR:-vi\}) \S|`[a-z-]+ [^`]+`"
)


def names_a_command(remedy: str) -> bool:
    """Whether a reader can run what ``remedy`` says."""
    return _COMMAND.search(remedy) is not None


def with_command(hint: str | None, command: str) -> str:
    """``hint`` where it names a command; else ``command`` with the hint behind it."""
    if hint is None:
        return command
    return hint if names_a_command(hint) else f"{command}: {hint}"


def guarded(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """The checks of ``look``. An exception in it becomes one more check, an error without a traceback."""
    try:
        yield from look()
    except WfError as failure:
        yield error(name, failure.message, _repair(failure))
    except OSError as failure:
        where = f"{failure.filename}: " if failure.filename else ""
        remedy = with_command(failure.hint if isinstance(failure, FileTrouble) else None, _look_at(failure))
        yield error(name, f"{where}{failure.strerror or failure}", remedy)


def _look_at(failure: OSError) -> str:
    where = shlex.quote(str(failure.filename)) if failure.filename else "."
    return f"ls -ld {where}; df -h {where}: check permissions and free space"


def _repair(failure: WfError) -> str:
    """What the error's own hint says. Where it names no command, the command that opens the file comes first, or
    the one that looks at or changes the setting that the error is about."""
    path = failure.facts.get("path")
    if path is not None:
        return with_command(failure.hint, f"${{EDITOR:-vi}} {shlex.quote(str(path))}")
    if isinstance(failure, ConfigError):
        return with_command(failure.hint, "wf config check")
    if isinstance(failure, SpoolError):
        return with_command(failure.hint, "wf config set spool.dir FOLDER")
    return with_command(failure.hint, "wf doctor")
