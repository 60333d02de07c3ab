"""A clock that moves only when a test says so."""

from __future__ import annotations

#: Some moment in November 2025, with the 13 digits that token names have.
START_MS = 1_764_000_000_000


class FakeClock:
    """Implements `wf_cli.clock.Clock`. ``sleep`` moves time and returns at once."""

    def __init__(self, now_ms: int = START_MS, monotonic: float = 1000.0):
        self._now_ms = now_ms
        self._monotonic = monotonic

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._now_ms += round(seconds * 1000)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock, forwards or backwards; no time passes."""
        self._now_ms += round(seconds * 1000)
