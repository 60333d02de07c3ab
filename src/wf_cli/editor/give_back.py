"""Decides when a job that was handed over has to go back.

It goes back when its editor is gone, or when its agent gave no sign of life for too long. A sign of life is a change
since the keeper's last look. The keeper's own clock measures the time without one.
"""

from __future__ import annotations

import os
from pathlib import Path

from wf_cli import proc
from wf_cli.clock import Clock, format_duration
from wf_cli.editor import sign_of_life
from wf_cli.proc import ProcessRef
from wf_cli.spool.layout import Spool

#: Seconds between two looks at the sign of life and the plan's folder.
LOOK = 0.5


class Watch:
    """The watch over one agent: the editor's process, the agent's heartbeats, and changes in its plan's folder."""

    def __init__(self, spool: Spool, owner: str, editor: ProcessRef, idle_s: float, plan: Path | None, clock: Clock):
        self._spool = spool
        self._owner = owner
        self._editor = editor
        self._idle_s = idle_s
        self._plan = plan
        self._clock = clock
        self._seen = self._signs()
        self._since = self._looked = clock.monotonic()

    def gone(self) -> str | None:
        """Why the agent counts as gone; None while it does not."""
        if proc.gone(*self._editor):
            return f"the editor (pid {self._editor.pid}) is gone"
        now = self._clock.monotonic()
        if now - self._looked < min(LOOK, self._idle_s):
            return None
        self._looked = now
        signs = self._signs()
        if signs != self._seen:
            self._seen, self._since = signs, now
        if now - self._since < self._idle_s:
            return None
        return f"nothing was heard of the agent for {format_duration(self._idle_s)}"

    def _signs(self) -> tuple[object, ...]:
        return sign_of_life.read(self._spool, self._owner), _files(self._plan)


def _files(folder: Path | None) -> tuple[object, ...]:
    """The names, sizes and times of the files in a plan's folder."""
    if folder is None:
        return ()
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        return ()
    return tuple(sorted((name, info.st_size, info.st_mtime_ns) for name, info in found))
