"""`wf approve` and `wf reject` are SIGKILLed at each of their steps; dispatchers, people and the same command go on.

The steps are found by a dry run, so a step that is added to the code is covered without editing this file.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from support import children, stage
from support.projects import make_session
from support.scenes import ON, Scene
from wf_cli.app import App
from wf_cli.cli.main import run
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool

CODE, PLAN = "e01-p01-i0-code-plan-coder", "e01-p01-i0-plan-orchestrator"
TODO = "- [ ] [T1] first\n- [ ] [T2] second\n"
COMMANDS = {"approve": ("approve", "01"), "reject": ("reject", "01", "--reason", "T2 needs a test")}


def prepare(root: Path) -> Scene:
    """An epic of one written plan, whose planner has succeeded and which waits for a person."""
    scene = Scene(
        root, epic={"approve": ["plan"]}, mode="distributed", spool={"durability": "none", "topology": "shared"}
    )
    make_session(root)
    scene.plan("01-a", epic="01", todo=TODO)
    scene.epic("01-x", "01-a")
    scene.enqueue(Target("01", 0, "plan", "orchestrator", "01"))
    token = scene.queue.claim("me-box-1", {Pool("orchestrator", "opencode")})
    assert token is not None
    scene.queue.end(token, Ending(End.SUCCEEDED, result={}), by="me-box-1")
    scene.reconcile()
    return scene


def wf(root: str, *words: str) -> int:
    """A command line of its own process, or of a dry run."""
    before = os.getcwd()
    os.chdir(root)
    try:
        return run([*words], {"HOME": root, "PATH": os.environ["PATH"], **ON})
    finally:
        os.chdir(before)


def dispatch(root: str, rounds: int) -> list[str]:
    """What a dispatcher of its own publishes in so many looks."""
    app = App(Path(root), ON)
    dispatcher = app.dispatcher(app.open_spool())
    return [name for _ in range(rounds) for name in dispatcher.reconcile(also=()).published]


def points(command: str) -> list[tuple[str, int]]:
    with tempfile.TemporaryDirectory(prefix="wf-dry-") as folder:
        prepare(Path(folder))
        steps = stage.steps_of(lambda: wf(folder, *COMMANDS[command]))
    assert steps, f"{command} passes no step"
    return steps


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "point" in metafunc.fixturenames:
        metafunc.parametrize(
            ("command", "point"),
            [
                pytest.param(command, point, id=f"{command}-{point[0]}-{point[1]}")
                for command in COMMANDS
                for point in points(command)
            ],
        )


def words_in(root: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((root / "plans" / "01-a" / "state.json").read_text())
    return {key: state[key] for key in ("approvals", "rejected") if key in state}


def waiting(scene: Scene) -> set[str]:
    return {placed.token.job_id for placed in scene.queue.placed() if placed.folder in ("queued", "held")}


def test_a_word_that_was_killed_is_whole_or_not_said_and_can_be_said_again(
    tmp_path: Path, command: str, point: tuple[str, int]
) -> None:
    scene = prepare(tmp_path)
    key, other, job = ("approvals", "rejected", CODE) if command == "approve" else ("rejected", "approvals", PLAN)

    children.run_until_killed(wf, str(tmp_path), *COMMANDS[command], die_at=point)

    said = words_in(tmp_path)
    assert set(said) <= {key}, "a word that nobody has said"
    assert waiting(scene) <= {job}, "a job that nobody has asked for"
    dispatchers = [children.Child(dispatch, str(tmp_path), 3) for _ in range(2)]
    published = [name for child in dispatchers for name in child.result()]
    assert set(published) <= ({CODE} if said and command == "approve" else set()), "without a word nothing is coded"
    assert len(published) <= 1, "two dispatchers published one job"
    if command == "approve" and said:
        assert waiting(scene) == {CODE}, "an approval is acted on, though its command is gone"
    if not waiting(scene):
        (entry,) = scene.reconcile().blocked
        assert entry.needs_help, "a person has to act, and nobody says so"

    refused = waiting(scene) == {PLAN}  # Its planner may have begun to write another text.
    assert children.Child(wf, str(tmp_path), *COMMANDS[command]).result() == (4 if refused else 0)
    assert set(words_in(tmp_path)) == {key}
    assert other not in words_in(tmp_path)
    assert waiting(scene) == {job}
