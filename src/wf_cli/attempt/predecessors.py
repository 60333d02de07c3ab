"""Keeps a job from being claimed while an agent of one of its earlier attempts may live (`spool.predecessors`)."""

from __future__ import annotations

from wf_cli.clock import Clock
from wf_cli.contract.token import Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.runtimes.process import strays
from wf_cli.spool import predecessors
from wf_cli.spool.liveness import GONE, Observer, Verdict

#: Jobs that are remembered to have no predecessor. Forgetting them costs a look.
_REMEMBERED = 10_000


class Predecessors:
    """Looks for the agents of earlier attempts, for the claims of one process. Not thread-safe."""

    def __init__(self, queue: SpoolQueue, clock: Clock):
        self._queue = queue
        self._observer = Observer(queue.spool, clock)
        #: By job, up to which attempt no agent lives. None can begin to, so no second look is needed.
        self._none: dict[str, int] = {}

    def hindrance(self, token: Token, *, by: str) -> str | None:
        """Why the next attempt of a queued ``token`` may not begin yet; None when it may.

        An agent whose session is gone is ended here, which may take some seconds. Raises OSError when the disk does
        not tell.
        """
        if not token.attempt or self._none.get(token.job_id) == token.attempt:
            return None

        def verdict(owner: str) -> Verdict:
            found = self._observer.verdict(owner)
            if found in GONE:
                self._observer.publish(owner, found, by=by)
            return found

        for found in predecessors.living(self._queue.spool, token.job_id, token.attempt, verdict):
            if found.orphaned:
                strays.kill_recorded(found.agent.pid, found.agent.start, found.agent.mark)
            if not found.orphaned or predecessors.lives_here(found.agent):
                return found.text
        if len(self._none) >= _REMEMBERED:
            self._none.clear()
        self._none[token.job_id] = token.attempt
        return None
