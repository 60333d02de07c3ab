"""A provider refuses in words that no table has: the pool parks, nothing burns, and the epic completes afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.box import Box, eventually
from support.wait import wait_until

pytestmark = pytest.mark.timeout(240)

AGENT = Path(__file__).parents[1] / "support" / "cursor_agent.py"
WORDS = "the moon is in the wrong phase for this account"


def cursor_that_refuses(box: Box) -> Path:
    """Cursor's command line, which refuses as long as the returned file is there."""
    refuses = box.root.parent / "refuses"
    refuses.touch()
    program = box.root.parent / "cursor-agent"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--version*) ;; *)\n'
        f'if [ -e "{refuses}" ]; then cat >/dev/null; echo "{WORDS}" >&2; exit 1; fi ;; esac\n'
        f'exec "{sys.executable}" -P "{AGENT}" "$@"\n'
    )
    program.chmod(0o755)
    box.configure(
        runtimes={
            "cursor": {"adapter": "cursor", "protocol": "print", "command": [str(program)]},
            "opencode": {"adapter": "scripted"},
        }
    )
    return refuses


def test_three_unknown_refusals_park_the_pool_burn_nothing_and_the_epic_completes_when_they_are_over(
    project: Box,
) -> None:
    refuses = cursor_that_refuses(project)
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    crew = project.worker("cursor"), project.worker("opencode")
    job = f"e{epic}-p01-i0-plan-orchestrator"
    cooldown = project.root / ".wf" / "spool" / "control" / "cooldown.cursor.json"
    wait_until(cooldown.exists, 60, "the parked pool")
    eventually(lambda: row(project, job)["status"] == "queued", "the job is back", project)
    found = row(project, job)
    assert (found["attempt"], found["burned"]) == (3, 0)
    listed = project.wf("spool", "ls")
    assert "3 attempts on cursor ended within" in listed.out + listed.err
    assert "without work: `wf doctor`" in listed.out + listed.err
    assert WORDS in listed.out + listed.err
    shown = project.ok("spool", "show", job, "--json").document
    assert WORDS in shown["attempts"][-1]["error"]["message"]
    refuses.unlink()
    project.ok("resume", "--runtime", "cursor")
    eventually(lambda: project.phase("01") == "completed", "the completed plan", project)
    assert row(project, job)["burned"] == 0
    assert [worker.stop().code for worker in crew] == [0, 0]
    project.assert_sound()


def row(box: Box, job: str) -> dict[str, object]:
    jobs = box.ok("spool", "ls", "--json").document["jobs"]
    return next(found for found in jobs if found["job_id"] == job)
