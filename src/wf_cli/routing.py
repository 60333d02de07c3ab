"""Who does what: workflow command to role, role to runtime. Pure functions of a routing table.

A routing table maps role to runtime name (``Config.runtime_of_role``). A role's capabilities are what its
jobs may do to a plan, whatever model stands in the shared session file (DESIGN section 7).
"""

from __future__ import annotations

from collections.abc import Mapping

from wf_cli.errors import ConfigError, ContractError

#: The role whose job a workflow command is. The dispatcher publishes the first four.
ROLE_OF_COMMAND: Mapping[str, str] = {
    "plan": "orchestrator",
    "code": "plan-coder",
    "review": "plan-reviewer",
    "fix": "plan-fixer",
    "finish-code": "plan-coder",
    "done": "plan-reviewer",
    "verify": "plan-reviewer",
}

#: What the jobs of a role may do; roles of one's own outside plans have none.
CAPABILITIES: Mapping[str, frozenset[str]] = {
    "orchestrator": frozenset({"planning"}),
    "plan-coder": frozenset({"coding"}),
    "plan-reviewer": frozenset({"reviewing", "completing"}),
    "plan-fixer": frozenset({"coding", "fixing"}),
}


def role_for(command: str) -> str:
    """The role that carries out ``command``; ContractError for a command that is no job."""
    try:
        return ROLE_OF_COMMAND[command]
    except KeyError:
        steps = ", ".join(ROLE_OF_COMMAND)
        raise ContractError(f"{command!r} is not a step of a plan", hint=f"one of {steps}") from None


def runtime_for(role: str, routing: Mapping[str, str]) -> str:
    """The runtime that ``role`` is sent to; ConfigError when it is sent nowhere."""
    try:
        return routing[role]
    except KeyError:
        raise ConfigError(
            f"routing.{role}.runtime: the role {role} is sent to no runtime",
            hint=f"wf config set routing.{role}.runtime NAME, or --runtime NAME",
            key=f"routing.{role}.runtime",
        ) from None


def roles_for(runtime: str, routing: Mapping[str, str]) -> tuple[str, ...]:
    """The roles that are sent to ``runtime``, in the table's order: what its workers take by default."""
    return tuple(role for role, name in routing.items() if name == runtime)


def capabilities_of(role: str) -> frozenset[str]:
    """What a job of ``role`` may do to a plan."""
    return CAPABILITIES.get(role, frozenset())
