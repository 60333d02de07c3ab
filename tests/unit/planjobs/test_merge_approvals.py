"""`epic.approve: [merge]`: no plan with a branch of its own is merged but with the commit that a person approved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.scenes import AtTheCommandLine
from wf_cli.contract.identity import Target
from wf_cli.workflow import snapshot

T, H, B = "1" * 40, "2" * 40, "3" * 40
RECORD = {"branch": "wf/e01-p01", "target": "wf/e01", "base": B, "head": H}
JOB, FIX = "e01-p01-i0-integrate-integrator", "e01-p01-i0-fix-plan-fixer"


class Approving(AtTheCommandLine):
    """A running epic whose one plan is completed on a branch of its own, and a person's command line."""

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *approve: str
    ):
        super().__init__(root, monkeypatch, capsys, epic={"approve": list(approve)})
        self.first = self.plan("01-a", "completed", epic="01")
        self.epic("01-x", "01-a")
        self.set(isolation=RECORD)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.first.state_json.read_text())
        return state

    def set(self, **changes: Any) -> None:
        self.first.state_json.write_text(json.dumps({**self.state(), **changes}))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Approving:
    return Approving(tmp_path, monkeypatch, capsys, "merge")


def test_what_waits_is_said_approved_and_published(scene: Approving) -> None:
    waits = scene.json("dispatch")
    assert waits["published"] == []
    assert f"the merge of its commit {H[:12]}" in waits["blocked"][0]["why"]
    found = scene.json("approve", "01")
    assert found["approved"] == [{"plan_id": "01", "gate": "merge", "of": H, "again": False}]
    assert found["published"] == [JOB]
    record = scene.state()["approvals"]["merge"]
    assert (record["of"], set(record)) == (H, {"of", "by", "at"})
    (event,) = scene.events("plan.approved")
    assert event["commit"] == H
    assert event["reason"].startswith(f"commit {H[:12]} by ")
    again = scene.json("approve", "01", "--gate", "merge")
    assert again["approved"][0]["again"] is True
    assert scene.state()["approvals"]["merge"] == record


def test_people_read_what_is_approved(scene: Approving) -> None:
    code, out, _ = scene.wf("approve", "01")
    assert code == 0
    assert f"plan 01: the merge of its commit {H[:12]} is approved\n" in out


def test_only_the_commit_that_was_read(scene: Approving) -> None:
    assert scene.json("approve", "01", "--of", T[:12])["error"] == "COMMIT_CHANGED"
    assert "approvals" not in scene.state()
    assert scene.wf("approve", "01", "--of", H[:12])[0] == 0


def test_a_new_head_waits_again(scene: Approving) -> None:
    scene.wf("approve", "01")
    scene.queue.cancel(JOB, by="me-box-1")
    scene.set(isolation={**RECORD, "head": T})
    assert f"the merge of its commit {T[:12]}" in scene.json("dispatch")["blocked"][0]["why"]


def test_a_no_reopens_the_plan_and_asks_again_afterwards(scene: Approving) -> None:
    scene.wf("approve", "01")
    scene.queue.cancel(JOB, by="me-box-1")
    found = scene.json("reject", "01", "--reason", "no tests\nof leap years")
    assert (found["gate"], found["of"], found["again"], found["retried"]) == ("merge", H, False, [])
    assert found["published"] == [FIX]
    assert snapshot.take(scene.first).rejected_ids == ("person-0",)
    assert "- [ ] [person-0] Before the merge: no tests of leap years\n" in scene.first.todo_md.read_text()
    review = scene.first.review_md.read_text()
    assert "- [person-0]: fail\n" in review
    assert "  > of leap years\n" in review
    state = scene.state()
    assert state["phase"] == "reviewing"
    assert "approvals" not in state
    assert "rejected" not in state, "the text of the plan is as good as before"
    assert state["isolation"] == RECORD
    assert len(scene.events("plan.rejected")) == len(scene.events("plan.reopened")) == 1


def test_nobody_says_no_twice(scene: Approving) -> None:
    scene.wf("reject", "01", "--reason", "no")
    scene.queue.cancel(FIX, by="me-box-1")
    assert scene.json("reject", "01", "--reason", "no")["error"] in ("NOT_WAITING", "NOTHING_WAITS")
    assert scene.first.todo_md.read_text().count("person-0") == 1


@pytest.mark.parametrize("command", [["approve", "01"], ["reject", "01", "--reason", "no"]])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"isolation": {**RECORD, "merged": T}}, "NOT_WAITING"),
        ({"isolation": {**RECORD, "target": None}}, "NOT_WAITING"),
        ({"isolation": None}, "NOT_WAITING"),
        ({"phase": "reviewing"}, "NOT_WAITING"),
    ],
)
def test_a_plan_that_is_not_about_to_be_merged_is_refused(
    scene: Approving, command: list[str], changes: dict[str, Any], code: str
) -> None:
    scene.set(**changes)
    before = scene.state()
    gate = ["--gate", "merge"] if command[0] == "approve" else []
    found = scene.json(*command, *gate)
    assert (found["ok"], found["error"]) == (False, code if gate else "NOTHING_WAITS")
    assert scene.state() == before


def test_a_person_does_not_judge_beside_a_job_at_work(scene: Approving) -> None:
    scene.wf("approve", "01")
    token = scene.queue.claim("me-box-1", scene_pools())
    assert token is not None
    assert scene.wf("reject", "01", "--reason", "no")[0] == 4
    assert scene.wf("approve", "01")[0] == 4


def scene_pools() -> Any:
    from wf_cli.contract.token import Pool

    return {Pool("integrator", "cursor")}


def test_a_rejection_waits_for_no_queued_job(scene: Approving) -> None:
    scene.wf("approve", "01")
    code, _, err = scene.wf("reject", "01", "--reason", "no")
    assert code == 4
    assert f"wf cancel {JOB}" in err


@pytest.mark.parametrize("approve", [(), ("plan",)])
def test_where_nobody_asks_nobody_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], approve: tuple[str, ...]
) -> None:
    scene = Approving(tmp_path, monkeypatch, capsys, *approve)
    assert scene.json("approve", "01")["error"] == "NOTHING_WAITS"
    assert scene.json("reject", "01", "--reason", "no")["error"] == "NOTHING_WAITS"
    assert scene.json("dispatch")["published"] == [JOB]


def test_an_agent_approves_nothing(scene: Approving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WF_JOB_TOKEN", "x")
    assert scene.wf("approve", "01")[0] == 4
    assert scene.wf("reject", "01", "--reason", "no")[0] == 4


def test_explain_says_what_a_queued_job_waits_for(scene: Approving) -> None:
    scene.enqueue(Target("01", 0, "integrate", "integrator", "01"))
    code, out, _ = scene.wf("explain", JOB)
    assert code == 0
    assert f"waits for approval of the merge of its commit {H[:12]}" in out
    assert "wf approve 01" in scene.wf("explain", "P01")[1]
