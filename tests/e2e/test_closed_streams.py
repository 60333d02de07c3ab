"""Commands whose standard output is closed, full, or left by its reader; and commands without standard error."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from support.box import HANG, WF, Box, eventually
from wf_cli.contract.lifecycle import Status

#: One of each kind: help, contract commands as text and JSON, typer commands, completion, streams.
COMMANDS = (
    "--help",
    "spool --help",
    "models",
    "epic list --json",
    "spool ls --json",
    "spool show a",
    "events -f --since 1h",
    "spool ls --watch",
    "completion bash",
)


def run(box: Box, words: str, to: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{WF} {words} {to}"],
        cwd=box.root, env=box.environ, capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip


@pytest.fixture
def busy(box: Box) -> Box:
    box.shell("exit 0\n")
    box.enqueue("a")
    return box


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(("to", "code", "lines"), [(">/dev/full", 75, 1), (">&-", 0, 1), ("| true", 0, 0)])
def test_output_that_arrives_nowhere_is_one_line_on_stderr(
    busy: Box, words: str, to: str, code: int, lines: int
) -> None:
    done = run(busy, words, to)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, lines), done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize(("to", "code"), [(">/dev/full", 75), (">&-", 0), (">&- 2>&-", 0), (">/dev/full 2>&1", 75)])
def test_a_job_whose_id_cannot_be_printed_is_enqueued_all_the_same(busy: Box, to: str, code: int) -> None:
    assert run(busy, "enqueue --role builder --key b --json", to).returncode == code
    assert busy.status("b") is Status.QUEUED


def test_an_error_keeps_its_code_with_nowhere_to_print_it(busy: Box) -> None:
    assert run(busy, "spool show nope --json", ">/dev/full").returncode == 3
    assert run(busy, "spool show nope", ">&- 2>&-").returncode == 3


def test_a_warning_without_stderr_does_not_end_up_in_the_document(busy: Box) -> None:
    done = run(busy, "enqueue --role builder --key a --payload 1 --json", "2>&-")
    assert json.loads(done.stdout)["deduped"] is True
    assert done.returncode == 0


def test_a_file_of_wf_does_not_become_the_stdout_of_an_agent(busy: Box) -> None:
    busy.shell("echo said; echo too >&2\n")
    assert run(busy, "worker --runtime shell", "<&- >&- 2>&-").returncode == 0
    assert busy.status("a") is Status.SUCCEEDED
    busy.assert_sound()


@pytest.mark.parametrize("to", [">/dev/full", ">&-", "| true"])
def test_a_job_that_cannot_be_told_to_its_agent_is_given_back(busy: Box, to: str) -> None:
    done = run(busy, "job next --runtime shell", to)
    assert done.returncode == 75, done.stderr
    assert len(done.stderr.splitlines()) == 1
    placed = busy.await_status("a", Status.QUEUED)
    assert placed.token.burned == 0


def test_a_dispatcher_goes_on_with_a_full_disk(project: Box) -> None:
    project.plan_agents(epic={"max_parallel_plans": 2})
    project.ok("dispatch")  # makes the spool
    first, second = project.epic("One"), project.epic("Two", name="Other")
    words = ["sh", "-c", f"exec {WF} dispatch --watch >/dev/full"]
    with subprocess.Popen(words, cwd=project.root, env=project.environ) as watching:
        try:
            for epic in (first, second):  # With the mode off, nobody but the dispatcher publishes.
                project.ok("epic", "run", epic, env={"WF_DISTRIBUTED": "0"})
                eventually(
                    lambda found=epic: any(job_id.startswith(f"e{found}-") for job_id in project.tokens()),
                    f"the first job of epic {epic}",
                    project,
                )
        finally:
            watching.send_signal(signal.SIGHUP)
    assert watching.returncode == 130
