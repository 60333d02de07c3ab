"""``plan`` and the commands that move a plan: ``code``, ``finish-code``, ``review``, ``fix``, ``done``."""

from __future__ import annotations

from typing import Any

from wf_cli.cli.flow import distributed_hooks
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Parsed, Spec, parse
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.workflow import phase_commands, phases, plans
from wf_cli.workflow.phase_commands import PhaseChange
from wf_cli.workflow.phases import PhaseCommand

_PLAN = Spec(required=("name",), values={"--epic": "epic"})
_PLAN_USAGE = 'wf plan "<name>" [--epic <epic>]'
_RENUMBER_USAGE = "wf plan renumber <plan-folder> [--to N] [--json]"
_REFERENCE = Spec(required=("plan",), by_position=True)
_REVIEW = Spec(
    required=("plan",),
    flags=frozenset({"--strict", "--json"}),
    values={"--profile": "profile"},
    skips_empty=True,
)
_REVIEW_USAGE = "wf review <plan> [--strict] [--profile fast|default|full] [--json]"


def _plan(call: Call) -> int:
    parsed = parse(_PLAN, call.words, _PLAN_USAGE)
    name, epic_reference = parsed.word("name"), parsed.value("epic")
    if epic_reference:
        from wf_cli.workflow import epics

        epic = call.epic(epic_reference)
        plan = epics.create_plan(call.project, epic, name)
        belongs = f" in epic {epic.id}"
    else:
        plan = plans.create(call.project, name)
        belongs = ""
    output.say(
        f"plan {plan.id} created{belongs}: {plan.relative}",
        f"next: write plan.md and todo.md there, then wf code {plan.id}",
    )
    distributed_hooks.after_change(call, plan)
    return 0


def _phase_command(command: PhaseCommand) -> ContractCommand:
    usage = f"wf {command.name} <plan>"

    def run(call: Call) -> int:
        plan = call.plan(parse(_REFERENCE, call.words, usage).word("plan"))
        # This reads the mode, and a broken file raises before the phase is written (quirk 28).
        if distributed_hooks.publish_instead(call, command, plan):
            return 0
        distributed_hooks.refuse_idle_handover(call, command, plan)
        change = phase_commands.run(call.project, plan, command)
        output.say(*_described(change))
        output.warn(change.warnings)
        distributed_hooks.after_change(call, plan)
        return 0

    gate = {"review": "review gate: wf verify <plan> --target=review shows what is missing"}
    gate["done"] = "done gate: wf verify <plan> --target=done shows what is missing"
    about = f"{' or '.join(command.sources)} -> {command.target}"
    if command.raises_iteration:
        about += ", one iteration more"
    if command.gate is not None:
        about += f"\n{gate[command.gate]}"
    return ContractCommand(run, (usage,), about, guarded=True, operator=True)


def _described(change: PhaseChange) -> list[str]:
    next_commands = phases.allowed_next(change.phase)
    iteration = f" (iteration {change.iteration})" if change.iteration else ""
    lines = [f"plan {change.plan.id}: {change.before} -> {change.phase}{iteration}"]
    if next_commands:
        lines.append(f"next: {' or '.join(f'wf {name} {change.plan.id}' for name in next_commands)}")
    return lines


def _review(call: Call) -> int:
    parsed = parse(_REVIEW, call.words, _REVIEW_USAGE)
    profile = _profile(parsed)
    plan = call.plan(parsed.word("plan"))
    if distributed_hooks.publish_instead(call, phases.REVIEW, plan):
        return 0
    strict = parsed.flag("--strict")
    change = phase_commands.run(call.project, plan, phases.REVIEW, strict_profile=profile if strict else None)
    document: dict[str, Any] = {
        "ok": True,
        "id": plan.id,
        "resolved_plan_dir": plan.relative,
        "phase": change.phase,
        "strict": strict,
        "strict_profile": profile,
        "strict_ok": None,
    }
    lines = _described(change)
    if strict:
        lines += _run_strictly(call, plan, profile, document)
    if document["ok"]:
        code = output.result(document, lines, as_json=call.as_json)
    else:
        code = 1
        if call.as_json:
            output.print_json(document, failed=True)
        else:
            output.say(*lines)
            output.complain(
                f"plan {plan.id}: the strict run failed; the plan stays in {change.phase}",
                f"repair it with wf fix {plan.id}",
            )
    distributed_hooks.after_change(call, plan)
    return code


def _run_strictly(call: Call, plan: plans.Plan, profile: Any, document: dict[str, Any]) -> list[str]:
    """Run the strict checks, put their verdict into ``document`` and return the text for people."""
    from wf_cli.workflow import strict

    if not call.as_json:
        output.note(f"strict checks of profile {profile} are running ...")
    quality = strict.run_checks(call.project, plan, profile)
    strict.store(call.project, plan, quality)
    document["strict_ok"] = quality.ok
    if not quality.ok:
        document["ok"] = False
        document["error"] = "STRICT_CHECK_FAILED"
    lines = []
    for check in quality.checks:
        verdict = "ok" if check.exit_code == 0 else f"failed with exit code {check.exit_code}"
        lines.append(f"  {check.name}: {verdict} ({check.duration_ms / 1000:.1f} s)")
        if check.exit_code != 0:
            lines += [f"    {line}" for line in check.tail.splitlines()]
    return lines


def _profile(parsed: Parsed) -> Any:
    from wf_cli.workflow.strict import PROFILES

    profile = parsed.value("profile")
    if profile is None:
        return "default"
    if profile not in PROFILES:
        raise ArgumentError(f"unknown profile: {profile!r}", hint=f"use one of {', '.join(PROFILES)}")
    return profile


COMMANDS = {
    "plan": ContractCommand(
        _plan,
        (_PLAN_USAGE, _RENUMBER_USAGE),
        """Creates plans/NN-slug/ with the next free number. With --epic the plan is linked to that epic.
renumber gives a plan the next free number, or N, when a merge has left two of one number: its folder, the links of
epics, paths in plan.md and todo.md. Refused while a job of the number is live; its steps get new keys.""",
        guarded=True,
    ),
    "review": ContractCommand(
        _review,
        (_REVIEW_USAGE,),
        """awaiting_review -> reviewing
--strict also runs typecheck, lint, test and test:integration of package.json and keeps the result in
quality-run.json; --profile fast leaves lint out, full adds test:integration.""",
        guarded=True,
        json=True,
        operator=True,
    ),
    **{
        command.name: _phase_command(command)
        for command in (phases.CODE, phases.FINISH_CODE, phases.FIX, phases.DONE)
    },
}
