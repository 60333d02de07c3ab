"""Time as an argument: wall time for records, monotonic time for every decision (invariant 6)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Protocol

from wf_cli.errors import UsageError


class Clock(Protocol):
    """The clock that code gets as an argument."""

    def now_ms(self) -> int:
        """Wall clock, milliseconds since 1970. For records and ready times only; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back and go on while the host is suspended, where it can be had."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        ...


class SystemClock:
    """The machine's clocks."""

    # On Linux CLOCK_BOOTTIME goes on while a laptop sleeps, and CLOCK_MONOTONIC stands still. The observer of a
    # lease has to notice that it slept (spool/liveness.py).
    _id = getattr(time, "CLOCK_BOOTTIME", None)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic() if self._id is None else time.clock_gettime(self._id)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def iso(ms: int) -> str:
    """RFC 3339 UTC with milliseconds: ``2026-11-22T08:00:00.000Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def iso_date(ms: int) -> str:
    """The UTC date, ``YYYY-MM-DD``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def parse_iso_ms(text: str) -> int | None:
    """Milliseconds of an RFC 3339 time, or None when it is not one."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


#: Seconds of the units of `_DURATION`, in its order.
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
#: Units from the longest to the shortest, each at most once, so that `1m1m` and `30m1h` are typing errors.
_DURATION = re.compile("".join(rf"(?:([0-9]+(?:\.[0-9]+)?){unit})?" for unit in ("d", "h", "m(?!s)", "s", "ms")))


def parse_duration(text: str) -> float:
    """Seconds of ``500ms 10s 15m 2h 7d 1h30m``; raises UsageError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or match.lastindex is None:
        raise UsageError(f"{text!r} is not a duration", hint="write it like 500ms, 10s, 15m, 2h, 7d or 1h30m")
    return sum(float(number) * unit for number, unit in zip(match.groups(), _UNITS, strict=True) if number)


def format_duration(seconds: float) -> str:
    """Short text for people: ``3.2s``, ``4m10s``, ``2h05m``, ``3d``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 2 * 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d"
