"""One repository with wf in it for all cases of a run: each begins with a copy of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parent / "lib.sh"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``made`` of ``lib.sh`` makes, by the installed `wf`."""
    folder = tmp_path_factory.mktemp("repository")
    environ = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder.parent),
        "TMPDIR": str(folder.parent),
        "LANG": "C.UTF-8",
    }
    subprocess.run(["bash", "-c", '. "$0"; made "$1"', str(LIB), str(folder)], env=environ, check=True)
    return folder
