"""What a check found."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from wf_cli.errors import FileTrouble, WfError


class Level(StrEnum):
    """How bad a finding is. An error keeps something from working; a warning is worth knowing."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``remedy`` says what to do, with a command that does it, for every level but ok."""

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


def guarded(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """The checks of ``look``. An exception in it becomes one more check, an error without a traceback."""
    try:
        yield from look()
    except WfError as failure:
        yield error(name, failure.message, _repair(failure))
    except OSError as failure:
        where = f"{failure.filename}: " if failure.filename else ""
        remedy = failure.hint if isinstance(failure, FileTrouble) else _look_at(failure)
        yield error(name, f"{where}{failure.strerror or failure}", remedy)


def _look_at(failure: OSError) -> str:
    where = shlex.quote(str(failure.filename)) if failure.filename else "."
    return f"ls -ld {where}; df -h {where}: check permissions and free space"


def _repair(failure: WfError) -> str:
    """What the error's own hint says, with the command that opens the file where the hint names no command."""
    hint, path = failure.hint or "wf doctor, once that is repaired", failure.facts.get("path")
    return hint if path is None or "wf " in hint else f"${{EDITOR:-vi}} {shlex.quote(str(path))}: {hint}"
