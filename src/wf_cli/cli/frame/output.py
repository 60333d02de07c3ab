"""All printing of the commands: JSON documents, text for people, warnings, errors.

Data goes to stdout, progress and warnings to stderr. A write that fails raises nothing here, see `streams`.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from wf_cli.cli.frame import streams
from wf_cli.contract import plain_json, text
from wf_cli.errors import Temporary


class Coloured(str):
    """A line with colours of wf, whose text is harmless already."""

    __slots__ = ()


def shown(line: str) -> str:
    """``line`` as it goes to a terminal or a pipe: what others wrote into it cannot act there."""
    return line if isinstance(line, Coloured) else text.lines(line)


def print_json(document: Mapping[str, Any], *, failed: bool = False) -> None:
    """Print one document, which must be alone on its stream: stdout, or stderr for a failed contract command."""
    stream = sys.stderr if failed else sys.stdout
    encoding = (stream.encoding or "").lower().replace("-", "")
    print(plain_json.dumps(document, indent=2, ensure_ascii=encoding != "utf8"), file=stream)


def say(*lines: str) -> None:
    """Print lines for people on stdout."""
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
    """Print lines of progress on stderr."""
    _print(lines, sys.stderr)


def complain(message: str, hint: str | None = None) -> None:
    """Print an error on stderr: what is wrong, and what to do about it."""
    note(f"error: {message}")
    if hint:
        note(f"hint: {hint}")


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on stderr, one a line."""
    for warning in warnings:
        note(f"warning: {warning}")


def result(document: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> int:
    """Print a contract command's result and return its exit code: 0 when ``ok`` is true, else 1."""
    ok = document["ok"] is True
    if as_json:
        print_json(document, failed=not ok)
    else:
        say(*lines)
    return 0 if ok else 1


def columns(rows: Iterable[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """The rows as lines with aligned columns."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _print(lines: Iterable[str], stream: TextIO) -> None:
    for line in lines:
        print(shown(line), file=stream)
