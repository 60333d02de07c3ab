"""The request of an editor for one job: from which pools, how long to wait, and how long the agent may be idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wf_cli import routing
from wf_cli.contract import nearest
from wf_cli.contract.token import Pool, is_word
from wf_cli.errors import NotFound, UsageError
from wf_cli.frozen import frozen
from wf_cli.proc import ProcessRef

if TYPE_CHECKING:
    from wf_cli.config.model import Config

#: Seconds without a sign of life from the agent after which its job is given back.
IDLE = 1800.0


@frozen
class Request:
    """A request for one job of these pools, to be found within ``wait_s`` seconds and held while ``editor`` runs."""

    runtime: str
    roles: tuple[str, ...]
    editor: ProcessRef
    wait_s: float = 0.0
    idle_s: float = IDLE

    @property
    def pools(self) -> frozenset[Pool]:
        return frozenset(Pool(role, self.runtime) for role in self.roles)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"editor": list(self.editor)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Request:
        return cls(**(value | {"roles": tuple(value["roles"]), "editor": ProcessRef(*value["editor"])}))


def roles_of(config: Config, runtime: str, named: Sequence[str]) -> tuple[str, ...]:
    """The roles to serve: those ``named``, or all that are routed to ``runtime``. Raises NotFound, UsageError."""
    if runtime not in config.runtimes:
        hint = nearest.hint(runtime, config.runtimes, otherwise="configured")
        raise NotFound(f"there is no runtime {runtime!r}", hint=f"{hint}; add a new one under runtimes: in wf.config")
    roles = tuple(dict.fromkeys(named)) or routing.roles_for(runtime, config.runtime_of_role)
    wrong = next((role for role in roles if not is_word(role)), None)
    if wrong is not None:
        raise UsageError(f"{wrong!r} is no role", hint="[a-z0-9-], for example plan-coder")
    if not roles:
        raise UsageError(f"no role is routed to {runtime}", hint="name one with --role")
    return tuple(roles)
