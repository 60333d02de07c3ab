"""A process that hands a plan over is SIGKILLed at every step; another one repeats the hand-over."""

from __future__ import annotations

import json
import os
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from support import children, merges, trees
from support.trees import KEY, Bed
from wf_cli import git
from wf_cli.workspace import checkout, handover, linked, names
from wf_cli.workspace.names import Mark

BRANCH = names.plan_branch(KEY)


def hand_over(root: str, folder: str, state: str) -> str:
    place = linked.place(Path(root), Path(folder), Mark(KEY, "box"))
    ready = checkout.look(place)
    assert ready is not None
    known = json.loads(Path(state).read_text())

    def record(handed: handover.HandedOver) -> None:
        Path(state).write_text(json.dumps({"head": handed.head, "phase": "awaiting_review"}))

    due = handover.Due(BRANCH, known["head"])
    return handover.hand_over(ready, due, "left uncommitted", nullcontext, record).head


@pytest.mark.parametrize("point", ["committed", "advanced", "recorded"])
def test_killed_after_any_step_the_next_hand_over_ends_at_the_same_commit(tmp_path: Path, point: str) -> None:
    bed = Bed(tmp_path)
    bed.need()
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"head": bed.start, "phase": "coding"}))
    git.need(bed.root, "branch", BRANCH, bed.start)
    (bed.top / "a.txt").write_text("work\n")
    git.need(bed.top, "commit", "-qam", "work")
    (bed.top / "new").write_text("new\n")
    lying, before = trees.lying(bed.top), merges.state_of(bed.root)
    words = (os.fspath(bed.root), os.fspath(bed.trees), os.fspath(state))
    assert children.Child(hand_over, *words, die_at=(f"handover.{point}", 1)).gone() == -signal.SIGKILL
    moved = git.need(bed.root, "rev-parse", BRANCH).text.strip()
    assert (moved == bed.start) == (point == "committed")
    head = children.run(hand_over, *words)
    assert git.need(bed.root, "rev-parse", BRANCH).text.strip() == head
    assert point == "committed" or head == moved
    assert json.loads(state.read_text()) == {"head": head, "phase": "awaiting_review"}
    assert trees.contents(bed.root, head) == lying
    assert git.need(bed.root, "rev-list", "--count", f"{bed.start}..{head}").text.strip() == "2"
    after = merges.state_of(bed.root)
    assert {key: after[key] for key in ("status", "index", "config")} == {
        key: before[key] for key in ("status", "index", "config")
    }
