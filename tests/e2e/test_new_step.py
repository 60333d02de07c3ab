"""A step that does not exist yet is one row of the step table and one prompt: `support/wf_with_publish.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support import wf_with_publish
from support.box import HANG, Box, Done
from support.projects import make_epic, make_plan

#: Publishes at its second attempt, and keeps what it was told.
AGENT = """\
import os, sys
from pathlib import Path
notes, attempt = Path(sys.argv[1]), os.environ["WF_ATTEMPT"]
(notes / f"prompt.{attempt}").write_text(sys.stdin.read())
(notes / f"role.{attempt}").write_text(os.environ["WF_ROLE"])
if attempt == "2":
    Path("plans/01-plan-1-a/published").touch()
"""


def wf(box: Box, *words: str) -> Done:
    argv = [sys.executable, wf_with_publish.__file__, *words]
    done = subprocess.run(
        argv,
        cwd=box.root,
        env=box.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_new_step_is_published_opened_told_checked_and_retried_by_its_row(project: Box) -> None:
    agent = project.notes / "agent.py"
    agent.write_text(AGENT)
    argv = [sys.executable, "-P", str(agent), str(project.notes)]
    retry = {"max_attempts": 3, "backoff": {"base": "1ms", "factor": 1, "cap": "1ms"}}
    project.configure(runtimes={"cursor": {"adapter": "command", "argv": argv}}, retry=retry)
    name = "01-plan-1-a"
    make_plan(project.root, name, phase="completed")
    epic = make_epic(project.root, "- Plan 1: a\n", plan_ids=[name], orchestration={"status": "running"})
    job_id = "e01-p01-i0-publish-publisher"

    found = wf(project, "dispatch", "--json")
    assert found.code == 0, found.text
    assert found.document["published"] == [job_id]
    assert found.document["completed_epics"] == [], "the epic has a step to go"
    again = wf(project, "dispatch", "--json")
    assert (again.document["published"], again.document["blocked"]) == ([], [])

    done = wf(project, "worker", "--runtime", "cursor", "--watch", "--max-jobs", "2", "--json")
    assert done.code == 0, done.text
    assert (done.document["succeeded"], done.document["failed"]) == (1, 1)
    assert (project.notes / "role.1").read_text() == "publisher"
    first, second = ((project.notes / f"prompt.{n}").read_text() for n in (1, 2))
    assert first.startswith("# Publish plan 01\n\nYou are the publisher of `plans/01-plan-1-a/`.")
    assert "- there is no file published" in second
    shown = wf(project, "spool", "show", job_id, "--json")
    assert (shown.document["status"], shown.document["role"]) == ("succeeded", "publisher")
    assert json.loads(Path(epic, "state.json").read_text())["orchestration"]["status"] == "completed"


def test_without_the_row_there_is_no_such_job(project: Box) -> None:
    project.configure()
    make_plan(project.root, "01-a", phase="completed")
    make_epic(project.root, "", plan_ids=["01-a"], orchestration={"status": "running"})
    assert project.ok("dispatch", "--json").document["published"] == []
