"""A fault comes over a real worker with real agents, lasts for a while, and goes.

The table says how each fault is made and what the worker calls it. One scenario drives all of them: an agent ends
while the fault lasts, another goes on, and a job becomes ready. Of each is asserted that

- it is said once, with what repairs it, and so is its end;
- the worker does not run in circles: its system calls are counted;
- no result is lost and nothing is run twice;
- the work goes on once the fault is over.

Two users with different umasks are in ``tests/e2e/test_umasks.py``, power cuts in ``tests/torture``, kills in
``tests/crash`` and ``tests/soak``, outages that refuse (EACCES) in ``tests/e2e/test_worker_in_outage.py``.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.box import HANG, Box
from support.few_watches import skip_without_limits, with_limit
from support.hearing import Hearing
from support.outages import lasting
from support.running import WF
from support.wait import wait_until
from wf_cli.contract.job import End

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED, LOUDLY: the faults are made with what Linux has"),
]

AGENT = 'echo x >> "$N/starts.$1"; : > "$N/started.$1.$2"; while [ ! -e "$N/end.$1" ]; do sleep 0.05; done\n'
UNDER_FAULTS = Path(__file__).parents[1] / "support" / "wf_under_faults.py"
#: Seconds for which system calls are counted while the fault lasts.
WINDOW = 3.0
#: System calls in a second that a worker and what it starts may make in a fault. One that is idle makes some 200, one
#: whose clock jumps and who starts an agent some 2,000, one that runs in a circle 50,000.
CALLS = 6000
#: Of the lines that a worker says, those that tell of a trouble or of its end.
TROUBLE = re.compile(
    "waiting until|claiming nothing|trying again|going on|claiming again|run jobs again|are free on|cannot"
)


@dataclass
class Stage:
    """A project with a worker in it. Its ``.wf`` is a small disk of its own where the fault needs one."""

    box: Box
    folder: Path
    worker: Hearing = field(init=False)

    @property
    def spool_root(self) -> Path:
        return self.box.spool_root

    def start(self, *words: str, made_up: bool = False) -> Hearing:
        """A worker. ``made_up`` for the faults that no system makes on demand."""
        wf = [sys.executable, "-P", str(UNDER_FAULTS), str(self.folder)] if made_up else [WF]
        return self.hear([*wf, "worker", "--runtime", "shell", *words])

    def hear(self, command: list[str]) -> Hearing:
        return Hearing(
            subprocess.Popen(
                command,
                cwd=self.box.root,
                env=self.box.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def started(self, job_id: str) -> None:
        path = self.box.notes / f"started.{job_id}.1"
        self.worker.until(path.exists, str(path))

    def calls(self, seconds: float) -> int | None:
        """How many system calls the worker makes in a second now; None without strace."""
        if shutil.which("strace") is None:
            lasting(seconds)
            return None
        table = self.folder / "calls"
        words = ["strace", "-f", "-c", "-o", str(table), "-p", str(self.worker.process.pid)]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        with tracer.stderr:
            if "attached" not in tracer.stderr.readline():
                tracer.wait(HANG)
                lasting(seconds)
                return None
            began = time.monotonic()
            lasting(seconds)
            took = time.monotonic() - began
            tracer.send_signal(signal.SIGINT)
            tracer.wait(HANG)
        (total,) = [line for line in table.read_text().splitlines() if line.endswith(" total")]
        return round(int(total.split()[-3 if len(total.split()) > 5 else -2]) / took)


Fault = Callable[[Stage], AbstractContextManager[None]]


@contextmanager
def full_disk(stage: Stage) -> Iterator[None]:
    filler = stage.spool_root.parent / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65536))
    try:
        yield
    finally:
        filler.unlink()


def failing(code: str, what: str = "writes", where: str = ".wf/spool") -> Fault:
    @contextmanager
    def fault(stage: Stage) -> Iterator[None]:
        part = stage.folder / ".errno"
        part.write_text(f"{code} {what} {stage.box.root / where}")
        part.rename(stage.folder / "errno")
        try:
            yield
        finally:
            (stage.folder / "errno").unlink()

    return fault


@contextmanager
def no_descriptors(stage: Stage) -> Iterator[None]:
    pid = stage.worker.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def clock_step(seconds: float) -> Fault:
    @contextmanager
    def fault(stage: Stage) -> Iterator[None]:
        part = stage.folder / ".clock"
        part.write_text(str(seconds))
        part.rename(stage.folder / "clock")
        yield  # A clock that was set stays so.

    return fault


@dataclass(frozen=True)
class Row:
    """One fault: what makes it, what is said of it, and of its end. Nothing is said of a fault that harms nothing."""

    name: str
    fault: Fault
    told: str = ""
    remedy: str = ""
    over: str = ""
    #: It needs a mount of its own.
    mounts: bool = False
    #: It is made inside the worker, by `support/wf_under_faults.py`.
    made_up: bool = False


_OVER = "the spool can be used again; going on"
_DISK = "look at the disk or the mount"
ROWS = [
    Row("ENOSPC", full_disk, "No space left on device|KiB are free", "make room|are free", _OVER, mounts=True),
    # No command mounts a disk read-only under files that are open for writing. The kernel does, after an error.
    Row("EROFS", failing("EROFS"), "Read-only file system", "mount it for writing", _OVER, made_up=True),
    Row("EDQUOT", failing("EDQUOT"), "Disk quota exceeded", "make room on that disk", _OVER, made_up=True),
    Row("EIO", failing("EIO"), "Input/output error", _DISK, _OVER, made_up=True),
    Row("EIO-of-all", failing("EIO", "all"), "Input/output error", _DISK, _OVER, made_up=True),
    Row("ESTALE", failing("ESTALE", "all"), "Stale file handle", _DISK, _OVER, made_up=True),
    Row("EMFILE", no_descriptors, "Too many open files", "ulimit -n", _OVER),
    Row("clock-forward", clock_step(3600), made_up=True),
    Row("clock-back", clock_step(-3600), made_up=True),
]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with contextlib.closing(Box(tmp_path)) as made:
        yield made


@pytest.fixture
def stage(box: Box, request: pytest.FixtureRequest) -> Iterator[Stage]:
    folder, disk = box.notes.parent / "stage", box.root / ".wf"
    folder.mkdir()
    disk.mkdir()
    row = request.node.callspec.params.get("row") if hasattr(request.node, "callspec") else None
    if row is not None and row.mounts:
        words = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("SKIPPED, LOUDLY: a small disk cannot be mounted here")
    made = Stage(box, folder)
    box.shell(AGENT)
    try:
        yield made
    finally:
        if hasattr(made, "worker"):
            made.worker.close()
        if row is not None and row.mounts:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


def spool_of(stage: Stage) -> dict[str, list[End]]:
    """The endings of each job, by its accepted outcomes."""
    from wf_cli.spool import layout, records

    spool = layout.open_spool(stage.spool_root)
    found: dict[str, list[End]] = {}
    for path in sorted(spool.folder("outcomes").glob("*.json")):
        job_id, number, _ = path.name.split(".", 2)
        outcome = records.read_outcome(spool, job_id, int(number.removeprefix("a")))
        if outcome is not None:
            found.setdefault(job_id, []).append(outcome.end)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_fault_is_said_once_and_costs_nothing(stage: Stage, row: Row) -> None:
    box = stage.box
    jobs = ["ends", "goes-on", "waits", "later"]
    box.enqueue("ends", "goes-on")
    stage.worker = heard = stage.start("--watch", "--concurrency", "3", made_up=row.made_up)
    for job in ("ends", "goes-on"):
        stage.started(job)
    idle = stage.calls(1.0)
    box.ok("enqueue", "--role", "builder", "--key", "waits", "--in", "2s")
    for job in ("waits", "later"):
        box.note(f"end.{job}")
    with row.fault(stage):
        box.note("end.ends")
        if row.told:
            heard.until(lambda: any(re.search(row.told, line) for line in heard.lines), row.told)
        calls = stage.calls(WINDOW)
    if row.over:
        heard.until(lambda: any(re.search(row.over, line) for line in heard.lines), row.over)
    box.note("end.goes-on")
    box.ok("enqueue", "--role", "builder", "--key", "later")
    done = {job: [End.SUCCEEDED] for job in jobs}
    heard.until(lambda: spool_of(stage) == done, "all results")
    heard.process.send_signal(signal.SIGTERM)
    assert heard.process.wait(HANG) == 0, heard.lines
    assert {job: (box.notes / f"starts.{job}").read_text() for job in jobs} == dict.fromkeys(jobs, "x\n")
    box.assert_sound()
    said = [line.split(" ", 1)[1] for line in heard.lines if TROUBLE.search(line)]
    print(f"{row.name}: {calls} system calls a second, {idle} without it; said {said}")
    assert calls is None or calls < CALLS, said
    if row.told:
        assert sum(bool(re.search(row.told, line)) for line in said) <= 2, said
        assert any(re.search(row.remedy, line) for line in said), said
    else:
        assert said == []
    assert [line for line, times in Counter(said).items() if times > 1] == [], said


@pytest.mark.skipif(
    os.environ.get("WF_FAULTS") != "all", reason="more than a minute for each: make faults FAULTS=all"
)
@pytest.mark.parametrize("what", ["ENOSPC writes", "EIO all", "EROFS writes"])
@pytest.mark.parametrize("where", ["plans", "."], ids=["plans", "project"])
def test_a_fault_of_the_project_s_disk_delays_a_plan_and_costs_it_no_attempt(
    stage: Stage, where: str, what: str
) -> None:
    """The opening of a job writes its plan's state. A job that cannot be opened goes back for half a minute."""
    box = stage.box
    box.ok("init")
    box.ok("set-model", "gpt-5.2")
    box.plan_agents()
    box.ok("epic", "run", box.epic("One"))
    command = [sys.executable, "-P", str(UNDER_FAULTS), str(stage.folder), "worker", "--watch", "--runtime"]
    stage.worker = planner = stage.hear([*command, "cursor"])
    coder = stage.hear([*command, "opencode"])
    try:
        planner.says("plan-orchestrator: succeeded")
        with failing(*what.split(), where)(stage):
            lasting(WINDOW)
        wait_until(lambda: box.phase("01") == "completed", 2 * HANG, "the plan's end")
        for heard in (planner, coder):
            heard.process.send_signal(signal.SIGTERM)
            assert heard.process.wait(HANG) == 0, heard.lines
    finally:
        coder.close()
    for job_id, placed in box.tokens().items():
        outcomes = box.outcomes(job_id)
        assert [o.end for o in outcomes.values()].count(End.SUCCEEDED) == 1, outcomes
        assert placed.token.burned == 0, outcomes
    for heard in (planner, coder):
        said = [line.split(" ", 1)[1] for line in heard.lines if TROUBLE.search(line)]
        assert [line for line, times in Counter(said).items() if times > 1] == [], heard.lines
    box.assert_sound()


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_pause_holds_for_its_time_for_workers_whose_clock_is_an_hour_off(stage: Stage, step: int) -> None:
    """Ahead, it stopped nothing. Behind, a worker that started in it waited for an hour."""
    box = stage.box
    box.note("end.job")
    box.enqueue("job")
    with clock_step(step)(stage):
        box.ok("pause", "--for", "10s", "--reason", "lunch")
        stage.worker = heard = stage.start("--watch", made_up=True)
        heard.says("the spool is paused until")
        assert not (box.notes / "starts.job").exists()
        heard.says("job: succeeded")
    said = [line for line in heard.lines if "paused" in line or "going on" in line]
    assert len(said) == 2, heard.lines
    assert said[0].endswith(": lunch")
    assert said[1].endswith("going on")


