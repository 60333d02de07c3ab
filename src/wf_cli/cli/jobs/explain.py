"""`wf explain`: why a job, a plan or an epic is where it is, and what would move it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from wf_cli.cli.frame.options import Common, single
from wf_cli.cli.jobs.selectors import one
from wf_cli.views.viewer import Viewer

if TYPE_CHECKING:
    from wf_cli.views.conditions.condition import Condition
    from wf_cli.views.explain_plan import SubjectExplanation

#: ``P01``, ``e1``, ``e01-p03``: a plan, or an epic.
_PLAN, _EPIC = re.compile(r"(?:e\d+-)?p(\d+)", re.IGNORECASE), re.compile(r"e(\d+)", re.IGNORECASE)

SubjectArgument = Annotated[
    str, typer.Argument(metavar="JOB|PLAN|EPIC", help="a job id or the beginning of one, a plan (P01), an epic (e01)")
]


def explain(common: Common, subject: SubjectArgument) -> None:
    """Say why a job, a plan or an epic is in its state and what would move it.

    Each condition for the next step is listed, with whether it holds and the command that changes it.

    \b
    wf explain e01-p03-i0-code      a job
    wf explain P03                  a plan
    wf explain e01                  an epic
    """
    if _PLAN.fullmatch(subject) or _EPIC.fullmatch(subject):
        found = _of_subject(common, subject)
        lines = [f"{found.name} is {found.status}: {found.summary}", *_lines(found.conditions, found.next)]
        common.emit(found.to_json(), lines)
        return
    from wf_cli.views.explain import explanation

    app = common.app
    viewer = Viewer(common.open_spool(), common.clock)
    placed = one(viewer.spool, subject, archived=True)
    sight = app.sight(viewer, [placed])
    job = explanation(placed, sight, epic_paused=app.epic_is_paused, project=app.project())
    common.emit(job.to_json(), [f"{job.job_id} is {job.status}: {job.summary}", *_lines(job.conditions, job.next)])


def _of_subject(common: Common, subject: str) -> SubjectExplanation:
    from wf_cli.views.explain_plan import Explainer

    app = common.app
    viewer = Viewer(common.open_spool(), common.clock)
    explainer = Explainer(
        app.project(),
        app.sight(viewer),
        app.dispatch_settings(),
        epic_paused=app.epic_is_paused,
        sight_of=lambda placed: app.sight(viewer, [placed]),
    )
    plan = _PLAN.fullmatch(subject)
    if plan is not None:
        return explainer.plan(plan[1].zfill(2))
    epic = _EPIC.fullmatch(subject)
    return explainer.epic(epic[1] if epic is not None else subject)


def _lines(conditions: Iterable[Condition], following: str | None) -> list[str]:
    marks = {True: "ok", False: "NO", None: "?"}
    lines = []
    for condition in conditions:
        command = f"   -> {condition.command}" if condition.command and condition.holds is not True else ""
        lines.append(f"  {marks[condition.holds]:<2}  {condition.text}{command}")
    return [*lines, f"next: {following}"] if following else lines


explain_app = single(explain)
