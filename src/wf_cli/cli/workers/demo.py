"""`wf demo`: runs the demo of `wf_cli.demo` and prints its summary."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import json_values, output, signals
from wf_cli.cli.frame.options import JsonOption, document
from wf_cli.clock import format_duration
from wf_cli.errors import UsageError

if TYPE_CHECKING:
    from wf_cli.views.progress import EpicProgress

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    keep: Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="work there, and leave it")] = None,
    plans: Annotated[int, typer.Option("--plans", min=1, max=9, help="plans of the epic")] = 3,
    runtime: Annotated[
        str | None, typer.Option("--runtime", metavar="opencode", help="let the real OpenCode code and fix")
    ] = None,
    epic: Annotated[
        Path | None, typer.Option("--epic", metavar="FILE", help="an epic.md of yours instead of the demo's own")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a whole epic running by itself, in a scratch repository, in well under a minute.

    Three plans, a Cursor pool and an OpenCode pool of scripted agents in processes of their own, a review that
    rejects once, and a worker killed with SIGKILL while its agent works. With --epic the document is taken as it is:
    one that declares no plans is split into plans first.
    """
    if runtime not in (None, "opencode"):
        raise UsageError(f"the demo knows no runtime {runtime!r}", hint="leave --runtime out, or say opencode")
    epic_text = json_values.text(str(epic)) if epic is not None else None
    if keep is not None:
        _run(keep.absolute(), plans, runtime, epic_text, as_json=as_json)
        return
    with tempfile.TemporaryDirectory(prefix="wf-demo-", ignore_cleanup_errors=True) as folder:
        _run(Path(folder).resolve(), plans, runtime, epic_text, as_json=as_json)


def _run(root: Path, plans: int, runtime: str | None, epic_text: str | None, *, as_json: bool) -> None:
    from wf_cli.cli.workers.follow import follower
    from wf_cli.demo import Demo

    show = Demo(root, os.environ, plans=plans, runtime=runtime, document=epic_text)
    # Whatever ends the demo, no worker may stay.
    with signals.as_interrupt(), follower(to_stderr=as_json) as view:
        view.interject(f"scratch repository: {root}")
        try:
            show.prepare(view.interject)
            show.start(view.interject)
            end = show.watch(view.show, view.interject)
        finally:
            show.close()
    summary = show.summary()
    ok = end.end == "completed" and summary["recovered"] is not None and not summary["findings"]
    if as_json:
        output.print_json(document(**summary) | {"ok": ok, "end": end.end, "elapsed_s": end.elapsed_s})
    else:
        output.say(*_closing(end, summary))
    if not ok:
        raise typer.Exit(1)


def _closing(end: EpicProgress, summary: dict[str, Any]) -> list[str]:
    head = ("JOB", "ROLE@RUNTIME", "ATTEMPT", "BY", "STATUS", "TIME")
    rows = [
        (
            job["job_id"],
            f"{job['role']}@{job['runtime']}",
            str(attempt["attempt"]),
            attempt["owner"],
            attempt["status"],
            "-" if attempt["duration_s"] is None else format_duration(attempt["duration_s"]),
        )
        for job in summary["jobs"]
        for attempt in job["attempts"]
    ]
    attempts = len(rows)
    return [
        "",
        *output.columns([head, *rows], indent=""),
        "",
        f"epic {end.end or 'not finished in time'} after {format_duration(end.elapsed_s)}: "
        f"{len(summary['jobs'])} jobs, {attempts} attempts, "
        f"recovered after kill -9: {summary['recovered'] or 'nothing'}, {summary['commits']} commits, "
        f"wf spool verify: {len(summary['findings'])} findings",
        *(f"  {line}" for line in end.why),
    ]
