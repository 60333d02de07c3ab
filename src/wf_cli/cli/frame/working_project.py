"""Facts about this process: its working directory, whether the mode is on, and the role of the job it acts for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wf_cli.errors import NotFound, StaleAttempt

if TYPE_CHECKING:
    from wf_cli.config.root import Root


def working_directory() -> Path:
    """The folder that relative paths of the command line start from."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise NotFound("the working directory does not exist any more", hint="cd into the project") from None


def locate(environ: Mapping[str, str], *, contract: bool = False) -> Root:
    """The project that the command means, by `wf_cli.config.root`. ``contract``: for a command of the contract."""
    from wf_cli.config import root

    agents = root.of_agent(environ)
    return (
        root.Root(agents) if agents is not None else root.of_person(working_directory(), environ, contract=contract)
    )


def project_root() -> Path:
    """The root of the project that a command beyond the contract means."""
    return locate(os.environ).path


def is_distributed(root: Path, environ: Mapping[str, str]) -> bool:
    """Whether the distributed mode is on. Callers ask before they change files, because a broken one raises here."""
    if environ.get("WF_DISTRIBUTED", "1") != "1":
        return False
    from wf_cli.config import mode

    return mode.is_distributed(root, environ)


def job_role(environ: Mapping[str, str]) -> str | None:
    """The role of the job that this process acts for; None for a person or an agent outside any job.

    The token of a plan's job names the role. ``WF_ROLE`` counts only for jobs outside plans. Raises StaleAttempt for
    a ``WF_JOB_TOKEN`` that no worker can have made.
    """
    mark = environ.get("WF_JOB_TOKEN")
    if not mark:
        return None
    from wf_cli.contract.identity import target_of
    from wf_cli.contract.token import parse_mark

    parsed = parse_mark(mark)
    target = target_of(parsed[0]) if parsed is not None else None
    role = target.role if target is not None else environ.get("WF_ROLE")
    if parsed is None or not role:
        raise StaleAttempt("WF_JOB_TOKEN is not a job's token", hint="unset it, or let a worker start the agent")
    return role
