"""What the contract says about processes: dispatch, session, guards, streams, exit codes; and the quirks there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.projects import Cli, make_epic, make_plan, make_session, state_of
from wf_cli import __version__
from wf_cli.app import App
from wf_cli.cli.frame import contract_help, failures, registry
from wf_cli.errors import ConfigError, StaleAttempt, StateError, Temporary

SESSION = Path(".cursor/session/state.json")


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    "words", [(), ("help", "x"), ("-h",), ("--help",), ("plan", "--help"), ("bogus",), ("log", "x", "--about", "-h")]
)
def test_every_command_creates_the_session_file(wf: Cli, words: tuple[str, ...]) -> None:
    wf(*words)
    assert json.loads((wf.root / SESSION).read_text())["model"] == "unset"


@pytest.mark.parametrize("words", [("init",), ("sync",), ("skill", "sync")])
def test_three_commands_do_not_touch_the_session(wf: Cli, words: tuple[str, ...]) -> None:
    wf(*words)
    assert not (wf.root / SESSION).exists()


@pytest.mark.parametrize("distributed", [False, True])
def test_the_version_is_told_in_any_folder_and_makes_no_file(
    wf: Cli, monkeypatch: pytest.MonkeyPatch, distributed: bool
) -> None:
    monkeypatch.setenv("WF_ROOT", str(wf.root / "no-such-folder"))
    if distributed:
        monkeypatch.setenv("WF_DISTRIBUTED", "1")
    assert wf("--version") == (0, f"wf {__version__}\n", "")
    code, out, err = wf("--version", "--json")
    assert (code, json.loads(out), err) == (0, {"ok": True, "schema_version": 1, "version": __version__}, "")
    code, out, _ = wf("--version", "--jso", "--json")
    assert (code, json.loads(out)["error"]) == (2, "USAGE")
    assert list(wf.root.iterdir()) == []


def test_mode_off_creates_no_spool_and_reading_takes_no_locks(wf: Cli) -> None:
    make_plan(wf.root)
    for words in (("context", "1"), ("verify", "1"), ("todo", "list", "1"), ("recap",), ("config",), ("subagents",)):
        wf(*words)
    assert not (wf.root / ".wf").exists()
    wf("set-model", "gpt-5.2")
    wf("plan", "A")
    assert sorted(os.listdir(wf.root / ".wf")) == ["locks"]


@pytest.mark.parametrize("name", [entry.name for entry in registry.COMMANDS.values() if entry.contract])
def test_every_contract_command_has_help(wf: Cli, name: str) -> None:
    code, out, _ = wf(name, "--help")
    assert code == 0
    assert registry.COMMANDS[name].summary in out
    command = contract_help.load(registry.COMMANDS[name])
    assert all(usage in out for usage in command.usage)


def test_an_unknown_command_is_refused_by_the_guard_first(wf: Cli) -> None:
    assert "needs a model" in wf("contxt")[2]
    wf("set-model", "gpt-5.2")
    code, _, err = wf("contxt")
    assert (code, "wf context" in err) == (1, True)
    assert wf("bogus", "--help")[0] == 1


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__"])
def test_quirk_17_built_in_names_of_javascript_are_unknown(wf: Cli, name: str) -> None:
    make_session(wf.root)
    assert wf("set-model", name)[0] == 1
    assert wf("worker", name, "--max-jobs", "1")[0] == 1
    assert wf(name)[0] == 1
    plan = make_plan(wf.root, phase=name)
    assert wf("code", plan.id)[0] == 1
    assert wf.json("context", "1")["allowed_next_commands"] == []


def test_quirk_28_a_malformed_mode_switch_is_noticed_before_anything_changes(wf: Cli) -> None:
    make_session(wf.root)
    plans = [
        make_plan(wf.root, f"0{n}-p", phase=phase) for n, phase in enumerate(("coding", "reviewing", "planning"))
    ]
    make_epic(wf.root, "- Plan 1: x\n")
    wf("subagents", "apply-models")
    (wf.root / ".wf" / "runtime.json").write_text("{")
    before = [state_of(plan) for plan in plans]
    for words in (
        ("finish-code", "0"),
        ("done", "1"),
        ("code", "2"),
        ("fix", "1"),
        ("review", "0"),
        ("epic", "run", "1"),
    ):
        code, _, err = wf(*words)
        assert (code, "runtime.json" in err) == (1, True), words
    assert [state_of(plan) for plan in plans] == before
    assert len(os.listdir(wf.root / "plans")) == 3


def test_errors_are_json_wherever_the_flag_stands(wf: Cli) -> None:
    for words in (("context", "--nope", "--json"), ("todo", "accept", "--json"), ("review", "--json")):
        code, out, err = wf(*words)
        assert (code, out) == (1, "")
        assert json.loads(err)["ok"] is False


def test_the_fixed_error_documents_have_exactly_their_keys(wf: Cli) -> None:
    make_plan(wf.root, phase="coding")
    make_session(wf.root)
    for words, keys in (
        (("context", "9"), {"ok", "error", "input", "available_ids"}),
        (("epic", "context", "9"), {"ok", "error", "input", "available_ids"}),
        (("context", "1", "--include=x"), {"ok", "error", "message"}),
        (("todo", "accept", "1", "T1"), {"ok", "error", "message"}),
    ):
        assert json.loads(wf(*words, "--json")[2]).keys() == keys


@pytest.mark.parametrize("path", ["plans/01-a/state.json", ".cursor/session/state.json", "plans/01-a/review.md"])
@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[]"])
def test_quirk_18_hostile_files_never_end_in_a_traceback(wf: Cli, path: str, data: bytes) -> None:
    make_session(wf.root)
    make_plan(wf.root, phase="reviewing")
    (wf.root / path).write_bytes(data)
    for words in (
        ("context", "1", "--include=review"),
        ("done", "1"),
        ("todo", "reject", "1", "T1"),
        ("verify", "1"),
    ):
        code, _, err = wf(*words)
        assert code in (0, 1)
        assert "Traceback" not in err
        assert "internal error" not in err


def test_a_lone_surrogate_in_a_state_file_is_printed_and_kept(wf: Cli) -> None:
    make_session(wf.root)
    plan = make_plan(wf.root)
    plan.state_json.write_text('{"phase": "coding", "epic_id": "\\ud800"}')
    code, _, err = wf("context", "1", "--json", "--include=epic,state")
    assert (code in (0, 1), "Traceback" in err) == (True, False)


def test_config_keeps_keys_it_does_not_know(wf: Cli) -> None:
    path = wf.root / ".wf" / "runtime.json"
    path.parent.mkdir()
    path.write_text('{"version": 1, "distributed": "yes", "mine": [1]}')
    assert wf.json("config", "show")["config"]["distributed"] is False
    wf.json("config", "set", "auto-workers", " ON ")
    stored = json.loads(path.read_text())
    assert stored == {"version": 1, "distributed": False, "auto_start_workers": True, "mine": [1]}
    assert wf("config", "set", "distributed", "maybe")[0] == 1
    assert wf("config", "set", "other", "on")[0] == 1


def test_in_a_job_the_role_decides(wf: Cli) -> None:
    make_plan(wf.root, phase="reviewing")
    # The role is the token's own: a variable cannot give an agent more than its job has.
    job = {"WF_JOB_TOKEN": "p01-i0-code-plan-coder.a1.me-box-00000001", "WF_ROLE": "plan-reviewer"}
    assert "a job of role plan-coder" in wf("todo", "accept", "1", "T1", environ=job)[2]


@pytest.mark.parametrize("switch", [{"wf.config.yaml": "mode: sometimes\n"}, {".wf/runtime.json": "{torn"}])
def test_a_switch_that_cannot_be_read_stops_no_command_that_only_reads(wf: Cli, switch: dict[str, str]) -> None:
    """An App and a contract command take the same answer for it: the lists are read as with the mode off."""
    make_session(wf.root)
    make_plan(wf.root, todo="- [ ] [T1] a\n")
    for name, text in switch.items():
        (wf.root / name).parent.mkdir(exist_ok=True)
        (wf.root / name).write_text(text)
    assert wf("todo", "list", "01")[0] == 0
    assert App(wf.root, {}).project().distributed is False
    with pytest.raises((ConfigError, StateError)):
        _ = App(wf.root, {}).distributed


def test_epic_create_says_how_its_plans_come_to_be(wf: Cli) -> None:
    make_session(wf.root)
    code, out, _ = wf("epic", "create", "First")
    assert (code, out.splitlines()[1]) == (
        0,
        "next: declare its plans below ## Scope in epic.md (- Plan 1: title), then wf epic run 01",
    )
    code, out, _ = wf("epic", "create", "Second", environ={"WF_DISTRIBUTED": "1"})
    assert code == 0
    assert "in any form, then wf epic run 02, which has an agent split it into plans" in out
    assert "or declare its plans below ## Scope" in out
    (wf.root / "wf.config.yaml").write_text("mode: sometimes\n")
    assert wf("epic", "create", "Third")[0] == 0, "a switch that cannot be read stops no command that need not know"


def test_as_operator_is_taken_out_before_the_arguments_are_read(wf: Cli) -> None:
    make_session(wf.root)
    plan = make_plan(wf.root, phase="planning")
    assert wf("code", "--as-operator", plan.id)[0] == 0
    assert wf("context", "--as-operator", plan.id)[0] == 1


@pytest.mark.parametrize(("error", "contract", "others"), [(StaleAttempt("x"), 4, 4), (Temporary("x"), 1, 75)])
def test_contract_commands_end_with_0_1_or_4(error: Exception, contract: int, others: int) -> None:
    assert failures.exit_code(error, contract=True) == contract
    assert failures.exit_code(error, contract=False) == others


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m wf_cli --help | true"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.stderr == b""


def test_reading_commands_load_no_heavy_module(tmp_path: Path) -> None:
    make_plan(tmp_path)
    code = (
        "import sys; from wf_cli.cli.main import run; run(['context', '1', '--json'], {}); run(['--help'], {});"
        "print(sorted({'typer', 'rich', 'yaml', 'jsonschema', 'watchdog', 'psutil', 'filelock'} & set(sys.modules)),"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"
