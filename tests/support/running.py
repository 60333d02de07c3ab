"""`wf` processes: how one ended, and one that goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support import fork_server
from support.wait import wait_until

WF = str(Path(sys.executable).parent / "wf")
#: Seconds until something counts as hanging. Not a timing: a loaded machine is slow.
HANG = 60.0


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it said, for messages."""
        return f"exit {self.code}\n{self.out}\n{self.err}"

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout (a second one is an error)."""
        value: dict[str, Any] = json.loads(self.out)
        return value


class Running:
    """A `wf` process that goes on while the test does.

    It is forked (`fork_server`) if it may be and other processes see its environment, which is how a box finds its
    processes. Otherwise it is the installed `wf`. A fork with ``agents`` forks for its plan agents.
    """

    process: subprocess.Popen[bytes] | fork_server.Process

    def __init__(
        self,
        words: Sequence[str],
        root: Path,
        environ: Mapping[str, str],
        logs: Path,
        *,
        forks: bool = True,
        agents: bool = False,
    ):
        self.words = words
        base = logs / f"{len(list(logs.iterdir())):03d}-{'-'.join(w for w in words[:2] if w.isalnum())}"
        self._out, self._err = base.with_suffix(".out"), base.with_suffix(".err")
        with open(os.devnull, "r+b") as nothing, open(self._out, "wb") as out, open(self._err, "wb") as err:
            if forks and fork_server.fits(environ) and fork_server.server().shows(environ):
                fds = [file.fileno() for file in (nothing, out, err)]
                self.process = fork_server.server().start_on(words, fds, cwd=root, env=environ, agents=agents)
            else:
                self.process = subprocess.Popen(
                    [WF, *words],
                    cwd=root,
                    env=dict(environ),
                    stdin=nothing,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="replace")

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal. SIGSTOP is waited for: afterwards nothing moves any more."""
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until(lambda: psutil.Process(self.pid).status() == psutil.STATUS_STOPPED, HANG, "the stop")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(HANG)

    def ended(self, deadline_s: float = HANG) -> Done:
        """Wait for its end by itself."""
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"wf {' '.join(self.words)} does not end; it said:\n{self.out}{self.err}") from None
        return Done(code, self.out, self.err)

    def stop(self) -> Done:
        """SIGTERM, and wait for its end."""
        if self.runs:
            self.signal(signal.SIGTERM)
        return self.ended()

    def says(self, text: str, deadline_s: float = HANG) -> None:
        """Wait until it has said ``text``."""
        try:
            wait_until(lambda: text in self.out + self.err, deadline_s, f"{text!r} in its output")
        except AssertionError as error:
            raise AssertionError(f"{error}; wf {' '.join(self.words)} said:\n{self.out}{self.err}") from None

    @property
    def owners(self) -> list[str]:
        """The owner ids of a worker's sessions so far, in order."""
        words = (line.split() for line in self.err.splitlines())
        return [w[2] for w in words if len(w) > 4 and w[1] == "worker" and w[3] == "on"]

    @property
    def owner(self) -> str:
        """The owner id of its latest session."""
        wait_until(lambda: self.owners or not self.runs, HANG, "a session")
        return self.owners[-1]
