"""What is wrong with a value of the configuration, in words for people, and an example of a right one.

The words come from the schema: each part of it has a ``description``, and each leaf an example. No message begins
with a regular expression, because that tells only a programmer what to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_cli.config import document
from wf_cli.contract import nearest
from wf_cli.schema import Violation

#: A part of the JSON Schema.
Rule = Mapping[str, Any]

#: Characters of a wrong value that a message repeats.
_SHOWN = 80

_KINDS: Mapping[str, str] = {
    "object": "a mapping of keys to values", "array": "a list", "string": "text", "integer": "a whole number",
    "number": "a number", "boolean": "true or false", "null": "null",
}  # fmt: skip


def said(violation: Violation, *, secret: bool = False) -> str:
    """What is wrong, without what would be right. A value that may be ``secret`` is not repeated."""
    value, wanted = "the value" if secret else shown(violation.found), violation.wanted
    match violation.keyword:
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            return f"{value} is {_kind(violation.found)}, and not {' or '.join(_KINDS[name] for name in names)}"
        case "enum":
            near = nearest.names(str(violation.found), [str(one) for one in wanted], most=1)
            close = f"; did you mean {near[0]}?" if near else ""
            return f"{value} is none of {', '.join(map(str, wanted))}{close}"
        case "minimum" | "exclusiveMinimum":
            return f"{value} is too small"
        case "maximum":
            return f"{value} is too large"
        case "minLength" | "minItems":
            return "is empty"
        case "maxLength" | "maxItems" | "maxProperties":
            return f"is too long: {len(violation.found)}, and {wanted} at most"
        case "required":
            return f"{', '.join(key for key in wanted if key not in violation.found)} is missing"
        case "pattern":
            return f"{value} cannot be read"
    return violation.message


def shown(value: Any) -> str:
    """``value`` as the file would hold it, cut to a length that fits into a message; text always in quotes."""
    text = repr(value) if isinstance(value, str) else document.flow(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    for kind, names in ((bool, "true or false"), (str, "text"), (list, "a list"), (dict, "a mapping")):
        if isinstance(value, kind):
            return names
    return "a number"


def resolved(root: Rule, rule: Rule) -> Rule:
    """``rule`` with its reference filled in. Keys beside the reference win over keys of its target."""
    reference = rule.get("$ref")
    if reference is None:
        return rule
    return {**root["$defs"][reference.removeprefix("#/$defs/")], **{k: v for k, v in rule.items() if k != "$ref"}}


def at(root: Rule, path: tuple[str, ...]) -> Rule:
    """The rule for the value at ``path``; an empty one where the schema has none."""
    rule = root
    for key in path:
        rule = resolved(root, rule)
        below = (rule.get("properties", {}).get(key), rule.get("items"), rule.get("additionalProperties"))
        rule = next((part for part in below if isinstance(part, dict)), {})
    return resolved(root, rule)


def example(root: Rule, path: tuple[str, ...]) -> str | None:
    """``key: value`` as it may stand at ``path`` of the file; None where no value is right there.

    An item of a list is shown within its list, because a list is one value.
    """
    while path and path[-1].isdecimal():
        path = path[:-1]
    if not path or not at(root, path):
        return None
    return f"{document.flow(path[-1])}: {document.flow(_right(root, at(root, path)))}"


def _right(root: Rule, rule: Rule) -> Any:
    """A value that ``rule`` allows."""
    rule = resolved(root, rule)
    if "examples" in rule:
        return rule["examples"][0]
    if "enum" in rule:
        return rule["enum"][0]
    if "const" in rule:
        return rule["const"]
    if "properties" in rule:
        first = next(key for key in rule["properties"] if not key.startswith("$"))
        return {first: _right(root, rule["properties"][first])}
    return [_right(root, rule["items"])]
