"""`wf doctor`: what it finds, what it says about it, and that it changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.few_watches import skip_without_limits, with_limit
from support.mounting import pretend
from support.projects import Cli, make_epic, make_plan, make_session
from support.runs import SUPPORT, request_for
from support.spools import POOL, claim_one, make_spool, request, spool_queue
from wf_cli.assets import sync
from wf_cli.clock import SystemClock
from wf_cli.doctor import Patient, diagnose, dry_call, folder, logins
from wf_cli.doctor.check import Check, Level, error, ok
from wf_cli.mounts import UNTOLD, Mount
from wf_cli.spool import control

CLOCK = SystemClock()
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
    assert "call:cursor" not in details


#: Answers short questions by itself, since Python takes its time.
FAKE = f"""#!/bin/sh
case "$*" in
    --version) echo "${{WF_TEST_VERSION:-2026.09.18-0fa4e11}}"; exit ;;
    status*|"auth list"*)
        echo "$*" >> asked
        [ "$WF_TEST_STATUS" = hang ] && sleep 600
        printf '%s\\n' "$WF_TEST_STATUS"; exit ;;
esac
exec {sys.executable} {SUPPORT / "acp_agent.py"} "$@"
"""


def agents(
    root: Path, told: dict[str, Any] | None = None, *, mode: str = "distributed", **values: Any
) -> dict[str, str]:
    """Cursor's pool is tests/support/acp_agent.py, which behaves as ``told``; the environment for it."""
    path = root / "fake-agent"
    path.write_text(FAKE)
    path.chmod(0o755)
    made = {"cursor": {"adapter": "cursor", "command": ["./fake-agent"]}, "opencode": {"adapter": "scripted"}}
    configure(root, mode=mode, **{"runtimes": made, **values})
    return {
        "WF_FAKE_ACP": json.dumps(told or {}),
        "WF_FAKE_ACP_NOTES": str(root / "notes"),
        "WF_TEST_STATUS": json.dumps({"isAuthenticated": True, "userInfo": {"email": "kay@example.com"}}, indent=2),
        "PYTHONPATH": str(SUPPORT.parent),
        "HOME": str(root),
    }


def of(checks: list[Check], runtime: str = "cursor") -> dict[str, Check]:
    """The checks of one runtime, by what they are about."""
    return {check.name.partition(":")[0]: check for check in checks if check.name.endswith(f":{runtime}")}


def notes(root: Path, what: str) -> list[dict[str, Any]]:
    lines = (root / "notes").read_text().splitlines() if (root / "notes").exists() else []
    return [note for note in map(json.loads, lines) if note["what"] == what]


def asked(root: Path) -> list[str]:
    """The questions about the login."""
    return (root / "asked").read_text().splitlines() if (root / "asked").exists() else []


