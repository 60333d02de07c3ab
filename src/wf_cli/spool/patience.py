"""How long a file that cannot be read or written is waited for, before work goes on without it.

Most errors of a disk pass. Some do not: GlusterFS answers EIO for good for a file whose replicas differ. So whoever
can do without a file waits for it first, and does without it in the end.
"""

from __future__ import annotations

from wf_cli.clock import Clock

#: Seconds. Longer than a server takes to restart, or a mount to connect again.
SECONDS = 60.0


class Patience:
    """The failures of one observer, by name. Not thread-safe, and losing a note of a failure only waits longer."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._since: dict[str, float] = {}

    def is_over(self, name: str) -> bool:
        """``name`` has failed once more: whether it has failed for so long that it is to be done without."""
        now = self._clock.monotonic()
        return now - self._since.setdefault(name, now) >= SECONDS

    def works(self, name: str) -> None:
        """``name`` can be used."""
        self._since.pop(name, None)
