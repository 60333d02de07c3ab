"""What every command of the distributed part shares: its common options, its project, its JSON envelope."""

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

#: Version of every JSON document printed here.
SCHEMA_VERSION = 1
#: Seconds; longer waits are typing errors, and a ready time has only so many digits.
LONGEST_S = 366 * 86400.0

SpoolOption = Annotated[str | None, typer.Option("--spool", metavar="DIR", help="the spool; default: from wf.config")]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="instead of wf.config.yaml")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")]


def app_for(spool: str | None, config: Path | None) -> App:
    """The project of the working directory, as the common options say."""
    from wf_cli.app import App, Flags

    root = working_project.working_directory()
    return App(root, os.environ, Flags(str(root / spool) if spool else None, config))


def document(**values: Any) -> dict[str, Any]:
    """A JSON document of success."""
    return {"ok": True, "schema_version": SCHEMA_VERSION, **values}


@dataclass(frozen=True)
class Common:
    """The options that every command takes, and what a command gets by them."""

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
        """Where the spool is, or would be."""
        from wf_cli.config import places

        root = working_project.working_directory()
        found = places.spool_without_configuration(root, os.environ, self.spool) if self.config is None else None
        return found or self.app.spool_root

    def open_spool(self) -> Spool:
        """The spool; SpoolMissing when there is none."""
        from wf_cli.spool import layout

        return layout.open_spool(self.spool_root)

    def spool_if_any(self) -> Spool | None:
        """The spool, or None: for lists, which are empty then."""
        from wf_cli.spool import layout

        root = self.spool_root
        return layout.open_spool(root) if layout.exists(root) else None

    def queue(self) -> SpoolQueue:
        """The queue on the spool; SpoolMissing when there is none."""
        return self.app.queue(self.open_spool(), say=lambda line: output.warn([line]))

    def emit(self, values: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print a result: the JSON document of ``values``, or ``lines`` for people."""
        if self.as_json:
            output.print_json(document(**values))
        else:
            output.say(*lines)

    def failed(self, error: WfError, values: Mapping[str, Any], lines: Iterable[str]) -> WfError:
        """``error``, to be raised, with the result that it comes with: in the JSON, or printed before it."""
        if self.as_json:
            error.facts |= values
        else:
            output.say(*lines)
        return error


def print_line(value: Mapping[str, Any]) -> None:
    """One JSON object of a stream, on its own line, at once."""
    print(plain_json.dumps(value), flush=True)


def group(text: str) -> typer.Typer:
    """An empty group of commands."""
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def single(function: Callable[..., None]) -> typer.Typer:
    """The typer application of one command that stands alone (``wf retry``)."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(spread(function))
    return app


def seconds(text: str, option: str) -> float:
    """The duration in ``text``; UsageError, naming ``option``, for anything else and for more than a year."""
    value = parse_duration(text)
    if not 0 <= value <= LONGEST_S:
        raise UsageError(f"{option} {text} is too long", hint="at most 366d")
    return value
