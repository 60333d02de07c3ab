"""The blocks of a page of the documentation, run as a reader runs them.

What counts as what:

- A ``console`` block is a session at a terminal. A line that begins with ``$ `` is a command; the lines below it are
  all that it prints. A line ``...`` stands for any lines that were left out.
- A ``sh`` block is a list of commands, whose output the page does not show.
- A block of any other language, or of none, is only looked at.
- A block with ``title="PATH"`` is a file with exactly this content, which the reader writes.
- ``<!-- appended -->`` before such a block: the reader adds it at the end of the file.
- ``<!-- differs: A; B -->`` before a block marks what is another in each run, such as times: a word stands for any
  word, and words with blanks between them for the like.
- ``<!-- fails: COMMAND -->`` before a block marks a command that is meant to end with another code than 0. A command
  that is shown to print ``error:`` needs no mark.

The empty folder in which the reader begins is called ``/tmp`` on the page. Columns may be wider or narrower than
there, because they are as wide as what differs.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support.wait import wait_until

_FENCE = re.compile(
    r"(?m)(?P<marks>(?:^<!--.*-->\n)*)"
    r"^```(?P<language>[a-z]*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>(?:.*\n)*?)^```$"
)
_MARK = re.compile(r"<!-- (differs|fails|appended)(?:: (.*))? -->")
#: Seconds until a command counts as hanging. Not a timing: a loaded machine is slow.
_HANG = 100.0


@dataclass(frozen=True)
class Block:
    """One block of a page. ``line`` is that of its fence."""

    language: str
    title: str | None
    body: str
    differs: tuple[str, ...]
    fails: tuple[str, ...]
    appended: bool
    line: int


@dataclass(frozen=True)
class Command:
    """A command of a block. ``shown`` is what the page says that it prints; None where it says nothing of that."""

    text: str
    shown: str | None
    block: Block

    @property
    def fails(self) -> bool:
        return self.text in self.block.fails or re.search(r"(?m)^error: ", self.shown or "") is not None


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    found = []
    for match in _FENCE.finditer(page):
        marks = _MARK.findall(match["marks"])
        differs = [word.strip() for kind, words in marks if kind == "differs" for word in words.split(";")]
        fails = [words for kind, words in marks if kind == "fails"]
        line = page.count("\n", 0, match.end("marks")) + 1
        appended = any(kind == "appended" for kind, _ in marks)
        found.append(
            Block(match["language"], match["title"], match["body"], tuple(differs), tuple(fails), appended, line)
        )
    return found


def section(page: str, heading: str) -> str:
    """The part of a page below a heading, to the next heading of any level."""
    # Blocks are blanked out at the same length, because a line of a block may look like a heading.
    prose = _FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), page)
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", prose)
    assert found is not None, f"the page has no heading {heading!r}"
    return page[found.start(1) : found.end(1)]


def commands_of(block: Block) -> list[Command]:
    """The commands of a ``console`` or ``sh`` block."""
    if block.language == "sh":
        return [Command(line, None, block) for line in block.body.splitlines() if line.strip()]
    first, *rest = re.split(r"(?m)^\$ ", block.body)
    assert not first, f"line {block.line}: a console block begins with a command"
    return [Command(*_apart(part), block) for part in rest]


def _apart(part: str) -> tuple[str, str]:
    command, _, shown = part.partition("\n")
    return command, shown


def agrees(shown: str, printed: str, differs: tuple[str, ...] = ()) -> bool:
    """Whether a command printed what the page shows."""
    lines = [
        r"(?:.*\n)*?" if line == "..." else _pattern(line, differs) + r" *\n"
        for line in (shown.rstrip("\n").split("\n") if shown.strip() else [])
    ]
    text = printed if not printed or printed.endswith("\n") else printed + "\n"
    return re.fullmatch("".join(lines), text) is not None


def _pattern(line: str, differs: tuple[str, ...]) -> str:
    """The expression for one line: marked words are any words, and gaps of columns have any width."""
    words = "|".join(re.escape(word) for word in sorted(differs, key=len, reverse=True))
    parts = re.split(rf"({words}|  +)" if words else r"(  +)", line)

    def expression(part: str) -> str:
        if part in differs:
            return r".+" if " " in part else r"\S+"
        return " +" if part.startswith("  ") else re.escape(part)

    return "".join(expression(part) for part in parts)


class Reader:
    """One shell in which the commands of a page are typed one after the other."""

    def __init__(self, folder: Path, environ: Mapping[str, str], notes: Path):
        self._notes, self._count = notes, 0
        self._begin = self.folder = folder
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def type(self, command: str) -> tuple[int, str]:
        """Run a command; its exit code, and all that it printed until then."""
        self._count += 1
        out, code = self._notes / f"{self._count}.out", self._notes / f"{self._count}.code"
        stdin: IO[bytes] | None = self._shell.stdin
        assert stdin is not None
        line = (
            f"eval {shlex.quote(command)} </dev/null >{shlex.quote(str(out))} 2>&1; "
            f"echo $? >{shlex.quote(str(code))}.part; pwd >{shlex.quote(str(self._notes / 'pwd'))}; "
            f"mv {shlex.quote(str(code))}.part {shlex.quote(str(code))}\n"
        )
        stdin.write(line.encode())
        stdin.flush()
        wait_until(lambda: code.exists() or self._shell.poll() is not None, _HANG, f"the end of {command!r}")
        assert code.exists(), f"{command!r} ended the shell"
        self.folder = Path((self._notes / "pwd").read_text(encoding="utf-8").rstrip("\n"))
        printed = out.read_text(encoding="utf-8", errors="replace").replace(str(self._begin), "/tmp")
        return int(code.read_text(encoding="utf-8")), printed

    def write(self, path: str, text: str, *, append: bool = False) -> None:
        """Write a file as an editor does: its folder has to exist, and the mode of a file that exists stays."""
        with (self.folder / path).open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)

    def close(self) -> None:
        """End the shell. What it started in the background stays."""
        if self._shell.poll() is None:
            os.kill(self._shell.pid, signal.SIGKILL)
        if self._shell.stdin is not None:
            self._shell.stdin.close()
        self._shell.wait(_HANG)


def read(page: str, reader: Reader) -> Iterator[str]:
    """Do what a page says, block by block, and tell each fault of it."""
    for block in blocks_of(page):
        if block.title is not None:
            reader.write(block.title, block.body, append=block.appended)
            continue
        if block.language not in ("console", "sh"):
            continue
        for command in commands_of(block):
            code, printed = reader.type(command.text)
            where = f"line {block.line}: $ {command.text}"
            if (code != 0) != command.fails:
                yield f"{where}\nended with {code} and printed\n{printed}"
            elif command.shown is not None and not agrees(command.shown, printed, block.differs):
                yield f"{where}\nis shown to print\n{command.shown}\nand printed\n{printed}"
