"""Ends the attempts of dead sessions, and stops the agents that they left running on this host.

Every worker does this for all sessions, and any number of workers may do it at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from wf_cli import fsio
from wf_cli.attempt import kept as kept_exits
from wf_cli.attempt.end import Ends
from wf_cli.attempt.steps import Steps
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.identity import target_of
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token, mark, parse_mark
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Reaped
from wf_cli.runtimes.process import strays
from wf_cli.spool import exits, lease, scan, session
from wf_cli.spool.exits import KeptExit
from wf_cli.spool.liveness import GONE, Observer, Verdict
from wf_cli.spool.patience import Patience
from wf_cli.spool.session import Agent
from wf_cli.spool.troubles import EachItem, Trouble


class Reaper:
    """One observer's rounds. Not thread-safe: call it from one loop."""

    def __init__(
        self,
        queue: SpoolQueue,
        clock: Clock,
        events: EventSink,
        *,
        me: str,
        steps: Steps | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ):
        """``steps`` judge what agents of dead workers had finished; without them such jobs of plans run again."""
        self._queue = queue
        self._steps = steps
        self._ends = Ends(queue, clock, events, say)
        #: By the attempt's mark, the agents that had ended by themselves when their sessions were gone.
        self._finished: dict[str, tuple[Agent, KeptExit]] = {}
        self._events = events
        self._me = me
        self._observer = Observer(queue.spool, clock)
        self._patience = Patience(clock)

    def round(self) -> list[Reaped]:
        """End the attempts of every session that is proven dead or was seen silent for its whole lease.

        The verdict is published before it is used, so that a session that lives all the same learns of it.
        """
        evidence: dict[str, str] = {}
        self._finished.clear()

        def gone(owner: str) -> str:
            if owner not in evidence:
                verdict = self._observer.verdict(owner)
                evidence[owner] = self._give_up(owner, verdict) if verdict in GONE else ""
            return evidence[owner]

        reaped = self._queue.reap(gone, by=self._me, kept=self._kept)
        for one in reaped:
            if mark(one.token) in self._finished:
                with contextlib.suppress(OSError):  # It is removed with the session's file otherwise.
                    exits.discard(self._queue.spool, one.token)
        return reaped

    def _kept(self, token: Token) -> Ending | None:
        """How the attempt of a dead session ends, as far as its agent's exit tells."""
        found = self._finished.get(mark(token))
        if found is None:
            return None
        agent, kept = found
        ending = kept_exits.ending(token, target_of(token.job_id), kept, agent, self._steps)
        return None if ending is None else self._ends.told(token, ending)

    def bury(self) -> None:
        """Remove the leases of dead sessions that have no tokens any more, and end what they left running here: the
        agent of a cancelled attempt, say. Housekeeping, to be done seldom."""
        busy = scan.busy_owners(self._queue.spool)
        each = EachItem(self._queue.troubles)
        for owner in session.owners(self._queue.spool):
            if owner == self._me or owner in busy:
                continue
            verdict = self._observer.verdict(owner)
            if verdict in (Verdict.DEAD, Verdict.EXPIRED):
                path = lease.path_of(self._queue.spool, owner)
                with each.stepping(path):
                    if not fsio.exists(path):
                        continue
                    self._observer.publish(owner, verdict, by=self._me)
                    self._stop_agents(owner)
                    fsio.unlink_quietly(path)
                    self._observer.forget(owner)
        each.finish()

    def _give_up(self, owner: str, verdict: Verdict) -> str:
        """Publish the verdict, and end what the session left on this host. Returns the evidence that stands."""
        evidence = self._observer.publish(owner, verdict, by=self._me).evidence
        self._stop_agents(owner)
        self._events.emit("job.stalled", owner=owner, reason=f"its session is gone: {evidence}")
        return evidence

    def _stop_agents(self, owner: str) -> None:
        try:
            record = session.load(self._queue.spool, owner)
        except OSError as error:
            if not self._patience.is_over(owner):
                raise
            self._queue.troubles(Trouble.of(self._queue.spool.path("sessions", f"{owner}.json"), error))
            return
        if record is None:
            return
        for agent in record.agents:
            named = parse_mark(agent.mark)
            if named is None or named[2] != owner:
                continue  # Foreign hands name the agent of another session.
            if record.on_this_host:
                # The agent's launcher has ended it already, unless the worker lives or the launcher was killed too.
                strays.kill_recorded(agent.pid, agent.start, agent.mark)
            # Looked for now, because a launcher that was asked to end tells whether its agent had ended before that.
            kept = exits.read(self._queue.spool, agent)
            if kept is not None:
                self._finished[agent.mark] = (agent, kept)
