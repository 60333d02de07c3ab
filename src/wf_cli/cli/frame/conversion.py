"""Keeps typer from importing pydantic for values that need no conversion.

Newer versions of typer convert every parameter with pydantic, also those that nobody gave, and importing it takes
longer than all the rest of `wf spool ls`. The hook is typer's own place for a parameter's converter; in a version
without it nothing is changed, and a value that does need converting gets typer's own.
"""

from __future__ import annotations

from typing import Any


def relax(command: Any) -> None:
    """Convert a parameter of ``command``, or of its subcommands, only when its value needs it."""
    for parameter in command.params:
        _relax_parameter(parameter)
    make_help = command.get_help_option  # --help is made when it is needed, and is a parameter like any other

    def help_option(ctx: Any) -> Any:
        option = make_help(ctx)
        _relax_parameter(option)
        return option

    command.get_help_option = help_option
    for subcommand in getattr(command, "commands", {}).values():
        relax(subcommand)


def _relax_parameter(parameter: Any) -> None:
    if getattr(parameter, "_runtime_param", ...) is None:
        parameter._runtime_param = _Relaxed(parameter)


class _Relaxed:
    """Takes the place of typer's converter of one parameter until that is needed."""

    def __init__(self, parameter: Any):
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """``value`` as the command wants it."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        wanted = param.type_descriptor.annotation
        # A default, or text where text is wanted: the command line gives nothing but text.
        if not several and isinstance(wanted, type) and isinstance(value, wanted):
            return value
        self._parameter._runtime_param = None
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)
