"""What a session does again and again: each duty in its own time, and with its own try.

Most duties look at what other sessions left. One bad file among that keeps nobody from the other duties or from
claiming: the trouble of a duty is said once, and the duty is tried again in its next round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wf_cli.attempt import trouble
from wf_cli.attempt.reaper import Reaper
from wf_cli.attempt.session import Session
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.errors import SpoolError, SpoolMissing, WfError
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Reaped

#: Seconds between rounds. Reaping decides how fast a crash on this host is noticed, and whether the shortest leases
#: are looked at often enough to be seen expiring (`liveness.SHORTEST_GAP`).
REAP_EVERY = 0.5
SWEEP_EVERY = 2.0
RECONCILE_EVERY = 5.0
BURY_EVERY = 30.0


@dataclass(slots=True)
class _Duty:
    name: str
    every_s: float
    do: Callable[[], object]
    due: float = 0.0
    said: str = ""


class Rounds:
    """The duties of one session. Not thread-safe: they are done by the thread that calls `do_due`, its main loop."""

    def __init__(self, session: Session, clock: Clock, say: Callable[[str], None]):
        self._session = session
        self._clock = clock
        self._say = say
        self._duties: list[_Duty] = []

    def every(self, seconds: float, name: str, do: Callable[[], object]) -> None:
        """From now on ``do`` is due at once, and ``seconds`` after each time."""
        self._duties.append(_Duty(name, seconds, do))

    def for_others(self, queue: SpoolQueue, events: EventSink, say_reaped: Callable[[Reaped], None]) -> Reaper:
        """The duties that every session has: staged jobs are carried on, the attempts of dead sessions ended, and a
        spool that vanished or was replaced is noticed (`do_due` raises SpoolError then)."""
        reaper = Reaper(queue, self._clock, events, me=self._session.owner)

        def reap() -> None:
            for reaped in reaper.round():
                say_reaped(reaped)

        self.every(SWEEP_EVERY, "look at VERSION", queue.spool.assert_same)
        self.every(SWEEP_EVERY, "sweep", queue.sweep)
        self.every(REAP_EVERY, "reap", reap)
        return reaper

    def do_due(self) -> None:
        """Do what is due, the lease beaten meanwhile. Raises SpoolError when the spool is not the one any more."""
        now = self._clock.monotonic()
        for duty in self._duties:
            if now >= duty.due:
                duty.due = self._clock.monotonic() + duty.every_s
                with self._session.working(duty.name):
                    self._do(duty)

    def next_s(self) -> float:
        """Seconds until the next duty is due."""
        return max(0.0, min(duty.due for duty in self._duties) - self._clock.monotonic())

    def _do(self, duty: _Duty) -> None:
        try:
            duty.do()
        except (OSError, WfError) as error:
            if _is_another_spool(error):
                raise
            told = trouble.told(error)
            if told != duty.said:
                duty.said = told
                self._say(f"{duty.name}: {told}; trying again every {duty.every_s:g} s")
        else:
            duty.said = ""


def _is_another_spool(error: Exception) -> bool:
    """Whether the spool is gone or replaced. One that cannot be read just now is still the same."""
    if isinstance(error, SpoolMissing):
        return True
    return isinstance(error, SpoolError) and not isinstance(error.__cause__, OSError)