def test_a_lack_of_inotify_watches_is_said_once_and_costs_no_job(stage: Stage) -> None:
    skip_without_limits()
    box = stage.box
    box.note("end.first")
    box.enqueue("first")
    command = with_limit("max_inotify_watches", 2, [WF, "worker", "--runtime", "shell", "--watch"])
    stage.worker = heard = stage.hear(command)
    heard.says("first: succeeded")
    for job in ("second", "third"):
        box.note(f"end.{job}")
        box.ok("enqueue", "--role", "builder", "--key", job)
        heard.says(f"{job}: succeeded")
    calls = stage.calls(WINDOW)
    heard.process.send_signal(signal.SIGTERM)
    assert heard.process.wait(HANG) == 0, heard.lines
    assert calls is None or calls < CALLS
    (told,) = [line for line in heard.lines if "watch" in line]
    assert "cannot watch done, dead of the spool" in told
    assert "sudo sysctl fs.inotify.max_user_watches=" in told
    box.assert_sound()


def remove(box: Box) -> None:
    shutil.rmtree(box.spool_root)


def clean(box: Box) -> None:
    subprocess.run(["git", "init", "-q"], cwd=box.root, check=True)
    # A worker that writes while git removes leaves a folder that is not empty: a person runs the command again.
    wait_until(lambda: git_cleans(box), HANG, "git clean")


