"""Matches regular expressions in a process of its own, which can be ended: ``python -m ...match``.

In: ``{"patterns": [..], "text": ".."}`` on stdin. Out: ``[number of the pattern, words, line]`` of the last line that
one of them matches, the first pattern first; or ``null``. Imports nothing of wf, so that it starts fast.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    asked = json.load(sys.stdin)
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in asked["patterns"]]
    for line in reversed(asked["text"].splitlines()):
        for number, pattern in enumerate(patterns):
            found = pattern.search(line)
            if found is not None:
                json.dump([number, found[0], line], sys.stdout)
                return
    json.dump(None, sys.stdout)


if __name__ == "__main__":
    main()
