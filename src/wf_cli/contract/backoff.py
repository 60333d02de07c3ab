"""How long a failed job waits. The configuration has it, so it is apart from what `wf_cli.contract.retry` needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wf_cli.frozen import frozen

if TYPE_CHECKING:
    import random

#: A job that its provider refused this many times becomes a dead letter, where the configuration says nothing else.
#: Their pauses grow to ten minutes or an hour, so this takes more than a month. A limit is no fault of the job.
MAX_PARKED = 10_000


@frozen
class RetryPolicy:
    """Back-off: ``base * factor**(n-1)`` seconds at most ``cap``; full jitter draws from 0 to that."""

    base_s: float = 10.0
    factor: float = 2.0
    cap_s: float = 300.0
    jitter: bool = True
    #: How often a provider may refuse a job before it becomes a dead letter.
    max_parked: int = MAX_PARKED

    def delay(self, burned: int, rng: random.Random) -> float:
        """Seconds to wait after the ``burned``-th failure (1 is the first)."""
        ceiling = min(self.cap_s, self.base_s * self.factor ** min(max(0, burned - 1), 64))
        return rng.uniform(0, ceiling) if self.jitter else ceiling
