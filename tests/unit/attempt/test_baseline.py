"""What a job's change is measured against, when an attempt before did not tell (`opening.baseline`)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.projects import make_plan
from support.spools import run_one
from wf_cli.app import App
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.queue.values import JobRequest

CODER = Pool("plan-coder", "opencode")
FIRST = "first-box-1"
#: How a first attempt ended that left no baseline, and whether its agent may have worked.
ENDINGS: dict[str, tuple[Ending, bool]] = {
    "lost": (Ending(End.LOST, failure=Failure("lost", "its session is gone")), True),
    "cancelled": (Ending(End.CANCELLED, reason="not now"), True),
    "failed": (Ending(End.FAILED, failure=Failure("crashed", "it died"), started_ms=1), True),
    "never started": (Ending(End.LOST, failure=Failure("never_started", "its session is gone")), False),
    "busy": (Ending(End.RELEASED, reason="another job works on this plan"), False),
}


def second_attempt(root: Path, first: Ending) -> Outcome:
    """A coding step whose work was done before its second attempt, which itself changes nothing."""
    agent = {"adapter": "command", "argv": ["true"]}
    config = {"spool": {"durability": "none"}, "runtimes": {"cursor": agent, "opencode": agent}}
    (root / "wf.config.json").write_text(json.dumps(config))
    make_plan(root, phase="coding")
    app = App(root, {"PATH": os.defpath, "HOME": str(root), "WF_DISTRIBUTED": "1"})
    spool = app.create_spool()
    queue = app.queue(spool)
    target = Target(plan_id="01", iteration=0, command="code", role="plan-coder")
    job_id = queue.enqueue(JobRequest("plan-coder", "opencode", target=target)).job_id
    token = run_one(queue, FIRST, CODER)
    (root / "work.py").write_text("print('done')\n")
    queue.end(token, first, by=FIRST if first.end is not End.LOST else "reaper-box-1")
    queue.retry(job_id)
    queue.unpark(None)
    (placed,) = queue.placed()
    if placed.token.delay_s:  # nobody waits for a back-off here
        ready = placed.token.queued_at(1)
        os.rename(spool.path("queued", placed.token.name), spool.path("queued", ready.name))
    app.worker(spool, runtime="opencode", pools=frozenset({CODER}), say=lambda _line: None, max_jobs=1).run()
    outcome = queue.outcome(job_id, 2)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("how", [how for how, (_, worked) in ENDINGS.items() if worked])
def test_i5_what_an_attempt_may_have_changed_that_told_no_baseline_counts_for_its_job(
    tmp_path: Path, how: str
) -> None:
    """Kills: after a lost (or cancelled) attempt the checkout of today is the baseline, so its work is nobody's."""
    outcome = second_attempt(tmp_path, ENDINGS[how][0])
    assert outcome.end is End.SUCCEEDED, outcome.failure
    assert outcome.baseline is None


@pytest.mark.parametrize("how", [how for how, (_, worked) in ENDINGS.items() if not worked])
def test_an_attempt_that_had_no_agent_leaves_the_proof_to_the_next(tmp_path: Path, how: str) -> None:
    """Kills: without a baseline of the attempt before, no change is asked for."""
    outcome = second_attempt(tmp_path, ENDINGS[how][0])
    assert outcome.failure is not None
    assert outcome.failure.code == "no_change"
    assert outcome.baseline is not None
