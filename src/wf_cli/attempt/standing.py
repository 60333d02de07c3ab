"""Whether an attempt still stands, which means that its token lies where its owner put it.

A look can fail (EIO, ESTALE, a mount that is away). A failed look is no answer, so it is repeated while the agent
goes on. A host that stays cut off from the spool cannot beat either, so its session loses its lease in the end, and
that ends the attempt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from wf_cli import system_errors
from wf_cli.attempt.outage import Outage
from wf_cli.clock import Clock
from wf_cli.contract.token import Token
from wf_cli.errors import Absent, Temporary, WfError
from wf_cli.queue.spool_queue import SpoolQueue

#: Seconds between two looks at the token of a running attempt.
TOKEN_POLL = 0.3
#: Seconds for which a look at a finished agent's work is repeated that fails by an error which may not pass.
LOOK_LIMIT = 30.0
#: The same for a refusal (EACCES). The plan was seen before, so it may pass; only a person mends one that does not.
REFUSED_LIMIT = 600.0
#: Never set: `wait` on it is a sleep that a test can cut short.
_PAUSE = threading.Event()

_T = TypeVar("_T")


class Standing:
    """The standing of one attempt, for the thread that works on it. ``lost`` tells whether the lease was lost."""

    def __init__(self, queue: SpoolQueue, token: Token, *, lost: Callable[[], bool], clock: Clock, outage: Outage):
        self._queue = queue
        self._token = token
        self._lost = lost
        self._clock = clock
        self._outage = outage
        self._next_look = clock.monotonic()

    def over(self) -> str | None:
        """Why the attempt is over; None while it stands, and while the spool cannot be read.

        It looks at the token at most once in `TOKEN_POLL` seconds, however often it is called.
        """
        if self._lost():
            return "the session lost its lease"
        now = self._clock.monotonic()
        if now < self._next_look:
            return None
        self._next_look = now + TOKEN_POLL
        return "the attempt was ended by somebody else" if self._look() is False else None

    def confirmed(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Whether the token was seen just now and the lease is held. A look that fails is repeated.

        False also when the session lost its lease, or is ``stopped``, before a look succeeded.
        """
        while True:
            seen = self._look()
            if seen is not None:
                self._next_look = self._clock.monotonic() + TOKEN_POLL
                return seen and not self._lost()
            if self._lost() or stopped():
                return False
            _PAUSE.wait(TOKEN_POLL)

    def _look(self) -> bool | None:
        what = f"{self._token.job_id}: cannot look at its token"
        try:
            held = self._queue.holds(self._token)
        except OSError as error:
            self._outage.met(what, error)
            return None
        self._outage.over(what)
        return held

    def patiently(self, look: Callable[[], _T], stopped: Callable[[], bool] = lambda: False) -> _T:
        """The result of ``look``, which is repeated when it raises Temporary or an error of the system.

        Its last error is raised once the lease is lost or the session ``stopped``. An error that may pass is waited
        for until then, because the work is done and must not be lost. Any other one is raised after `LOOK_LIMIT`
        seconds, and a refusal after `REFUSED_LIMIT`.
        """
        began = self._clock.monotonic()
        what = f"{self._token.job_id}: cannot check its work"
        try:
            while True:
                try:
                    seen = look()
                    self._outage.over(what)
                    return seen
                except Absent:  # Only a person brings it back, and the job waits for that without a session.
                    raise
                except (OSError, WfError) as error:
                    passes = system_errors.may_pass(error)
                    refused = not passes and system_errors.may_pass(error, was_allowed=True)
                    if not (passes or refused or isinstance(error, OSError | Temporary)):
                        raise
                    limit = REFUSED_LIMIT if refused else LOOK_LIMIT
                    late = not passes and self._clock.monotonic() - began >= limit
                    if self._lost() or stopped() or late:
                        raise
                    self._outage.met(what, error)
                _PAUSE.wait(TOKEN_POLL)
        finally:
            self._outage.left(what)

    def close(self) -> None:
        """The attempt is over, so no look at it fails any more."""
        self._outage.left(f"{self._token.job_id}: cannot look at its token")
