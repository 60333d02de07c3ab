"""`wf approve`, `wf reject`: a person's word about a plan's text or merge, where `epic.approve` asks for one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.options import Common, single
from wf_cli.errors import Refused, UsageError, WfError

if TYPE_CHECKING:
    from wf_cli.contract.step import Approval
    from wf_cli.workflow.approval_commands import Word
    from wf_cli.workflow.plans import Plan
    from wf_cli.workflow.project import Project

_OfOption = Annotated[
    str | None,
    typer.Option(
        "--of", metavar="DIGEST", help="only the text, or commit, with this digest, or beginning of one, of 8 digits"
    ),
]


def approve(
    common: Common,
    plans: Annotated[list[str], typer.Argument(metavar="[plan]...", help="numbers or folders")],
    gate: Annotated[
        str | None,
        typer.Option("--gate", metavar="GATE", help="plan (its text) or merge; default: what waits"),
    ] = None,
    of: _OfOption = None,
) -> None:
    """Let plans be coded as they are written, or merged, where epic.approve in wf.config has plan, or merge.

    What is approved is the text of plan.md and todo.md at this moment. Boxes that are ticked do not count as a
    change; after any other change the plan waits again. --of refuses another text than the one that you have read.
    Of a completed plan with a branch of its own the merge of its last commit is approved, and a new commit waits
    again. Refused (exit 4) for an agent, while a job of the plan is at work, and for a plan at which neither waits.
    Approving the same twice changes nothing.

    \b
    wf approve 03
    wf approve 03 04
    wf approve 03 --of 1f9c0aa27b3d
    """
    kind = _gate(gate)
    _check_digest(of)
    if of is not None and len(plans) > 1:
        raise UsageError("--of is the digest of one plan", hint="name one plan")
    project = _project(common, "approve", beside_waiting=True)
    from wf_cli.workflow import approval_commands

    approved: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    lines: list[str] = []
    error: WfError | None = None
    for reference in dict.fromkeys(plans):
        try:
            word = approval_commands.approve(
                project, _plan(project, reference), by=_who(), of=of, gate=kind, asked=common.app.config.epic.approve
            )
        except WfError as failure:
            error = error or failure
            refused.append({"plan_id": reference, "why": failure.message})
            continue
        approved.append({"plan_id": word.plan.id, "gate": word.gate, "of": word.of, "again": word.again})
        lines.append(
            f"plan {word.plan.id}: {_described(word)} {'was approved already' if word.again else 'is approved'}"
        )
        if not word.again:
            _emit(common, "plan.approved", word, None)
    published = _reconcile(common) if approved else []
    values = {"approved": approved, "refused": refused, "published": published}
    lines += [f"published {job_id}" for job_id in published]
    if error is not None and not approved:
        raise common.failed(error, values, lines)
    output.warn(refusal["why"] for refusal in refused)
    common.emit(values, lines)


def reject(
    common: Common,
    plan: Annotated[str, typer.Argument(metavar="plan", help="its number or folder")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="what the planner, or the fixer, is told")
    ] = "",
    of: _OfOption = None,
) -> None:
    """Send a plan back, with a reason: its text to the planner, or the plan to its fixer instead of being merged.

    A rejected text counts as not written until it is changed, by the planner, whose job runs again, or by you. A
    completed plan with a branch of its own is reopened with your reason as a rejected item. epic.approve in wf.config
    has to have plan, or merge. Refused (exit 4) for an agent, while the plan has a live job, and for a plan at which
    neither waits.

    \b
    wf reject 03 --reason "T2 needs a test with a file of two gigabytes"
    """
    if not reason.strip():
        raise UsageError("a rejection needs a reason, which the next agent is told", hint="--reason TEXT")
    _check_digest(of)
    project = _project(common, "reject", beside_waiting=False)
    from wf_cli.workflow import approval_commands

    asked = common.app.config.epic.approve
    word = approval_commands.reject(project, _plan(project, plan), reason, by=_who(), of=of, asked=asked)
    if not word.again:
        _emit(common, "plan.rejected", word, reason)
    retried = _plan_again(common, word, reason) if word.gate == "plan" else []
    published = _reconcile(common)
    values = {
        "plan_id": word.plan.id, "gate": word.gate, "of": word.of, "again": word.again, "retried": retried,
        "published": published,
    }  # fmt: skip
    lines = [f"plan {word.plan.id}: {_described(word)} is rejected"]
    lines += [f"{job_id} is queued again" for job_id in retried]
    lines += [f"published {job_id}" for job_id in published]
    common.emit(values, lines)


def _project(common: Common, command: str, *, beside_waiting: bool) -> Project:
    """The project with the permit of a person; raises Refused where nothing waits for one."""
    from wf_cli import fencing

    if os.environ.get("WF_JOB_TOKEN"):
        raise Refused(f"an agent may not {command} a plan", hint="leave it to a person", code="NOT_A_PERSON")
    app = common.app
    app.require_distributed(command)
    if not app.config.epic.approve:
        raise Refused(
            "no plan waits for a person here: epic.approve in wf.config does not have plan",
            hint="wf config set epic.approve '[plan]'",
            code="NOTHING_WAITS",
        )
    return app.project(fencing.by_person(app.spool_root, beside_waiting=beside_waiting))


def _plan(project: Project, reference: str) -> Plan:
    from wf_cli.workflow import plans

    found = plans.find(project, reference)
    plans.refuse_shared(project, found.id)
    return found


def _check_digest(of: str | None) -> None:
    if of is not None and (len(of) < 8 or set(of.lower()) - set("0123456789abcdef")):
        raise UsageError(
            f"--of {of!r} is no digest", hint="8 hexadecimal digits or more, as wf epic status shows them"
        )


def _described(word: Word) -> str:
    from wf_cli.workflow.approvals import SHOWN

    if word.gate == "merge":
        return f"the merge of its commit {word.of[:SHOWN]}"
    return f"its text {word.of[:SHOWN]} (plan.md, and todo.md with {word.items} items)"


def _gate(given: str | None) -> Approval | None:
    if given in (None, "plan", "merge"):
        return cast("Approval | None", given)
    raise UsageError(
        f"--gate {given!r} is not known", hint="plan is the text of a plan, merge the way into its target"
    )


def _who() -> str:
    import getpass

    from wf_cli import ids

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # A container's user may have no name.
        user = f"uid-{os.getuid()}"
    return f"{user}@{ids.host_label()}"


def _emit(common: Common, event: str, word: Word, reason: str | None) -> None:
    from wf_cli.spool import layout
    from wf_cli.workflow.approvals import SHOWN

    app = common.app
    if layout.exists(app.spool_root):
        told = f"{'text' if word.gate == 'plan' else 'commit'} {word.of[:SHOWN]} by {_who()}"
        why = f"{told}: {reason}" if reason else told
        commit = {"commit": word.of} if word.gate == "merge" else {}
        events = app.events(app.open_spool())
        events.emit(event, plan_id=word.plan.id, epic_id=word.epic_id, reason=why, **commit)
        if word.reopened is not None:
            from wf_cli.planjobs import integrate

            integrate.tell_reopened(events, word.reopened, reason or "", **commit)


def _plan_again(common: Common, word: Word, reason: str) -> list[str]:
    """Queue the job that wrote the plan again, if there was one. Else the next reconcile publishes the first one."""
    from wf_cli.contract.identity import Target, job_id_for
    from wf_cli.contract.step import STEPS
    from wf_cli.spool import layout
    from wf_cli.workflow import epics

    app = common.app
    if not layout.exists(app.spool_root):
        return []
    queue = app.queue(app.open_spool())
    step = STEPS["plan"]
    # A plan that was attached by hand does not name the epic by which its jobs are called.
    of_epics = [word.epic_id] if word.epic_id is not None else [*epics.linking(app.project(), word.plan), None]
    targets = (Target(word.plan.id, word.iteration, step.command, step.role.name, epic_id) for epic_id in of_epics)
    job_ids = [job_id_for(target.dedupe_key) for target in targets]
    return [job_id for job_id in job_ids if queue.retry(job_id, force=True, reason=f"rejected: {reason}")]


def _reconcile(common: Common) -> list[str]:
    from wf_cli.spool import layout

    app = common.app
    return list(app.dispatcher(app.open_spool()).reconcile().published) if layout.exists(app.spool_root) else []


approve_app = single(approve)
reject_app = single(reject)
