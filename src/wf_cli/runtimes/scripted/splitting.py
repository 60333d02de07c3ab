"""How the scripted agent splits a document into plans: by its list items or headings, in order, a few to a plan."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ITEM = re.compile(r"(?:[-*+]|[0-9]{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.+)")
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*")
_WORK = re.compile(
    r"(?:scope|plans?|tasks?|steps?|phases?|milestones?|requirements?|user stories|todo)\b", re.IGNORECASE
)
#: Words of a title.
_WORDS = 8


def plans(document: str, most: int) -> list[dict[str, str]]:
    """The plans, ``most`` at most, as `wf epic plans set` takes them. Every document gives at least one."""
    parts = _items(document) or [_first_line(document)]
    size = -(-len(parts) // most)
    groups = [parts[n : n + size] for n in range(0, len(parts), size)]
    titles: list[str] = []
    for number, group in enumerate(groups, 1):
        title = " ".join(re.sub(r"[*_`]", "", group[0]).split()[:_WORDS]).rstrip(":;,.")
        titles.append(title if title.casefold() not in map(str.casefold, titles) else f"{title} ({number})")
    return [
        {"title": title[:100], "goal": " ".join(group)[:4000]} for title, group in zip(titles, groups, strict=True)
    ]


def _items(document: str) -> list[str]:
    """The list items below a heading about work, with the lines that go on with them; else the headings."""
    found: list[str] = []
    headings: list[str] = []
    inside = going_on = False
    for line in document.splitlines():
        heading = _HEADING.fullmatch(line)
        item = _ITEM.fullmatch(line)
        if heading is not None:
            inside, going_on = bool(_WORK.match(heading[2])), False
            headings += [heading[2]] if len(heading[1]) > 1 else []
        elif inside and item is not None:
            found.append(item[1].strip())
            going_on = True
        elif inside and going_on and line.strip():
            found[-1] += " " + line.strip().lstrip("-*+ ")
        elif not line.strip():
            going_on = False
    return found or headings


def _first_line(document: str) -> str:
    lines: Sequence[str] = [line.strip("# \t") for line in document.splitlines() if line.strip("# \t")]
    return lines[0] if lines else "The epic"
