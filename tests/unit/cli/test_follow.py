"""The live view of an epic: one picture on a terminal, one line per change in a pipe."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from support.terminal import Terminal
from wf_cli.cli.frame import cells
from wf_cli.cli.frame.screen import Screen
from wf_cli.cli.workers.follow import Follower, picture
from wf_cli.contract.lifecycle import Status
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


@pytest.mark.parametrize("columns", [39, 79, 99, 199])
def test_the_names_give_way_before_the_jobs(columns: int) -> None:
    job = {"job_id": "e01-p01-i0-review-plan-reviewer", "status": Status.RUNNING, "attempt": 1, "owner": "cursor-1"}
    names = ("01-plan-1-a-very-long-name-of-a-plan-of-more-than-forty-cells", "02-日付を解析する", "03-c")
    plans = tuple(PlanProgress(name[:2], name, "reviewing", 0, **job) for name in names)  # type: ignore[arg-type]
    _, *lines = picture(replace(EPIC, plans=plans), columns, 23)
    assert len({cells.width(line.partition("reviewing")[0]) for line in lines}) == 1, "the columns are aligned"
    assert all("running" in cells.cut(line, columns) for line in lines)
    if columns >= 79:
        assert all(job["job_id"] in line for line in lines)
        assert columns < 99 or all(job["job_id"] in cells.cut(line, columns) for line in lines)


def test_completed_plans_give_way_on_a_low_terminal() -> None:
    plans = tuple(PlanProgress(f"{n:02}", f"{n:02}-x", "completed" if n < 30 else "coding", 0) for n in range(1, 33))
    lines = picture(replace(EPIC, plans=plans), 79, 10)
    assert len(lines) == 10
    assert [line.split()[0] for line in lines[1:]] == ["24", *(f"{n:02}-x" for n in range(25, 33))]
    assert len(picture(replace(EPIC, plans=plans), 79, 33)) == 33


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
    assert [line.split()[:2] for line in shown[2:]] == [["01-a", "completed"], ["02-b", "planning"]]
    assert all(len(line) <= 60 for line in shown)
    assert terminal.cursor
