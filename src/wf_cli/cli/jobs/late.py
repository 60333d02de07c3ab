"""`wf late`: results that came after their attempt was superseded. They are kept until a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output, tables
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, ReasonOption, group
from wf_cli.contract import plain_json
from wf_cli.contract.token import Token
from wf_cli.errors import ContractError, NotFound, Refused
from wf_cli.spool import late as late_results
from wf_cli.spool import records
from wf_cli.spool.late import LateResult
from wf_cli.spool.troubles import EachItem

if TYPE_CHECKING:
    from wf_cli.contract.failure import Failure
    from wf_cli.spool.layout import Spool

app = group("Results that came after their attempt was superseded.")

LateArgument = Annotated[
    str, typer.Argument(metavar="RESULT", help="as `wf late ls` names it, or the job if it has only one")
]


@app.command("ls")
@spread
def ls(common: Common) -> None:
    """List the late results that are kept, each with the outcome that was accepted for its attempt.

    \b
    wf late ls
    """
    spool = common.spool_if_any()
    kept = late_results.listing(spool) if spool is not None else []
    found = [facts for late in kept if spool is not None and (facts := _facts(spool, late)) is not None]
    rows = [(f["status"], f["id"], f["at"], f"instead of it: {f['standing']}") for f in found]
    common.emit({"late": found}, tables.table(("STATUS", "RESULT", "AT", "STANDING"), rows))
    if not found and spool is not None and not common.as_json:
        output.note("no late results")


def _facts(spool: Spool, late: LateResult) -> dict[str, Any] | None:
    """The facts to show. None when the result was applied, discarded or purged after the listing."""
    outcome, status = None, "damaged"
    try:
        outcome = records.read_late(spool, late.job_id, late.attempt, late.owner)
        if outcome is None:
            return None
        status = str(outcome.end)
    except ContractError:
        pass
    except OSError:
        status = "unreadable"
    standing = None
    with EachItem().looking(spool.outcome_path(late.job_id, late.attempt)):
        standing = records.read_outcome(spool, late.job_id, late.attempt)
    facts = outcome.to_json() if outcome is not None else {}
    return {
        "id": str(late),
        "job_id": late.job_id,
        "attempt": late.attempt,
        "owner": late.owner,
        "status": status,
        "at": facts.get("at"),
        "result": facts.get("result"),
        "error": facts.get("error"),
        "standing": str(standing.end) if standing is not None else None,
    }


def _one(spool: Spool, text: str) -> LateResult:
    """The late result that ``text`` names. Raises NotFound for none and for several."""
    kept = late_results.listing(spool)
    found = [late for late in kept if str(late) == text] or [late for late in kept if late.job_id == text]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(map(str, found))
        raise NotFound(f"{text} has {len(found)} late results: {names}", hint="name one of them", code="AMBIGUOUS")
    raise NotFound(f"there is no late result {text!r}", hint="wf late ls shows them all", code="LATE_NOT_FOUND")


@app.command("show")
@spread
def show(common: Common, result: LateArgument) -> None:
    """Show one late result as it was published.

    \b
    wf late show my-job
    """
    spool = common.open_spool()
    late = _one(spool, result)
    facts = _facts(spool, late)
    if facts is None:
        raise _gone(late)
    outcome = None
    with EachItem().looking(spool.root):  # The status among the facts tells of a damaged or unreadable file.
        outcome = records.read_late(spool, late.job_id, late.attempt, late.owner)
    text = plain_json.dumps(outcome.to_json() if outcome is not None else facts, indent=2, ensure_ascii=False)
    common.emit(facts, text.splitlines())


def _gone(late: LateResult) -> NotFound:
    return NotFound(f"{late} is gone already", hint="wf late ls shows those that are kept", code="LATE_NOT_FOUND")


@app.command("apply")
@spread
def apply(common: Common, result: LateArgument, reason: ReasonOption = None) -> None:
    """Make a late success the job's result, as its next attempt.

    The job has to be queued, held or dead. The plan of a plan's job is checked again, gates included, as after every
    attempt. The command is refused (exit 4) when the job is in another state or the check fails.

    \b
    wf late apply my-job --reason "the work is good"
    """
    from wf_cli import ids
    from wf_cli.contract.identity import target_of

    queue = common.queue()
    late = _one(queue.spool, result)
    target = target_of(late.job_id)
    steps = common.app.steps(queue.spool, common.app.events(queue.spool))

    def unmet(token: Token) -> Failure | None:
        return steps.check(target, token) if target is not None else None

    ended = queue.apply_late(late, by=ids.owner_id("operator"), unmet=unmet, reason=reason)
    status, attempt = str(ended.outcome.end), ended.outcome.attempt
    values = {"job_id": late.job_id, "attempt": attempt, "status": status, "accepted": ended.accepted}
    if not ended.accepted:
        raise common.failed(Refused(f"attempt {attempt} of {late.job_id} ended as {status} meanwhile"), values, ())
    common.emit(values, [f"{late.job_id} {status} at attempt {attempt}"])


@app.command("discard")
@spread
def discard(common: Common, result: LateArgument, reason: ReasonOption = None) -> None:
    """Remove a late result for good.

    \b
    wf late discard my-job.a1.worker-box-1a2b3c4d --reason "superseded by attempt 2"
    """
    spool = common.open_spool()
    late = _one(spool, result)
    if not late_results.discard(spool, late):
        raise _gone(late)
    said = "discarded" + (f": {reason}" if reason else "")
    events = common.app.events(spool)
    events.emit("attempt.late", job_id=late.job_id, attempt=late.attempt, owner=late.owner, reason=said)
    common.emit({"discarded": str(late)}, [f"{late} discarded"])
