"""The clocks of an attempt, as arithmetic without processes and waiting."""

from __future__ import annotations

from typing import Literal

from wf_cli.runtimes.base import Limits

#: Seconds between two looks above which the worker was not watching, because the host slept or this process stood
#: still. Such time is not counted as the agent's silence.
UNWATCHED = 20.0

Expiry = Literal["startup", "stall", "max_runtime", "after_result"]


class Deadlines:
    """Says which limit is exceeded. Times are of one monotonic clock, in seconds.

    ``startup`` counts from the start to the first sign of life, ``stall`` from the last one, ``max_runtime`` from the
    start, ``after_result`` from the moment the agent said that it was done. None of them counts a time in which
    `expired` was not called for `UNWATCHED` seconds.
    """

    def __init__(self, limits: Limits, now: float, *, speaks_first: bool = True, result_grace_s: float | None = None):
        self._limits = limits
        self._result_grace = limits.grace_s if result_grace_s is None else result_grace_s
        self._start = self._sign = self._looked = now
        self._done: float | None = None
        self._silent_so_far = speaks_first

    def sign_of_life(self, now: float) -> None:
        """The agent printed something."""
        self._silent_so_far = False
        self._sign = now

    def finished(self, now: float, *, finished: bool) -> None:
        """The agent says that it is done, or, after all, that it is not."""
        if not finished:
            self._done = None
        elif self._done is None:
            self._done = now

    def expired(self, now: float) -> Expiry | None:
        """The limit that is exceeded now."""
        gap = now - self._looked
        self._looked = now
        if gap > UNWATCHED:
            self._shift(gap)
        if self._done is not None:
            return "after_result" if now - self._done >= self._result_grace else None
        if now - self._start >= self._limits.max_runtime_s:
            return "max_runtime"
        if self._silent_so_far:
            return "startup" if now - self._start >= self._limits.startup_s else None
        return "stall" if now - self._sign >= self._limits.stall_s else None

    def _shift(self, gap: float) -> None:
        self._start += gap
        self._sign += gap
        if self._done is not None:
            self._done += gap
