"""The dispatcher: looks at all plans and publishes the jobs that are due.

It is level-triggered: any number of runs, from any number of processes, have the same result, because one key makes
one job. It runs after every commit, after every plan-changing command, on a timer in workers and in
``wf dispatch --watch``. No process is special, so none can be missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from wf_cli.contract.event import EventSink
from wf_cli.contract.step import STEPS
from wf_cli.errors import Temporary
from wf_cli.planjobs.round import DispatchSettings, Reconciled, Round, request_for
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.workflow import plans, snapshot
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

#: The name of the dispatch lock. A job id has no dot, so it cannot be the fence of a job.
_LOCK = "all.dispatch"
#: Seconds to wait for another reconcile on this host. Then this one is skipped, because the other does the same.
_LOCK_TIMEOUT = 2.0


class Dispatcher:
    """Reconciles a project with a queue."""

    def __init__(self, project: Project, queue: SpoolQueue, settings: DispatchSettings, events: EventSink):
        self._project = project
        self._queue = queue
        self._settings = settings
        self._events = events

    def reconcile(self, epic: Epic | None = None, *, also: Iterable[str] = ()) -> Reconciled:
        """Publish the due jobs of the running epics (or only of ``epic``), and of the plans whose ids ``also`` gives.

        It holds the dispatch lock of this host, because two reconciles at once would each see a free checkout and
        open a plan each. When another reconcile holds the lock, this one is skipped.

        Raises SpoolError, and the OSError of a spool that takes no job. Trouble with one plan, epic or job does not
        raise; it becomes an entry of ``blocked``.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._queue.spool.lock(_LOCK, timeout=_LOCK_TIMEOUT))
            except Temporary:
                return Reconciled()
            return Round(self._project, self._queue, self._settings, self._events).run(epic, also)

    def publish(self, plan: Plan, command: str) -> tuple[str, bool]:
        """Publish the job of one step because a person asked for it. Returns its id, and whether it existed before.

        For a plan that was left inside the step, the job has the iteration and the key of the step that was begun.
        Raises NumberShared for a plan whose number another plan has, too.
        """
        plans.refuse_shared(self._project, plan.id)
        now = snapshot.take(plan, self._project.clock)
        iteration = max(0, STEPS[command].due_iteration(now))
        request = request_for(now, command, iteration, self._settings, epic_id=now.epic_id, source="person")
        enqueued = self._queue.enqueue(request)
        return enqueued.job_id, enqueued.deduped
