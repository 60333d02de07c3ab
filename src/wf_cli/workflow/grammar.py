"""The patterns by which plan files are read, with the meaning that regular expressions have in ECMAScript.

Existing repositories were written for a tool whose ``\\s``, ``.`` and ``$`` are those of ECMAScript. Python's differ:
its ``\\s`` matches other characters, its ``.`` crosses carriage returns, its ``$`` accepts a line feed, and its case
folding equates the Kelvin sign with k. The patterns here therefore spell their characters out. Line feeds separate
lines, and a carriage return at the end of a line counts as white space.

`value_of` takes the values of free text (``command``, ``output``, ...) without a pattern. A pattern would need
quadratic time on a long line of blanks, and these files are not trusted.
"""

from __future__ import annotations

import re

from wf_cli.ecmascript import WHITE_SPACE
from wf_cli.ecmascript import trim as trim

#: The characters that ECMAScript's ``.`` does not match.
LINE_TERMINATORS = "\n\r\u2028\u2029"

_ONE_SPACE = f"[{WHITE_SPACE}]"
_TERMINATOR = re.compile(f"[{LINE_TERMINATORS}]")
_BREAKING = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")

#: The id of a todo item, an evidence section or a verdict.
ID = r"[A-Za-z][A-Za-z0-9._-]*"


def pattern(source: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile ``source`` with ECMAScript's ``\\s``. Callers use ``fullmatch`` for ``^...$``, and no ``.``."""
    flags = re.ASCII | (re.IGNORECASE if ignore_case else 0)
    return re.compile(source.replace(r"\s", _ONE_SPACE), flags)


SECTION = pattern(rf"##\s+({ID})\s*")
TODO_START = pattern(r"\s*-\s*\[([ xX])\](?=\s)")
TODO_ID = pattern(rf"\[({ID})\](?=\s)")
VERDICT = pattern(rf"\s*-\s*\[({ID})\]\s*:\s*(pass|fail|partial)\s*", ignore_case=True)
STRICT_MARKER = pattern(r"\s*-\s*strict:\s*(true|false)\s*", ignore_case=True)


def choice_field(name: str, *choices: str) -> re.Pattern[str]:
    """The pattern of a whole line ``- name: <one of the choices>``."""
    return pattern(rf"\s*-\s*{name}:\s*({'|'.join(choices)})\s*", ignore_case=True)


def field_start(name: str) -> re.Pattern[str]:
    """The pattern of the beginning of a line ``- name: <free text>``; the rest is for `value_of`."""
    return pattern(rf"\s*-\s*{name}:", ignore_case=True)


def lines(text: str) -> list[str]:
    """The lines of a file as the grammars see them. Joined with line feeds they are the file again."""
    return text.split("\n")


def value_of(rest: str) -> str | None:
    """The trimmed value that ``\\s*(.+)\\s*$`` would take from ``rest``; None where it would not match.

    A blank rest that holds a character which is no line terminator matches with an empty value.
    """
    body = trim(rest)
    if not body:
        return "" if rest.strip(LINE_TERMINATORS) else None
    return None if _TERMINATOR.search(body) else body


def unquoted(value: str) -> str:
    """``value`` without one back-quote at either end. A value that is only a back-quote stays as it is."""
    if len(value) > 1 and value.startswith("`"):
        value = value[1:]
    if len(value) > 1 and value.endswith("`"):
        value = value[:-1]
    return trim(value)


def without_breaks(text: str) -> str:
    """``text`` with every line break turned into a blank, so that a value cannot add a line to a file."""
    return _BREAKING.sub(" ", text)


def one_line(text: str) -> str:
    """`without_breaks`, trimmed."""
    return trim(without_breaks(text))


def like(line: str, replacement: str) -> str:
    """``replacement`` with the carriage return that ``line`` ends with, if it has one."""
    return replacement + "\r" if line.endswith("\r") else replacement


def newline_of(text: str) -> str:
    """The line end of ``text``, which is ``\\r\\n`` if its first line ends so, otherwise ``\\n``."""
    return "\r\n" if text.split("\n", 1)[0].endswith("\r") and "\n" in text else "\n"


def appended(text: str, new: list[str], *, apart: bool = False) -> str:
    """``text`` with the lines ``new`` at its end, in its own line ends. With ``apart`` a blank line precedes them."""
    newline = newline_of(text)
    body = text.rstrip("\r\n")
    gap = "" if not body else newline * 2 if apart else newline
    return body + gap + newline.join(new) + newline
