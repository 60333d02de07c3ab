"""Epics whose document declares no plans, split by workers of the installed `wf`, to their end."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from support.box import Box, eventually

pytestmark = pytest.mark.timeout(240)

SCRIPTED = {"cursor": {"adapter": "scripted"}, "opencode": {"adapter": "scripted"}}
DOCUMENT = Path(__file__).parents[2] / "docs" / "examples" / "distributed-orchestration.md"
JOB = "e01-i0-split-orchestrator"
LIST = '[{"title": "Разбор дат", "goal": "Dates are read."}]'


def document_of_a_person(box: Box, text: str | None = None) -> Path:
    box.ok("epic", "create", "Dates")
    path = next((box.root / "epics").glob("01-*")) / "epic.md"
    if text is None:
        shutil.copy(DOCUMENT, path)
    else:
        path.write_text(text, encoding="utf-8")
    return path


def agent(box: Box, *commands: str) -> None:
    """A program for the cursor pool that runs these shell commands whatever its job is."""
    script = box.root / "agent.sh"
    script.write_text("set -e\n" + "\n".join(commands) + "\n")
    box.configure(
        runtimes={"cursor": {"adapter": "command", "argv": ["sh", str(script)]}, "opencode": {"adapter": "scripted"}},
        retry={"max_attempts": 2, "backoff": {"base": "1s", "cap": "1s", "jitter": "none"}},
    )


def test_the_document_of_a_person_is_split_and_carried_out_unchanged(project: Box) -> None:
    project.configure(
        runtimes={"cursor": {"adapter": "scripted", "options": {"plans": 2}}, "opencode": {"adapter": "scripted"}}
    )
    path = document_of_a_person(project)
    dry = project.ok("epic", "run", "01", "--dry-run", "--json").document
    assert (dry["rule"], dry["plans"], dry["unclear"]) == ("split", [], [])
    assert not (project.root / "plans").exists()
    crew = project.worker("cursor"), project.worker("opencode")
    done = project.wf("epic", "run", "01", "--follow", deadline_s=180)
    assert done.code == 0, done.text + project.story()
    assert path.read_bytes() == DOCUMENT.read_bytes()
    jobs = {job["job_id"]: job for job in project.ok("spool", "ls", "--json").document["jobs"]}
    assert jobs[JOB]["plan_id"] is None
    assert jobs[JOB]["epic_id"] == "01"
    names = sorted(plan.name for plan in (project.root / "plans").iterdir())
    assert [name[:3] for name in names] == ["01-", "02-"]
    prompt_of_first = json.loads((project.root / "plans" / names[0] / "state.json").read_text())
    assert "Define a distributed orchestration contract" in prompt_of_first["goal"]
    assert [worker.stop().code for worker in crew] == [0, 0]
    project.assert_sound()


def test_an_agent_that_declares_nothing_fails_and_a_person_declares_the_plans(project: Box) -> None:
    agent(project, "true")
    document_of_a_person(project)
    project.ok("epic", "run", "01")
    worker = project.worker("cursor")
    eventually(lambda: project.ok("spool", "ls", "--json").document["counts"]["failed"] == 1, "a dead job", project)
    shown = project.ok("spool", "show", JOB, "--json").document
    assert shown["error"]["code"] == "checks_unmet"
    blocked = project.ok("dispatch", "--json").document["blocked"]
    assert any("wf epic plans set 01" in entry["why"] for entry in blocked)
    (project.root / "plans.yaml").write_text("- title: By hand\n  goal: It is there.\n")
    done = project.ok("epic", "plans", "set", "01", "--from", "plans.yaml", "--json").document
    assert done["published"] == ["e01-p01-i0-plan-orchestrator"]
    assert worker.stop().code == 0


def test_an_agent_that_rewrites_the_document_is_told_and_the_next_attempt_succeeds(project: Box) -> None:
    agent(
        project,
        "md=epics/01-dates/epic.md",
        'if [ "$WF_ATTEMPT" = 1 ]; then cp $md kept; echo "- Plan 1: mine" >> $md;',
        "else cat > told; cp kept $md; fi",
        f"printf '%s' '{LIST}' | wf epic plans set 01 --from -",
    )
    document_of_a_person(project, "# Epic: Dates\n\nRead dates.\n")
    project.ok("epic", "run", "01")
    worker = project.worker("cursor")
    eventually(lambda: (project.root / "plans" / "01-").is_dir(), "the plan", project)
    assert "put epic.md back to what it said when this step began" in (project.root / "told").read_text()
    context = project.ok("context", "01", "--json").document
    assert context["title"] == "Разбор дат"
    worker.stop()


def test_an_agent_may_declare_the_plans_of_its_own_epic_and_only_while_its_attempt_stands(project: Box) -> None:
    agent(
        project,
        f"printf '%s' '{LIST}' | wf epic plans set 02 --from - 2> other || echo $? > code",
        "env > environ; touch began; while [ ! -e go ]; do sleep 0.1; done",
    )
    document_of_a_person(project, "# Epic: Dates\n\nRead dates.\n")
    project.ok("epic", "create", "Other")
    project.ok("epic", "run", "01")
    worker = project.worker("cursor")
    eventually(lambda: (project.root / "began").exists(), "the agent", project)
    assert (project.root / "code").read_text().strip() == "4"
    assert "may not change epic 02" in (project.root / "other").read_text()
    refused = project.wf("epic", "plans", "set", "01", "--from", "-", stdin=LIST)
    assert refused.code == 4
    assert f"epic 01 has a live job: {JOB} is running" in refused.err
    token = next(
        line for line in (project.root / "environ").read_text().splitlines() if line.startswith("WF_JOB_TOKEN=")
    )
    # The worker would kill every process with the attempt's mark, and so the command that this test makes for it.
    worker.signal(signal.SIGSTOP)
    project.ok("cancel", JOB, "--no-wait")
    late = project.wf(
        "epic", "plans", "set", "01", "--from", "-", stdin=LIST, env={"WF_JOB_TOKEN": token.partition("=")[2]}
    )
    assert late.code == 4, late.text
    assert "superseded" in late.err
    worker.signal(signal.SIGCONT)
    (project.root / "go").touch()
    worker.stop()


SHAPES: dict[str, Any] = {
    "star": "* Plan 1: Alpha\n* Plan 2: Beta",
    "numbered": "1. Plan 1: Alpha",
    "headings": "### Plan 1: Alpha\n\nwords",
    "half": "- Plan 1: Alpha\n- Plan 2 - Beta",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["on", "off"])
def test_what_nearly_declares_a_plan_is_said_before_anybody_works(project: Box, shape: str, mode: str) -> None:
    project.configure(runtimes=SCRIPTED)
    document_of_a_person(project, f"# Epic: Dates\n\n## Scope\n\n{SHAPES[shape]}\n")
    env = {"WF_DISTRIBUTED": "1" if mode == "on" else "0"}
    done = project.wf("epic", "run", "01", env=env)
    assert "epic.md:" in done.err
    assert "declares no plan" in done.err
    if (shape, mode) == ("half", "on"):
        assert done.code == 1
        assert not (project.root / "plans").exists()
    else:
        assert done.code == 0, done.text
    status = project.ok("epic", "status", "01", "--json", env=env).document
    assert status["scope_validation"]["unclear"]
    doctor = project.wf("doctor", "--no-call", "--json", env=env)
    assert any(check["name"] == "scope" for check in doctor.document["checks"]), doctor.text


def test_the_json_of_a_run_a_dry_run_and_a_refusal_names_lines_in_one_form(project: Box) -> None:
    project.configure(runtimes=SCRIPTED)
    document_of_a_person(project, "# Epic: Dates\n\n## Scope\n\n- Plan 1: Alpha\n* Plan 2: Beta\n")
    line = {
        "line": 6,
        "text": "* Plan 2: Beta",
        "why": "declares no plan: a declaration is `- Plan`, the number, a colon and the title",
        "write": "- Plan 2: Beta",
    }
    assert project.ok("epic", "run", "01", "--dry-run", "--json").document["unclear"] == [line]
    assert json.loads(project.wf("epic", "run", "01", "--json").err)["unclear"] == [line]
    off = {"WF_DISTRIBUTED": "0"}
    assert project.ok("epic", "run", "01", "--json", env=off).document["unclear"] == [line]
