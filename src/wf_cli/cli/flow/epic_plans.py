"""``wf epic plans``: declare the plans of an epic whose document declares none, and look at what is declared."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.flow.renumber import epic_app
from wf_cli.cli.frame import json_values, output
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, group
from wf_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from wf_cli.workflow.epics import Epic

plans_app = group("The plans that an epic is to have.")
epic_app.add_typer(plans_app, name="plans")

_EpicArgument = Annotated[str, typer.Argument(metavar="epic", help="its number or folder")]


@plans_app.command("set")
@spread
def set_plans(
    common: Common,
    epic: _EpicArgument,
    source: Annotated[
        str, typer.Option("--from", metavar="FILE|-", help="the list, in YAML or JSON; - reads it from stdin")
    ],
    as_operator: Annotated[
        bool, typer.Option("--as-operator", help="also beside the job that is to declare them")
    ] = False,
) -> None:
    """Declare the plans of an epic whose epic.md declares none below ## Scope. The list replaces an earlier one.

    A list of plans in the order of work, each with a title and a goal of one paragraph; after: names the plans, by
    their place in the list or their title, that have to be completed first. The plans are made when the epic runs: by
    the next wf epic run, or at once in one that runs already. Refused (exit 4) once the epic has plans, and while
    another job is to declare them.

    \b
    wf epic plans set 01 --from plans.yaml
    wf epic plans set 01 --from - <<'EOF'
    - {title: Parse the header, goal: Every header of the archive is read.}
    - {title: Reject bad zones, goal: A header without a zone is an error., after: [1]}
    EOF
    """
    from wf_cli.contract.token import parse_mark
    from wf_cli.workflow import epic_plans

    app = common.app
    mark = os.environ.get("WF_JOB_TOKEN")
    declared = epic_plans.parse(_value(source), app.config.epic.max_plans)
    project = app.project()
    found = _find(common, epic)
    parsed = parse_mark(mark) if mark else None
    with contextlib.ExitStack() as stack:
        ask = (lambda: None) if as_operator and not mark else stack.enter_context(app.epic_permit()(found.id))
        by = parsed[0] if parsed is not None else None
        epic_plans.declare(project, found, declared, ask, by=by, skip_quoted=app.distributed)
    published = [] if mark else _reconcile(common, found)
    values = {"epic_id": found.id, "declared": len(declared), "published": published}
    lines = [f"epic {found.id}: {len(declared)} plans are declared"]
    lines += [f"  {number}. {plan.title}" for number, plan in enumerate(declared, 1)]
    lines += [f"published {job_id}" for job_id in published]
    common.emit(values, lines)


@plans_app.command("show")
@spread
def show(common: Common, epic: _EpicArgument) -> None:
    """Show the plans that wf epic plans set has declared.

    \b
    wf epic plans show 01
    wf epic plans show 01 --json
    """
    from wf_cli.workflow import epic_plans, epics

    found = _find(common, epic)
    declared = epic_plans.declared(epics.load_state(found))
    values = {"epic_id": found.id, "plans": [asdict(plan) | {"after": list(plan.after)} for plan in declared]}
    lines: list[str] = []
    for number, plan in enumerate(declared, 1):
        after = f" (after {', '.join(map(str, plan.after))})" if plan.after else ""
        lines += [f"{number}. {plan.title}{after}", *(f"   {line}" for line in plan.goal.splitlines())]
    common.emit(values, lines or [f"epic {found.id}: wf epic plans set has declared no plan"])


def _find(common: Common, reference: str) -> Epic:
    from wf_cli.workflow import epics

    return epics.find(common.app.project(), reference, lambda shared: output.warn([shared.message]))


def _value(source: str) -> Any:
    from wf_cli.config import document

    text = json_values.text(source)
    try:
        return document.value_of("standard input" if source == "-" else source, text)
    except ConfigError as error:
        raise UsageError(error.message, hint=error.hint, code="INVALID_PLANS") from error


def _reconcile(common: Common, epic: Epic) -> list[str]:
    """Let the plans of a running epic appear at once, with the mode on."""
    from wf_cli.spool import layout

    app = common.app
    if not app.distributed or not layout.exists(app.spool_root):
        return []
    return list(app.dispatcher(app.open_spool()).reconcile(epic).published)
