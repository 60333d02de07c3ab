"""``config show``, ``init``, ``set``: the switches of ``.wf/runtime.json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wf_cli.cli import output
from wf_cli.cli.arguments import ArgumentError, Spec, parse
from wf_cli.cli.contract_call import Call, ContractCommand
from wf_cli.config import legacy

_SET = Spec(required=("key", "value"), by_position=True)
_USAGES = {
    "show": "wf config [show] [--json]",
    "init": "wf config init [--json]",
    "set": "wf config set distributed|auto-workers on|off [--json]",
}


def _config(call: Call) -> int:
    action = call.words[0] if call.words else "show"
    run = ACTIONS.get(action)
    if run is None:
        raise ArgumentError(f"unknown action: config {action}", hint=f"use one of {', '.join(ACTIONS)}")
    return run(call)


def _show(call: Call) -> int:
    return _result(call, legacy.load_runtime(call.root), {})


def _init(call: Call) -> int:
    with call.project.lock("config"):
        runtime = legacy.load_runtime(call.root)
        legacy.save_runtime(call.root, runtime)
    return _result(call, runtime, {"created": True})


def _set(call: Call) -> int:
    parsed = parse(_SET, call.words[1:], _USAGES["set"])
    key, value = parsed.word("key"), legacy.parse_switch(parsed.word("value"))
    with call.project.lock("config"):
        runtime = legacy.with_switch(legacy.load_runtime(call.root), key, on=value)
        legacy.save_runtime(call.root, runtime)
    return _result(call, runtime, {"action": "set", "key": key, "value": value})


def _result(call: Call, runtime: legacy.Runtime, more: dict[str, Any]) -> int:
    path = str(legacy.runtime_path(call.root))
    document = {"ok": True, **more, "path": path, "config": runtime.as_json()}
    rows = [(name, "on" if getattr(runtime, key) else "off") for name, key in legacy.SWITCHES.items()]
    return output.result(document, [path, *output.columns(rows)], as_json=call.as_json)


#: By the first word after `config`; further actions are added here.
ACTIONS: dict[str, Callable[[Call], int]] = {"show": _show, "init": _init, "set": _set}

COMMANDS = {
    "config": ContractCommand(
        _config,
        tuple(_USAGES.values()),
        "distributed turns the distributed mode on; WF_DISTRIBUTED in the environment overrules it.",
        json=True,
    )
}
