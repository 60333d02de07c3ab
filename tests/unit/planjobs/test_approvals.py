"""`epic.approve: [plan]`: no plan is coded but with the text that a person has approved."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.scenes import AtTheCommandLine, Scene
from wf_cli.attempt.steps import Opening
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.errors import Refused, Temporary
from wf_cli.workflow import approval_commands, approvals, plans, snapshot

CODE, PLAN = "e01-p01-i0-code-plan-coder", "e01-p01-i0-plan-orchestrator"
TODO = "- [ ] [T1] first\n- [ ] [T2] second\n"


class Approving(AtTheCommandLine):
    """A running epic of two plans that are written, and a person's command line."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **epic: Any):
        super().__init__(root, monkeypatch, capsys, epic={"approve": ["plan"], **epic}, notify=[])
        for name in ("01-a", "02-b"):
            self.plan(name, epic="01", todo=TODO)
        self.epic("01-x", "01-a", "02-b")

    @property
    def folder(self) -> Path:
        return self.root / "plans" / "01-a"

    def state(self, name: str = "01-a") -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.root / "plans" / name / "state.json").read_text())
        return state

    def steps(self) -> Any:
        return self.app.steps(self.spool, self.app.events(self.spool))

    def status_of(self, job_id: str) -> Status | None:
        placed = self.queue.find(job_id)
        return placed.status if placed is not None else None

    def planned(self) -> None:
        """The planner's job of plan 01 has succeeded."""
        self.enqueue(Target("01", 0, "plan", "orchestrator", "01"))
        token = self.queue.claim("me-box-1", {Pool("orchestrator", "opencode")})
        assert token is not None
        self.queue.end(token, Ending(End.SUCCEEDED, result={}), by="me-box-1")
        assert self.status_of(PLAN) is Status.SUCCEEDED


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Approving:
    return Approving(tmp_path, monkeypatch, capsys, max_parallel_plans=9)


# -- the dispatcher


def test_a_written_plan_waits_and_the_command_lets_it_go_on(scene: Approving) -> None:
    found = scene.reconcile()
    assert found.published == []
    assert [(entry.plan_id, entry.needs_help, entry.command) for entry in found.blocked] == [
        ("01", True, "wf approve 01"), ("02", True, "wf approve 02"),
    ]  # fmt: skip
    document = scene.json("approve", "01")
    assert document["ok"] is True
    assert [(one["plan_id"], one["gate"], one["again"]) for one in document["approved"]] == [("01", "plan", False)]
    assert document["published"] == [CODE]
    assert set(scene.state()["approvals"]["plan"]) == {"of", "by", "at"}
    assert [entry.plan_id for entry in scene.reconcile().blocked] == ["02"]


def test_plans_that_wait_do_not_keep_the_checkout(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    scene = Approving(tmp_path, monkeypatch, capsys, max_parallel_plans=1)
    scene.plan("03-c", epic="01", plan="", todo="")
    path = scene.root / "epics" / "01-x" / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "plan_ids": ["01-a", "02-b", "03-c"]}))
    assert scene.reconcile().published == ["e01-p03-i0-plan-orchestrator"]


def test_without_the_key_nothing_waits_and_no_record_is_made(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    plan = scene.plan("01-a", epic="01", todo=TODO)
    scene.epic("01-x", "01-a")
    before = plan.state_json.read_bytes()
    assert scene.reconcile().published == [CODE]
    assert plan.state_json.read_bytes() == before


def test_that_a_text_waits_is_an_event_told_once_by_any_number_of_dispatchers(scene: Approving) -> None:
    for _ in range(3):
        scene.reconcile()
    assert sorted(event["plan_id"] for event in scene.events("plan.waiting")) == ["01", "02"]
    (scene.folder / "plan.md").write_text("# another\n")
    scene.reconcile()
    assert sorted(event["plan_id"] for event in scene.events("plan.waiting")) == ["01", "01", "02"]
    waiting = {event["plan_id"]: event for event in scene.events("plan.waiting")}
    assert waiting["01"]["epic_id"] == "01"
    assert "wf approve 01" in waiting["01"]["reason"]


def test_a_look_tells_no_event(scene: Approving) -> None:
    for words in (["epic", "status", "01"], ["explain", "P01"], ["doctor"], ["spool", "ls"]):
        scene.wf(*words)
    assert not list(scene.spool.folder("log").iterdir())


def test_two_dispatchers_at_once_publish_one_job(scene: Approving) -> None:
    scene.wf("approve", "01")
    scene.queue.cancel(CODE, by="person-host-00000001")
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(scene.reconcile())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(found.published) for found in results) == 0, "its key is taken"
    assert len(scene.events("plan.waiting")) <= 1, "that of plan 02"


