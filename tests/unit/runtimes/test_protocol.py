"""Which protocol a runtime is driven by, and what follows from it for a command that prints."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from support.runs import request_for
from support.wait import wait_until
from wf_cli import proc
from wf_cli.errors import ConfigError
from wf_cli.runtimes import program as programs
from wf_cli.runtimes import protocol
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Adapter, CannotStart, RuntimeMissing, RuntimeSettings
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.cursor.events import CursorReader
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter
from wf_cli.runtimes.opencode.events import OpencodeReader
from wf_cli.runtimes.permissions import Permissions

DENIES = Permissions(deny=("execute:git push*",))
Asked = Literal["acp", "print", "auto"]


def settings(
    adapter: str, asked: Asked = "auto", permissions: Permissions | None = None, **facts: Any
) -> RuntimeSettings:
    return RuntimeSettings("x", adapter, protocol=asked, permissions=permissions or Permissions(), **facts)


def program(folder: Path, version: str) -> tuple[str]:
    """A program that says ``version``, and no more."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return (str(path),)


OPENCODE = [
    ("1.18.33", "acp"),
    ("opencode v2.0.11", "acp"),
    ("3.0.0", "acp"),
    ("1.17.9", "print"),
    ("0.20.0", "print"),
    ("", "print"),
    ("dev", "print"),
]
CURSOR = [
    ("2026.09.18-0fa4e11", "acp"),
    ("2026.06.12-01-15-52-7244546", "acp"),
    ("2026.02.27-e7d2ef6", "acp"),
    ("2027.01.02-abc", "acp"),
    ("2026.02.26-abc", "print"),
    ("2025.12.31-abc", "print"),
    ("2026.04.17-787b533", "print"),
    ("", "print"),
    ("cursor 3.1.2", "print"),
]


class TestChoice:
    @pytest.mark.parametrize(("version", "spoken"), OPENCODE)
    def test_opencode_by_its_version(self, version: str, spoken: str) -> None:
        choice = protocol.of_opencode(settings("opencode"), version)
        assert choice.spoken == spoken
        assert choice.why

    @pytest.mark.parametrize(("version", "spoken"), CURSOR)
    def test_cursor_by_the_date_of_its_build(self, version: str, spoken: str) -> None:
        choice = protocol.of_cursor(settings("cursor"), version)
        assert choice.spoken == spoken
        assert choice.why

    @pytest.mark.parametrize("asked", ["acp", "print"])
    def test_what_is_configured_holds_for_every_version(self, asked: Asked) -> None:
        for version, _ in OPENCODE + CURSOR:
            assert protocol.of_opencode(settings("opencode", asked), version).spoken == asked
            assert protocol.of_cursor(settings("cursor", asked), version).spoken == asked

    def test_arguments_of_opencode_run_keep_it_with_run(self) -> None:
        with_arguments = settings("opencode", options={"args": ["--share"]})
        assert protocol.of_opencode(with_arguments, "1.18.33").spoken == "print"
        assert protocol.of_opencode(settings("opencode", options={"args": []}), "1.18.33").spoken == "acp"

    def test_denials_are_never_ignored(self) -> None:
        denying = settings("opencode", permissions=DENIES, options={"args": ["--pure"]})
        assert protocol.of_opencode(denying, "1.18.33").spoken == "acp"
        with pytest.raises(CannotStart, match=r"need ACP, and OpenCode 1\.17 is older"):
            protocol.of_opencode(settings("opencode", permissions=DENIES), "1.17.0")
        with pytest.raises(CannotStart, match="need ACP, and Cursor's builds before"):
            protocol.of_cursor(settings("cursor", permissions=DENIES), "2025.11.06-abc")
        with pytest.raises(ConfigError, match=r"runtimes\.x\.protocol"):
            OpencodeAdapter(settings("opencode", "print", DENIES))
        with pytest.raises(ConfigError, match=r"runtimes\.x\.protocol"):
            CursorAdapter(settings("cursor", "print", DENIES))


@pytest.mark.parametrize(
    ("make", "version", "reader"),
    [
        (OpencodeAdapter, "1.18.33", AcpReader),
        (OpencodeAdapter, "1.17.9", OpencodeReader),
        (OpencodeAdapter, "2.0.11", AcpReader),
        (CursorAdapter, "2026.09.18-0fa4e11", AcpReader),
        (CursorAdapter, "2025.11.06-abc", CursorReader),
        (CursorAdapter, "no build", CursorReader),
    ],
)
def test_launch_and_reader_agree(tmp_path: Path, make: Any, version: str, reader: type) -> None:
    adapter: Adapter = make(settings("any", command=program(tmp_path, version)))
    request = request_for(tmp_path, "m")
    assert isinstance(adapter.reader(request), reader)
    client = "wf_cli.runtimes.acp" in adapter.launch(request).argv
    assert client is (reader is AcpReader)


def test_version_2_of_opencode_has_no_flags_of_acp_and_no_server_to_ask(tmp_path: Path) -> None:
    made = settings("opencode", command=program(tmp_path, "2.0.11"), options={"variant": "high"})
    found = OpencodeAdapter(made).launch(request_for(tmp_path, "m", model="p/m"))
    job = json.loads(found.stdin)
    assert job["command"][1:] == ["acp"]
    assert job["opencode"] is False
    assert job["choose"] == {"model": "p/m", "thought_level": "high"}
    assert "OPENCODE_SERVER_PASSWORD" not in found.environment
    assert found.environment["PWD"] == str(tmp_path)


def test_a_program_that_is_told_to_print_is_not_asked_for_its_build(tmp_path: Path) -> None:
    path = Path(program(tmp_path, "2026.09.18-abc")[0])
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    CursorAdapter(settings("cursor", "print", command=(str(path),))).launch(request_for(tmp_path, "m"))
    assert not (tmp_path / "asked").exists()


def test_opencode_that_prints_and_resumes_is_told_what_is_new(tmp_path: Path) -> None:
    adapter = OpencodeAdapter(settings("opencode", "print", command=program(tmp_path, "1.18.33")))

    def told(**facts: Any) -> bytes:
        return adapter.launch(request_for(tmp_path, "m", prompt="all of it", **facts)).stdin

    assert told(resume="s", resume_prompt="T2 is missing") == b"T2 is missing"
    assert told(resume="s") == b"all of it"
    assert told(resume_prompt="T2 is missing") == b"all of it"


def test_cursor_that_prints_is_told_all_since_it_may_begin_another_chat(tmp_path: Path) -> None:
    request = request_for(tmp_path, "m", prompt="all of it", resume="s", resume_prompt="T2 is missing")
    made = settings("cursor", "print", command=program(tmp_path, "x"))
    assert CursorAdapter(made).launch(request).stdin == b"all of it"
    made = settings("cursor", "print", command=program(tmp_path, "x"), options={"prompt": "argument"})
    assert CursorAdapter(made).launch(request).argv[-1] == "all of it"


def test_a_version_that_never_comes_is_no_version_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "VERSION_LIMIT", 0.5)
    path = Path(program(tmp_path, "")[0])
    path.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    with pytest.raises(RuntimeMissing, match="timed out"):
        programs.version([str(path)], environment={"PATH": "/usr/bin:/bin"})
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not proc.alive(child, None))
