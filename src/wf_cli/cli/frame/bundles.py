"""Bundles of options. A bundle is a dataclass, and its fields become options of each command that takes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any, get_type_hints


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap ``function`` for typer: each parameter that is a dataclass becomes one option per field.

    The fields are annotated like parameters of a command, and have defaults. ``function`` gets an instance of the
    dataclass.
    """
    return _Spread(function)


class _Spread:
    """A command whose signature is worked out when typer asks, which it does for the command that runs."""

    def __init__(self, function: Callable[..., None]):
        self._function = function
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__

    @cached_property
    def _given(self) -> inspect.Signature:
        return inspect.signature(self._function, eval_str=True)

    @cached_property
    def _bundles(self) -> dict[str, Any]:
        return {n: p.annotation for n, p in self._given.parameters.items() if is_dataclass(p.annotation)}

    @cached_property
    def __signature__(self) -> inspect.Signature:
        own = (p for name, p in self._given.parameters.items() if name not in self._bundles)
        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        for bundle in self._bundles.values():
            hints = get_type_hints(bundle, include_extras=True)
            parameters += [
                inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
                for f in fields(bundle)
            ]
        return inspect.Signature(parameters)

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return {p.name: p.annotation for p in self.__signature__.parameters.values()}

    def __call__(self, **given: Any) -> None:
        for name, bundle in self._bundles.items():
            given[name] = bundle(**{f.name: given.pop(f.name) for f in fields(bundle)})
        self._function(**given)