def running(root: Path) -> list[str]:
    """The commands of processes that this test's doctor has started and left; other test workers have doctors too."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            environ = (process / "environ").read_bytes()
            if b"WF_JOB_TOKEN=doctor." in environ and os.fsencode(root) in environ:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_an_agent_in_order_is_found_explained_known_and_called(root: Path) -> None:
    found = of(look(root, agents(root)))
    assert [*found] == ["runtime", "protocol", "login", "call"]
    assert {check.status for check in found.values()} == {Level.OK}
    assert "version 2026.09.18-0fa4e11; does orchestrator, plan-reviewer" in found["runtime"].detail
    assert found["protocol"].detail.startswith("acp: Cursor's builds from 2026.02.27")
    assert found["login"].detail == "logged in as k***@example.com"
    assert "by Fake 1.0" in found["call"].detail
    assert "the default model (small) of orchestrator, plan-reviewer" in found["call"].detail
    assert len(notes(root, "new")) == 1
    assert notes(root, "prompt") == []
    assert running(root) == []


def test_each_model_of_the_roles_is_tried(root: Path) -> None:
    routing = {"orchestrator": {"model": "small"}, "plan-reviewer": {"model": "huge"}}
    made = {"cursor": {"adapter": "acp", "command": ["./fake-agent"]}, "opencode": {"adapter": "scripted"}}
    checks = look(root, agents(root, runtimes=made, routing=routing))
    calls = [check for check in checks if check.name == "call:cursor"]
    by_status = {check.status: check.detail for check in calls}
    assert "small of orchestrator" in by_status[Level.OK]
    assert "model not found: huge; offered: small, large" in by_status[Level.ERROR]
    assert "routing.plan-reviewer.model" in str(next(check.remedy for check in calls if check.remedy))


@pytest.mark.parametrize(("mode", "status"), [("command", Level.WARN), ("distributed", Level.ERROR)])
def test_nobody_logged_in_matters_as_much_as_the_mode_and_is_not_called(root: Path, mode: str, status: Level) -> None:
    environ = {**agents(root, mode=mode), "WF_TEST_STATUS": "\n  Not logged in\n"}
    found = of(look(root, environ))
    assert (found["login"].status, found["login"].detail) == (status, "not logged in, so it was not called")
    assert found["login"].remedy == "cursor-agent login, or set CURSOR_API_KEY"
    assert "call" not in found
    assert asked(root) == ["status --format json", "status"]


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (" \x1b[32m✓\x1b[0m Logged in as kay@example.com", "logged in as k***@example.com"),
        ('{"isAuthenticated": false}', "not logged in"),
        ("{}", "unknown"),
        ("", "unknown"),
        ('{"isAuthenticated": "perhaps"', "unknown"),
    ],
)
def test_what_cursor_says_about_its_login(root: Path, said: str, known: str) -> None:
    found = of(look(root, {**agents(root), "WF_TEST_STATUS": said}, call=False))
    assert found["login"].detail.startswith(known)
    assert "kay" not in found["login"].detail


def test_a_key_is_enough_and_stays_unsaid(root: Path) -> None:
    secret = "sesame-open-4711"
    found = of(look(root, {**agents(root, {"login": "fails"}), "CURSOR_API_KEY": secret}))
    assert found["login"].detail == "CURSOR_API_KEY is given"
    assert asked(root) == []
    assert notes(root, "authenticate") == []
    assert found["call"].status is Level.ERROR
    assert "CURSOR_API_KEY is given" in str(found["call"].remedy)
    assert not any(secret in f"{check.detail} {check.remedy}" for check in found.values())


def test_an_agent_that_hangs_is_ended_and_says_where(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_call, "LIMIT", 6.0)
    monkeypatch.setattr(logins, "LIMIT", 2.0)
    found = of(look(root, {**agents(root, {"mode": "hang_new"}), "WF_TEST_STATUS": "hang"}))
    assert (found["login"].status, found["call"].status) == (Level.WARN, Level.ERROR)
    assert found["login"].detail == "unknown: cursor-agent status did not end within 2 s"
    assert re.match(r"no answer to (initialize|session/new) within 6 s", found["call"].detail)
    assert running(root) == []


def test_the_last_words_of_an_agent_that_dies_are_shown_without_secrets(root: Path) -> None:
    path = root / "fake-agent"
    environ = {**agents(root), "CURSOR_API_KEY": "sesame-open-4711"}
    path.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo 2026.09.18-abc && exit\n'
        "echo 'TypeError: key sesame-open-4711 is no key' >&2\nexit 3\n"
    )
    found = of(look(root, environ))["call"]
    assert found.status is Level.ERROR
    assert "ended with exit code 3 before it answered initialize" in found.detail
    assert "TypeError: key [redacted] is no key" in found.detail


def test_an_old_build_prints_and_is_not_called(root: Path) -> None:
    environ = {**agents(root), "WF_TEST_VERSION": "2025.11.06-abc"}
    found = of(look(root, environ))
    assert found["protocol"].detail.startswith("print: Cursor's builds before 2026.02.27")
    assert "only --version was asked" in found["call"].detail
    assert notes(root, "start") == []


def test_denials_that_cannot_be_kept_are_named(root: Path) -> None:
    environ = agents(root, permissions={"deny": ["execute:git push*"]})
    assert of(look(root, environ, call=False))["permissions"].status is Level.WARN
    folder = root / ".cursor"
    (folder / "cli-config.json").write_text('{"approvalMode": "allowlist"}')
    assert of(look(root, environ, call=False))["permissions"].status is Level.OK
    (folder / "cli-config.json").write_text('{"approvalMode": "unrestricted"}')
    assert "'unrestricted'" in of(look(root, environ, call=False))["permissions"].detail


def test_denials_that_a_program_cannot_ask_for_are_an_error(root: Path) -> None:
    environ = agents(root, permissions={"deny": ["execute:git push*"]})
    found = of(look(root, {**environ, "WF_TEST_VERSION": "2025.11.06-abc"}))
    assert [*found] == ["runtime", "protocol"]
    assert found["protocol"].status is Level.ERROR


@pytest.mark.parametrize(
    ("runtime", "status", "says"),
    [
        ({"adapter": "acp", "command": ["./fake-agent"]}, Level.WARN, "which wf does not know"),
        ({"adapter": "command", "argv": ["./fake-agent"]}, Level.WARN, "asked for nothing"),
        ({"adapter": "claude", "command": ["./fake-agent"]}, Level.OK, "they become rules of Claude Code"),
        ({"adapter": "gemini", "command": ["./fake-agent"]}, Level.OK, "never before it reads"),
        (
            {"adapter": "opencode", "command": ["./fake-agent"], "protocol": "acp"},
            Level.OK,
            "they become rules of OpenCode",
        ),
    ],
)
def test_every_runtime_says_what_denials_bind(root: Path, runtime: dict[str, Any], status: Level, says: str) -> None:
    made = {"cursor": runtime, "opencode": {"adapter": "scripted"}}
    checks = look(root, agents(root, runtimes=made, permissions={"deny": ["execute:git push*"]}), call=False)
    found = of(checks)["permissions"]
    assert (found.status, says in found.detail) == (status, True), found
    assert of(checks, "opencode")["permissions"].status is Level.OK


def test_any_acp_agent_is_called_and_not_asked_for_its_version(root: Path) -> None:
    made = {"cursor": {"adapter": "acp", "command": ["./fake-agent"]}, "opencode": {"adapter": "scripted"}}
    found = of(look(root, agents(root, runtimes=made)))
    assert [*found] == ["runtime", "protocol", "call"]
    assert "version" not in found["runtime"].detail
    assert found["call"].status is Level.OK


def test_without_calls_no_agent_is_started(root: Path) -> None:
    found = of(look(root, agents(root), call=False))
    assert [*found] == ["runtime", "protocol", "login"]
    assert notes(root, "start") == []


class TestLoginOfOpencode:
    @pytest.mark.parametrize(
        ("version", "said", "known"),
        [
            ("1.18.33", "└  2 credentials\n\n└  1 environment variable", True),
            ("1.18.33", "└  0 credentials", False),
            ("1.18.33", "└  0 credentials\n└  1 environment variable", True),
            ("1.18.33", "what?", None),
            ("1.18.33", "hang", None),
            ("2.0.11", '[{"id": "anthropic", "connections": [{"type": "credential"}]}]', True),
            ("2.0.11", "[]", False),
            ("2.0.11", "No authenticated integrations", None),
        ],
    )
    def test_it_is_counted(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, version: str, said: str, known: bool | None
    ) -> None:
        monkeypatch.setattr(logins, "LIMIT", 2.0 if said == "hang" else 20.0)
        environ = {"PATH": os.environ["PATH"], **agents(root), "WF_TEST_STATUS": said}
        login = logins.of_opencode(
            (str(root / "fake-agent"),), version, request_for(root, "m", environment=environ), CLOCK
        )
        assert login.known is known
        assert running(root) == []
        more = " --standalone --format json" if version.startswith("2") else ""
        assert asked(root) == [f"auth list{more}"]

    def test_an_injected_key_is_one(self, root: Path) -> None:
        for content, known in (({"x": {"options": {"apiKey": "k"}}}, True), ({"x": {"options": {}}}, False)):
            environ = {**agents(root), "OPENCODE_CONFIG_CONTENT": json.dumps({"provider": content})}
            environ["WF_TEST_STATUS"] = "0 credentials"
            request = request_for(root, "m", environment=environ)
            assert logins.of_opencode((str(root / "fake-agent"),), "1.18.33", request, CLOCK).known is known

    def test_without_a_key_models_that_are_offered_are_enough(self, root: Path) -> None:
        environ = {
            **agents(root, routing={"plan-coder": {"model": "large"}, "plan-fixer": {"model": "large"}}),
            "WF_TEST_VERSION": "1.18.33",
            "WF_TEST_STATUS": "0 credentials",
        }
        made = {"cursor": {"adapter": "scripted"}, "opencode": {"adapter": "opencode", "command": ["./fake-agent"]}}
        configure(root, mode="distributed", runtimes=made)
        found = of(look(root, environ), "opencode")
        assert found["login"].status is Level.OK
        assert found["login"].detail.endswith("its session offers 2 model(s) all the same")
        assert of(look(root, environ, call=False), "opencode")["login"].status is Level.ERROR


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
    assert any("w-box-1 is gone (it has no lease) and has 1 job(s): a" in text for text in workers)
    assert any("no worker takes coder@opencode (1 job(s) wait)" in text for text in workers)


@pytest.mark.parametrize(("topology", "status"), [("local", Level.ERROR), ("shared", Level.WARN)])
def test_a_job_that_an_old_listing_may_hide_is_no_error_yet(root: Path, topology: str, status: Level) -> None:
    configure(root, spool={"topology": topology})
    spool = make_spool(root / ".wf" / "spool", topology=topology)
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    (token,) = queue.placed()
    spool.path("queued", token.token.name).unlink()
    found = bad(look(root))["spool-files"]
    assert found.status is status
    assert "1 missing_token" in found.detail
    assert "wf spool verify" in (found.remedy or "")


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
        ("ext4", "local", [error("rename", "two winners", "elsewhere")], (Level.ERROR, "unsuitable")),
        ("nfs4", "shared", [ok("rename", "")], (Level.OK, "shared")),
        ("nfs4", "local", [ok("rename", "")], (Level.ERROR, "shared")),
        ("9p", "shared", [], (Level.OK, "shared")),
        ("fuse.newthing", "shared", [], (Level.WARN, "shared")),
        ("fuse.newthing", "local", [], (Level.ERROR, "shared")),
        ("fuse.s3fs", "shared", [], (Level.ERROR, "unsuitable")),
        (UNTOLD, "local", [], (Level.WARN, "untold")),
    ],
)
def test_the_topology_follows_from_the_kind_of_file_system(
    kind: str, configured: str, checks: list[Check], expected: tuple[Level, str]
) -> None:
    verdict = folder._verdict(Mount("/x", kind), configured, checks)
    assert (verdict.status, verdict.detail.partition(":")[0]) == expected
    assert (verdict.remedy is None) == (verdict.status is Level.OK)


def test_the_probe_looks_into_the_spool_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder above a mount point may be another file system, and its rights may be others."""
    spool = make_spool(root / ".wf" / "spool")
    tried: list[Path] = []
    monkeypatch.setattr(folder, "_PROBES", (("where", lambda scratch: tried.append(scratch) or ()),))
    list(folder.probe(spool.root, "local"))
    assert [path.parent for path in tried] == [spool.root]
    shutil.rmtree(spool.root)
    list(folder.probe(spool.root, "local"))
    assert tried[1].parent == root / ".wf", "where it would be made"


