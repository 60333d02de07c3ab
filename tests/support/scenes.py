"""A project with a spool, for tests of reconciles: plans, epics, dead jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.projects import make_epic, make_plan
from wf_cli.app import App
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool.layout import Spool
from wf_cli.workflow.plans import Plan

ON = {"WF_DISTRIBUTED": "1"}


class Scene:
    """A project with a spool that keeps nothing safe from power cuts."""

    def __init__(self, root: Path, **config: Any):
        self.root = root
        settings = {"spool": {"durability": "none"}, **config}
        (root / "wf.config.json").write_text(json.dumps(settings))
        self.spool: Spool = self.app.create_spool()

    @property
    def app(self) -> App:
        return App(self.root, ON)

    @property
    def queue(self) -> SpoolQueue:
        return self.app.queue(self.spool)

    def plan(
        self, name: str, phase: str = "planning", iteration: int = 0, epic: str | None = None, **files: Any
    ) -> Plan:
        plan = make_plan(self.root, name, phase=phase, **files)
        state = {"phase": phase, "iteration": iteration, **({"epic_id": epic} if epic else {})}
        plan.state_json.write_text(json.dumps(state))
        return plan

    def epic(self, name: str, *linked: str) -> Path:
        """A running epic."""
        return make_epic(self.root, name=name, plan_ids=list(linked), orchestration={"status": "running"})

    def reconcile(self, also: Sequence[str] = ()) -> Any:
        return self.app.dispatcher(self.spool).reconcile(also=also)

    def enqueue(self, target: Target) -> str:
        return self.queue.enqueue(JobRequest(role=target.role, runtime="opencode", target=target)).job_id

    def dead(self, target: Target) -> str:
        """A job of this step that lies in the dead letter."""
        job_id = self.enqueue(target)
        queue = self.queue
        token = queue.claim("me-box-1", {Pool(target.role, "opencode")})
        assert token is not None
        queue.end(token, Ending(End.FAILED, failure=Failure("model_not_found", "no such model")), by="me-box-1")
        placed = queue.find(job_id)
        assert placed is not None
        assert placed.status is Status.FAILED
        return job_id
