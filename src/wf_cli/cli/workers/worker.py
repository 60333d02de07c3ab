"""`wf worker` in distributed mode: runs a worker, lists the sessions, drains them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli import ids, routing
from wf_cli.cli.frame import known, log_lines, output, signals, tables
from wf_cli.cli.frame.options import ConfigOption, JsonOption, SpoolOption, app_for, document
from wf_cli.clock import format_duration, parse_duration
from wf_cli.contract.token import Pool
from wf_cli.errors import Temporary, UsageError, WfError
from wf_cli.warn import TroubleLine

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.spool.layout import Spool
    from wf_cli.worker.loop import Worker

app = typer.Typer(add_completion=False)

#: Seconds between two looks for a spool that does not exist yet.
SPOOL_POLL = 0.3
_ACTIONS = ("ls", "drain", "undrain")


@app.command()
def worker(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROLE]... | ls | drain | undrain", help="roles to take; default: all of the runtime"),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="the runtime whose jobs to take, e.g. cursor or opencode")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="stay, and take jobs as they come")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="jobs at a time")] = 1,
    max_jobs: Annotated[int | None, typer.Option(min=1, help="end after so many jobs")] = None,
    once: Annotated[bool, typer.Option("--once", help="the same as --max-jobs 1")] = False,
    name: Annotated[str | None, typer.Option("--id", help="part of the session's name, for people")] = None,
    lease: Annotated[str | None, typer.Option(metavar="DUR", help="how long a silent session keeps its jobs")] = None,
    poll: Annotated[str | None, typer.Option(metavar="DUR", help="time between rescans when nothing happens")] = None,
    drain_timeout: Annotated[str | None, typer.Option(metavar="DUR", help="abort when draining takes longer")] = None,
    poll_ms: Annotated[float | None, typer.Option(hidden=True)] = None,
    lease_ms: Annotated[float | None, typer.Option(hidden=True)] = None,
    reason: Annotated[str, typer.Option(help="why, for the log (drain)")] = "",
    log_format: log_lines.FormatOption = None,
    log_file: log_lines.FileOption = None,
    spool: SpoolOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take jobs of one runtime and run their agents.

    Without --watch the worker takes jobs until none is ready, and ends. After SIGTERM, the first Ctrl-C
    or the end of its terminal (SIGHUP) it takes no new jobs and finishes the running ones. The second signal, or
    SIGQUIT, stops the agents and gives their jobs back.

    wf worker --runtime opencode --watch        a worker of the OpenCode pool

    wf worker plan-reviewer --runtime cursor    only reviews, until there are none

    wf worker ls                                sessions, their jobs, and whether they are alive

    wf worker drain NAME|RUNTIME|all            let workers end after their jobs; undrain takes it back
    """
    the_app = app_for(spool, config)
    first, *rest = words or [""]
    if first in _ACTIONS:
        _act(the_app, first, rest, reason=reason, as_json=as_json)
        return
    log = log_lines.taken_over(log_format, log_file)
    if runtime is None:
        names = ", ".join(sorted(the_app.config.runtimes))
        raise UsageError("name the pool to serve with --runtime", hint=f"configured runtimes: {names}")
    if name is not None:
        _drainable(name)
    lease_s, poll_s = _seconds(lease, lease_ms, "lease"), _seconds(poll, poll_ms, "poll")
    drain_s = _seconds(drain_timeout, None, "drain-timeout")
    pools = _pools(the_app, words or [], runtime)
    found = _await_spool(the_app, log.say if log is not None else _say, wait=watch)
    if found is None:
        _report({"processed": 0, "succeeded": 0, "failed": 0, "released": 0}, as_json=as_json)
        return
    from wf_cli.cli.workers import live

    the_board = live.board(log)
    the_worker = the_app.worker(
        found,
        runtime=runtime,
        pools=pools,
        say=the_board.say,
        watch=watch,
        concurrency=concurrency,
        max_jobs=1 if once else max_jobs,
        name=name,
        lease_seconds=lease_s,
        poll_seconds=poll_s,
        drain_timeout=drain_s,
    )
    if log is not None:
        log.owner = lambda: the_worker.owner
    with (
        the_app.notifying(found, the_board.say),
        _signals(the_worker),
        live.drawing(the_board, the_worker.slots),
    ):
        tally = the_worker.run().to_json()
    stopped = _why_idle(the_app, found, runtime) if tally["processed"] == 0 and not watch else None
    if stopped is not None and as_json:
        stopped.facts |= tally  # The error is the one document.
    else:
        _report(tally, as_json=as_json)
    if stopped is not None:
        raise stopped


