"""A look at all processes is no moment: one that is forked during it, by one that ends, is not seen."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support import children
from wf_cli import proc
from wf_cli.proc import Killed, ProcessRef
from wf_cli.runtimes.process import launcher

AGENT = "sleep 600 & echo $! > pid; exit 3"


def end_blindly(folder: str) -> tuple[str, bool]:
    """What a launcher reports whose first look at the processes misses all, and whether the child lives then."""
    real, looks = proc.kill_tree, []

    def first_is_blind(*args: Any, **more: Any) -> Killed:
        looks.append(args)
        return Killed(frozenset(), frozenset()) if len(looks) == 1 else real(*args, **more)

    proc.kill_tree = first_is_blind
    job = {
        "argv": ["/bin/sh", "-c", AGENT], "cwd": folder, "environment": {"PATH": os.defpath}, "mark": "none",
        "ask_first": False, "grace_s": 0, "keep": None,
    }  # fmt: skip
    control, status = os.pipe(), os.pipe()
    os.write(control[1], f"{json.dumps(job)}\ngo\n".encode())
    launcher.main(control[0], status[1])
    pid = int(Path(folder, "pid").read_text())
    return os.read(status[0], 4096).decode(), proc.alive(pid, None)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="orphans become children of the launcher on Linux only")
def test_a_child_that_the_look_has_missed_is_ended_before_the_exit_is_told(tmp_path: Path) -> None:
    told, lives = children.run(end_blindly, str(tmp_path))
    assert told.splitlines() == ["ready", "exit 3 survivors 1"]
    assert not lives


def test_what_one_look_has_missed_is_found_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ProcessRef(90001, "1"), ProcessRef(90002, "2")
    looks = [{first}, set(), {second}, set(), set()]
    sent: list[ProcessRef] = []
    monkeypatch.setattr(proc, "family", lambda _roots, _mark: looks.pop(0))
    monkeypatch.setattr(proc, "send", lambda ref, _number: sent.append(ref) or True)
    assert proc.kill_tree([1], "m", grace_s=5) == Killed(frozenset({first, second}), frozenset())
    assert sent == [first, second]
    assert looks == []


def test_where_nothing_is_found_one_look_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[set[ProcessRef]] = [set()]
    monkeypatch.setattr(proc, "family", lambda _roots, _mark: looks.pop(0))
    assert proc.kill_tree([1], "m", grace_s=5) == Killed(frozenset(), frozenset())
