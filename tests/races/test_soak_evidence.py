"""The soak's evidence can tell what it is for: a second start, a living predecessor, and an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.soak import AGENT
from support.wait import wait_until


class Scene:
    """A folder of evidence, and agents of the job ``stubborn-1``, which ignores SIGTERM."""

    def __init__(self, root: Path):
        self.root = root
        self.processes: list[subprocess.Popen[bytes]] = []
        (root / "agent.sh").write_text(f"EVIDENCE={root}\n{AGENT}", encoding="utf-8")

    def start(self, job: str, attempt: int) -> subprocess.Popen[bytes]:
        (self.root / job).mkdir(exist_ok=True)
        before = len(self.seen(job, "start", "double"))
        words = ["sh", str(self.root / "agent.sh"), job, str(attempt)]
        self.processes.append(subprocess.Popen(words, start_new_session=True))
        wait_until(lambda: len(self.seen(job, "start", "double")) > before, what="its start")
        return self.processes[-1]

    def seen(self, job: str, *kinds: str) -> list[str]:
        return sorted(name for name in os.listdir(self.root / job) if name.startswith(tuple(f"{k}." for k in kinds)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    for path in tmp_path.glob("*/child.*"):
        _kill(int(path.read_text().split()[0]))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_an_agent_by_itself_leaves_its_start_and_its_end(scene: Scene) -> None:
    assert scene.start("quick-1", 1).wait(60) == 0
    assert scene.seen("quick-1", "start", "end", "double", "together") == ["end.1", "start.1"]


def test_a_second_start_of_an_attempt_is_seen(scene: Scene) -> None:
    scene.start("quick-1", 1)
    scene.start("quick-1", 1)
    assert len(scene.seen("quick-1", "double")) == 1


def test_a_living_agent_of_another_attempt_is_seen_and_a_dead_one_is_not(scene: Scene) -> None:
    first = scene.start("stubborn-1", 1)
    second = scene.start("stubborn-1", 2)
    wait_until(lambda: scene.seen("stubborn-1", "together"), what="the meeting")
    for process in (first, second):
        process.kill()
        process.wait()
    assert scene.start("stubborn-1", 3).wait(60) == 0
    assert scene.seen("stubborn-1", "together") == ["together.2.with.start.1"]


def test_a_child_that_outlives_its_agent_is_seen(scene: Scene) -> None:
    assert scene.start("child-1", 1).wait(60) == 0
    scene.start("child-1", 2)
    wait_until(lambda: scene.seen("child-1", "together"), what="the meeting")
    assert scene.seen("child-1", "together") == ["together.2.with.child.1"]


def test_an_agent_that_was_told_to_end_has_not_finished(scene: Scene) -> None:
    agent = scene.start("stubborn-1", 1)
    os.kill(agent.pid, signal.SIGTERM)
    assert agent.wait(60) == 0
    assert scene.seen("stubborn-1", "end", "told") == ["told.1"]
