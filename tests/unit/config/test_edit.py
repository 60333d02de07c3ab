"""`wf config set`, `migrate` and `init`: what is written is minimal, valid, and says what was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wf_cli.config import document, edit, layers, migrate
from wf_cli.config.load import load
from wf_cli.config.model import Config
from wf_cli.errors import ConfigError, NotFound, Refused

FILE = """\
# top
mode: command  # why
retry:
  # inside
  max_attempts: 3 # three
  # end comment

routing: {plan-coder: {runtime: cursor}}
notify:
  - on: [job.dead]
    run: [x]
# tail"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wf.config.yaml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("mode", "distributed", "mode: command  # why", "mode: distributed  # why"),
        ("retry.max_attempts", "7", "max_attempts: 3 # three", "max_attempts: 7 # three"),
        ("retry.backoff.base", "5s", " # three\n", " # three\n  backoff: {base: 5s}\n"),
        ("routing.plan-coder.model", "4.1", "cursor}", 'cursor, model: "4.1"}'),
        ("routing.plan-coder.model", "null", "cursor}", "cursor, model: null}"),
        ("routing.plan-fixer.model", "a: b", "cursor}}", 'cursor}, plan-fixer: {model: "a: b"}}'),
        ("lease.duration", "9s", "run: [x]\n", "run: [x]\nlease: {duration: 9s}\n"),
        ("notify", "[]", "notify:\n  - on: [job.dead]\n    run: [x]\n", "notify: []\n"),
    ],
)
def test_one_value_changes_and_nothing_else(file: Path, key: str, value: str, old: str, new: str) -> None:
    edit.set_value(file.parent, key, value)
    assert file.read_text() == FILE.replace(old, new)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("retry.max_atempts", "7", "did you mean max_attempts"),
        ("retry.max_attempts", "many", "is text, and not a whole number"),
        ("routing.plan-coder.runtime", "nowhere", "no runtime nowhere"),
        ("mode.x", "1", "nothing can stand below"),
        ("retry..x", "1", "not a key path"),
        ("spool.dir", "../x", "inside the project"),
    ],
)
def test_a_value_that_would_not_load_is_not_written(file: Path, key: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        edit.set_value(file.parent, key, value)
    assert file.read_text() == FILE
    assert [p.name for p in file.parent.iterdir() if p.name.startswith(".wf.")] == []


def test_a_project_without_a_file_gets_one(tmp_path: Path) -> None:
    path = edit.set_value(tmp_path, "routing.plan-coder.model", "provider/model")
    assert path == tmp_path / "wf.config.yaml"
    assert path.read_text() == "version: 1\nrouting: {plan-coder: {model: provider/model}}\n"
    assert edit.declared(tmp_path, "routing.plan-coder.model")
    assert not edit.declared(tmp_path, "mode")


def test_an_empty_file_and_windows_line_ends_are_edited_too(tmp_path: Path) -> None:
    path = tmp_path / "wf.config.yml"
    path.write_text("# only this")
    edit.set_value(tmp_path, "mode", "distributed")
    assert path.read_text() == "# only this\nmode: distributed\n"
    path.write_bytes(b"version: 1\r\nmode: command\r\n")
    edit.set_value(tmp_path, "lease.duration", "2m")
    assert path.read_bytes() == b"version: 1\r\nmode: command\r\nlease: {duration: 2m}\r\n"


def test_json_stays_json(tmp_path: Path) -> None:
    path = tmp_path / "wf.config.json"
    path.write_text('{"mode": "command", "epic": {"max_iterations": 2}}')
    edit.set_value(tmp_path, "epic.max_iterations", "3")
    assert json.loads(path.read_text()) == {"mode": "command", "epic": {"max_iterations": 3}}


def test_the_starter_is_valid_and_its_commented_values_are_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "wf.config.yaml"
    path.write_text(migrate.init_text())
    assert load(tmp_path, {}).config == Config()
    keys = layers.as_tree(Config()).keys()
    lines, inside = [], False
    for line in migrate.init_text().splitlines():
        plain = line.removeprefix("# ")
        inside = plain.partition(":")[0] in keys or (inside and plain.startswith("  "))
        lines.append(plain if inside else "")
    path.write_text("\n".join(lines))
    loaded = load(tmp_path, {})
    assert loaded.config == Config()
    assert "default" not in loaded.origins.values() or [k for k, v in loaded.origins.items() if v == "default"] == []


def test_migration_says_the_same_as_the_legacy_files_and_keeps_them(tmp_path: Path) -> None:
    legacy = {
        "runtime.json": {"version": 1, "distributed": True, "auto_start_workers": True},
        "routing.runtimes.json": {"roles": {"plan-coder": "cursor"}},
        "subagents.models.json": {
            "version": 1,
            "agents": {"plan-coder": "m1"},
            "opencode_agents": {"plan-fixer": "o"},
        },
    }
    (tmp_path / ".wf").mkdir()
    for name, value in legacy.items():
        (tmp_path / ".wf" / name).write_text(json.dumps(value))
    before = load(tmp_path, {}).config
    text = migrate.migrate(tmp_path)
    migrate.write_new(tmp_path, text)
    after = load(tmp_path, {})
    assert after.config == before
    assert after.origins["routing.plan-fixer.model"].startswith("wf.config.yaml:")
    assert {p.name: json.loads(p.read_text()) for p in (tmp_path / ".wf").iterdir() if p.name in legacy} == legacy
    with pytest.raises(Refused, match="exists"):
        migrate.write_new(tmp_path, text)


def test_migration_without_legacy_files_says_the_mode_only(tmp_path: Path) -> None:
    text = migrate.migrate(tmp_path)
    assert document.parse(tmp_path / "x.yaml", text).value == {"version": 1, "mode": "command"}


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("routing.plan-coder.timeouts.max_runtime", "1h30m", "cursor}", "cursor, timeouts: {max_runtime: 1h30m}}"),
        (
            "routing.tester",
            "{runtime: cursor, model: m}",
            "cursor}}",
            "cursor}, tester: {runtime: cursor, model: m}}",
        ),
        ('runtimes.cursor.failures."no seat.*"', "auth", "", 'runtimes: {cursor: {failures: {"no seat.*": auth}}}\n'),
        ("notify.0.timeout", "5s", "    run: [x]\n", "    run: [x]\n    timeout: 5s\n"),
        ("notify.0.on", "[job.held]", "[job.dead]", "[job.held]"),
        ("notify.0.on.0", "job.held", "[job.dead]", "[job.held]"),
        ("notify.0.on.1", "job.held", "[job.dead]", "[job.dead, job.held]"),
        (
            "notify.1",
            "{on: [job.held], run: [y]}",
            "    run: [x]\n",
            "    run: [x]\n  - {on: [job.held], run: [y]}\n",
        ),
    ],
)
def test_any_key_can_be_set(file: Path, key: str, value: str, old: str, new: str) -> None:
    if not old:  # A new section stands behind the last one.
        old, new = "    run: [x]\n", f"    run: [x]\n{new}"
    edit.set_value(file.parent, key, value)
    assert file.read_text() == FILE.replace(old, new)


