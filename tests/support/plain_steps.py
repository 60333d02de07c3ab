"""Plan steps without plans: an attempt needs no workflow to be tested."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from wf_cli.attempt.steps import Opening
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Token


@dataclass
class PlainSteps:
    """Implements `wf_cli.attempt.steps.Steps`: answers what it is told, and remembers what was opened."""

    answer: tuple[Opening, str] = (Opening.GO, "it is due")
    paused: str | None = None
    checkout: str | None = "git:now"
    opened: list[Target] = field(default_factory=list)

    def hindrance(self, target: Target) -> str | None:
        return self.paused

    @contextlib.contextmanager
    def opening(self, target: Target) -> Iterator[tuple[Opening, str]]:
        self.opened.append(target)
        yield self.answer

    def prepare(self, target: Target) -> None:
        pass

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        return "again" if resumed else "do it"

    def baseline(self, target: Target) -> str | None:
        return self.checkout

    def idle(self, target: Target, baseline: str | None) -> Failure | None:
        return None

    def doubt(self, target: Target) -> str | None:
        return None

    def check(self, target: Target, token: Token, idle: Failure | None = None) -> Failure | None:
        return None
