"""The parts that all typer commands share: common options, the `App`, the keys of every JSON document."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output, working_project
from wf_cli.cli.frame.bundles import spread
from wf_cli.clock import Clock, SystemClock, parse_duration
from wf_cli.contract import plain_json
from wf_cli.errors import UsageError, WfError

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.queue.spool_queue import SpoolQueue
    from wf_cli.spool.layout import Spool

#: The ``schema_version`` of every JSON document that a typer command prints.
SCHEMA_VERSION = 1
#: The longest duration that an option may give, in seconds. A token's name has no room for much later ready times.
LONGEST_S = 366 * 86400.0

SpoolOption = Annotated[str | None, typer.Option("--spool", metavar="DIR", help="the spool; default: from wf.config")]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="instead of wf.config.yaml")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")]


def app_for(spool: str | None, config: Path | None) -> App:
    """The `App` of the working directory, with the common options applied."""
    from wf_cli.app import App, Flags

    root = working_project.working_directory()
    return App(root, os.environ, Flags(str(root / spool) if spool else None, config))


def document(**values: Any) -> dict[str, Any]:
    """``values`` as the JSON document of a command that succeeded."""
    return {"ok": True, "schema_version": SCHEMA_VERSION, **values}


@dataclass(frozen=True)
class Common:
    """The options that every typer command takes, and access to the spool that they choose."""

    spool: SpoolOption = None
    config: ConfigOption = None
    as_json: JsonOption = False

    @cached_property
    def app(self) -> App:
        """The one `App` of the command; a command that only looks at names never asks for it."""
        return app_for(self.spool, self.config)

    @cached_property
    def clock(self) -> Clock:
        return SystemClock()

    @property
    def spool_root(self) -> Path:
        """The path of the spool, which need not exist. The configuration is loaded only when it can matter."""
        from wf_cli.config import places

        root = working_project.working_directory()
        found = places.spool_without_configuration(root, os.environ, self.spool) if self.config is None else None
        return found or self.app.spool_root

    def open_spool(self) -> Spool:
        """The spool. Raises SpoolMissing when there is none."""
        from wf_cli.spool import layout

        return layout.open_spool(self.spool_root)

    def spool_if_any(self) -> Spool | None:
        """The spool, or None when there is none; a list is empty then."""
        from wf_cli.spool import layout

        root = self.spool_root
        return layout.open_spool(root) if layout.exists(root) else None

    def queue(self) -> SpoolQueue:
        """The queue on the spool, which warns of files that it passes over. Raises SpoolMissing without a spool."""
        return self.app.queue(self.open_spool(), say=lambda line: output.warn([line]))

    def emit(self, values: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print a result: ``values`` as a JSON document, or ``lines`` for people."""
        if self.as_json:
            output.print_json(document(**values))
        else:
            output.say(*lines)

    def failed(self, error: WfError, values: Mapping[str, Any], lines: Iterable[str]) -> WfError:
        """``error``, for the caller to raise, with the partial result: in its JSON, or printed now as ``lines``."""
        if self.as_json:
            error.facts |= values
        else:
            output.say(*lines)
        return error


def print_line(value: Mapping[str, Any]) -> None:
    """Print one JSON object of a stream on a line, and flush it."""
    print(plain_json.dumps(value), flush=True)


def group(text: str) -> typer.Typer:
    """An empty group of commands with the help ``text``."""
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def single(function: Callable[..., None]) -> typer.Typer:
    """The typer application of a command without subcommands (``wf retry``)."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(spread(function))
    return app


def seconds(text: str, option: str) -> float:
    """The duration in ``text``, in seconds. Raises UsageError for other text and for more than `LONGEST_S`."""
    value = parse_duration(text)
    if not 0 <= value <= LONGEST_S:
        raise UsageError(f"{option} {text} is too long", hint="at most 366d")
    return value
