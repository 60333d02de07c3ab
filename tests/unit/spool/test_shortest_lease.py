"""A shared lease on a network mount is longer than its caches are slow; who asks for less is told so."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.mounting import pretend
from support.projects import Cli, make_session
from support.spools import make_spool
from wf_cli.app import App
from wf_cli.clock import SystemClock
from wf_cli.config.model import LEASE_S
from wf_cli.doctor import Patient, diagnose
from wf_cli.doctor.check import Level
from wf_cli.errors import ConfigError, UsageError
from wf_cli.filesystems import TYPES, Kind, shortest_lease_s
from wf_cli.mounts import Mount
from wf_cli.spool import lease, session, shortest_lease
from wf_cli.spool.liveness import Observer, Verdict

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mount table of Linux")

AGENT = {"adapter": "command", "argv": ["sh"]}


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    for name in ("WF_SPOOL", "WF_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    (tmp_path / ".wf").mkdir()
    make_session(tmp_path)
    return Cli(tmp_path, monkeypatch, capsys)


def configure(root: Path, duration: str | None, topology: str = "shared") -> None:
    value: dict[str, Any] = {
        "version": 1,
        "mode": "distributed",
        "spool": {"topology": topology},
        "runtimes": {"opencode": AGENT, "cursor": AGENT},
    }
    if duration is not None:
        value["lease"] = {"duration": duration}
    (root / "wf.config.json").write_text(json.dumps(value))


def test_the_default_lease_is_long_enough_on_every_mount_with_its_usual_options() -> None:
    network = {name: row for name, row in TYPES.items() if row.kind is Kind.NETWORK}
    assert max(shortest_lease_s(Mount("/x", name, "srv:/x")) for name in network) <= LEASE_S["shared"]


def test_20_s_are_too_short_on_every_network_mount() -> None:
    network = {name: row for name, row in TYPES.items() if row.kind is Kind.NETWORK}
    assert min(shortest_lease_s(Mount("/x", name, "srv:/x", ("noac",))) for name in network) > 20


@pytest.mark.parametrize("exists", [False, True])
def test_a_short_lease_is_refused_by_check_worker_and_doctor_with_the_reason(
    wf: Cli, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    configure(wf.root, "20s")
    if exists:
        make_spool(wf.root / ".wf" / "spool", topology="shared")
    pretend(monkeypatch, wf.root, "nfs4", options="rw,vers=4.2,acregmax=15,acdirmax=20")
    code, _, err = wf("config", "check")
    assert code == 2
    assert "wf.config.json" in err
    assert "lease.duration: a lease of 20 s is too short on a network file system (nfs4 at " in err
    assert "may be 20 s old" in err
    assert "wf config set lease.duration 60s" in err
    if exists:
        code, _, err = wf("worker", "--runtime", "opencode")
        assert code == 2
        assert "a lease of 20 s is too short" in err
        assert "wf config set lease.duration 60s" in err
    found = [check for check in diagnose(Patient(wf.root, dict(os.environ), SystemClock()), call=False)
             if check.name == "config"]  # fmt: skip
    assert [check.status for check in found] == [Level.ERROR]
    assert "a lease of 20 s is too short" in found[0].detail
    assert wf("config", "set", "lease.duration", "60s")[0] == 0
    assert wf("config", "check")[0] == 0


def test_a_short_lease_of_the_command_line_is_refused(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(wf.root, None)
    make_spool(wf.root / ".wf" / "spool", topology="shared")
    pretend(monkeypatch, wf.root, "fuse.sshfs")
    code, _, err = wf("worker", "--runtime", "opencode", "--lease", "59s")
    assert code == 2
    assert "at least 60 s" in err
    assert wf("worker", "--runtime", "opencode", "--lease", "60s")[0] == 0
    assert wf("worker", "--runtime", "opencode")[0] == 0, "the default is long enough"


def test_a_session_of_an_editor_has_the_same_bound(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(wf.root, "30s")
    spool = make_spool(wf.root / ".wf" / "spool", topology="shared")
    pretend(monkeypatch, wf.root, "nfs")
    app = App(wf.root, dict(os.environ))
    with pytest.raises(ConfigError, match="at least 180 s") as caught:
        app.lease_seconds(spool, ())
    assert caught.value.code == "LEASE_TOO_SHORT"
    assert "actimeo" in (caught.value.hint or "")
    with pytest.raises(UsageError):
        app.lease_seconds(spool, (), 20.0)
    assert app.lease_seconds(spool, (), 180.0) == 180.0


@pytest.mark.parametrize("kind", [None, "ext4", "overlay"])
def test_a_shared_spool_on_a_local_file_system_takes_short_leases(
    wf: Cli, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    configure(wf.root, "3s")
    make_spool(wf.root / ".wf" / "spool", topology="shared")
    if kind is not None:
        pretend(monkeypatch, wf.root, kind)
    assert wf("config", "check")[0] == 0
    assert wf("worker", "--runtime", "opencode")[0] == 0


def test_a_default_that_is_too_short_for_a_mount_with_slow_caches_is_a_problem_too(
    wf: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(wf.root, None)
    pretend(monkeypatch, wf.root, "nfs4", options="rw,acregmax=600,acdirmax=600")
    code, _, err = wf("config", "check")
    assert code == 2
    assert "wf config set lease.duration 1800s" in err


def test_an_observer_waits_as_long_as_its_own_mount_needs_whatever_the_owner_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner may see the spool freshly, or be of an older wf, and state a short lease."""
    spool = make_spool(tmp_path / "spool", topology="shared")
    record = session.this_process("w-box-1", "opencode", 20.0, 0)
    session.SessionFile(spool, replace(record, boot_id="another-host"))
    lease.path_of(spool, "w-box-1").write_text("marker")
    pretend(monkeypatch, spool.root, "nfs4")
    assert shortest_lease.seconds(spool) == 180.0
    clock = FakeClock()
    observer = Observer(spool, clock)
    observer.verdict("w-box-1")
    for _ in range(17):
        clock.advance(10)
        assert observer.verdict("w-box-1") is Verdict.ALIVE
    clock.advance(10)
    assert observer.verdict("w-box-1") is Verdict.EXPIRED
