"""`wf logs` and `wf events`: what agents printed, and what happened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.options import SCHEMA_VERSION, Common, print_line, since_ms, single
from wf_cli.cli.frame.tables import plain
from wf_cli.cli.jobs.selectors import JobArgument, one
from wf_cli.errors import NotFound, UsageError

if TYPE_CHECKING:
    from wf_cli.contract.event import Event
    from wf_cli.eventlog.read import Selection
    from wf_cli.spool.layout import Spool

FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="go on as it grows; Ctrl-C ends it")]


def logs(
    common: Common,
    job: JobArgument,
    follow: FollowOption = False,
    attempt: Annotated[int | None, typer.Option(min=1, metavar="N", help="default: the latest")] = None,
    events: Annotated[bool, typer.Option("--events", help="the job's events instead")] = False,
) -> None:
    """Print what a job's agent printed, with secrets taken out. --json prints one object a line.

    With -f the command waits for an agent to start. It ends with the job or, with --attempt, with that attempt.

    \b
    wf logs e01-p03-i0-code            the latest attempt
    wf logs e01-p03-i0-code -f         while it works
    wf logs e01-p03-i0-code --events   what happened to the job
    """
    from wf_cli.eventlog.read import Selection
    from wf_cli.views import transcripts

    spool = common.open_spool()
    token = one(spool, job, archived=True).token
    if events:
        _print_events(common, spool, Selection(jobs=frozenset({token.job_id})), follow=follow, from_start=True)
        return
    if follow:
        lines: Iterable[transcripts.Line] = transcripts.follow(spool, token.job_id, attempt, common.clock.sleep)
    elif attempt is None and not token.attempt:
        raise NotFound(f"{token.job_id} has had no attempt yet", hint=f"wf explain {token.job_id} says why")
    else:
        lines = transcripts.read(spool, token.job_id, attempt or token.attempt)
    show = output.stream if follow else output.say
    with contextlib.suppress(KeyboardInterrupt):
        for line in lines:
            if common.as_json:
                print_line(
                    {"ok": True, "schema_version": SCHEMA_VERSION, "job_id": token.job_id,
                     "attempt": line.attempt, "line": line.text}
                )  # fmt: skip
            else:
                show(_safe(line.text))


def _safe(text: str) -> str:
    """``text`` without control characters other than tabs, because a terminal would carry them out."""
    if text.isprintable():
        return text
    return "".join(char for char in text if char.isprintable() or char == "\t")


def events(
    common: Common,
    follow: FollowOption = False,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="K", help="only these: job.dead, or a group: job, pool, epic")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="not before: 10m, 2h, 2026-01-31T08:00:00Z")] = None,
) -> None:
    """Print the events of all sessions in one stream. With --json each is an object of schemas/event.schema.json.

    With -f only events from now on are printed, unless --since is given.

    \b
    wf events --since 1h
    wf events -f --kind job.dead --kind epic
    """
    from wf_cli.eventlog.read import Selection

    selection = Selection(kinds=_kinds(kind or []), since_ms=since_ms(common.clock, since))
    _print_events(common, common.open_spool(), selection, follow=follow, from_start=since is not None)


def _kinds(given: list[str]) -> frozenset[str]:
    from wf_cli.contract.event import KINDS

    known = KINDS | {name.partition(".")[0] for name in KINDS}
    for name in given:
        if name not in known:
            from wf_cli.contract import nearest

            near = nearest.names(name, sorted(known), most=1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(known))}"
            raise UsageError(f"--kind {name}: there is no such event", hint=hint)
    return frozenset(given)


def _print_events(common: Common, spool: Spool, selection: Selection, *, follow: bool, from_start: bool) -> None:
    from wf_cli.eventlog import read

    found: Iterable[Event] = (
        read.follow(
            spool.folder("log"),
            clock=common.clock,
            stop=lambda: False,
            selection=selection,
            from_start=from_start,
            report=_unreadable,
        )
        if follow
        else read.stream(spool.folder("log"), selection, _unreadable)
    )
    from wf_cli.cli.jobs.card import event_cells

    show = output.stream if follow else output.say
    with contextlib.suppress(KeyboardInterrupt):
        for event in found:
            if common.as_json:
                print_line(event.to_json())
            else:
                when, what, subject, owner, why = map(plain, event_cells(event.to_json()))
                show(f"{when}  {what:<16}  {subject}  {owner}  {why}")


def _unreadable(error: OSError) -> None:
    output.note(f"warning: the events of one log are missing here: {error}")


logs_app = single(logs)
events_app = single(events)
