"""The forked commands and workers of a `Box` do what the installed `wf` does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support import fork_server, quick_wf
from support.box import Box, Running
from support.running import WF
from support.wait import wait_until
from wf_cli import proc
from wf_cli.contract.lifecycle import Status

COMMANDS = [
    ("--help",),
    ("no-such-command",),
    ("spool", "ls", "--json"),
    ("spool", "ls", "--no-such-option"),
    ("context", "01", "--json"),
    ("todo", "implemented", "01", "T9", "--json"),
    ("finish-code", "01", "--json"),
    ("verify", "01"),
    ("events", "--json"),
    ("retry", "no-such-job"),
    ("config", "show", "--origin"),
    ("enqueue", "--from", "-"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_forked_command_says_and_returns_what_the_installed_one_does(project: Box, words: tuple[str, ...]) -> None:
    project.configure()
    project.ok("plan", "parser")
    forked, installed = project.wf(*words, stdin="{"), project.installed(*words, stdin="{")
    assert forked.code == installed.code
    assert (known(forked.out), known(forked.err)) == (known(installed.out), known(installed.err))


def test_a_quick_command_of_a_script_does_what_the_installed_one_does(project: Box, tmp_path: Path) -> None:
    project.configure()
    quick_wf.install(str(tmp_path), WF)
    script = "umask 027; echo { | wf enqueue --from -; echo $?; wf plan P; echo $?; wf epic list >&-; echo $?"
    found = []
    for folder in (tmp_path, Path(WF).parent):
        environ = {
            **project.environ,
            "PATH": f"{folder}{os.pathsep}{project.environ['PATH']}",
            quick_wf.SERVER: fork_server.server().path,
        }
        words = ["sh", "-c", script]
        found.append(
            subprocess.run(words, cwd=project.root, env=environ, capture_output=True, text=True, check=False)
        )
    quick, installed = found
    assert known(quick.stderr) == known(installed.stderr)
    assert quick.stdout.replace("01", "02") == installed.stdout
    modes = {folder.name: folder.stat().st_mode for folder in (project.root / "plans").iterdir()}
    assert modes["01-p"] == modes["02-p"]


def known(text: str) -> str:
    """Without what two runs of one command do not share."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?|\b\d{8,}\b", "<time>", text)


def test_a_forked_command_has_its_own_directory_and_environment(box: Box) -> None:
    box.shell('echo "$PWD $HOME $LANG ${WF_TEST_WORD-unset}" > "$N/where.$1"')
    box.enqueue("one")
    box.ok("worker", "--runtime", "shell", "--once", env={"WF_TEST_WORD": "first"})
    box.enqueue("two")
    box.ok("worker", "--runtime", "shell", "--once", env={"HOME": "/nowhere"})
    assert box.noted("where.one").split() == [str(box.root), str(box.home), "C.UTF-8", "first"]
    assert box.noted("where.two").split() == [str(box.root), "/nowhere", "C.UTF-8", "unset"]


def test_a_server_that_a_test_has_ended_is_made_again(box: Box) -> None:
    """Tests of `proc.kill_tree` end everything below the process of the tests."""
    server = fork_server.server()
    proc.kill_tree([os.getpid()], grace_s=0)
    assert server.has_ended
    assert box.ok("--version").out.startswith("wf ")


def test_a_forked_command_that_hangs_is_ended(box: Box) -> None:
    box.shell("exit 0")
    box.enqueue("one")
    with pytest.raises(TimeoutError):
        box.wf("worker", "--runtime", "shell", "--watch", deadline_s=0.5)
    box.await_empty()


# -- what goes on by itself

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is the installed wf")
SLOW = ': > "$N/began.$1.$2"; while [ ! -e "$N/end" ]; do sleep 0.02; done\n'


def seen(pid: int, changing: str = "") -> dict[str, object]:
    """What other processes see of it, and what signals do to it, without the words that fit ``changing``."""
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    changing = rf"\d+|job-[ab]|{changing}"
    kept = ("Umask", "Uid", "Gid", "Groups", "Threads", "SigBlk", "SigIgn", "SigCgt", "CapEff", "NoNewPrivs")
    environ = (folder / "environ").read_text().split("\0")
    return {
        **{name: status[name] for name in kept},
        "session and group": [os.getsid(pid) == pid, os.getpgid(pid) == pid],
        "terminal": (folder / "stat").read_text().rpartition(")")[2].split()[4],
        "environment": sorted(re.sub(r"\b0\d-\w+|p0\d-|WF_JOB_TOKEN=.*", "", text) for text in environ if text),
        "directory": os.readlink(folder / "cwd"),
        "streams": [known_stream(folder / "fd" / str(number)) for number in range(3)],
        "descriptors": sorted(re.sub(changing, "", os.readlink(path)) for path in (folder / "fd").iterdir()),
        "limits": (folder / "limits").read_text(),
        "niceness and oom": [os.getpriority(os.PRIO_PROCESS, pid), (folder / "oom_score_adj").read_text()],
    }


