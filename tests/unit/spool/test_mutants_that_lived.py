"""Behaviour that no quick test held until mutants of the code survived (docs/explanation/mutation-testing.md)."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.projects import make_epic, make_plan
from support.spools import SUCCESS, Recorder, make_spool, request, run_one, spool_queue
from wf_cli import fsio
from wf_cli.attempt.outage import Outage
from wf_cli.attempt.rounds import Rounds
from wf_cli.attempt.session import Session
from wf_cli.contract.identity import Target
from wf_cli.contract.job import Spec
from wf_cli.contract.shape import WrongShape
from wf_cli.contract.token import Pool
from wf_cli.errors import StateError, Temporary
from wf_cli.planjobs import purpose
from wf_cli.planjobs.dispatcher import Dispatcher
from wf_cli.planjobs.epic_steps import EpicSteps
from wf_cli.planjobs.round import DispatchSettings
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import session
from wf_cli.spool.layout import Spool
from wf_cli.workflow import plans
from wf_cli.workflow.project import Project


class Heard:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def rest(self) -> None:
        pass

    def emit(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))


def test_a_session_with_a_lease_and_no_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = make_spool(tmp_path / "spool")
    monkeypatch.chdir(tmp_path)
    spool.path("leases", "w-box-1.lease").write_text("")
    spool.path("sessions", "w-box-2.json").write_text("{}")
    spool.path("leases", "not a word.lease").write_text("")
    assert session.owners(spool) == ["w-box-1", "w-box-2"]


def test_a_session_file_that_the_disk_does_not_give_is_none_to_those_who_only_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make_spool(tmp_path / "spool")

    def broken(*_args: Any, **_options: Any) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fsio, "read_regular", broken)
    assert session.read(spool, "w-box-1") is None
    with pytest.raises(OSError, match="Input/output"):
        session.load(spool, "w-box-1")


def test_the_event_of_a_new_job_says_who_made_it(tmp_path: Path) -> None:
    heard = Heard()
    queue = spool_queue(make_spool(tmp_path / "spool"), FakeClock(), heard)
    queue.enqueue(request("a", source="a person"))
    queue.enqueue(request("a", source="another"))
    told = [(event, facts["reason"]) for event, facts in heard.events]
    assert told == [("job.enqueued", "a person"), ("job.deduped", "another")]


def test_a_refused_record_names_the_key(tmp_path: Path) -> None:
    queue = spool_queue(make_spool(tmp_path / "spool"))
    job_id = queue.enqueue(request("a")).job_id
    spec = queue.spec(job_id)
    assert spec is not None
    wrong_values = (("priority", 10), ("max_attempts", 0), ("nonce", "x"), ("source", 3), ("dedupe_key", "a"))
    for key, value in wrong_values:
        with pytest.raises(WrongShape) as wrong:
            Spec.from_json({**spec.to_json(), key: value})
        assert wrong.value.where == key


def test_what_blocks_a_whole_epic_names_no_plan(tmp_path: Path) -> None:
    folder = make_epic(tmp_path, orchestration={"status": "running"}, plan_ids=["01-a"])
    (folder / "state.json").write_text("{")
    queue = spool_queue(make_spool(tmp_path / "spool"), FakeClock())
    settings = DispatchSettings(pool=lambda role: Pool(role, "cursor"), max_attempts=lambda _role: 1)
    found = Dispatcher(Project(tmp_path), queue, settings, Heard()).reconcile()
    assert found.blocked
    assert {(entry.plan_id, entry.epic_id) for entry in found.blocked} == {("", "01")}


def test_a_planner_is_told_the_goal_of_its_epic_and_its_own_paragraph(tmp_path: Path) -> None:
    folder = make_epic(tmp_path)
    (folder / "epic.md").write_text(
        "# Epic: E\n\n## Goal\n\nDates are read.\n\n## Scope\n\n- Plan 1: Parse\n  - headers only\n"
    )
    plan = plans.create(Project(tmp_path), "Plan 1: Parse", "01")
    told = purpose.for_planner(Project(tmp_path), plan)
    assert "## What plan 01 is for\n\n  - headers only" in told
    assert "## The goal of epic 01\n\nDates are read." in told


def test_a_cancel_of_a_decided_attempt_waits_for_its_fence_once(tmp_path: Path) -> None:
    """Otherwise each look of the chase waits for the fence again, ten seconds each time."""

    class Impatient(SpoolQueue):
        waits = 0

        def fence(self, job_id: str) -> AbstractContextManager[None]:
            self.waits += 1
            return self.spool.fence(job_id, timeout=0.01)

    spool = make_spool(tmp_path / "spool")
    queue = Impatient(spool, clock=FakeClock(), events=Recorder())
    queue.enqueue(request("a"))
    token = run_one(queue, "w-box-1")
    queue.enqueue(request("another"))
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with spool.fence("a"):
            held.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(60)
        assert queue.end(token, SUCCESS, by="w-box-1").accepted
        queue.waits = 0
        with pytest.raises(Temporary, match="the end of a is decided, and its fence stays busy"):
            queue.cancel("a", by="o-box-1")
        assert queue.waits == 1
    finally:
        over.set()
        holder.join()


def rounds_of(spool: Spool, said: list[str]) -> tuple[Session, Rounds]:
    record = session.this_process("w-box-1", "opencode", 1000.0, 0)
    made = Session(spool, record, clock=FakeClock(), events=Recorder(), say=said.append)
    return made, Rounds(made, FakeClock(), said.append)


def test_the_trouble_of_a_duty_is_said_with_its_name_and_words(tmp_path: Path) -> None:
    said: list[str] = []
    opened, rounds = rounds_of(make_spool(tmp_path / "spool"), said)

    def breaks() -> None:
        raise StateError("plans/01-a/state.json: no JSON", hint="restore it")

    rounds.every(1.0, "reconcile", breaks)
    rounds.do_due()
    opened.close("the end")
    (line,) = said
    assert line == "reconcile: plans/01-a/state.json: no JSON; restore it; trying again every 1 s"


def test_a_look_for_a_verdict_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    spool = make_spool(tmp_path / "spool")

    def breaks(_session: Session) -> None:
        raise StateError("it cannot be read")

    monkeypatch.setattr(Session, "look_for_verdict", breaks)
    opened, rounds = rounds_of(spool, said)
    rounds.for_others(spool_queue(spool), Recorder(), lambda _reaped: None, None)
    rounds.do_due()
    opened.close("the end")
    assert [line.partition(":")[0] for line in said] == ["look for a verdict"]


def test_a_refusal_that_names_no_file_is_an_outage_like_another(tmp_path: Path) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    assert outage.met("sweep", PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    assert len(said) == 1


def test_a_plan_whose_folder_says_its_title_has_no_line_about_it(tmp_path: Path) -> None:
    named = make_plan(tmp_path, "01-parse")
    other = plans.create(Project(tmp_path), "Größe lesen")
    assert purpose.title(named) == ""
    assert purpose.title(other) == "Its title: Größe lesen"


def test_two_epics_of_one_number_are_told_with_the_command_that_repairs_it(tmp_path: Path) -> None:
    for name in ("01-big", "01-small"):
        make_epic(tmp_path, name=name)
    steps = EpicSteps(Project(tmp_path), max_plans=9, epic_paused=lambda _epic: False)
    target = Target(plan_id=None, iteration=0, command="split", role="orchestrator", epic_id="01")
    with pytest.raises(Temporary) as told:
        steps.prompt(target, 1, None)
    assert told.value.hint is not None
    assert "wf epic renumber" in told.value.hint
