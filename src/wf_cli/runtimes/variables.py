"""The variables that ``runtimes.<name>.env`` of wf.config gives the agents of one runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from wf_cli.config.model import Runtime
from wf_cli.frozen import frozen

#: Before the name of a variable of the worker's environment, which holds the value.
REFERENCE = "env:"


@frozen
class Variables:
    """The variables of one runtime as one environment fills them in."""

    #: Name -> value; values may be secret.
    values: Mapping[str, str] = field(repr=False)
    #: Names whose value was taken from the environment. They are masked in what agents print, whatever their names.
    secret: frozenset[str] = frozenset()
    #: What cannot be filled in, one sentence each, which begins with the key path.
    missing: tuple[str, ...] = ()
    #: The variables of the environment that are not set.
    unset: tuple[str, ...] = ()


def of(runtime: Runtime, environ: Mapping[str, str]) -> Variables:
    """The variables of ``runtime``; ``environ`` is the environment that ``env:NAME`` refers to.

    A variable that is set and empty counts as missing, because an agent would fail with an empty key much later.
    """
    values, missing, unset = {}, [], []
    for name, text in runtime.env.items():
        source = text.removeprefix(REFERENCE)
        value = environ.get(source) if text.startswith(REFERENCE) else text
        if text.startswith(REFERENCE) and not value:
            missing.append(f"runtimes.{runtime.name}.env.{name}: the variable {source} is not set")
            unset.append(source)
        elif value is not None:
            values[name] = value
    secret = frozenset(name for name in values if runtime.env[name].startswith(REFERENCE))
    return Variables(values, secret, tuple(missing), tuple(dict.fromkeys(unset)))