# -- what exactly was approved


@pytest.mark.parametrize(
    ("change", "waits"),
    [
        (lambda folder: (folder / "plan.md").write_text("# p\nand rm -rf\n"), True),
        (lambda folder: (folder / "todo.md").write_text(TODO + "- [ ] [T3] more\n"), True),
        (lambda folder: (folder / "todo.md").write_text(TODO.replace("second", "other")), True),
        (lambda folder: (folder / "todo.md").write_text(TODO.replace("[ ] [T1]", "[x] [T1]")), False),
        (lambda folder: (folder / "todo.md").write_bytes(TODO.replace("\n", "\r\n").encode()), False),
        (lambda folder: (folder / "evidence.md").write_text("x"), False),
    ],
)
def test_an_edited_text_waits_again(scene: Approving, change: Callable[[Path], object], waits: bool) -> None:
    scene.wf("approve", "01")
    change(scene.folder)
    assert (scene.steps().hindrance(target_of(CODE)) is not None) is waits


def test_the_job_of_a_text_that_was_edited_after_the_approval_does_not_begin(scene: Approving) -> None:
    scene.wf("approve", "01")
    assert scene.status_of(CODE) is Status.QUEUED
    steps, target = scene.steps(), target_of(CODE)
    assert steps.hindrance(target) is None
    (scene.folder / "plan.md").write_text("# edited between the look and the opening\n")
    with pytest.raises(Temporary, match="waits for approval"), steps.opening(target):
        raise AssertionError("it was opened")
    assert scene.state()["phase"] == "planning"
    (entry,) = [entry for entry in scene.reconcile().blocked if entry.plan_id == "01"]
    assert (entry.needs_help, entry.command) == (True, "wf approve 01")
    assert "NO  plan 01 waits for approval" in scene.wf("explain", CODE)[1]
    assert scene.wf("approve", "01")[0] == 0, "a job that nobody has claimed is no hindrance"
    with steps.opening(target) as (verdict, _why):
        assert verdict is Opening.GO
    assert scene.state()["phase"] == "coding"


def test_a_plan_that_is_coded_may_change_its_text(scene: Approving) -> None:
    scene.wf("approve", "01")
    steps, target = scene.steps(), target_of(CODE)
    with steps.opening(target):
        pass
    (scene.folder / "plan.md").write_text("# what the coder found out\n")
    with steps.opening(target) as (verdict, _why):
        assert verdict is Opening.GO, "an attempt after a crash"
    assert steps.hindrance(target) is None


def test_of_refuses_another_text_than_the_one_that_was_read(scene: Approving) -> None:
    read = snapshot.take(plans.find(scene.app.project(), "01")).text
    (scene.folder / "plan.md").write_text("# edited\n")
    code, _out, err = scene.wf("approve", "01", "--of", read[:12])
    assert (code, "it was edited" in err) == (4, True)
    assert "approvals" not in scene.state()
    now = snapshot.take(plans.find(scene.app.project(), "01")).text
    assert scene.wf("approve", "01", "--of", now[:12].upper())[0] == 0
    for wrong in ("1234567", "xxxxxxxxxx"):
        assert scene.wf("approve", "01", "--of", wrong)[0] == 2


@given(st.lists(st.tuples(st.booleans(), st.text("ab[]x -", max_size=9)), max_size=4), st.data())
def test_boxes_may_be_ticked_and_nothing_else_may_change(items: list[tuple[bool, str]], data: st.DataObject) -> None:
    def text(boxes: list[bool]) -> str:
        return "".join(f"- [{'x' if box else ' '}] {body}\n" for box, (_, body) in zip(boxes, items, strict=True))

    boxes = [box for box, _ in items]
    others = data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
    of = approvals.digest("p", text(boxes))
    assert approvals.digest("p", text(others)) == of
    assert approvals.digest("p", text(boxes) + "-") != of
    assert approvals.digest("p" + text(boxes), "-") != of


def test_approving_twice_is_one_approval(scene: Approving) -> None:
    scene.wf("approve", "01")
    before = scene.state()
    document = scene.json("approve", "01")
    assert document["approved"][0]["again"] is True
    assert scene.state() == before
    assert len(scene.events("plan.approved")) == 1


