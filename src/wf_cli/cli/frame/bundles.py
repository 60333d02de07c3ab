"""Bundles of options. A bundle is a dataclass, and its fields become options of each command that takes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``function`` for typer: each parameter that is a dataclass becomes one option per field.

    The fields are annotated like parameters of a command, and have defaults. ``function`` gets an instance of the
    dataclass.
    """
    signature = inspect.signature(function, eval_str=True)
    bundles: dict[str, Any] = {n: p.annotation for n, p in signature.parameters.items() if is_dataclass(p.annotation)}
    parameters = [p.replace(kind=p.KEYWORD_ONLY) for name, p in signature.parameters.items() if name not in bundles]
    for bundle in bundles.values():
        hints = get_type_hints(bundle, include_extras=True)
        parameters += [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
            for f in fields(bundle)
        ]

    def command(**given: Any) -> None:
        for name, bundle in bundles.items():
            given[name] = bundle(**{f.name: given.pop(f.name) for f in fields(bundle)})
        function(**given)

    command.__name__, command.__doc__, command.__module__ = function.__name__, function.__doc__, function.__module__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command
