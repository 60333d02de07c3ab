"""All printing of the commands: JSON documents, text for people, warnings, errors.

Data goes to stdout, progress and warnings to stderr. A write that fails raises nothing here, see `streams`.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from itertools import islice
from typing import Any, Literal, TextIO

from wf_cli import warn as warn_below
from wf_cli.cli.frame import cells, streams
from wf_cli.contract import plain_json, text
from wf_cli.errors import Temporary


class Coloured(str):
    """A line with colours of wf, whose text is harmless already."""

    __slots__ = ()


def shown(line: str) -> str:
    """``line`` as it goes to a terminal or a pipe: what others wrote into it cannot act there."""
    return line if isinstance(line, Coloured) else text.lines(line)


class Level(IntEnum):
    """How much goes to stderr."""

    #: Errors only.
    QUIET = 0
    #: Errors, warnings and progress.
    USUAL = 1
    #: Also the project, the configuration and the spool that the command works with, and the traceback of a bug.
    VERBOSE = 2


#: The options that stand before the command.
LEVELS = {"-q": Level.QUIET, "--quiet": Level.QUIET, "-v": Level.VERBOSE, "--verbose": Level.VERBOSE}

#: Lines that are printed with one call.
_AT_ONCE = 500
_level = Level.USUAL
_diverted: Callable[[Literal["info", "warning", "error"], str], None] | None = None
_errors_too = False


def set_level(new: Level) -> None:
    """Say how much goes to stderr from now on, in this process, and that it goes there."""
    global _level, _diverted, _errors_too
    _level, _diverted, _errors_too = new, None, False
    warn_below.to(lambda line: warn([line]))


def divert(write: Callable[[Literal["info", "warning", "error"], str], None], *, errors_too: bool) -> None:
    """Hand to ``write`` what goes to stderr, with its level. Errors go to stderr as well, unless ``errors_too``."""
    global _diverted, _errors_too
    _diverted, _errors_too = write, errors_too


def level() -> Level:
    """How much goes to stderr."""
    return _level


def print_json(document: Mapping[str, Any], *, failed: bool = False) -> None:
    """Print one document, which must be alone on its stream: stdout, or stderr for a failed contract command."""
    stream = sys.stderr if failed else sys.stdout
    encoding = (stream.encoding or "").lower().replace("-", "")
    print(plain_json.dumps(document, indent=2, ensure_ascii=encoding != "utf8"), file=stream)


def print_json_list(document: Mapping[str, Any], key: str, items: Iterable[Mapping[str, Any]]) -> None:
    """`print_json` of a document whose list at ``key`` may be long: each item stands on one line.

    Items are made one after the other and kept as text. So a failure among them leaves nothing printed.
    """
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    ascii_only = encoding != "utf8"
    texts = [plain_json.dumps(item, ensure_ascii=ascii_only) for item in items]
    whole = plain_json.dumps({**document, key: []}, indent=2, ensure_ascii=ascii_only)
    before, empty, after = whole.partition(f'\n  "{key}": []')
    if not texts:
        print(whole)
        return
    print(f"{before}{empty[:-1]}")
    last = texts.pop()
    for one in texts:
        print(f"    {one},")
    print(f"    {last}\n  ]{after}")


def say(*lines: str) -> None:
    """Print lines for people on stdout."""
    _print(lines, sys.stdout)


def say_all(lines: Iterable[str]) -> None:
    """`say` of lines that are made while they are printed."""
    _print(lines, sys.stdout)


def stream(*lines: str, works: bool = False) -> None:
    """`say` of a command that stays: each call is flushed. Raises OutputLost when no output arrives any more.

    With ``works`` the command has other work than to print. It is ended by a reader that has left, and not by a full
    disk.
    """
    say(*lines)
    failed = streams.lost()
    if failed is not None and not (works and failed.errno != errno.EPIPE):
        raise streams.OutputLost


def require_delivery(what: str) -> None:
    """Raise Temporary unless all that was printed so far has left this process; ``what`` becomes of it then."""
    failed = streams.lost(told=True)
    if failed is not None:
        raise Temporary(f"standard output: {failed.strerror}, so {what}", code="NO_OUTPUT")


def note(*lines: str) -> None:
    """Print lines of progress on stderr; none with ``wf -q``."""
    _tell("info", *lines)


def complain(message: str, hint: str | None = None) -> None:
    """Print an error on stderr: what is wrong, and what to do about it."""
    if _diverted is not None:
        _diverted("error", f"{message} (hint: {hint})" if hint else message)
    if _diverted is None or not _errors_too:
        say_error(message, hint)


def say_error(message: str, hint: str | None = None) -> None:
    """Print an error on stderr, wherever else errors go."""
    _print([f"error: {message}", *([f"hint: {hint}"] if hint else [])], sys.stderr)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on stderr, one a line; none with ``wf -q``."""
    for warning in warnings:
        _tell("warning", warning)


def result(document: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> int:
    """Print a contract command's result and return its exit code: 0 when ``ok`` is true, else 1."""
    ok = document["ok"] is True
    if as_json:
        print_json(document, failed=not ok)
    else:
        say(*lines)
    return 0 if ok else 1


def columns(rows: Iterable[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """The rows as lines with columns that are aligned on a terminal."""
    table = list(rows)
    widths = [max(map(cells.width, column)) for column in zip(*table, strict=True)]
    return [
        indent + "  ".join(cells.padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _tell(kind: Literal["info", "warning"], *lines: str) -> None:
    if _diverted is not None:
        for line in lines:
            _diverted(kind, line)
    elif _level > Level.QUIET:
        _print(lines if kind == "info" else [f"{kind}: {line}" for line in lines], sys.stderr)


def _print(lines: Iterable[str], stream: TextIO) -> None:
    """Print the lines, some hundred with one call, because an unbuffered stream is written at each."""
    remaining = iter(lines)
    while some := [shown(line) for line in islice(remaining, _AT_ONCE)]:
        print("\n".join(some), file=stream)
