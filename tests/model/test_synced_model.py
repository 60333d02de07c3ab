"""The model of synced folders: the design holds in every reachable state, and each of its rules is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODEL = Path(__file__).with_name("synced_model.py")

#: Each rule, the configuration in which its absence shows, and the property that is violated then.
NEEDED = {
    "word": ("silent", "S1"),
    "durable-grant": ("two", "S1"),
    "inc": ("restore-node", "S5"),
    "boot-return": ("restore-node", "S2"),
    "trace": ("two", "S2"),
    "keep-word": ("purge", "S2"),
    "nonce": ("renew", "S3"),
    "marks": ("purge", "S2"),
    "stop-first": ("two", "S1"),
    "stop-gone": ("lying", "S6"),
    "grant-barrier": ("two-long", "S4"),
    "word-barrier": ("two", "S5"),
    "fail-barrier": ("two", "S5"),
    "return-barrier": ("restore-node", "S5"),
    "recall": ("cancel", "S1"),
    "owner": ("persons", "S4"),
    "node-person": ("persons", "S4"),
    "forget-stamp": ("forget", "S4"),
    "epoch": ("take", "S5"),
    "epoch-ack": ("take", "S5"),
    "ack-barrier": ("take", "S5"),
    "obey-first": ("take", "S5"),
    "epoch-base": ("restore-home", "S2"),
    "restored": ("restore-home", "S2"),
    "epoch-parts": ("cede-take", "S2"),
    "cede-inc": ("cede-take", "S4"),
    "cede-idle": ("cede", "S1"),
    "cede-durable": ("cede", "S1"),
}

#: Configurations of some thousand states, explored whole in the plain run.
QUICK = ["silent", "lying", "purge", "renew", "persons", "restore-home", "cede"]
#: Those that take up to a minute each.
LONG = [
    "two", "two-long", "forget", "cancel", "restore-node", "renew-restore", "three", "three-forget", "take",
    "cede-take", "deep-three", "deep-cancel",
]  # fmt: skip
#: What the design does not promise, and the property that is violated then.
LIMITS = {"limit-zombie-home": "S4", "limit-image": "S2", "limit-lying": "S4"}


def explore(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The verdict on one configuration. The program fails when it is another one than it expects itself."""
    report = tmp_path / "report.json"
    subprocess.run([sys.executable, str(MODEL), *arguments, "--json", str(report)], check=True, capture_output=True)
    (result,) = json.loads(report.read_text())
    return dict(result)


def assert_holds(result: dict[str, Any], at_least: int) -> None:
    assert result["verdict"] == "holds", f"{result['verdict']}: {result['trace']}"
    assert result["states"] > at_least


def listed() -> tuple[set[str], set[str]]:
    """The configurations and the rules that the program knows."""
    text = subprocess.run([sys.executable, str(MODEL), "--list"], check=True, capture_output=True, text=True).stdout
    configurations, _, rules = text.partition("\n\n")
    return set(re.findall(r"(?m)^(\S+)", configurations)), set(re.findall(r"(?m)^(\S+)", rules))


def test_every_configuration_and_every_rule_is_tried_here() -> None:
    configurations, rules = listed()
    assert configurations == {*QUICK, *LONG, *LIMITS}
    assert rules == set(NEEDED)


@pytest.mark.parametrize("configuration", QUICK)
def test_the_design_holds_in_every_reachable_state(tmp_path: Path, configuration: str) -> None:
    assert_holds(explore(tmp_path, configuration), at_least=200)


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("configuration", LONG)
def test_the_design_holds_in_every_reachable_state_of_larger_worlds(tmp_path: Path, configuration: str) -> None:
    assert_holds(explore(tmp_path, configuration), at_least=4000)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_the_design_holds_on_random_walks_of_three_nodes_with_everything_switched_on(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(MODEL), "--walks", "5000"], check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith(": holds")


@pytest.mark.parametrize("rule", NEEDED)
def test_without_one_rule_the_model_finds_a_violation(tmp_path: Path, rule: str) -> None:
    configuration, violated = NEEDED[rule]
    result = explore(tmp_path, configuration, "--break", rule)
    assert result["verdict"].startswith(f"{violated}: ")
    assert result["trace"]


@pytest.mark.parametrize("configuration", LIMITS)
def test_what_is_not_promised_does_not_hold(tmp_path: Path, configuration: str) -> None:
    result = explore(tmp_path, configuration)
    assert result["verdict"].startswith(f"{LIMITS[configuration]}: ")
