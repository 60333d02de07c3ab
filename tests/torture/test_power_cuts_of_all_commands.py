"""The power fails at every change that real commands and a real worker make on a disk; a fresh session recovers.

The commands run once, on a disk that notes its changes (`support.recording_disk`). What was left after a cut at any
of them is computed (`support.power_disk`), laid out, and recovered. What is promised, on a file system with a journal
and on one without (docs/explanation/spool-protocol.md, "After a power cut"):

- A job that a command enqueued is there, and so is the outcome of an attempt that a command saw end.
- An attempt whose agent had started is not given out again under the same number.
- What the name of a token says (held, its pool, its time, its priority) is kept, except where renames are torn.
- The repaired spool is sound.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support.beds import is_mounted
from support.clock import FakeClock
from support.power_disk import CUTS, Change, Cut, Tree, read_log, survivors
from support.spools import spool_queue, tokens_on_disk
from support.wait import wait_until
from wf_cli.contract.token import Placed
from wf_cli.errors import SpoolMissing, WfError
from wf_cli.spool import enqueue, layout, verify
from wf_cli.spool.layout import Spool

pytestmark = [
    pytest.mark.torture,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="SKIPPED, LOUDLY: no /dev/fuse for the disk"),
]

#: What is lost by chance is drawn anew for each seed.
SEEDS = int(os.environ.get("WF_TORTURE_SEEDS", "10"))
SPOOL = ("project", ".wf", "spool")
TESTS = Path(__file__).parents[1]

#: Its first words are the folder of the evidence, the job and the attempt.
AGENT = """
: > "$1/start.$2.$3"
case $2 in
fail*) [ "$3" -gt 1 ] || exit 1 ;;
slow*) [ "$3" -gt 1 ] || sleep 60 ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the commands had told when so many changes were made."""

    done: int
    #: Where each job was.
    placed: dict[str, Placed]
    #: The outcomes, by the names of their files.
    outcomes: dict[str, bytes]


@dataclass
class History:
    """What happened on the disk, and what was promised when."""

    changes: list[Change]
    moments: list[Moment] = field(default_factory=list)
    #: By job, after how many changes which attempt had started its agent.
    starts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


class Stage:
    """A recording disk with a project on it, on which commands run one after the other."""

    def __init__(self, folder: Path):
        self.backing, self.mount, self._log = folder / "backing", folder / "disk", folder / "changes"
        for path in (self.backing, self.mount):
            path.mkdir()
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        server = [sys.executable, str(TESTS / "support" / "recording_disk.py")]
        self._server = subprocess.Popen([*server, str(self.backing), str(self.mount), str(self._log)])
        wait_until(self._is_up, what="the recording disk")
        self._marks = itertools.count()
        self._seen: list[tuple[dict[str, Placed], dict[str, bytes]]] = []
        for name in ("project", "evidence", "marks"):
            (self.mount / name).mkdir()
        (self.mount / "project" / ".git").mkdir()
        agent = folder / "agent.sh"
        agent.write_text(AGENT)
        configuration = {
            "version": 1,
            "mode": "distributed",
            "runtimes": {
                "shell": {
                    "adapter": "command",
                    "argv": ["sh", str(agent), str(self.mount / "evidence"), "{job_id}", "{attempt}"],
                }
            },
            "routing": {"builder": {"runtime": "shell"}, "slow-builder": {"runtime": "shell"}},
            "retry": {"max_attempts": 3},
        }
        (self.mount / "project" / "wf.config.json").write_text(json.dumps(configuration))
        subprocess.run(["sync", str(self.mount), *map(str, sorted(self.mount.rglob("*")))], check=True)

    def _is_up(self) -> bool:
        assert self._server.poll() is None, "the recording disk ended"
        return is_mounted(self.mount)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command in the project."""
        return subprocess.Popen(
            ["wf", *words], cwd=self.mount / "project", env=self._environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str) -> None:
        """Run a command to its end, and note what is promised from then on."""
        process = self.start(*words)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
        self.promise()

    def promise(self) -> None:
        """Note what the spool holds now, as something that was told."""
        spool = self.backing.joinpath(*SPOOL)
        placed = {one.token.job_id: one for one in tokens_on_disk(layout.open_spool(spool))}
        outcomes = {path.name: path.read_bytes() for path in (spool / "outcomes").iterdir()}
        self._seen.append((placed, outcomes))
        (self.mount / "marks" / str(next(self._marks))).touch()

    def started(self, job_id: str, attempt: int) -> None:
        """Wait until the agent of an attempt has started."""
        wait_until(
            lambda: (self.backing / "evidence" / f"start.{job_id}.{attempt}").exists(), what=f"{job_id}'s agent"
        )

    def close(self) -> None:
        subprocess.run(["umount", str(self.mount)], check=False, stderr=subprocess.DEVNULL)
        if is_mounted(self.mount):
            subprocess.run(["umount", "-l", str(self.mount)], check=False)
        self._server.wait(30)

    def history(self) -> History:
        """All of it, once the disk is unmounted."""
        history = History(read_log(self._log))
        folders: dict[int, str] = {}
        for done, change in enumerate(history.changes, 1):
            if change[0] != "create":
                continue
            _, folder, name, number, kind = change
            if kind == "folder":
                folders[number] = name
            elif folders.get(folder) == "marks":
                history.moments.append(Moment(done, *self._seen[int(name)]))
            elif folders.get(folder) == "evidence":
                _, job_id, attempt = name.split(".")
                history.starts.setdefault(job_id, []).append((done, int(attempt)))
        return history


