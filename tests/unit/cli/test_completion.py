"""What completes, for whom, and that completing has no side effects. The shells themselves: at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.projects import Cli, make_epic, make_plan
from support.spools import POOL, SUCCESS, make_spool, request, run_one, spool_queue
from wf_cli.cli.completion import answer, usage_lines, values
from wf_cli.cli.completion.scripts import SCRIPTS, Shell
from wf_cli.cli.frame import contract_help, registry

WF_BIN = Path(sys.executable).parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with plans 01 and 02, epic 01 and jobs in three states."""
    monkeypatch.chdir(tmp_path)
    make_plan(tmp_path, "01-first", todo="- [ ] [T1] parse\n- [x] [T2] print\n")
    make_plan(tmp_path, "02-second")
    make_epic(tmp_path)
    queue = spool_queue(make_spool(tmp_path / ".wf" / "spool"))
    for key in ("build-1", "build-2", "deploy-1"):
        queue.enqueue(request(key))
    queue.hold("deploy-1")
    token = run_one(queue, "w-box-1", POOL)
    with queue.fence(token.job_id):
        queue.end(token, SUCCESS, by="w-box-1")
    return tmp_path


def fits(root: Path, *words: str, **environ: str) -> list[str] | None:
    found = answer.candidates(words, root, environ)
    return None if found is None else [candidate.value for candidate in found]


def test_commands_complete_and_hidden_ones_do_not(root: Path) -> None:
    assert fits(root, "co") == ["context", "code", "config", "completion"]
    everything = fits(root, "")
    assert everything is not None
    assert set(everything) == {entry.name for entry in registry.COMMANDS.values() if not entry.hidden}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["code", ""], ["01", "02"]),
        (["context", "02", "--"], ["--json", "--include"]),
        (["context", "02", "--include=plan,t"], ["--include=plan,todo"]),
        (["todo", ""], ["list", "implemented", "accept", "reject"]),
        (["todo", "accept", ""], ["01", "02"]),
        (["todo", "accept", "1", ""], ["T1", "T2"]),
        (["plan", "any name", "--epic", ""], ["01"]),
        (["review", "--profile", "f"], ["fast", "full"]),
        (["epic", "run", ""], ["01"]),
        (["epic", "attach", "01", ""], ["01", "02"]),
        (["epic", "run", "01", "--fol"], ["--follow"]),
        (["config", "set", "distributed", ""], ["on", "off"]),
        (["config", "set", "retry.max"], ["retry.max_attempts", "retry.max_parked"]),
        (["set-model", "gpt-5.3"], ["gpt-5.3-codex"]),
        (["subagents", "apply"], ["apply-models"]),
        (["worker", "--runtime", ""], ["opencode", "cursor"]),
        (["worker", "plan-c"], ["plan-coder"]),
        (["skill", ""], ["sync"]),
    ],
)
def test_contract_commands_complete_by_their_usage(root: Path, words: list[str], expected: list[str]) -> None:
    assert fits(root, *words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["spool", ""], ["ls", "show", "verify", "gc", "purge", "path"]),
        (["spool", "show", ""], ["build-1", "build-2", "deploy-1"]),
        (["spool", "ls", "--plan", ""], ["01", "02"]),
        (["spool", "ls", "--sort="], ["--sort=status", "--sort=age", "--sort=priority"]),
        (["spool", "ls", "--status", "f"], ["failed"]),
        (["spool", "purge", "--epic", ""], ["01"]),
        (["hold", ""], ["build-2"]),
        (["release", ""], ["deploy-1"]),
        (["cancel", "build-2", ""], ["deploy-1"]),
        (["retry", ""], ["build-1"]),
        (["logs", "--ev"], ["--events"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["doctor", "--f"], ["--fs-probe", "--fix"]),
        (["nonsense", ""], []),
    ],
)
def test_typer_commands_complete_by_their_parameters(root: Path, words: list[str], expected: list[str]) -> None:
    assert fits(root, *words) == expected


def test_values_that_are_files_are_left_to_the_shell(root: Path) -> None:
    assert fits(root, "spool", "ls", "--config", "") is None


def test_the_mode_decides_which_worker_completes(root: Path) -> None:
    assert fits(root, "worker", "dr", WF_DISTRIBUTED="1") == ["drain"]
    assert fits(root, "worker", "dr") == []


def test_of_many_jobs_a_bounded_number_is_offered(root: Path) -> None:
    """The shell fills in what all that is offered have in common, so the last job has to be among them."""
    queue = spool_queue(make_spool(root / ".wf" / "spool"))
    queue.enqueue_many([request(f"many-{n:04d}") for n in range(300)] + [request("many-9")])
    found = fits(root, "spool", "show", "many-")
    assert found is not None
    assert (len(found), found[0], found[-1]) == (200, "many-0000", "many-9")
    assert fits(root, "spool", "show", "many-012") == [f"many-012{n}" for n in range(10)]
    assert fits(root, "cancel", "many-0120", "many-012") == [f"many-012{n}" for n in range(1, 10)]


