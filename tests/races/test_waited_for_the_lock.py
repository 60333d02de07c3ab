"""A command that waited for a lock sees what came about meanwhile: it looks under the lock, not before it.

The command is stopped where it is about to wait for the lock, in the order that every command takes. The other side
does all of its work then, and lets the lock go.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import stage
from support.clock import FakeClock
from support.projects import make_plan, make_session, state_of
from support.spools import make_spool, spool_queue
from wf_cli.cli.main import run
from wf_cli.contract.identity import Target
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Pool, mark
from wf_cli.errors import Refused
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.workflow import project_memory, strict
from wf_cli.workflow.project import Project

ON = {"WF_DISTRIBUTED": "1"}
OPEN = "- [ ] [T1] first\n"
IMPLEMENTED = ("todo", "implemented", "01", "T1", "--test", "make check", "--output", "ok")
CODER = Pool("plan-coder", "opencode")


class Waiting:
    """Says when a thread other than the test's own is about to take the lock ``name`` of a project."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str):
        self._comes = threading.Event()
        own, real = threading.current_thread(), Project.lock

        @contextlib.contextmanager
        def lock(project: Project, asked: str) -> Iterator[None]:
            if asked == name and threading.current_thread() is not own:
                self._comes.set()
            with real(project, asked):
                yield

        monkeypatch.setattr(Project, "lock", lock)

    def reached(self) -> None:
        assert self._comes.wait(stage.DEADLINE), "the command never came to the lock"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_session(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def publish(root: Path, command: str = "code", role: str = "plan-coder") -> SpoolQueue:
    """A job of plan 01, as another command or a worker publishes it."""
    queue = spool_queue(make_spool(root / ".wf" / "spool"))
    target = Target(plan_id="01", iteration=0, command=command, role=role)
    queue.enqueue(JobRequest(role=role, runtime=CODER.runtime, target=target))
    return queue


def while_it_waits(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[], Any], happens: Callable[[], Any]
) -> Any:
    """The result of ``command``, which had to wait for plan 01 while ``happens`` was done."""
    waiting = Waiting(monkeypatch, "plan-01")
    with stage.stage() as play:
        with Project(root).lock("plan-01"):
            actor = play.start(command)
            waiting.reached()
            happens()
        return actor.result()


@pytest.mark.parametrize("spool_before", [True, False], ids=["spool-there", "spool-made-meanwhile"])
def test_a_person_who_waited_for_a_plan_whose_job_was_published_meanwhile_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spool_before: bool
) -> None:
    plan = make_plan(root, "01-a", phase="coding", todo=OPEN)
    if spool_before:
        make_spool(root / ".wf" / "spool")
    code = while_it_waits(root, monkeypatch, lambda: run(IMPLEMENTED, ON), lambda: publish(root))
    assert code == 1
    assert "has a live job: p01-i0-code-plan-coder is queued" in capsys.readouterr().err
    assert plan.todo_md.read_text() == OPEN


@pytest.mark.parametrize(
    ("words", "phase"),
    [(("finish-code", "01"), "coding"), (("done", "01"), "reviewing"), (("todo", "reject", "01", "T1"), "reviewing")],
)
def test_every_command_that_changes_a_plan_looks_under_its_lock(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    phase: str,
) -> None:
    plan = make_plan(root, "01-a", phase=phase)
    assert while_it_waits(root, monkeypatch, lambda: run(words, ON), lambda: publish(root)) == 1
    assert "has a live job" in capsys.readouterr().err
    assert state_of(plan)["phase"] == phase


def test_an_operator_changes_the_plan_all_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(root, "01-a", phase="coding", todo=OPEN)
    words = (*IMPLEMENTED, "--as-operator")
    assert while_it_waits(root, monkeypatch, lambda: run(words, ON), lambda: publish(root)) == 0
    assert "[x] [T1]" in plan.todo_md.read_text()


def test_an_agent_whose_end_was_decided_while_it_waited_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fence is busy, so an operator's cancel publishes the outcome and leaves the token where it is."""
    plan = make_plan(root, "01-a", phase="coding", todo=OPEN)
    queue = publish(root)
    token = queue.claim("first-box-1", (CODER,))
    assert token is not None
    with queue.fence(token.job_id):
        queue.start(token)
    queue.fence = lambda job_id: queue.spool.fence(job_id, timeout=0.05)  # type: ignore[method-assign]
    environ = ON | {"WF_JOB_TOKEN": mark(token), "WF_ROLE": token.pool.role}

    def cancel() -> None:
        with contextlib.suppress(Exception):  # it says that the fence stays busy
            queue.cancel(token.job_id, by="operator")
        assert queue.outcome(token.job_id, 1) is not None

    assert while_it_waits(root, monkeypatch, lambda: run(IMPLEMENTED, environ), cancel) == 4
    assert "was superseded" in capsys.readouterr().err
    assert plan.todo_md.read_text() == OPEN


def test_a_step_is_published_for_the_phase_that_the_plan_has_then(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(root, "01-a", phase="planning")

    def completed() -> None:
        plan.state_json.write_text(json.dumps(state_of(plan) | {"phase": "completed"}))

    assert while_it_waits(root, monkeypatch, lambda: run(("code", "01"), ON), completed) == 1
    assert "is in phase completed" in capsys.readouterr().err
    assert not (root / ".wf" / "spool").exists()


def test_a_strict_run_of_an_earlier_round_of_review_is_not_stored(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the checks ran the plan was fixed and came back: what was checked is not what lies there now."""
    monkeypatch.setattr(strict, "planned_checks", lambda *_: [])
    plan = make_plan(root, "01-a", phase="reviewing")
    project = Project(root, FakeClock())
    checked = strict.run_checks(project, plan, "fast")
    plan.state_json.write_text(json.dumps(state_of(plan) | {"iteration": 1}))
    with pytest.raises(Refused, match="iteration 1"):
        strict.store(project, plan, checked)
    assert not plan.quality_run.exists()


def test_entries_of_the_log_stand_in_the_order_of_their_times(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    project = Project(root, clock)
    memory = project_memory.memory_of(project)
    waiting = Waiting(monkeypatch, "memory")
    with stage.stage() as play:
        with Project(root).lock("memory"):
            late = play.start(lambda: project_memory.add_entry(project, memory, "the one that waited"))
            waiting.reached()
            clock.sleep(5)
            project_memory.add_entry(project, memory, "the one before it")
        late.result()
    times = [json.loads(line)["timestamp"] for line in memory.log_jsonl.read_text().splitlines()]
    assert len(times) == 2
    assert times == sorted(times)


def test_a_job_that_goes_back_to_the_queue_while_it_is_looked_for_is_found(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """queued/ was listed already when the job was released: it is listed once more at the end."""
    from wf_cli import fencing
    from wf_cli.contract.job import End
    from wf_cli.contract.retry import Ending
    from wf_cli.spool.layout import Spool

    queue = publish(root)
    token = queue.claim("first-box-1", (CODER,))
    assert token is not None
    real, released = Spool.names, []

    def names(spool: Spool, folder: str) -> list[str]:
        if folder == "claimed" and not released:
            released.append(queue.end(token, Ending(End.RELEASED), by="first-box-1"))
        return real(spool, folder)

    monkeypatch.setattr(Spool, "names", names)
    live = fencing.live_job(queue.spool, "01")
    assert live is not None
    assert live.status is Status.QUEUED
