"""What the command line gives the library: the working directory, the mode, and the role of a job's process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wf_cli.errors import NotFound, StaleAttempt


def working_directory() -> Path:
    """The project root: the working directory, without a search upward."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise NotFound("the working directory does not exist any more", hint="cd into the project") from None


def is_distributed(root: Path, environ: Mapping[str, str]) -> bool:
    """Whether the distributed mode is on. Read before anything is changed, so that a broken file costs nothing."""
    if environ.get("WF_DISTRIBUTED", "1") != "1":
        return False
    from wf_cli.config import mode

    return mode.is_distributed(root, environ)


def job_role(environ: Mapping[str, str]) -> str | None:
    """The role of the job that this process acts for; None for a person or an agent outside any job.

    Of a plan's job the token itself says it; ``WF_ROLE`` is believed for jobs outside plans only.
    StaleAttempt for anything that no worker makes.
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
