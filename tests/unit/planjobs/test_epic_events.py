"""The events of an epic: started once, blocked once for each blocking, completed once, whoever looks at it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic, make_plan, make_session
from support.scenes import Scene
from support.spools import problems
from support.wait import wait_until
from wf_cli.contract.event import Event
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Pool
from wf_cli.eventlog.read import Selection, read
from wf_cli.spool import notified, retention
from wf_cli.spool.layout import Spool

CODE = Target("01", 0, "code", "plan-coder", "01")
FAR = 10**15


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def told(spool: Spool, kind: str) -> list[Event]:
    return read(spool.folder("log"), Selection(kinds=frozenset({kind})))


def die_again(scene: Scene, job_id: str) -> None:
    assert scene.queue.retry(job_id)
    queue = scene.queue
    token = queue.claim("me-box-1", {Pool("plan-coder", "opencode")})
    assert token is not None
    queue.end(token, Ending(End.FAILED, failure=Failure("model_not_found", "no such model")), by="me-box-1")


# -- blocked


def test_a_dead_job_blocks_its_epic_once_however_often_it_is_looked_at(scene: Scene) -> None:
    scene.plan("01-a", "planning")
    scene.epic("01-x", "01-a")
    job_id = scene.dead(CODE)
    for _ in range(5):
        scene.reconcile()
    (event,) = told(scene.spool, "epic.blocked")
    assert event.facts["epic_id"] == "01"
    assert event.facts["reason"].startswith(f"plan 01: {job_id} is dead")


def test_a_job_that_dies_again_after_a_retry_is_another_blocking(scene: Scene) -> None:
    scene.plan("01-a", "planning")
    scene.epic("01-x", "01-a")
    job_id = scene.dead(CODE)
    scene.reconcile()
    scene.queue.retry(job_id)
    scene.reconcile()
    assert len(told(scene.spool, "epic.blocked")) == 1, "while it is queued nothing is blocked"
    scene.queue.cancel(job_id, by="me")
    die_again(scene, job_id)
    scene.reconcile()
    scene.reconcile()
    assert len(told(scene.spool, "epic.blocked")) == 2


def test_an_epic_with_another_plan_at_work_is_not_blocked_until_that_has_stopped_too(scene: Scene) -> None:
    scene.plan("01-a", "planning")
    scene.plan("02-b", "planning")
    scene.epic("01-x", "01-a", "02-b")
    scene.dead(CODE)
    scene.reconcile()
    live = scene.queue.placed()
    assert [p.folder for p in live if "p02" in p.token.job_id] == ["queued"], "the second plan has its turn"
    scene.reconcile()
    assert told(scene.spool, "epic.blocked") == []
    queue = scene.queue
    token = queue.claim("me-box-1", {Pool("plan-coder", "opencode")})
    assert token is not None
    queue.end(token, Ending(End.FAILED, failure=Failure("model_not_found", "none")), by="me-box-1")
    scene.reconcile()
    (event,) = told(scene.spool, "epic.blocked")
    assert "plan 01" in event.facts["reason"]
    assert "plan 02" in event.facts["reason"]


def test_a_plan_that_used_up_its_rounds_blocks_in_the_same_round(scene: Scene) -> None:
    from support.projects import REVIEW, TODO

    scene.plan(
        "01-a",
        "reviewing",
        5,
        todo=TODO.replace("- [x] [T2]", "- [ ] [T2]"),
        review=REVIEW.replace("- [T2]: pass", "- [T2]: fail"),
    )
    scene.epic("01-x", "01-a")
    for _ in range(3):
        scene.reconcile()
    assert len(told(scene.spool, "epic.blocked")) == 1


@pytest.mark.parametrize("by_wf", [True, False], ids=["by wf, for its budget", "by an operator"])
def test_a_held_job_blocks_only_when_wf_holds_it(scene: Scene, by_wf: bool) -> None:
    scene.plan("01-a", "planning")
    scene.epic("01-x", "01-a")
    (job_id,) = scene.reconcile().published
    queue = scene.queue
    if by_wf:
        token = queue.claim("me-box-1", {Pool("plan-coder", "opencode")})
        assert token is not None
        queue.end(token, ending_of(Failure("over_budget", "it cost $5")), by="me-box-1")
    else:
        assert queue.hold(job_id)
    assert [p.folder for p in queue.placed()] == ["held"]
    scene.reconcile()
    scene.reconcile()
    assert len(told(scene.spool, "epic.blocked")) == by_wf


def test_a_paused_or_idle_epic_is_not_blocked(scene: Scene) -> None:
    scene.plan("01-a", "planning")
    make_epic(scene.root, name="01-x", plan_ids=["01-a"], orchestration={"status": "paused"})
    scene.dead(CODE)
    scene.reconcile(also=["01"])
    assert told(scene.spool, "epic.blocked") == []


def test_ten_dispatchers_of_ten_hosts_tell_it_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatch lock holds for one host only, so here each reconcile has a lock of its own."""
    scene.plan("01-a", "planning")
    scene.epic("01-x", "01-a")
    scene.dead(CODE)
    from wf_cli.planjobs.round import Round

    at_the_link = []
    real = notified.fsio.publish

    def publish(part: Path, target: Path) -> bool:
        if Path(target).parent.name == "notified":
            at_the_link.append(target)
            wait_until(lambda: len(at_the_link) >= 10, what="all ten being about to tell")
        return real(part, target)

    monkeypatch.setattr(notified.fsio, "publish", publish)

    def one(_: int) -> Any:
        dispatcher = scene.app.dispatcher(scene.spool)
        return Round(dispatcher._project, dispatcher._queue, dispatcher._settings, dispatcher._events).run(None, ())

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(one, range(10)))
    assert len(at_the_link) == 10
    assert len(told(scene.spool, "epic.blocked")) == 1


