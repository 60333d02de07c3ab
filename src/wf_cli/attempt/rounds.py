"""The duties that a session repeats. Each has its own interval and its own try.

Most duties look at files of other sessions. One bad file among them stops neither the other duties nor claiming,
because the trouble of a duty is only said, once and again when it is over, and the duty is tried again in its next
round. An outage of the spool meets most duties, and is said once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wf_cli.attempt import trouble
from wf_cli.attempt.lasting import Lasting
from wf_cli.attempt.outage import Outage
from wf_cli.attempt.reaper import Reaper
from wf_cli.attempt.session import Session
from wf_cli.attempt.steps import Steps
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.errors import SpoolError, SpoolMissing, WfError
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Reaped
from wf_cli.spool import place

#: Seconds between rounds. ``REAP_EVERY`` decides how fast a crash on this host is noticed. It must be short enough to
#: see the shortest leases expire (`liveness.SHORTEST_GAP`).
REAP_EVERY = 0.5
SWEEP_EVERY = 2.0
RECONCILE_EVERY = 5.0
BURY_EVERY = 30.0
PLACE_EVERY = 30.0
#: At most, while the spool cannot be used, so that the end of the outage is noticed.
OUTAGE_EVERY = 1.0
#: A duty that is due so soon is done together with one that is due now, so that an idle session wakes up less often.
TOGETHER = 0.1


@dataclass(slots=True)
class _Duty:
    name: str
    every: Callable[[], float]
    do: Callable[[], object]
    due: float = 0.0


class Rounds:
    """The duties of one session. Not thread-safe: the session's main loop calls `do_due`, which does them."""

    def __init__(self, session: Session, clock: Clock, say: Callable[[str], None], outage: Outage | None = None):
        self._session = session
        self._clock = clock
        self._say = say
        self._outage = outage or Outage(say)
        self._lasting = Lasting(say)
        self._duties: list[_Duty] = []

    def every(self, seconds: float | Callable[[], float], name: str, do: Callable[[], object]) -> None:
        """Add a duty: ``do`` is due at once, and again ``seconds`` after each time. A callable is asked each time."""
        self._duties.append(_Duty(name, seconds if callable(seconds) else lambda: seconds, do))

    def for_others(
        self, queue: SpoolQueue, events: EventSink, say_reaped: Callable[[Reaped], None], steps: Steps
    ) -> Reaper:
        """Add the duties that every session has.

        They carry staged jobs on, end the attempts of dead sessions, notice a verdict on this session, and notice a
        spool that vanished, was replaced, or came to lie in a synced folder (`do_due` raises SpoolError then).
        """
        reaper = Reaper(queue, self._clock, events, me=self._session.owner, steps=steps, say=self._say)

        def reap() -> None:
            for reaped in reaper.round():
                say_reaped(reaped)

        self.every(SWEEP_EVERY, "look at VERSION", queue.spool.assert_same)
        self.every(PLACE_EVERY, "look at the place", lambda: place.assert_not_synced(queue.spool.root))
        self.every(SWEEP_EVERY, "look for a verdict", self._session.look_for_verdict)
        self.every(self._session.repair_every_s, "repair", self._session.repair_again)
        self.every(SWEEP_EVERY, "sweep", queue.sweep)
        self.every(REAP_EVERY, "reap", reap)
        self.every(SWEEP_EVERY, "log", events.rest)
        return reaper

    def do_due(self) -> None:
        """Do the due duties; the lease is beaten meanwhile. Raises SpoolError when the spool can be used no more."""
        now = self._clock.monotonic()
        if all(now < duty.due for duty in self._duties):
            return
        for duty in self._duties:
            if now >= duty.due - TOGETHER:
                duty.due = self._clock.monotonic() + duty.every()
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
            if self._outage.met(duty.name, error):
                duty.due = min(duty.due, self._clock.monotonic() + OUTAGE_EVERY)
            else:
                line = f"{duty.name}: {trouble.told(error)}; trying again every {duty.every():g} s"
                self._lasting.met(duty.name, error, line)
        else:
            self._outage.over(duty.name)
            self._lasting.over(duty.name)


def _is_another_spool(error: Exception) -> bool:
    """Whether the spool is gone or replaced. A spool that cannot be read now counts as the same."""
    if isinstance(error, SpoolMissing):
        return True
    return isinstance(error, SpoolError) and not isinstance(error.__cause__, OSError)