@pytest.mark.parametrize("place", ["network", "synced"])
def test_a_spool_that_could_not_be_made_is_named_before_the_first_job(
    root: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    assert "spool" not in bad(look(root))
    if place == "network":
        pretend(monkeypatch, root, "nfs4")
    else:
        (root / ".stfolder").mkdir()
    found = bad(look(root))["spool"]
    assert found.status is Level.WARN
    assert "none can be made" in found.detail
    assert "wf config set spool." in (found.remedy or "")


def test_a_local_spool_on_a_network_mount_is_named_with_the_line_that_repairs_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_spool(root / ".wf" / "spool")
    pretend(monkeypatch, root, "nfs4")
    found = bad(look(root, fs_probe=True))
    assert "nfs4 at " in found["spool"].detail
    assert "wf config set spool.topology shared" in (found["spool"].remedy or "")
    assert found["topology"].detail.startswith("shared: nfs4 at ")
    assert found["topology"].remedy == "wf config set spool.topology shared"


# -- the command


def test_the_command_ends_with_5_and_one_document(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wf = Cli(root, monkeypatch, capsys)
    document = wf.json("doctor", "--fs-probe", "--no-call")
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


@pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED, LOUDLY: inotify is Linux'")
def test_a_lack_of_watches_is_named_with_the_sysctl_that_repairs_it(root: Path) -> None:
    """Workers looked often instead, or took themselves for watching, and nobody said so."""
    skip_without_limits()
    make_spool(root / ".wf" / "spool")
    assert "wake-ups" not in bad(look(root))
    words = [sys.executable, "-m", "wf_cli", "doctor", "--fs-probe", "--json"]
    done = subprocess.run(with_limit("max_inotify_watches", 1, words), capture_output=True, text=True, check=False)
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    for name in ("wake-ups", "watch-events"):
        assert found[name]["status"] == "warn"
        assert "no inotify watch is left for this user" in found[name]["detail"]
        assert found[name]["remedy"].startswith("sudo sysctl fs.inotify.max_user_watches=")
