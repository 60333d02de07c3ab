"""`wf config` about wf.config, and that the contract's own actions stay what they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.projects import Cli
from support.spools import make_spool
from wf_cli import schema
from wf_cli.cli.frame import registry
from wf_cli.spool import layout

LEGACY = {
    "runtime.json": {"version": 1, "distributed": True, "auto_start_workers": True},
    "routing.runtimes.json": {"roles": {"plan-coder": "cursor"}},
    "subagents.models.json": {"version": 1, "default_model": "gpt-5.2", "agents": {"plan-coder": "composer-1"}},
}


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    for name in ("WF_DISTRIBUTED", "WF_SPOOL", "WF_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return Cli(tmp_path, monkeypatch, capsys)


def write_legacy(root: Path) -> dict[str, str]:
    """The older files; their texts by name."""
    (root / ".wf").mkdir()
    texts = {name: json.dumps(value) for name, value in LEGACY.items()}
    for name, text in texts.items():
        (root / ".wf" / name).write_text(text)
    return texts


def origins(wf: Cli) -> dict[str, tuple[object, str]]:
    return {row["key"]: (row["value"], row["origin"]) for row in wf.json("config", "show", "--origin")["values"]}


# -- what the contract says


@pytest.mark.parametrize("content", [None, "retry: {max_attempts: 5}\n"])
def test_show_without_origin_is_the_contracts(wf: Cli, content: str | None) -> None:
    if content is not None:
        (wf.root / "wf.config.yaml").write_text(content)
    document = wf.json("config", "show")
    assert document == {
        "ok": True,
        "path": str(wf.root / ".wf" / "runtime.json"),
        "config": {"version": 1, "distributed": False, "auto_start_workers": False},
    }


@pytest.mark.parametrize("in_runtime", ["on", "off"])
@pytest.mark.parametrize(
    ("mode", "variable", "on", "by"),
    [
        ("distributed", None, True, "wf.config.yaml:2"),
        ("command", None, False, "wf.config.yaml:2"),
        ("command", "1", True, "environment WF_DISTRIBUTED"),
        ("distributed", "0", False, "environment WF_DISTRIBUTED"),
    ],
)
def test_show_tells_what_holds_and_who_decided(
    wf: Cli, in_runtime: str, mode: str, variable: str | None, on: bool, by: str
) -> None:
    """All commands go by that, so another answer here would send a person to the wrong file."""
    wf.json("config", "set", "distributed", in_runtime)
    (wf.root / "wf.config.yaml").write_text(f"version: 1\nmode: {mode}\n")
    environ = {} if variable is None else {"WF_DISTRIBUTED": variable}
    code, out, _ = wf("config", "show", "--json", environ=environ)
    document = json.loads(out)
    assert (code, document["config"]["distributed"], document["decided_by"]) == (0, on, {"distributed": by})
    code, out, err = wf("config", environ=environ)
    assert code == 0
    assert ["distributed", "on" if on else "off"] in [line.split() for line in out.splitlines()]
    assert f"decided by {by}" in err


def test_show_names_a_mode_that_is_none(wf: Cli) -> None:
    (wf.root / "wf.config.yaml").write_text("mode: maybe\n")
    code, out, err = wf("config")
    assert (code, out) == (1, "")
    assert "wf.config.yaml:1: mode" in err


def test_init_without_file_writes_the_switches(wf: Cli) -> None:
    assert wf.json("config", "init")["created"] is True
    assert sorted(os.listdir(wf.root)) == [".cursor", ".wf"]
    assert (wf.root / ".wf" / "runtime.json").is_file()


@pytest.mark.parametrize("words", [("--json",), ("nope",), ("set", "nope", "on"), ("set", "distributed", "maybe")])
def test_what_the_contract_refuses_stays_refused_with_1(wf: Cli, words: tuple[str, ...]) -> None:
    assert wf("config", *words)[0] == 1


def test_setting_the_switch_also_sets_a_declared_mode(wf: Cli) -> None:
    path = wf.root / "wf.config.yaml"
    path.write_text("# ours\nmode: command  # for now\n")
    document = wf.json("config", "set", "distributed", "on")
    assert document["config"]["distributed"] is True
    assert set(document) == {"ok", "action", "key", "value", "path", "config"}
    assert path.read_text() == "# ours\nmode: distributed  # for now\n"
    wf.json("config", "set", "auto-workers", "on")
    assert path.read_text() == "# ours\nmode: distributed  # for now\n"


def test_setting_the_switch_leaves_a_file_without_mode_alone(wf: Cli) -> None:
    path = wf.root / "wf.config.yaml"
    path.write_text("retry: {max_attempts: 5}\n")
    wf.json("config", "set", "distributed", "on")
    assert path.read_text() == "retry: {max_attempts: 5}\n"


def test_a_file_that_cannot_be_changed_keeps_the_switch_as_it_was(wf: Cli) -> None:
    (wf.root / "wf.config.yaml").write_text("mode: command\nbogus: 1\n")
    assert wf("config", "set", "distributed", "on")[0] == 1
    assert not (wf.root / ".wf" / "runtime.json").exists()


# -- show --origin


def test_every_value_has_its_origin(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write_legacy(wf.root)
    (wf.root / "wf.config.yaml").write_text("version: 1\nretry:\n  max_attempts: 7\n")
    monkeypatch.setenv("WF_DISTRIBUTED", "0")
    found = origins(wf)
    assert found["retry.max_attempts"] == (7, "wf.config.yaml:3")
    assert found["mode"] == ("command", "environment WF_DISTRIBUTED")
    assert found["routing.plan-coder.runtime"] == ("cursor", ".wf/routing.runtimes.json")
    assert found["routing.plan-coder.model"] == ("composer-1", ".wf/subagents.models.json")
    assert found["lease.duration"] == ("30s", "default")


def test_the_new_actions_create_no_session(wf: Cli) -> None:
    for words in (("show", "--origin"), ("check",), ("migrate", "--dry-run"), ("set", "retry.max_attempts", "4")):
        assert wf("config", *words)[0] == 0
    assert not (wf.root / ".cursor").exists()


# -- check


def test_check_names_every_problem_with_its_place(wf: Cli) -> None:
    (wf.root / "wf.config.yaml").write_text("version: 1\nmode: distributd\nretry: {max_attempt: 3}\n")
    (wf.root / ".wf").mkdir()
    (wf.root / ".wf" / "runtime.json").write_text("{")
    code, out, err = wf("config", "check", "--json")
    document = json.loads(out)
    assert (code, err, document["ok"], document["error"]) == (2, "", False, "CONFIG_INVALID")
    places = {(p["file"], p["line"], p["key"]) for p in document["problems"]}
    assert {("wf.config.yaml", 2, "mode"), ("wf.config.yaml", 3, "retry.max_attempt")} < places
    assert any("runtime.json" in p["message"] for p in document["problems"])
    code, _, err = wf("config", "check")
    assert code == 2
    assert "wf.config.yaml:3: retry.max_attempt: unknown key; did you mean max_attempts?" in err


def test_check_also_judges_the_sense_of_a_well_formed_file(wf: Cli) -> None:
    (wf.root / "wf.config.yaml").write_text("routing: {plan-coder: {runtime: opencod}}\n")
    code, out, _ = wf("config", "check", "--json")
    assert code == 2
    (problem,) = json.loads(out)["problems"]
    assert (problem["line"], problem["key"]) == (1, "routing.plan-coder.runtime")
    assert "did you mean opencode?" in problem["message"]


def test_check_of_a_sound_project_names_the_files_that_have_a_say(wf: Cli) -> None:
    write_legacy(wf.root)
    (wf.root / "wf.config.json").write_text('{"version": 1}')
    files = wf.json("config", "check")["files"]
    assert files == ["wf.config.json", *(f".wf/{name}" for name in LEGACY)]


def test_check_reads_another_file(wf: Cli) -> None:
    (wf.root / "other.yaml").write_text("mode: nonsense\n")
    assert wf("config", "check")[0] == 0
    assert wf("config", "check", "--config", "other.yaml")[0] == 2


# -- migrate


def test_migrate_writes_one_file_and_keeps_the_older_ones(wf: Cli) -> None:
    texts = write_legacy(wf.root)
    before = origins(wf)
    dry = wf.json("config", "migrate", "--dry-run")
    assert dry["written"] is False
    assert not (wf.root / "wf.config.yaml").exists()
    done = wf.json("config", "migrate")
    assert done["written"] is True
    assert (wf.root / "wf.config.yaml").read_text() == done["text"] == dry["text"]
    assert {"key": "mode", "value": "distributed", "from": ".wf/runtime.json"} in done["taken"]
    assert {name: (wf.root / ".wf" / name).read_text() for name in texts} == texts
    assert {key: value for key, (value, _) in origins(wf).items()} == {
        key: value for key, (value, _) in before.items()
    }


def test_migrate_refuses_to_replace_a_configuration(wf: Cli) -> None:
    (wf.root / "wf.config.yaml").write_text("version: 1\n")
    code, out, _ = wf("config", "migrate", "--json")
    assert (code, json.loads(out)["error"]) == (4, "REFUSED")
    assert (wf.root / "wf.config.yaml").read_text() == "version: 1\n"


# -- init --file, set


def test_the_starter_file_changes_nothing_but_where_values_come_from(wf: Cli) -> None:
    before = {key: value for key, (value, _) in origins(wf).items()}
    assert wf.json("config", "init", "--file")["created"] is True
    assert {key: value for key, (value, _) in origins(wf).items()} == before
    assert wf("config", "init", "--file")[0] == 4
    assert not (wf.root / ".wf" / "runtime.json").exists()


def test_set_keeps_comments_and_says_the_value(wf: Cli) -> None:
    path = wf.root / "wf.config.yaml"
    path.write_text("# mine\nretry: {max_attempts: 3}  # few\n")
    document = wf.json("config", "set", "retry.max_attempts", "5")
    assert (document["key"], document["value"], document["path"]) == ("retry.max_attempts", 5, str(path))
    assert path.read_text() == "# mine\nretry: {max_attempts: 5}  # few\n"


@pytest.mark.parametrize(
    ("key", "value"), [("retry.max_atempts", "3"), ("retry.max_attempts", "many"), ("mode", "x")]
)
def test_set_writes_nothing_that_would_not_be_valid(wf: Cli, key: str, value: str) -> None:
    code, out, _ = wf("config", "set", key, value, "--json")
    assert (code, json.loads(out)["ok"]) == (2, False)
    assert not (wf.root / "wf.config.yaml").exists()


def test_set_of_the_topology_says_that_it_changed_the_spool_that_exists(wf: Cli) -> None:
    assert "spool" not in wf.json("config", "set", "spool.topology", "shared")
    assert "spool" not in wf.json("config", "set", "spool.topology", "local")
    spool = make_spool(wf.root / ".wf" / "spool").root
    assert wf.json("config", "set", "spool.topology", "shared")["spool"] == str(spool)
    assert layout.open_spool(spool).version.topology == "shared"
    assert "spool" not in wf.json("config", "set", "spool.topology", "shared"), "nothing was left to change"


def test_set_changes_a_whole_section_too(wf: Cli) -> None:
    entries = "[{on: [job.dead], run: [./notify.sh]}]"
    assert wf.json("config", "set", "notify", entries)["value"] == [{"on": ["job.dead"], "run": ["./notify.sh"]}]
    assert wf.json("config", "set", "redact", '["acme-[0-9]+"]')["key"] == "redact"


def test_set_of_a_switch_and_of_a_word_that_nobody_knows_are_the_contracts(wf: Cli) -> None:
    assert wf.json("config", "set", "auto-workers", "on")["config"]["auto_start_workers"] is True
    assert wf("config", "set", "notfy", "on")[0] == 1


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (("notify", "[]"), []),
        (("routing", "{plan-coder: {runtime: cursor}}"), {"plan-coder": {"runtime": "cursor"}}),
        (("--config", "wf.config.yaml", "redact", "[aaa]"), ["aaa"]),
        (("--config=wf.config.yaml", "lease.duration", "1h30m"), "1h30m"),
    ],
)
def test_set_takes_every_key_wherever_the_options_stand(wf: Cli, words: tuple[str, ...], stored: object) -> None:
    (wf.root / "wf.config.yaml").write_text("version: 1\n")
    assert wf.json("config", "set", *words)["value"] == stored


def test_the_sections_are_those_of_the_schema() -> None:
    assert {key for key in schema.load("wf.config")["properties"] if not key.startswith("$")} == registry.SECTIONS


def test_unset_says_what_holds_now(wf: Cli) -> None:
    path = wf.root / "wf.config.yaml"
    path.write_text("version: 1\nretry: {max_attempts: 7, max_parked: 9} # few\nredact: [aaa]\n")
    document = wf.json("config", "unset", "retry.max_attempts")
    assert document == {
        "ok": True, "schema_version": 1, "action": "unset", "key": "retry.max_attempts", "path": str(path),
        "value": 3, "origin": "default",
    }  # fmt: skip
    assert path.read_text() == "version: 1\nretry: {max_parked: 9} # few\nredact: [aaa]\n"
    code, out, _ = wf("config", "unset", "redact")
    assert (code, out) == (0, f"{path}: redact is not set any more\n")
    code, out, _ = wf("config", "unset", "redact", "--json")
    assert (code, json.loads(out)["error"]) == (3, "NOT_FOUND")


def test_schema_prints_the_schema_and_nothing_else(wf: Cli) -> None:
    code, out, err = wf("config", "schema")
    assert (code, json.loads(out), err) == (0, schema.load("wf.config"), "")
    assert wf.json("config", "schema")["schema"] == schema.load("wf.config")
    assert not list(wf.root.iterdir())


@pytest.mark.parametrize("words", [("init", "--file"), ("migrate",)])
def test_a_new_file_names_a_schema_that_exists(wf: Cli, words: tuple[str, ...]) -> None:
    wf.json("config", *words)
    first = (wf.root / "wf.config.yaml").read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((wf.root / named).read_text()) == schema.load("wf.config")
    (wf.root / named).write_text("{}")
    wf.json("config", "schema", "--write")
    assert json.loads((wf.root / named).read_text()) == schema.load("wf.config")


def test_set_without_a_value_is_a_usage_error(wf: Cli) -> None:
    assert wf("config", "set", "retry.max_attempts")[0] == 2


def test_help_of_config_shows_all_actions(wf: Cli) -> None:
    for words in (("config", "--help"), ("config", "check", "--help")):
        code, out, _ = wf(*words)
        assert code == 0
        assert all(text in out for text in ("show --origin", "check", "migrate", "init --file", "set <key.path>"))
