"""``subagents``: which model each sub-agent uses."""

from __future__ import annotations

from collections.abc import Callable

from wf_cli.agents import subagents
from wf_cli.agents.subagents import SubagentModels
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError
from wf_cli.cli.frame.contract_call import Call, ContractCommand


def _subagents(call: Call) -> int:
    action = call.words[0] if call.words else "show-models"
    run = _ACTIONS.get(action)
    if run is None:
        raise ArgumentError(f"unknown action: subagents {action}", hint=f"use one of {', '.join(_ACTIONS)}")
    if action not in _WRITING:
        return run(call, SubagentModels(call.root))
    with call.project.lock("subagents"):
        return run(call, SubagentModels(call.root))


def _show(call: Call, configured: SubagentModels) -> int:
    configured.need_sections()
    document = {"ok": True, "path": str(configured.path), "config": configured.config}
    rows = [("role", "cursor", "opencode")]
    rows += [(role, configured.cursor_model(role), configured.opencode_model(role)) for role in subagents.ROLES]
    source = str(configured.path) if configured.exists else f"{configured.path} (missing: defaults)"
    return output.result(document, [source, *output.columns(rows)], as_json=call.as_json)


def _list(call: Call, configured: SubagentModels) -> int:
    configured.need_sections()
    catalog = configured.catalog
    document = {
        "ok": True,
        "catalog_path": str(configured.catalog_path),
        "recommended": list(catalog.recommended),
        "custom": list(catalog.custom),
        "models": catalog.models,
    }
    rows = [(model, "recommended" if model in catalog.recommended else "custom") for model in catalog.models]
    return output.result(document, output.columns(rows), as_json=call.as_json)


def _validate(call: Call, configured: SubagentModels) -> int:
    found = configured.validate()
    document = {
        "ok": found.ok,
        "path": str(configured.path),
        "catalog_path": str(configured.catalog_path),
        "errors": list(found.errors),
        "warnings": list(found.warnings),
    }
    if call.as_json or found.ok:
        code = output.result(document, ["the model configuration is valid"], as_json=call.as_json)
    else:
        code = 1
        output.complain("the model configuration is invalid")
        output.note(*(f"  - {error}" for error in found.errors))
    if not call.as_json:
        output.warn(found.warnings)
    return code


def _apply(call: Call, configured: SubagentModels) -> int:
    applied = subagents.apply(call.root, configured)
    warnings = configured.validate().warnings
    document = {"ok": True, "applied": applied, "warnings": list(warnings)}
    lines = ["agent files written for Cursor and OpenCode", *output.columns(applied.items())]
    code = output.result(document, lines, as_json=call.as_json)
    if not call.as_json:
        output.warn(warnings)
    return code


def _init_models(call: Call, configured: SubagentModels) -> int:
    _report_created(configured.path, created=subagents.init_config(configured))
    return _init_catalog(call, configured)


def _init_catalog(call: Call, configured: SubagentModels) -> int:
    _report_created(configured.catalog_path, created=subagents.init_catalog(configured))
    return 0


def _report_created(path: object, *, created: bool) -> None:
    output.say(f"{path} {'created' if created else 'exists already'}")


_ACTIONS: dict[str, Callable[[Call, SubagentModels], int]] = {
    "show-models": _show,
    "list-models": _list,
    "validate-models": _validate,
    "apply-models": _apply,
    "init-models": _init_models,
    "init-model-catalog": _init_catalog,
}
_WRITING = frozenset({"apply-models", "init-models", "init-model-catalog"})

COMMANDS = {
    "subagents": ContractCommand(
        _subagents,
        tuple(f"wf subagents {action}" for action in _ACTIONS),
        """The models are configured in .wf/subagents.models.json; .wf/models.catalog.json lists the known ones.
apply-models writes the agent files of Cursor and OpenCode anew.""",
        json=True,
    )
}
