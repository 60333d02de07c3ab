"""Who does what: workflow command to role, role to runtime. Pure functions of a routing table.

A routing table maps role to runtime name (``Config.runtime_of_role``). Roles and their capabilities are those of the
step table, `wf_cli.contract.step`.
"""

from __future__ import annotations

from collections.abc import Mapping

from wf_cli.contract.step import EPIC_STEPS, STEPS, all_roles, role_of
from wf_cli.errors import ConfigError, ContractError


def role_for(command: str) -> str:
    """The role that carries out ``command``; ContractError for a command that is no job."""
    role = role_of(command)
    if role is None:
        raise ContractError(f"{command!r} is not a step", hint=f"one of {', '.join([*EPIC_STEPS, *STEPS])}")
    return role.name


def runtime_for(role: str, routing: Mapping[str, str]) -> str:
    """The runtime of ``role``, or else of the role that it is like; ConfigError when it is sent nowhere."""
    known = all_roles().get(role)
    try:
        return routing[role if role in routing or known is None or known.like is None else known.like]
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
    """What a job of ``role`` may do to a plan; nothing for a role outside plans."""
    known = all_roles().get(role)
    return known.may if known is not None else frozenset()
