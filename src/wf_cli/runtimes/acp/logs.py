"""The logs of agents that try their provider again in silence: they say there what the provider answered.

Seen with Gemini CLI 0.61.0 and Qwen Code 0.15.10: at "429" both repeat the request for minutes, and say nothing by
ACP or on stderr. Gemini CLI writes its log where ``GEMINI_DEBUG_LOG_FILE`` says. Qwen Code notes each failed request
in the record of the session, below its home. Claude Code (by ``claude-agent-acp``) keeps no such note anywhere.

A log that cannot be read tells nothing, and the run goes on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Protocol

from wf_cli import fsio
from wf_cli.runtimes.acp.report import cut
from wf_cli.runtimes.acp.retries import Retry
from wf_cli.runtimes.jsonlines import count, obj, parse_object, text

#: Where Gemini CLI writes its log.
GEMINI_LOG = "GEMINI_DEBUG_LOG_FILE"
#: Bytes that are read at one look, and of a line that are kept.
_CHUNK, _LINE = 4 << 20, 1 << 20
#: A log in memory that has grown to this many bytes is emptied once it has been read.
_LARGE = 4 << 20
_GEMINI = re.compile(
    r"Attempt (?P<attempt>\d{1,6}) failed(?P<how>.{0,4000}?)\. "
    r"Retrying (?:with backoff|after (?P<ms>\d{1,12})ms)\.\.\."
    r"(?P<answer>.*)"
)
_STATUS = re.compile(r"with (?:status )?([1-5]\d\d)\b")


class Log(Protocol):
    """One agent's log."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What the agent's environment needs for it."""
        ...

    def begin(self, session: str) -> None:
        """A turn of ``session`` begins; what is in the log by now is of no interest."""
        ...

    async def retry(self) -> Retry | None:
        """The last request that failed and is tried again, among those that the log did not tell before."""
        ...


def of(command: Sequence[str], environ: Mapping[str, str]) -> Log | None:
    """The log of the program in ``command``; None where none is known, or a person has it written elsewhere."""
    names = {PurePath(word).name for word in command[:3]}
    if names & {"gemini", "gemini-cli"} and GEMINI_LOG not in environ and hasattr(os, "memfd_create"):
        return GeminiLog()
    if names & {"qwen", "qwen-code"}:
        return QwenLog(Path(environ.get("HOME") or "/"))
    return None


class GeminiLog:
    """The log of Gemini CLI. It has no place on a disk: the agent writes into memory of this process."""

    def __init__(self) -> None:
        fd = os.memfd_create("gemini-log", os.MFD_CLOEXEC)
        self.environment = {GEMINI_LOG: f"/proc/{os.getpid()}/fd/{fd}"}
        self._tail = _Tail(fd, emptied=True)

    def begin(self, session: str) -> None:
        for _ in self._tail.lines():
            pass

    async def retry(self) -> Retry | None:
        found = None
        for line in self._tail.lines():
            told = _GEMINI.search(line)
            if told is not None:
                status = _STATUS.search(told["how"])
                words = _answer(told["answer"]) or told["how"].strip(" :")
                wait_s = int(told["ms"] or 0) / 1000
                found = Retry(cut(words, 1000), int(told["attempt"]), wait_s, int(status[1]) if status else None)
        return found


class QwenLog:
    """Qwen Code's record of a session."""

    def __init__(self, home: Path) -> None:
        self.environment: Mapping[str, str] = {}
        self._home = home
        self._session = ""
        self._tail: _Tail | None = None
        self._errors = 0

    def begin(self, session: str) -> None:
        self._session = session
        self._open()
        if self._tail is not None:
            for _ in self._tail.lines():
                pass

    async def retry(self) -> Retry | None:
        if self._tail is None:
            self._open()
        found = None
        for line in self._tail.lines() if self._tail is not None else ():
            event = obj(parse_object(line), "systemPayload", "uiEvent")
            if text(event.get("event.name")).endswith(".api_error"):
                self._errors += 1
                status = count(event.get("status_code")) or None
                found = Retry(cut(text(event.get("error_message")), 1000), self._errors, 0.0, status)
        return found

    def _open(self) -> None:
        # The id comes from the agent, and is a name of one file here or of none.
        if not self._session or PurePath(self._session).name != self._session:
            return
        for folder in sorted((self._home / ".qwen" / "projects").glob("*/chats")):
            try:
                self._tail = _Tail(fsio.open_regular(folder / f"{self._session}.jsonl", follow=True))
            except (OSError, ValueError):
                continue
            return


class _Tail:
    """The whole lines that are appended to a file, in bounded memory."""

    def __init__(self, fd: int, *, emptied: bool = False):
        """``emptied``: the file is ours alone and may be emptied."""
        self._fd, self._emptied = fd, emptied
        self._offset = 0
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """The lines that have come since the last call."""
        try:
            piece = os.pread(self._fd, _CHUNK, self._offset)
            while piece:
                self._offset += len(piece)
                *whole, self._rest = (self._rest + piece).split(b"\n")
                self._rest = self._rest[-_LINE:]
                yield from (line.decode("utf-8", "replace") for line in whole)
                piece = os.pread(self._fd, _CHUNK, self._offset)
            if self._emptied and self._offset > _LARGE:
                os.ftruncate(self._fd, 0)
                self._offset = 0
        except OSError:
            return


def _answer(said: str) -> str:
    """The provider's words in what Gemini CLI wrote of its answer."""
    try:
        value = json.loads(said[said.index("{") :])
    except (ValueError, RecursionError):
        return said.strip()
    error = obj(value, "error")
    return f"{text(error.get('message'))} ({text(error.get('status'))})" if error else said.strip()
