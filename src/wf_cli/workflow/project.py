"""The project a command works in: its root, its clock, and who may change a plan just now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli.clock import Clock, SystemClock

#: Given the id of a plan, entered around every change of it; raises StaleAttempt or Refused when the
#: caller may not (DESIGN section 4, "Fencing reaches the plan").
Permit = Callable[[str], AbstractContextManager[None]]


class Project:
    """Paths and locks of one project root. Reading needs nothing; writing goes through `changing`.

    Lock order, everywhere: a job's fence (inside ``permit``), then one plan, then the numbering, then one
    epic, then project files. Never the other way round.
    """

    def __init__(self, root: Path, clock: Clock | None = None, permit: Permit | None = None):
        self.root = root
        self.clock: Clock = clock or SystemClock()
        self._permit = permit

    @contextlib.contextmanager
    def changing(self, plan_id: str) -> Iterator[None]:
        """Hold the lock of the plan, after the permit was granted. Re-entrant within a thread.

        Every read-modify-write of a plan's files happens inside. Long work (strict runs) must not.
        """
        permit = self._permit(plan_id) if self._permit is not None else contextlib.nullcontext()
        with permit, self.lock(f"plan-{plan_id}"):
            yield

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock called ``name`` (``numbering``, ``epic-01``, ``memory``, ...) of this project."""
        # Importing filelock costs as much as the rest of a read-only command together.
        from wf_cli import locks

        folder = self.root / ".wf" / "locks"
        _ignored_by_git(folder)
        with locks.hold(folder / f"{name}.lock"):
            yield

    @property
    def plans_dir(self) -> Path:
        return self.root / "plans"

    @property
    def epics_dir(self) -> Path:
        return self.root / "epics"


def _ignored_by_git(folder: Path) -> None:
    """Make ``folder`` and keep it, itself included, out of version control."""
    marker = folder / ".gitignore"
    if marker.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # comfort only
        marker.write_text("*\n", encoding="utf-8")
