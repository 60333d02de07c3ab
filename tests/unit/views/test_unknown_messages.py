"""`wf explain` shows how to tell wf what an unknown message means."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import claim_one, make_spool, request, spool_queue
from support.views import sight
from wf_cli.contract.failure import Failure
from wf_cli.contract.retry import ending_of
from wf_cli.views.explain import explanation
from wf_cli.views.viewer import Viewer


@pytest.mark.parametrize(("code", "shown"), [("refused", True), ("crashed", True), ("usage_limit", False)])
def test_the_line_for_wf_config_is_shown_for_what_is_not_known(tmp_path: Path, code: str, shown: bool) -> None:
    clock = FakeClock()
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool, clock)
    queue.enqueue_many([request("a")])
    queue.end(
        claim_one(queue), ending_of(Failure(code, "exit code 1: the moon (new) is wrong, 3 hours")), by="w-box-1"
    )
    placed = queue.find("a")
    assert placed is not None
    found = explanation(placed, sight(Viewer(spool, clock), placed), epic_paused=lambda _epic: False)
    told = [c.text for c in found.conditions if c.name == "message_known"]
    line = 'runtimes: {opencode: {failures: {"the moon .new. is wrong,": usage_limit}}}'
    assert bool(told) is shown
    assert not shown or line in told[0]
