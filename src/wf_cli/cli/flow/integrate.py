"""`wf integrate`: a completed plan's own branch into its target. It is what the job of that name runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.options import Common, single
from wf_cli.errors import ConfigError

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.contract.event import EventSink
    from wf_cli.planjobs.integrate import Done, Tools


def integrate(
    common: Common, plan: Annotated[str, typer.Argument(metavar="plan", help="its number or folder")]
) -> None:
    """Merge a completed plan that has a branch of its own into its target.

    The merge commit is made in a worktree of wf's own, isolation.gates run on exactly that commit, and the target
    moves to it if it has not moved meanwhile. Your checkout is not touched. A conflict, or a gate that fails only
    with the plan, reopens the plan: a fixer gets the reasons (exit 0 too). Refused (exit 4) for a plan without such a
    branch or not completed, for a target that is checked out or fails its gates by itself, without the approval that
    epic.approve asks for, and while another job of the plan is at work. Exit 75 when the target moves all the time.
    What the gates print goes to stderr.

    \b
    wf integrate 03
    """
    from wf_cli.planjobs import integrate as job
    from wf_cli.workflow import plans

    app = common.app
    as_agent = bool(os.environ.get("WF_JOB_TOKEN"))
    project = app.project(app.permit if as_agent else _by_person(common))
    found = plans.find(project, plan)
    plans.refuse_shared(project, found.id)
    done = job.integrate(project, found, _tools(app, _events(common)))
    # The worker of an agent looks by itself what is due next.
    published = [] if as_agent or done.again else _reconcile(common, found.id)
    common.emit(_values(done, published), [*_lines(done), *(f"published {job_id}" for job_id in published)])


def _tools(app: App, events: EventSink) -> Tools:
    """What the merge works with. Raises ConfigError when there is no place for worktrees."""
    from functools import partial

    from wf_cli import ids
    from wf_cli.planjobs.integrate import Tools
    from wf_cli.workspace import gate_run, into, names, target

    settings = app.config.isolation
    given = Path(settings.dir) if settings.dir is not None else names.default_folder(app.environ)
    if given is None:
        raise ConfigError(
            "there is no place for worktrees: neither XDG_STATE_HOME nor HOME is set",
            hint="name a folder: wf config set isolation.dir DIR",
            key="isolation.dir",
        )
    folder = app.root / given

    def worktree(branch: str) -> into.Into:
        return into.need(app.root, folder, ids.host_label(), branch, target.head_of(app.root, branch))

    return Tools(
        worktree=worktree,
        run=partial(gate_run.run, environ=app.environ, tell=output.note),
        events=events,
        gates=settings.gates,
        approve=frozenset(app.config.epic.approve),
    )


def _by_person(common: Common) -> Any:
    from wf_cli import fencing

    return fencing.by_person(common.app.spool_root, beside_waiting=True)


def _events(common: Common) -> EventSink:
    from wf_cli.contract.event import NoEvents
    from wf_cli.spool import layout

    app = common.app
    return app.events(app.open_spool()) if layout.exists(app.spool_root) else NoEvents()


def _reconcile(common: Common, plan_id: str) -> list[str]:
    from wf_cli.spool import layout

    app = common.app
    if not app.distributed or not layout.exists(app.spool_root):
        return []
    return list(app.dispatcher(app.open_spool()).reconcile(also=[plan_id]).published)


def _values(done: Done, published: list[str]) -> dict[str, Any]:
    return {
        "plan_id": done.plan.id, "verdict": done.verdict, "target": done.target, "commit": done.commit,
        "item": done.item, "again": done.again, "published": published,
    }  # fmt: skip


def _lines(done: Done) -> list[str]:
    from wf_cli.planjobs.integrate import SHOWN

    already = " already" if done.again else ""
    if done.verdict == "merged":
        return [
            f"plan {done.plan.id} is merged into {done.target}{already}, as {(done.commit or '')[:SHOWN]}",
            f"take it when you like: git merge {done.target}",
        ]
    why = f": {done.told}" if done.told else ""
    return [
        f"plan {done.plan.id} is reopened{already} by [{done.item}]{why}",
        f"the reasons are in {done.plan.relative}/review.md; next: wf fix {done.plan.id}",
    ]


integrate_app = single(integrate)
