"""``epic``: create, list, attach, run, resume, stop, status, validate, context, watch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wf_cli.cli import distributed_hooks, output
from wf_cli.cli.arguments import ArgumentError, Parsed, Spec, parse
from wf_cli.cli.contract_call import Call, ContractCommand
from wf_cli.errors import Refused
from wf_cli.workflow import epics, plans
from wf_cli.workflow.epics import Epic

#: Seconds between two looks of `epic watch`.
_WATCH_SECONDS = 3.0

_RUN_FLAGS = frozenset({"--json", "--auto-workers", "--no-auto-workers"})
_RUNNABLE = Spec(required=("epic",), flags=_RUN_FLAGS)
_USAGES = {
    "create": 'wf epic create "<name>"   (or wf epic "<name>")',
    "list": "wf epic list [--json]",
    "context": "wf epic context <epic> [--json]",
    "attach": "wf epic attach <epic> <plan>",
    "run": "wf epic run <epic> [--auto-workers|--no-auto-workers] [--json]",
    "resume": "wf epic resume <epic> [--json]",
    "stop": "wf epic stop <epic> [--json]",
    "status": "wf epic status <epic> [--json]",
    "validate": "wf epic validate <epic> [--json]",
    "watch": "wf epic watch <epic>",
}


class PreflightFailed(Refused):
    """The sub-agents are not ready for an epic."""

    code = "SUBAGENT_PREFLIGHT_FAILED"


def _epic(call: Call) -> int:
    action = call.words[0] if call.words else ""
    if not action or action.startswith("--"):
        raise ArgumentError("epic needs an action or a name", hint=f"usage: {' | '.join(_USAGES.values())}")
    if action not in _ACTIONS:
        return _create(call, action)
    return _ACTIONS[action](call)


def _create_action(call: Call) -> int:
    # The next word is the name, whatever it looks like: so an epic can be called "list" or "--force".
    return _create(call, call.words[1] if len(call.words) > 1 else "")


def _create(call: Call, name: str) -> int:
    call.guard("epic")
    if not name:
        raise ArgumentError("the name of the epic is missing", hint=f"usage: {_USAGES['create']}")
    epic = epics.create(call.project, name)
    output.say(
        f"epic {epic.id} created: {epic.relative}",
        f"next: declare its plans below ## Scope in epic.md (- Plan 1: title), then wf epic run {epic.id}",
    )
    return 0


def _list(call: Call) -> int:
    found = epics.all_epics(call.project)
    document = {"ok": True, "epic_ids": epics.epic_ids(call.project)}
    lines = [f"{epic.id}  {epic.relative}" for epic in found]
    return output.result(document, lines or ["there are no epics yet"], as_json=call.as_json)


def _context(call: Call) -> int:
    reference = _by_position(call, "context", "epic").word("epic")
    found = epics.content(epics.find(call.project, reference))
    base = found.epic.relative
    document = {
        "ok": True,
        "input": reference,
        "id": found.epic.id,
        "resolved_epic_dir": base,
        "files": {
            "epic": f"{base}/epic.md",
            "plans_map": f"{base}/plans-map.yaml",
            "state": f"{base}/state.json",
            "report": f"{base}/report.md",
        },
        "content": {
            "epic": found.epic_text,
            "plansMap": found.plans_map,
            "report": found.report,
            "state": found.state,
        },
    }
    lines = [f"epic {found.epic.id}: {base}", "", found.epic_text.rstrip(), "", found.report.rstrip()]
    return output.result(document, lines, as_json=call.as_json)


def _attach(call: Call) -> int:
    call.guard("epic")
    parsed = _by_position(call, "attach", "epic", "plan")
    epic = epics.find(call.project, parsed.word("epic"))
    plan = plans.find(call.project, parsed.word("plan"))
    added = epics.attach(call.project, epic, plan)
    output.say(f"plan {plan.id} {'is now' if added else 'was already'} linked to epic {epic.id}")
    return 0


def _run(call: Call) -> int:
    from wf_cli.workflow import epic_run

    parsed, epic = _prepare(call, "run")
    call.is_distributed  # noqa: B018 - a broken mode switch must be noticed before plans exist (quirk 28)
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
    auto_workers = distributed_hooks.epic_started(call, epic, parsed.flags)
    if auto_workers is not None:
        document["auto_workers"] = auto_workers
    return output.result(document, lines, as_json=call.as_json)


def _resume(call: Call) -> int:
    from wf_cli.workflow import epic_run

    parsed, epic = _prepare(call, "resume")
    call.is_distributed  # noqa: B018 - as in `_run`
    resumed = epic_run.resume(call.project, epic)
    document: dict[str, Any] = {
        "ok": True,
        "action": "resume",
        "epic_id": epic.id,
        "resumed": resumed,
    }
    line = f"epic {epic.id} is running again"
    if not resumed:
        line = f"epic {epic.id} is running or completed already"
        document["message"] = line
    else:
        auto_workers = distributed_hooks.epic_started(call, epic, parsed.flags)
        if auto_workers is not None:
            document["auto_workers"] = auto_workers
    return output.result(document, [line], as_json=call.as_json)


def _prepare(call: Call, action: str) -> tuple[Parsed, Epic]:
    """What run and resume have in common: arguments, guard, preflight, and only then the epic."""
    from wf_cli.agents import preflight

    spec = _RUNNABLE
    if call.is_distributed:
        spec = Spec(required=("epic",), flags=_RUN_FLAGS | distributed_hooks.EPIC_RUN_FLAGS)
    call.guard("epic")
    parsed = parse(spec, call.words[1:], _USAGES[action])
    checked = preflight.check(call.root)
    if not checked.ok:
        raise PreflightFailed(
            "the sub-agents are not ready:" + "".join(f"\n  - {error}" for error in checked.errors),
            hint="wf init installs the agent files; wf subagents validate-models checks the models",
            errors=list(checked.errors),
            warnings=list(checked.warnings),
            roles=[asdict(role) for role in checked.roles],
        )
    return parsed, epics.find(call.project, parsed.word("epic"))


def _stop(call: Call) -> int:
    from wf_cli.workflow import epic_run

    call.guard("epic")
    epic = _found(call, "stop")
    epic_run.stop(call.project, epic)
    distributed_hooks.epic_changed(call, epic)
    document = {"ok": True, "action": "stop", "epic_id": epic.id}
    return output.result(document, [f"epic {epic.id} is paused"], as_json=call.as_json)


def _status(call: Call) -> int:
    from wf_cli.workflow import epic_status

    epic = _found(call, "status")
    found = epic_status.status(call.project, epic)
    comparison = found.comparison
    document = {
        "ok": True,
        "id": epic.id,
        "dir": epic.relative,
        "epic_phase": found.phase,
        "orchestration": found.orchestration,
        "total_plans": found.total_plans,
        "scope_plans_declared": len(comparison.scope.plans),
        "linked_plans": len(comparison.linked),
        "scope_mismatch": comparison.mismatch,
        "scope_validation": {
            "declared_plans": [asdict(plan) for plan in comparison.scope.plans],
            "linked_plans": list(comparison.linked),
            "missing_links": [asdict(plan) for plan in comparison.missing],
            "extra_links": list(comparison.extra),
            "scope_mismatch": comparison.mismatch,
            "warnings": list(comparison.scope.warnings),
        },
        "plans_by_phase": found.plans_by_phase,
    }
    lines = [
        f"epic {epic.id}: {found.phase}, orchestration {found.orchestration.get('status')}",
        f"plans: {found.total_plans} linked, {len(comparison.scope.plans)} declared",
        *output.columns((phase, str(count)) for phase, count in found.plans_by_phase.items() if count),
    ]
    if comparison.mismatch:
        lines.append(f"the scope does not match the links: wf epic validate {epic.id}")
    return output.result(document, lines, as_json=call.as_json)


def _validate(call: Call) -> int:
    from wf_cli.workflow import epic_status

    epic = _found(call, "validate")
    found = epic_status.validate(epic)
    document = {
        "ok": not found.mismatch,
        "action": "validate",
        "epic_id": epic.id,
        "scope_plans_declared": len(found.scope.plans),
        "linked_plans": len(found.linked),
        "scope_mismatch": found.mismatch,
        "missing_links": [asdict(plan) for plan in found.missing],
        "extra_links": list(found.extra),
        "warnings": list(found.scope.warnings),
    }
    verdict = "does not match" if found.mismatch else "matches"
    lines = [
        f"epic {epic.id}: the scope {verdict} ({len(found.scope.plans)} declared, {len(found.linked)} linked)",
        *(f"  declared, not linked: {plan.label}" for plan in found.missing),
        *(f"  linked, not declared: {link}" for link in found.extra),
        *(f"  warning: {warning}" for warning in found.scope.warnings),
    ]
    return output.result(document, lines, as_json=call.as_json)


def _watch(call: Call) -> int:
    epic = _found(call, "watch")
    shown: dict[str, str] = {}
    output.say(f"epic {epic.id}: watching, stop with Ctrl-C")
    try:
        while True:
            for plan in epics.linked_plans(call.project, epic):
                phase = epics.phase_of(plan)
                if shown.get(plan.name) != phase:
                    output.say(f"  {plan.id}  {phase}  {plan.name}")
                    shown[plan.name] = phase
            call.project.clock.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        return 0


def _by_position(call: Call, action: str, *names: str) -> Parsed:
    return parse(Spec(required=names, by_position=True), call.words[1:], _USAGES[action])


def _found(call: Call, action: str) -> Epic:
    return epics.find(call.project, parse(_RUNNABLE, call.words[1:], _USAGES[action]).word("epic"))


_ACTIONS = {
    "create": _create_action,
    "list": _list,
    "context": _context,
    "attach": _attach,
    "run": _run,
    "resume": _resume,
    "stop": _stop,
    "status": _status,
    "validate": _validate,
    "watch": _watch,
}

COMMANDS = {
    "epic": ContractCommand(
        _epic,
        tuple(_USAGES.values()),
        """An epic is a goal that needs several plans, declared below ## Scope in its epic.md as `- Plan 1: title`.
run creates the declared plans when none are linked yet, and sets the epic running; stop pauses it.
status counts the plans by phase and keeps the epic's own phase up to date.""",
        json=True,
    )
}
