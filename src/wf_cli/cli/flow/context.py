"""``context`` and ``verify``, which look at a plan without changing it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Spec, parse
from wf_cli.cli.frame.contract_call import Call, ContractCommand

_CONTEXT = Spec(required=("plan",), flags=frozenset({"--json"}), values={"--include": "include"})
_CONTEXT_USAGE = "wf context <plan> [--json] [--include plan,todo,review,evidence,state,epic]"
_VERIFY = Spec(required=("plan",), flags=frozenset({"--json", "--strict"}), values={"--target": "target"})
_VERIFY_USAGE = "wf verify <plan> [--target all|review|done] [--strict] [--json]"


def _context(call: Call) -> int:
    from wf_cli.workflow import context

    parsed = parse(_CONTEXT, call.words, _CONTEXT_USAGE)
    include = context.parse_includes(parsed.value("include") or "")
    reference = parsed.word("plan")
    found = context.context(call.project, call.plan(reference), include)
    return output.result(_context_document(found, reference), _context_lines(found), as_json=call.as_json)


def _context_document(found: Any, reference: str) -> dict[str, Any]:
    document = {
        "ok": True,
        "input": reference,
        "id": found.plan.id,
        "resolved_plan_dir": found.plan.relative,
        "phase": found.phase,
        "allowed_next_commands": list(found.allowed_next_commands),
        "files": found.files,
    }
    if found.title is not None:
        document["title"] = found.title
    if found.epic_id:
        document["epic_id"] = found.epic_id
    if found.content is not None:
        document["content"] = dict(found.content)
        if found.todo_lifecycle is not None:
            document["content"]["todo_lifecycle"] = [asdict(item) for item in found.todo_lifecycle]
    return document


def _context_lines(found: Any) -> list[str]:
    lines = [f"plan {found.plan.id}: {found.plan.relative}", f"phase: {found.phase}"]
    if found.title is not None:
        lines.insert(1, f"title: {found.title}")
    if found.epic_id:
        lines.append(f"epic: {found.epic_id}")
    possible = ", ".join(f"wf {name} {found.plan.id}" for name in found.allowed_next_commands)
    lines.append(f"possible now: {possible or 'nothing'}")
    for key, value in (found.content or {}).items():
        lines += ["", f"--- {key}", "(none)" if value is None else str(value).rstrip("\n")]
    return lines


def _verify(call: Call) -> int:
    from wf_cli.workflow import verify

    parsed = parse(_VERIFY, call.words, _VERIFY_USAGE)
    target = parsed.values.get("target", "all")
    wanted = next((known for known in verify.TARGETS if known == target), None)
    if wanted is None:
        raise ArgumentError(f"unknown target: {target!r}", hint=f"use one of {', '.join(verify.TARGETS)}")
    reference = parsed.word("plan")
    plan = call.plan(reference)
    found = verify.verify(call.project, plan, wanted, strict=parsed.flag("--strict"))
    lines = [f"plan {plan.id}: {'passes' if found.ok else 'does not pass'}"]
    for name, gate in found.checks.items():
        if gate is not None:
            lines.append(f"  {name}: {'ok' if gate.ok else f'{len(gate.errors)} error(s)'}")
            lines += [f"    - {error}" for error in gate.errors]
    return output.result(found.as_json(reference), lines, as_json=call.as_json)


COMMANDS = {
    "context": ContractCommand(
        _context,
        (_CONTEXT_USAGE,),
        "Shows what an agent needs to know about a plan. --include adds the contents of files.",
        json=True,
    ),
    "verify": ContractCommand(
        _verify,
        (_VERIFY_USAGE,),
        """Evaluates the gates in any phase and changes nothing; exit code 1 when one does not pass.
--strict also checks the stored quality run.""",
        json=True,
    ),
}
