"""A `wf` process of another user (`support.users.User.start`), and what it has said so far."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

from support.box import HANG
from support.wait import wait_until


class Hearing:
    """A `wf` process, and all that it has said so far."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.lines: list[str] = []
        self._ear = threading.Thread(target=self._hear, daemon=True)
        self._ear.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def close(self) -> None:
        """Kill the process, if it still runs, and hear its last words."""
        self.process.kill()
        self.process.wait(HANG)
        self._ear.join(HANG)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def says(self, text: str, times: int = 1) -> None:
        self.until(lambda: self.count(text) >= times, text)

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            wait_until(condition, HANG, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; said: {self.lines}") from None