def git_cleans(box: Box) -> bool:
    done = subprocess.run(["git", "clean", "-fdxq", ".wf"], cwd=box.root, capture_output=True, check=False)
    return done.returncode == 0 and not box.spool_root.exists()


@pytest.mark.parametrize("take", [remove, clean], ids=["rm-r", "git-clean"])
def test_a_spool_that_is_deleted_under_running_workers_ends_them_and_is_not_made_again(
    stage: Stage, take: Callable[[Box], None]
) -> None:
    """Each worker says so and leaves, with its agents. The next spool is a new one."""
    box = stage.box
    box.enqueue("one", "two")
    workers = [stage.start("--watch"), stage.start("--watch")]
    try:
        for job in ("one", "two"):
            wait_until((box.notes / f"started.{job}.1").exists, HANG, job)
        take(box)
        for heard in workers:
            heard.until(lambda heard=heard: heard.process.poll() is not None, "its end")
            heard.close()
            assert heard.process.returncode not in (0, -signal.SIGKILL), heard.lines
            assert not any("Traceback" in line for line in heard.lines), heard.lines
            said = [
                line for line in heard.lines if re.search("somebody removed|is gone|no spool|is not the spool", line)
            ]
            # The error and, by the look that met it first, a hint that says so as well.
            assert 1 <= len(said) <= 2, heard.lines
            assert [line.startswith("error: ") for line in said].count(True) == 1, heard.lines
        assert not box.spool_root.exists(), sorted(box.spool_root.rglob("*"))
        box.await_empty()
    finally:
        for heard in workers:
            heard.close()
    box.note("end.again")
    box.enqueue("again")
    stage.worker = heard = stage.start("--watch")
    heard.says("again: succeeded")
    box.assert_sound()
