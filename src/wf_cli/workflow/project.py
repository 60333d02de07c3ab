"""The project that a command works in: its root, its clock, its locks, and the permit to change a plan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli import locks
from wf_cli.clock import Clock, SystemClock

#: Called under the plan's lock, before any change. Raises StaleAttempt or Refused when the caller may not change it.
Ask = Callable[[], None]
#: Makes the permit for a plan id. It is entered before the plan's lock is taken and left after it, because a job's
#: permit holds the job's fence, which comes before the plan in the lock order. It is asked under the lock, because
#: the answer may have changed while the caller waited for the lock.
Permit = Callable[[str], AbstractContextManager[Ask]]


class Project:
    """Paths and locks of one project root. Reading needs no lock; writing a plan goes through `changing`.

    Every caller takes locks in this order: a job's fence (inside the permit), one plan, the numbering, one epic,
    project files.
    """

    def __init__(
        self,
        root: Path,
        clock: Clock | None = None,
        permit: Permit | None = None,
        *,
        distributed: bool = False,
    ):
        """With ``distributed`` the todo lists of plans are read strictly (`wf_cli.workflow.plans.Plan`)."""
        self.root = root
        self.distributed = distributed
        self.clock: Clock = clock or SystemClock()
        self._permit = permit

    @contextlib.contextmanager
    def changing(self, plan_id: str) -> Iterator[None]:
        """Hold the lock of the plan, with the permit granted under it. Re-entrant within a thread.

        Every read-modify-write of a plan's files happens inside. Long work (strict runs) must stay outside. Raises
        what the permit raises, before any change.
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
        """Hold the lock of the plan without a permit, for callers that only read its files to decide."""
        with self.lock(f"plan-{plan_id}"):
            yield

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock called ``name`` (``numbering``, ``epic-01``, ``memory``, ...) of this project."""
        with locks.hold_in_project(self.root, name):
            yield

    @property
    def plans_dir(self) -> Path:
        return self.root / "plans"

    @property
    def epics_dir(self) -> Path:
        return self.root / "epics"
