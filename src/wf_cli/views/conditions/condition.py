"""One condition of work: whether it holds, in a sentence, for which jobs, and the command that changes it."""

from __future__ import annotations

from typing import Any

from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Token
from wf_cli.frozen import frozen


@frozen
class Scope:
    """The jobs that a condition is about: those that have each of the facts given. Without facts: all that wait.

    With ``owner`` only jobs that this session has in hand count, and else only jobs that no session has.
    """

    runtime: str | None = None
    role: str | None = None
    owner: str | None = None
    job_id: str | None = None
    plan_id: str | None = None
    epic_id: str | None = None

    def covers(self, token: Token) -> bool:
        """Whether the job of ``token`` is meant."""
        if token.owner != self.owner:
            return False
        target = target_of(token.job_id)
        facts = (
            (self.runtime, token.pool.runtime),
            (self.role, token.pool.role),
            (self.job_id, token.job_id),
            (self.plan_id, target.plan_id if target is not None else None),
            (self.epic_id, target.epic_id if target is not None else None),
        )
        return all(wanted in (None, fact) for wanted, fact in facts)


@frozen
class Condition:
    """A condition for work to go on. ``holds`` is None when this process cannot tell."""

    name: str
    holds: bool | None
    text: str
    #: The command that changes the condition; None when time or a worker changes it, or only an edit does.
    command: str | None = None
    scope: Scope = Scope()
    #: Whether work fails or is lost while it does not hold. Else work only waits.
    grave: bool = False

    @property
    def told(self) -> str:
        """The sentence and the command, in one line."""
        return f"{self.text}   -> {self.command}" if self.command else self.text

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "holds": self.holds, "text": self.text, "command": self.command}
