"""Command to role, role to runtime."""

from __future__ import annotations

import pytest

from wf_cli import routing
from wf_cli.config.model import DEFAULT_ROUTING
from wf_cli.contract.identity import COMMANDS
from wf_cli.errors import ConfigError, ContractError


def test_every_command_that_can_be_a_job_has_a_role() -> None:
    assert {routing.role_for(command) for command in COMMANDS} == {*DEFAULT_ROUTING, "integrator"}
    assert all(routing.capabilities_of(role) for role in DEFAULT_ROUTING)
    steps = {command: routing.role_for(command) for command in ("plan", "code", "review", "fix")}
    assert steps == {"plan": "orchestrator", "code": "plan-coder", "review": "plan-reviewer", "fix": "plan-fixer"}
    with pytest.raises(ContractError, match="'rm' is not a step"):
        routing.role_for("rm")


def test_a_runtime_takes_the_roles_that_are_sent_to_it() -> None:
    assert routing.roles_for("cursor", DEFAULT_ROUTING) == ("orchestrator", "plan-reviewer")
    assert routing.roles_for("opencode", DEFAULT_ROUTING) == ("plan-coder", "plan-fixer")
    assert routing.roles_for("shell", DEFAULT_ROUTING) == ()
    assert routing.runtime_for("plan-coder", DEFAULT_ROUTING) == "opencode"
    assert "integrator" not in DEFAULT_ROUTING, "only plans with branches of their own have one"
    assert routing.runtime_for("integrator", {**DEFAULT_ROUTING, "plan-reviewer": "shell"}) == "shell"
    assert routing.runtime_for("integrator", {**DEFAULT_ROUTING, "integrator": "opencode"}) == "opencode"
    with pytest.raises(ConfigError, match=r"routing\.tester\.runtime"):
        routing.runtime_for("tester", DEFAULT_ROUTING)


def test_a_role_can_do_what_its_jobs_need_and_no_more() -> None:
    assert routing.capabilities_of("plan-fixer") == {"coding", "fixing"}
    assert routing.capabilities_of("integrator") == {"completing"}
    assert routing.capabilities_of("tester") == frozenset()
