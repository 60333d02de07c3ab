"""Several limits in one message: which of them are not used up, so that their ends do not count.

Codex and others tell the state of every window with each refusal: a five-hour window that is used up and a weekly one
at 80 percent. Only the first one refuses.
"""

from __future__ import annotations

import re

_FLAGS = re.IGNORECASE | re.ASCII
#: ``X-Primary-Used-Percent: 80``, whose window is everything that begins with ``X-Primary-``.
_PERCENT = re.compile(
    r"(?<![\w-])(?P<window>[a-z][\w-]{0,60}?)[-_](?:used[-_]percent|utilization)[\"']?\s?[:=]\s?[\"']?"
    r"(?P<used>\d{1,3}(?:\.\d{1,6})?)",
    _FLAGS,
)
#: The innermost objects of JSON: ``{"used_percent": 80, "resets_in_seconds": 316000}``.
_OBJECT = re.compile(r"\{[^{}]{0,600}\}", _FLAGS)
_USED = re.compile(r"\"(?:used_percent|usedPercent|percent_used)\"\s?:\s?\"?(?P<used>\d{1,3}(?:\.\d{1,6})?)", _FLAGS)
_LEFT = re.compile(r"\"(?:remaining|left)\w*\"\s?:\s?\"?(?P<left>\d{1,12})", _FLAGS)
#: In words, right before the time: "weekly limit: 80% used, resets in 4 days".
_SAID = re.compile(
    r"(?P<percent>\d{1,3})(?:\.\d{1,3})? ?%(?: of [\w -]{1,30}?)? ?(?P<word>used|full|left|remaining|available)?",
    _FLAGS,
)
_LOOK_BACK = 80


def without_open(text: str) -> str:
    """``text`` without the fields of windows that still have room, if another one has none. Positions stay."""
    spans: list[tuple[int, int]] = []
    used_up = False
    for found in _PERCENT.finditer(text):
        if float(found["used"]) >= 100:
            used_up = True
            continue
        field = re.compile(
            rf"(?<![\w-]){re.escape(found['window'])}[-_][\w-]{{1,60}}[\"']?\s?[:=]\s?[\"']?[^,}}\s]{{1,60}}"
        )
        spans += [part.span() for part in field.finditer(text)]
    for part in _OBJECT.finditer(text):
        used, left = _USED.search(part[0]), _LEFT.search(part[0])
        if used is None and left is None:
            continue
        full = float(used["used"]) >= 100 if used is not None else left is not None and int(left["left"]) == 0
        used_up = used_up or full
        if not full:
            spans.append(part.span())
    if not used_up:
        return text
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def used_up(text: str, start: int, since: int) -> bool | None:
    """Whether the limit whose end is told at ``start`` is used up, as the words after ``since`` say; None: they say
    nothing."""
    every = list(_SAID.finditer(text, max(since, start - _LOOK_BACK), start))
    if not every:
        return None
    said = every[-1]
    if (said["word"] or "used").lower() in ("used", "full"):
        return int(said["percent"]) >= 100
    return int(said["percent"]) == 0
