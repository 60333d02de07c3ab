"""``epic``: create, list, attach, run, resume, stop, status, validate, context, watch."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wf_cli.cli.flow import distributed_hooks, epic_views
from wf_cli.cli.flow.epic_arguments import DRY_RUN, USAGES, by_position, read
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Parsed
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.errors import Refused
from wf_cli.workflow import epics
from wf_cli.workflow.epics import Epic

if TYPE_CHECKING:
    from wf_cli.workflow.unclear_scope import Unclear


class PreflightFailed(Refused):
    """The agent files or models that an epic needs are missing or wrong."""

    code = "SUBAGENT_PREFLIGHT_FAILED"


def _epic(call: Call) -> int:
    action = call.words[0] if call.words else ""
    if not action or action.startswith("--"):
        raise ArgumentError("epic needs an action or a name", hint=f"usage: {' | '.join(USAGES.values())}")
    if action not in _ACTIONS:
        return _create(call, action)
    return _ACTIONS[action](call)


def _create_action(call: Call) -> int:
    # The next word is the name whatever it looks like, so an epic can be called "list" or "--force".
    return _create(call, call.words[1] if len(call.words) > 1 else "")


def _create(call: Call, name: str) -> int:
    call.guard("epic")
    if not name:
        raise ArgumentError("the name of the epic is missing", hint=f"usage: {USAGES['create']}")
    epic = epics.create(call.project, name)
    output.say(f"epic {epic.id} created: {epic.relative}", _what_next(call, epic))
    return 0


def _what_next(call: Call, epic: Epic) -> str:
    scope = "declare its plans below ## Scope in epic.md (- Plan 1: title)"
    if not call.project.distributed:
        return f"next: {scope}, then wf epic run {epic.id}"
    return (
        f"next: write into epic.md what you want, in any form, then wf epic run {epic.id}, which has an agent split "
        f"it into plans; or {scope} yourself"
    )


def _attach(call: Call) -> int:
    call.guard("epic")
    parsed = by_position(call, "attach", "epic", "plan")
    epic = call.epic(parsed.word("epic"))
    plan = call.plan(parsed.word("plan"))
    added = epics.attach(call.project, epic, plan)
    output.say(f"plan {plan.id} {'is now' if added else 'was already'} linked to epic {epic.id}")
    return 0


def _run(call: Call) -> int:
    from wf_cli.workflow import epic_run

    call, parsed, epic = _prepare(call, "run")
    call.is_distributed  # noqa: B018 - a broken mode switch must be noticed before plans exist (quirk 28)
    if parsed.flag(DRY_RUN):
        return _dry_run(call, epic)
    wants_workers = distributed_hooks.wants_workers(call, parsed)
    doubts = _doubts(call, epic)
    try:
        started = epic_run.run(call.project, epic, splits=call.is_distributed)
    except epic_run.EpicRunning:
        if not call.is_distributed:
            raise
        # In distributed mode the workers run the epic, so a second `run` only shows it.
        linked = tuple(epics.linked_plans(call.project, epic))
        started = epic_run.Run(epic, 0, linked, f"epic {epic.id} is running already")
    document: dict[str, Any] = {
        "ok": True,
        "action": "run",
        "epic_id": epic.id,
        "created_plans": started.created,
        "total_plans": len(started.plans),
        "status": epics.RUNNING,
        "summary": started.summary,
        "plans": [{"id": plan.id, "dir": plan.name, "phase": epics.phase_of(plan)} for plan in started.plans],
        **({"unclear": [asdict(line) for line in doubts]} if doubts else {}),
    }
    lines = [f"epic {epic.id} is running: {started.summary}"]
    rows = [(plan.id, epics.phase_of(plan), plan.name) for plan in started.plans]
    lines += output.columns(rows) if rows else []
    distributed_hooks.epic_started(call, epic, parsed.value("reason"))
    if parsed.flag("--follow"):
        return distributed_hooks.follow(call, epic, document, workers=wants_workers)
    if wants_workers:
        distributed_hooks.start_workers(call, document)
    return output.result(document, lines, as_json=call.as_json)


def _doubts(call: Call, epic: Epic) -> tuple[Unclear, ...]:
    """The lines of epic.md that a person should know of before plans are made; said on stderr unless for JSON.

    With the distributed mode on, an epic of which some plans are declared and others seem to be is refused: agents
    would be paid for a part of it. The command-driven flow makes what the older tool made, with a warning.
    """
    from wf_cli.workflow import epic_run, unclear_scope

    wanted = epic_run.wanted(epic, epics.load_state(epic), splits=call.is_distributed)
    wrong_order = _wrong_order(call, epic) if call.is_distributed and wanted.rule in ("linked", "scope") else ()
    if wrong_order and wanted.rule == "scope":
        raise Refused(
            f"{epic.relative}/epic.md declares an order of its plans that cannot be kept:"
            + "".join(f"\n  - {line}" for line in wrong_order),
            hint="correct the `- after:` lines; then run the epic again",
            code="SCOPE_ORDER",
            errors=list(wrong_order),
        )
    if wanted.rule in ("linked", "set"):
        if not call.as_json:
            output.warn([f"{epic.relative}/{line}" for line in wrong_order])
        return ()
    lines = unclear_scope.of_epic(epic, skip_quoted=call.is_distributed)
    meant = unclear_scope.blocks(lines)
    if call.is_distributed and wanted.rule == "scope" and meant:
        raise Refused(
            f"{epic.relative}/epic.md declares some plans and seems to mean more:"
            + "".join(f"\n  - {line}" for line in meant),
            hint="write these lines as declarations, or in other words; then run the epic again",
            code="SCOPE_UNCLEAR",
            unclear=[asdict(line) for line in meant],
        )
    warnings = [str(line) for line in lines]
    if wanted.rule == "default":
        warnings.append(
            f"{epic.relative}/epic.md declares no plan (`- Plan 1: title` below `## Scope`), "
            f"so {len(wanted.plans)} default plans are made"
        )
    if not call.as_json:
        output.warn(warnings)
    return lines


def _wrong_order(call: Call, epic: Epic) -> tuple[str, ...]:
    """What is wrong with the order of plans that epic.md declares."""
    from wf_cli.workflow import epic_status, order

    declared = epic_status.validate(epic, skip_quoted=call.is_distributed).scope
    return tuple(trouble.text for trouble in order.troubles(declared))


_RULES = {
    "linked": "they exist already, so none is made",
    "set": "wf epic plans set has declared them",
    "scope": "declared below ## Scope in epic.md",
    "split": "epic.md declares none, so a job of the orchestrator splits it into plans",
    "default": "epic.md declares none, so default plans are made (the distributed mode would have it split)",
}


def _dry_run(call: Call, epic: Epic) -> int:
    """What `epic run` would make, and by which rule. Changes nothing."""
    from wf_cli.workflow import epic_run, unclear_scope

    wanted = epic_run.wanted(epic, epics.load_state(epic), splits=call.is_distributed)
    doubts = unclear_scope.of_epic(epic, skip_quoted=call.is_distributed) if wanted.rule != "linked" else ()
    wrong_order = _wrong_order(call, epic) if wanted.rule in ("linked", "scope") else ()
    document = {
        "ok": True,
        "action": "run",
        "dry_run": True,
        "epic_id": epic.id,
        "rule": wanted.rule,
        "plans": [{"title": name, "goal": goal} for name, goal in wanted.plans],
        "unclear": [asdict(line) for line in doubts],
        **({"warnings": list(wrong_order)} if wrong_order else {}),
    }
    gets = "has" if wanted.rule == "linked" else "would get"
    lines = [
        f"epic {epic.id} {gets} {len(wanted.plans)} plans: {_RULES[wanted.rule]}",
        *(f"  {number}. {name}" for number, (name, _goal) in enumerate(wanted.plans, 1)),
        *(f"  warning: {line}" for line in (*doubts, *wrong_order)),
    ]
    return output.result(document, lines, as_json=call.as_json)


def _resume(call: Call) -> int:
    from wf_cli.workflow import epic_run

    call, parsed, epic = _prepare(call, "resume")
    call.is_distributed  # noqa: B018 - as in `_run`
    wants_workers = distributed_hooks.wants_workers(call, parsed)
    resumed = epic_run.resume(call.project, epic)
    line = f"epic {epic.id} is {'running again' if resumed else 'running or completed already'}"
    document: dict[str, Any] = {
        "ok": True,
        "action": "resume",
        "epic_id": epic.id,
        "resumed": resumed,
        "message": line,
    }
    if resumed:
        distributed_hooks.epic_started(call, epic, parsed.value("reason"), resumed=True)
    if wants_workers:
        distributed_hooks.start_workers(call, document)
    return output.result(document, [line], as_json=call.as_json)


def _prepare(call: Call, action: str) -> tuple[Call, Parsed, Epic]:
    """The call, the arguments and the epic of run and resume, after the checks: guard, arguments, preflight, epic."""
    from wf_cli.agents import preflight

    more = distributed_hooks.EPIC_RUN_FLAGS if call.is_distributed else frozenset()
    call.guard("epic")
    call, parsed = read(call, action, *more, *([DRY_RUN] if action == "run" else []))
    checked = preflight.check(call.root)
    if not checked.ok:
        raise PreflightFailed(
            "the sub-agents are not ready:" + "".join(f"\n  - {error}" for error in checked.errors),
            hint="wf init installs the agent files; wf subagents validate-models checks the models",
            errors=list(checked.errors),
            warnings=list(checked.warnings),
            roles=[asdict(role) for role in checked.roles],
        )
    epic = call.epic(parsed.word("epic"))
    if call.is_distributed:
        epics.refuse_shared(call.project, epic.id)
    return call, parsed, epic


def _stop(call: Call) -> int:
    from wf_cli.workflow import epic_run

    call.guard("epic")
    call, parsed = read(call, "stop")
    epic = call.epic(parsed.word("epic"))
    epic_run.stop(call.project, epic)
    distributed_hooks.epic_stopped(call, epic, parsed.value("reason"))
    document = {"ok": True, "action": "stop", "epic_id": epic.id}
    return output.result(document, [f"epic {epic.id} is paused"], as_json=call.as_json)


_ACTIONS = {
    "create": _create_action,
    "list": epic_views.show_list,
    "context": epic_views.context,
    "attach": _attach,
    "run": _run,
    "resume": _resume,
    "stop": _stop,
    "status": epic_views.status,
    "validate": epic_views.validate,
    "watch": epic_views.watch,
}

COMMANDS = {
    "epic": ContractCommand(
        _epic,
        tuple(USAGES.values()),
        """An epic is a goal that needs several plans, declared below ## Scope in its epic.md as `- Plan 1: title`.
run creates the declared plans when none are linked yet, and sets the epic running; stop pauses it. With --dry-run it
says which plans it would create and why, and changes nothing. With the distributed mode on, an epic that declares no
plan is split into plans by a job of the orchestrator; plans set declares them by hand.
status counts the plans by phase and keeps the epic's own phase up to date.
renumber gives an epic the next free number, or N, when a merge has left two of one number.""",
        json=True,
    )
}
