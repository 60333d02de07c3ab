"""The line that tells how far a long command is."""

from __future__ import annotations

import io

import pytest

from wf_cli.cli.frame import progress
from wf_cli.cli.frame.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says, the last of them for ever."""
    times = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times.pop(0) if len(times) > 1 else times[0])
    return times


def test_a_terminal_gets_one_line_that_is_gone_at_the_end(moments: list[float]) -> None:
    terminal = Terminal()
    with Progress("specs read", terminal) as told:
        moments[:] = [0.4, 0.6, 0.65, 0.8]
        for done in (1, 1000, 1001, 2):
            told(done, 110_000)
    lines = terminal.getvalue().split("\r")
    assert lines[1:3] == ["specs read: 1,000 of 110,000", "specs read: 2 of 110,000    "]
    assert not lines[3].strip()
    assert lines[-1] == "", "the cursor stands at the beginning of an empty line"


def test_short_work_and_a_pipe_get_nothing(moments: list[float]) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    with Progress("specs read", terminal) as told:
        told(1, 2)
    with Progress("specs read", pipe) as told:
        moments[:] = [9.0]
        told(1, 2)
    assert terminal.getvalue() == pipe.getvalue() == ""
