"""JSON Schemas of everything that comes from outside; the one home of jsonschema.

The import of jsonschema takes longer than most commands, so it is left to the values that are wrong. `conforms` knows
the keywords that our schemas use and vouches for right values. Any other value goes to jsonschema, which explains
what is wrong, or says that nothing is.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wf_cli.frozen import frozen

#: Folders that may hold the schemas: inside the installed package, or at the top of a checkout.
_PLACES = (Path(__file__).parent / "schemas", Path(__file__).parents[2] / "schemas")


@cache
def load(kind: str) -> dict[str, Any]:
    """The schema ``<kind>.schema.json`` as published."""
    for place in _PLACES:
        path = place / f"{kind}.schema.json"
        if path.is_file():
            schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return schema
    raise FileNotFoundError(f"no schema {kind}.schema.json in {_PLACES[0]} or {_PLACES[1]}")


@cache
def _validator(kind: str) -> Any:
    import jsonschema  # heavy: only where something is wrong

    return jsonschema.Draft202012Validator(load(kind))


@frozen
class Violation:
    """One rule that a value breaks: the keyword of the schema, what it wants, and the part of the value."""

    path: tuple[str, ...]
    keyword: str
    wanted: Any
    found: Any
    #: In the words of jsonschema, at most 300 characters.
    message: str


def violations(kind: str, value: Any) -> list[Violation]:
    """The rules that ``value`` breaks, shallow ones first; empty when it is valid."""
    if conforms(kind, value):
        return []
    errors = sorted(_validator(kind).iter_errors(value), key=lambda e: (len(e.absolute_path), list(map(str, e.path))))
    return [
        Violation(tuple(map(str, e.absolute_path)), e.validator, e.validator_value, e.instance, e.message[:300])
        for e in errors
    ]


def problems(kind: str, value: Any) -> list[tuple[str, str]]:
    """What is wrong with ``value``: (key path, message) pairs, shallow ones first; empty when it is valid."""
    return [(".".join(found.path) or "(top)", found.message) for found in violations(kind, value)]


def conforms(kind: str, value: Any) -> bool:
    """Whether ``value`` is certainly valid. False decides nothing: it may be wrong, or beyond what is known here."""
    root = load(kind)
    return _fits(root, root, value)


def _fits(root: Mapping[str, Any], rule: Mapping[str, Any], value: Any) -> bool:
    for keyword, wanted in rule.items():
        if keyword in _SILENT:
            continue
        if keyword == "$ref":
            fits = _fits(root, root["$defs"][wanted.removeprefix("#/$defs/")], value)
        elif keyword in _KEYWORDS:
            fits = _KEYWORDS[keyword](wanted, value)
        elif keyword == "items":
            fits = not isinstance(value, list) or all(_fits(root, wanted, item) for item in value)
        elif keyword == "propertyNames":
            fits = not isinstance(value, dict) or all(_fits(root, wanted, key) for key in value)
        elif keyword in ("properties", "additionalProperties"):
            fits = not isinstance(value, dict) or _fit_properties(root, rule, value)
        else:
            fits = False
        if not fits:
            return False
    return True


def _fit_properties(root: Mapping[str, Any], rule: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    known, others = rule.get("properties", {}), rule.get("additionalProperties", True)
    for key, item in value.items():
        inner = known.get(key, others)
        if inner is False or (inner is not True and not _fits(root, inner, item)):
            return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict) and all(isinstance(key, str) for key in value),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _is_one_of(wanted: Any, value: Any) -> bool:
    return any(type(value) is type(one) and value == one and not isinstance(one, list | dict) for one in wanted)


#: What these keywords say of a value, one that they are not about included.
_KEYWORDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": lambda wanted, value: any(
        _TYPES[one](value) for one in ([wanted] if isinstance(wanted, str) else wanted)
    ),
    "const": lambda wanted, value: _is_one_of([wanted], value),
    "enum": _is_one_of,
    "required": lambda wanted, value: not isinstance(value, dict) or all(key in value for key in wanted),
    "pattern": lambda wanted, value: not isinstance(value, str) or re.search(wanted, value) is not None,
    "minLength": lambda wanted, value: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda wanted, value: not isinstance(value, str) or len(value) <= wanted,
    "minItems": lambda wanted, value: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda wanted, value: not isinstance(value, list) or len(value) <= wanted,
    "maxProperties": lambda wanted, value: not isinstance(value, dict) or len(value) <= wanted,
    "minimum": lambda wanted, value: not isinstance(value, int | float) or value >= wanted,
    "maximum": lambda wanted, value: not isinstance(value, int | float) or value <= wanted,
    "exclusiveMinimum": lambda wanted, value: not isinstance(value, int | float) or value > wanted,
}
#: Keywords that say nothing about a value.
_SILENT = frozenset(
    ("$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "writeOnly")
)