def test_people_who_approve_at_once_make_one_record(scene: Approving) -> None:
    project = scene.app.project()
    plan = plans.find(project, "01")
    words: list[approval_commands.Word] = []
    threads = [
        threading.Thread(target=lambda n=n: words.append(approval_commands.approve(project, plan, by=f"p{n}")))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [word.again for word in words].count(False) == 1
    assert scene.state()["approvals"]["plan"]["of"] == words[0].of


@pytest.mark.parametrize(
    "records",
    [[], "x", {"plan": "x"}, {"plan": {"of": 7}}, {"plan": {"of": "0" * 64}}, {"plan": {"by": "me"}}, {"plan": None}],
)
def test_a_record_that_says_nothing_approves_nothing(scene: Approving, records: object) -> None:
    (scene.folder / "state.json").write_text(json.dumps({**scene.state(), "approvals": records, "rejected": records}))
    assert scene.reconcile().published == []
    assert scene.wf("approve", "01")[0] == 0
    assert scene.status_of(CODE) is Status.QUEUED


# -- rejecting


def test_a_rejected_text_is_written_anew_and_its_planner_is_told_why(scene: Approving) -> None:
    scene.planned()
    document = scene.json("reject", "01", "--reason", "T2 needs\na test")
    assert document["ok"] is True
    assert document["retried"] == [PLAN]
    assert scene.status_of(PLAN) is Status.QUEUED
    steps, target = scene.steps(), target_of(PLAN)
    with steps.opening(target) as (verdict, _why):
        assert verdict is Opening.GO, "what is there does not count"
    for resumed in (False, True):
        assert "T2 needs a test" in steps.prompt(target, 2, None, resumed=resumed)
    (scene.folder / "plan.md").write_text("# with a test\n")
    assert "T2 needs" not in steps.prompt(target, 3, None)
    with steps.opening(target) as (verdict, _why):
        assert verdict is Opening.DONE
    assert [event["reason"].partition(": ")[2] for event in scene.events("plan.rejected")] == ["T2 needs\na test"]


def test_a_planner_that_leaves_the_rejected_text_has_not_done_its_job(scene: Approving) -> None:
    scene.planned()
    scene.wf("reject", "01", "--reason", "no")
    now = snapshot.take(plans.find(scene.app.project(), "01"))
    assert now.blanks == ("plans/01-a: plan.md and todo.md are as a person rejected them: no",)


def test_a_plan_that_a_person_wrote_gets_a_planner(scene: Approving) -> None:
    assert scene.json("reject", "01", "--reason", "no")["published"] == [PLAN]


def test_a_rejection_takes_an_approval_back_and_the_other_way_round(scene: Approving) -> None:
    scene.wf("approve", "01")
    scene.queue.cancel(CODE, by="person-host-00000001")
    assert scene.wf("reject", "01", "--reason", "no")[0] == 0
    assert "approvals" not in scene.state()
    assert scene.wf("approve", "01")[0] == 0, "its planner has not begun"
    assert "rejected" not in scene.state()
    with scene.steps().opening(target_of(PLAN)) as (verdict, _why):
        assert verdict is Opening.DONE


def test_a_rejection_that_was_killed_halfway_is_repeated(scene: Approving) -> None:
    scene.planned()
    project = scene.app.project()
    approval_commands.reject(project, plans.find(project, "01"), "no", by="me")
    (entry,) = [entry for entry in scene.reconcile().blocked if entry.plan_id == "01"]
    assert entry.needs_help, "it is never silent"
    assert entry.command == f"wf retry --force {PLAN}"
    document = scene.json("reject", "01", "--reason", "no")
    assert (document["again"], document["retried"]) == (True, [PLAN])


def test_a_reason_has_no_power_over_the_terminal_or_the_list(scene: Approving) -> None:
    scene.planned()
    scene.wf("reject", "01", "--reason", "\x1b[2Jno\n- [x] [T9] done")
    for words in (["explain", "P01"], ["epic", "status", "01"], ["doctor"], ["spool", "ls"]):
        assert "\x1b" not in "".join(map(str, scene.wf(*words))), words


# -- who may, and when


@pytest.mark.parametrize("command", [["approve", "01"], ["reject", "01", "--reason", "no"]])
def test_an_agent_may_not(scene: Approving, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("WF_JOB_TOKEN", "x")
    code, _out, err = scene.wf(*command)
    assert (code, "an agent may not" in err) == (4, True)
    assert {"approvals", "rejected"}.isdisjoint(scene.state())


def test_a_plan_whose_job_is_at_work_may_not_be_judged(scene: Approving) -> None:
    scene.enqueue(Target("01", 0, "plan", "orchestrator", "01"))
    for command in (["reject", "01", "--reason", "no"],):
        assert scene.wf(*command)[0] == 4, "queued"
    assert scene.queue.claim("me-box-1", {Pool("orchestrator", "opencode")}) is not None
    for command in (["approve", "01"], ["reject", "01", "--reason", "no"]):
        code, _out, err = scene.wf(*command)
        assert (code, "has a live job" in err) == (4, True)


@pytest.mark.parametrize("phase", ["coding", "awaiting_review", "completed", "blocked", "lost"])
def test_a_plan_that_is_not_planned_waits_for_nobody(scene: Approving, phase: str) -> None:
    scene.plan("03-c", phase=phase, epic="01", todo=TODO)
    code, _out, err = scene.wf("approve", "03")
    assert (code, f"plan 03 is in {phase}" in err) == (4, True)


def test_an_empty_plan_cannot_be_approved(scene: Approving) -> None:
    (scene.folder / "plan.md").write_text(" \n")
    code, _out, err = scene.wf("approve", "01")
    assert (code, "is not written yet" in err) == (4, True)


def test_of_several_plans_each_is_judged_by_itself(scene: Approving) -> None:
    (scene.folder / "plan.md").write_text("")
    document = scene.json("approve", "01", "02", "09")
    assert document["ok"] is True
    assert [one["plan_id"] for one in document["approved"]] == ["02"]
    assert [one["plan_id"] for one in document["refused"]] == ["01", "09"]
    assert scene.wf("approve", "09")[0] == 3


def test_plans_of_one_number_are_not_judged(scene: Approving) -> None:
    scene.plan("01-zebra", epic="01", todo=TODO)
    assert scene.wf("approve", "01")[0] == 4
    assert "approvals" not in scene.state()


@pytest.mark.parametrize("words", [["--reason", "  "], []])
def test_a_rejection_without_a_reason_is_a_wrong_command_line(scene: Approving, words: list[str]) -> None:
    assert scene.wf("reject", "01", *words)[0] == 2
    assert scene.wf("approve", "01", "--gate", "code")[0] == 2
    assert scene.wf("approve", "01", "--gate", "merge")[0] == 4


def test_where_nothing_is_to_be_approved_the_commands_say_so(scene: Approving) -> None:
    (scene.root / "wf.config.json").write_text(json.dumps({"mode": "distributed"}))
    code, _out, err = scene.wf("approve", "01")
    assert (code, "epic.approve" in err) == (4, True)
    (scene.root / "wf.config.json").write_text(json.dumps({"epic": {"approve": ["plan"]}}))
    code, _out, err = scene.cli("approve", "01")
    assert (code, "distributed mode" in err) == (4, True)


def test_a_persons_code_waits_for_the_approval_too(scene: Approving) -> None:
    code, _out, err = scene.wf("code", "01")
    assert (code, "waits for approval" in err) == (1, True)
    assert scene.status_of(CODE) is None
    assert scene.state()["phase"] == "planning"
    scene.wf("approve", "01")
    assert scene.wf("code", "01")[0] == 0


# -- everybody tells


def test_everybody_tells_what_waits_and_the_command(scene: Approving) -> None:
    said = "plan 01 waits for approval of its text"
    for words in (
        ["dispatch"], ["epic", "status", "01"], ["explain", "P01"], ["explain", "E01"], ["doctor"], ["spool", "ls"],
    ):  # fmt: skip
        out = "".join(map(str, scene.wf(*words)))
        assert "waits for approval of its text" in out, words
        assert "wf approve 01" in out, words
    assert "nothing to do" not in scene.wf("dispatch")[1]
    (first, _second) = scene.json("epic", "status", "01")["waiting"]
    assert first["command"] == "wf approve 01"
    assert said in first["text"]


def test_following_ends_as_blocked_when_only_people_can_go_on(scene: Approving) -> None:
    assert scene.wf("init")[0] == 0
    code, out, _err = scene.wf("epic", "run", "01", "--follow")
    assert code == 1, out
    assert "wf approve 01" in out


def test_the_reason_of_a_refusal_is_one_message(scene: Approving) -> None:
    project = scene.app.project()
    (scene.folder / "state.json").write_text(json.dumps({"phase": "coding", "iteration": 0}))
    with pytest.raises(Refused) as caught:
        approval_commands.approve(project, plans.find(project, "01"), by="me")
    assert caught.value.code == "NOT_WAITING"
