"""`wf worker` in distributed mode: run one, list them, drain them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli import routing
from wf_cli.cli import output
from wf_cli.cli.options import ConfigOption, JsonOption, SpoolOption, app_for, document
from wf_cli.clock import format_duration, parse_duration
from wf_cli.contract.token import Pool
from wf_cli.errors import NotFound, Temporary, UsageError

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
    spool: SpoolOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take jobs of one runtime and run their agents.

    Without --watch it takes what is ready and ends when nothing is. SIGTERM or the first Ctrl-C drains: no new
    jobs, running ones are finished; the second stops the agents and gives their jobs back.

    wf worker --runtime opencode --watch        a worker of the OpenCode pool

    wf worker plan-reviewer --runtime cursor    only reviews, until there are none

    wf worker ls                                sessions, what they run, and whether they live

    wf worker drain NAME|RUNTIME|all            let workers end after their jobs; undrain takes it back
    """
    the_app = app_for(spool, config)
    first, *rest = words or [""]
    if first in _ACTIONS:
        _act(the_app, first, rest, reason=reason, as_json=as_json)
        return
    if runtime is None:
        known = ", ".join(sorted(the_app.config.runtimes))
        raise UsageError("name the pool to serve with --runtime", hint=f"configured runtimes: {known}")
    lease_s, poll_s = _seconds(lease, lease_ms, "lease"), _seconds(poll, poll_ms, "poll")
    drain_s = _seconds(drain_timeout, None, "drain-timeout")
    pools = _pools(the_app, words or [], runtime)
    found = _await_spool(the_app, wait=watch)
    if found is None:
        _report({"processed": 0, "succeeded": 0, "failed": 0, "released": 0}, as_json=as_json)
        return
    the_worker = the_app.worker(
        found,
        runtime=runtime,
        pools=pools,
        say=_say,
        watch=watch,
        concurrency=concurrency,
        max_jobs=1 if once else max_jobs,
        name=name,
        lease_seconds=lease_s,
        poll_seconds=poll_s,
        drain_timeout=drain_s,
    )
    with _signals(the_worker):
        tally = the_worker.run().to_json()
    _report(tally, as_json=as_json)
    if tally["processed"] == 0 and not watch:
        _explain_idleness(the_app, found, runtime)


