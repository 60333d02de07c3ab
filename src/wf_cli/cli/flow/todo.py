"""``todo list``, ``implemented``, ``accept``, ``reject``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wf_cli.cli.flow import distributed_hooks
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Parsed, Spec, parse
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.errors import NotFound, Refused, StaleAttempt, StateError, WfError
from wf_cli.workflow import todo_commands
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.todo_commands import TodoState

#: All actions share one spec, so an action accepts and ignores the options of the others.
_SPEC = Spec(
    required=("plan",),
    optional=("id",),
    flags=frozenset({"--json"}),
    values={"--test": "test", "--output": "output", "--note": "note", "--reason": "note"},
)
_USAGES = {
    "list": "wf todo list <plan> [--json]",
    "implemented": 'wf todo implemented <plan> <ID> --test "<command>" --output "<result>" [--note <text>] [--json]',
    "accept": "wf todo accept <plan> <ID> [--note <text>] [--json]",
    "reject": "wf todo reject <plan> <ID> [--reason <text>] [--json]",
}


def _todo(call: Call) -> int:
    action = call.words[0] if call.words else ""
    if action not in _USAGES:
        raise ArgumentError(f"unknown action: todo {action}".rstrip(), hint=f"use one of {', '.join(_USAGES)}")
    usage = _USAGES[action]
    parsed = parse(_SPEC, call.words[1:], usage)
    if action != "list" and not parsed.words.get("id"):
        raise ArgumentError("the id of the todo item is missing", hint=f"usage: {usage}")
    for name in ("test", "output"):
        if action == "implemented" and not parsed.value(name):
            raise ArgumentError(f"--{name} is missing", hint=f"usage: {usage}")
    reference = parsed.word("plan")
    plan = call.plan(reference)
    if action != "list":
        call.guard(f"todo {action}")
    try:
        state = _perform(call, action, plan, parsed)
    except StaleAttempt:
        raise
    except (NotFound, Refused, StateError) as error:
        raise WfError(error.message, hint=error.hint, code="TODO_COMMAND_FAILED") from error
    code = output.result(_document(state, reference), _lines(state), as_json=call.as_json)
    output.warn(state.warnings)
    if action != "list":
        distributed_hooks.after_change(call, plan)
    return code


def _perform(call: Call, action: str, plan: Plan, parsed: Parsed) -> TodoState:
    if action == "list":
        return todo_commands.listing(plan)
    todo_id, note = parsed.word("id"), parsed.value("note")
    if action == "implemented":
        test, result = parsed.values["test"], parsed.values["output"]
        return todo_commands.implemented(call.project, plan, todo_id, command=test, output=result, note=note)
    change = todo_commands.accept if action == "accept" else todo_commands.reject
    return change(call.project, plan, todo_id, note=note)


def _document(state: TodoState, reference: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "ok": True,
        "action": state.action,
        "input": reference,
        "id": state.plan.id,
        "phase": state.phase,
        "lifecycle": [asdict(item) for item in state.lifecycle],
    }
    if state.todo_id is None:
        document["resolved_plan_dir"] = state.plan.relative
    else:
        document["todo_id"] = state.todo_id
    return document


def _lines(state: TodoState) -> list[str]:
    lines = [f"plan {state.plan.id} ({state.phase})"]
    if state.todo_id is not None:
        done = {"implemented": "implemented", "accept": "accepted", "reject": "rejected"}[state.action]
        lines[0] += f": {state.todo_id} {done}"
    rows = [(item.id, item.status, item.text) for item in state.lifecycle]
    return lines + (output.columns(rows) if rows else ["  no todo items with ids"])


COMMANDS = {
    "todo": ContractCommand(
        _todo,
        tuple(_USAGES.values()),
        """implemented ticks an item and writes its evidence (phases coding and fixing).
accept and reject record the verdict in review.md (phase reviewing); reject also unticks the item.
--option=value may hold a value that starts with --.""",
        json=True,
        operator=True,
    )
}
