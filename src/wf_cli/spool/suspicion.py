"""Which jobs a repair may repair where listings can be old (``shared``): those that looked wrong for a whole lease.

A directory cache (sshfs: 20 s, NFS: up to a minute) may show a job in no directory, or in two, while it is whole. A
repair that trusts one such look starts an attempt twice, or puts a live token away. So a job is only suspected at
first. It may be repaired when each look has found the same fault for a whole lease duration on this process's own
clock. A lease outlasts every cache of the mount, so the last look cannot come from the cache of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wf_cli.clock import Clock

#: Seconds between two looks while jobs are suspected, at most.
LOOK_EVERY = 30.0
#: Looks within one watch, at least.
_LOOKS = 4


@dataclass(slots=True)
class _Suspect:
    fault: str
    since: float
    looked: float


class Suspicions:
    """The suspected jobs of one observer, over its looks. Not thread-safe.

    One look is everything between two calls of `look_again`. ``seconds`` is the duration of a lease.
    """

    def __init__(self, clock: Clock, seconds: float):
        self._clock = clock
        self.seconds = seconds
        self._suspects: dict[str, _Suspect] = {}
        self._seen: set[str] = set()

    @property
    def every_s(self) -> float:
        """Seconds from one look to the next while a job is suspected."""
        return min(LOOK_EVERY, self.seconds / _LOOKS)

    @property
    def jobs(self) -> list[str]:
        """The jobs that are suspected now."""
        return sorted(self._suspects)

    def look_again(self) -> None:
        """A look begins. A job in which the look before found no fault is not suspected any more."""
        self._suspects = {job: suspect for job, suspect in self._suspects.items() if job in self._seen}
        self._seen = set()

    def confirmed(self, job_id: str, fault: str) -> bool:
        """This look finds ``fault`` in the job; whether it may be repaired now.

        The watch starts again when the fault is another one, and after a gap between looks in which this process may
        have been suspended.
        """
        now = self._clock.monotonic()
        suspect = self._suspects.get(job_id)
        if suspect is None or suspect.fault != fault or now - suspect.looked > 2 * self.every_s + 1:
            suspect = self._suspects[job_id] = _Suspect(fault, now, now)
        suspect.looked = now
        self._seen.add(job_id)
        return now - suspect.since >= self.seconds

    def settle(self, pause: Callable[[int, float], None], look: Callable[[], object]) -> None:
        """Repeat ``look`` until no job is left whose watch has not ended.

        ``pause`` is called before each repetition with the number of suspected jobs and the seconds to wait.
        """
        self.look_again()
        look()
        while open_watches := [s for job, s in self._suspects.items() if job in self._seen and self._is_open(s)]:
            pause(len(open_watches), self.every_s)
            self.look_again()
            look()

    def _is_open(self, suspect: _Suspect) -> bool:
        return self._clock.monotonic() - suspect.since < self.seconds
