"""An epic whose four roles run on four agent programs of four makers, each with a scripted model."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.bed import WF, Bed
from agents.model_server import ModelServer
from agents.programs import AGENTS, program
from support.wait import wait_until

pytestmark = [pytest.mark.agents, pytest.mark.slice, pytest.mark.timeout(900)]

ROLES = {"orchestrator": "claude", "plan-coder": "codex", "plan-reviewer": "gemini", "plan-fixer": "opencode"}
#: Does the step of the job that it finds in its environment, by `wf` commands, and rejects each plan once.
STEP = (
    f"WF_SCRIPTED={shlex.quote(json.dumps({'reject_once': ['01']}))} "
    f"{sys.executable} -P -m wf_cli.runtimes.scripted.agent"
)
CALL = {"name": "$shell", "arguments": {"command": STEP}}
SCRIPT: dict[str, Any] = {
    "no_tools": {"text": "A title"},
    "default": {"text": "Nothing to do."},
    "agents": [
        {
            "name": "step",
            "prompt": "plan 01|epic 01",
            "turns": [{"text": "I do.", "tool_calls": [CALL]}, {"text": "Done."}],
        }
    ],
}


def jobs_of(bed: Bed) -> list[dict[str, Any]]:
    return list(json.loads(bed.wf("spool", "ls", "--json"))["jobs"])


def test_an_epic_whose_four_roles_run_on_four_agents_completes(tmp_path: Path) -> None:
    absent = [name for name in ROLES.values() if not os.access(program(name), os.X_OK)]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}: `make agents` installs them")
    with ModelServer(SCRIPT) as model:
        agents = {name: AGENTS[name](model.address) for name in ROLES.values()}
        routing = {role: {"runtime": name, "model": agents[name].model} for role, name in ROLES.items()}
        bed = Bed(tmp_path, agents, {"routing": routing})
        try:
            bed.wf("init")
            bed.wf("set-model", "gpt-5.2")
            bed.wf("epic", "create", "Greeting")
            (epic,) = bed.root.glob("epics/*/epic.md")
            epic.write_text("# Epic: Greeting\n\n## Scope\n\n- Plan 1: Say hello\n")
            bed.run("git", "add", "-A")
            bed.run("git", "commit", "-qm", "start")
            for name in agents:
                bed.start_worker(name)
            done = bed.run(WF, "epic", "run", "01", "--follow", timeout=840)
            assert done.returncode == 0, done.stdout + done.stderr + bed.logs()
            # The last agent completes its plan, and the epic with it, before it ends itself.
            wait_until(lambda: {job["status"] for job in jobs_of(bed)} <= {"succeeded"}, 120, "every job's end")
            jobs = jobs_of(bed)
        finally:
            bed.close()
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert {(job["role"], job["runtime"]) for job in jobs} == set(ROLES.items())
    assert {job["burned"] for job in jobs} <= {0, 1}
    assert bed.left_over() == []
