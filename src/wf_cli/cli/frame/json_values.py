"""JSON values of options. A value is the JSON itself, ``@FILE`` for a file, or ``-`` for standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.contract import plain_json
from wf_cli.errors import UsageError


def value(option: str, what: str) -> Any:
    """The JSON value that an option gives; ``what`` names it in errors.

    Raises UsageError when it cannot be read, is not JSON, or could not be printed again.
    """
    return parse(option if option != "-" and not option.startswith("@") else text(option.removeprefix("@")), what)


def text(source: str) -> str:
    """The text of the file ``source``, or of standard input for ``-``.

    A leading byte order mark is dropped, as in wf.config. Raises UsageError for a file that cannot be read and for
    other encodings than UTF-8.
    """
    name = "standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    try:
        return fsio.decode_text(data)
    except ValueError as error:
        raise UsageError(f"{name}: {error}", hint="save it as UTF-8 and try again") from error


def parse(given: str, what: str) -> Any:
    """The JSON value in ``given``; ``what`` names it in errors.

    Raises UsageError for text that is not JSON and for a value that could not be printed again.
    """
    try:
        return plain_json.loads(given)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{what} is not JSON: {error}", hint="text needs its own quotes: '\"text\"'; @FILE reads a file, - stdin"
        ) from error
