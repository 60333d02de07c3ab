"""Pictures that are drawn over themselves: what a person sees, and what a pipe gets."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.terminal import Terminal
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
        assert seen(out).shown == ["before", "a", "b"]
        assert not seen(out).cursor
        screen.say("one")
        assert seen(out).shown == ["before", "one", "a", "b"]
        screen.draw(["c"])
        assert seen(out).shown == ["before", "one", "c"]
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


def test_the_same_picture_is_not_drawn_again(size: None) -> None:
    out = io.StringIO()
    with Screen(out, live=True) as screen:
        screen.draw(["a", "b"])
        before = out.getvalue()
        screen.draw(["a", "b"])
        assert out.getvalue() == before
        screen.draw(["a", "c"])
        assert out.getvalue() != before


def test_a_picture_is_cut_to_the_terminal(size: None) -> None:
    out = io.StringIO()
    with Screen(out, live=True) as screen:
        for _ in range(2):
            for last in ("x", "y"):
                screen.draw([f"\x1b[31m{'wide' * 10}\x1b[0m", *(f"line {n} {last}" for n in range(9))])
        assert len(seen(out).shown) == 5, "the cursor can come back to the first line"
        assert all(len(line) <= 20 for line in seen(out).shown)
        assert seen(out).shown[1] == "line 0 y"


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


class OnTerminal:
    """``wf`` with a terminal of 60 columns and 12 lines as its own, on which Ctrl-C is a key."""

    def __init__(self, root: Path, *words: str):
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 60, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            [*WF, *words],
            cwd=root,
            env={**environ, "TERM": "xterm", "WF_DISTRIBUTED": "1"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.written = b""

    @property
    def terminal(self) -> Terminal:
        terminal = Terminal()
        whole = self.written.decode(errors="ignore")
        terminal.feed(re.sub(r"\x1b[^A-Za-z]*\Z", "", whole))
        return terminal

    def until(self, holds: Callable[[Terminal], bool]) -> None:
        """Read until the picture is as it should be."""
        deadline = time.monotonic() + 60
        while True:
            while select.select([self._master], [], [], 0.05)[0]:
                self.written += os.read(self._master, 65536)
            if holds(self.terminal):
                return
            assert time.monotonic() < deadline, self.written

    def press_ctrl_c(self) -> int:
        os.write(self._master, b"\x03")
        code = self._process.wait(60)
        while select.select([self._master], [], [], 0)[0]:
            self.written += os.read(self._master, 65536)
        return code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self.slave)


def shows(text: str) -> Callable[[Terminal], bool]:
    return lambda terminal: any(text in line for line in terminal.shown)


def test_a_watched_list_leaves_what_stood_above_and_gives_the_terminal_back(tmp_path: Path) -> None:
    box = OnTerminal(tmp_path, "spool", "ls", "--watch")
    try:
        box.until(shows("no jobs"))
        for key in ("k1", "k2"):
            environ = {**os.environ, "WF_DISTRIBUTED": "1"}
            words = [*WF, "enqueue", "--role", "plan-coder", "--key", key]
            subprocess.run(words, cwd=tmp_path, env=environ, check=True, capture_output=True)
        box.until(shows("2 queued"))
        assert box.press_ctrl_c() == 0
        terminal = box.terminal
        assert terminal.shown[0] == "2 queued", "one picture, and no trace of those before it"
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
    box = OnTerminal(tmp_path, "worker", "--runtime", "cursor", "--watch")
    try:
        box.until(lambda terminal: any(line.startswith("  -") for line in terminal.shown))
        assert not box.terminal.cursor
        box.press_ctrl_c()
        assert not any(line.startswith("  -") for line in box.terminal.shown), box.written
        assert box.terminal.cursor
        assert termios.tcgetattr(box.slave) == box.before
    finally:
        box.close()


def test_the_file_watcher_logs_nothing_into_a_workers_picture() -> None:
    code = "import logging, wf_cli.spool.watchdogs; logging.getLogger('watchdog.observers.inotify').error('inactive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
