"""What a look at a spool finds that is not as it should be."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wf_cli.anchored import StrPath
from wf_cli.contract import text
from wf_cli.errors import SpoolError, Temporary, WfError
from wf_cli.frozen import frozen
from wf_cli.spool import quarantine
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import OnTrouble, Trouble, ignored

#: Told how many items were looked at, and of how many.
OnProgress = Callable[[int, int], None]


def unheard(_done: int, _of: int) -> None:
    """For looks whose progress nobody follows."""


@frozen
class Finding:
    """One thing that is not as it should be. ``severity``: error (an invariant), warning (untidy)."""

    path: str
    kind: str
    severity: str
    detail: str
    fixed: bool = False
    #: The command that repairs it.
    remedy: str = "wf spool verify --fix"

    def to_json(self) -> dict[str, Any]:
        """What `wf spool verify --json` says; no remedy of what is repaired."""
        return {**asdict(self), "remedy": None if self.fixed else self.remedy}


@dataclass(slots=True)
class Looks:
    """What looking at one item after the other finds."""

    spool: Spool
    on_trouble: OnTrouble = ignored
    findings: list[Finding] = field(default_factory=list)

    def take(self, path: StrPath, found: Iterator[Finding]) -> None:
        """Take the findings of one item, the file ``path``.

        An item that cannot be looked at is a finding itself, and the next one follows.
        """
        try:
            self.findings.extend(found)
        except FileNotFoundError:
            pass  # RACE: it moved on while we looked, so it is whole somewhere else.
        except Temporary:
            pass  # Somebody works on this job right now.
        except SpoolError:
            raise
        except (OSError, ValueError, WfError) as error:
            self.findings.append(unreadable(self.spool, Path(path), error))
            self.on_trouble(Trouble.of(Path(path), error))


def relative(spool: Spool, path: Path) -> str:
    """``path`` as a finding names it; what a name could do to a terminal is escaped."""
    return text.line(str(path.relative_to(spool.root)))


def unreadable(spool: Spool, path: Path, error: Exception) -> Finding:
    """The finding of an item that cannot be looked at."""
    trouble = Trouble.of(path, error)
    look = f"ls -ld {shlex.quote(str(path))}: {trouble.remedy}"
    return Finding(relative(spool, path), "unreadable", "error", f"{trouble.what}; passed over", remedy=look)


def put_away(spool: Spool, path: Path) -> bool:
    """Put a file away into ``archive/quarantine/``; False when the system does not let us."""
    return take_away(spool, path) is not None


def take_away(spool: Spool, path: Path) -> Path | None:
    """The same; where the file lies now, None when the system does not let us."""
    try:
        return quarantine.take(spool, path)
    except OSError:
        return None
