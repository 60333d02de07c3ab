"""`wf trace`: who did what when, as text, as a page or for Perfetto."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame import output, tables, working_project
from wf_cli.cli.frame.options import Common, single
from wf_cli.contract import text as escaped
from wf_cli.errors import UsageError

if TYPE_CHECKING:
    from wf_cli.spool.layout import Spool
    from wf_cli.views.trace.build import Subject
    from wf_cli.views.trace.model import Trace
    from wf_cli.views.trace.text import Piece

#: Attempts that a browser can show well; they make a page of about 20 MB.
MOST_ON_PAGE = 20_000
#: The width of the picture in a file.
_WIDTH = 120
_COLOURS = {"succeeded": "32", "failed": "31", "lost": "33", "running": "34", "stalled": "33", "cancelled": "2"}
_NUMBER = re.compile(r"(?:(epic|plan):)?([0-9]{1,6})(-[^/]*)?/?")


class Format(StrEnum):
    """The forms of a trace."""

    TEXT = "text"
    HTML = "html"
    PERFETTO = "perfetto"


def trace(
    common: Common,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="JOB|PLAN|EPIC", help="a job id or its beginning, or the number or folder of an epic or a plan"
        ),
    ],
    format_: Annotated[Format, typer.Option("--format", help="text, one HTML page, or for ui.perfetto.dev")] = (
        Format.TEXT
    ),
    target: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="write it there instead of printing it")
    ] = None,
) -> None:
    """Show who did what when: a bar for each attempt, a row for each worker, and the critical path.

    A number means the epic, and the plan when there is no such epic; `epic:1` and `plan:1` are always clear. The
    critical path is the chain of attempts that decided when the last one ended. A pipe gets one line for each
    attempt. The page is one file without links to others, so it can be sent to somebody.

    \b
    wf trace 01                                     an epic, on the terminal
    wf trace 01 --format html --output trace.html   a page with details of each bar
    wf trace e01-p03                                all jobs of plan 03 of epic 01
    wf trace plan:03 --format perfetto --output t.json
    """
    from wf_cli.views.trace import build
    from wf_cli.views.viewer import Viewer

    if common.as_json and target is None and format_ is not Format.TEXT:
        raise UsageError(
            f"--json and --format {format_} do not go together on stdout", hint="name a file with --output"
        )
    spool = common.open_spool()
    made = build.build(
        _subject(common, spool, subject), Viewer(spool, common.clock), lambda trouble: output.warn([str(trouble)])
    )
    if format_ is Format.HTML and len(made.attempts) > MOST_ON_PAGE:
        raise UsageError(
            f"{len(made.attempts)} attempts are too many for a page (at most {MOST_ON_PAGE})",
            hint="trace a plan or a job of it, or take --format perfetto",
        )
    if target is not None:
        path = working_project.working_directory() / target
        if path.exists() and not path.is_file():
            raise UsageError(f"--output {path}: it is no regular file", hint="name a file")
        _write(path, "".join(f"{line}\n" for line in _lines(made, format_, whole=True)))
        common.emit({**made.to_json(), "written": str(path)}, [f"{path} written: {_summary(made)}"])
        return
    if common.as_json:
        common.emit(made.to_json(), ())
        return
    output.say(*_lines(made, format_, whole=tables.on_terminal()))


def _subject(common: Common, spool: Spool, given: str) -> Subject:
    from wf_cli.spool import scan
    from wf_cli.views.trace.build import Subject

    match = _NUMBER.fullmatch(given)
    if match is None:
        return Subject(job=given)
    kind, number, rest = match[1], match[2].zfill(2), match[3]
    epic, plan = Subject(epic_id=number), Subject(plan_id=number)
    if kind is not None:
        return epic if kind == "epic" else plan
    if rest:  # The name of a folder.
        name = f"{match[2]}{rest}"
        if (common.root / "epics" / name).is_dir():
            return epic
        if (common.root / "plans" / name).is_dir():
            return plan
        return Subject(job=given)  # A job of one's own may begin with a number.
    ids = [name.removesuffix(".json") for name in spool.names("jobs")]
    if any(map(epic.takes, ids)):
        return epic
    if any(map(plan.takes, ids)):
        return plan
    return Subject(job=given) if scan.match(spool, given) else epic


def _lines(made: Trace, format_: Format, *, whole: bool) -> Iterable[str]:
    """The lines of the trace in this format. Without ``whole`` text has its records alone."""
    import json

    from wf_cli.views.trace import text

    if format_ is Format.HTML:
        from wf_cli.views.trace.page import page

        return [page(made).rstrip("\n")]
    if format_ is Format.PERFETTO:
        from wf_cli.views.trace.perfetto import document

        return [json.dumps(document(made), ensure_ascii=True, separators=(",", ":"), allow_nan=False)]
    records = tables.table(text.HEAD, text.rows(made))
    if not whole:
        return records
    on_terminal = tables.on_terminal()
    if not on_terminal:  # In a file people want the headings that a pipe does without.
        cells = [["-" if cell is None else tables.plain(str(cell)) for cell in row] for row in text.rows(made)]
        records = output.columns([text.HEAD, *map(tuple, cells)], indent="")
    width = shutil.get_terminal_size().columns if on_terminal else _WIDTH
    coloured = on_terminal and not os.environ.get("NO_COLOR")
    picture = [_line(row, coloured=coloured) for row in text.picture(made, width)]
    return [_summary(made), "", *picture, "", *records, "", *map(tables.plain, text.findings(made))]


def _line(row: list[Piece], *, coloured: bool) -> str:
    if not coloured:
        return "".join(escaped.line(piece) for piece, _ in row).rstrip()
    return output.Coloured(
        "".join(
            f"\x1b[{_COLOURS[outcome]}m{escaped.line(piece)}\x1b[0m" if outcome in _COLOURS else escaped.line(piece)
            for piece, outcome in row
        )
    )


def _summary(made: Trace) -> str:
    from wf_cli.views.trace import text

    return tables.plain(text.summary(made))


def _write(path: Path, content: str) -> None:
    from wf_cli import fsio

    fsio.write_atomic(path, content.encode("utf-8", "backslashreplace"), durable=False, parents=False)


trace_app = single(trace)
