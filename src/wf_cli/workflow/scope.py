"""The ``## Scope`` section of ``epic.md``: which plans the epic declares. Pure text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from wf_cli.frozen import frozen
from wf_cli.workflow import grammar, markdown, references

_NESTED = grammar.pattern(r"\s+[-*]\s+")
_DECLARATION = grammar.pattern(r"-+\s+Plan\s+([0-9]{1,2})\s*:", ignore_case=True)
_BULLET = grammar.pattern(r"-\s+")
_TITLE = grammar.pattern(r"#\s*Epic:")
#: A bullet that says after which plans its plan comes, and one that says so in a way that can be read.
_AFTER = grammar.pattern(r"\s*[-*+]\s+after\s*:", ignore_case=True)
_AFTER_NUMBERS = grammar.pattern(r"\s+[-*]\s+after\s*:\s*([0-9]{1,2}(?:\s*,\s*[0-9]{1,2})*)\s*", ignore_case=True)

#: The title of an epic whose epic.md has no `# Epic:` heading.
DEFAULT_TITLE = "Epic Delivery"


@frozen
class Declaration:
    """One declared plan. ``label`` is the name that its plan gets."""

    order: int
    label: str
    title: str
    slug: str


@frozen
class After:
    """A bullet ``- after: 1, 2`` (``line`` from 1) below the declaration of ``plan``; None when none stands above it.

    ``numbers`` is None when the bullet cannot be read.
    """

    line: int
    text: str
    plan: Declaration | None
    numbers: tuple[int, ...] | None


@frozen
class Scope:
    """The declared plans in order of number, and warnings about lines of the section that could not be read.

    `wf_cli.workflow.order` says what ``after`` means.
    """

    plans: tuple[Declaration, ...]
    warnings: tuple[str, ...]
    after: tuple[After, ...] = ()


@frozen
class Comparison:
    """Declared plans against linked ones. A mismatch needs a declaration."""

    scope: Scope
    linked: tuple[str, ...]
    missing: tuple[Declaration, ...]
    extra: tuple[str, ...]

    @property
    def mismatch(self) -> bool:
        return bool(self.scope.plans) and bool(self.missing or self.extra)


def title(epic_text: str) -> str:
    """The name in the first ``# Epic:`` heading."""
    for line in grammar.lines(epic_text):
        if start := _TITLE.match(line):
            value = grammar.value_of(line[start.end() :])
            if value:
                return value
    return DEFAULT_TITLE


def parse(epic_text: str, *, skip_quoted: bool = False) -> Scope:
    """Read the section. Numbers declared twice give one warning in total, and both stay.

    ``skip_quoted``: what stands in a code fence or a comment is text. The command-driven flow reads it like any other
    line, as the tool before it did.
    """
    declared: list[Declaration] = []
    warnings: list[str] = []
    after: list[After] = []
    lines = re.split(r"\r?\n", epic_text)
    quoted: Collection[int] = markdown.quoted(lines) if skip_quoted else ()
    for n, (line, section) in enumerate(zip(lines, sections(lines, quoted), strict=True)):
        stripped = grammar.trim(line)
        if section is None or not is_scope(section) or n in quoted or stripped.startswith("## "):
            continue
        if _AFTER.match(line):
            numbers = _AFTER_NUMBERS.fullmatch(line)
            found_numbers = tuple(map(int, numbers.group(1).split(","))) if numbers is not None else None
            after.append(After(n + 1, stripped, declared[-1] if declared else None, found_numbers))
        if _NESTED.match(line):
            continue
        found = declaration(line)
        if found is not None:
            declared.append(found)
        elif _BULLET.match(line):
            warnings.append(f"not a plan declaration (`- Plan 1: title`): {stripped}")
    orders = [declaration.order for declaration in declared]
    repeated = sorted({order for order in orders if orders.count(order) > 1})
    if repeated:
        warnings.append(f"plan numbers are declared twice: {', '.join(map(str, repeated))}")
    plans = sorted(declared, key=lambda declaration: declaration.order)
    return Scope(tuple(plans), tuple(warnings), tuple(after))


def sections(lines: Sequence[str], quoted: Collection[int] = ()) -> list[str | None]:
    """For each line the heading of second level that it stands below, or is; None above the first one."""
    found: list[str | None] = []
    heading: str | None = None
    for n, line in enumerate(lines):
        stripped = grammar.trim(line)
        if stripped.startswith("## ") and n not in quoted:
            heading = stripped
        found.append(heading)
    return found


def is_scope(heading: str) -> bool:
    """Whether plans are declared below a heading of second level."""
    return heading.lower() == "## scope"


def declares(line: str) -> bool:
    """Whether a line of the section declares a plan."""
    return not _NESTED.match(line) and declaration(line) is not None


def declaration(line: str) -> Declaration | None:
    """What a line declares, wherever it stands."""
    start = _DECLARATION.match(line)
    value = grammar.value_of(line[start.end() :]) if start else None
    if start is None or value is None:
        return None
    label = f"Plan {start.group(1)}: {value}"
    return Declaration(int(start.group(1)), label, value, references.slug(label))


def compare(scope: Scope, links: Sequence[str]) -> Comparison:
    """Match links (plan folder names) to declarations by slug."""
    linked = tuple(sorted(links))
    link_slugs = {references.slug_of(link) for link in linked}
    declared_slugs = {declaration.slug for declaration in scope.plans}
    return Comparison(
        scope=scope,
        linked=linked,
        missing=tuple(plan for plan in scope.plans if plan.slug not in link_slugs),
        extra=tuple(link for link in linked if references.slug_of(link) not in declared_slugs),
    )
