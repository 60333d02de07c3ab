"""Routing and models as older wf versions wrote them; read, never written.

``.wf/routing.runtimes.json`` is ``{roles: {role: runtime}}``. ``.wf/subagents.models.json`` names the model of
each agent, for Cursor (``agents``, else ``default_model``) and for OpenCode (``opencode_agents``, else a
built-in default), and ``.wf/models.catalog.json`` the models that are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.errors import ConfigError, StateError
from wf_cli.frozen import frozen

ROUTING = ".wf/routing.runtimes.json"
MODELS = ".wf/subagents.models.json"
CATALOG = ".wf/models.catalog.json"

#: What the agent of a role was called; the others have their role's name.
AGENT_OF_ROLE = {"orchestrator": "epic-planner"}
_DEFAULT_CURSOR = "gpt-5.3-codex"
_DEFAULT_OPENCODE = {
    "epic-planner": "alibaba/qwen3.5-plus",
    "plan-reviewer": "alibaba/qwen3.5-plus",
    "plan-verifier": "alibaba/qwen3.5-plus",
    "plan-coder": "openrouter/minimax2.1",
    "plan-fixer": "openrouter/minimax2.1",
}
_DEFAULT_RECOMMENDED = (
    "claude-4.5-haiku", "claude-4.5-opus", "claude-4.5-sonnet", "composer-1", "gpt-5.2", "gpt-5.3-codex",
)  # fmt: skip
_DEFAULT_CUSTOM = ("alibaba/qwen3.5-plus", "openrouter/minimax2.1")


@frozen
class Models:
    """The models file with its catalogue."""

    default: str
    cursor: Mapping[str, str]
    opencode: Mapping[str, str]
    known: frozenset[str]
    allow_unknown: bool

    def of(self, role: str, adapter: str) -> str | None:
        """The model of ``role`` on a runtime of ``adapter``; None where the file names none."""
        agent = AGENT_OF_ROLE.get(role, role)
        if adapter == "cursor":
            return self.cursor.get(agent) or self.default
        if adapter == "opencode":
            return self.opencode.get(agent) or _DEFAULT_OPENCODE.get(agent)
        return None


def load_routing(root: Path) -> dict[str, str]:
    """Role -> runtime; empty without the file. Empty or non-text values count as not given."""
    value = _object(root / ROUTING)
    return {} if value is None else _texts(value.get("roles"))


def load_models(root: Path) -> Models | None:
    """The models of the roles; None when the project has no models file."""
    value = _object(root / MODELS)
    if value is None:
        return None
    catalog = _object(root / CATALOG) or {}
    return Models(
        default=_text(value.get("default_model")) or _DEFAULT_CURSOR,
        cursor=_texts(value.get("agents")),
        opencode=_texts(value.get("opencode_agents")),
        known=frozenset(
            [*_list(catalog, "recommended", _DEFAULT_RECOMMENDED), *_list(catalog, "custom", _DEFAULT_CUSTOM)]
        ),
        allow_unknown=value.get("allow_unknown_models", True) is True,
    )


def _object(path: Path) -> dict[str, Any] | None:
    try:
        return fsio.read_json_object(path)
    except StateError as error:
        raise ConfigError(error.message, hint=error.hint, path=str(path)) from error


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    entries = value.items() if isinstance(value, dict) else ()
    return {key: _text(item) for key, item in entries if _text(item)}


def _list(catalog: Mapping[str, Any], key: str, default: tuple[str, ...]) -> list[str]:
    if not catalog:
        return list(default)
    value = catalog.get(key)
    return [_text(item) for item in value if _text(item)] if isinstance(value, list) else []
