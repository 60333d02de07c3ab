"""A program with a pseudo terminal as its own, on which keys are typed, and of which a test sees the lines."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

from support.terminal import Terminal


class OnTerminal:
    """``argv`` with a terminal of 60 columns and 12 lines as its own, on which Ctrl-C is a key."""

    def __init__(self, root: Path, *argv: str):
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 60, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            argv,
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
        terminal.feed(re.sub(r"\x1b(\[[^A-Za-z]*)?\Z", "", whole))
        return terminal

    def until(self, holds: Callable[[Terminal], bool], what: str = "the picture") -> None:
        """Read until the terminal shows what it should."""
        deadline = time.monotonic() + 60
        while True:
            self._read(0.05)
            if holds(self.terminal):
                return
            assert time.monotonic() < deadline, (what, self.written)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def press_ctrl_c(self) -> int:
        self.type("\x03")
        return self.ended()

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        code = self._process.wait(60)
        self._read(0)
        return code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self.slave)

    def _read(self, patience: float) -> None:
        while select.select([self._master], [], [], patience)[0]:
            self.written += os.read(self._master, 65536)


def shows(text: str) -> Callable[[Terminal], bool]:
    return lambda terminal: any(text in line for line in terminal.shown)