def test_a_mark_that_cannot_be_made_stops_no_round_and_the_next_one_tells(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.plan("01-a", "planning")
    scene.plan("02-b", "planning")
    scene.epic("01-x", "01-a")
    scene.epic("02-y", "02-b")
    scene.dead(CODE)

    def full(*_: Any) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(notified.fsio, "publish", full)
        patched.setattr("wf_cli.queue.spool_queue.SpoolQueue.enqueue", lambda *_: pytest.fail("none is due"))
        scene.app.dispatcher(scene.spool).reconcile(_epic(scene, "01"))
    assert told(scene.spool, "epic.blocked") == []
    scene.reconcile()
    assert len(told(scene.spool, "epic.blocked")) == 1


def _epic(scene: Scene, number: str) -> Any:
    from wf_cli.workflow import epics

    return epics.find(scene.app.project(), number)


def test_a_spool_of_an_older_wf_gets_the_folder_when_it_is_needed(scene: Scene) -> None:
    scene.spool.folder("notified").rmdir()
    assert problems(scene.spool) == []
    scene.plan("01-a", "planning")
    scene.epic("01-x", "01-a")
    scene.dead(CODE)
    scene.reconcile()
    scene.reconcile()
    assert len(told(scene.spool, "epic.blocked")) == 1
    assert problems(scene.spool) == []


def test_what_lies_in_the_place_of_a_mark_keeps_quiet_and_breaks_nothing(scene: Scene) -> None:
    name = notified.name_of(notified.EPIC, "01-started", "x")
    os.mkfifo(scene.spool.path("notified", f"{name}.json"))
    assert not notified.first(scene.spool, name, by="me-box-1")
    assert [p.split(":")[0] for p in problems(scene.spool)] == ["not_a_file"]


# -- started and completed


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    make_session(tmp_path)
    (tmp_path / "wf.config.yaml").write_text("mode: distributed\nspool: {durability: none}\n")
    make_epic(tmp_path, "\n- Plan 1: a\n", plan_ids=["01-a"])
    make_plan(tmp_path, "01-a", phase="planning")
    made = Cli(tmp_path, monkeypatch, capsys)
    assert made("init")[0] == 0
    return made


def spool_of(wf: Cli) -> Spool:
    from wf_cli.app import App

    return App(wf.root, {"WF_DISTRIBUTED": "1"}).open_spool()


def test_an_epic_is_started_once_however_often_it_is_run_stopped_and_resumed(wf: Cli) -> None:
    for words in (("run", "01"), ("run", "01"), ("stop", "01"), ("resume", "01"), ("stop", "01"), ("run", "01")):
        code, _, err = wf("epic", *words)
        assert code == 0, err
    assert len(told(spool_of(wf), "epic.started")) == 1


def test_an_epic_that_was_purged_starts_anew(wf: Cli) -> None:
    assert wf("epic", "run", "01")[0] == 0
    spool = spool_of(wf)
    assert wf("epic", "stop", "01")[0] == 0
    assert wf("cancel", "--all")[0] == 0
    assert wf("spool", "purge", "--epic", "01")[0] == 0
    assert wf("epic", "run", "01")[0] == 0
    assert len(told(spool, "epic.started")) == 2


def test_marks_of_epics_outlast_gc_and_those_of_events_do_not(scene: Scene) -> None:
    for kind in (notified.EPIC, notified.EVENT):
        assert notified.first(scene.spool, notified.name_of(kind, "01" * (kind == "epic"), "x"), by="me-box-1")
    assert retention.clean(scene.spool, before_ms=0).notified == []
    assert len(retention.clean(scene.spool, before_ms=FAR).notified) == 1
    assert [name.partition("-")[0] for name in scene.spool.names("notified")] == ["epic"]


def test_hosts_that_complete_an_epic_at_once_tell_it_once(scene: Scene) -> None:
    folder = _all_done(scene, "01-plan-1-a")
    running = (folder / "state.json").read_text()
    for _ in range(3):
        (folder / "state.json").write_text(running)  # As each of them has read it.
        assert scene.reconcile().completed_epics == ["01"]
    assert len(told(scene.spool, "epic.completed")) == 1
    assert told(scene.spool, "epic.blocked") == []


def test_plans_that_are_done_and_are_not_the_declared_ones_block(scene: Scene) -> None:
    _all_done(scene, "01-something-else")
    scene.reconcile()
    scene.reconcile()
    (event,) = told(scene.spool, "epic.blocked")
    assert "not the ones that epic.md declares" in event.facts["reason"]


def _all_done(scene: Scene, plan: str) -> Path:
    scene.plan(plan, "completed")
    running = {"status": "running"}
    return make_epic(scene.root, "\n- Plan 1: a\n", name="01-x", plan_ids=[plan], orchestration=running)


def test_an_epic_that_is_completed_by_a_look_at_its_status_is_told_too(wf: Cli) -> None:
    folder = make_epic(
        wf.root, "\n- Plan 1: b\n", name="02-y", plan_ids=["02-plan-1-b"], orchestration={"status": "running"}
    )
    make_plan(wf.root, "02-plan-1-b", phase="completed")
    assert wf("epic", "run", "01")[0] == 0  # It makes the spool.
    (folder / "state.json").write_text((folder / "state.json").read_text().replace("completed", "running"))
    spool = spool_of(wf)
    for _ in range(2):
        assert wf("epic", "status", "02")[0] == 0
    assert len(told(spool, "epic.completed")) == 1
