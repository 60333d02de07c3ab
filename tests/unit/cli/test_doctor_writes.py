"""`wf doctor` tries what has to be written, and sees what a merge left behind; each finding has a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.projects import make_epic, make_plan, make_session
from support.spools import make_spool
from support.trespass import trespasses
from wf_cli.assets import sync
from wf_cli.clock import SystemClock
from wf_cli.doctor import Patient, diagnose, writing
from wf_cli.doctor.check import Check, Level

#: Root may write anything; without these capabilities its user id counts.
AS_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--inh-caps=-all"]
STARTS = (
    "wf ", "sudo ", "chmod ", "git ", "rm ", "printf ", "${EDITOR:-vi} ", "as ", "ls ", "npm ",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("WF_DISTRIBUTED", "WF_SPOOL", "WF_ROOT"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    make_session(tmp_path)
    sync.init(tmp_path)
    agent = {"adapter": "command", "argv": ["sh"]}
    text = json.dumps({"version": 1, "runtimes": {"cursor": agent, "opencode": agent}})
    (tmp_path / "wf.config.json").write_text(text)
    make_plan(tmp_path)
    make_epic(tmp_path)
    make_spool(tmp_path / ".wf" / "spool")
    (tmp_path / ".wf" / "locks").mkdir()
    (tmp_path / ".wf" / "locks" / ".gitignore").write_text("*\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def closed(root: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder or file of the project that its user may not write."""
    path = root / request.param
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    yield path
    path.chmod(mode)


def findings(root: Path) -> list[dict[str, Any]]:
    """What `wf doctor` of a user without special rights says is not ok."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, or a user that is not root")
    before = AS_USER if os.geteuid() == 0 else []
    words = [*before, sys.executable, "-m", "wf_cli", "doctor", "--no-call", "--json"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    checks = json.loads(done.stdout)["checks"]
    return [check for check in checks if check["status"] != "ok"]


PLACES = [
    ".wf/spool", ".wf/spool/queued", ".wf/spool/log", ".wf/locks", "plans", "plans/01-a", "plans/01-a/state.json",
    "epics/01-big", ".cursor/session",
]  # fmt: skip


@pytest.mark.parametrize("closed", PLACES, indirect=True)
def test_what_cannot_be_written_is_an_error_with_the_command_that_repairs_it(root: Path, closed: Path) -> None:
    (found,) = [check for check in findings(root) if check["name"] == "write"]
    assert found["status"] == "error"
    assert str(closed) in found["detail"]
    assert found["remedy"].startswith("chmod -R u+rwX ")


def look(root: Path) -> list[Check]:
    return list(diagnose(Patient(root, {"PATH": os.environ["PATH"]}, SystemClock()), call=False))


def named(checks: list[Check], name: str) -> list[Check]:
    return [check for check in checks if check.name == name and check.status is not Level.OK]


def test_the_attempt_to_write_leaves_nothing(root: Path) -> None:
    def files() -> dict[str, bytes | None]:
        return {str(path): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}

    before = files()
    found = look(root)
    assert files() == before
    assert next(check for check in found if check.name == "write").status is Level.OK


MARKERS = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other\n"


@pytest.mark.parametrize(
    "name", ["plans/01-a/state.json", "plans/01-a/todo.md", "epics/01-big/epic.md", "epics/01-big/state.json",
             "wf.config.yaml", ".cursor/session/state.json"]
)  # fmt: skip
def test_conflict_markers_are_an_error_with_the_line(root: Path, name: str) -> None:
    if name == "wf.config.yaml":
        (root / "wf.config.json").unlink()
    (root / name).write_text(f"one\ntwo\n{MARKERS}")
    (found,) = named(look(root), "conflicts")
    assert found.detail.startswith(f"{name}:3: ")
    assert found.remedy == f"${{EDITOR:-vi}} {name}"


def test_markers_of_an_example_in_a_fence_are_text(root: Path) -> None:
    (root / "plans/01-a/plan.md").write_text(f"# Plan\n\n```\n{MARKERS}```\n\nA heading\n=======\n")
    assert named(look(root), "conflicts") == []


def test_while_the_merge_goes_on_the_command_is_gits(root: Path) -> None:
    def git(*words: str) -> int:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        return subprocess.run(["git", *who, *words], cwd=root, capture_output=True, check=False).returncode

    todo = root / "plans" / "01-a" / "todo.md"
    for branch, text in (("base", "a\n"), ("ours", "b\n"), ("theirs", "c\n")):
        git("checkout", "-q", "-b", branch, *(["base"] if branch != "base" else []))
        todo.write_text(text)
        git("add", "-f", str(todo))
        git("commit", "-q", "-m", branch)
    assert git("merge", "ours") == 1
    (found,) = named(look(root), "conflicts")
    assert found.remedy == "git mergetool -- plans/01-a/todo.md"


def test_each_finding_of_a_project_in_disorder_has_a_command(root: Path) -> None:
    shutil.copytree(root / "plans/01-a", root / "plans/01-b")
    (root / ".cursor/session/state.json").write_text("{")
    (root / ".wf/distributed").mkdir()
    (root / ".wf/distributed/queue.db").write_text("")
    (root / "plans/01-a/state.json.wf-lock").mkdir()
    (root / "epics/01-big/state.json").write_text(f"{MARKERS}")
    (root / ".wf/spool/jobs/stray").write_text("")
    (root / "wf.config.json").write_text(
        '{"version": 1, "runtimes": {"cursor": {"adapter": "command", "argv": ["wf-no-such"]}}}'
    )
    found = [check for check in look(root) if check.status is not Level.OK]
    assert len({check.name for check in found}) > 5
    without = [check for check in found if not any(start in str(check.remedy) for start in STARTS)]
    assert without == []


def test_a_lock_that_is_a_link_is_not_opened_where_it_leads(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "diary").write_text("dear diary")
    spool = make_spool(tmp_path / ".wf" / "spool")
    spool.path("locks", "job.lock").symlink_to(private / "diary")
    with trespasses(private) as watch:
        list(writing.look(tmp_path, spool.root))
        assert watch.seen() == []