def _report(tally: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        output.print_json(document(**tally))
    else:
        output.say(", ".join(f"{count} {what}" for what, count in tally.items()))


def _say(line: str) -> None:
    output.note(f"{time.strftime('%H:%M:%S')} {line}")


def _seconds(text: str | None, ms: float | None, name: str) -> float | None:
    """The seconds of an option; UsageError unless it is more than nothing."""
    value = parse_duration(text) if text is not None else ms / 1000 if ms is not None else None
    if value is not None and not 0 < value < 1e9:
        raise UsageError(f"--{name} must be more than nothing", hint="for example 30s")
    return value


def _pools(the_app: App, words: list[str], runtime: str) -> frozenset[Pool]:
    configured = the_app.config
    if runtime not in configured.runtimes:
        known = ", ".join(sorted(configured.runtimes))
        raise NotFound(f"there is no runtime {runtime!r}", hint=f"configured: {known}; add it under runtimes:")
    roles = tuple(words) or routing.roles_for(runtime, configured.runtime_of_role)
    if not roles:
        raise UsageError(
            f"no role is routed to {runtime}", hint=f"name roles: wf worker ROLE --runtime {runtime}, or set routing"
        )
    return frozenset(Pool(role, runtime) for role in roles)


def _await_spool(the_app: App, *, wait: bool) -> Spool | None:
    """The spool; a worker never makes one. With ``wait`` until there is one."""
    from wf_cli.spool import layout

    said = False
    while not layout.exists(the_app.spool_root):
        if not wait:
            return None
        if not said:
            _say(f"waiting for a spool at {the_app.spool_root} (`wf epic run`, `wf dispatch`, `wf enqueue` make it)")
            said = True
        time.sleep(SPOOL_POLL)
    return the_app.open_spool()


def _explain_idleness(the_app: App, found: Spool, runtime: str) -> None:
    from wf_cli.spool.control import Requests

    stop = Requests(found, the_app.clock).stop_for(runtime)
    if stop is not None:
        raise Temporary(stop.text(), hint="`wf resume` lets workers claim again", code="PAUSED")


@contextmanager
def _signals(the_worker: Worker) -> Iterator[None]:
    """First SIGTERM or SIGINT drains, the second aborts. Handlers are put back afterwards."""
    count = 0

    def handle(number: int, _frame: Any) -> None:
        nonlocal count
        count += 1
        if count == 1:
            the_worker.drain(signal.Signals(number).name)
        else:
            the_worker.abort()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    for name in rest:
        if action == "drain":
            control.request(found, f"drain.{_word(name)}", the_app.clock, reason=reason)
            events.emit("worker.draining", owner=name, reason=reason or "asked")
            done.append(name)
        elif control.withdraw(found, f"drain.{_word(name)}"):
            done.append(name)
    if as_json:
        output.print_json(document(**{action: done}))
    else:
        output.say(*(f"{action}: {name}" for name in done) if done else ["nothing to take back"])


def _word(name: str) -> str:
    from wf_cli.contract.token import is_word

    if not is_word(name):
        raise UsageError(f"{name!r} cannot be a worker's name", hint="[a-z0-9-]; see `wf worker ls`")
    return name


def _list(the_app: App, *, as_json: bool) -> None:
    from wf_cli.spool import control, layout

    if not layout.exists(the_app.spool_root):
        workers: list[dict[str, Any]] = []
        stops: list[control.Stop] = []
    else:
        found = the_app.open_spool()
        workers = list(_sessions(the_app, found))
        stops = control.Requests(found, the_app.clock).stops()
    if as_json:
        output.print_json(document(workers=workers, stops=[stop.text() for stop in stops]))
        return
    output.note(*(stop.text() for stop in stops))
    if not workers:
        output.say("no workers; start one: wf worker --runtime opencode --watch")
        return
    head = ("OWNER", "RUNTIME", "HOST", "PID", "STATE", "BEAT", "JOBS")
    rows = [
        (
            w["owner"], w["runtime"], w["host"], str(w["pid"]), w["state"],
            "-" if w["heartbeat_age_s"] is None else format_duration(w["heartbeat_age_s"]),
            ",".join(f"{job['job_id']}.a{job['attempt']}" for job in w["jobs"]) or "-",
        )
        for w in workers
    ]  # fmt: skip
    output.say(*output.columns([head, *rows], indent=""))


def _sessions(the_app: App, found: Spool) -> Iterator[dict[str, Any]]:
    """Every session that lives, or that died with jobs; stopped ones are history."""
    from wf_cli.clock import iso
    from wf_cli.spool import lease, scan, session
    from wf_cli.spool.liveness import Observer, Verdict

    observer = Observer(found, the_app.clock)
    taken = [t for folder in ("claimed", "running") for t in scan.listing(found, folder)]
    for owner in session.owners(found):
        record = session.read(found, owner)
        jobs = [{"job_id": t.job_id, "attempt": t.attempt} for t in taken if t.owner == owner]
        path = lease.path_of(found, owner)
        beating = path.exists()
        if record is None or (not beating and not jobs):
            continue
        verdict = observer.verdict(owner)
        state = {Verdict.DEAD: "gone", Verdict.EXPIRED: "stalled", Verdict.ABSENT: "gone"}.get(verdict, "alive")
        if verdict is Verdict.UNKNOWN:
            state = "unknown"
        # For people only: nothing decides by a difference of two clocks.
        age = max(0.0, the_app.clock.now_ms() / 1000 - path.stat().st_mtime) if beating else None
        yield {
            "owner": owner,
            "runtime": record.runtime,
            "roles": list(record.roles),
            "host": record.host,
            "pid": record.pid,
            "state": "draining" if state == "alive" and record.state == "draining" else state,
            "started_at": iso(record.started_ms),
            "heartbeat_age_s": age,
            "concurrency": record.concurrency,
            "jobs": jobs,
        }
