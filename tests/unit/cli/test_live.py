"""The worker's live view: drawn on a terminal, absent in a pipe, and nothing an agent says can break it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from support.terminal import Terminal
from wf_cli.cli.workers.live import Board, drawing, picture
from wf_cli.runtimes.base import Usage
from wf_cli.worker.settings import SlotView

SLOT = SlotView("e01-p01-i0-code-plan-coder", 2, 75.0, "bash: pytest\x1b[2J\r\nmore")


def test_a_slot_is_one_line_without_control_characters() -> None:
    assert picture([SLOT]) == ["  e01-p01-i0-code-plan-coder.a2   1m15s  ? tok         bash: pytest [2J more"]
    spent = replace(SLOT, usage=Usage(11_800, 500, 0.0421))
    assert "  12.3k tok $0.04  " in picture([spent])[0]


def test_a_free_slot_says_what_it_waits_for() -> None:
    assert picture([SlotView(None, 0, 0.0, "runtime x is cooling down")]) == ["  -  runtime x is cooling down"]


def test_a_pipe_gets_plain_lines_only() -> None:
    out = io.StringIO()
    board = Board(out, live=False)
    board.say("one")
    board.draw(picture([SLOT]))
    assert out.getvalue().endswith(" one\n")
    assert out.getvalue().count("\n") == 1


def test_lines_stay_and_the_picture_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = io.StringIO()
    board = Board(out, live=True)
    with drawing(board, lambda: [SLOT]):
        board.draw(["something"])
        board.say("one")
        board.draw(["c"])
        terminal = Terminal()
        terminal.feed(out.getvalue())
        assert terminal.shown[0].endswith(" one")
        assert terminal.shown[-1] in ("c", picture([SLOT])[0].rstrip())
        assert terminal.shown[1:-1] == [""]
    board.say("two")
    terminal = Terminal()
    terminal.feed(out.getvalue())
    assert [line.split()[1] for line in terminal.shown] == ["one", "two"]
    assert terminal.cursor


def test_a_terminal_that_went_away_stops_nothing() -> None:
    out = io.StringIO()
    board = Board(out, live=True)
    out.close()
    board.say("nobody hears this")
    board.draw(["nor sees this"])
    board.close()


def test_a_terminal_that_goes_away_with_a_picture_on_it_stops_nothing() -> None:
    out = io.StringIO()
    board = Board(out, live=True)
    board.draw(["a"])
    out.close()
    board.draw(["b"])
    board.say("nobody hears this")
    board.close()
