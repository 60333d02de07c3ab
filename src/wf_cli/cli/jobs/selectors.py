"""Which jobs a command is about: ids and prefixes of ids, and selectors."""

from __future__ import annotations

from typing import Annotated

import typer

from wf_cli.cli.frame import output
from wf_cli.contract.identity import matches_prefix
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed, is_word
from wf_cli.errors import NotFound, UsageError
from wf_cli.frozen import frozen
from wf_cli.spool import scan
from wf_cli.spool.layout import Spool
from wf_cli.views.viewer import Criteria

#: Names of directories that ``--status`` takes besides the names of statuses.
_ALIASES = {
    "dead": (Status.FAILED,),
    "done": (Status.SUCCEEDED, Status.CANCELLED),
}
#: Candidates named in one message.
_SHOWN = 10
#: Ids that an unknown one is compared with, at most.
_COMPARED = 1000

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="a job id, or the beginning of one (whole words)")]


@frozen
class Filters:
    """The selectors. A selector that is given several times fits a job that has any of its values."""

    status: Annotated[list[str] | None, typer.Option(metavar="S", help="queued, running, failed, stalled, ...")] = (
        None
    )
    role: Annotated[list[str] | None, typer.Option(metavar="R", help="of this role")] = None
    runtime: Annotated[list[str] | None, typer.Option(metavar="X", help="of this runtime")] = None
    plan: Annotated[list[str] | None, typer.Option(metavar="ID", help="steps of this plan")] = None
    epic: Annotated[list[str] | None, typer.Option(metavar="ID", help="steps of this epic's plans")] = None
    owner: Annotated[list[str] | None, typer.Option(metavar="NAME", help="that this session has, or had last")] = None
    error: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="whose last error has this code or class")
    ] = None

    @property
    def criteria(self) -> Criteria:
        """The selectors as criteria. Raises UsageError for an unknown status."""
        return Criteria(
            statuses=frozenset(s for text in self.status or () for s in _statuses(text)),
            roles=frozenset(self.role or ()),
            runtimes=frozenset(self.runtime or ()),
            plans=frozenset(text.zfill(2) for text in self.plan or ()),
            epics=frozenset(text.zfill(2) for text in self.epic or ()),
            owners=frozenset(self.owner or ()),
            errors=frozenset(self.error or ()),
        )


def _statuses(text: str) -> tuple[Status, ...]:
    if text in _ALIASES:
        return _ALIASES[text]
    try:
        return (Status(text),)
    except ValueError:
        names = ", ".join((*Status, *_ALIASES))
        raise UsageError(f"--status {text}: there is no such status", hint=f"one of {names}") from None


def one(spool: Spool, text: str, *, archived: bool = False) -> Placed:
    """The job that ``text`` names: an id, or a prefix of whole components. NotFound for none and for several.

    With ``archived``, jobs in ``archive/`` are searched when no other fits.
    """
    found = scan.match(spool, text)
    if not found and archived:
        found = [Placed("archive", t) for t in scan.listing(spool, "archive") if matches_prefix(t.job_id, text)]
        found = [p for p in found if p.token.job_id == text] or found
        found = found or _packed(spool, text)
    if not found:
        _carry_on(spool)
        found = scan.match(spool, text)
    if len(found) == 1:
        return found[0]
    if found:
        ids = sorted(p.token.job_id for p in found)
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        raise NotFound(
            f"{text} is the beginning of {len(ids)} job ids: {', '.join(ids[:_SHOWN])}{more}",
            hint="give more of the id",
            code="AMBIGUOUS",
            candidates=ids,
        )
    raise _unknown(spool, text)


def _packed(spool: Spool, text: str) -> list[Placed]:
    """The packed jobs that ``text`` names. An exact id is looked up; for a prefix all packs are read."""
    exact = scan.find(spool, text) if is_word(text) else None
    return [exact] if exact is not None else scan.packed(spool, lambda job_id: matches_prefix(job_id, text))


def _carry_on(spool: Spool) -> None:
    """Finish enqueues whose process died half-way, because one of them may be the wanted job.

    A staged file that this user cannot carry on is named in a warning.
    """
    from wf_cli.spool import enqueue, troubles

    hear = troubles.SayOnce(lambda line: output.warn([line]))
    try:
        enqueue.sweep(spool, hear)
    except OSError as error:
        hear(troubles.Trouble.of(spool.folder("tmp"), error))


def _unknown(spool: Spool, text: str) -> NotFound:
    import heapq

    from wf_cli.contract import nearest

    if is_word(text) and scan.has(spool, "jobs", f"{text}.json"):
        return NotFound(
            f"{text} has no token, although its spec {spool.spec_path(text)} is there",
            hint="`wf spool verify --fix` makes the token again",
            code="TOKEN_MISSING",
        )
    ids = {p.token.job_id for p in scan.everything(spool)}
    if len(ids) > _COMPARED:  # Each comparison takes a while. Those that begin alike are the likely ones.
        ids = set(heapq.nlargest(_COMPARED, ids, key=lambda job_id: _alike(job_id, text)))
    near = nearest.names(text, sorted(ids))
    hint = f"did you mean {' or '.join(near)}?" if near else "wf spool ls lists the jobs"
    return NotFound(f"there is no job {text!r}", hint=hint, code="JOB_NOT_FOUND", nearest=near)


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
