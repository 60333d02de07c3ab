"""What the ACP client prints: one JSON object a line, for `acp.events` alone.

::

    {"type": "session", "id": .., "resumed": bool, "agent": "OpenCode 1.18.33"}      before any work
    {"type": "note", "text": .., ...}                         for people
    {"type": "tool", "id": .., "kind": .., "title": .., "status": "pending|in_progress|completed|failed"}
    {"type": "text", "text": ..}
    {"type": "permission", "what": "kind:title", "allowed": bool, "rule": .., "tool": id}
    {"type": "question", "text": ..}                          declined
    {"type": "retry", "message": .., "attempt": .., "wait_s": .., "status": ..}
    {"type": "usage", "tokens_in": .., "tokens_out": .., "cost_usd": .., "context": ..}
    {"type": "alive", "what": ..}                             a sign of life and no more, at most one a second
    {"type": "error", "source": "rpc|exit|spawn|choice|protocol|version|retry|denied", "message": .., ...}
    {"type": "offer", "category": .., "values": [..], "current": ..}     of a dry call only
    {"type": "cancelled", "clean": bool, "stage": ..}         after SIGTERM; the stage where there was no turn yet
    {"type": "result", "stop_reason": .., "text": .., "dry": true of a dry call}
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from wf_cli.runtimes.acp.deeds import Deeds

#: How a note begins that quotes a line of the agent's stdout which is no message.
NO_MESSAGE = "no message: "
#: Characters of one text that are printed; longer ones are cut at a blank.
TEXT_LIMIT = 2000
#: Lines of garbage and of the library's complaints that are passed on.
NOTES = 20
#: Seconds between two signs of life.
LIFE_PAUSE = 1.0


def emit(kind: str, /, **facts: Any) -> None:
    """One line. Facts that are None are left out."""
    said = {key: value for key, value in facts.items() if value is not None}
    sys.stdout.write(json.dumps({"type": kind, **said}) + "\n")
    sys.stdout.flush()


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """At most ``limit`` characters, cut at a blank, because redaction does not recognise half of a secret."""
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    blank = max(head.rfind(" "), head.rfind("\n"))
    return head[:blank] + " …" if blank > 0 else "…"


class Reporter:
    """Prints the lines, and leaves out notes and signs of life that would be too many."""

    def __init__(self, write: Callable[..., None] = emit, now: Callable[[], float] = time.monotonic):
        self._write = write
        self._now = now
        self._life = float("-inf")
        self._notes = 0
        self._held: list[dict[str, Any]] | None = []
        self._deeds = Deeds()
        #: Grows with everything that the agent does in this turn.
        self.progress = 0

    def start(self) -> None:
        """Print notes and signs of life from now on, because the session is there and the startup clock is off."""
        held, self._held = self._held or [], None
        for facts in held:
            self.say("note", **facts)

    def say(self, kind: str, /, **facts: Any) -> None:
        """A line that matters."""
        self._deeds.hear(kind, facts)
        self._life = self._now()
        self._write(kind, **facts)

    def succeeded(self, stop_reason: str) -> bool:
        """Whether a turn that ended so may have done its work, by what was printed of it."""
        return self._deeds.fault(stop_reason) is None

    def note(self, text: str, **facts: Any) -> None:
        """A line for people. Only the first `NOTES` are printed."""
        self._notes += 1
        said = {"text": cut(text, 500), **facts}
        if self._notes > NOTES:
            return
        if self._held is not None:
            self._held.append(said)
        else:
            self.say("note", **said)

    def alive(self, what: str) -> None:
        """The agent said something."""
        if self._held is None and self._now() - self._life >= LIFE_PAUSE:
            self.say("alive", what=what)

    def listen_to_logging(self) -> None:
        """Print one line of what the library logs, because its tracebacks hold whole messages."""
        reporter = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                reporter.note(f"{record.name}: {record.getMessage()}")

        logging.basicConfig(level=logging.WARNING, handlers=[Handler()], force=True)


class Words:
    """Passes an agent's text on in whole words. It comes in pieces that may end inside a word."""

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self._held = ""
        self._message: str | None = None
        self._ended = False
        self._last: list[str] = []
        self._length = 0

    def add(self, piece: str, message: str | None = None) -> None:
        """A piece of message ``message`` (None where the agent does not number them)."""
        if message != self._message:
            self.end()
            self._message = message
        if self._ended:
            self._ended = False
            self._last.clear()
            self._length = 0
        if self._length <= TEXT_LIMIT:
            self._last.append(piece)
            self._length += len(piece)
        self._held += piece
        if len(self._held) > TEXT_LIMIT:
            self.flush()

    def flush(self) -> None:
        """Pass on the complete words. A word waits for its end, because half of a secret could not be redacted."""
        end = max(self._held.rfind(" "), self._held.rfind("\n")) + 1
        if end == 0 and len(self._held) > 8 * TEXT_LIMIT:
            end = len(self._held)  # It is too long for a word.
        self._put(end)

    def end(self) -> None:
        """Pass on the rest, because a tool, another message or the end follows."""
        self._put(len(self._held))
        self._ended = True

    @property
    def summary(self) -> str:
        """The last message, from its beginning."""
        return cut("".join(self._last))

    def _put(self, end: int) -> None:
        text, self._held = self._held[:end], self._held[end:]
        if text.strip():
            self._say(text)
