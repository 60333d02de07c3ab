"""Pictures that are drawn over themselves: what a person sees, and what a pipe gets."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from support.on_terminal import OnTerminal, shows
from support.terminal import Terminal
from wf_cli.cli.frame import output
from wf_cli.cli.frame.screen import Screen

WF = [sys.executable, "-P", "-m", "wf_cli"]


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")


def seen(out: io.StringIO) -> Terminal:
    terminal = Terminal()
    terminal.feed(out.getvalue())
    return terminal


@pytest.mark.parametrize(("keep", "left"), [(True, ["before", "one", "c"]), (False, ["before", "one"])])
def test_the_picture_is_replaced_and_lines_stay_above_it(size: None, keep: bool, left: list[str]) -> None:
    out = io.StringIO()
    with Screen(out, live=True, keep=keep) as screen:
        screen.say("before")
        screen.draw(["a", "b"])
        assert seen(out).shown == ["before", "", "a", "b"]
        assert seen(out).cursor, "it shows whenever the process may be killed"
        screen.say("one")
        assert seen(out).shown == ["before", "one", "", "a", "b"]
        screen.draw(["c"])
        assert seen(out).shown == ["before", "one", "", "c"]
    assert seen(out).shown == left
    assert seen(out).cursor


def test_an_error_gives_the_terminal_back(size: None) -> None:
    out = io.StringIO()
    screen = Screen(out, live=True)
    screen.draw(["a"])

    def interrupted() -> None:
        with screen:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen(out).shown == [""]
    assert seen(out).cursor


@pytest.mark.parametrize("foreign", ["one\n", "one\ntwo\n", "w" * 50 + "\n"])
def test_what_others_write_meanwhile_stays_once_and_no_old_picture_does(size: None, foreign: str) -> None:
    terminal = Terminal(20, 8)
    out = io.StringIO()
    with Screen(out, live=True, keep=True) as screen:
        screen.draw(["a" * 30, "b"])
        out.write(foreign)
        screen.draw(["c" * 30, "d"])
        out.write("more\n")
    terminal.feed(out.getvalue())
    whole = "\n".join(terminal.shown)
    assert "".join(whole.split()).count("".join(foreign.split())) == 1
    assert [whole.count(text) for text in ("more", "ccc…", "d")] == [1, 1, 1]
    assert terminal.shown[-2:] == ["c" * 18 + "…", "d"]


WIDE = [
    f"\x1b[31m{'wide' * 10}\x1b[0m",
    "解析する" * 9,
    "😀" * 30,
    "a\nb\tc\x1b[2J",
    *(f"line {n}" for n in range(9)),
]


@pytest.mark.parametrize("columns", [2, 3, 19, 20, 40, 200])
@pytest.mark.parametrize("rows", [2, 3, 5, 60])
def test_no_line_of_a_picture_wraps_and_none_leaves_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, rows: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    out = io.StringIO()
    terminal = Terminal(columns, rows)
    with Screen(out, live=True) as screen:
        for number in range(3):
            screen.draw([output.Coloured(WIDE[0]), *WIDE[1:], str(number)])
    terminal.feed(out.getvalue())
    assert terminal.wrapped == 0
    assert terminal.shown == [""], "all of it was on the terminal, and so could be taken away"


def test_an_encoding_without_the_characters_gets_escapes_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "9")
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", errors="backslashreplace")
    with Screen(out, live=True, keep=True) as screen:
        screen.draw(["解析する", "a" * 30])
    terminal = Terminal(20, 9)
    terminal.feed(raw.getvalue().decode("ascii"))
    assert terminal.shown == ["\\u89e3\\u6790\\u30...", "a" * 16 + "..."]
    assert terminal.wrapped == 0


def test_a_pipe_gets_the_lines_alone(size: None) -> None:
    out = io.StringIO()
    with Screen(out, live=False) as screen:
        screen.draw(["a"])
        screen.say("one")
        screen.draw(["b"])
    assert out.getvalue() == "one\n"


@pytest.mark.parametrize("words", [["spool", "ls"], ["models"], ["dispatch"]])
def test_a_command_that_draws_nothing_does_not_import_rich(tmp_path: Path, words: list[str]) -> None:
    code = f"import sys; from wf_cli.cli.main import run; run({words!r}, {{}}); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


def test_a_watched_list_leaves_what_stood_above_and_gives_the_terminal_back(tmp_path: Path) -> None:
    box = OnTerminal(tmp_path, *WF, "spool", "ls", "--watch")
    try:
        box.until(shows("no jobs"))
        for key in ("k1", "k2"):
            environ = {**os.environ, "WF_DISTRIBUTED": "1"}
            words = [*WF, "enqueue", "--role", "plan-coder", "--key", key]
            subprocess.run(words, cwd=tmp_path, env=environ, check=True, capture_output=True)
        box.until(shows("2 queued"))
        assert box.press_ctrl_c() == 0
        terminal = box.terminal
        assert terminal.shown[0] == "2 queued", "one picture, and no trace of those before it, nor of Ctrl-C"
        assert len([line for line in terminal.shown if line.startswith("queued")]) == 2
        assert all(len(line) <= 60 for line in terminal.shown)
        assert terminal.cursor
        assert termios.tcgetattr(box.slave) == box.before
    finally:
        box.close()


def test_a_workers_picture_is_gone_at_its_end(tmp_path: Path) -> None:
    subprocess.run(
        [*WF, "enqueue", "--role", "plan-coder", "--key", "k"],
        cwd=tmp_path,
        env={**os.environ, "WF_DISTRIBUTED": "1"},
        check=True,
        capture_output=True,
    )
    box = OnTerminal(tmp_path, *WF, "worker", "--runtime", "cursor", "--watch")
    try:
        box.until(lambda terminal: any(line.startswith("  -") for line in terminal.shown))
        box.press_ctrl_c()
        assert not any(line.startswith("  -") for line in box.terminal.shown), box.written
        assert box.terminal.cursor
        assert termios.tcgetattr(box.slave) == box.before
    finally:
        box.close()


def test_a_shell_moves_a_watched_list_between_its_foreground_and_background(tmp_path: Path) -> None:
    """In the background the list is plain lines, once for each change; Ctrl-Z takes the picture away."""
    environ = {**os.environ, "WF_DISTRIBUTED": "1"}
    enqueue = [*WF, "enqueue", "--role", "plan-coder", "--key"]
    subprocess.run([*enqueue, "job-1"], cwd=tmp_path, env=environ, check=True, capture_output=True)
    box = OnTerminal(tmp_path, "sh", "-i")
    try:
        box.type(f"PS1='> '; cd {tmp_path}\n")
        box.type(f"{' '.join(WF)} spool ls --watch &\n")
        box.until(shows("job-1"))
        assert b"1 queued" not in box.written, "a picture has the counts, the list of a pipe has not"
        subprocess.run([*enqueue, "job-2"], cwd=tmp_path, env=environ, check=True, capture_output=True)
        box.until(shows("job-2"))
        box.type("fg\n")
        box.until(shows("2 queued"))
        at = len(box.written)
        box.type("\x1a")
        box.until(lambda terminal: box.written.endswith(b"> "), "the prompt")
        assert b"\x1b[J" in box.written[at:]
        assert not any("2 queued" in line for line in box.terminal.shown)
        box.type("fg\n")
        box.until(shows("2 queued"))
        box.type("\x03")
        box.until(lambda terminal: box.written.endswith(b"> "), "the prompt")
        last = [line.split()[0] for line in box.terminal.shown[-4:]]
        assert last == ["STATUS", "queued", "queued", ">"], "the last picture stays, above the prompt"
        box.type("exit\n")
        assert box.ended() in (0, 130)
        assert termios.tcgetattr(box.slave) == box.before
    finally:
        box.close()


def test_one_of_the_processes_in_the_foreground_draws(tmp_path: Path) -> None:
    code = """
import os, sys
from wf_cli.cli.frame.foreground import Turn
first, second = Turn(sys.stdout), Turn(sys.stdout)
print(first.mine(), second.mine(), first.mine())
first.give_back()
print(second.mine(), first.mine())
child = os.fork()
if not child:
    os.setpgid(0, 0)
    print("in the background", Turn(sys.stdout).mine(), second.mine())
    os._exit(0)
os.waitpid(child, 0)
"""
    box = OnTerminal(tmp_path, sys.executable, "-c", code)
    try:
        assert box.ended() == 0
        assert box.terminal.shown == ["True False True", "True False", "in the background False False"]
    finally:
        box.close()


def test_the_file_watcher_logs_nothing_into_a_workers_picture() -> None:
    code = "import logging, wf_cli.spool.watchdogs; logging.getLogger('watchdog.observers.inotify').error('inactive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
