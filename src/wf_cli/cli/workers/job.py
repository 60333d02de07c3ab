"""`wf job`: lets an agent inside an editor, or a script, work on one job at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame import json_values, output
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, ReasonOption, group, seconds
from wf_cli.clock import format_duration
from wf_cli.contract import plain_json

if TYPE_CHECKING:
    from wf_cli.editor.handover import Job
    from wf_cli.editor.job_in_hand import Ended, JobInHand

app = group("One job at a time, for an agent inside an editor or a script.")

TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="as `wf job next` printed it")]
IdleOption = Annotated[str, typer.Option("--idle", metavar="DUR", help="give the job back after so long a silence")]


@app.command("next")
@spread
def take(
    common: Common,
    runtime: Annotated[str, typer.Option("--runtime", metavar="X", help="the pool: cursor, opencode, ...")],
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="R", help="whose jobs; default: all of the runtime")
    ] = None,
    wait: Annotated[str, typer.Option("--wait", metavar="DUR", help="how long to wait for a job")] = "0s",
    idle: IdleOption = "30m",
    editor_pid: Annotated[
        int | None, typer.Option("--editor-pid", metavar="PID", min=1, help="whose end gives the job back")
    ] = None,
) -> None:
    """Take one job. Its prompt (or payload), its token and the environment for its `wf` commands are printed.

    A process of its own holds the job until it is finished, failed or released. That process gives the job back to
    the queue when the editor (the nearest ancestor that is no shell) has ended, or when neither a heartbeat nor a
    change of the plan came for --idle. The exit code is 75 when no job came within --wait.

    \b
    wf job next --runtime opencode --wait 5m
    wf job next --role plan-coder --runtime opencode --json
    """
    from wf_cli.editor import ancestry
    from wf_cli.editor.request import Request, roles_of
    from wf_cli.editor.starting import StartedKeeper, refuse_second

    output.require_delivery("no job was taken")
    the_app = common.app
    the_app.require_distributed("job next")
    request = Request(
        runtime=runtime,
        roles=roles_of(the_app.config, runtime, role or ()),
        editor=ancestry.given(editor_pid) if editor_pid is not None else ancestry.editor_of(),
        wait_s=seconds(wait, "--wait"),
        idle_s=max(0.05, seconds(idle, "--idle")),
    )
    refuse_second(the_app, os.environ.get("WF_JOB_TOKEN"))
    with StartedKeeper(the_app, request) as keeper:
        job = keeper.job()
        common.emit(job.to_json(), _lines(job))
        output.require_delivery("the job was given back")
        keeper.accept()


def _lines(job: Job) -> list[str]:
    lines = [f"{job.job_id}: attempt {job.attempt} of {job.role}@{job.runtime}", f"token: {job.token}", ""]
    lines += [*job.exports(), ""]
    if job.prompt is not None:
        return [*lines, job.prompt]
    payload = plain_json.dumps(job.payload, indent=2, ensure_ascii=False)
    return [*lines, payload, "", f"then: wf job finish {job.token} --result JSON", f"  or: wf job fail {job.token}"]


@app.command("heartbeat")
@spread
def heartbeat(common: Common, token: TokenArgument) -> None:
    """Say that the agent is at work. The idle limit starts again, as it does after each change of the plan.

    \b
    wf job heartbeat "$WF_JOB_TOKEN"
    """
    job = _in_hand(common, token)
    idle_s = job.heartbeat()
    values = {"job_id": job.job_id, "attempt": job.attempt, "idle_s": idle_s}
    common.emit(values, [f"{job.job_id} is yours; say something within {format_duration(idle_s)}"])


@app.command("finish")
@spread
def finish(
    common: Common,
    token: TokenArgument,
    result: Annotated[
        str | None, typer.Option("--result", metavar="JSON|@FILE|-", help="of a job outside plans; - is stdin")
    ] = None,
) -> None:
    """End the job as done. The plan of a plan's job is checked first.

    When the check fails, the missing parts are listed, the exit code is 1, and the job goes on.

    \b
    wf job finish "$WF_JOB_TOKEN"
    wf job finish "$WF_JOB_TOKEN" --result '{"warnings": 0}'
    """
    from wf_cli.editor.job_in_hand import Unmet

    value = None if result is None else json_values.value(result, "the result")
    job = _in_hand(common, token)
    try:
        ended = job.finish(value)
    except Unmet as unmet:
        raise common.failed(unmet, {}, [f"- {error}" for error in unmet.errors]) from None
    _emit(common, ended)


@app.command("fail")
@spread
def fail(
    common: Common,
    token: TokenArgument,
    message: Annotated[str, typer.Option("--message", metavar="TEXT", help="why; the next attempt is told")],
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="what kind of failure")] = "crashed",
) -> None:
    """End the attempt as failed.

    The code decides whether the attempt counts against the job's budget and whether the job is tried again. After
    most codes it is, with a delay.

    \b
    wf job fail "$WF_JOB_TOKEN" --message "the tests cannot run: no database"
    wf job fail "$WF_JOB_TOKEN" --code policy_denied --message "this would drop a table"
    """
    _emit(common, _in_hand(common, token).fail(message, code))


@app.command("release")
@spread
def release(
    common: Common,
    token: TokenArgument,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="DUR", help="not to be taken before so long")
    ] = None,
    reason: ReasonOption = None,
) -> None:
    """Give the job back to the queue. The attempt does not count against the job's budget.

    \b
    wf job release "$WF_JOB_TOKEN" --reason "lunch" --delay 1h
    """
    delay_s = seconds(delay, "--delay") if delay is not None else None
    _emit(common, _in_hand(common, token).release(reason, delay_s))


def _in_hand(common: Common, token: str) -> JobInHand:
    from wf_cli.editor.job_in_hand import JobInHand

    return JobInHand(common.app, token)


def _emit(common: Common, ended: Ended) -> None:
    values = {"job_id": ended.job_id, "attempt": ended.attempt, "status": ended.status, "to": ended.to}
    where = {
        "done": "",
        "dead": "; it is a dead letter now",
        "queued": "; it is queued again",
        "held": "; it is held",
    }[ended.to]
    common.emit(values, [f"{ended.job_id}: attempt {ended.attempt} {ended.status}{where}"])
