"""What a check found."""

from __future__ import annotations

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
    """One finding. ``remedy`` says what to do, for every level but ok."""

    name: str
    status: Level
    detail: str
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, detail: str) -> Check:
    return Check(name, Level.OK, detail)


def warn(name: str, detail: str, remedy: str | None = None) -> Check:
    return Check(name, Level.WARN, detail, remedy)


def error(name: str, detail: str, remedy: str | None = None) -> Check:
    return Check(name, Level.ERROR, detail, remedy)


def guarded(name: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """The checks of ``look``. An exception in it becomes one more check, an error without a traceback."""
    try:
        yield from look()
    except WfError as failure:
        yield error(name, failure.message, failure.hint)
    except OSError as failure:
        where = f"{failure.filename}: " if failure.filename else ""
        remedy = failure.hint if isinstance(failure, FileTrouble) else "check permissions and free space"
        yield error(name, f"{where}{failure.strerror or failure}", remedy)
