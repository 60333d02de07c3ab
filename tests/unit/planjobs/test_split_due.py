"""When an epic without plans gets the job that declares them, when its plans are made, and when a person is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.projects import make_epic
from support.spools import failing, make_spool, run_one, spool_queue
from wf_cli.attempt.steps import Opening
from wf_cli.contract.event import NoEvents
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.errors import Temporary
from wf_cli.planjobs.dispatcher import Dispatcher
from wf_cli.planjobs.epic_steps import EpicSteps
from wf_cli.planjobs.round import DispatchSettings
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.workflow import epic_plans, epics, plans
from wf_cli.workflow.project import Project

JOB = "e01-i0-split-orchestrator"
TARGET = Target(None, 0, "split", "orchestrator", "01")
TWO = [{"title": "Parse", "goal": "It parses."}, {"title": "Report", "goal": "It reports.", "after": [1]}]
RUNNING = {"orchestration": {"status": "running"}}


class Yard:
    """A project with one running epic, and the dispatcher's way to look at it."""

    def __init__(self, root: Path, scope: str = "", **state: Any):
        self.folder = make_epic(root, scope, **{**RUNNING, **state})
        self.project = Project(root)
        self.queue: SpoolQueue = spool_queue(make_spool(root / "spool"), FakeClock())
        settings = DispatchSettings(pool=lambda role: Pool(role, "cursor"), max_attempts=lambda _role: 1)
        self.dispatcher = Dispatcher(self.project, self.queue, settings, NoEvents())
        self.steps = EpicSteps(self.project, max_plans=9, epic_paused=lambda _epic: False)

    @property
    def epic(self) -> epics.Epic:
        return epics.find(self.project, "01")

    def set(self, value: list[dict[str, Any]] = TWO, by: str | None = JOB) -> None:
        epic_plans.declare(self.project, self.epic, epic_plans.parse(value, 9), lambda: None, by=by, skip_quoted=True)

    def plans(self) -> list[str]:
        return [plan.name for plan in plans.all_plans(self.project)]


def test_a_running_epic_that_declares_nothing_gets_one_job_however_often_it_is_looked_at(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    assert yard.dispatcher.reconcile().published == [JOB]
    again = yard.dispatcher.reconcile()
    assert (again.published, again.blocked) == ([], [])
    assert yard.plans() == []


@pytest.mark.parametrize("status", ["idle", "paused", "completed", "failed"])
def test_an_epic_that_does_not_run_gets_none(tmp_path: Path, status: str) -> None:
    yard = Yard(tmp_path, orchestration={"status": status})
    assert yard.dispatcher.reconcile().published == []


def test_the_list_of_an_agent_counts_when_its_job_has_succeeded_and_not_before(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    yard.dispatcher.reconcile()
    yard.set()
    assert yard.dispatcher.reconcile().published == []
    assert yard.plans() == []
    finish(yard, End.SUCCEEDED)
    found = yard.dispatcher.reconcile()
    assert yard.plans() == ["01-parse", "02-report"]
    assert found.published == ["e01-p01-i0-plan-orchestrator"]


def finish(yard: Yard, end: End) -> None:
    """The job is claimed, started and ended."""
    token = run_one(yard.queue, "w-box-1", Pool("orchestrator", "cursor"))
    yard.queue.end(token, failing("checks_unmet") if end is End.FAILED else Ending(end), by="w-box-1")


def test_the_list_of_a_person_counts_at_once(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    yard.set(by=None)
    yard.dispatcher.reconcile()
    assert yard.plans() == ["01-parse", "02-report"]


def test_declarations_that_a_person_adds_to_the_document_of_a_running_epic_count(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    text = (yard.folder / "epic.md").read_text()
    (yard.folder / "epic.md").write_text(text.replace("## Scope\n", "## Scope\n- Plan 1: Alpha\n"))
    assert yard.dispatcher.reconcile().published == ["e01-p01-i0-plan-orchestrator"]
    assert yard.plans() == ["01-plan-1-alpha"]


@pytest.mark.parametrize(("end", "force"), [(End.FAILED, ""), (End.SUCCEEDED, " --force")])
def test_a_job_that_ended_without_a_list_asks_for_a_person(tmp_path: Path, end: End, force: str) -> None:
    yard = Yard(tmp_path)
    yard.dispatcher.reconcile()
    finish(yard, end)
    found = yard.dispatcher.reconcile()
    assert found.published == []
    (blocked,) = found.blocked
    assert blocked.needs_help
    assert f"`wf retry{force} {JOB}`" in blocked.why
    assert "wf epic plans set 01" in blocked.why
    yard.set(by=None)
    yard.dispatcher.reconcile()
    assert yard.plans() == ["01-parse", "02-report"]


def test_a_plan_waits_for_the_plans_it_comes_after(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    yard.set(by=None)
    yard.dispatcher.reconcile()
    first, second = plans.all_plans(yard.project)
    write_phase(first, "blocked")
    found = yard.dispatcher.reconcile()
    whys = {blocked.plan_id: blocked.why for blocked in found.blocked}
    assert whys["02"] == "comes after plan 01, which is blocked"
    write_phase(first, "completed")
    yard.queue.cancel("e01-p01-i0-plan-orchestrator", by="person-host-00000001")
    assert yard.dispatcher.reconcile().published == ["e01-p02-i0-plan-orchestrator"]
    assert second.name == "02-report"


def write_phase(plan: plans.Plan, phase: str) -> None:
    state = json.loads(plan.state_json.read_text())
    plan.state_json.write_text(json.dumps({**state, "phase": phase}))


def test_the_opening_of_a_split(tmp_path: Path) -> None:
    yard = Yard(tmp_path)

    def opening() -> tuple[Opening, str]:
        with yard.steps.opening(TARGET) as verdict:
            return verdict

    assert opening()[0] is Opening.GO
    assert opening()[0] is Opening.GO
    assert yard.steps.check(TARGET) is not None
    yard.set()
    assert opening()[0] is Opening.DONE
    assert yard.steps.check(TARGET) is None
    epic_md = yard.folder / "epic.md"
    epic_md.write_text(epic_md.read_text() + "- Plan 1: Alpha\n")
    unmet = yard.steps.check(TARGET)
    assert unmet is not None
    assert "the text of epic 01 was changed" in unmet.message
    state = json.loads((yard.folder / "state.json").read_text())
    (yard.folder / "state.json").write_text(json.dumps({**state, "plan_ids": ["01-a"]}))
    assert opening()[0] is Opening.SUPERSEDED


def test_an_epic_that_is_away_for_a_while_ends_no_job(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    yard.folder.rename(tmp_path / "away")
    assert "epic 01 is not in epics/" in (yard.steps.hindrance(TARGET) or "")
    with pytest.raises(Temporary), yard.steps.opening(TARGET):
        pytest.fail("it was opened")
    (tmp_path / "away").rename(yard.folder)
    assert yard.steps.hindrance(TARGET) is None


def test_the_prompt_says_what_to_do_and_what_went_wrong(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    prompt = yard.steps.prompt(TARGET, 1, None)
    assert "wf epic plans set 01 --from -" in prompt
    assert "epics/01-big/epic.md" in prompt
    assert "At most 9 plans" in prompt
    unmet = yard.steps.check(TARGET)
    again = yard.steps.prompt(TARGET, 2, unmet)
    assert "declare them: `wf epic plans set 01 --from -`" in again
