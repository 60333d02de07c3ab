"""Plan steps, as an attempt sees them: a Protocol, so that no attempt depends on the workflow."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Token


class Opening(StrEnum):
    """What a plan says to a job that is about to start."""

    #: Its phase is, or just was made, the one the job works in.
    GO = "go"
    #: The job's check holds already (a crash after the work): succeed without an agent.
    DONE = "done"
    #: The plan has moved on, or is gone: the job is superseded.
    SUPERSEDED = "superseded"


class Steps(Protocol):
    """What jobs do to plans. Everything is decided from the plan's files, never from an agent."""

    def hindrance(self, target: Target) -> str | None:
        """Why jobs of this plan are not to be claimed now (its epic is paused, say), or None."""
        ...

    def opening(self, target: Target) -> AbstractContextManager[tuple[Opening, str]]:
        """Hold the plan's lock, make the phase change that opens the job if it is due; the verdict and why.

        Raises Temporary when that cannot be decided now.
        """
        ...

    def prepare(self, target: Target) -> None:
        """After the start and before the agent, without locks: strict checks of a review, where configured."""
        ...

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        """What the agent is told; the errors of the attempt before are part of it, and ``resumed`` all of it."""
        ...

    def baseline(self, target: Target) -> str | None:
        """The checkout as it is before a step that has to change something; None for other steps, or when it
        cannot be told."""
        ...

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        """Why the step has changed nothing that it had to change since ``baseline``; None when it has, or when that
        cannot be told. May take long: not under locks.
        """
        ...

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        """What the plan still lacks for the job to count as done; None when nothing.

        With ``idle`` (of `idle`) a step that was not handed over has failed by it; else that is done for its agent.
        """
        ...