def commands(stage: Stage) -> None:
    """What a day brings. Each command is one moment after which its effect is promised."""
    for key, *more in (
        ("first",), ("fail-1",), ("held",), ("unwanted",), ("urgent", "--priority", "0"), ("later", "--in", "2h"),
    ):  # fmt: skip
        stage.run("enqueue", "--role", "builder", "--key", key, *more)
    stage.run("enqueue", "--role", "slow-builder", "--key", "slow")
    stage.run("hold", "held")
    stage.run("cancel", "unwanted")
    stage.run("worker", "builder", "--runtime", "shell", "--once", "--max-jobs", "2")
    # A worker and its launcher are killed while an agent works.
    worker = stage.start("worker", "slow-builder", "--runtime", "shell", "--watch")
    stage.started("slow", 1)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.communicate()
    stage.promise()
    stage.run("release", "held")
    stage.run("worker", "--runtime", "shell", "--once")
    stage.run("retry", "first", "--force")
    stage.run("cancel", "first")
    stage.run("retry", "unwanted", "--in", "1h")
    stage.run("enqueue", "--role", "builder", "--key", "last")
    stage.run("worker", "builder", "--runtime", "shell", "--once")
    stage.run("spool", "gc", "--older", "0s")
    stage.run("spool", "verify", "--fix")


@pytest.fixture(scope="module")
def history() -> Iterator[History]:
    pytest.importorskip("mfusepy", reason="SKIPPED, LOUDLY: mfusepy is not installed (make torture installs it)")
    with tempfile.TemporaryDirectory(prefix="wf-power-") as folder:
        stage = Stage(Path(folder))
        try:
            commands(stage)
        finally:
            stage.close()
        yield stage.history()


def recovered(tree: Tree, root: Path) -> Spool | None:
    """The spool after the power came back, and a session had begun; None where no spool was promised yet."""
    if not tree.folder(*SPOOL):
        return None
    tree.lay_out(root, *SPOOL)
    try:
        spool = layout.open_spool(root)
    except SpoolMissing:
        return None
    clock = FakeClock()
    clock.advance(86400)
    verify.repair(spool)
    enqueue.sweep(spool)
    spool_queue(spool, clock).reap(lambda _owner: "seen dead", by="rescuer-box-1")
    assert verify.verify(spool, clock) == []
    return spool


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_what_was_told_outlives_a_power_cut_at_any_change(
    tmp_path: Path, history: History, cut: Cut, request: pytest.FixtureRequest
) -> None:
    seeds = SEEDS if cut.lose == "some" else 1
    for seed in range(seeds):
        for done, tree in survivors(history.changes, cut, seed):
            root = tmp_path / "spool"
            try:
                assert_kept(history, done, recovered(tree, root), names=not cut.torn)
            except Exception as error:
                change = history.changes[done - 1]
                raise AssertionError(f"{cut}, seed {seed}, after change {done}, {change[:6]}: {error}") from error
            shutil.rmtree(root, ignore_errors=True)
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{cut}: {seeds * len(history.changes)} cuts, nothing lost or doubled")


def assert_kept(history: History, done: int, spool: Spool | None, *, names: bool) -> None:
    """Everything that was promised before change ``done`` holds in the recovered spool."""
    told = [moment for moment in history.moments if moment.done <= done]
    if not told:
        return
    assert spool is not None, "the spool is lost"
    now = {placed.token.job_id: placed for placed in tokens_on_disk(spool)}
    before, after = told[-1], history.moments[min(len(told), len(history.moments) - 1)]
    assert before.placed.keys() <= now.keys(), f"lost: {before.placed.keys() - now.keys()}"
    for name, content in before.outcomes.items():
        assert spool.path("outcomes", name).read_bytes() == content, f"outcome {name}"
    for job_id, starts in history.starts.items():
        attempt = max((attempt for at, attempt in starts if at <= done), default=0)
        assert not attempt or now[job_id].token.attempt >= attempt, f"attempt {attempt} of {job_id} may start again"
    for job_id, placed in before.placed.items():
        if names and placed == after.placed[job_id] and placed.folder not in ("claimed", "running"):
            assert now[job_id] == placed, f"{job_id} was {placed}"


def test_the_check_can_fail(tmp_path: Path, history: History) -> None:
    """Without the syncs, the same commands lose what they told."""
    lazy = [change for change in history.changes if change[0] != "sync"]
    lost = 0
    # Each moment is told by its mark, so it is looked up in the list that has fewer changes.
    told = [
        replace(moment, done=sum(change[0] != "sync" for change in history.changes[: moment.done]))
        for moment in history.moments
    ]
    without = History(lazy, told, {})
    for done, tree in survivors(lazy, Cut(journal=True, lose="some"), 0):
        if done % 7 == 0:
            try:
                assert_kept(without, done, recovered(tree, tmp_path / "spool"), names=True)
            except (AssertionError, OSError, WfError):
                lost += 1
            shutil.rmtree(tmp_path / "spool", ignore_errors=True)
    assert lost > 5
