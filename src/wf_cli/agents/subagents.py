"""Which model each sub-agent uses, in Cursor and in OpenCode: files, validation, and the agents' own files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from wf_cli import ecmascript, fsio
from wf_cli.agents import models, prompts
from wf_cli.errors import StateError, UsageError
from wf_cli.frozen import frozen

VERSION = 1
ROLES = ("epic-planner", "plan-coder", "plan-reviewer", "plan-fixer", "plan-verifier")
#: Roles that look and judge. Their agent files forbid editing.
READ_ONLY = frozenset({"epic-planner", "plan-reviewer", "plan-verifier"})

DEFAULT_MODEL = "gpt-5.3-codex"
DEFAULT_AGENTS = {
    "epic-planner": "gpt-5.2",
    "plan-coder": "gpt-5.3-codex",
    "plan-reviewer": "claude-4.5-opus",
    "plan-fixer": "gpt-5.3-codex",
    "plan-verifier": "claude-4.5-opus",
}
DEFAULT_OPENCODE_AGENTS = {
    "epic-planner": "alibaba/qwen3.5-plus",
    "plan-coder": "openrouter/minimax2.1",
    "plan-reviewer": "alibaba/qwen3.5-plus",
    "plan-fixer": "openrouter/minimax2.1",
    "plan-verifier": "alibaba/qwen3.5-plus",
}
DEFAULT_CUSTOM = ("alibaba/qwen3.5-plus", "openrouter/minimax2.1")

_SECTIONS_HINT = "add what is missing, or remove the file and run: wf subagents init-models"
_PLAIN_YAML = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+-]*")


@frozen
class Catalog:
    """The models that are known: recommended by wf, and the project's own."""

    version: Any
    recommended: tuple[str, ...]
    custom: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        return sorted({*self.recommended, *self.custom})


@frozen
class Validation:
    """What is wrong with the configuration, and what is only odd about it."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.errors


class InvalidModels(UsageError):
    """The model configuration does not validate."""

    code = "INVALID_SUBAGENT_MODELS"


class SubagentModels:
    """The model configuration of a project as it was read; defaults where there is no file."""

    def __init__(self, root: Path):
        """Read both files; StateError for one that holds no JSON object. Creates nothing."""
        self.path = root / ".wf" / "subagents.models.json"
        self.catalog_path = root / ".wf" / "models.catalog.json"
        stored = fsio.read_json_object(self.path)
        self.exists = stored is not None
        self.config: dict[str, Any] = default_config() if stored is None else stored
        raw = fsio.read_json_object(self.catalog_path)
        self.catalog_exists = raw is not None
        self.catalog = _catalog(default_catalog() if raw is None else raw)

    def cursor_model(self, role: str) -> str:
        """The role's model in Cursor."""
        return _text(_mapping(self.config.get("agents")).get(role)) or _text(self.config.get("default_model"))

    def opencode_model(self, role: str) -> str:
        """The role's model in OpenCode."""
        own = _text(_mapping(self.config.get("opencode_agents")).get(role))
        return own or DEFAULT_OPENCODE_AGENTS[role]

    def need_sections(self) -> None:
        """Raise StateError when a section that every role depends on is missing or of the wrong kind."""
        wrong = self._wrong_sections()
        if wrong:
            raise StateError("\n".join(wrong), hint=_SECTIONS_HINT, path=str(self.path))

    def _wrong_sections(self) -> list[str]:
        """What is wrong with the shape of the configuration: without it no role has a model."""
        if not isinstance(self.config.get("default_model"), str):
            wrong = ["default_model is missing: it has to be the name of a model"]
        else:
            wrong = []
        for section, required in (("agents", True), ("opencode_agents", False)):
            value = self.config.get(section)
            if value is None and not required:
                continue
            if not isinstance(value, dict):
                wrong.append(f"{section} is missing: it has to be an object of roles and models, {{}} for none")
            else:
                wrong += [
                    f"{section}.{role} has to be the name of a model"
                    for role in ROLES
                    if not isinstance(value.get(role, ""), str | None)
                ]
        return [f"{self.path}: {text}" for text in wrong]

    def validate(self) -> Validation:
        """Check versions, sections and models. Scripts rely on the number of findings.

        Models are not looked at while a section is missing.
        """
        errors: list[str] = []
        if not _is_one(self.config.get("version")):
            errors.append(f"{self.path}: version has to be 1")
        if not _is_one(self.catalog.version):
            errors.append(f"{self.catalog_path}: version has to be 1")
        wrong = self._wrong_sections()
        if wrong:
            return Validation((*errors, *wrong), ())
        known = set(self.catalog.models)
        used = [("default_model", _text(self.config.get("default_model")))]
        for role in ROLES:
            used.append((f"agents.{role}", self.cursor_model(role)))
            used.append((f"opencode_agents.{role}", self.opencode_model(role)))
        unknown = [
            f"{self.path}: {where}: {model!r} is not in {self.catalog_path.name}"
            for where, model in used
            if model not in known
        ]
        if self.config.get("allow_unknown_models", True) is True:
            return Validation(tuple(errors), tuple(unknown))
        return Validation((*errors, *unknown), ())


