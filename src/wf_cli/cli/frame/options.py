"""The parts that all typer commands share: common options, the `App`, the keys of every JSON document."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output, working_project
from wf_cli.cli.frame.bundles import spread
from wf_cli.clock import Clock, SystemClock, parse_duration
from wf_cli.config import home
from wf_cli.contract import plain_json
from wf_cli.errors import UsageError, WfError

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.contract.token import Placed
    from wf_cli.queue.spool_queue import SpoolQueue
    from wf_cli.spool.layout import Spool
    from wf_cli.views.conditions.sight import Sight
    from wf_cli.views.viewer import Viewer
    from wf_cli.workflow.project import Project

#: The ``schema_version`` of every JSON document that a typer command prints.
SCHEMA_VERSION = 1
#: The longest duration that an option may give, in seconds. A token's name has no room for much later ready times.
LONGEST_S = 366 * 86400.0


def _expanded(given: str | None) -> str | None:
    """A shell leaves the ``~`` of ``--spool=~/x`` and of a quoted word as it is."""
    try:
        return home.path(given, os.environ) if given else given
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def expanded_path(given: Path | None) -> Path | None:
    """The same for an option that takes a path."""
    text = _expanded(str(given)) if given is not None else None
    return Path(text) if text is not None else None


SpoolOption = Annotated[
    str | None,
    typer.Option("--spool", metavar="DIR", help="the spool; default: from wf.config", callback=_expanded),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="instead of wf.config.yaml", callback=expanded_path),
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")]


def app_for(spool: str | None, config: Path | None) -> App:
    """The `App` of the project that the command means, with the common options applied."""
    from wf_cli.app import App, Flags

    return App(working_project.project_root(), os.environ, Flags(_absolute(spool), config))


def _absolute(spool: str | None) -> str | None:
    """What the command line says is relative to the working directory, wherever the project's root is."""
    return str(working_project.working_directory() / spool) if spool else None


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
        from wf_cli.app import App, Flags

        return App(self.root, os.environ, Flags(self.spool_given, self.config))

    @cached_property
    def clock(self) -> Clock:
        return SystemClock()

    @property
    def spool_root(self) -> Path:
        """The path of the spool, which need not exist. The configuration is loaded only when it can matter."""
        from wf_cli.config import places

        if self.config is None:
            found = places.spool_without_configuration(self.root, os.environ, self.spool_given)
            if found is not None:
                return found
        return self.app.spool_root

    @property
    def spool_given(self) -> str | None:
        """The spool that the command line names, as an absolute path."""
        return _absolute(self.spool)

    @cached_property
    def root(self) -> Path:
        """The root of the project."""
        return working_project.project_root()

    @property
    def project(self) -> Project:
        """The project, to be read."""
        from wf_cli.workflow.project import Project

        return Project(self.root)

    def open_spool(self) -> Spool:
        """The spool. Raises SpoolMissing when there is none."""
        from wf_cli.spool import layout

        return layout.open_spool(self.spool_root)

    def spool_if_any(self, *, tell: bool = True) -> Spool | None:
        """The spool, or None when there is none; a list is empty then, and with ``tell`` stderr says why.

        Raises SpoolMissing when the command line named the folder.
        """
        from wf_cli.spool import layout

        folder = self.spool_root
        if layout.exists(folder) or self.spool_given is not None:
            return layout.open_spool(folder)  # One that was named and is not there is a mistake, and no empty list.
        if tell:
            self._tell_missing(folder)
        return None

    @cache  # noqa: B019 - one `Common` for each process
    def _tell_missing(self, folder: Path) -> None:
        """Say once that there is no spool, and where one is that could be meant."""
        from wf_cli.config import root

        other = root.elsewhere(self.root)
        more = f"; there is one in {other}" if other is not None else "; the first job makes one"
        output.warn([f"no spool at {folder}{more}"])

    def sight(self, viewer: Viewer, placed: Iterable[Placed] | None = None) -> Sight:
        """What the finders of conditions look at: the jobs ``placed``, or all that live."""
        from wf_cli.views.conditions.sight import Sight

        return Sight(viewer, self.root, lambda: self.app, placed)

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
    """Print one JSON object of a stream on a line. Raises OutputLost as `output.stream` does."""
    output.stream(plain_json.dumps(value))


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


def since_ms(clock: Clock, since: str | None) -> int | None:
    """The wall-clock ms of ``--since``: a time, or a duration before now; None without it. UsageError for others."""
    if since is None:
        return None
    from wf_cli.clock import parse_iso_ms

    moment = parse_iso_ms(since)
    if moment is not None:
        return moment
    try:
        return clock.now_ms() - round(seconds(since, "--since") * 1000)
    except UsageError as error:
        raise UsageError(f"--since {since}: {error.message}", hint="10m, 2h, 7d, or 2026-01-31T08:00:00Z") from error
