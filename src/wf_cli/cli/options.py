"""What every command of the distributed part shares: its common options, its project, its JSON envelope."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli import context_project

if TYPE_CHECKING:
    from wf_cli.app import App

#: Version of every JSON document printed here.
SCHEMA_VERSION = 1

SpoolOption = Annotated[str | None, typer.Option("--spool", metavar="DIR", help="the spool; default: from wf.config")]
ConfigOption = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="instead of wf.config.yaml")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON document on stdout")]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why, for the log")]


def app_for(spool: str | None, config: Path | None) -> App:
    """The project of the working directory, as the common options say."""
    from wf_cli.app import App, Flags

    return App(context_project.working_directory(), os.environ, Flags(spool, config))


def document(**values: Any) -> dict[str, Any]:
    """A JSON document of success."""
    return {"ok": True, "schema_version": SCHEMA_VERSION, **values}
