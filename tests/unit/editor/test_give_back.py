"""Signs of life of an agent inside an editor, on a clock of the test's."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool, problems, run_one, spool_queue
from support.spools import request as job
from support.views import beat, dead_pid
from wf_cli import proc
from wf_cli.editor import sign_of_life
from wf_cli.editor.give_back import Watch
from wf_cli.editor.sign_of_life import SignOfLife
from wf_cli.proc import ProcessRef
from wf_cli.spool.layout import Spool

OWNER = "opencode-editor-box-1"
IDLE = 60.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = make_spool(tmp_path / "spool")
    sign_of_life.put(made, SignOfLife(OWNER, 0, IDLE))
    return made


def watching(spool: Spool, clock: FakeClock, plan: Path | None = None, editor: ProcessRef | None = None) -> Watch:
    return Watch(spool, OWNER, editor or proc.this_process(), IDLE, plan, clock)


def test_silence_for_the_idle_limit_is_the_end(spool: Spool) -> None:
    clock = FakeClock()
    watch = watching(spool, clock)
    clock.advance(IDLE - 1)
    assert watch.gone() is None
    clock.advance(1)
    assert "nothing was heard" in str(watch.gone())


def test_a_heartbeat_and_a_change_of_the_plan_start_the_limit_again(spool: Spool, tmp_path: Path) -> None:
    clock, plan = FakeClock(), tmp_path / "plan"
    plan.mkdir()
    watch = watching(spool, clock, plan)
    for sign in (
        lambda: sign_of_life.put(spool, SignOfLife(OWNER, 0, IDLE)),
        lambda: (plan / "todo.md").write_text("- [x] [T1] done\n"),
        lambda: (plan / "todo.md").unlink(),
    ):
        clock.advance(IDLE - 1)
        sign()
        assert watch.gone() is None
        clock.advance(IDLE - 1)
        assert watch.gone() is None
    clock.advance(1)
    assert watch.gone() is not None


def test_an_editor_that_is_gone_is_seen_at_once(spool: Spool) -> None:
    clock = FakeClock()
    assert "editor" in str(watching(spool, clock, editor=ProcessRef(*dead_pid())).gone())
    me = proc.this_process()
    assert "editor" in str(watching(spool, clock, editor=ProcessRef(me.pid, "another start")).gone())


def test_the_file_of_a_keeper_is_removed_when_it_has_neither_lease_nor_job(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.enqueue(job("a"))
    run_one(queue, "busy-editor-box-1")
    sign_of_life.put(spool, SignOfLife("busy-editor-box-1", 0, IDLE))
    sign_of_life.put(spool, SignOfLife("alive-editor-box-1", 0, IDLE))
    beat(spool, "alive-editor-box-1")
    sign_of_life.bury(spool)
    left = sorted(path.name for path in spool.folder("control").iterdir())
    assert left == ["editor.alive-editor-box-1.json", "editor.busy-editor-box-1.json"]
    assert [line for line in problems(spool) if "control" in line] == []


@pytest.mark.parametrize("text", ["", "[]", '{"beat": 1}', '{"started_ms": 1e999, "idle_s": 1, "beat": ""}'])
def test_invariant_7_a_damaged_file_is_no_sign_of_life(spool: Spool, text: str) -> None:
    spool.path("control", f"editor.{OWNER}.json").write_text(text)
    assert sign_of_life.read(spool, OWNER) is None
    assert sign_of_life.read(spool, "../VERSION") is None
