"""Small inputs that went wrong once, each a script of what a user does. Its last line says what came of it.

The scripts share ``lib.sh``. Their workers are the installed `wf`, and so is every command of a script about
processes. Other commands are forks. A script that is not right ends with 1 and says why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted(path.name for path in HERE.glob("[0-9]*.sh"))
#: Scripts about streams, signals, users and how a process ends. Only the installed `wf` shows what they are about.
PROCESSES = ("07", "08", "31", "32", "33", "34", "35", "36", "40")

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("script", SCRIPTS)
def test_case(script: str, tmp_path: Path, repository: Path, quick: Mapping[str, str]) -> None:
    environ = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
        "CASES_REPOSITORY": str(repository),
        **({} if script.startswith(PROCESSES) else quick),
    }
    done = subprocess.run(
        ["bash", str(HERE / script)], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    said = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    assert done.returncode == 0, f"{said}\n{done.stdout}\n{done.stderr}"
    assert said.startswith("right: "), said
