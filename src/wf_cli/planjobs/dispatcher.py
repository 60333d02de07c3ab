"""The dispatcher: looks at all plans and publishes the jobs that are due. Level-triggered.

Run it once or a thousand times, from one process or ten: the result is the same, because a key makes one job. It
runs after every commit, after every plan-changing command, on a timer in workers and in ``wf dispatch --watch``. No
process is special, so none can be missing.
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

#: No job id has a dot, so this is no job's fence.
_LOCK = "all.dispatch"
#: Seconds to wait for another reconcile on this host; it does the same, so skipping ours costs nothing.
_LOCK_TIMEOUT = 2.0


class Dispatcher:
    """Reconciles a project with a queue."""

    def __init__(self, project: Project, queue: SpoolQueue, settings: DispatchSettings, events: EventSink):
        self._project = project
        self._queue = queue
        self._settings = settings
        self._events = events

    def reconcile(self, epic: Epic | None = None, *, also: Iterable[str] = ()) -> Reconciled:
        """Publish what the running epics lack (or only ``epic``), and the plans ``also`` names by id.

        Skipped without harm when another reconcile holds the lock of this host: two at once would each see a free
        checkout, and open a plan each. Raises SpoolError, or OSError of a spool that takes no job; the state of one
        plan, epic or job raises nothing, and becomes an entry of ``blocked``.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._queue.spool.lock(_LOCK, timeout=_LOCK_TIMEOUT))
            except Temporary:
                return Reconciled()
            return Round(self._project, self._queue, self._settings, self._events).run(epic, also)

    def publish(self, plan: Plan, command: str) -> tuple[str, bool]:
        """The job of one step, because a person asked for it; its id, and whether it existed before.

        A plan that was left inside the step is adopted: same iteration, same key. Raises NumberShared for a plan
        whose number another plan has, too.
        """
        plans.refuse_shared(self._project, plan.id)
        now = snapshot.take(plan, self._project.clock)
        iteration = max(0, STEPS[command].due_iteration(now))
        request = request_for(now, command, iteration, self._settings, epic_id=now.epic_id, source="person")
        enqueued = self._queue.enqueue(request)
        return enqueued.job_id, enqueued.deduped
