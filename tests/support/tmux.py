"""A shell in a real terminal emulator, tmux, in which keys are typed and the window changes its size."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.running import HANG
from support.wait import wait_until

#: For a module whose tests need it.
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed (Debian's package tmux)")


class Tmux:
    """One window of a server of its own. The shell's prompt is ``> ``."""

    def __init__(self, root: Path, environ: Mapping[str, str], columns: int, rows: int = 24):
        # A socket's path must be short.
        self._tmux = ["tmux", "-L", f"wf-test-{os.getpid()}-{id(self):x}", "-f", os.devnull]
        unset = dict.fromkeys(("TMUX", "COLUMNS", "LINES", "NO_COLOR"), "")
        self._environ = {name: value for name, value in environ.items() if name not in unset}
        shell = "bash --norc --noprofile" if shutil.which("bash") else "sh"
        # The shell's command goes by its environment, so that the server need not be told how to quote it.
        self._ask("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(root), f"PS1='> ' {shell}")
        self._ask("set-option", "-g", "history-limit", "5000")
        self.until_prompt()

    def type(self, *keys: str) -> None:
        """Type text, or keys by tmux's names for them (``Enter``, ``C-z``)."""
        for key in keys:
            self._ask("send-keys", key)

    def run(self, *words: str, end: str = "") -> None:
        """Type a command with ``end`` (`` &``)."""
        self.type(shlex.join(words) + end, "Enter")

    def lines(self, *, history: bool = True) -> list[str]:
        """What the window shows and, with ``history``, what scrolled out of it, without empty lines.

        A line that was wrapped is one.
        """
        return self._captured("-J", history=history)

    def rows(self, *, history: bool = True) -> list[str]:
        """The same with a wrapped line as several."""
        return self._captured(history=history)

    def _captured(self, *how: str, history: bool) -> list[str]:
        text = self._ask("capture-pane", "-p", *how, *(("-S", "-") if history else ()))
        return [line.rstrip() for line in text.splitlines() if line.strip()]

    def until_prompt(self) -> None:
        """Wait until the shell asks for the next command."""
        try:
            wait_until(lambda: self.rows()[-1:] == [">"], HANG)
        except AssertionError:
            raise AssertionError("no prompt in\n" + "\n".join(self.rows())) from None

    def until(self, text: str, *, times: int = 1) -> None:
        """Wait until so many lines contain ``text``."""

        def seen() -> bool:
            return sum(text in line for line in self.lines()) >= times

        try:
            wait_until(seen, HANG)
        except AssertionError:
            raise AssertionError(f"no {text!r} in\n" + "\n".join(self.rows())) from None

    def resize(self, columns: int, rows: int) -> None:
        self._ask("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def cursor_shows(self) -> bool:
        return self._ask("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def wraps(self) -> bool:
        return self._ask("display-message", "-p", "#{wrap_flag}").strip() == "1"

    def close(self) -> None:
        subprocess.run(
            [*self._tmux, "kill-server"], env=self._environ, check=False, capture_output=True, timeout=HANG
        )

    def _ask(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], env=self._environ, check=False, capture_output=True, text=True, timeout=HANG
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
