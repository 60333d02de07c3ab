"""``runtimes.<name>.options`` of wf.config, checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_cli.contract import nearest
from wf_cli.errors import ConfigError
from wf_cli.runtimes.base import RuntimeSettings


def checked(settings: RuntimeSettings, known: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The options, all of them known and of the right type; ConfigError with the key path otherwise."""
    for key, value in settings.options.items():
        path = f"runtimes.{settings.name}.options.{key}"
        if key not in known:
            near = nearest.names(key, known, most=1)
            hint = f"did you mean {near[0]}?" if near else f"known options: {', '.join(known) or 'none'}"
            raise ConfigError(f"{path} is not an option of the {settings.adapter} adapter", hint=hint, path=path)
        kinds = known[key]
        # Python counts a boolean as an int; a configuration does not.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise ConfigError(f"{path} must be {names}, not {type(value).__name__}", path=path)
    return dict(settings.options)
