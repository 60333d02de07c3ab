"""`wf doctor`: what it finds, what it says about it, and that it changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic, make_plan, make_session
from support.spools import POOL, claim_one, make_spool, request, spool_queue
from wf_cli.assets import sync
from wf_cli.clock import SystemClock
from wf_cli.diagnosis import Patient, diagnose, folder
from wf_cli.diagnosis.check import Check, Level, error, ok
from wf_cli.spool import control

#: A name no program has.
MISSING = "wf-test-no-such-program"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in order: a repository, templates, a session; agents that are found."""
    for name in ("WF_DISTRIBUTED", "WF_SPOOL", "WF_ROOT"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    make_session(tmp_path)
    sync.init(tmp_path)
    configure(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(root: Path, **values: Any) -> None:
    agent = {"adapter": "command", "argv": ["sh"]}
    text = json.dumps({"version": 1, "runtimes": {"cursor": agent, "opencode": agent}, **values})
    (root / "wf.config.json").write_text(text)


def look(root: Path, environ: dict[str, str] | None = None, **options: bool) -> list[Check]:
    given = {"PATH": os.environ["PATH"], **(environ or {})}
    return list(diagnose(Patient(root, given, SystemClock()), **options))


def bad(checks: list[Check]) -> dict[str, Check]:
    """What is not ok, by name."""
    return {check.name: check for check in checks if check.status is not Level.OK}


def tree(root: Path) -> Iterator[tuple[str, bytes | None]]:
    for path in sorted(root.rglob("*")):
        if ".git" not in path.relative_to(root).parts[:1]:
            yield str(path.relative_to(root)), path.read_bytes() if path.is_file() else None


def test_a_project_in_order_has_no_findings(root: Path) -> None:
    assert bad(look(root, fs_probe=True)) == {}


def test_looking_changes_nothing(root: Path) -> None:
    make_plan(root)
    make_spool(root / ".wf" / "spool")
    (root / "plans" / "01-a" / "state.json.wf-lock").mkdir()
    before = dict(tree(root))
    look(root, fs_probe=True)
    assert dict(tree(root)) == before


def test_an_empty_folder_gets_advice_and_no_files(tmp_path: Path) -> None:
    found = bad(look(tmp_path))
    assert {name for name, check in found.items() if check.status is Level.ERROR} == set()
    assert found["templates"].remedy == "wf init"
    assert os.listdir(tmp_path) == []


def test_agents_that_would_stop_an_epic_are_errors_once_there_are_epics(root: Path) -> None:
    (root / ".cursor" / "agents" / "plan-coder.md").unlink()
    assert bad(look(root))["agents"].status is Level.WARN
    make_epic(root)
    found = bad(look(root))["agents"]
    assert found.status is Level.ERROR
    assert "plan-coder.md" in found.detail


@pytest.mark.parametrize(
    ("model", "status"), [("unset", Level.WARN), ("gpt-5", Level.WARN), ("mine", Level.WARN), ("gpt-5.2", Level.OK)]
)
def test_the_session_is_judged(root: Path, model: str, status: Level) -> None:
    path = root / ".cursor" / "session" / "state.json"
    path.write_text(json.dumps({"model": model, "capabilities": ["coding"], "locked": False}))
    (check,) = [check for check in look(root) if check.name == "session"]
    assert check.status is status
    path.write_text("{")
    assert bad(look(root))["session"].status is Level.ERROR


def test_problems_of_the_configuration_come_with_their_places(root: Path) -> None:
    configure(root, retry={"max_attempts": 0}, bogus=1)
    errors = [check.detail for check in look(root) if check.name == "config"]
    assert any("bogus" in text for text in errors)
    assert any("retry.max_attempts" in text for text in errors)
    assert "spool" in bad(look(root))  # not looked at


# -- leftovers


def test_fix_removes_empty_old_locks_only(root: Path) -> None:
    make_plan(root)
    make_epic(root)
    old, young, full = (root / path for path in ("plans/01-a/state.json.wf-lock", "epics/x.wf-lock", ".wf/y.wf-lock"))
    for path in (old, young, full):
        path.mkdir()
    (full / "somebody").touch()
    for path in (old, full):
        os.utime(path, (0, 0))
    assert "3 lock folder(s)" in bad(look(root))["leftovers"].detail
    found = look(root, fix=True)
    assert [old.exists(), young.exists(), full.exists()] == [False, True, True]
    assert "removed: plans/01-a/state.json.wf-lock" in next(c for c in found if c.name == "leftovers").detail
    assert "2 lock folder(s)" in bad(found)["leftovers"].detail


def test_the_older_queue_is_named_and_kept(root: Path) -> None:
    path = root / ".wf" / "distributed" / "queue.db"
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3\0")
    found = bad(look(root, fix=True))["leftovers"]
    assert "not carried over" in found.detail
    assert found.remedy is not None
    assert "wf epic run" in found.remedy
    assert path.read_bytes() == b"SQLite format 3\0"


# -- git


def test_a_spool_in_version_control_is_an_error(root: Path) -> None:
    spool = make_spool(root / ".wf" / "spool")
    subprocess.run(["git", "add", "-f", str(spool.root / "VERSION")], cwd=root, check=True)
    assert bad(look(root))["git"].status is Level.ERROR


def test_what_is_not_ignored_is_named(root: Path) -> None:
    make_spool(root / ".wf" / "spool")
    (root / ".wf" / "spool" / ".gitignore").unlink()
    assert "not ignored: .wf/spool" in bad(look(root))["git"].detail
    (root / ".gitignore").write_text(".wf/spool/\n")
    assert "git" not in bad(look(root))


def test_a_folder_outside_any_repository_is_worth_a_warning(tmp_path: Path) -> None:
    assert bad(look(tmp_path))["git"].status is Level.WARN


# -- runtimes


@pytest.mark.parametrize(("mode", "status"), [("command", Level.WARN), ("distributed", Level.ERROR)])
def test_a_missing_program_matters_as_much_as_the_mode(root: Path, mode: str, status: Level) -> None:
    configure(root, mode=mode, runtimes={"opencode": {"adapter": "opencode", "command": [MISSING]}})
    found = bad(look(root))["runtime:opencode"]
    assert found.status is status
    assert "plan-coder" in found.detail
    assert found.remedy is not None
    assert "npm i -g opencode-ai" in found.remedy


def test_versions_are_asked_of_known_agents_only(root: Path) -> None:
    program = root / "agent"
    program.write_text('#!/bin/sh\necho "1.2.3"\necho run >> ran\n')
    program.chmod(0o755)
    known = {"adapter": "opencode", "command": ["./agent"]}
    configure(root, runtimes={"opencode": known, "cursor": {"adapter": "command", "argv": ["./agent"]}})
    details = {check.name: check.detail for check in look(root)}
    assert "version 1.2.3" in details["runtime:opencode"]
    assert "version 1.2.3" not in details["runtime:cursor"]


# -- the spool


def test_the_spools_state_is_told(root: Path) -> None:
    spool = make_spool(root / ".wf" / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    queue.enqueue(request("b"))
    claim_one(queue, "w-box-1", POOL)
    control.request(spool, "pause", SystemClock(), reason="lunch")
    control.request(spool, "drain.opencode", SystemClock())
    (spool.root / "queued" / "stranger").touch()
    found = [check for check in look(root) if check.status is not Level.OK]
    texts = {check.name: check.detail for check in found}
    stops = [check.detail for check in found if check.name == "claims"]
    assert "lunch" in stops[0]
    assert "opencode were asked to drain" in stops[1]
    assert "1 foreign_file; the first: queued/stranger" in texts["spool-files"]
    workers = [check.detail for check in found if check.name == "workers"]
    assert any("w-box-1 is gone and has 1 job(s)" in text for text in workers)
    assert any("1 job(s) wait for opencode" in text for text in workers)


def test_a_spool_of_another_format_is_an_error_and_no_crash(root: Path) -> None:
    spool = make_spool(root / ".wf" / "spool")
    version = spool.root / "VERSION"
    version.write_text(json.dumps({**json.loads(version.read_text()), "format": 99}))
    assert "format 99" in bad(look(root))["spool"].detail


def test_a_topology_that_the_spool_was_not_made_with_is_named(root: Path) -> None:
    make_spool(root / ".wf" / "spool")
    configure(root, spool={"topology": "shared"})
    assert "wf.config says topology shared" in bad(look(root))["spool"].detail


# -- the probe


def test_the_probe_says_what_it_proved(root: Path) -> None:
    checks = {check.name: check for check in folder.probe(root / ".wf" / "spool", "local")}
    assert checks["topology"].detail.startswith("local: ")
    assert {"rename", "O_EXCL", "hard-links", "flock", "mtime", "fsync", "watch-events", "synced-folder"} < set(
        checks
    )


def test_a_synced_folder_is_unsuitable(root: Path) -> None:
    (root / ".stfolder").mkdir()
    checks = {check.name: check for check in folder.probe(root / ".wf" / "spool", "local")}
    assert ".stfolder" in checks["spool"].detail
    assert checks["topology"].detail.startswith("unsuitable: ")
    assert not list(root.rglob(".wf-probe-*"))


@pytest.mark.parametrize(
    ("kind", "configured", "checks", "expected"),
    [
        ("ext4", "local", [], (Level.OK, "local")),
        ("ext4", "shared", [], (Level.OK, "local")),
        ("ext4", "local", [error("rename", "two winners")], (Level.ERROR, "unsuitable")),
        ("nfs4", "shared", [ok("rename", "")], (Level.OK, "shared")),
        ("nfs4", "local", [ok("rename", "")], (Level.ERROR, "shared")),
        ("9p", "shared", [], (Level.WARN, "shared")),
        ("fuse.s3fs", "shared", [], (Level.ERROR, "unsuitable")),
    ],
)
def test_the_topology_follows_from_the_kind_of_file_system(
    kind: str, configured: str, checks: list[Check], expected: tuple[Level, str]
) -> None:
    verdict = folder._verdict(folder.Mount("/x", kind), configured, checks)
    assert (verdict.status, verdict.detail.partition(":")[0]) == expected
    assert (verdict.remedy is None) == (verdict.status is not Level.ERROR)


def test_the_deepest_mount_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = os.path.realpath(tmp_path)
    mounts = [("/", "ext4"), (real, "tmpfs"), (f"{real}/a b", "nfs4"), (f"{real}/a", "xfs"), (real, "btrfs")]
    monkeypatch.setattr(folder, "_mounts", lambda: iter(mounts))
    kinds = [folder.mount_of(tmp_path / name).type for name in ("a/x", "a b/c", "other", "ab")]
    assert kinds == ["xfs", "nfs4", "btrfs", "btrfs"]


# -- the command


def test_the_command_ends_with_5_and_one_document(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wf = Cli(root, monkeypatch, capsys)
    document = wf.json("doctor", "--fs-probe")
    assert (document["ok"], document["schema_version"], document["topology"]) == (True, 1, "local")
    assert {"name", "status", "detail", "remedy"} == set(document["checks"][0])
    configure(root, mode="nonsense")
    code, out, err = wf("doctor", "--json")
    document = json.loads(out)
    assert (code, err, document["ok"], document["error"], document["errors"]) == (5, "", False, "UNHEALTHY", 1)
    code, out, err = wf("doctor")
    assert code == 5
    assert "error  config" in out
    assert "mode" in err


def test_secrets_are_masked(root: Path) -> None:
    secret = "sk-very-secret-value"
    configure(root, mode=secret)
    details = " ".join(check.detail for check in look(root, {"CURSOR_API_KEY": secret}))
    assert "mode" in details
    assert secret not in details
