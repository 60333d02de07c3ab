"""Quantiles of a stream of durations in bounded memory."""

from __future__ import annotations

import math
from collections import Counter

#: Each bucket is wider than the one before by this factor, so a quantile is at most one percent off.
_WIDER = 1.02
_LOG = math.log(_WIDER)
#: Seconds; shorter durations count as this one. The buckets above cover centuries, fewer than 2000 of them.
_SHORTEST = 0.001
_LONGEST = 1e12


class Durations:
    """Durations in seconds, kept as counts in buckets. Smallest, greatest and sum are exact."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.greatest = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """One more. A negative one counts as zero, because it comes from two clocks that differ."""
        seconds = min(max(0.0, seconds), _LONGEST)
        self.count += 1
        self.total += seconds
        self.least, self.greatest = min(self.least, seconds), max(self.greatest, seconds)
        self._buckets[math.floor(math.log(max(seconds, _SHORTEST)) / _LOG)] += 1

    def quantile(self, share: float) -> float | None:
        """The duration that ``share`` (0 to 1) of all do not exceed, at most one percent off; None without any."""
        if not self.count:
            return None
        if share >= 1:
            return self.greatest
        left = max(1, math.ceil(share * self.count))
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                middle = math.exp(_LOG * (bucket + 0.5))
                return min(max(middle, self.least), self.greatest)
        return self.greatest

    def to_json(self) -> dict[str, float | int | None]:
        """Count, median, 95th percentile and maximum, in seconds."""
        known = self.count > 0
        return {
            "count": self.count,
            "p50": _rounded(self.quantile(0.5)),
            "p95": _rounded(self.quantile(0.95)),
            "max": _rounded(self.greatest) if known else None,
        }


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 3) if seconds is not None else None
