"""What is asked just before a claim's rename."""

from __future__ import annotations

from wf_cli.attempt.steps import Steps
from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Token
from wf_cli.locks import Slot
from wf_cli.queue.spool_queue import SpoolQueue


class Entrance:
    """Whether a job may be taken now. A job of a plan needs a slot of the checkout, which is taken here.

    `may` is for `Queue.claim`, which asks it for one token after the other: the slot of a token that was not
    claimed after all is let go. `take` hands the slot over to whoever works on the claimed one. Not thread-safe.
    """

    def __init__(self, queue: SpoolQueue, steps: Steps, max_parallel_plans: int):
        self._queue = queue
        self._steps = steps
        self._max_parallel_plans = max_parallel_plans
        self._slot: Slot | None = None

    def may(self, token: Token) -> bool:
        self.close()
        target = target_of(token.job_id)
        if target is None:
            return True
        if self._steps.hindrance(target) is not None:
            return False
        for k in range(self._max_parallel_plans):
            self._slot = self._queue.spool.slot("checkout", k)
            if self._slot is not None:
                return True
        return False

    def take(self) -> Slot | None:
        """The slot of the last token asked about, now the caller's to close."""
        slot, self._slot = self._slot, None
        return slot

    def close(self) -> None:
        """Let go of what nobody took."""
        if self._slot is not None:
            self._slot.close()
            self._slot = None
