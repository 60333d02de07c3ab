"""What every queue of jobs does. `SpoolQueue` is the product; `MemoryQueue` is its model and a test double.

Everything takes and gives values; nothing waits. A lost race is a return value (None, False), never an
exception. Invariant numbers are those of DESIGN section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wf_cli.contract.identity import Target, job_id_for, own_key
from wf_cli.contract.job import Outcome, Spec
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Placed, Pool, Token

__all__ = [
    "Cancelled", "Ended", "Enqueued", "JobRequest", "Placed", "Queue", "Reaped", "Started",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What somebody wants done. ``target`` for plan steps, ``key`` for jobs of one's own."""

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


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The job of a key: new, or there already (``deduped``)."""

    job_id: str
    deduped: bool


class Started(StrEnum):
    """What `start` found."""

    #: The token lies in running/: the caller, and nobody else ever, may spawn this attempt's agent.
    GO = "go"
    #: An outcome of this attempt stood already and was rolled forward: spawn nothing.
    ENDED = "ended"
    #: The token is not there any more: spawn nothing.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Ended:
    """The outcome that stands for an attempt, and whether it is the one that was offered."""

    outcome: Outcome
    accepted: bool


@dataclass(frozen=True, slots=True)
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


class Queue(Protocol):
    """A queue of jobs."""

    def enqueue(self, request: JobRequest) -> Enqueued:
        """Make the job of the request's key, once (invariants 3, 4)."""
        ...

    def enqueue_many(self, requests: Sequence[JobRequest]) -> list[Enqueued]:
        """The same for many, with one sync. A key that stands twice in ``requests`` makes one job."""
        ...

    def claim(self, owner: str, pools: Container[Pool], may: Callable[[Token], bool] = ...) -> Token | None:
        """Begin an attempt of the first ready job of ``pools`` that ``may`` be taken; None when there is none.

        ``may`` is asked just before, and may take a slot. Durable when it returns. Invariant 1.
        """
        ...

    def fence(self, job_id: str) -> AbstractContextManager[None]:
        """Held by whoever takes a token away or changes a plan by it. Raises Temporary when it stays busy."""
        ...

    def start(self, token: Token) -> Started:
        """Move a claimed token to running, under the fence that the caller holds."""
        ...

    def holds(self, token: Token) -> bool:
        """Whether the token still lies where its owner put it (claimed or running)."""
        ...

    def end(self, token: Token, ending: Ending, *, by: str) -> Ended:
        """End an attempt: exactly one ending of it is ever accepted (invariant 2); a refused one is kept
        as late result when ``by`` is the owner. Then the token goes where the standing outcome says."""
        ...

    def reap(self, gone: Callable[[str], bool], *, by: str) -> list[Reaped]:
        """End every attempt whose owner is ``gone``, and finish every step that was left half done."""
        ...

    def cancel(self, job_id: str, *, by: str, reason: str | None = None) -> Cancelled:
        """End a job. After this returned no new attempt of it starts."""
        ...

    def hold(self, job_id: str, *, reason: str | None = None) -> bool:
        """Keep a queued job from being claimed; False when it is not queued."""
        ...

    def unhold(self, job_id: str, *, reason: str | None = None) -> bool:
        """Let a held job be claimed again; False when it is not held."""
        ...

    def retry(self, job_id: str, *, force: bool = False, delay_s: float = 0.0, reason: str | None = None) -> bool:
        """Queue a failed or cancelled job again (with ``force`` a succeeded one too), budget restored."""
        ...

    def gc(self, *, older_s: float, keep_failed: bool = False) -> list[Token]:
        """Put finished jobs away. Their keys stay taken."""
        ...

    def find(self, job_id: str) -> Placed | None:
        """Where a job is; None when it was never enqueued."""
        ...

    def placed(self, statuses: Container[Status] | None = None) -> list[Placed]:
        """All jobs, or those of some stored statuses, the archived ones excluded."""
        ...

    def spec(self, job_id: str) -> Spec | None:
        """What a job is; None when it was never enqueued. Raises ContractError when its file is damaged."""
        ...

    def outcome(self, job_id: str, attempt: int) -> Outcome | None:
        """How an attempt ended; None when it has not, or never was."""
        ...
