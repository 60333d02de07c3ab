"""Lines of epic.md that seem to declare a plan and do not: what a person meant, and how to write it.

Existing tools read no ``* Plan 1: title``, ``### Plan 1`` or ``1. Plan A``, and no declaration outside ``## Scope``.
So `wf_cli.workflow.scope` does not either. Whoever runs such an epic has to hear of it, because agents are paid for
what it makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wf_cli.frozen import frozen
from wf_cli.workflow import files, markdown, scope
from wf_cli.workflow.epics import Epic

#: What people put before the word Plan: quotation, list, number, heading, table cell, box, bold.
_BEFORE = r"(?:>\s*|[-*+•–—]+\s*|\(?\d{1,3}[.)]\s*|#{1,6}\s*|\|\s*|\[[ xX~./-]?\]\s*|[*_`]{1,3})"
#: A letter or a Roman number has to be set off, because "Plan a release" is a sentence.
_NUMBER = r"(?P<number>\d{1,6}|(?:[A-Za-z]|[ivxIVX]{1,4})(?=\s*[*_`]{0,3}\s*(?:[:.)|–—-]|$)))"
_DECLARES = re.compile(
    rf"\s*(?P<before>{_BEFORE}*)\s*plan(?![^\W\d])\s*(?:no\.?|nr\.?|[#№])?\s*(?:{_NUMBER})(?!\w)(?P<after>[^\n]*)",
    re.IGNORECASE,
)
_SEPARATED = re.compile(r"\s*[*_`]{0,3}\s*(?:[:.)|–—-]|$)")
_MARKS = " \t:.)|–—-*_`"


@frozen
class Unclear:
    """A line (from 1) of epic.md, what is to be known about it, and what to write instead (None: nothing)."""

    line: int
    text: str
    why: str
    write: str | None

    def __str__(self) -> str:
        told = f"epic.md:{self.line}: {self.text!r} {self.why}"
        return f"{told}; write `{self.write}`" if self.write else told


def unclear(epic_text: str, *, skip_quoted: bool) -> tuple[Unclear, ...]:
    """The unclear lines, in order. A line about a plan that is declared elsewhere is clear.

    ``skip_quoted`` is that of `scope.parse`. A declaration in a code fence or a comment is always listed, with
    nothing to write instead, because the two modes read it differently.
    """
    declared = {plan.order for plan in scope.parse(epic_text, skip_quoted=skip_quoted).plans}
    found = _candidates(epic_text, skip_quoted=skip_quoted)
    return tuple(line for line in found if line.write is None or _number(line) not in declared)


def of_epic(epic: Epic, *, skip_quoted: bool) -> tuple[Unclear, ...]:
    """`unclear` of an epic's document; raises StateError."""
    return unclear(files.need_text(epic.epic_md), skip_quoted=skip_quoted)


def blocks(lines: tuple[Unclear, ...]) -> tuple[Unclear, ...]:
    """Those of ``lines`` that somebody may have meant as a plan: all but what is quoted."""
    return tuple(line for line in lines if line.write is not None)


def _number(found: Unclear) -> int | None:
    match = _DECLARES.match(found.text)
    return int(match["number"]) if match is not None and match["number"].isdigit() else None


def _candidates(epic_text: str, *, skip_quoted: bool) -> Iterator[Unclear]:
    lines = re.split(r"\r?\n", epic_text)
    quoted = markdown.quoted(lines)
    sections = scope.sections(lines, quoted if skip_quoted else ())
    for n, (line, section) in enumerate(zip(lines, sections, strict=True)):
        inside = section is not None and scope.is_scope(section)
        text = line.strip()
        if n in quoted:
            if inside and scope.declares(line):
                counts = "so it declares no plan" if skip_quoted else "and declares a plan while the mode is off"
                yield Unclear(n + 1, text, f"stands in a code fence or a comment, {counts}", None)
            continue
        match = _DECLARES.match(line)
        if match is None or (inside and scope.declares(line)):
            continue
        separated = _SEPARATED.match(match["after"]) is not None
        # A sentence about a plan ("Plan 1 needs the parser") is no declaration; in a list or a heading it may be.
        if not separated and not match["before"].strip():
            continue
        title = match["after"].strip(_MARKS) or "its title"
        number = match["number"] if match["number"].isdigit() and int(match["number"]) < 100 else "N"
        why = f"declares no plan: {_why(line, match, inside=inside, section=section)}"
        yield Unclear(n + 1, text, why, f"- Plan {number}: {title}")


def _why(line: str, match: re.Match[str], *, inside: bool, section: str | None) -> str:
    if not inside:
        where = f"below {section!r}" if section is not None else "above any heading"
        return f"it stands {where}, not below `## Scope`"
    if not match["number"].isdigit() or int(match["number"]) > 99:
        return "a plan's number has one or two digits"
    if line[:1].isspace():
        return "it is indented"
    return "a declaration is `- Plan`, the number, a colon and the title"