@pytest.mark.parametrize("key", ["", ".", "a.", ".a", "a..b", '"a', 'a."b', 'a.""', 'a"b"', 'a."b"c', '"\\x"'])
def test_what_is_no_key_path_is_told(file: Path, key: str) -> None:
    with pytest.raises(ConfigError, match="is not a key path"):
        edit.set_value(file.parent, key, "1")
    assert file.read_text() == FILE


@pytest.mark.parametrize("key", ["notify.2", "notify.x", "notify.-1"])
def test_an_item_that_a_list_cannot_have_is_told(file: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=r"notify is a list of 1 item\(s\)") as caught:
        edit.set_value(file.parent, key, "{}")
    assert caught.value.hint == "items count from 0; notify.1 adds one"


def test_keys_that_need_each_other_are_told_to_be_set_at_once(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"runtimes\.shell\.argv: is missing") as caught:
        edit.set_value(file.parent, "runtimes.shell.adapter", "command")
    assert caught.value.hint == "set both at once: wf config set runtimes.shell '{adapter: command, argv: ...}'"
    edit.set_value(file.parent, "runtimes.shell", "{adapter: command, argv: [x]}")
    edit.set_value(file.parent, "runtimes.shell.argv.1", "'{job_id}'")
    assert load(file.parent, {}).config.runtimes["shell"].argv == ("x", "{job_id}")


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("mode", "mode: command  # why\n", ""),
        ("routing.plan-coder.runtime", "routing: {plan-coder: {runtime: cursor}}\n", ""),
        ("routing", "routing: {plan-coder: {runtime: cursor}}\n", ""),
        ("notify", "notify:\n  - on: [job.dead]\n    run: [x]\n", ""),
        ("notify.0", "notify:\n  - on: [job.dead]\n    run: [x]\n", ""),
        ("retry.max_attempts", "retry:\n  # inside\n  max_attempts: 3 # three\n", ""),
    ],
)
def test_unset_takes_out_what_is_named_and_nothing_else(file: Path, key: str, old: str, new: str) -> None:
    edit.unset_value(file.parent, key)
    assert file.read_text() == FILE.replace(old, new)


def test_unset_needs_a_key_that_the_file_has_and_a_rest_that_loads(file: Path) -> None:
    for key in ("lease.duration", "notify.1", "mode.x", "routing.plan-fixer"):
        with pytest.raises(NotFound, match="is not set in"):
            edit.unset_value(file.parent, key)
    with pytest.raises(ConfigError, match="expected: either run"):
        edit.unset_value(file.parent, "notify.0.run")
    assert file.read_text() == FILE
    file.unlink()
    with pytest.raises(NotFound, match="is not set in"):
        edit.unset_value(file.parent, "mode")
    assert not file.exists()


@pytest.mark.parametrize("change", ["set", "unset"])
def test_a_file_that_is_a_link_stays_one(file: Path, change: str) -> None:
    target = file.parent / "dotfiles" / "wf.yaml"
    target.parent.mkdir()
    file.rename(target)
    file.symlink_to(target)
    if change == "set":
        edit.set_value(file.parent, "mode", "distributed")
    else:
        edit.unset_value(file.parent, "mode")
    assert file.is_symlink()
    assert ("mode: distributed" in target.read_text()) is (change == "set")


def test_unset_in_json(tmp_path: Path) -> None:
    path = tmp_path / "wf.config.json"
    path.write_text('{"mode": "command", "epic": {"max_iterations": 2}, "redact": ["aa", "bb"]}')
    edit.unset_value(tmp_path, "epic.max_iterations")
    edit.unset_value(tmp_path, "redact.0")
    assert json.loads(path.read_text()) == {"mode": "command", "redact": ["bb"]}
