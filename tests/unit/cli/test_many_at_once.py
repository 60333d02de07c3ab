"""Commands that change many jobs: how often they list directories, and what Ctrl-C leaves and says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.projects import Cli
from support.round_trips import counted
from support.spools import SUCCESS, failing, make_spool, run_one, spool_queue, state
from wf_cli.clock import SystemClock
from wf_cli.contract.token import Placed, Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import scan

MANY = 30


class Project:
    """A project whose spool has many jobs of one kind."""

    def __init__(self, cli: Cli, topology: str):
        self.cli = cli
        self.spool = make_spool(cli.root / ".wf" / "spool", topology=topology)
        self.queue = spool_queue(self.spool, SystemClock())
        self.queue.enqueue_many([JobRequest("linter", "shell", key=f"job-{n:03d}") for n in range(MANY)])

    def end_all(self, how: Any) -> None:
        for _ in range(MANY):
            self.queue.end(run_one(self.queue, "w-box-1", Pool("linter", "shell")), how, by="w-box-1")


@pytest.fixture(params=["local", "shared"])
def project(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    for name in [name for name in os.environ if name.startswith("WF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    return Project(Cli(tmp_path, monkeypatch, capsys), request.param)


def nothing(_: Project) -> None:
    pass


def held(project: Project) -> None:
    for placed in scan.everything(project.spool):
        project.queue.hold(placed.token.job_id)


def cancelled(project: Project) -> None:
    for placed in scan.everything(project.spool):
        project.queue.cancel(placed.token.job_id, by="op-box-1")


def dead(project: Project) -> None:
    project.end_all(failing("invalid_spec"))


def delayed(project: Project) -> None:
    dead(project)
    for placed in scan.everything(project.spool):
        project.queue.retry(placed.token.job_id, delay_s=3600)


def done(project: Project) -> None:
    project.end_all(SUCCESS)


COMMANDS: list[tuple[Callable[[Project], None], tuple[str, ...], str, str]] = [
    (nothing, ("hold", "--role", "linter"), "held", "held"),
    (held, ("release", "--role", "linter"), "released", "queued"),
    (nothing, ("cancel", "--role", "linter"), "cancelled", "done"),
    (cancelled, ("retry", "--status", "cancelled"), "retried", "queued"),
    (dead, ("retry", "--role", "linter"), "retried", "queued"),
    (dead, ("dead", "redrive", "--all"), "retried", "queued"),
    (delayed, ("retry", "--now", "--all"), "retried", "queued"),
    (dead, ("dead", "purge", "--all"), "purged", "archive"),
    (done, ("spool", "purge", "--role", "linter"), "purged", ""),
    (cancelled, ("spool", "purge", "--role", "linter"), "purged", ""),
]


@pytest.mark.parametrize(("before", "words", "verb", "folder"), COMMANDS, ids=[" ".join(c[1]) for c in COMMANDS])
def test_no_directory_is_listed_for_each_job(
    project: Project, before: Callable[[Project], None], words: tuple[str, ...], verb: str, folder: str
) -> None:
    before(project)
    with counted(project.spool.root) as trips:
        code, out, err = project.cli(*words, "--json")
    assert code == 0, out + err
    assert len(json.loads(out)[verb]) == MANY
    listings = [call for call in trips.calls if call.startswith(("listdir", "scandir"))]
    assert len(listings) < MANY, "so many for the command, and none for each job"
    folders = {where.partition("/")[0] for where in state(project.queue).values()}
    assert folders == ({folder} if folder else set())


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_says_what_was_done_and_the_rest_is_as_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    real = SpoolQueue.hold
    names: list[str] = []

    def hold(self: SpoolQueue, job_id: str, *, reason: str | None = None, seen: Placed | None = None) -> bool:
        names.append(job_id)
        if len(names) == 4:
            raise KeyboardInterrupt
        return real(self, job_id, reason=reason, seen=seen)

    monkeypatch.setattr(SpoolQueue, "hold", hold)
    code, out, err = project.cli("hold", "--all", *(["--json"] if as_json else []))
    assert code == 130
    folders = [where.partition("/")[0] for where in state(project.queue).values()]
    assert (folders.count("held"), folders.count("queued")) == (3, MANY - 3)
    if as_json:
        told = json.loads(out)
        assert (told["ok"], told["error"], len(told["held"]), told["left"]) == (False, "BROKEN_OFF", 3, MANY - 3)
    else:
        assert out.splitlines() == [f"{job_id} held" for job_id in names[:3]]
        assert f"broken off: 3 job(s) held, {MANY - 3} left as they were" in err


def test_a_job_that_moved_after_the_listing_is_changed_where_it_is(tmp_path: Path) -> None:
    queue = spool_queue(make_spool(tmp_path / "spool"), FakeClock())
    queue.enqueue_many([JobRequest("linter", "shell", key="a")])
    (seen,) = scan.everything(queue.spool)
    assert queue.hold("a", seen=seen)
    assert not queue.hold("a", seen=seen), "it is held already"
    assert queue.unhold("a", seen=seen), "seen queued before, and held now"
    assert str(queue.cancel("a", by="op-box-1", seen=Placed("held", seen.token))) == "waiting"
    assert queue.retry("a", seen=seen)
