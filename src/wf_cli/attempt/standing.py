"""Whether an attempt still stands, which means that its token lies where its owner put it.

A look can fail (EIO, ESTALE, a mount that is away). A failed look is no answer, so it is repeated while the agent
goes on. A host that stays cut off from the spool cannot beat either, so its session loses its lease in the end, and
that ends the attempt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from wf_cli.attempt import trouble
from wf_cli.clock import Clock
from wf_cli.contract.token import Token
from wf_cli.errors import Absent, Temporary
from wf_cli.queue.spool_queue import SpoolQueue

#: Seconds between two looks at the token of a running attempt.
TOKEN_POLL = 0.3
#: Seconds for which a failing look at a finished agent's work is repeated. Then the attempt ends without its result.
LOOK_LIMIT = 30.0
#: Never set: `wait` on it is a sleep that a test can cut short.
_PAUSE = threading.Event()

_T = TypeVar("_T")


class Standing:
    """The standing of one attempt, for the thread that works on it. ``lost`` tells whether the lease was lost."""

    def __init__(
        self, queue: SpoolQueue, token: Token, *, lost: Callable[[], bool], clock: Clock, say: Callable[[str], None]
    ):
        self._queue = queue
        self._token = token
        self._lost = lost
        self._clock = clock
        self._say = say
        self._next_look = clock.monotonic()
        self._said = ""

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
                return seen and not self._lost()
            if self._lost() or stopped():
                return False
            _PAUSE.wait(TOKEN_POLL)

    def _look(self) -> bool | None:
        try:
            return self._queue.holds(self._token)
        except OSError as error:
            told = trouble.told(error)
            if told != self._said:
                self._said = told
                self._say(f"{self._token.job_id}: cannot look at its token: {told}; looking again")
            return None

    def patiently(self, look: Callable[[], _T], stopped: Callable[[], bool] = lambda: False) -> _T:
        """The result of ``look``, which is repeated when it raises OSError or Temporary.

        After `LOOK_LIMIT` seconds, or once the lease is lost or the session ``stopped``, its last error is raised.
        """
        deadline = self._clock.monotonic() + LOOK_LIMIT
        while True:
            try:
                return look()
            except Absent:  # Only a person brings it back, and the job waits for that without a session.
                raise
            except (OSError, Temporary):
                if self._lost() or stopped() or self._clock.monotonic() >= deadline:
                    raise
            _PAUSE.wait(TOKEN_POLL)