def _report(tally: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        output.print_json(document(**tally))
    else:
        output.say(", ".join(f"{count} {what}" for what, count in tally.items()))


def _say(line: str) -> None:
    output.note(f"{time.strftime('%H:%M:%S')} {line}")


def _seconds(text: str | None, ms: float | None, name: str) -> float | None:
    """The seconds that an option gives, as a duration or in ms; None without it. UsageError unless above 0."""
    value = parse_duration(text) if text is not None else ms / 1000 if ms is not None else None
    if value is not None and not 0 < value < 1e9:
        raise UsageError(f"--{name} must be more than nothing", hint="for example 30s")
    return value


def _pools(the_app: App, words: list[str], runtime: str) -> frozenset[Pool]:
    configured = the_app.config
    known.runtime(runtime, configured)
    for role in words:
        known.role(role, configured)
    roles = tuple(words) or routing.roles_for(runtime, configured.runtime_of_role)
    if not roles:
        raise UsageError(
            f"no role is routed to {runtime}", hint=f"name roles: wf worker ROLE --runtime {runtime}, or set routing"
        )
    return frozenset(Pool(role, runtime) for role in roles)


def _await_spool(the_app: App, say: Callable[[str], None], *, wait: bool) -> Spool | None:
    """The spool. A worker never creates one; with ``wait`` it waits for one.

    A spool that cannot be used now, by an error that may pass, is waited for in any case. None when there is no
    spool, or when a signal ends the wait.
    """
    from wf_cli import system_errors
    from wf_cli.attempt import trouble
    from wf_cli.spool import layout

    said, out = "", False
    asked_to_end = threading.Event()
    with signals.handling(lambda _number: asked_to_end.set()):
        while not asked_to_end.is_set():
            try:
                if layout.exists(the_app.spool_root):
                    found = the_app.open_spool()
                    if out:
                        say("the spool can be used again; going on")
                    return found
                if not wait:
                    return None
                why = f"waiting for a spool at {the_app.spool_root} (made by `wf epic run`, `dispatch` and `enqueue`)"
            except (OSError, WfError) as error:
                if not system_errors.may_pass(error):
                    raise
                why, out = f"{trouble.told(error)}; waiting until that is over", True
            if why != said:
                said = why
                say(TroubleLine(said) if out else said)
            asked_to_end.wait(SPOOL_POLL)
    return None


def _why_idle(the_app: App, found: Spool, runtime: str) -> Temporary | None:
    """The error of a worker that found no job because claims are stopped; None when they are not."""
    from wf_cli.spool.control import Requests

    stop = Requests(found, the_app.clock).stop_for(runtime)
    if stop is None:
        return None
    return Temporary(stop.text(), hint="`wf resume` lets workers claim again", code="PAUSED")


def _signals(the_worker: Worker) -> AbstractContextManager[None]:
    """Drain the worker at the first signal that asks it to end, and abort it at the second, or at SIGQUIT."""
    count = 0

    def handle(number: int) -> None:
        nonlocal count
        count += 1
        if count == 1 and number != signal.SIGQUIT:
            the_worker.drain(signal.Signals(number).name)
        else:
            the_worker.abort()

    return signals.handling(handle)


# -- ls, drain, undrain


def _act(the_app: App, action: str, rest: list[str], *, reason: str, as_json: bool) -> None:
    if action == "ls":
        if rest:
            raise UsageError("wf worker ls takes no arguments")
        _list(the_app, as_json=as_json)
        return
    if not rest:
        raise UsageError(f"wf worker {action}: say whom", hint="a session, a worker's --id, a runtime, or all")
    from wf_cli.spool import control

    found = the_app.open_spool()
    events = the_app.events(found)
    done = []
    names = [_drainable(name) for name in rest]
    if action == "drain":
        there = known.workers_of(found, the_app.config)
        for name in names:
            known.worker(name, there)
    for name in names:
        if action == "drain":
            control.request(found, f"drain.{name}", the_app.clock, reason=reason)
            events.emit("worker.draining", owner=name, reason=reason or "asked")
            done.append(name)
        elif control.withdraw(found, f"drain.{name}"):
            done.append(name)
    if as_json:
        output.print_json(document(**{action: done}))
    else:
        output.say(*(f"{action}: {name}" for name in done) if done else ["nothing to take back"])


def _drainable(name: str) -> str:
    """``name`` (a session, an ``--id``, a runtime, or all) in the form in which a worker looks for a drain request.

    Raises UsageError for a name that no worker can have.
    """
    known_as = ids.worker_name(name)
    if known_as is None:
        raise UsageError(f"{name!r} cannot be a worker's name", hint="letters, digits and dashes; see `wf worker ls`")
    return known_as


def _list(the_app: App, *, as_json: bool) -> None:
    from wf_cli.spool import control, layout
    from wf_cli.views import conditions
    from wf_cli.views.sessions import SessionView
    from wf_cli.views.viewer import Viewer

    views: list[SessionView] = []
    stops: list[control.Stop] = []
    found: list[conditions.Condition] = []
    if layout.exists(the_app.spool_root):
        sight = the_app.sight(Viewer(the_app.open_spool(), the_app.clock))
        views, stops, found = sight.sessions, sight.stops, conditions.of_project(sight)
    if as_json:
        output.print_json(
            document(
                workers=[v.to_json() for v in views],
                stops=[stop.to_json() for stop in stops],
                conditions=[condition.to_json() for condition in found],
            )
        )
        return
    output.note(*(tables.plain(condition.told) for condition in found))
    output.note(*(f"{v.trouble.path}: {v.trouble.what} ({v.trouble.remedy})" for v in views if v.trouble is not None))
    if not views:
        wanted = (c.command for c in found if c.name == "worker" and c.command)
        output.say(f"no workers; start one: {next(wanted, 'wf worker --runtime opencode --watch')}")
        return
    head = ("OWNER", "RUNTIME", "HOST", "PID", "STATE", "BEAT", "JOBS")
    rows = [
        (
            v.owner, *((v.record.runtime, v.record.host, str(v.record.pid)) if v.record else ("-",) * 3), v.state,
            "-" if v.heartbeat_age_s is None else format_duration(v.heartbeat_age_s),
            ",".join(f"{token.job_id}.a{token.attempt}" for token in v.jobs) or "-",
        )
        for v in views
    ]  # fmt: skip
    output.say(*output.columns([head, *rows], indent=""))
