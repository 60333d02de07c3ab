"""The project a command works in: its root, its clock, and who may change a plan just now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli import locks
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

    def lock(self, name: str) -> AbstractContextManager[None]:
        """The lock called ``name`` (``numbering``, ``epic-01``, ``memory``, ...) of this project."""
        return locks.hold(self.root / ".wf" / "locks" / f"{name}.lock")

    @property
    def plans_dir(self) -> Path:
        return self.root / "plans"

    @property
    def epics_dir(self) -> Path:
        return self.root / "epics"
