"""Which process is the editor."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.views import dead_pid
from wf_cli import proc
from wf_cli.editor import ancestry
from wf_cli.errors import UsageError


@pytest.mark.parametrize(
    ("command", "passing"),
    [
        (["-zsh"], True),
        (["/bin/sh", "-c", "wf job next"], True),
        (["timeout", "60", "wf", "job", "next"], True),
        (["/venv/bin/wf", "mcp"], True),
        (["/venv/bin/python3.11", "/venv/bin/wf", "mcp"], True),
        (["python", "-P", "-m", "wf_cli", "job", "next"], True),
        (["python", "-P", "-m", "wf_cli.editor.keeper_process"], True),
        (["python", "/x/agent.py"], False),
        (["python", "-m", "pytest"], False),
        (["/opt/Cursor/cursor", "--type=utility"], False),
        (["/x/opencode.exe", "run"], False),
        (["python"], False),
        ([""], False),
    ],
)
def test_shells_wrappers_and_wf_itself_only_pass_by(command: list[str], passing: bool) -> None:
    assert ancestry.is_passing(command) is passing


def test_the_editor_is_found_above_a_chain_of_shells() -> None:
    script = "import sys; from wf_cli.editor import ancestry; print(*ancestry.editor_of())"
    inner = f"env {sys.executable} -c '{script}'; exit $?"
    done = subprocess.run(["sh", "-c", 'sh -c "$0"; exit $?', inner], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(part) for part in proc.this_process()]


def test_a_given_process_has_to_run() -> None:
    assert ancestry.given(os.getpid()) == proc.this_process()
    with pytest.raises(UsageError, match="no such process"):
        ancestry.given(dead_pid()[0])
