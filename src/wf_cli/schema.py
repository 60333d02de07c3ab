"""JSON Schemas of everything that comes from outside; the one home of jsonschema."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

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
    import jsonschema  # heavy: only where a file from outside is read

    return jsonschema.Draft202012Validator(load(kind))


def problems(kind: str, value: Any) -> list[tuple[str, str]]:
    """What is wrong with ``value``: (key path, message) pairs, shallow ones first; empty when it is valid."""
    errors = sorted(_validator(kind).iter_errors(value), key=lambda e: (len(e.absolute_path), list(map(str, e.path))))
    return [(".".join(str(part) for part in e.absolute_path) or "(top)", e.message[:300]) for e in errors]
