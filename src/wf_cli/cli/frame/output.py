"""Everything that is printed: JSON documents, plain text, errors.

Data goes to stdout, chatter to stderr. A reader that went away (``wf recap | head -1``) is no error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from wf_cli.contract import plain_json


def prepare() -> None:
    """Make both streams able to print any text, whatever their encoding is."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def print_json(document: Mapping[str, Any], *, failed: bool = False) -> None:
    """One document, alone on its stream: stdout, or stderr for a contract command that failed."""
    stream = sys.stderr if failed else sys.stdout
    encoding = (stream.encoding or "").lower().replace("-", "")
    print(plain_json.dumps(document, indent=2, ensure_ascii=encoding != "utf8"), file=stream)


def say(*lines: str) -> None:
    """Text for people on stdout."""
    _print(lines, sys.stdout)


def note(*lines: str) -> None:
    """Progress and warnings on stderr."""
    _print(lines, sys.stderr)


def complain(message: str, hint: str | None = None) -> None:
    """An error: what is wrong, and what to do about it."""
    note(f"error: {message}")
    if hint:
        note(f"hint: {hint}")


def warn(warnings: Iterable[str]) -> None:
    """Warnings, one a line."""
    for warning in warnings:
        note(f"warning: {warning}")


def result(document: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> int:
    """Show a contract command's result and return its exit code, which follows ``ok``."""
    ok = document["ok"] is True
    if as_json:
        print_json(document, failed=not ok)
    else:
        say(*lines)
    return 0 if ok else 1


def columns(rows: Iterable[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """Rows as aligned columns, for a terminal or awk."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def reader_is_gone() -> None:
    """After a BrokenPipeError: keep the interpreter from failing once more when it flushes at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def _print(lines: Iterable[str], stream: TextIO) -> None:
    for line in lines:
        print(line, file=stream)
