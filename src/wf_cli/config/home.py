"""``~`` and ``$HOME`` in paths, which people write as they would for a shell. Here no shell reads them.

They are expanded at the beginning of a path. Every other ``~name`` and ``$NAME`` is refused where a path is asked
for, because a folder of that very name would be made in the project otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_HOME = re.compile(r"(?:~|\$HOME|\$\{HOME\})(?=/|\Z)")
_OTHER = re.compile(r"\A~[^/]*|\$(?:[A-Za-z_]\w*|\{[^}]*\}?)")
_FIRST_PART = re.compile(r"(?:~|\$[A-Za-z_]\w*|\$\{[^}]*\})(?=/|\Z)")
_OPTION = re.compile(r"--?[\w-]+=")


def path(text: str, environ: Mapping[str, str]) -> str:
    """``text`` with the home folder filled in. Raises ValueError, with a remedy, for what is not expanded."""
    text = _filled_in(text, environ)
    other = _OTHER.search(text)
    if other is not None:
        raise ValueError(f"{text}: {other[0]} is not expanded here; expected: ~/ or $HOME/, or the whole path")
    return text


def begins_elsewhere(pattern: str) -> str | None:
    """What at the beginning of a pattern only a shell would expand (``~``, ``$NAME``, ``${NAME}``); None without.

    It has to be a whole part of the path, because ``~$*`` and ``$RECYCLE.BIN`` are names of files.
    """
    found = _FIRST_PART.match(pattern)
    return found[0] if found is not None else None


def word(text: str, environ: Mapping[str, str]) -> str:
    """An argument of a program with the home folder filled in, where it begins a path or the value of an option.

    The rest stays as it is, because the program may be a shell, for which it is meant. Raises ValueError without a
    home.
    """
    option = _OPTION.match(text)
    start = option.end() if option is not None else 0
    return text[:start] + _filled_in(text[start:], environ)


def _filled_in(text: str, environ: Mapping[str, str]) -> str:
    found = _HOME.match(text)
    if found is None:
        return text
    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        raise ValueError(f"{text}: HOME is not set to a folder, so {found[0]} means nothing; write the whole path")
    return home.rstrip("/") + text[found.end() :] or "/"
