"""The claim of a job: the checks before its rename, the rename, and the same checks again after it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable

from wf_cli.attempt.predecessors import Predecessors
from wf_cli.attempt.steps import Steps
from wf_cli.clock import Clock
from wf_cli.contract.identity import target_of
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool, Token
from wf_cli.errors import LockTrouble, SpoolError, WfError
from wf_cli.frozen import frozen
from wf_cli.locks import Slot
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control
from wf_cli.spool.place import MIN_FREE_BYTES
from wf_cli.spool.troubles import Trouble


@frozen
class Obstacle:
    """Why a session may not claim now. ``kind`` stays the same while ``text`` may hold a count or a time."""

    kind: str
    text: str


@frozen
class Claimed:
    """A claimed token, and the slot of the checkout that its job holds. The caller that got it closes the slot."""

    token: Token
    slot: Slot | None

    def let_go(self) -> None:
        """Free the checkout. Safe to repeat. The error of a failing close is dropped, because it frees the lock too
        and must not replace the ending of the attempt."""
        if self.slot is not None:
            with contextlib.suppress(OSError):
                self.slot.close()


class Claims:
    """Claims jobs for the sessions of one process, one after the other. Not thread-safe."""

    def __init__(
        self, queue: SpoolQueue, steps: Steps, clock: Clock, *, pools: frozenset[Pool], max_parallel_plans: int
    ):
        self._queue = queue
        self._steps = steps
        self._pools = pools
        self._runtimes = sorted({pool.runtime for pool in pools})
        self._max_parallel_plans = max_parallel_plans
        self._predecessors = Predecessors(queue, clock)
        #: What people and providers asked of the workers, as of the last look.
        self.requests = control.Requests(queue.spool, clock)
        #: Whether the last look met no obstacle.
        self._was_free = False
        self._slot: Slot | None = None
        #: Why the checkout cannot be locked at all, as the latest try found.
        self._unlockable: LockTrouble | None = None

    def obstacle(self) -> Obstacle | None:
        """The pause, cool-down or full disk that keeps this session from claiming; None when it may claim."""
        stop = self.requests.stop_for(*self._runtimes)
        if stop is not None:
            return Obstacle(f"{stop.kind}:{stop.text()}", stop.text())
        root = self._queue.spool.root
        free = shutil.disk_usage(root).free
        if free < MIN_FREE_BYTES:
            return Obstacle("disk", f"only {free // 1024} KiB are free on the disk of {root}")
        return None

    def take(
        self,
        owner: str,
        give_back: Callable[[Token, Ending], object],
        leaving: Callable[[], str | None] = lambda: None,
    ) -> Claimed | Obstacle | None:
        """The next ready job, claimed for ``owner``; None when there is none that may be taken.

        ``leaving`` tells why the session takes no more jobs, or None. `obstacle` and ``leaving`` are asked before the
        rename and again after it, because the process may be suspended in between. When the second answer is an
        obstacle, the claimed job goes back by ``give_back`` and the obstacle is returned. On a shared spool an
        `obstacle` that was looked for within the last second is not looked for again.

        Raises OSError when the spool cannot be read. Raises LockTrouble when the checkout, which the job of every
        plan needs, cannot be locked at all, and no job without a plan was ready.
        """
        self._unlockable = None
        before = self._why_not(leaving)
        if before is not None:
            return before
        try:
            token = self._queue.claim(owner, self._pools, lambda token: self._may(token, owner))
            if token is None:
                if self._unlockable is not None:
                    raise self._unlockable
                return None
            after = self._why_not(leaving)
            if after is None:
                slot, self._slot = self._slot, None
                return Claimed(token, slot)
        finally:
            self._free_slot()
        give_back(token, Ending(End.RELEASED, reason=after.text))
        return after

    def _why_not(self, leaving: Callable[[], str | None]) -> Obstacle | None:
        why = leaving()
        if why is not None:
            return Obstacle("leaving", why)
        if self._was_free and self.requests.recent() is not None:
            return None
        found = self.obstacle()
        self._was_free = found is None
        return found

    def _may(self, token: Token, owner: str) -> bool:
        """Whether ``token`` may be claimed for ``owner``. `SpoolQueue.claim` asks this of one token after the other.

        While an agent of an earlier attempt may live, the job stays queued. This is asked before the claim, and not
        at the start again, because no such agent begins to live in between. So no attempt is used up by waiting.

        The job of a plan needs a slot of the checkout, which is taken here. The slot of the token before, which was
        not claimed after all, is let go first. A plan that cannot be read and a checkout that cannot be locked refuse
        this token only.
        """
        self._free_slot()
        target = target_of(token.job_id)
        try:
            if self._predecessors.hindrance(token, by=owner) is not None:
                return False
            if target is None:
                return True
            if self._steps.hindrance(target) is not None:
                return False
            for k in range(self._max_parallel_plans):
                try:
                    self._slot = self._queue.spool.slot("checkout", k)
                except LockTrouble as error:
                    self._unlockable = error
                    continue
                if self._slot is not None:
                    return True
        except SpoolError:
            raise
        except (OSError, WfError) as error:
            self._queue.troubles(Trouble.of(self._queue.spool.path("queued", token.name), error))
        return False

    def _free_slot(self) -> None:
        if self._slot is not None:
            self._slot.close()
            self._slot = None
