"""Words before the command, `wf help ...`, and what is said about commands that do not exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Cli, make_plan, make_session
from wf_cli.cli.frame import output


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    for name in ("WF_DISTRIBUTED", "WF_SPOOL", "WF_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(output, "_level", output.Level.USUAL)
    make_session(tmp_path)
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    "words",
    [("nosuch", "--json"), ("nosuch", "--json", "more"), ("spol", "--json"), ("-q", "nosuch", "--json")],
)
def test_an_unknown_command_is_one_json_document_on_stdout(wf: Cli, words: tuple[str, ...]) -> None:
    code, out, err = wf(*words)
    document = json.loads(out)
    assert (code, err) == (1, "")
    assert (document["ok"], document["error"], document["schema_version"]) == (False, "UNKNOWN_COMMAND", 1)
    assert "unknown command" in document["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("spool", "nosuch", "--json"),
        ("spool", "ls", "--nosuch", "--json"),
        ("retry", "--json", "--nosuch"),
        ("spool", "ls", "--json", "--limit", "x"),
        ("config", "check", "--nosuch", "--json"),
        ("enqueue", "--json", "--nosuch"),
    ],
)
def test_an_unknown_option_is_one_json_document_on_stdout(wf: Cli, words: tuple[str, ...]) -> None:
    code, out, err = wf(*words)
    document = json.loads(out)
    assert (code, err) == (2, "")
    assert (document["ok"], document["error"], document["schema_version"]) == (False, "USAGE", 1)
    assert document["message"]


@pytest.mark.parametrize(
    "words",
    [("spool", "ls"), ("spool",), ("plan",), ("config",), ("config", "set"), ("dead", "redrive"), ("worker",)],
)
def test_help_of_a_command_is_the_help_that_it_prints_itself(wf: Cli, words: tuple[str, ...]) -> None:
    asked, itself = wf("help", *words), wf(*words, "--help")
    assert asked == itself
    assert asked[0] == 0
    assert f"wf {words[0]}" in asked[1]


def test_help_alone_is_the_overview_and_help_of_nothing_is_told(wf: Cli) -> None:
    assert wf("help") == wf("--help")
    assert "-q, --quiet" in wf("help")[1]
    code, _, err = wf("help", "spol")
    assert code == 1 or "spol" in err


def test_quiet_leaves_errors_and_verbose_names_the_places(wf: Cli) -> None:
    (wf.root / "wf.config.yaml").write_text("version: 1\n")
    usual = wf("spool", "ls")
    assert "no spool at" in usual[2]
    assert wf("-q", "spool", "ls") == (0, usual[1], "")
    code, out, err = wf("--quiet", "spool", "show", "nosuch")
    assert (code, out) == (3, "")
    assert err.startswith("error: ")
    code, out, err = wf("-v", "spool", "ls")
    assert (code, out) == (0, usual[1])
    for said in (
        f"project {wf.root}",
        f"configuration {wf.root / 'wf.config.yaml'}",
        f"spool {wf.root / '.wf' / 'spool'}",
    ):
        assert said in err
    assert "no jobs" in wf("spool", "ls")[2], "it holds for one command"


def test_json_stays_one_document(wf: Cli) -> None:
    for option in ("-v", "-q"):
        assert json.loads(wf(option, "spool", "ls", "--json")[1])["ok"] is True


def test_behind_a_contract_command_such_a_word_is_an_ordinary_one(wf: Cli) -> None:
    make_plan(wf.root)
    for words in (("context", "1"), ("verify", "1")):
        plain = wf(*words)
        assert wf("-q", *words)[:2] == plain[:2]
        assert wf("-v", *words)[:2] == plain[:2]
    code, _, err = wf("context", "-v")
    assert (code, "-v" in err) == (1, True)


def test_a_bug_has_its_traceback_with_verbose_only(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from wf_cli.workflow import plans

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(plans, "find", broken)
    assert "Traceback" not in wf("context", "1")[2]
    assert "Traceback" in wf("-v", "context", "1")[2]
