"""Calls of git: nothing of a repository or of an environment gets in, and none of them lasts for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import check_git
from support.wait import wait_until
from wf_cli import git, proc

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "r"
    root.mkdir()
    git.need(root, "init", "-q")
    (root / "a.txt").write_text("a\n")
    git.need(root, "add", "-A")
    git.need(root, *WHO, "commit", "-qm", "start")
    return root


def program(folder: Path, text: str) -> None:
    """A ``git`` of the test's own."""
    folder.mkdir(exist_ok=True)
    (folder / "git").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "git").chmod(0o755)


def test_no_other_module_calls_git() -> None:
    assert check_git.problems() == []


@pytest.mark.parametrize(
    "code",
    ["subprocess.run(['git', 'status'])", "run('git', 'log')", "ARGV = ('git', *words)", "shutil.which('git')",
     "os.system('git gc')", "self._run('git', *arguments)"],
)  # fmt: skip
def test_every_way_to_call_git_is_found(code: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(code)
    assert len(check_git.problems(tmp_path)) == 1


def test_names_of_checks_and_comparisons_are_no_calls(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("yield_ = [ok('git', 'fine'), kind == 'git', git.run(root, out, 'status')]")
    assert check_git.problems(tmp_path) == []


@pytest.mark.parametrize("name", sorted(git.REDIRECTS))
def test_variables_of_a_hook_do_not_send_a_call_elsewhere(
    name: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = git.need(repository, "rev-parse", "HEAD", "--show-toplevel").text
    monkeypatch.setenv(name, "/elsewhere")
    assert git.need(repository, "rev-parse", "HEAD", "--show-toplevel").text == before


def test_only_configuration_and_identity_are_taken_from_the_environment(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = repository.parent / "seen"
    program(repository.parent / "bin", f"env >{seen}")
    monkeypatch.setenv("PATH", f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name, value in {
        "GIT_TRACE": str(repository.parent / "trace"), "GIT_LITERAL_PATHSPECS": "1", "GIT_PAGER": "less",
        "GIT_EXTERNAL_DIFF": "/bin/false", "GIT_DIR": "/elsewhere", "GIT_OPTIONAL_LOCKS": "1", "GIT_EDITOR": "vi",
        "GIT_CONFIG_GLOBAL": "/mine", "GIT_AUTHOR_NAME": "me",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    git.need(repository, "status")
    lines = (line.partition("=") for line in seen.read_text().splitlines())
    told = {name: value for name, _, value in lines if name.startswith("GIT_")}
    assert told == {
        "GIT_CONFIG_GLOBAL": "/mine", "GIT_AUTHOR_NAME": "me", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":",
        "GIT_SEQUENCE_EDITOR": ":", "GIT_OPTIONAL_LOCKS": "0",
    }  # fmt: skip


@pytest.mark.parametrize("asked", [False, True])
def test_hooks_run_only_where_they_are_asked_for(asked: bool, repository: Path) -> None:
    ran = repository.parent / "ran"
    hook = repository / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n: >{ran}\n")
    hook.chmod(0o755)
    git.need(repository, *WHO, "commit", "--allow-empty", "-qm", "x", hooks=asked)
    assert ran.exists() is asked


def test_a_repository_that_signs_and_has_failing_hooks_takes_a_commit(repository: Path) -> None:
    hooks = repository / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "prepare-commit-msg", "reference-transaction"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    for key, value in {"core.hooksPath": "hooks", "commit.gpgSign": "true", "gpg.program": "/bin/false"}.items():
        git.need(repository, "config", key, value)
    git.need(repository, *WHO, "commit", "--allow-empty", "-qm", "signed by nobody")
    assert git.need(repository, "log", "-1", "--format=%s").text == "signed by nobody\n"


def test_a_look_does_not_write_the_index(repository: Path) -> None:
    index = repository / ".git" / "index"
    os.utime(repository / "a.txt", (1, 1))
    before = index.read_bytes()
    git.need(repository, "status", "--porcelain")
    assert index.read_bytes() == before


def test_a_failure_is_one_line_with_command_place_and_complaint(repository: Path) -> None:
    with pytest.raises(git.GitError) as caught:
        git.need(repository, "checkout", "no such branch")
    error = caught.value
    assert (error.code, error.exit_code) == ("GIT_FAILED", 1)
    assert "\n" not in error.message
    for part in ("`git checkout 'no such branch'`", str(repository), "did not match"):
        assert part in error.message


def test_without_git_a_call_says_so_and_a_look_has_no_answer(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(git.GitError, match="git cannot be started") as caught:
        git.ask(repository, "status")
    assert caught.value.code == "GIT_MISSING"
    assert git.output(repository, "status") is None


def test_a_folder_that_is_not_there_is_named_and_git_is_not_called_missing(tmp_path: Path) -> None:
    with pytest.raises(git.GitError, match="cannot work in") as caught:
        git.ask(tmp_path / "gone", "status")
    assert caught.value.code == "GIT_FAILED"


def test_a_git_that_takes_too_long_is_asked_to_end_before_it_is_killed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL alone would leave git's lock files behind."""
    asked = repository.parent / "asked"
    ready = repository.parent / "ready"
    program(
        repository.parent / "bin",
        f"trap ': >{asked}; exit 3' TERM; : >{ready}; while :; do sleep 0.01; done",
    )
    monkeypatch.setenv("PATH", f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    while not ready.exists():  # A limit may be over before the program has set its trap.
        with pytest.raises(git.GitError) as caught:
            git.ask(repository, "status", limit=1.0)
    assert caught.value.code == "GIT_TIMEOUT"
    assert "`git status` did not end" in caught.value.message
    assert asked.exists()


def test_a_git_that_does_not_listen_is_killed_with_what_it_started(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "GRACE", 0.2)
    pids = repository.parent / "pids"
    program(
        repository.parent / "bin",
        f"trap '' TERM; sleep 1000 & echo $$ $! >{pids}.part; mv {pids}.part {pids}; wait; sleep 1000",
    )
    monkeypatch.setenv("PATH", f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    while not pids.exists():
        assert git.output(repository, "status", limit=1.0) is None
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: proc.gone(pid, None), what=f"the end of {pid}")


def test_an_interrupted_call_stops_its_git(repository: Path) -> None:
    """Ctrl-C reaches only wf, because git has a session of its own."""
    pid_file = repository.parent / "pid"
    program(repository.parent / "bin", f"echo $$ >{pid_file}.part; mv {pid_file}.part {pid_file}; exec sleep 1000")
    code = f"from wf_cli import git; from pathlib import Path; git.ask(Path({str(repository)!r}), 'status')"
    path = f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    wf = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PATH": path}, stderr=subprocess.DEVNULL)
    wait_until(pid_file.exists, what="the start of git")
    wf.send_signal(signal.SIGINT)
    wf.wait(30)
    pid = int(pid_file.read_text())
    wait_until(lambda: proc.gone(pid, None), what="the end of git")


def test_a_large_answer_is_taken_whole(repository: Path) -> None:
    (repository / "large").write_bytes(b"x" * 3_000_000)
    git.need(repository, "add", "large")
    assert len(git.output(repository, "show", ":large") or b"") == 3_000_000
    assert len(git.need(repository, "show", ":large").out) == 3_000_000
