"""What the command line gives the library: the project of the working directory, mode, and permission."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from wf_cli.errors import NotFound, StaleAttempt
from wf_cli.workflow.project import Permit, Project


def working_directory() -> Path:
    """The project root: the working directory, without a search upward."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise NotFound("the working directory does not exist any more", hint="cd into the project") from None


def project_for(root: Path, environ: Mapping[str, str], *, as_operator: bool = False) -> Project:
    """The project at ``root`` as this process may change it.

    The single place where fencing is added: a `Permit` for the job in ``WF_JOB_TOKEN``, or for a person who
    must not interfere with a live job unless ``as_operator``.
    """
    return Project(root, permit=None if as_operator else _permit(root, environ))


def _permit(root: Path, environ: Mapping[str, str]) -> Permit:
    """The permit, made when something is to be changed: a command that only reads pays nothing for it."""

    @contextmanager
    def permit(plan_id: str) -> Iterator[None]:
        from wf_cli.app import App

        decided = App(root, environ).permit
        if decided is None:
            yield
        else:
            with decided(plan_id):
                yield

    return permit


def is_distributed(root: Path, environ: Mapping[str, str]) -> bool:
    """Whether the distributed mode is on. Read before anything is changed, so that a broken file costs nothing."""
    if environ.get("WF_DISTRIBUTED", "1") != "1":
        return False
    from wf_cli.config import load

    return load.is_distributed(root, environ)


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
