"""Whoever lists and then looks meets files that are gone meanwhile: they have moved on, which is no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import crowd
from support.children import Child
from support.spools import Recorder, assert_sound, make_spool
from wf_cli.clock import SystemClock
from wf_cli.contract.lifecycle import Status
from wf_cli.queue.spending import add_up
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import enqueue, late, scan, verify
from wf_cli.views.record import record
from wf_cli.views.rows import row
from wf_cli.views.sessions import sessions
from wf_cli.views.survey import survey
from wf_cli.views.viewer import Criteria, Viewer

pytestmark = pytest.mark.stress

JOBS = 80


def test_every_look_beside_two_enqueuers_and_a_worker_succeeds_and_finds_nothing_wrong(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    gate = tmp_path / "gate"
    gate.mkdir()
    writers = [Child(crowd.enqueue_on, spool.root, gate, 3, who, JOBS) for who in ("one", "other")]
    writers.append(Child(crowd.work_in_short_sessions, spool.root, gate, 3, 2))
    said: list[str] = []
    queue = SpoolQueue(spool, clock=SystemClock(), events=Recorder(), say=said.append)
    looks, most = 0, 0
    while len(list(gate.glob("done.*"))) < 2 or not looks:
        assert verify.verify(spool, SystemClock()) == []
        viewer = Viewer(spool, SystemClock())
        placed = scan.everything(spool)
        most = max(most, len(placed))
        found = survey(viewer, Criteria())
        shown = list(found.first(None, "status"))
        assert sum(found.counts.values()) == len({one.token.job_id for one in shown}) >= len(placed)
        assert len([row(one, viewer) for one in shown]) == len(shown)
        assert all(record(one, viewer).problem is None for one in placed[:3])
        assert [view.state for view in sessions(viewer) if view.state == "stalled"] == []
        assert late.listing(spool) == []
        add_up(queue, lambda _job_id: True)
        enqueue.sweep(spool, queue.troubles)
        looks += 1
    for child in writers:
        child.result()
    assert said == [], "nothing had to be passed over"
    assert most > 0
    # Half of the keys are each enqueuer's own, the other half is both's.
    assert_sound(spool, SystemClock(), jobs=JOBS + JOBS // 2)
    assert {placed.status for placed in scan.everything(spool)} == {Status.SUCCEEDED}
