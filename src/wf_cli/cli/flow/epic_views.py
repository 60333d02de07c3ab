"""The actions that show an epic: ``epic list``, ``context``, ``status``, ``validate``, ``watch``."""

from __future__ import annotations

from dataclasses import asdict

from wf_cli.cli.flow.epic_arguments import by_position, named_epic
from wf_cli.cli.frame import output
from wf_cli.cli.frame.contract_call import Call
from wf_cli.workflow import epics

#: Seconds between two looks of `epic watch`.
_WATCH_SECONDS = 3.0


def show_list(call: Call) -> int:
    """Show every epic."""
    known = epics.all_epics(call.project)
    document = {"ok": True, "epic_ids": epics.epic_ids(call.project)}
    lines = [f"{epic.id}  {epic.relative}" for epic in known]
    return output.result(document, lines or ["there are no epics yet"], as_json=call.as_json)


def context(call: Call) -> int:
    """Show all files of an epic."""
    reference = by_position(call, "context", "epic").word("epic")
    content = epics.content(call.epic(reference))
    base = content.epic.relative
    document = {
        "ok": True,
        "input": reference,
        "id": content.epic.id,
        "resolved_epic_dir": base,
        "files": {
            "epic": f"{base}/epic.md",
            "plans_map": f"{base}/plans-map.yaml",
            "state": f"{base}/state.json",
            "report": f"{base}/report.md",
        },
        "content": {
            "epic": content.epic_text,
            "plansMap": content.plans_map,
            "report": content.report,
            "state": content.state,
        },
    }
    lines = [f"epic {content.epic.id}: {base}", "", content.epic_text.rstrip(), "", content.report.rstrip()]
    return output.result(document, lines, as_json=call.as_json)


def status(call: Call) -> int:
    """Count the plans by phase, and write the phase that follows from them into the epic's state."""
    from wf_cli.cli.flow import distributed_hooks
    from wf_cli.workflow import epic_status, order, unclear_scope

    epic = named_epic(call, "status")
    before = epics.orchestration(epics.load_state(epic)).get("status") if call.is_distributed else None
    status_now = epic_status.status(call.project, epic, skip_quoted=call.is_distributed)
    distributed_hooks.epic_counted(call, epic, before, status_now.orchestration)
    doubtful = unclear_scope.of_epic(epic, skip_quoted=call.is_distributed)
    comparison = status_now.comparison
    wrong_order = [trouble.text for trouble in order.troubles(comparison.scope)]
    waiting = distributed_hooks.waiting(call, epic)
    document = {
        "ok": True,
        "id": epic.id,
        "dir": epic.relative,
        "epic_phase": status_now.phase,
        "orchestration": status_now.orchestration,
        "total_plans": status_now.total_plans,
        "scope_plans_declared": len(comparison.scope.plans),
        "linked_plans": len(comparison.linked),
        "scope_mismatch": comparison.mismatch,
        "scope_validation": {
            "declared_plans": [asdict(plan) for plan in comparison.scope.plans],
            "linked_plans": list(comparison.linked),
            "missing_links": [asdict(plan) for plan in comparison.missing],
            "extra_links": list(comparison.extra),
            "scope_mismatch": comparison.mismatch,
            "warnings": [*comparison.scope.warnings, *wrong_order],
            **({"unclear": [asdict(line) for line in doubtful]} if doubtful else {}),
        },
        "plans_by_phase": status_now.plans_by_phase,
        **({"waiting": [condition.to_json() for condition in waiting]} if call.is_distributed else {}),
    }
    lines = [
        f"epic {epic.id}: {status_now.phase}, orchestration {status_now.orchestration.get('status')}",
        f"plans: {status_now.total_plans} linked, {len(comparison.scope.plans)} declared",
        *output.columns((phase, str(count)) for phase, count in status_now.plans_by_phase.items() if count),
    ]
    if comparison.mismatch:
        lines.append(f"the scope does not match the links: wf epic validate {epic.id}")
    lines += [f"  warning: {line}" for line in (*doubtful, *wrong_order)]
    lines += [f"  {condition.told}" for condition in waiting]
    return output.result(document, lines, as_json=call.as_json)


def validate(call: Call) -> int:
    """Compare the plans that epic.md declares with those that are linked."""
    from wf_cli.workflow import epic_status, order, unclear_scope

    epic = named_epic(call, "validate")
    comparison = epic_status.validate(epic, skip_quoted=call.is_distributed)
    doubtful = unclear_scope.of_epic(epic, skip_quoted=call.is_distributed)
    warnings = [*comparison.scope.warnings, *(trouble.text for trouble in order.troubles(comparison.scope))]
    document = {
        "ok": not comparison.mismatch,
        "action": "validate",
        "epic_id": epic.id,
        "scope_plans_declared": len(comparison.scope.plans),
        "linked_plans": len(comparison.linked),
        "scope_mismatch": comparison.mismatch,
        "missing_links": [asdict(plan) for plan in comparison.missing],
        "extra_links": list(comparison.extra),
        "warnings": warnings,
        **({"unclear": [asdict(line) for line in doubtful]} if doubtful else {}),
    }
    verdict = "does not match" if comparison.mismatch else "matches"
    counts = f"{len(comparison.scope.plans)} declared, {len(comparison.linked)} linked"
    lines = [
        f"epic {epic.id}: the scope {verdict} ({counts})",
        *(f"  declared, not linked: {plan.label}" for plan in comparison.missing),
        *(f"  linked, not declared: {link}" for link in comparison.extra),
        *(f"  warning: {warning}" for warning in warnings),
        *(f"  warning: {line}" for line in doubtful),
    ]
    return output.result(document, lines, as_json=call.as_json)


def watch(call: Call) -> int:
    """Print each change of a plan's phase until Ctrl-C."""
    epic = named_epic(call, "watch")
    shown: dict[str, str] = {}
    output.stream(f"epic {epic.id}: watching, stop with Ctrl-C")
    try:
        while True:
            for plan in epics.linked_plans(call.project, epic):
                phase = epics.phase_of(plan)
                if shown.get(plan.name) != phase:
                    output.stream(f"  {plan.id}  {phase}  {plan.name}")
                    shown[plan.name] = phase
            call.project.clock.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        return 0
