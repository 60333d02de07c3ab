"""Finding the file, precedence, origins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wf_cli import schema
from wf_cli.app import App
from wf_cli.clock import parse_duration
from wf_cli.config import layers
from wf_cli.config.load import is_distributed, load
from wf_cli.config.model import Config, Timeouts, duration_text
from wf_cli.errors import ConfigError, StateError


def write(root: Path, name: str, value: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def test_a_project_that_says_nothing_has_the_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, {})
    assert loaded.config == Config()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.config.lease_s == 30.0
    assert loaded.config.runtime_of_role == {
        "orchestrator": "cursor",
        "plan-coder": "opencode",
        "plan-reviewer": "cursor",
        "plan-fixer": "opencode",
    }
    assert all(loaded.config.effective(role).model is None for role in loaded.config.routing)


def test_two_configuration_files_are_an_error_that_names_both(tmp_path: Path) -> None:
    write(tmp_path, "wf.config.yaml", "mode: command")
    write(tmp_path, "wf.config.json", {"mode": "distributed"})
    with pytest.raises(ConfigError, match=r"wf\.config\.yaml and wf\.config\.json"):
        load(tmp_path, {})


def test_an_explicit_file_wins_over_the_ones_in_the_root_and_must_exist(tmp_path: Path) -> None:
    write(tmp_path, "wf.config.yaml", "mode: command")
    write(tmp_path, "other.yml", "mode: distributed")
    assert load(tmp_path, {}, tmp_path / "other.yml").config.distributed
    with pytest.raises(ConfigError, match=r"no .*absent\.yaml"):
        load(tmp_path, {}, tmp_path / "absent.yaml")


def test_a_shared_spool_has_the_longer_lease_unless_told_otherwise(tmp_path: Path) -> None:
    write(tmp_path, "wf.config.yaml", "spool: {topology: shared}")
    assert load(tmp_path, {}).config.lease_s == 180.0
    write(tmp_path, "wf.config.yaml", "spool: {topology: shared}\nlease: {duration: 1m}")
    assert load(tmp_path, {}).config.lease_s == 60.0


def test_the_first_that_names_a_value_sets_it_key_by_key(tmp_path: Path) -> None:
    write(tmp_path, ".wf/runtime.json", {"distributed": True})
    write(tmp_path, ".wf/routing.runtimes.json", {"roles": {"plan-coder": "cursor", "plan-fixer": "cursor", "x": ""}})
    write(
        tmp_path,
        "wf.config.yaml",
        "mode: command\nrouting:\n  plan-coder: {runtime: opencode}\nlease: {duration: 1m}\n",
    )
    loaded = load(tmp_path, {"WF_DISTRIBUTED": "1"}, overrides={"lease.duration": "5s", "spool.dir": None})
    origins = loaded.origins
    assert (loaded.config.mode, origins["mode"]) == ("distributed", "environment WF_DISTRIBUTED")
    assert (loaded.config.lease_s, origins["lease.duration"]) == (5.0, "command line")
    assert loaded.config.runtime_of_role["plan-coder"] == "opencode"
    assert origins["routing.plan-coder.runtime"] == "wf.config.yaml:3"
    assert loaded.config.runtime_of_role["plan-fixer"] == "cursor"
    assert origins["routing.plan-fixer.runtime"] == ".wf/routing.runtimes.json"
    assert origins["routing.orchestrator.runtime"] == "default"
    assert "x" not in loaded.config.routing, "an empty value counts as not given"


def test_a_wrong_value_of_the_command_line_is_said_to_come_from_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"command line: lease\.duration: 'soon'"):
        load(tmp_path, {}, overrides={"lease.duration": "soon"})


def test_roles_override_limits_partly(tmp_path: Path) -> None:
    write(
        tmp_path,
        "wf.config.yaml",
        "timeouts: {startup: 1m, stall: 5m, grace: 20s}\n"
        "routing:\n"
        "  plan-coder: {timeouts: {stall: 30s}, retry: {max_attempts: 9}}\n"
        "  plan-fixer: {timeouts: {grace: 500ms}}\n",
    )
    config = load(tmp_path, {}).config
    assert config.effective("plan-coder").timeouts == Timeouts(60.0, 30.0, 2700.0, 20.0)
    assert config.effective("plan-fixer").timeouts == Timeouts(60.0, 300.0, 2700.0, 0.5)
    assert config.effective("plan-coder").retry.max_attempts == 9
    assert config.effective("plan-coder").retry.backoff == config.retry.backoff
    unrouted = config.effective("tester")
    assert (unrouted.runtime, unrouted.model, unrouted.timeouts.startup_s) == (None, None, 60.0)


def test_a_redefined_runtime_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    write(tmp_path, "wf.config.yaml", "runtimes: {opencode: {adapter: command, argv: [./fake]}}")
    runtime = load(tmp_path, {}).config.runtimes["opencode"]
    assert (runtime.adapter, runtime.command, runtime.argv) == ("command", (), ("./fake",))


MODELS = {
    "version": 1,
    "agents": {"epic-planner": " p ", "plan-reviewer": ""},
    "opencode_agents": {"plan-coder": "oc"},
}


def test_legacy_models_follow_the_runtime_a_role_ends_up_with(tmp_path: Path) -> None:
    write(tmp_path, ".wf/subagents.models.json", MODELS)
    write(tmp_path, "wf.config.yaml", "routing: {orchestrator: {model: mine}, plan-fixer: {model: null}}")
    loaded = load(tmp_path, {})
    assert {role: policy.model for role, policy in loaded.config.routing.items()} == {
        "orchestrator": "mine",
        "plan-coder": "oc",
        "plan-reviewer": "gpt-5.3-codex",
        "plan-fixer": None,
    }
    assert loaded.origins["routing.plan-coder.model"] == ".wf/subagents.models.json"
    (tmp_path / "wf.config.yaml").unlink()
    config = load(tmp_path, {}).config
    assert config.effective("orchestrator").model == "p", "the planner's name was epic-planner"
    assert config.effective("plan-fixer").model == "openrouter/minimax2.1"


def test_a_model_outside_the_catalogue_is_a_warning_where_unknown_ones_are_not_allowed(tmp_path: Path) -> None:
    write(tmp_path, ".wf/subagents.models.json", MODELS | {"allow_unknown_models": False})
    write(tmp_path, ".wf/models.catalog.json", {"version": 1, "recommended": ["gpt-5.3-codex", " oc "], "custom": 7})
    warnings = load(tmp_path, {}).warnings
    assert [w.split(": ")[1].split(" ")[0] for w in warnings] == ["orchestrator", "plan-fixer"]


@pytest.mark.parametrize("name", [".wf/routing.runtimes.json", ".wf/subagents.models.json", ".wf/runtime.json"])
def test_a_torn_legacy_file_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, '{"roles": ')
    with pytest.raises((ConfigError, StateError), match=name.replace(".", r"\.")):
        load(tmp_path, {})


@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("", False), ("true", False), (" 1", False)])
def test_the_variable_decides_alone(tmp_path: Path, value: str, on: bool) -> None:
    write(tmp_path, ".wf/runtime.json", {"distributed": not on})
    write(tmp_path, "wf.config.yaml", "this: [is not even valid")
    assert is_distributed(tmp_path, {"WF_DISTRIBUTED": value}) is on


def test_without_the_variable_the_file_decides_and_then_the_switch(tmp_path: Path) -> None:
    assert not is_distributed(tmp_path, {})
    write(tmp_path, ".wf/runtime.json", {"distributed": True})
    assert is_distributed(tmp_path, {})
    write(tmp_path, ".wf/runtime.json", {"distributed": "true"})
    assert not is_distributed(tmp_path, {}), "only a literal true is on"
    write(tmp_path, "wf.config.yaml", "epic: {max_iterations: 2}")
    assert not is_distributed(tmp_path, {})
    write(tmp_path, "wf.config.yaml", "mode: distributed")
    assert is_distributed(tmp_path, {}) == load(tmp_path, {}).config.distributed is True
    write(tmp_path, "wf.config.yaml", "mode: [1]")
    with pytest.raises(ConfigError, match=r"wf\.config\.yaml:1: mode"):
        is_distributed(tmp_path, {})


def test_asking_for_the_mode_loads_neither_yaml_nor_jsonschema(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from wf_cli.config.load import is_distributed, load;"
        "is_distributed(Path('.'), {}); load(Path('.'), {'WF_DISTRIBUTED': '1'});"
        "print(sorted({'yaml', 'jsonschema', 'psutil', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert os.listdir(tmp_path) == [], "reading creates nothing"


def test_an_agent_finds_the_spool_of_its_own_project_only(tmp_path: Path) -> None:
    environ = {"WF_SPOOL": "/mnt/spool", "WF_ROOT": str(tmp_path)}
    assert load(tmp_path, environ).config.spool_path(tmp_path) == Path("/mnt/spool")
    other = tmp_path / "scratch"
    other.mkdir()
    assert load(other, environ).config.spool_path(other) == other / ".wf/spool"


def test_an_agent_in_another_checkout_finds_the_spool_of_its_project(tmp_path: Path) -> None:
    checkout = tmp_path / "wt"
    checkout.mkdir()
    environ = {"WF_SPOOL": "/mnt/spool", "WF_ROOT": str(checkout), "WF_PROJECT": str(tmp_path)}
    assert load(tmp_path, environ).config.spool_path(tmp_path) == Path("/mnt/spool")
    assert load(checkout, environ).config.spool_path(checkout) == checkout / ".wf/spool"


def test_a_fifo_does_not_block_and_a_link_is_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wf.config.yaml")
    with pytest.raises(ConfigError, match="regular file"):
        load(tmp_path, {})
    (tmp_path / "wf.config.yaml").unlink()
    write(tmp_path, "dotfiles/wf", "mode: distributed")
    (tmp_path / "wf.config.yaml").symlink_to(tmp_path / "dotfiles/wf")
    assert load(tmp_path, {}).config.distributed


@pytest.mark.parametrize("text", ["500ms", "10s", "45m", "2h", "7d", "1500ms", "0ms", "90m", "0.0005s"])
def test_durations_are_written_exactly(text: str) -> None:
    assert parse_duration(duration_text(parse_duration(text))) == parse_duration(text)


OVERRIDES = {
    "lease": {"duration": "77s"},
    "retry": {"max_attempts": 9},
    "timeouts": {"stall": "77s"},
    "checks": {"no_change": "allow"},
}


@pytest.mark.parametrize("key", [key for key in schema.load("wf.config")["properties"] if not key.startswith("$")])
def test_a_role_overrides_a_key_of_the_top_or_is_told_that_it_is_for_the_whole_project(
    tmp_path: Path, key: str
) -> None:
    value = OVERRIDES.get(key, {})
    write(tmp_path, "wf.config.json", {"routing": {"plan-coder": {key: value}}})
    if key not in OVERRIDES:
        with pytest.raises(ConfigError, match=rf"routing\.plan-coder\.{key}: {key} is for the whole project"):
            load(tmp_path, {})
        return
    loaded = load(tmp_path, {})
    with_override, without = loaded.config.effective("plan-coder"), loaded.config.effective("plan-fixer")
    name = "lease_s" if key == "lease" else key
    assert getattr(with_override, name) != getattr(without, name)
    assert layers.build(loaded.tree) == loaded.config
    assert layers.build(layers.as_tree(loaded.config)) == loaded.config


def test_a_session_has_the_longest_lease_of_its_roles(tmp_path: Path) -> None:
    write(
        tmp_path,
        "wf.config.yaml",
        "lease: {duration: 40s}\n"
        "routing: {plan-coder: {lease: {duration: 2m}}, plan-fixer: {lease: {duration: 20s}}}\n",
    )
    app = App(tmp_path, {"WF_DISTRIBUTED": "1"})
    spool = app.create_spool()
    assert app.lease_seconds(spool, ["plan-coder", "plan-fixer", "tester"]) == 120.0
    assert app.lease_seconds(spool, ["plan-fixer"]) == 20.0
    assert app.lease_seconds(spool, ["tester"]) == 40.0
    assert app.lease_seconds(spool, ["plan-coder"], given=50.0) == 50.0
