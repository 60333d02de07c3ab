"""Tells whether the distributed mode is on. Every command that changes a plan asks, so this imports very little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wf_cli.config import legacy
from wf_cli.config.places import find
from wf_cli.errors import ConfigError, WfError
from wf_cli.frozen import frozen

if TYPE_CHECKING:
    from wf_cli.config.document import Document


def is_distributed(root: Path, environ: Mapping[str, str], config_file: Path | None = None) -> bool:
    """Whether the distributed mode is on, as `decided` says. Raises what that raises."""
    return decided(root, environ, config_file).on


@frozen
class Decision:
    """Whether the distributed mode is on, and what says so: ``environment WF_DISTRIBUTED``, ``wf.config.yaml:2``, or
    None for ``.wf/runtime.json``, which decides where nothing else does."""

    on: bool
    by: str | None = None


def decided(root: Path, environ: Mapping[str, str], config_file: Path | None = None) -> Decision:
    """Whether the distributed mode is on. Loads YAML only where there is a configuration file, and never all of it.

    ``WF_DISTRIBUTED`` decides where it is set, and ``1`` alone means on. Otherwise the ``mode`` of wf.config decides,
    and without one ``.wf/runtime.json``. Raises ConfigError when the file that decides cannot be read.
    """
    if "WF_DISTRIBUTED" in environ:
        return Decision(environ["WF_DISTRIBUTED"] == "1", "environment WF_DISTRIBUTED")
    path = config_file or find(root)
    if path is not None:
        from wf_cli.config import read_once

        content = read_once.document(path, environ)
        if "mode" in content.value:
            mode, place = content.value["mode"], in_file(root, content)(("mode",))
            if mode not in ("command", "distributed"):
                raise ConfigError(
                    f"{place}: mode: {mode!r} is no mode; expected: command or distributed; "
                    "example: mode: distributed",
                    key="mode",
                )
            return Decision(mode == "distributed", place)
    return Decision(legacy.load_runtime(root).distributed)


def reads_strictly(is_distributed: Callable[[], bool]) -> bool:
    """Whether lists of plans are read as the distributed mode reads them. False for a switch that cannot be read.

    A command that only reads is not stopped by it, because whoever asks for the mode itself reports the switch.
    """
    try:
        return is_distributed()
    except (WfError, OSError):
        return False


def in_file(root: Path, content: Document) -> Callable[[tuple[str, ...]], str]:
    """``wf.config.yaml:7``; the whole path of a file that lies elsewhere."""
    name = content.path.name if content.path.parent == root else str(content.path)

    def place(path: tuple[str, ...]) -> str:
        line = content.line(path)
        return name if line is None else f"{name}:{line}"

    return place
