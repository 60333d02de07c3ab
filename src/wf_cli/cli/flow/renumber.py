"""``wf plan renumber``, ``wf epic renumber``: the repair for two folders of one number.

The registry sends these two actions here, and all other words of ``plan`` and ``epic`` to the contract commands.
Neither action needs a session or creates a session file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, group
from wf_cli.errors import Refused, UsageError

if TYPE_CHECKING:
    from wf_cli.contract.identity import Target
    from wf_cli.workflow.project import Ask
    from wf_cli.workflow.renumber import Renumbered

plan_app = group("Plans: give one another number.")
epic_app = group("Epics: give one another number.")

_ToOption = Annotated[str | None, typer.Option("--to", metavar="N", help="the number; default: the next free one")]


@plan_app.callback()
def _plans() -> None:
    """Do nothing. The callback keeps typer from running the one command of the group without its name."""


@epic_app.callback()
def _epics() -> None:
    """Do nothing, as `_plans` does."""


@plan_app.command("renumber")
@spread
def renumber_plan(
    common: Common,
    folder: Annotated[
        str, typer.Argument(metavar="plan-folder", help="its folder; its number, if no other plan has it")
    ],
    to: _ToOption = None,
) -> None:
    """Give a plan another number. A merge of two branches may leave two plans of one number; this repairs them.

    The folder is renamed, and with it the links of epics, the paths in plan.md and todo.md and the number in the
    title. Records (evidence.md, review.md, quality-run.json, reports) stay as they are. The command is refused
    (exit 4) while a job of the number is queued, held or at work, because a job names its plan by that number. Let
    the job end, or `wf cancel` it. Jobs that have ended belong to the plan that keeps the number. The steps of the
    renumbered plan become jobs of the new number.

    \b
    wf plan renumber 01-parser
    wf plan renumber 01-parser --to 12
    """
    from wf_cli.workflow import renumber

    _refuse_agents()
    number = _number(to)
    jobs = _Jobs(common)
    done = renumber.plan(
        common.app.project(jobs.permit), folder, number=number, taken=jobs.numbers_of(lambda target: target.plan_id)
    )
    _show(common, done, kept=done.before.removeprefix("plans/").partition("-")[0], what="plan", jobs=jobs)


@epic_app.command("renumber")
@spread
def renumber_epic(
    common: Common,
    folder: Annotated[
        str, typer.Argument(metavar="epic-folder", help="its folder; its number, if no other epic has it")
    ],
    to: _ToOption = None,
) -> None:
    """Give an epic another number. A merge of two branches may leave two epics of one number; this repairs them.

    The folder is renamed, and the new number is written into the state of the linked plans. The command is refused
    (exit 4) while a job of the epic is queued, held or at work. The steps of its plans become jobs of the new number.

    \b
    wf epic renumber 01-search
    """
    from wf_cli.workflow import renumber

    _refuse_agents()
    number = _number(to)
    jobs = _Jobs(common)
    done = renumber.epic(
        common.app.project(jobs.permit),
        folder,
        number=number,
        taken=jobs.numbers_of(lambda target: target.epic_id),
        permit=jobs.refuse_epic,
    )
    _show(common, done, kept=done.before.removeprefix("epics/").partition("-")[0], what="epic", jobs=jobs)


def _refuse_agents() -> None:
    if os.environ.get("WF_JOB_TOKEN"):
        raise Refused(
            "an agent may not renumber: the number is how its own job is named", hint="leave it to a person"
        )


def _number(to: str | None) -> str | None:
    if to is None:
        return None
    if not (to.isascii() and to.isdigit() and 0 < int(to) < 10**6):
        raise UsageError(f"--to {to!r} is no number", hint="write it like 7 or 12")
    return f"{int(to):02d}"


class _Jobs:
    """The jobs of a spool that name a plan or an epic by its number; none where there is no spool."""

    def __init__(self, common: Common):
        self._spool_root: Path = common.spool_root

    @contextmanager
    def permit(self, plan_id: str) -> Iterator[Ask]:
        """The permit to rename a plan: refused while a live job names the plan by its number."""

        def ask() -> None:
            self._refuse(f"plan {plan_id}", lambda target: target.plan_id == plan_id)

        yield ask

    def refuse_epic(self, epic_id: str) -> None:
        self._refuse(f"epic {epic_id}", lambda target: target.epic_id == epic_id)

    def _refuse(self, what: str, means: Any) -> None:
        from wf_cli.contract.identity import target_of
        from wf_cli.contract.lifecycle import LIVE
        from wf_cli.spool import layout, scan

        if not layout.exists(self._spool_root):
            return
        live = scan.everything(layout.open_spool(self._spool_root), LIVE)
        found = [p for p in live if (target := target_of(p.token.job_id)) is not None and means(target)]
        if found:
            named = ", ".join(f"{p.token.job_id} ({p.status})" for p in found)
            cancels = " ".join(p.token.job_id for p in found)
            raise Refused(
                f"{what} has a live job: {named}",
                hint=f"let it end, or: wf cancel {cancels}; `wf retry` runs a cancelled step again afterwards",
                code="PLAN_HAS_LIVE_JOB",
                jobs=[p.token.job_id for p in found],
            )

    def numbers_of(self, number: Any) -> Collection[str]:
        """The numbers in the ids of all jobs ever made. A finished job counts too, because its key stays taken."""
        return {found for target in self._targets() if (found := number(target)) is not None}

    def of_plan(self, plan_id: str) -> int:
        """The number of jobs ever made for a plan."""
        return sum(target.plan_id == plan_id for target in self._targets())

    def _targets(self) -> Iterator[Target]:
        from wf_cli import fsio
        from wf_cli.contract.identity import target_of
        from wf_cli.spool import layout

        if not layout.exists(self._spool_root):
            return
        for name in fsio.names(layout.open_spool(self._spool_root).folder("jobs")):
            target = target_of(name.removesuffix(".json"))
            if target is not None:
                yield target


def _show(common: Common, done: Renumbered, *, kept: str, what: str, jobs: _Jobs) -> None:
    values = {
        "from": done.before,
        "to": done.after,
        "id": done.number,
        "rewritten": done.rewritten,
        "warnings": done.left,
    }
    lines = [f"{what} {kept} is now {what} {done.number}: {done.before} -> {done.after}"]
    lines += [f"  rewritten: {path}" for path in done.rewritten]
    if what == "plan" and (ended := jobs.of_plan(kept)):
        lines.append(
            f"  {ended} job(s) of plan {kept} stay with that number; the steps of plan {done.number} get their own"
        )
    lines.append("next: git add -A plans epics; wf doctor looks whether all numbers are unique now")
    common.emit(values, lines)
    if not common.as_json:
        output.warn(f"not rewritten: {message}" for message in done.left)
