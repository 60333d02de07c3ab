"""Spool, queue and plan steps of one project, for the keeper and the agent's commands."""

from __future__ import annotations

import contextlib

from wf_cli.app import App
from wf_cli.contract.identity import Target
from wf_cli.errors import WfError
from wf_cli.eventlog.log import EventLog
from wf_cli.frozen import frozen
from wf_cli.planjobs.job_steps import JobSteps
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool.layout import Spool


@frozen
class Tools:
    """A project's spool, queue and plan steps."""

    app: App
    spool: Spool
    events: EventLog
    queue: SpoolQueue
    steps: JobSteps

    @classmethod
    def of(cls, app: App, owner: str | None = None) -> Tools:
        """The tools of ``app``, for the session ``owner``. Raises SpoolMissing when there is no spool."""
        spool = app.open_spool()
        events = app.events(spool, owner, of_work_only=owner is not None)
        return cls(app, spool, events, app.queue(spool, events), app.steps(spool, events))

    def reconcile(self, target: Target | None) -> None:
        """Publish the next step of a plan or, with None, of every running epic. Failures are left to the workers."""
        also = [target.plan] if target is not None and target.epic_id is None else []
        with contextlib.suppress(WfError, OSError):
            self.app.dispatcher(self.spool, self.events).reconcile(also=also)
