"""The project a command works in: its root, its clock, and who may change a plan just now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli.clock import Clock, SystemClock

#: Called under the plan's lock, before anything is changed; raises StaleAttempt or Refused when the caller may not.
Ask = Callable[[], None]
#: Given the id of a plan, entered before the plan's lock is taken and left after it, because a job's permit holds
#: the job's fence, which comes before the plan in the lock order. What the permit says, it says when it is asked
#: under the lock: whoever has waited for the lock has to see what came about meanwhile.
Permit = Callable[[str], AbstractContextManager[Ask]]


class Project:
    """Paths and locks of one project root. Reading needs nothing; writing goes through `changing`.

    Lock order, everywhere: a job's fence (inside the permit), then one plan, then the numbering, then one
    epic, then project files. Never the other way round.
    """

    def __init__(self, root: Path, clock: Clock | None = None, permit: Permit | None = None):
        self.root = root
        self.clock: Clock = clock or SystemClock()
        self._permit = permit

    @contextlib.contextmanager
    def changing(self, plan_id: str) -> Iterator[None]:
        """Hold the lock of the plan, with the permit granted under it. Re-entrant within a thread.

        Every read-modify-write of a plan's files happens inside. Long work (strict runs) must not. Raises what
        the permit raises, and then nothing was changed.
        """
        if self._permit is None:
            with self.deciding(plan_id):
                yield
            return
        with self._permit(plan_id) as ask, self.deciding(plan_id):
            ask()
            yield

    @contextlib.contextmanager
    def deciding(self, plan_id: str) -> Iterator[None]:
        """Hold the lock of the plan without a permit: for who decides by its files and changes none of them."""
        with self.lock(f"plan-{plan_id}"):
            yield

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock called ``name`` (``numbering``, ``epic-01``, ``memory``, ...) of this project."""
        # Importing filelock costs as much as the rest of a read-only command together.
        from wf_cli import locks

        with locks.hold_in_project(self.root, name):
            yield

    @property
    def plans_dir(self) -> Path:
        return self.root / "plans"

    @property
    def epics_dir(self) -> Path:
        return self.root / "epics"
