"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], deadline_s: float = 30.0, what: str = "the condition") -> None:
    """Return as soon as ``condition()`` is true; AssertionError after ``deadline_s`` (a hang)."""
    end = time.monotonic() + deadline_s
    pause = 0.0005
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not become true within {deadline_s:g} s")
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
