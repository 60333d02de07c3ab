"""The protocol's model, explored whole, in its quickest configurations: the design holds, and the model can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODEL = Path(__file__).with_name("spool_model.py")


def explore(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The verdict on one configuration."""
    report = tmp_path / "report.json"
    subprocess.run(
        [sys.executable, str(MODEL), *arguments, "--only", "fixed", "--json", str(report)],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    (result,) = json.loads(report.read_text())
    return dict(result)


@pytest.mark.parametrize(
    "configuration",
    [
        "enqueue-lie",  # invariants 3 and 4: two enqueuers, two sweepers, a crash, answers that lie
        "life-lie",  # invariants 1 and 2: two workers, a reaper, a crash, answers that lie
        "gc-retry",  # invariant 4: gc, retry and enqueue at once
        "gc-pack",  # invariants 3 and 4: gc packs a job beside an enqueue, a sweeper and repairs that may die
        "gc-pack-retry",  # invariants 3 and 5: the same beside a retry, which lays the job out again
        "gc-pack-enqueue-retry",  # invariant 4: all of them, and none dies
        "cut-tear",  # invariants 1, 3 and 5: a power cut that tears every directory by itself
        "repair-orphan",  # invariants 1 and 4: a session's repair whose listings are old
        "repair-orphan-started",  # invariant 1: the same repair as it was, beside starts that are exclusive links
        "repair-twice",  # invariant 3: a repair of two tokens whose listings are old, and a retry
        "kept-exit",  # invariants 1, 2 and 5: workers that die after their agents have ended
        "twins",  # invariants 1 and 5: an old token is put back at any time
    ],
)
def test_the_protocol_holds_in_every_reachable_state(tmp_path: Path, configuration: str) -> None:
    result = explore(tmp_path, configuration)
    assert result["exhausted"], "every state was visited"
    assert "violation" not in result, f"{result.get('violation')}: {result.get('trace')}"
    assert result["states"] > 1000


@pytest.mark.parametrize(
    ("configuration", "rule"),
    [
        ("enqueue-lie", "nonce_eexist"),
        ("gc-pack", "relook"),
        ("gc-pack", "finish"),
        ("gc-pack-retry", "decide"),
        ("cut-tear", "rebuild"),
        ("cut-tear", "syncclaim"),
        # The start-up repairs as they were before the rules for old listings (version 0.4.0).
        ("repair-orphan", "watch"),
        ("repair-twice", "prove"),
        ("repair-orphan-started", "started"),
        ("twins", "started"),
        ("twins", "reaptwin"),
        # A cancel that does not wait, and a retry (version 0.4.0).
        ("op-cancel-retry-alone", "waits"),
        ("op-cancel-retry-alone", "gate"),
        # A worker that dies after its agent has ended (version 0.4.0).
        ("kept-exit", "kept"),
        ("kept-exit", "asks"),
    ],
)
def test_without_one_rule_of_the_design_the_model_finds_a_violation(
    tmp_path: Path, configuration: str, rule: str
) -> None:
    result = explore(tmp_path, configuration, f"-{rule}")
    assert result["violation"]
    assert result["trace"]
