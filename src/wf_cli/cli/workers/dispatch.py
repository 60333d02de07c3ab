"""`wf dispatch` publishes the jobs that are due; `wf pause` and `wf resume` stop and allow claims."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from wf_cli.cli.frame import known, log_lines, output, signals
from wf_cli.cli.frame.log_lines import LogLines
from wf_cli.cli.frame.options import ConfigOption, JsonOption, ReasonOption, SpoolOption, app_for, document, seconds
from wf_cli.contract import plain_json
from wf_cli.contract.token import is_word
from wf_cli.errors import UsageError, WfError

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.planjobs.round import Reconciled
    from wf_cli.spool.layout import Spool

dispatch_app = typer.Typer(add_completion=False)
pause_app = typer.Typer(add_completion=False)
resume_app = typer.Typer(add_completion=False)

#: Seconds between two reconciles of `--watch`.
WATCH_EVERY = 2.0

RuntimeOption = Annotated[str | None, typer.Option("--runtime", metavar="X", help="only this pool; default: all")]


@dispatch_app.command()
def dispatch(
    epic: Annotated[
        str | None, typer.Option("--epic", metavar="ID", help="only this epic; default: all running")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="go on for ever; Ctrl-C ends it")] = False,
    log_format: log_lines.FormatOption = None,
    log_file: log_lines.FileOption = None,
    spool: SpoolOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the jobs that the plans of running epics wait for.

    Workers and `wf epic run --follow` do the same by themselves. A job that exists already is not published again.
    """
    if not watch and (log_format is not None or log_file is not None):
        raise UsageError(
            "--log-format and --log-file belong to --watch", hint="wf dispatch --watch --log-format json"
        )
    log = log_lines.taken_over(log_format, log_file)
    the_app = app_for(spool, config)
    the_app.require_distributed("dispatch")
    from wf_cli.workflow import epics

    wanted = epics.find(the_app.project(), epic) if epic is not None else None
    found_spool = the_app.create_spool()
    dispatcher = the_app.dispatcher(found_spool)
    if not watch:
        found = dispatcher.reconcile(wanted)
        if as_json:
            output.print_json(_document(found))
        else:
            lines = _lines(found)
            needed = _needs_a_person(the_app, found)
            output.say(*(lines or ([] if needed else ["nothing to do: no running epic waits for a job"])), *needed)
        return
    with signals.as_interrupt(), the_app.notifying(found_spool, output.note):
        _watch(lambda: dispatcher.reconcile(wanted), log, as_json=as_json)


def _watch(reconcile: Callable[[], Reconciled], log: LogLines | None, *, as_json: bool) -> NoReturn:
    """Reconcile for ever, and print what is new, to ``log`` if there is one. Errors that may pass are waited for."""
    from wf_cli.attempt.outage import Outage

    said: list[str] = []
    outage, what = Outage(log.say if log is not None else output.note), "cannot look for jobs that are due"
    while True:
        try:
            found = reconcile()
        except (OSError, WfError) as error:
            if not outage.met(what, error):
                raise
            time.sleep(WATCH_EVERY)
            continue
        outage.over(what)
        if as_json:
            if found.published:
                output.stream(plain_json.dumps(_document(found)), works=True)
        elif (lines := _lines(found)) != said:
            new = [line for line in lines if line not in said]
            if log is None:
                output.stream(*new, works=True)
            else:
                for line in new:
                    log.say(line)
            said = lines
        time.sleep(WATCH_EVERY)


def _needs_a_person(the_app: App, found: Reconciled) -> list[str]:
    """What keeps the jobs that exist from being worked on, and the command for each."""
    from wf_cli.views import conditions
    from wf_cli.views.viewer import Viewer

    said = {(b.plan_id, b.epic_id) for b in found.blocked}
    sight = the_app.sight(Viewer(the_app.open_spool(), the_app.clock))
    return [
        condition.told
        for condition in conditions.of_project(sight)
        if condition.name != "plan_goes_on" or not {(condition.scope.plan_id or "", e) for _, e in said} & said
    ]


def _document(found: Reconciled) -> dict[str, Any]:
    return document(
        published=found.published,
        deduped=found.deduped,
        blocked=[{"plan_id": b.plan_id, "epic_id": b.epic_id, "why": b.why} for b in found.blocked],
        completed_epics=found.completed_epics,
    )


def _lines(found: Reconciled) -> list[str]:
    return [
        *(f"published {job_id}" for job_id in found.published),
        *(f"there already: {job_id}" for job_id in found.deduped),
        *(f"{f'plan {b.plan_id}' if b.plan_id else f'epic {b.epic_id}'}: {b.why}" for b in found.blocked),
        *(f"epic {epic_id} is completed" for epic_id in found.completed_epics),
    ]


@pause_app.command()
def pause(
    runtime: RuntimeOption = None,
    length: Annotated[str | None, typer.Option("--for", metavar="DUR", help="end by itself after that")] = None,
    reason: ReasonOption = None,
    spool: SpoolOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop claims until `wf resume`. Running jobs go on."""
    from wf_cli.spool import control

    the_app = app_for(spool, config)
    for_s = seconds(length, "--for") if length is not None else None
    found = the_app.open_spool()
    _assert_known(the_app, found, runtime)
    control.request(found, _name(runtime), the_app.clock, reason=reason or "", seconds=for_s)
    the_app.events(found).emit("pool.paused", runtime=runtime, reason=reason)
    _tell("paused", runtime, as_json=as_json)


@resume_app.command()
def resume(
    runtime: RuntimeOption = None,
    reason: ReasonOption = None,
    spool: SpoolOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let workers claim again after `wf pause`. The cool-down of a pool ends too.

    Jobs that wait for the end of a cool-down, because their provider refused requests, are ready at once.
    """
    from wf_cli.spool import control
    from wf_cli.spool.troubles import EachItem

    the_app = app_for(spool, config)
    found = the_app.open_spool()
    name = _name(runtime)
    _assert_known(the_app, found, runtime)
    if runtime is None:
        stops = control.Requests(found, the_app.clock).stops()
        names = ["pause", *(f"{stop.kind}.{stop.runtime}" for stop in stops if stop.runtime)]
    else:
        names = [name, f"cooldown.{runtime}"]
    queue = the_app.queue(found, say=lambda line: output.warn([line]))
    each, withdrawn = EachItem(queue.troubles), []
    for n in names:
        with each.stepping(found.path("control", f"{n}.json")):
            if control.withdraw(found, n):
                withdrawn.append(n)
    ready = queue.unpark(runtime, reason=reason)
    each.finish()
    the_app.events(found).emit("pool.resumed", runtime=runtime, reason=reason)
    _tell("resumed" if withdrawn or ready else "was not paused", runtime, as_json=as_json)


def _assert_known(the_app: App, spool: Spool, runtime: str | None) -> None:
    """Raise NotFound for a runtime that neither the configuration nor the spool knows, UsageError for no name."""
    _name(runtime)
    if runtime is not None:
        known.runtime(runtime, the_app.config, spool)


def _name(runtime: str | None) -> str:
    if runtime is None:
        return "pause"
    if not is_word(runtime):
        raise UsageError(f"{runtime!r} is not the name of a runtime", hint="[a-z0-9-]")
    return f"pause.{runtime}"


def _tell(what: str, runtime: str | None, *, as_json: bool) -> None:
    if as_json:
        output.print_json(document(state=what, runtime=runtime))
    else:
        output.say(f"{runtime or 'the spool'}: {what}")
