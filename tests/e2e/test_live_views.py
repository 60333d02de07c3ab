"""Live views in a real terminal, whose window has any width: each line stands there once, and none is wrapped."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.box import Box
from support.running import HANG
from support.tmux import Tmux, needs_tmux
from support.wait import wait_until

pytestmark = [needs_tmux, pytest.mark.timeout(400)]
WIDTHS = (40, 80, 100, 200)
#: What a person wrote, wider than it is long, with what would act on a terminal.
REASON = "日付を解析する" * 9 + " 😀👨‍👩‍👧⚠️ \x1b[2J\x1b[31m é"


@contextmanager
def terminal(box: Box, columns: int) -> Iterator[Tmux]:
    window = Tmux(box.root, {**box.environ, "WF_DISTRIBUTED": "1"}, columns)
    try:
        yield window
    finally:
        window.close()


@pytest.mark.parametrize("columns", WIDTHS)
def test_workers_in_the_background_and_an_epic_in_front_of_them(project: Box, columns: int) -> None:
    """README's three lines, in one terminal."""
    box = project
    box.plan_agents()
    epic = box.epic("Refuse the dates that are nonsense in every way that a date can be")
    with terminal(box, columns) as window:
        for runtime in ("cursor", "opencode"):
            window.run("wf", "worker", "--runtime", runtime, "--watch", end=" &")
        window.run("wf", "epic", "run", epic, "--follow")
        header = f"epic {epic}-big: "

        def completed() -> bool:
            lines = window.lines()
            for begin in (header, "  01-plan-1"):
                assert sum(line.startswith(begin) for line in lines) <= 1, lines
            assert not any("tok " in line for line in lines), "a worker in the background draws no picture"
            return any(line.startswith(f"{header}completed") for line in lines)

        try:
            wait_until(completed, 3 * HANG)
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(window.rows())) from None
        window.type("kill %1 %2", "Enter")
        window.until("succeeded, 0 failed", times=2)
        window.type("wait; echo all-$((1+1))", "Enter")
        window.until("all-2")
        said = Counter(
            re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in window.lines() if re.match(r"\d\d:\d\d:", line)
        )
        twice = [line for line, count in said.items() if count > 1 and "waiting for a spool" not in line]
        assert twice == []
        for step in ("plan-orchestrator", "code-plan-coder", "review-plan-reviewer"):
            assert said[f"e{epic}-p01-i0-{step}: succeeded"] == 1
        kept = [row for row in window.rows() if row.startswith("  0")]
        assert [row.split()[1] for row in kept] == ["completed"]
        assert window.cursor_shows
        assert window.wraps


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_list_on_a_window_that_changes_its_size(box: Box, columns: int) -> None:
    box.shell("exit 0\n")
    box.enqueue("job-1", "job-2", "job-3")
    box.ok("hold", "job-1")
    box.ok("pause", "--reason", REASON)
    with terminal(box, columns) as window:
        window.type("stty noflsh", "Enter")  # Otherwise Ctrl-C drops what is on its way to the window.
        window.run("wf", "spool", "ls", "--watch")
        window.until("1 held")
        for width, height in ((220, 24), (220, 6), (220, 24), (36, 24)):
            window.resize(width, height)

            def whole(low: bool = height < 10) -> bool:
                lines, rows = window.lines(history=False), window.rows(history=False)
                counts = [sum(name in line for line in lines) for name in ("2 queued", "STATUS", "job-1", "job-2")]
                if low:  # Only the beginning has room.
                    return counts[:2] == [1, 1] and lines == rows and rows[-1] == "…"
                return counts == [1, 1, 1, 1] and lines == rows and "job-3" in "".join(rows)

            try:
                wait_until(whole, HANG)
            except AssertionError:
                raise AssertionError("\n".join([f"at {width} x {height}:", *window.rows()])) from None
        window.type("C-c")
        window.until_prompt()
        assert sum("job-2" in line for line in window.lines(history=False)) == 1, "the last picture stays, once"


def test_a_stop_a_way_on_and_an_end_leave_the_terminal_as_it_was(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("job-1")
    box.ok("hold", "job-1")
    with terminal(box, 80) as window:
        window.type("stty -a > before", "Enter")
        window.run("wf", "spool", "ls", "--watch")
        window.until("1 held")
        window.type("C-z")
        window.until("topped")
        assert not any("1 held" in line for line in window.lines()), "the picture is gone"
        assert window.cursor_shows
        window.type("echo between-$((1+1))", "Enter")
        window.until("between-2")
        window.type("fg", "Enter")
        window.until("1 held")
        window.type("C-c")
        window.type("stty -a > after", "Enter")
        wait_until(lambda: (box.root / "after").exists() and (box.root / "after").read_text().endswith("\n"))
        assert (box.root / "after").read_text() == (box.root / "before").read_text()
        assert window.cursor_shows
        assert window.wraps
        assert sum("1 held" in line for line in window.lines()) == 1
        assert sum("between-2" in line for line in window.lines()) == 1


def test_a_killed_view_leaves_the_cursor_and_the_wrapping(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("job-1")
    with terminal(box, 80) as window:
        window.type("sh -c 'echo $$ > pid; exec wf worker --runtime shell --watch --max-jobs 9'", "Enter")
        window.until("  -  ")
        pid = int((box.root / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        window.until("illed")
        assert window.cursor_shows
        assert window.wraps
