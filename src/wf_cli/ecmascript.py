"""White space and numbers as ECMAScript has them, which existing repositories and scripts rely on.

Python's ``strip`` knows other white space: it takes U+001C to U+001F and U+0085 away, and leaves U+FEFF.
"""

from __future__ import annotations

import math
import re

#: What ``\\s`` matches and ``trim()`` removes, line ends included.
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


def trim(text: str) -> str:
    """``text`` without ECMAScript white space at both ends."""
    return text.strip(WHITE_SPACE)


def number(text: str) -> float | None:
    """The finite number that ``Number(text)`` gives; None for everything else."""
    text = trim(text)
    if not text:
        return 0.0
    if _RADIX.fullmatch(text):
        return float(int(text, 0))
    if not _NUMBER.fullmatch(text):
        return None
    found = float(text)
    return found if math.isfinite(found) else None
