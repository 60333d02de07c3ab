"""Scripts in which people and agents run wf from odd places. Each says ``right:``, or what is wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "where"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.sh") if path.name != "lib.sh")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SCRIPTS)
def test_case(name: str, tmp_path: Path, repository: Path, quick: Mapping[str, str]) -> None:
    left_out = ("WF_", "GIT_", "PYTHON", "LC_", "LANG")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    environ = {**kept, **quick, "TMPDIR": str(tmp_path), "CASES_REPOSITORY": str(repository)}
    done = subprocess.run(
        ["bash", f"{name}.sh"], cwd=FOLDER, env=environ, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("right:"), done.stdout + done.stderr
