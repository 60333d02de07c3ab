"""The values that the queue takes and gives. A lost race is a value (None, False), never an exception."""

from __future__ import annotations

from enum import StrEnum

from wf_cli.contract.identity import Target, job_id_for, own_key
from wf_cli.contract.job import Outcome, Spec
from wf_cli.contract.token import Placed, Token
from wf_cli.frozen import frozen

__all__ = ["Cancelled", "Ended", "Enqueued", "JobRequest", "Placed", "Reaped", "Started"]


@frozen
class JobRequest:
    """A job that somebody wants. ``target`` is set for plan steps, ``key`` for jobs of one's own."""

    role: str
    runtime: str
    key: str | None = None
    target: Target | None = None
    payload: object = None
    priority: int = 5
    max_attempts: int = 3
    delay_s: float = 0.0
    source: str = "cli"

    def spec(self, nonce: str, now_ms: int) -> Spec:
        """The spec of a new job; ContractError when key, role or runtime do not fit the grammar."""
        key = self.target.dedupe_key if self.target is not None else own_key(self.key or "")
        return Spec(
            job_id=job_id_for(key),
            dedupe_key=key,
            nonce=nonce,
            created_ms=now_ms,
            role=self.role,
            runtime=self.runtime,
            target=self.target,
            payload=self.payload,
            priority=self.priority,
            max_attempts=self.max_attempts,
            source=self.source,
        )


@frozen
class Enqueued:
    """The job of a key: new, or there already (``deduped``)."""

    job_id: str
    deduped: bool


class Started(StrEnum):
    """What `start` found."""

    #: The token lies in running/. The caller may spawn this attempt's agent, and no other process ever may.
    GO = "go"
    #: An outcome of this attempt stood already and was rolled forward. The caller spawns nothing.
    ENDED = "ended"
    #: The token is not there any more. The caller spawns nothing.
    GONE = "gone"
    #: The attempt belongs to another claim, which started it under another token. The caller spawns nothing, and its
    #: own token is back in queued/.
    TWIN = "twin"


@frozen
class Ended:
    """The outcome that stands for an attempt, and whether it is the one that was offered."""

    outcome: Outcome
    accepted: bool


@frozen
class Reaped:
    """An attempt that a reaper ended."""

    token: Token
    outcome: Outcome


class Cancelled(StrEnum):
    """What a cancel did."""

    #: It was waiting and is cancelled.
    WAITING = "waiting"
    #: Its attempt's outcome is `cancelled`; the owner will notice and stop its agent.
    ATTEMPT = "attempt"
    #: It had ended before.
    FINISHED = "finished"
    #: There is no such job.
    MISSING = "missing"
