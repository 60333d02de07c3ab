"""``runtimes.<name>.output`` of wf.config as rules: which lines count, and where in a line a value stands.

A *path* is keys with dots between them (``error.message``); ``*`` is every item of a list, and every value of an
object. A *condition* (``when``) holds for a line when each of its paths leads to one of the values that are wanted
there. Text is compared as a pattern of `fnmatch`, and null is wanted where the path leads nowhere, or to null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from typing import Any

from wf_cli.frozen import frozen
from wf_cli.runtimes.jsonl.recipes import RECIPES
from wf_cli.runtimes.jsonlines import text

#: Values that one path may lead to in one line; the rest of a long list is passed over.
VALUES_LIMIT = 100
#: Characters of a value that a condition looks at.
PATTERN_LIMIT = 1000


@frozen
class Rule:
    """One of the rules: the lines that it is for, and the paths of each of its fields, the first that leads first."""

    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Whether the amounts of all lines are added up. Otherwise the last line tells those of the whole run.
    add: bool = False

    def holds(self, line: Mapping[str, Any]) -> bool:
        """Whether the rule is for ``line``."""
        return all(_is_wanted(list(values(line, path)), wanted) for path, wanted in self.when)

    def all(self, line: Mapping[str, Any], name: str) -> list[Any]:
        """What every path of field ``name`` leads to, in the order of the paths."""
        return [value for path in self.fields.get(name, ()) for value in values(line, path)]

    def texts(self, line: Mapping[str, Any], name: str) -> list[str]:
        """The texts at the first path of field ``name`` that leads to any."""
        for path in self.fields.get(name, ()):
            if found := [said for value in values(line, path) if (said := text(value))]:
                return found
        return []


@frozen
class Rules:
    """The rules of one runtime. One that is None is not given."""

    session: Rule | None = None
    text: Rule | None = None
    tool: Rule | None = None
    usage: Rule | None = None
    error: Rule | None = None
    retry: Rule | None = None
    result: Rule | None = None


#: The field that a rule has when it is written as nothing but paths.
_FIELD = "at"


def of(output: Mapping[str, Any]) -> Rules | None:
    """The rules of one ``output:``; None where the output is plain text.

    ``output`` follows the schema. The rules that it has itself replace those of the recipe that it names.
    """
    form = output.get("format", "text")
    if form == "text":
        return None
    given = {**RECIPES.get(form, {}), **{key: value for key, value in output.items() if key != "format"}}
    return Rules(**{name: _rule(value) for name, value in given.items()})


def values(line: Any, path: str) -> Iterator[Any]:
    """The values that ``path`` leads to in ``line``; none where a step is missing. Null counts as missing."""
    found = [line]
    for step in path.split("."):
        found = [inner for value in found for inner in _inside(value, step)][:VALUES_LIMIT]
    yield from (value for value in found if value is not None)


def _inside(value: Any, step: str) -> list[Any]:
    if step == "*":
        inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        return list(inner[:VALUES_LIMIT])
    return [value[step]] if isinstance(value, dict) and step in value else []


def _is_wanted(found: list[Any], wanted: tuple[Any, ...]) -> bool:
    return any(_matches(value, one) for one in wanted for value in found or [None])


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return fnmatchcase(value[:PATTERN_LIMIT], wanted)
    return type(value) is type(wanted) and value == wanted


def _rule(value: Any) -> Rule:
    if not isinstance(value, Mapping):
        return Rule(fields={_FIELD: _listed(value)})
    fields = {name: _listed(paths) for name, paths in value.items() if name not in ("when", "add")}
    when = tuple((path, _listed(wanted)) for path, wanted in value.get("when", {}).items())
    return Rule(when, fields, value.get("add") is True)


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
