"""`wf init --mcp`: one entry in files that belong to the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Cli
from wf_cli.assets import registrations
from wf_cli.assets.registrations import Found

CURSOR = {"command": "wf", "args": ["mcp"], "env": {"WF_ROOT": "${workspaceFolder}"}}
OPENCODE = {"type": "local", "command": ["wf", "mcp"], "enabled": True}


def found(root: Path) -> dict[str, Found]:
    return {done.registration.tool: done.found for done in registrations.register(root)}


def test_both_editors_get_a_file_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    assert set(found(tmp_path).values()) == {Found.ADDED}
    cursor, opencode = tmp_path / ".cursor" / "mcp.json", tmp_path / "opencode.json"
    assert json.loads(cursor.read_text()) == {"mcpServers": {"wf": CURSOR}}
    assert json.loads(opencode.read_text())["mcp"] == {"wf": OPENCODE}
    before = cursor.read_bytes(), opencode.read_bytes()
    assert set(found(tmp_path).values()) == {Found.THERE}
    assert (cursor.read_bytes(), opencode.read_bytes()) == before


def test_everything_else_in_the_files_stays_in_its_order(tmp_path: Path) -> None:
    document = {"z": 1, "mcp": {"other": {"type": "remote", "url": "ü"}}, "a": [{"deep": None}]}
    path = tmp_path / "opencode.json"
    path.write_text(json.dumps(document, indent="\t", ensure_ascii=False))
    path.chmod(0o600)
    registrations.register(tmp_path)
    text = path.read_text()
    document["mcp"]["wf"] = OPENCODE  # type: ignore[index]
    assert text == json.dumps(document, indent="\t", ensure_ascii=False), "its order, indentation and end"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_server_called_wf_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "opencode.json").write_text('{"mcp": {"wf": {"enabled": false}}}')
    assert found(tmp_path)["opencode"] is Found.THERE
    assert (tmp_path / "opencode.json").read_text() == '{"mcp": {"wf": {"enabled": false}}}'


@pytest.mark.parametrize(
    "text", ['{// mine\n"mcp": {}}', '{"a": 1, "a": 2}', "[]", '{"mcp": 5}', "{", '{"mcp": {"x": 1, "x": 2}}']
)
def test_a_file_that_would_lose_something_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "opencode.json").write_text(text)
    assert found(tmp_path)["opencode"] is Found.LEFT
    assert (tmp_path / "opencode.json").read_text() == text


def test_a_jsonc_file_is_left_alone_and_no_second_file_appears(tmp_path: Path) -> None:
    (tmp_path / "opencode.jsonc").write_text("{} // mine")
    assert found(tmp_path)["opencode"] is Found.LEFT
    assert not (tmp_path / "opencode.json").exists()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles.json").write_text("{}")
    (tmp_path / "opencode.json").symlink_to("dotfiles.json")
    registrations.register(tmp_path)
    assert (tmp_path / "opencode.json").is_symlink()
    assert json.loads((tmp_path / "dotfiles.json").read_text()) == {"mcp": {"wf": OPENCODE}}


def test_only_init_mcp_registers_and_says_what_it_could_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wf = Cli(tmp_path, monkeypatch, capsys)
    assert wf("init")[0] == 0
    assert not (tmp_path / ".cursor" / "mcp.json").exists()
    (tmp_path / "opencode.jsonc").write_text("{}")
    code, out, _ = wf("init", "--mcp")
    assert code == 0
    assert "registered in .cursor/mcp.json" in out
    assert '"command": [' in out, "what to add to opencode.jsonc"
