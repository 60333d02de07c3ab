"""``wf plan renumber``, ``wf epic renumber``: the repair for two folders of one number.

The other words of ``plan`` and ``epic`` are those of the contract; the registry says which are meant for whom. Both
actions need no session and create no session file.
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
    """With a callback a group of one command stays a group."""


@epic_app.callback()
def _epics() -> None:
    """As above."""


@plan_app.command("renumber")
@spread
def renumber_plan(
    common: Common,
    folder: Annotated[
        str, typer.Argument(metavar="plan-folder", help="its folder; its number, if no other plan has it")
    ],
    to: _ToOption = None,
) -> None:
    """Give a plan another number: for two plans of one number, as a merge of two branches leaves them.

    Renames its folder, and with it the links of epics, the paths in its plan.md and todo.md and the number in
    its title. Records (evidence.md, review.md, quality-run.json, reports) stay as they are. Refused (exit 4)
    while a job of the number is queued, held or at work, because it names its plan by that number: let it end,
    or `wf cancel` it. Jobs that have ended belong to the plan that keeps the number; steps of the renumbered
    plan get keys of their own by its new number.

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
    """Give an epic another number: for two epics of one number, as a merge of two branches leaves them.

    Renames its folder and writes the new number into the state of its linked plans. Refused (exit 4) while a job
    of the epic is queued, held or at work. Steps of its plans get keys of their own by the new number.

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
    """What the spool has to say about a number; nothing where there is no spool."""

    def __init__(self, common: Common):
        self._spool_root: Path = common.spool_root

    @contextmanager
    def permit(self, plan_id: str) -> Iterator[Ask]:
        """Nobody's plan is moved while a job means it by its number."""

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
        """The numbers that jobs have been made for, whatever became of them: their keys stay taken."""
        return {found for target in self._targets() if (found := number(target)) is not None}

    def of_plan(self, plan_id: str) -> int:
        """How many jobs have been made for a plan."""
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
