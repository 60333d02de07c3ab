"""The live view of an epic: one picture on a terminal, one line per change in a pipe."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from support.terminal import Terminal
from wf_cli.cli.frame.screen import Screen
from wf_cli.cli.workers.follow import Follower
from wf_cli.views.progress import EpicProgress, PlanProgress

PLANS = (PlanProgress("01", "01-a", "coding", 0), PlanProgress("02", "02-b", "planning", 0, note="waits for 01"))
EPIC = EpicProgress("01", "01-big", "running", PLANS, 5.0, None, 0)
LATER = replace(EPIC, plans=(replace(PLANS[0], phase="completed"), PLANS[1]), elapsed_s=65.0)


def test_a_pipe_gets_a_line_for_each_change() -> None:
    out = io.StringIO()
    with Follower(Screen(out, live=False)) as view:
        for now in (EPIC, replace(EPIC, elapsed_s=9.0), LATER):
            view.show(now)
        view.interject("by the way")
    assert [line.split()[:4] for line in out.getvalue().splitlines()] == [
        ["[", "5.0s]", "plan", "01-a"],
        ["[", "5.0s]", "plan", "02-b"],
        ["[", "1m05s]", "plan", "01-a"],
        ["by", "the", "way"],
    ]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_keeps_one_picture_and_the_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    out = io.StringIO()
    with Follower(Screen(out, live=True, keep=True)) as view:
        view.show(EPIC)
        view.interject("by the way")
        view.show(LATER)
    terminal = Terminal()
    terminal.feed(out.getvalue())
    shown = terminal.shown
    assert shown[0] == "by the way"
    assert shown[1].startswith("epic 01-big: running, 1 of 2 plans completed, 1m05s")
    assert [line.split()[1:3] for line in shown[2:]] == [["01-a", "completed"], ["02-b", "planning"]]
    assert all(len(line) <= 60 for line in shown)
    assert terminal.cursor
