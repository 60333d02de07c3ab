"""The differential harness against the stored results of the reference: one item for each base scenario.

The harness starts a Python for each command, which takes most of its time. Here the commands are forked
(`fork_server`), each with its own home, directory and environment. Some scenarios run with the started program too.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support import fork_server

HERE = Path(__file__).parent
SCENARIOS = [
    scenario
    for scenario in json.loads((HERE / "scenarios_open.json").read_text(encoding="utf-8"))["scenarios"]
    if scenario.get("group", "base") == "base" and not scenario.get("needs_upstream")
]


def load_harness() -> ModuleType:
    """compat.py is a program of its own; it is used as it is."""
    spec = importlib.util.spec_from_file_location("wf_compat_harness", HERE / "compat.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    return load_harness()


@pytest.fixture(scope="module")
def started(harness: ModuleType) -> Iterator[Any]:
    """Starts ``python -m wf_cli`` for each command."""
    runner = harness.Runner(f"{sys.executable} -m wf_cli")
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def runner(harness: ModuleType) -> Iterator[Any]:
    """Forks for each command."""

    class Forking(harness.Runner):  # type: ignore[name-defined, misc]
        def exec(
            self,
            args: list[str],
            cwd: str,
            extra_env: dict[str, str | None] | None,
            sigint_after: float | None = None,
        ) -> tuple[int | str, str, str]:
            if sigint_after is not None:
                found: tuple[int | str, str, str] = super().exec(args, cwd, extra_env, sigint_after)
                return found
            given = {**self.env, **(extra_env or {})}
            env = {key: value for key, value in given.items() if value is not None}
            try:
                ended = fork_server.server().run(args, cwd=cwd, env=env, timeout=harness.STEP_TIMEOUT)
            except TimeoutError:
                return "timeout", "", ""
            return ended.code, ended.out.decode("utf-8", "replace"), ended.err.decode("utf-8", "replace")

    runner = Forking(f"{sys.executable} -m wf_cli")
    yield runner
    runner.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_scenario_agrees_with_the_reference(harness: ModuleType, runner: Any, scenario: dict[str, Any]) -> None:
    golden = json.loads((HERE / "golden" / f"{scenario['name']}.json").read_text(encoding="utf-8"))
    got = runner.run_scenario(scenario)
    assert harness.diff_scenario(golden, got, {"allow_extra_keys": True}) == []


@pytest.mark.parametrize("scenario", SCENARIOS[:: len(SCENARIOS) // 3], ids=lambda scenario: scenario["name"])
def test_so_does_the_program_that_is_started_for_each_command(
    harness: ModuleType, started: Any, scenario: dict[str, Any]
) -> None:
    golden = json.loads((HERE / "golden" / f"{scenario['name']}.json").read_text(encoding="utf-8"))
    got = started.run_scenario(scenario)
    assert harness.diff_scenario(golden, got, {"allow_extra_keys": True}) == []
