"""What becomes of twins: claimed tokens whose attempt another claim started (`wf_cli.spool.started`)."""

from __future__ import annotations

from wf_cli.clock import Clock
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.queue.report import Report
from wf_cli.spool import attempt, liveness, started
from wf_cli.spool.layout import Spool
from wf_cli.spool.started import Start

#: Seconds that a twin waits before somebody may claim it again. By then its attempt may have an outcome to follow.
TWIN_DELAY = 30


class Twins:
    """Tells twins from other tokens, and puts them back. On ``local`` there are none, and no file is read."""

    def __init__(self, spool: Spool, clock: Clock, report: Report):
        self._spool = spool
        self._clock = clock
        self._report = report

    def whose(self, token: Token, ending: Ending, *, by: str) -> Start | None:
        """The start that keeps ``ending`` from becoming the outcome of the attempt of ``token``; None when it may.

        Only the claim that started an attempt, or an operator who cancels the job, may end it. OSError when that
        cannot be told.
        """
        if ending.started_ms is not None or (ending.end is End.CANCELLED and by != token.owner):
            return None
        return started.start_of_another(self._spool, token)

    def lost(self, start: Start) -> Ending | None:
        """How the attempt ends when the session that started it is known to be gone; else None."""
        why = liveness.known_gone(self._spool, start.owner)
        if not why:
            return None
        whose = f"the session {start.owner}" if start.owner else "the session that started it"
        return Ending(End.LOST, failure=Failure("lost", f"{whose} is gone: {why}"))

    def give_back(self, token: Token, start: Start) -> None:
        """Put the twin back into ``queued/``. The caller holds the fence."""
        time_ms = self._clock.now_ms() + TWIN_DELAY * 1000
        if attempt.give_back(self._spool, token, time_ms, TWIN_DELAY):
            starter = start.owner or "another session"
            reason = f"attempt {token.attempt} was started by {starter} under another token of this job"
            self._report.emit("job.released", token, from_="claimed", to="queued", reason=reason)
