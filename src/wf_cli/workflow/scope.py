"""The ``## Scope`` section of ``epic.md``: which plans the epic declares. Pure text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wf_cli.workflow import grammar, references

_NESTED = grammar.pattern(r"\s+[-*]\s+")
_DECLARATION = grammar.pattern(r"-+\s+Plan\s+([0-9]{1,2})\s*:", ignore_case=True)
_BULLET = grammar.pattern(r"-\s+")
_TITLE = grammar.pattern(r"#\s*Epic:")

#: The title of an epic whose epic.md has no `# Epic:` heading.
DEFAULT_TITLE = "Epic Delivery"


@dataclass(frozen=True)
class Declaration:
    """One declared plan; ``label`` is the name that its plan gets."""

    order: int
    label: str
    title: str
    slug: str


@dataclass(frozen=True)
class Scope:
    """The declared plans in order of number, and what in the section could not be read."""

    plans: tuple[Declaration, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
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


def parse(epic_text: str) -> Scope:
    """Read the section. Numbers declared twice give one warning in total, and both stay."""
    declared: list[Declaration] = []
    warnings: list[str] = []
    inside = False
    for line in re.split(r"\r?\n", epic_text):
        stripped = grammar.trim(line)
        if stripped.startswith("## "):
            inside = stripped.lower() == "## scope"
        elif inside and not _NESTED.match(line):
            declaration = _declaration(line)
            if declaration is not None:
                declared.append(declaration)
            elif _BULLET.match(line):
                warnings.append(f"not a plan declaration (`- Plan 1: title`): {stripped}")
    orders = [declaration.order for declaration in declared]
    repeated = sorted({order for order in orders if orders.count(order) > 1})
    if repeated:
        warnings.append(f"plan numbers are declared twice: {', '.join(map(str, repeated))}")
    return Scope(tuple(sorted(declared, key=lambda declaration: declaration.order)), tuple(warnings))


def _declaration(line: str) -> Declaration | None:
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
