"""Troubles that last and do not pass by themselves: each is said when it begins, and once more when it is over.

What a loop repeats meets the same trouble in each of its rounds. An error that may pass is an outage instead
(`wf_cli.attempt.outage`), which all parts of a session have in common.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wf_cli import sharing
from wf_cli.errors import FileTrouble
from wf_cli.warn import TroubleLine


class Lasting:
    """The troubles that one loop has now, each under the name of what fails. For one thread."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._known: dict[str, object] = {}

    def met(self, what: str, error: Exception | str, line: str) -> None:
        """Note that ``what`` failed. ``line`` is said, unless ``what`` failed in the same way the last time."""
        kind = _kind(error)
        if self._known.get(what) != kind:
            self._known[what] = kind
            self._say(TroubleLine(line))

    def over(self, what: str, line: str = "") -> None:
        """Note that ``what`` works. ``line`` (by default that the trouble is over) is said when it had failed."""
        if self._known.pop(what, None) is not None:
            self._say(line or f"{what}: that is over; going on")


def _kind(error: Exception | str) -> object:
    """What stays the same while one trouble lasts.

    The name of the file does not: wf's parts have a new name in each try. The folder does, and so does a file that
    this user may not use.
    """
    if not isinstance(error, OSError):
        return type(error), str(error)
    name = error.filename if isinstance(error.filename, str) else ""
    known = sharing.explained(error, Path(name)) if name else error
    if isinstance(known, FileTrouble):
        return known.errno, known.filename
    return error.errno, os.path.dirname(name), str(error) if error.errno is None else ""
