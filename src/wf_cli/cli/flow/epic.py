"""``epic``: create, list, attach, run, resume, stop, status, validate, context, watch."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from wf_cli.cli.flow import distributed_hooks, epic_views
from wf_cli.cli.flow.epic_arguments import RUNNABLE, USAGES, by_position, named_epic
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Parsed, parse
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.errors import Refused
from wf_cli.workflow import epics
from wf_cli.workflow.epics import Epic


class PreflightFailed(Refused):
    """The sub-agents are not ready for an epic."""

    code = "SUBAGENT_PREFLIGHT_FAILED"


def _epic(call: Call) -> int:
    action = call.words[0] if call.words else ""
    if not action or action.startswith("--"):
        raise ArgumentError("epic needs an action or a name", hint=f"usage: {' | '.join(USAGES.values())}")
    if action not in _ACTIONS:
        return _create(call, action)
    return _ACTIONS[action](call)


def _create_action(call: Call) -> int:
    # The next word is the name, whatever it looks like: so an epic can be called "list" or "--force".
    return _create(call, call.words[1] if len(call.words) > 1 else "")


def _create(call: Call, name: str) -> int:
    call.guard("epic")
    if not name:
        raise ArgumentError("the name of the epic is missing", hint=f"usage: {USAGES['create']}")
    epic = epics.create(call.project, name)
    output.say(
        f"epic {epic.id} created: {epic.relative}",
        f"next: declare its plans below ## Scope in epic.md (- Plan 1: title), then wf epic run {epic.id}",
    )
    return 0


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

    parsed, epic = _prepare(call, "run")
    call.is_distributed  # noqa: B018 - a broken mode switch must be noticed before plans exist (quirk 28)
    wants_workers = distributed_hooks.wants_workers(call, parsed)
    try:
        started = epic_run.run(call.project, epic)
    except epic_run.EpicRunning:
        if not call.is_distributed:
            raise
        # With workers about, the epic runs by itself and a second `run` only looks at it again.
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
    }
    lines = [f"epic {epic.id} is running: {started.summary}"]
    rows = [(plan.id, epics.phase_of(plan), plan.name) for plan in started.plans]
    lines += output.columns(rows) if rows else []
    distributed_hooks.epic_started(call, epic)
    if wants_workers:
        document["auto_workers"] = distributed_hooks.start_workers(call)
    if parsed.flag("--follow"):
        return distributed_hooks.follow(call, epic, document)
    return output.result(document, lines, as_json=call.as_json)


def _resume(call: Call) -> int:
    from wf_cli.workflow import epic_run

    parsed, epic = _prepare(call, "resume")
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
        distributed_hooks.epic_started(call, epic)
    if wants_workers:
        document["auto_workers"] = distributed_hooks.start_workers(call)
    return output.result(document, [line], as_json=call.as_json)


def _prepare(call: Call, action: str) -> tuple[Parsed, Epic]:
    """What run and resume have in common: arguments, guard, preflight, and only then the epic."""
    from wf_cli.agents import preflight

    spec = RUNNABLE
    if call.is_distributed:
        spec = replace(RUNNABLE, flags=RUNNABLE.flags | distributed_hooks.EPIC_RUN_FLAGS)
    call.guard("epic")
    parsed = parse(spec, call.words[1:], USAGES[action])
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
    return parsed, epic


def _stop(call: Call) -> int:
    from wf_cli.workflow import epic_run

    call.guard("epic")
    epic = named_epic(call, "stop")
    epic_run.stop(call.project, epic)
    distributed_hooks.epic_changed(call, epic)
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
run creates the declared plans when none are linked yet, and sets the epic running; stop pauses it.
status counts the plans by phase and keeps the epic's own phase up to date.
renumber gives an epic the next free number, or N, when a merge has left two of one number.""",
        json=True,
    )
}
