"""Plan steps, as an attempt sees them: a Protocol, so that no attempt depends on the workflow."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Token


class Opening(StrEnum):
    """The answer of a plan to a job that is about to start."""

    #: The plan is in the phase that the job works in; the opening may have put it there.
    GO = "go"
    #: The job's check holds already, after a crash that followed the work. The job succeeds without an agent.
    DONE = "done"
    #: The plan has moved on, so the job is superseded. One that is away or behind raises Absent instead.
    SUPERSEDED = "superseded"


class Steps(Protocol):
    """What attempts ask of plans. Every answer is read from the plan's files, never from an agent."""

    def hindrance(self, target: Target) -> str | None:
        """Why jobs of this plan are not to be claimed now (its epic is paused, say), or None."""
        ...

    def opening(self, target: Target) -> AbstractContextManager[tuple[Opening, str]]:
        """Hold the plan's lock, and make the phase change that opens the job if it is due. Gives the verdict and why.

        Raises Temporary when that cannot be decided now (Absent for a plan that is away or behind in the checkout),
        and StateError for a state that tells nothing.
        """
        ...

    def prepare(self, target: Target) -> None:
        """Run a review's strict checks, where configured. Called between the start and the agent, without locks."""
        ...

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        """The agent's prompt, with the errors of the attempt before. With ``resumed`` it holds only those errors."""
        ...

    def baseline(self, target: Target) -> str | None:
        """The checkout before a step that has to change it; None for other steps, or when it cannot be read."""
        ...

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        """The failure of a step that had to change the checkout and has not since ``baseline``.

        None when it has, or when that cannot be told. It may take long, so it must not be called under locks.
        """
        ...

    def doubt(self, target: Target) -> str | None:
        """Why the latest `idle` of the plan's job could not tell whether anything has changed; None when it could."""
        ...

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        """What the plan still lacks for the job to count as done; None when the job is done.

        ``idle`` is the result of `idle`. A step that its agent did not hand over fails with ``idle`` when that is
        given; otherwise the step is handed over for the agent here.
        """
        ...
