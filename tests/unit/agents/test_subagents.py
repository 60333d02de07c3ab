"""Model configuration, agent files, preflight."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from wf_cli.agents import preflight, subagents
from wf_cli.agents.subagents import SubagentModels
from wf_cli.errors import StateError


def configure(root: Path, **config: object) -> SubagentModels:
    (root / ".wf").mkdir(exist_ok=True)
    content = {"version": 1, "default_model": "gpt-5.2", "agents": {}, **config}
    (root / ".wf" / "subagents.models.json").write_text(json.dumps(content))
    return SubagentModels(root)


def test_defaults_hold_without_files_and_reading_creates_none(tmp_path: Path) -> None:
    configured = SubagentModels(tmp_path)
    assert configured.validate() == subagents.Validation((), ())
    assert configured.cursor_model("plan-reviewer") == "claude-4.5-opus"
    assert configured.opencode_model("plan-fixer") == "openrouter/minimax2.1"
    assert list(tmp_path.iterdir()) == []


def test_unknown_models_are_warnings_only_while_they_are_allowed(tmp_path: Path) -> None:
    agents = {"plan-coder": "mystery", "somebody": "ignored"}
    assert len(configure(tmp_path, agents=agents).validate().warnings) == 1
    found = configure(tmp_path, agents=agents, default_model="x", allow_unknown_models=False).validate()
    assert (len(found.errors), len(found.warnings)) == (6, 0)  # x itself, and for four roles; mystery


def test_an_invalid_configuration_writes_no_agent_files(tmp_path: Path) -> None:
    with pytest.raises(subagents.InvalidModels):
        subagents.apply(tmp_path, configure(tmp_path, version=3))
    assert not (tmp_path / ".cursor").exists()


@pytest.mark.parametrize("model", ["gpt-5.2", "alibaba/qwen3.5-plus", "x: y # z", "a\nb: c", '"'])
def test_agent_files_are_valid_yaml_whatever_the_model_is_called(tmp_path: Path, model: str) -> None:
    subagents.apply(tmp_path, configure(tmp_path, default_model=model, opencode_agents={"plan-coder": model}))
    for tool in (".cursor", ".opencode"):
        text = (tmp_path / tool / "agents" / "plan-coder.md").read_text()
        front = yaml.safe_load(text.split("---\n")[1])
        assert front["model"] == model
    assert preflight.check(tmp_path).ok


def test_quirk_18_incomplete_and_malformed_configuration(tmp_path: Path) -> None:
    (tmp_path / ".wf").mkdir()
    path = tmp_path / ".wf" / "subagents.models.json"
    path.write_text("{}")
    assert SubagentModels(tmp_path).validate().errors
    path.write_text('{"version": 1, "agents": [], "opencode_agents": "x", "default_model": 7}')
    assert len(SubagentModels(tmp_path).validate().errors) == 3
    path.write_text("{")
    with pytest.raises(StateError, match="subagents"):
        SubagentModels(tmp_path)


def test_preflight_wants_usable_cursor_files_and_only_warns_about_opencode(tmp_path: Path) -> None:
    assert len(preflight.check(tmp_path).errors) == 5
    subagents.apply(tmp_path, SubagentModels(tmp_path))
    assert preflight.check(tmp_path) == preflight.Preflight(
        (),
        (),
        tuple(preflight.RoleCheck(role, True, True, subagents.DEFAULT_AGENTS[role]) for role in subagents.ROLES),
    )
    (tmp_path / ".cursor" / "agents" / "plan-coder.md").write_text("name: model: description:")
    (tmp_path / ".opencode" / "agents" / "plan-coder.md").unlink()
    found = preflight.check(tmp_path)
    assert (len(found.errors), len(found.warnings)) == (1, 1)
