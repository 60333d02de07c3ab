"""`wf doctor`: checks of the project and the machine, each with a remedy."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from wf_cli.cli.frame import output, working_project
from wf_cli.cli.frame.options import Common, single
from wf_cli.errors import Unhealthy


def doctor(
    common: Common,
    fs_probe: Annotated[
        bool, typer.Option("--fs-probe", help="try the spool's folder out; says which topology it is for")
    ] = False,
    fix: Annotated[bool, typer.Option("--fix", help="remove old, empty locks of wf-cli 0.3.x")] = False,
    no_call: Annotated[bool, typer.Option("--no-call", help="do not start the agents for a dry call")] = False,
) -> None:
    """Check configuration, session, agents, leftovers, git, runtimes, spool and workers. Ends with 5 on errors.

    Agents that speak ACP are started for a dry call. They open a session but get no prompt, so the call costs no
    tokens. In each folder that wf writes in, a hidden file is made and removed. --fs-probe makes a scratch folder
    in the spool and removes it at the end. No other file is created, and no secret is printed.

    \b
    wf doctor                what is wrong, and what to do about it
    wf doctor --no-call      the same, without starting agents
    wf doctor --fs-probe     on a new machine, and before a spool is put on a network file system
    """
    from wf_cli.doctor import Level, Patient, diagnose

    root = working_project.project_root()
    spool = common.spool_given
    patient = Patient(root, os.environ, common.clock, common.config, spool)
    checks = list(diagnose(patient, fs_probe=fs_probe, fix=fix, call=not no_call))
    counts = {level: sum(check.status is level for check in checks) for level in Level}
    topology = next((c.detail.partition(":")[0] for c in checks if c.name == "topology"), None)
    values = {
        "checks": [check.to_json() for check in checks],
        "errors": counts[Level.ERROR],
        "warnings": counts[Level.WARN],
        "topology": topology,
    }
    lines = output.columns([(check.status, check.name, check.detail) for check in checks], indent="")
    lines = [
        line
        for row, check in zip(lines, checks, strict=True)
        for line in (row, *([f"       remedy: {check.remedy}"] if check.remedy else []))
    ]
    lines += ["", f"{counts[Level.ERROR]} error(s), {counts[Level.WARN]} warning(s)"]
    if counts[Level.ERROR]:
        first = next(check for check in checks if check.status is Level.ERROR)
        error = Unhealthy(f"{counts[Level.ERROR]} error(s) found; the first: {first.detail}", hint=first.remedy)
        raise common.failed(error, values, lines)
    common.emit(values, lines)


app = single(doctor)
