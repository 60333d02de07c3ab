"""How an attempt ends. A worker's thread, a keeper and an editor's agent all end their attempts here.

1. The process that worked on the attempt judges it. When an error broke it off, `of_error` makes the ending.
2. The facts learned during the attempt are added (`Known`), whichever way it ends. The next attempt resumes the
   agent's session and proves its change against the same checkout, and the budget counts the cost.
3. The pool's cool-down is written when the provider refused, and removed when it takes requests again (`cooldown`).
   An agent that ended at once without work is weighed (`refusals`). All of this comes before the outcome, because
   the cool-down must be in place once the job is queued again.
4. The outcome is published and the token is moved where it says (`SpoolQueue.end`). Exactly one outcome ever stands.
5. When the disk refuses the outcome, it is offered again until it stands (`Ends.for_certain`), because the work is
   done and must not be lost. The queue recognises the same bytes when they are offered again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from wf_cli import system_errors
from wf_cli.attempt import cooldown, refusals, trouble
from wf_cli.attempt.lasting import Lasting
from wf_cli.attempt.outage import Outage
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.retry import HOST_DELAY, Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.errors import Absent, NotALock, StateError, Temporary, WfError
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Ended
from wf_cli.runtimes.base import CannotStart
from wf_cli.spool import control

#: Seconds that a job waits when it met a busy lock or a plan on which another job is at work.
BUSY_DELAY = 2.0
#: Seconds between two tries to publish an outcome, at first and at most.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 2.0
#: Never set: `wait` on it is a sleep that a test can cut short.
_PAUSE = threading.Event()


@dataclass(slots=True)
class Known:
    """What the process that works on an attempt has learned of it so far."""

    #: When its agent was started; None before that.
    started_ms: int | None = None
    #: The agent's own session.
    session_id: str | None = None
    #: The checkout before the job's first attempt.
    baseline: str | None = None
    usage: dict[str, Any] | None = None
    #: Further facts of the attempt, for readers of its outcome.
    notes: dict[str, Any] = field(default_factory=dict)

    def added_to(self, ending: Ending) -> Ending:
        """``ending``, with these facts where it holds none of its own."""
        return replace(
            ending,
            started_ms=self.started_ms if ending.started_ms is None else ending.started_ms,
            session_id=ending.session_id or self.session_id,
            baseline=ending.baseline or self.baseline,
            usage=ending.usage or self.usage,
            result={**(ending.result or {}), **self.notes} or None,
        )


def of_error(error: Exception) -> Ending:
    """The ending of an attempt that ``error`` broke off. Only an agent's failures and bugs of wf burn the budget."""
    if isinstance(error, CannotStart):
        return ending_of(error.failure())
    if isinstance(error, Absent):
        return Ending(End.RELEASED, reason=error.told, delay_s=BUSY_DELAY)
    if isinstance(error, Temporary):
        return Ending(End.RELEASED, reason=error.message, delay_s=BUSY_DELAY)
    if isinstance(error, WfError) and system_errors.may_pass(error):
        return ending_of(Failure("disk_error", trouble.told(error)))
    if isinstance(error, StateError):  # A person or git left the file so, and a person mends it.
        return Ending(End.RELEASED, reason=error.told, delay_s=HOST_DELAY)
    if isinstance(error, WfError):
        return Ending(End.FAILED, failure=Failure("crashed", error.message))
    if isinstance(error, NotALock):  # It concerns this job alone, and no other host can take this lock either.
        return ending_of(Failure("unreadable", trouble.told(error)))
    if isinstance(error, OSError):
        return ending_of(Failure("disk_error", trouble.told(error)))
    # A bug of wf ends the attempt as failed, because a job without an ending would be claimed again and again.
    return Ending(End.FAILED, failure=Failure("crashed", f"{type(error).__name__}: {error}"[:500]))


class Ends:
    """Ends the attempts of one process. Its methods may be called from any thread."""

    def __init__(
        self,
        queue: SpoolQueue,
        clock: Clock,
        events: EventSink,
        say: Callable[[str], None],
        outage: Outage | None = None,
        requests: control.Requests | None = None,
    ):
        """``requests`` save a look at the pool that was made a moment ago."""
        self._queue = queue
        self._clock = clock
        self._events = events
        self._say = say
        self._outage = outage or Outage(say)
        self._requests = requests

    def once(self, token: Token, ending: Ending, *, by: str) -> Ended:
        """End the attempt. Raises OSError or Temporary when the disk or a busy lock prevents that now."""
        return self._queue.end(token, self.told(token, ending), by=by)

    def for_certain(
        self,
        token: Token,
        ending: Ending,
        *,
        by: str,
        given_up: Callable[[Exception], object],
        each: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Ended:
        """End the attempt, and try again until the disk and the locks allow it.

        Each try and each pause is made in a block of ``each``. ``given_up`` is asked after each failed try, with its
        error. When it says so, this raises that error, and another session ends the attempt.
        """
        with each():
            ending = self.told(token, ending)
        pause, what = FIRST_PAUSE, f"{token.job_id}: cannot write the outcome"
        lasting = Lasting(self._say)
        try:
            while True:
                try:
                    with each():
                        ended = self._queue.end(token, ending, by=by)
                    self._outage.over(what)
                    return ended
                except (OSError, Temporary) as error:
                    if isinstance(error, NotALock) or given_up(error):
                        raise  # What is no lock stays so until a person removes it.
                    if not self._outage.met(what, error):
                        lasting.met(what, error, f"{what}: {trouble.told(error)}; trying again")
                with each():
                    _PAUSE.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            self._outage.left(what)

    def told(self, token: Token, ending: Ending) -> Ending:
        """Tell the pool of ``ending``, which is to be published next; ``ending``, delayed by the pool's cool-down.

        Trouble here is said and does not stop the ending.
        """
        spool, runtime = self._queue.spool, token.pool.runtime
        if ending.failure is None and self._requests is not None:
            known = self._requests.recent()
            if known is not None and known.isdisjoint((refusals.name(runtime), f"cooldown.{runtime}.json")):
                return ending  # The pool has nothing to be told of work that went well.
        try:
            before = self._queue.readable_outcome(token.job_id, token.attempt - 1) if token.attempt > 1 else None
            ending = refusals.weigh(spool, token, ending, before, self._clock, self._events)
            ending = cooldown.park(spool, runtime, ending, self._clock, self._events)
            if ending.end is End.SUCCEEDED and ending.started_ms is not None:
                cooldown.warm_up(spool, runtime, self._clock, self._events)
        except (OSError, WfError) as error:
            # The job waits by its own delay, and the next refused job writes the cool-down.
            if not system_errors.may_pass(error):  # Else the outcome meets the same outage, which is said there.
                self._say(f"{token.job_id}: cannot tell the pool: {trouble.told(error)}")
        return ending
