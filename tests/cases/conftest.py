"""One repository with wf in it for all cases of a run: each begins with a copy of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import fork_server, quick_wf
from support.running import WF

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


@pytest.fixture
def quick(tmp_path: Path) -> Mapping[str, str]:
    """Variables with which the quick commands of a script are forks (`quick_wf`); `wf worker` never is."""
    folder = tmp_path / "quick-bin"
    folder.mkdir()
    quick_wf.install(str(folder), WF)
    path = os.pathsep.join((str(folder), str(Path(WF).parent), os.environ.get("PATH", os.defpath)))
    return {"PATH": path, "LANG": "C.UTF-8", quick_wf.SERVER: fork_server.server().path}
