"""The outcome that an ending makes: what the ending says, the retry policy, and what files tell of the attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from wf_cli import ids
from wf_cli.clock import Clock
from wf_cli.contract.backoff import RetryPolicy
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import Ending, decide
from wf_cli.contract.token import Token
from wf_cli.errors import Temporary
from wf_cli.spool import attempt, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.patience import Patience
from wf_cli.spool.troubles import OnTrouble, Trouble


class Offers:
    """Makes the outcomes that a queue offers. Writes nothing."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        policy: Callable[[Token], RetryPolicy],
        rng: random.Random,
        on_trouble: OnTrouble,
    ):
        self._spool = spool
        self._clock = clock
        self._policy = policy
        self._rng = rng
        self._on_trouble = on_trouble
        self._patience = Patience(clock)

    def of(self, token: Token, ending: Ending, *, by: str) -> Outcome:
        """The outcome of the attempt of ``token``. Raises OSError when the disk does not tell what it needs."""
        return decide(
            token,
            self._with_what_its_session_knows(token, ending, by),
            by=by,
            nonce=ids.nonce(),
            now_ms=self._clock.now_ms(),
            policy=self._policy(token),
            previous=self._previous(token),
            rng=self._rng,
            final=self._spool.version.adopts,
        )

    def _previous(self, token: Token) -> Outcome | None:
        if token.attempt <= 1:
            return None
        try:
            return attempt.standing_outcome(self._spool, token.job_id, token.attempt - 1)
        except Temporary:
            return None  # Damaged, and the fence is busy. Only the counts of losses and parkings start again.
        except PermissionError as error:  # Another user's file; the same holds.
            self._on_trouble(Trouble.of(self._spool.outcome_path(token.job_id, token.attempt - 1), error))
            return None

    def _with_what_its_session_knows(self, token: Token, ending: Ending, by: str) -> Ending:
        """The agent's own session and the checkout before it, which the next attempt needs, whoever ends this one.

        The owner knows both, so it never waits for its file. Others do for a while (`Patience`), and raise OSError.
        """
        owner = token.owner or ""
        try:
            agent = session.agent_of(self._spool, token) if ending.end is not End.SUCCEEDED else None
        except OSError as error:
            if by != owner and not self._patience.is_over(owner):
                raise
            self._on_trouble(Trouble.of(self._spool.path("sessions", f"{owner}.json"), error))
            return ending
        self._patience.works(owner)
        if agent is None:
            return ending
        return replace(
            ending,
            session_id=ending.session_id or agent.session_id,
            baseline=ending.baseline or agent.baseline,
        )
