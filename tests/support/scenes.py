"""A project with a spool, for tests of reconciles: plans, epics, dead jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic, make_plan, make_session
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


class AtTheCommandLine(Scene):
    """A `Scene` and a person's command line in it. The distributed mode is on."""

    def __init__(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **config: Any
    ):
        super().__init__(root, mode="distributed", **config)
        make_session(root)
        self.cli = Cli(root, monkeypatch, capsys)
        monkeypatch.delenv("WF_JOB_TOKEN", raising=False)

    def wf(self, *words: str) -> tuple[int, str, str]:
        return self.cli(*words, environ=ON)

    def json(self, *words: str) -> dict[str, Any]:
        """The document, also of a command that fails."""
        _code, out, err = self.wf(*words, "--json")
        document: dict[str, Any] = json.loads(out or err)
        return document

    def events(self, kind: str) -> list[dict[str, Any]]:
        log = self.spool.folder("log")
        lines = [line for path in sorted(log.iterdir()) for line in path.read_text().splitlines()]
        return [event for event in map(json.loads, lines) if event["event"] == kind]
