"""The differential harness against the stored results of the reference: one item for each base scenario."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
def runner(harness: ModuleType) -> Iterator[Any]:
    runner = harness.Runner(f"{sys.executable} -m wf_cli")
    yield runner
    runner.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_scenario_agrees_with_the_reference(harness: ModuleType, runner: Any, scenario: dict[str, Any]) -> None:
    golden = json.loads((HERE / "golden" / f"{scenario['name']}.json").read_text(encoding="utf-8"))
    got = runner.run_scenario(scenario)
    assert harness.diff_scenario(golden, got, {"allow_extra_keys": True}) == []
