"""The session that makes attempts: its file, its lease, and the beat that goes on beside its work.

A session is opened in one order. Repairs come first, because they look at every job and may take long. Then the lease
is created, which is its first beat. From then on the main loop ticks often, and announces work that may take long
(`Session.working`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from wf_cli.attempt import trouble
from wf_cli.attempt.lasting import Lasting
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.token import Token, mark
from wf_cli.errors import WfError
from wf_cli.proc import ProcessRef
from wf_cli.spool import judgement, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.lease import LONGEST_WORK, Lease
from wf_cli.spool.patience import Patience
from wf_cli.spool.session import Agent, SessionFile, SessionRecord
from wf_cli.spool.suspicion import Suspicions
from wf_cli.spool.troubles import SayOnce

_REPAIR = "cannot repair the spool"


class Session:
    """An open session. One thread, its main loop, calls `tick` often; the other methods may be called from any."""

    def __init__(
        self,
        spool: Spool,
        record: SessionRecord,
        *,
        clock: Clock,
        events: EventSink,
        say: Callable[[str], None],
        on_lost: Callable[[], None] = lambda: None,
        reason: str | None = None,
        has_worked: Callable[[], bool] = lambda: True,
    ):
        """Begin the session. A session that ends and of which ``has_worked`` says no leaves no file, because nothing
        in the spool names it."""
        self.owner = record.owner
        self._has_worked = has_worked
        self._spool = spool
        self._runtime = record.runtime
        self._events = events
        self._on_lost = on_lost
        self._patience = Patience(clock)
        self._suspicions = Suspicions(clock, record.lease_seconds)
        self._say_once = SayOnce(say)
        self._lasting = Lasting(say)
        self.repair()
        self.file = SessionFile(spool, record)
        try:
            self._lease = Lease(spool, record.owner, record.lease_seconds, clock, self._lease_lost)
        except BaseException:
            self.say_state("stopped")
            raise
        for event in ("lease.acquired", "worker.started"):
            events.emit(event, owner=record.owner, runtime=record.runtime, reason=reason)

    @property
    def lost(self) -> str | None:
        """Why the lease is lost; None while it is held."""
        return self._lease.lost

    def tick(self) -> None:
        """Tell the lease that the main loop is alive."""
        self._lease.tick()

    def working(self, what: str, limit_s: float = LONGEST_WORK) -> AbstractContextManager[None]:
        """A block in which the main loop does ``what``. The beat goes on in it for ``limit_s`` without a tick."""
        return self._lease.working(what, limit_s)

    def sign_on(self, token: Token, process: ProcessRef, baseline: str | None) -> None:
        """Record in the session's file that ``process`` works on the attempt, and its ``baseline``.

        The record is durable when this returns. A reaper that finds this session dead kills ``process`` and every
        process that carries the attempt's mark. OSError when the file cannot be written. When that lasts
        (`Patience`), the lease is given up, because this session can start no agent and the next has another file.
        """
        try:
            self.file.add_agent(
                Agent(token.job_id, token.attempt, mark(token), process.pid, process.start or None, baseline=baseline)
            )
        except OSError as error:
            if self._patience.is_over(self.owner):
                self._lease.give_up(f"cannot write its file: {error.strerror or error}")
            raise
        self._patience.works(self.owner)

    def sign_off(self, token: Token, *, later: bool = False) -> None:
        """Remove the attempt from the session's file. The record stays when the disk refuses that, which is harmless
        because its processes are gone. With ``later`` the next `sign_on` does it, or `settle`."""
        if all(agent.mark != mark(token) for agent in self.file.record.agents):
            return
        with contextlib.suppress(OSError, WfError):
            self.file.remove_agent(mark(token), later=later)

    def settle(self) -> None:
        """Write what was left for later, because no attempt begins now."""
        with contextlib.suppress(OSError, WfError):
            self.file.write_what_is_new()

    def say_state(self, state: str) -> None:
        """Write the session's state for others to see. They see the old state when the disk refuses that."""
        with contextlib.suppress(OSError, WfError):
            self.file.set_state(state)

    @property
    def repair_every_s(self) -> float:
        """Seconds after which `repair_again` may have something to do."""
        return self._suspicions.every_s

    def repair_again(self) -> None:
        """Look again at the jobs that looked wrong and were not repaired yet, because listings can be old here."""
        if self._suspicions.jobs:
            self.repair()

    def repair(self) -> None:
        """Do the safe repairs as far as the disk allows. Trouble with them is said and does not stop the session."""
        self._suspicions.look_again()
        try:
            verify.repair(self._spool, on_trouble=self._say_once, suspicions=self._suspicions)
        except (OSError, WfError) as error:
            self._spool.assert_same()
            line = f"{_REPAIR}: {trouble.told(error)}; `wf spool verify` tells more"
            self._lasting.met(_REPAIR, error, line)
        else:
            self._lasting.over(_REPAIR)

    def look_for_verdict(self) -> None:
        """Give the lease up when others have judged this session to be gone: its attempts are theirs to end.

        OSError when that cannot be told, which ends nothing.
        """
        verdict = judgement.standing(self._spool, self.owner)
        if verdict is not None:
            self._lease.give_up(f"judged: {verdict.evidence}")

    def close(self, reason: str) -> None:
        """End the session in an orderly way, as far as the disk allows.

        A lease that cannot be removed is beaten no more, so others see it expire.
        """
        self.say_state("stopped")
        with contextlib.suppress(OSError):
            self._lease.release()
        self._events.emit("worker.stopped", owner=self.owner, reason=self.lost or reason)
        if not self._has_worked() and not self.lost:
            self.file.remove()

    def _lease_lost(self, reason: str) -> None:
        self._events.emit("lease.lost", owner=self.owner, runtime=self._runtime, reason=reason)
        self._on_lost()
