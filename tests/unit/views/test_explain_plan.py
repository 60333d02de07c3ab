"""`wf explain` of plans and epics: whatever state they are in, it says what would move them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.projects import Cli, make_epic, make_plan, make_session
from support.spools import make_spool
from wf_cli.contract.identity import Target
from wf_cli.queue.values import JobRequest


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A running epic of two plans, of which neither has a job."""
    make_session(tmp_path)
    scripted = {name: {"adapter": "scripted"} for name in ("cursor", "opencode")}
    (tmp_path / "wf.config.json").write_text(json.dumps({"version": 1, "mode": "distributed", "runtimes": scripted}))
    make_plan(tmp_path, "01-a", phase="planning", plan="", todo="")
    make_plan(tmp_path, "02-b", phase="planning", plan="", todo="")
    scope = "\n- Plan 1: a\n- Plan 2: b\n"
    make_epic(tmp_path, scope, plan_ids=["01-a", "02-b"], orchestration={"status": "running"})
    make_spool(tmp_path / ".wf" / "spool")
    return Cli(tmp_path, monkeypatch, capsys)


def set_state(folder: Path, **values: object) -> None:
    path = folder / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def enqueue(wf: Cli, plan: str) -> None:
    from wf_cli.app import App

    app = App(wf.root, {})
    target = Target(plan, 0, "plan", "orchestrator", "01")
    app.queue(app.open_spool()).enqueue(JobRequest("orchestrator", "cursor", target=target, max_attempts=3))


def test_a_plan_whose_job_is_due_waits_for_the_next_reconcile(wf: Cli) -> None:
    found = wf.json("explain", "P01")
    assert (found["plan_id"], found["status"], found["conditions"]) == ("01", "planning", [])
    assert "not published yet" in found["summary"]


def test_a_plan_is_named_as_a_person_would(wf: Cli) -> None:
    enqueue(wf, "01")
    said = {wf(*words)[1] for words in (("explain", "P01"), ("explain", "p1"), ("explain", "e01-p01"))}
    assert len(said) == 1
    assert "no worker takes orchestrator@cursor" in said.pop()
    assert wf.json("explain", "e01-p01-i0-plan-orchestrator")["job_id"] == "e01-p01-i0-plan-orchestrator"


def test_a_plan_that_waits_for_another_leads_there(wf: Cli) -> None:
    enqueue(wf, "01")
    found = wf.json("explain", "P02")
    assert found["next"] == "wf explain P01"
    assert "waits for plan 01" in found["summary"]


def test_an_epic_leads_to_the_plan_that_a_person_can_move(wf: Cli) -> None:
    enqueue(wf, "01")
    set_state(wf.root / "plans" / "02-b", phase="blocked")
    found = wf.json("explain", "e01")
    assert (found["epic_id"], found["status"], found["next"]) == ("01", "running", "wf fix 02")


@pytest.mark.parametrize(
    ("status", "command"),
    [("idle", "wf epic run 01"), ("failed", "wf epic run 01"), ("paused", "wf epic resume 01"), ("completed", None)],
)
def test_an_epic_that_does_not_run_says_what_starts_it(wf: Cli, status: str, command: str | None) -> None:
    set_state(wf.root / "epics" / "01-big", orchestration={"status": status})
    assert wf.json("explain", "E1")["next"] == command
    assert wf.json("explain", "P01")["next"] == command or status == "completed"


def test_a_lonely_plan_waits_for_a_person(wf: Cli) -> None:
    make_plan(wf.root, "03-alone", phase="planning", plan="", todo="")
    found = wf.json("explain", "P03")
    assert found["next"] == "wf context 03"
    set_state(wf.root / "plans" / "03-alone", phase="coding")
    assert wf.json("explain", "P03")["next"] == "wf code 03"
    set_state(wf.root / "plans" / "03-alone", phase="completed")
    assert wf.json("explain", "P03")["summary"] == "it is completed"


def test_a_plan_that_is_away_is_explained_as_long_as_it_has_a_job(wf: Cli) -> None:
    enqueue(wf, "01")
    shutil.rmtree(wf.root / "plans" / "01-a")
    found = wf.json("explain", "P01")
    assert found["status"] == "absent"
    assert "plan 01 is not in the checkout" in found["summary"]
    assert found["next"] == "wf cancel e01-p01-i0-plan-orchestrator", "git knows of no such plan"


@pytest.mark.parametrize(("name", "says"), [("P07", "existing plans: 01, 02"), ("e9", "existing epics: 01")])
def test_one_that_does_not_exist_is_refused_with_those_that_do(wf: Cli, name: str, says: str) -> None:
    code, _, err = wf("explain", name)
    assert code == 3
    assert says in err


def test_explaining_publishes_and_completes_nothing(wf: Cli) -> None:
    for name in ("01-a", "02-b"):
        set_state(wf.root / "plans" / name, phase="completed")
    before = {path: path.read_bytes() for path in wf.root.rglob("*") if path.is_file()}
    wf.json("explain", "e01")
    wf.json("explain", "P01")
    wf.json("spool", "ls")
    assert {path: path.read_bytes() for path in wf.root.rglob("*") if path.is_file()} == before


def test_an_epic_whose_plans_are_not_the_declared_ones_waits_for_a_person(wf: Cli) -> None:
    for name in ("01-a", "02-b"):
        (wf.root / "plans" / name / "review.md").write_text("# Review\n")
        set_state(wf.root / "plans" / name, phase="completed")
    epic_md = wf.root / "epics" / "01-big" / "epic.md"
    epic_md.write_text(epic_md.read_text().replace("- Plan 2: b", "- Plan 2: b\n- Plan 3: c"))
    found = wf.json("explain", "e01")
    assert "not the ones that epic.md declares" in found["summary"]
    assert found["next"] == "wf epic validate 01"
