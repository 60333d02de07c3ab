"""A spool that has lost an empty folder, as copies and backups of files leave it, or its VERSION."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.projects import Cli
from wf_cli.app import App
from wf_cli.spool.layout import ADDED_FOLDERS, FOLDERS

#: The folders that are empty while a job waits that nobody has worked on.
EMPTY = [name for name in FOLDERS if name not in {*ADDED_FOLDERS, "jobs", "queued", "locks", "log"}]
COMMANDS = (
    ("spool", "ls"),
    ("spool", "show", "a"),
    ("enqueue", "--role", "builder", "--key", "b"),
    ("hold", "a"),
    ("release", "a"),
    ("explain", "a"),
    ("worker", "ls"),
    ("spool", "gc"),
    ("dispatch",),
    ("dead", "ls"),
    ("late", "ls"),
)


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    cli = Cli(tmp_path, monkeypatch, capsys)
    configuration = {
        "version": 1,
        "mode": "distributed",
        "runtimes": {"shell": {"adapter": "command", "argv": ["true"]}},
        "routing": {"builder": {"runtime": "shell"}},
    }
    (tmp_path / "wf.config.json").write_text(json.dumps(configuration))
    cli.json("enqueue", "--role", "builder", "--key", "a")
    return cli


@pytest.mark.parametrize("lost", EMPTY)
def test_every_command_works_or_names_the_command_that_makes_a_lost_folder_again(wf: Cli, lost: str) -> None:
    folder = wf.root / ".wf" / "spool" / lost
    folder.rmdir()
    for words in COMMANDS:
        code, _, said = wf(*words)
        not_held = words[0] == "release" and "it is queued, not held" in said  # The hold before was refused.
        assert code == 0 or "wf spool verify --fix" in said or not_held, (words, said)
        assert "Traceback" not in said
        shutil.rmtree(folder, ignore_errors=True)
    code, out, _ = wf("spool", "verify")
    assert (code, "missing_folder" in out) == (5, True)
    assert wf("spool", "verify", "--fix")[0] == 0
    assert folder.is_dir()
    assert wf("spool", "verify")[0] == 0
    assert wf.json("spool", "show", "a")["status"] in ("queued", "held")


@pytest.mark.parametrize("lost", EMPTY)
def test_a_worker_makes_a_lost_folder_again_at_its_start(wf: Cli, lost: str) -> None:
    (wf.root / ".wf" / "spool" / lost).rmdir()
    code, _, said = wf("worker", "--once", "--runtime", "shell")
    assert (code, wf.json("spool", "show", "a")["status"]) == (0, "succeeded"), said
    assert wf("spool", "verify")[0] == 0


def test_a_spool_without_its_version_is_not_taken_for_none(wf: Cli) -> None:
    version = wf.root / ".wf" / "spool" / "VERSION"
    version.unlink()
    for words in (*COMMANDS, ("worker", "--once", "--runtime", "shell"), ("spool", "verify")):
        code, _, said = wf(*words)
        assert code == 1, words
        assert "its VERSION is gone" in said
        assert "wf spool verify --fix" in said
    assert not version.exists()
    code, _, said = wf("spool", "verify", "--fix")
    assert (code, "made VERSION" in said) == (0, True)
    assert wf("worker", "--once", "--runtime", "shell")[0] == 0
    assert wf.json("spool", "show", "a")["status"] == "succeeded"


def test_a_folder_without_jobs_becomes_a_spool(wf: Cli) -> None:
    """Its creator may be at work just now, or have died there."""
    root = wf.root / ".wf" / "spool"
    for path in [root / "VERSION", *(root / "jobs").iterdir(), *(root / "queued").iterdir()]:
        path.unlink()
    assert wf("spool", "ls")[0] == 0
    assert wf("spool", "verify", "--fix")[0] == 3
    assert App(wf.root, {}).create_spool().root == root


@pytest.mark.parametrize(
    "words", [("trace", "a", "--format", "html", "--output"), ("stats", "--openmetrics")], ids=["trace", "stats"]
)
def test_a_file_that_cannot_be_written_is_named_as_it_was_asked_for(wf: Cli, words: tuple[str, ...]) -> None:
    """The folder is nobody's spool, so `spool verify` would not make it."""
    path = wf.root / "not there" / "page"
    code, _, said = wf(*words, str(path))
    assert code == 1
    assert f"error: {path}: No such file or directory" in said
    assert f"mkdir -p '{path.parent}'" in said
