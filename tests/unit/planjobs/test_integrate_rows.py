"""Completed plans with a branch of their own: what is published, what waits, and what counts as done. No git here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.scenes import Scene
from wf_cli.attempt.steps import Opening
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.planjobs import behind, opening
from wf_cli.workflow import epic_status, epics, isolation, plans, snapshot
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

T, H, B = "1" * 40, "2" * 40, "3" * 40
RECORD = {"branch": "wf/e01-p01", "target": "wf/e01", "base": B, "head": H}
JOB = "e01-p01-i0-integrate-integrator"
TARGET = target_of(JOB)


class Isolated(Scene):
    """A running epic of two plans; the first is completed on a branch of its own."""

    def __init__(self, root: Path, approve: tuple[str, ...] = (), **epic: Any):
        super().__init__(root, epic={"approve": list(approve), **epic}, mode="distributed")
        self.first = self.plan("01-a", "completed", epic="01")
        self.second = self.plan("02-b", epic="01", todo="- [ ] [T1] first\n")
        self.epic("01-x", "01-a", "02-b")
        self.record()

    def record(self, raw: Any = RECORD, plan: Plan | None = None, **state: Any) -> None:
        path = (plan or self.first).state_json
        path.write_text(json.dumps({**json.loads(path.read_text()), "isolation": raw, **state}))

    def steps(self) -> Any:
        return self.app.steps(self.spool, self.app.events(self.spool))

    def events(self, kind: str) -> list[dict[str, Any]]:
        log = self.spool.folder("log")
        lines = [line for path in sorted(log.iterdir()) for line in path.read_text().splitlines()]
        return [event for event in map(json.loads, lines) if event["event"] == kind]


@pytest.fixture
def scene(tmp_path: Path) -> Isolated:
    return Isolated(tmp_path)


def whys(found: Any) -> dict[str, str]:
    return {entry.plan_id: entry.why for entry in found.blocked}


def test_the_job_is_published_to_the_reviewers_runtime_and_the_next_plan_waits(scene: Isolated) -> None:
    found = scene.reconcile()
    assert found.published == [JOB]
    assert whys(found) == {"02": "waits for plan 01 (max_parallel_plans)"}
    placed = scene.queue.find(JOB)
    assert placed is not None
    assert str(placed.token.pool) == "integrator@cursor"
    assert scene.reconcile().published == []


def test_a_merged_plan_is_settled_and_the_next_begins(scene: Isolated) -> None:
    scene.record({**RECORD, "merged": T})
    assert scene.reconcile().published == ["e01-p02-i0-code-plan-coder"]


@pytest.mark.parametrize("record", [None, {**RECORD, "target": None}, {**RECORD, "merged": T}])
def test_without_a_way_to_go_a_completed_plan_is_at_its_end(tmp_path: Path, record: Any) -> None:
    scene = Isolated(tmp_path)
    scene.record(record)
    scene.record(record, scene.second, phase="completed")
    assert scene.reconcile().published == []


def test_an_epic_is_completed_when_its_plans_are_settled(scene: Isolated) -> None:
    (scene.root / "epics" / "01-x" / "epic.md").write_text("# Epic: x\n\n## Scope\n- Plan 1: a\n- Plan 2: b\n")
    project = Project(scene.root, distributed=True)
    epic = epics.find(project, "01")
    for plan, name in ((scene.first, "01-plan-1-a"), (scene.second, "02-plan-2-b")):
        plan.path.rename(plan.path.with_name(name))
    state = json.loads((epic.path / "state.json").read_text())
    (epic.path / "state.json").write_text(json.dumps({**state, "plan_ids": ["01-plan-1-a", "02-plan-2-b"]}))
    first, second = plans.find(project, "01"), plans.find(project, "02")
    scene.record({**RECORD, "merged": T}, second, phase="completed")
    assert scene.reconcile().completed_epics == []
    assert epic_status.status(project, epic).phase == "active"
    scene.record({**RECORD, "merged": T}, first)
    assert scene.reconcile().completed_epics == ["01"]
    assert epic_status.status(project, epic).phase == "completed"


def test_a_plan_comes_after_the_merge_of_another(tmp_path: Path) -> None:
    scene = Isolated(tmp_path, max_parallel_plans=3)
    epic = scene.root / "epics" / "01-x"
    (epic / "epic.md").write_text("# Epic: x\n\n## Scope\n- Plan 1: a\n- Plan 2: b\n  - after: 1\n")
    for old, new in (("01-a", "01-plan-1-a"), ("02-b", "02-plan-2-b")):
        (scene.root / "plans" / old).rename(scene.root / "plans" / new)
    state = json.loads((epic / "state.json").read_text())
    (epic / "state.json").write_text(json.dumps({**state, "plan_ids": ["01-plan-1-a", "02-plan-2-b"]}))
    found = scene.reconcile()
    assert found.published == [JOB]
    assert whys(found) == {"02": "comes after plan 01, which is not merged yet"}
    first = plans.find(Project(scene.root), "01")
    scene.record({**RECORD, "merged": T}, first)
    assert scene.reconcile().published == ["e01-p02-i0-code-plan-coder"]


def test_a_record_that_cannot_be_read_is_told_and_stops_the_plan_alone(tmp_path: Path) -> None:
    scene = Isolated(tmp_path, max_parallel_plans=3)
    scene.record({**RECORD, "head": "x"})
    found = scene.reconcile()
    assert found.published == ["e01-p02-i0-code-plan-coder"]
    assert "the record `isolation` cannot be read" in whys(found)["01"]
    assert found.completed_epics == []


# -- approvals


def test_a_merge_waits_for_its_approval_and_tells_once_for_each_commit(tmp_path: Path) -> None:
    scene = Isolated(tmp_path, approve=("merge",))
    for _ in range(2):
        found = scene.reconcile()
        assert found.published == []
        assert whys(found)["01"].startswith(f"waits for approval of the merge of its commit {H[:12]};")
    assert [event["reason"] for event in scene.events("plan.waiting")] == [
        f"the merge of its commit {H[:12]} waits for approval: wf approve 01"
    ]
    scene.record(approvals={"merge": {"of": H}})
    assert scene.reconcile().published == [JOB]


def test_an_approval_is_of_one_commit(tmp_path: Path) -> None:
    scene = Isolated(tmp_path, approve=("merge",))
    scene.record(approvals={"merge": {"of": T}, "plan": {"of": H}})
    assert scene.reconcile().published == []
    assert len(scene.events("plan.waiting")) == 1


def test_a_job_whose_commit_is_no_longer_approved_does_not_begin(tmp_path: Path) -> None:
    scene = Isolated(tmp_path, approve=("merge",))
    scene.record(approvals={"merge": {"of": H}})
    assert scene.reconcile().published == [JOB]
    steps = scene.steps()
    assert steps.hindrance(TARGET) is None
    scene.record({**RECORD, "head": T})
    assert steps.hindrance(TARGET) == f"plan 01 waits for approval of the merge of its commit {T[:12]}: wf approve 01"
    assert whys(scene.reconcile())["01"].startswith("waits for approval of the merge")


# -- the job and its plan


def facts(scene: Isolated) -> Any:
    return snapshot.take(scene.first)


@pytest.mark.parametrize(
    ("record", "state", "verdict"),
    [
        (RECORD, {}, Opening.GO),
        ({**RECORD, "merged": T}, {}, Opening.DONE),
        (RECORD, {"phase": "reviewing"}, Opening.DONE),
        (RECORD, {"phase": "fixing", "iteration": 1}, Opening.DONE),
        (RECORD, {"phase": "completed", "iteration": 1}, Opening.DONE),
        (None, {}, Opening.DONE),
    ],
)
def test_a_job_that_begins(scene: Isolated, record: Any, state: dict[str, Any], verdict: Opening) -> None:
    scene.record(record, **state)
    assert TARGET is not None
    assert opening.decide(TARGET, facts(scene))[0] is verdict


def test_an_agent_that_has_merged_nothing_is_told_the_command(scene: Isolated) -> None:
    assert TARGET is not None
    failure = opening.unmet(TARGET, facts(scene))
    assert failure is not None
    assert failure.code == "checks_unmet"
    assert "wf integrate 01" in failure.errors[0]


@pytest.mark.parametrize(
    ("phase", "iteration", "is_behind"),
    [("planning", 1, True), ("coding", 1, True), ("awaiting_review", 1, True), ("reviewing", 0, True),
     ("fixing", 1, True), ("reviewing", 1, False), ("fixing", 2, False), ("completed", 1, False)],
)  # fmt: skip
def test_a_plan_of_an_older_branch_is_behind_and_a_reopened_one_is_not(
    phase: str, iteration: int, is_behind: bool
) -> None:
    assert behind.is_behind(Target("01", 1, "integrate", "integrator", "01"), phase, iteration) is is_behind


def test_a_dead_job_waits_for_a_person_and_lets_others_begin(scene: Isolated) -> None:
    assert TARGET is not None
    scene.dead(TARGET)
    found = scene.reconcile()
    assert found.published == ["e01-p02-i0-code-plan-coder"]
    assert f"wf retry {JOB}" in whys(found)["01"]
    placed = scene.queue.find(JOB)
    assert placed is not None
    assert placed.status is Status.FAILED


def test_a_plan_that_is_not_isolated_has_no_record(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    plan = scene.plan("01-a", "completed")
    assert isolation.of(plan, plans.read_state(plan)) is None
    assert not snapshot.take(plan).is_unmerged
