"""The parts of an epic's document that its planners need: the goal, the acceptance criteria, a plan's own paragraph.

People give these parts many headings. Whatever is not found here is still in the document, which every prompt names.
"""

from __future__ import annotations

import re

from wf_cli.workflow import markdown, scope

#: Characters of one part; the rest is cut, and the cut is said.
PART_LIMIT = 6000

_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*")
_GOAL = re.compile(
    r"goals?|objectives?|purpose|aims?|outcome|summary|motivation|problem(?: statement)?", re.IGNORECASE
)
_CRITERIA = re.compile(
    r"(?:.*\b)?(?:acceptance(?: criteria| tests?)?|success criteria|definition of done|done when|criteria)(?:\b.*)?",
    re.IGNORECASE,
)
_NUMBERING = re.compile(r"(?:\d+(?:\.\d+)*[.)]?|[A-Z][.)])\s+")


def goal(text: str) -> str:
    """What stands below the first heading that announces a goal; empty without one."""
    return _below(text, _GOAL)


def criteria(text: str) -> str:
    """What stands below the first heading that announces acceptance or success criteria; empty without one."""
    return _below(text, _CRITERIA)


def paragraph(text: str, slug: str) -> str:
    """The lines that follow the declaration (``- Plan 1: title``) of the plan whose folder has ``slug``."""
    lines = re.split(r"\r?\n", text)
    quoted = markdown.quoted(lines)
    for n, line in enumerate(lines):
        found = scope.declaration(line)
        if n in quoted or found is None or found.slug != slug:
            continue
        end = n + 1
        while end < len(lines) and (not lines[end].strip() or lines[end][:1].isspace()):
            end += 1
        return "\n".join(lines[n + 1 : end]).strip("\n")
    return ""


def _below(text: str, title: re.Pattern[str]) -> str:
    lines = re.split(r"\r?\n", text)
    quoted = markdown.quoted(lines)
    headings = {n: match for n, line in enumerate(lines) if n not in quoted and (match := _HEADING.fullmatch(line))}
    for n, match in headings.items():
        if title.fullmatch(_NUMBERING.sub("", match[2].strip("*_: "), count=1)) is None:
            continue
        end = next((m for m, other in headings.items() if m > n and len(other[1]) <= len(match[1])), len(lines))
        body = "\n".join(lines[n + 1 : end]).strip()
        if body:
            return body if len(body) <= PART_LIMIT else body[:PART_LIMIT].rstrip() + "\n[cut here]"
    return ""
