"""Keeps typer from importing pydantic for values that need no conversion.

Newer versions of typer convert every parameter with pydantic, also those that are not on the command line. The import
takes longer than all the rest of `wf spool ls`. This module puts a light converter into the attribute in which typer
keeps a parameter's converter. A value that needs converting gets typer's own converter. In a version of typer without
the attribute no parameter is changed.
"""

from __future__ import annotations

import re
from typing import Any

#: What every converter takes for the same number.
_PLAIN_INT = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


def relax(command: Any) -> None:
    """Give the parameters of ``command`` and of its subcommands the light converter."""
    for parameter in command.params:
        _relax_parameter(parameter)
    make_help = command.get_help_option  # --help is a parameter too, made when it is first needed

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
    """The light converter of one parameter. It makes way for typer's own when a value needs converting."""

    def __init__(self, parameter: Any):
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """``value`` in the type that the command declares."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        wanted = param.type_descriptor.annotation
        # Defaults have the declared type already, and so has text from the command line where text is declared.
        if not several and isinstance(wanted, type) and isinstance(value, wanted):
            return value
        if several and wanted == list[str] and all(type(one) is str for one in value):
            return list(value)
        if not several and wanted is int and isinstance(value, str) and _PLAIN_INT.fullmatch(value):
            # Without bounds that it breaks. What is out of bounds gets typer's own message.
            number, info = int(value), param.type_descriptor.parameter_info
            least, most = getattr(info, "min", None), getattr(info, "max", None)
            if (least is None or number >= least) and (most is None or number <= most):
                return number
        self._parameter._runtime_param = None
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)