def default_config() -> dict[str, Any]:
    """What holds without ``.wf/subagents.models.json``."""
    return {
        "version": VERSION,
        "default_model": DEFAULT_MODEL,
        "agents": dict(DEFAULT_AGENTS),
        "opencode_agents": dict(DEFAULT_OPENCODE_AGENTS),
        "allow_unknown_models": True,
    }


def default_catalog() -> dict[str, Any]:
    """What holds without ``.wf/models.catalog.json``."""
    return {"version": VERSION, "recommended": sorted(models.ENABLED), "custom": list(DEFAULT_CUSTOM)}


def init_config(configured: SubagentModels) -> bool:
    """Create the configuration with the defaults unless there is one."""
    if not configured.exists:
        fsio.write_json(configured.path, default_config())
    return not configured.exists


def init_catalog(configured: SubagentModels) -> bool:
    """Create the catalogue with the defaults unless there is one."""
    if not configured.catalog_exists:
        fsio.write_json(configured.catalog_path, default_catalog())
    return not configured.catalog_exists


def apply(root: Path, configured: SubagentModels) -> dict[str, str]:
    """Write the agent files of all roles for both tools; returns the Cursor model of each role.

    Raises InvalidModels and writes nothing when the configuration does not validate.
    """
    validation = configured.validate()
    if not validation.ok:
        raise InvalidModels(
            "the model configuration is invalid:" + "".join(f"\n  - {error}" for error in validation.errors),
            hint=f"repair {configured.path}, or add models to {configured.catalog_path}",
            errors=list(validation.errors),
            warnings=list(validation.warnings),
        )
    applied = {}
    for role in ROLES:
        cursor, opencode = configured.cursor_model(role), configured.opencode_model(role)
        fsio.write_atomic(root / ".cursor" / "agents" / f"{role}.md", _cursor_file(role, cursor))
        fsio.write_atomic(root / ".opencode" / "agents" / f"{role}.md", _opencode_file(role, opencode))
        applied[role] = cursor
    return applied


def _cursor_file(role: str, model: str) -> str:
    read_only = "true" if role in READ_ONLY else "false"
    front = [f"name: {role}", f"description: {prompts.DESCRIPTIONS[role]}", f"model: {_yaml(model)}"]
    return _agent_file([*front, f"readonly: {read_only}"], role)


def _opencode_file(role: str, model: str) -> str:
    front = [f"description: {prompts.DESCRIPTIONS[role]}", "mode: subagent", f"model: {_yaml(model)}"]
    if role in READ_ONLY:
        front += ["permission:", "  edit: deny", "  bash: ask"]
    return _agent_file(front, role)


def _agent_file(front_matter: list[str], role: str) -> str:
    return "\n".join(["---", *front_matter, "---", "", prompts.PROMPTS[role]])


def _yaml(value: str) -> str:
    """``value`` as a YAML scalar; JSON strings are YAML."""
    return value if _PLAIN_YAML.fullmatch(value) else json.dumps(value)


def _catalog(raw: dict[str, Any]) -> Catalog:
    return Catalog(raw.get("version", VERSION), _names(raw.get("recommended")), _names(raw.get("custom")))


def _names(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(sorted({name for item in items if (name := _text(item))}))


def _text(value: Any) -> str:
    return ecmascript.trim(value) if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_one(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 1
