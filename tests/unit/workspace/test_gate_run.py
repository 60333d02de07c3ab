"""One gate: its exit code, its output, and nothing of it afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.wait import wait_until
from wf_cli import proc
from wf_cli.workspace import gate_run
from wf_cli.workspace.testing import TAIL, Result


def run(folder: Path, code: str, **environ: str) -> tuple[Result, list[str]]:
    told: list[str] = []
    base = {"PATH": os.environ["PATH"], **environ}
    return gate_run.run(folder, [sys.executable, "-c", code], environ=base, tell=told.append), told


def test_output_of_both_streams_is_told_in_order_and_kept(tmp_path: Path) -> None:
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); sys.exit(7)"
    result, told = run(tmp_path, code)
    assert result == Result(7, "one\ntwo\n")
    assert told[0].startswith("gate: ")
    assert told[1:] == ["one", "two"]


def test_it_runs_in_the_folder_and_gets_no_answer(tmp_path: Path) -> None:
    result, _ = run(tmp_path, "import os, sys; print(os.getcwd()); print(repr(sys.stdin.read()))")
    assert result == Result(0, f"{tmp_path}\n''\n")


def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    result, told = run(tmp_path, "for n in range(5000): print(n)")
    assert len(result.output) == TAIL
    assert result.output.endswith("4998\n4999\n")
    assert len(told) == 5001
    result, _ = run(tmp_path, f"print('x' * {TAIL * 3}, end='y')")
    assert result.output == "x" * (TAIL - 1) + "y"


def test_what_it_prints_does_not_act_on_a_terminal(tmp_path: Path) -> None:
    result, told = run(tmp_path, "import sys; sys.stdout.buffer.write(b'\\x1b[2J\\xff\\n')")
    assert "\x1b" not in result.output + "".join(told)
    assert told[1] == "\\x1b[2J\ufffd"


@pytest.mark.parametrize("argv", [["./no such program"], ["/"], [], ["a\0b"]])
def test_a_command_that_cannot_be_started_is_red_with_the_reason(argv: list[str], tmp_path: Path) -> None:
    told: list[str] = []
    result = gate_run.run(tmp_path, argv, environ=os.environ, tell=told.append)
    assert result.exit_code == 127
    assert "cannot be started" in result.output
    assert told[-1] == result.output


def test_a_signal_is_told_as_a_shell_does(tmp_path: Path) -> None:
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)")[0].exit_code == 137


def test_what_it_leaves_behind_is_killed_and_does_not_keep_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid)"
    )
    result, _ = run(tmp_path, code)
    assert result.exit_code == 0
    pid = int(result.output)
    wait_until(lambda: not proc.alive(pid, None), what="the end of what the gate left behind")


def test_it_knows_nothing_of_the_job_and_git_works_where_it_is(tmp_path: Path) -> None:
    code = "import os; print(sorted(n for n in os.environ if n.startswith(('WF_', 'GIT_'))))"
    given = {
        "WF_JOB_TOKEN": "t", "WF_JOB_ID": "j", "WF_ATTEMPT": "1", "WF_SPOOL": "/s", "WF_PROJECT": "/p",
        "WF_ROOT": "/r", "WF_ROLE": "r", "GIT_DIR": "/elsewhere", "GIT_AUTHOR_NAME": "me", "WF_SLOT": "2",
    }  # fmt: skip
    assert run(tmp_path, code, **given)[0].output == "['GIT_AUTHOR_NAME', 'WF_SLOT']\n"
