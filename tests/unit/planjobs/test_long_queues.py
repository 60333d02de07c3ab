"""A reconcile beside a long queue of jobs that are no steps: it parses none of their names."""

from __future__ import annotations

from pathlib import Path

from support.spools import make_spool, request, spool_queue
from wf_cli.contract import token
from wf_cli.contract.identity import EPIC_STEPS, STEPS, Target, target_of
from wf_cli.contract.lifecycle import LIVE
from wf_cli.queue.values import JobRequest
from wf_cli.spool import scan


def test_only_names_of_steps_are_parsed(tmp_path: Path) -> None:
    queue = spool_queue(make_spool(tmp_path / "spool"))
    queue.enqueue_many([request(f"item-{n}") for n in range(200)])
    step = JobRequest("coder", "opencode", target=Target("03", 0, "code", "coder", epic_id="01"))
    queue.enqueue(step)
    token.parse.cache_clear()
    target_of.cache_clear()
    (found,) = scan.steps(queue.spool, LIVE)
    assert found.token.job_id == "e01-p03-i0-code-coder"
    assert token.parse.cache_info().misses == 1
    assert target_of.cache_info().misses == 1


def test_every_step_there_is_is_found_by_the_part_of_its_name(tmp_path: Path) -> None:
    queue = spool_queue(make_spool(tmp_path / "spool"))
    targets = [Target("03", 2, command, "coder", epic) for command in STEPS for epic in (None, "01")]
    targets += [Target(None, 0, command, "coder", "01") for command in EPIC_STEPS]
    targets += [Target("04", 10, "code", "coder", "01", "repo")]
    queue.enqueue_many([JobRequest("coder", "opencode", target=target) for target in targets])
    assert {target_of(placed.token.job_id) for placed in scan.steps(queue.spool)} == set(targets)
