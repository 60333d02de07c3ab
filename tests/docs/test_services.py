"""The units of docs/how-to/workers-as-services.md: systemd reads them, and what they say does what the page says."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import pages
from support.box import Box
from support.running import WF
from wf_cli.contract.lifecycle import Status

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "workers-as-services.md").read_text(encoding="utf-8")
UNIT, PLIST = (
    next(block.body for block in pages.blocks_of(PAGE) if block.title == title)
    for title in ("wf-worker@.service", "wf-worker.opencode.plist")
)


def setting(name: str) -> str:
    """A setting of the unit, which has each once."""
    (value,) = re.findall(rf"(?m)^{name}=(.*)$", UNIT)
    return str(value)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A project in ~/shop, and `wf` in ~/.local/bin."""
    made = Box(tmp_path)
    (made.home / "shop").symlink_to(made.root)
    (made.home / ".local" / "bin").mkdir(parents=True)
    (made.home / ".local" / "bin" / "wf").symlink_to(WF)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize(
    ("unit", "complaint"),
    [
        (UNIT, ""),
        (UNIT.replace("KillMode", "KillMood"), "KillMood"),
        (UNIT.replace("50min", "fifty"), "fifty"),
        (UNIT.replace("%h/.local/bin/wf ", "%h/.local/bin/wolf "), "wolf"),
    ],
)
def test_systemd_has_no_complaint(box: Box, unit: str, complaint: str) -> None:
    folder = box.home / ".config" / "systemd" / "user"
    folder.mkdir(parents=True)
    path = folder / "wf-worker@shell.service"
    path.write_text(unit, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
        env={**box.environ, "XDG_RUNTIME_DIR": str(box.tmp)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if complaint:
        assert complaint in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")


def words_of_unit(box: Box) -> tuple[list[str], str]:
    filled = {name: setting(name).replace("%h", str(box.home)).replace("%i", "shell") for name in
              ("ExecStart", "WorkingDirectory")}  # fmt: skip
    return shlex.split(filled["ExecStart"]), filled["WorkingDirectory"]


def words_of_plist(box: Box) -> tuple[list[str], str]:
    agent = plistlib.loads(PLIST.replace("/Users/me", str(box.home)).encode())
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    return [*(word.replace("opencode", "shell") for word in agent["ProgramArguments"])], agent["WorkingDirectory"]


@pytest.mark.parametrize("words_of", [words_of_unit, words_of_plist])
def test_a_stop_waits_for_the_running_job_and_ends_with_0(box: Box, words_of: object) -> None:
    assert callable(words_of)
    (program, *words), folder = words_of(box)
    assert os.path.realpath(program) == os.path.realpath(WF)
    assert os.path.samefile(folder, box.root)
    box.shell('touch "$N/begun"; until test -e "$N/go"; do sleep 0.05; done')
    (job_id,) = box.enqueue("job")
    worker = box.start(*words)
    box.noted("begun")
    worker.signal(signal.SIGTERM)  # as KillMode=mixed sends it: to the worker alone
    worker.says("draining")
    assert box.status(job_id) is Status.RUNNING
    box.note("go")
    assert worker.ended().code == 0
    assert box.status(job_id) is Status.SUCCEEDED


def test_a_drained_service_is_not_started_again(box: Box) -> None:
    assert setting("Restart") == "on-failure"
    box.shell("true")
    box.enqueue("job")
    (_, *words), _ = words_of_unit(box)
    worker = box.start(*words)
    assert worker.owner
    box.ok("worker", "drain", "all")
    assert worker.ended().code == 0
    again = box.start(*words)
    assert again.ended().code == 0


def test_a_wrong_configuration_is_not_tried_again(box: Box) -> None:
    box.shell("true", lease={"duration": "soon"})
    (_, *words), _ = words_of_unit(box)
    assert str(box.start(*words).ended().code) in setting("RestartPreventExitStatus").split()


def test_the_wait_is_longer_than_an_agent_may_run() -> None:
    from wf_cli.config.model import Timeouts

    (minutes,) = re.findall(r"^(\d+)min$", setting("TimeoutStopSec"))
    agent = plistlib.loads(PLIST.encode())
    longest = Timeouts().max_runtime_s + Timeouts().grace_s
    assert int(minutes) * 60 > longest
    assert agent["ExitTimeOut"] > longest
