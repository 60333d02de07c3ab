"""Behaviour that no quick test held until mutants of the code survived (docs/explanation/mutation-testing.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.projects import make_epic
from support.spools import make_spool, request, spool_queue
from wf_cli import fsio
from wf_cli.contract.job import Spec
from wf_cli.contract.shape import WrongShape
from wf_cli.contract.token import Pool
from wf_cli.planjobs import purpose
from wf_cli.planjobs.dispatcher import Dispatcher
from wf_cli.planjobs.round import DispatchSettings
from wf_cli.spool import session
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
    for key, value in (("priority", 10), ("max_attempts", 0), ("nonce", "x"), ("source", 3)):
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
