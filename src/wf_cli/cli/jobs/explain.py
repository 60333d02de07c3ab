"""`wf explain`: why a job is in its state, and what would move it."""

from __future__ import annotations

from wf_cli.cli.frame.options import Common, single
from wf_cli.cli.jobs.selectors import JobArgument, one
from wf_cli.views.viewer import Viewer


def explain(common: Common, job: JobArgument) -> None:
    """Say why a job is in its state and what would move it.

    Each condition for the next step is listed, with whether it holds and the command that changes it.

    \b
    wf explain e01-p03-i0-code
    """
    from wf_cli.views.explain import explanation

    viewer = Viewer(common.open_spool(), common.clock)
    app = common.app
    placed = one(viewer.spool, job, archived=True)
    found = explanation(placed, viewer, epic_paused=app.epic_is_paused, project=app.project())
    marks = {True: "ok", False: "NO", None: "?"}
    lines = [f"{found.job_id} is {found.status}: {found.summary}"]
    for condition in found.conditions:
        command = f"   -> {condition.command}" if condition.command and condition.holds is not True else ""
        lines.append(f"  {marks[condition.holds]:<2}  {condition.text}{command}")
    if found.next:
        lines.append(f"next: {found.next}")
    common.emit(found.to_json(), lines)


explain_app = single(explain)
