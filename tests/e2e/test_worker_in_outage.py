"""Real workers while their spool is closed for a moment, or their disk is full."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.box import HANG, Box
from support.hearing import Hearing
from support.outages import lasting
from support.users import Team, User, dismiss, team
from wf_cli.spool import layout, records

AGENT = """
N={notes}; echo x >> "$N/starts.$1"; : > "$N/started.$1"
while [ ! -e "$N/end.$1" ]; do sleep 0.05; done
"""
#: Fills the disk of the spool, and succeeds. The file makes room again when the test removes it.
FILLS = """
echo x >> "$N/starts.$1"
[ "$1" != fills ] || cat /dev/zero > "$N/../disk/filler" 2> /dev/null
: > "$N/full"; exit 0
"""
WAITING, OVER = "waiting until that is over", "the spool can be used again"


@pytest.fixture
def people() -> Iterator[Team]:
    made = team(0o022)
    yield made
    dismiss(made)


@contextmanager
def working(user: User, *words: str) -> Iterator[Hearing]:
    """A worker of ``user``, that is drained at the end of the block and has to end with 0."""
    heard = Hearing(user.start("worker", "--runtime", "shell", *words))
    try:
        yield heard
        heard.process.send_signal(signal.SIGTERM)
        assert heard.process.wait(HANG) == 0, heard.lines
    finally:
        heard.close()


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Nobody but root may use ``folder``, as while its server restarts."""
    mode = folder.stat().st_mode
    folder.chmod(0)
    try:
        yield
    finally:
        folder.chmod(mode)


def set_up(people: Team, *jobs: str, **spool: str) -> tuple[Path, Path]:
    """A runtime of alice whose agents wait for a note; the spool, and the folder of notes."""
    notes, agent = people.alice.home / "notes", people.alice.home / "agent.sh"
    notes.mkdir()
    os.chown(notes, people.alice.uid, people.alice.uid)
    agent.write_text(AGENT.replace("{notes}", str(notes)))
    config = {
        "version": 1, "mode": "distributed", "spool": {"durability": "none", **spool},
        "runtimes": {"shell": {"adapter": "command", "argv": ["sh", str(agent), "{job_id}"]}},
        "routing": {"builder": {"runtime": "shell"}},
    }  # fmt: skip
    (people.project / "wf.config.json").write_text(json.dumps(config))
    for job in jobs:
        people.alice.ok("enqueue", "--role", "builder", "--key", job)
    return people.project / ".wf" / "spool", notes


def wait_for(heard: Hearing, path: Path) -> None:
    heard.until(path.exists, str(path))


def status(root: Path, job_id: str) -> str:
    outcome = records.read_outcome(layout.open_spool(root), job_id, 1)
    return str(outcome.end) if outcome is not None else "none"


def test_a_spool_that_is_closed_for_two_seconds_costs_no_agent_no_result_and_no_worker(people: Team) -> None:
    root, notes = set_up(people, "ends", "goes-on")
    with working(people.alice, "--watch", "--concurrency", "2") as heard:
        for job in ("ends", "goes-on"):
            wait_for(heard, notes / f"started.{job}")
        with closed(root):
            (notes / "end.ends").touch()
            heard.says(WAITING)
            lasting(2)
            refused = people.alice.wf("spool", "ls")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.count("error: ") == 1
        assert f"chmod u+x {root}" in refused.err
        heard.says(OVER)
        heard.until(lambda: status(root, "ends") == "succeeded", "the result of the agent that ended meanwhile")
        (notes / "end.goes-on").touch()
        heard.until(lambda: status(root, "goes-on") == "succeeded", "the result of the agent that went on")
        (notes / "end.later").touch()
        people.alice.ok("enqueue", "--role", "builder", "--key", "later")
        heard.until(lambda: status(root, "later") == "succeeded", "a job that came afterwards")
    (told,) = [line for line in heard.lines if WAITING in line]
    assert f"chmod u+x {root}" in told
    assert (heard.count(OVER), heard.count(" on shell: ")) == (1, 1), heard.lines
    assert [(notes / f"starts.{job}").read_text() for job in ("ends", "goes-on")] == ["x\n", "x\n"]


def test_who_follows_an_epic_or_dispatches_waits_too(people: Team) -> None:
    """The end of a follower drains the workers that it started."""
    alice = people.alice
    root, _ = set_up(people)
    alice.ok("init")
    alice.ok("set-model", "gpt-5.2")
    alice.ok("epic", "create", "Big")
    (folder,) = (people.project / "epics").glob("01-*")
    (folder / "epic.md").write_text("# Epic: Big\n\n## Goal\n\nBe big.\n\n## Scope\n\n- Plan 1: One\n")
    alice.ok("epic", "run", "01")
    for words in (("epic", "run", "01", "--follow"), ("dispatch", "--watch")):
        heard = Hearing(alice.start(*words))
        heard.until(lambda heard=heard: heard.lines, " ".join(words))
        with closed(root):
            heard.says(WAITING)
        heard.says(OVER)
        heard.process.send_signal(signal.SIGINT)
        heard.until(lambda heard=heard: heard.process.poll() is not None, "its end")
        assert heard.process.returncode == 130, heard.lines
        heard.close()
        alice.run("sh", "-c", "cp -r plans/01-* plans/01-again")  # A number of two plans is what dispatch tells of.


def test_a_worker_that_is_stopped_while_the_spool_is_closed_gives_its_job_back(people: Team) -> None:
    """The second signal ends it at once. Another worker ends its attempt, because its process is gone."""
    root, notes = set_up(people, "job")
    heard = Hearing(people.alice.start("worker", "--runtime", "shell", "--watch"))
    wait_for(heard, notes / "started.job")
    with closed(root):
        heard.says(WAITING)
        heard.process.send_signal(signal.SIGTERM)
        heard.says("draining (SIGTERM)")  # Two signals of one number at once are one.
        heard.process.send_signal(signal.SIGTERM)
        code = heard.process.wait(HANG)
        heard.close()
        assert code == 0, heard.lines
    (notes / "end.job").touch()
    with working(people.alice, "--watch") as other:
        other.until(lambda: not list((root / "running").iterdir()), "the end of the attempt")
        other.until(lambda: list((root / "done").iterdir()), "the next attempt")
    assert status(root, "job") == "lost"


@pytest.fixture
def small_disk(box: Box) -> Iterator[Path]:
    """A disk of 24 MiB for the spool. Skips where nothing can be mounted."""
    disk = box.notes.parent / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("SKIPPED, LOUDLY: a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="SKIPPED, LOUDLY: there is no mount")
def test_a_disk_that_an_agent_fills_throws_no_success_away(box: Box, small_disk: Path) -> None:
    """Neither the end nor that the agent is gone can be recorded. The outcome is offered until there is room."""
    root = small_disk / "spool"
    box.shell(FILLS, spool={"dir": str(root)})
    box.ok("enqueue", "--role", "builder", "--key", "fills")
    worker = box.start("worker", "--runtime", "shell", "--watch")
    worker.says(WAITING)
    assert (box.notes / "full").exists()
    assert "make room on that disk" in worker.err
    assert worker.runs
    (small_disk / "filler").unlink()
    worker.says("fills: succeeded")
    worker.says(OVER)
    box.ok("enqueue", "--role", "builder", "--key", "next")
    worker.says("next: succeeded")
    assert worker.stop().code == 0
    assert (status(root, "fills"), (box.notes / "starts.fills").read_text()) == ("succeeded", "x\n")