def test_jobs_come_from_the_spool_that_is_meant(root: Path, tmp_path: Path) -> None:
    queue = spool_queue(make_spool(tmp_path / "elsewhere"))
    queue.enqueue(request("other-1"))
    assert fits(root, "hold", "--spool", "elsewhere", "") == ["other-1"]
    (root / "wf.config.yaml").write_text("spool: {dir: elsewhere}\n")
    assert fits(root, "hold", "") == ["other-1"]


@pytest.mark.parametrize("entry", [e for e in registry.COMMANDS.values() if e.contract], ids=lambda e: e.name)
def test_every_usage_line_is_understood(entry: registry.Entry) -> None:
    known = {*values.KINDS, *values.OPTIONS}
    free = {"name", "summary", "value"}
    for line in contract_help.load(entry).usage:
        usage = usage_lines.read(line)
        kinds = {kind for place in usage.places if (kind := usage_lines.kind_of(place))}
        assert kinds <= known | free, line
        assert all(name.startswith("--") and "]" not in name for name in usage.options), line
        assert len(usage.options) == line.count("--"), line


def test_a_broken_project_gives_no_candidates_and_no_noise(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "wf.config.yaml").write_text("{{{")
    (root / ".wf" / "runtime.json").write_text("{")
    for words in (["worker", ""], ["hold", ""], ["config", "set", "x"], ["spool", "ls", "--role", ""]):
        assert answer.answer(words, root, {"_WF_COMPLETE": "bash"}) == 0
        out, err = capsys.readouterr()
        assert (out.strip(), err) == ("", "")


def test_completing_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wf = Cli(tmp_path, monkeypatch, capsys)
    for words in (("",), ("code", ""), ("hold", ""), ("epic", "run", ""), ("worker", ""), ("config", "set", "")):
        assert wf(*words, environ={"_WF_COMPLETE": "zsh"})[0] == 0
    assert os.listdir(tmp_path) == []


def test_each_shell_gets_its_form(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(shell: str, *words: str) -> list[str]:
        answer.answer(words, root, {"_WF_COMPLETE": shell})
        return capsys.readouterr().out.splitlines()

    assert said("bash", "code", "01") == ["01"]
    assert said("zsh", "code", "01") == ["01:first"]
    assert said("fish", "code", "01") == ["01\tfirst"]
    assert said("bash", "plan", "x", "--epic", "=", "0") == ["01"]  # bash cuts words at "="
    assert said("zsh", "plan", "x", "--epic=0") == ["--epic=01:big"]
    assert said("fish", "logs", "--spool", "") == [":files"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    wf = Cli(tmp_path, monkeypatch, capsys)
    code, out, err = wf("completion", shell)
    assert (code, out.rstrip("\n"), err) == (0, SCRIPTS[Shell(shell)], "")
    assert wf("completion", "tcsh")[0] == 2
    assert os.listdir(tmp_path) == []


# -- the real shells


def shell(program: str, script: str, root: Path, *options: str) -> list[str]:
    found = shutil.which(program)
    assert found is not None
    environ = {"PATH": f"{WF_BIN}{os.pathsep}{os.defpath}", "HOME": str(root), "LANG": "C.UTF-8", "TERM": "dumb"}
    done = subprocess.run(
        [found, *options, "-c", script], cwd=root, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def quoted(words: Sequence[str]) -> str:
    return " ".join(f"'{word}'" for word in words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["wf", "co"], ["context", "code", "config", "completion"]),
        (["wf", "code", ""], ["01", "02"]),
        (["wf", "plan", '"a name"', "--epic", "=", ""], ["01"]),
        (["wf", "hold", "bui"], ["build-2"]),
    ],
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_offers_them(root: Path, words: list[str], expected: list[str]) -> None:
    script = f"""source <(wf completion bash)
complete -p wf
COMP_WORDS=({quoted(words)}); COMP_CWORD={len(words) - 1}
_wf wf '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}" """
    assert shell("bash", script, root, "--norc") == ["complete -F _wf wf", *expected]


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_offers_them(root: Path) -> None:
    script = 'wf completion fish | source; complete -C "wf hold bui"; complete -C "wf code 0"'
    assert [line.split("\t")[0] for line in shell("fish", script, root, "--no-config")] == ["build-2", "01", "02"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_offers_them(root: Path) -> None:
    script = """compdef() { : }; _files() { print files }; _describe() { print -l -- "${found[@]}" }
source <(wf completion zsh)
words=(wf hold bui); CURRENT=3; _wf
words=(wf code ''); CURRENT=3; _wf
words=(wf logs --spool ''); CURRENT=4; _wf"""
    assert shell("zsh", script, root, "-f") == ["build-2:queued, coder@opencode", "01:first", "02:second", "files"]