def known_stream(fd: Path) -> tuple[str, str]:
    info = (fd.parent.parent / "fdinfo" / fd.name).read_text()
    return re.sub(r"\d+", "N", os.readlink(fd)), info[info.index("flags:") :].splitlines()[0]


def started(box: Box, job_id: str, *, forks: bool) -> Running:
    """A worker that waits for the agent of this new job."""
    box.enqueue(job_id)
    box.forks = forks
    worker = box.worker()
    box.noted(f"began.{job_id}.1")
    return worker


@ON_LINUX
def test_a_forked_worker_is_seen_as_a_started_one(box: Box) -> None:
    box.shell(SLOW)
    installed, forked = started(box, "job-a", forks=False), started(box, "job-b", forks=True)
    assert {installed.pid, forked.pid} <= {process.pid for process in box.processes()}

    def difference() -> list[tuple[object, object]]:
        one, other = (seen(worker.pid, worker.owner) for worker in (installed, forked))
        return [(one[name], other[name]) for name in one if one[name] != other[name]]

    wait_until(lambda: not difference(), what=f"the same to be seen of both, unlike {difference()}")
    box.note("end")
    assert [worker.stop().code for worker in (installed, forked)] == [0, 0]


@ON_LINUX
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL"])
def test_a_signal_does_to_a_forked_worker_what_it_does_to_a_started_one(box: Box, number: str) -> None:
    box.shell(SLOW)
    ends = []
    for job_id, forks in (("job-a", False), ("job-b", True)):
        worker = started(box, job_id, forks=forks)
        worker.signal(signal.Signals[number])
        if number not in ("SIGKILL", "SIGQUIT"):
            worker.says("draining")
            box.note("end")
        done = worker.ended()
        status = box.status(job_id)
        if status is not Status.SUCCEEDED:
            box.ok("cancel", job_id)
        told = re.sub(r"(?m)^\S+ ", "", done.err.replace(worker.owner, "<owner>").replace(job_id, "<job>"))
        ends.append((done.code, status, done.out, told))
        (box.notes / "end").unlink(missing_ok=True)
    assert ends[0] == ends[1]
    assert ends[1][0] == (-signal.SIGKILL if number == "SIGKILL" else 0)


def waiting(pid: int, owner: str) -> dict[str, object]:
    """`seen` of a plan agent that has its lock and has read the folder of notes."""
    found: list[dict[str, object]] = []

    def waits() -> bool:
        found.append(seen(pid, owner))
        files = str(found[-1]["descriptors"])
        return "/notes/busy." in files and "/notes'" not in files

    wait_until(waits, what="the agent's lock")
    return found[-1]


@ON_LINUX
def test_a_plan_agent_of_a_forked_worker_is_seen_as_that_of_a_started_one(project: Box) -> None:
    found = []
    for plan_id, forks in (("01", False), ("02", True)):
        project.plan_agents({"wait": ["code"]})
        project.ok("plan", "parser")
        (project.plan(plan_id) / "plan.md").write_text("# a plan\n")
        (project.plan(plan_id) / "todo.md").write_text("- [ ] [T1] first\n")
        project.ok("code", plan_id)
        project.forks = forks
        worker = project.worker("opencode")
        job_id = f"p{plan_id}-i0-code-plan-coder"
        project.noted(f"environment.{job_id}.a1")
        launcher = psutil.Process(project.agent_of(worker).pid)
        (agent,) = launcher.children()
        found.append([seen(launcher.pid, worker.owner), waiting(agent.pid, worker.owner)])
        project.note(f"go.{job_id}.a1")
        project.await_status(job_id, Status.SUCCEEDED)
        assert worker.stop().code == 0
        assert project.phase(plan_id) == "awaiting_review"
    for started_one, forked_one in zip(*found, strict=True):
        assert forked_one == started_one
