"""``config show``, ``init``, ``set``: the switches of ``.wf/runtime.json``.

`wf_cli.cli.frame.registry` sends the actions that concern wf.config to `wf_cli.cli.setup.config_file`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Spec, parse
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.config import legacy, mode

_SET = Spec(required=("key", "value"), by_position=True)
_USAGES = (
    "wf config [show] [--json]",
    "wf config show --origin [--json]",
    "wf config check [--json]",
    "wf config init [--json]",
    "wf config init --file [--json]",
    "wf config migrate [--dry-run] [--json]",
    "wf config set distributed|auto-workers on|off [--json]",
    "wf config set <key.path> <value> [--json]",
    "wf config unset <key.path> [--json]",
    "wf config schema [--write] [--json]",
)


def _config(call: Call) -> int:
    action = call.words[0] if call.words else "show"
    run = ACTIONS.get(action)
    if run is None:
        raise ArgumentError(f"unknown action: config {action}", hint=f"use one of {', '.join(ACTIONS)}")
    return run(call)


def _show(call: Call) -> int:
    """The switches as they hold. Another source than the file may decide the mode, and is named then."""
    runtime, decision = legacy.load_runtime(call.root), mode.decided(call.root, call.environ)
    if decision.by is None:
        return _result(call, runtime, {})
    if not call.as_json:
        output.note(f"distributed is decided by {decision.by}, not by {legacy.runtime_path(call.root)}")
    return _result(call, replace(runtime, distributed=decision.on), {"decided_by": {"distributed": decision.by}})


def _init(call: Call) -> int:
    with call.project.lock("config"):
        runtime = legacy.load_runtime(call.root)
        legacy.save_runtime(call.root, runtime)
    return _result(call, runtime, {"created": True})


def _set(call: Call) -> int:
    parsed = parse(_SET, call.words[1:], "wf config set distributed|auto-workers on|off [--json]")
    key, value = parsed.word("key"), legacy.parse_switch(parsed.word("value"))
    with call.project.lock("config"):
        runtime = legacy.with_switch(legacy.load_runtime(call.root), key, on=value)
        # wf.config comes first, so that neither file changes when wf.config cannot be changed.
        mode_path = _set_mode(call, on=value) if key == "distributed" else None
        legacy.save_runtime(call.root, runtime)
    if not call.as_json and mode_path is not None:
        output.note(f"{mode_path} has a mode too: set")
    if not call.as_json and key == "distributed" and "WF_DISTRIBUTED" in call.environ:
        output.note("WF_DISTRIBUTED in the environment overrules it")
    return _result(call, runtime, {"action": "set", "key": key, "value": value})


def _set_mode(call: Call, *, on: bool) -> Path | None:
    """Set the ``mode`` of a wf.config that has one, because it wins over the switch. The changed file, or None."""
    from wf_cli.config import places

    if places.find(call.root) is None:
        return None  # The usual case does not import the editor.
    from wf_cli.config import edit

    if not edit.declared(call.root, "mode"):
        return None
    return edit.set_value(call.root, "mode", "distributed" if on else "command")


def _result(call: Call, runtime: legacy.Runtime, more: dict[str, Any]) -> int:
    path = str(legacy.runtime_path(call.root))
    document = {"ok": True, **more, "path": path, "config": runtime.as_json()}
    rows = [(name, "on" if getattr(runtime, key) else "off") for name, key in legacy.SWITCHES.items()]
    return output.result(document, [path, *output.columns(rows)], as_json=call.as_json)


#: The actions by the first word after `config`.
ACTIONS: dict[str, Callable[[Call], int]] = {"show": _show, "init": _init, "set": _set}

COMMANDS = {
    "config": ContractCommand(
        _config,
        _USAGES,
        """distributed turns the distributed mode on: in .wf/runtime.json, and in a wf.config that has a mode.
WF_DISTRIBUTED in the environment overrules both. show tells what holds, and names another source than
.wf/runtime.json.
show --origin says where every value comes from, check what is wrong, migrate makes one wf.config.yaml of the
older files, init --file writes one with every key explained, set <key.path> changes one value of it,
unset takes one out, schema prints its JSON Schema.""",
        json=True,
    )
}
