"""What a reconcile would say now, without doing any of it: nothing is published, blocked, rerouted or completed."""

from __future__ import annotations

from collections.abc import Iterable

from wf_cli.contract.event import NoEvents
from wf_cli.contract.identity import job_id_for
from wf_cli.contract.token import Placed
from wf_cli.planjobs.round import DispatchSettings, Reconciled, Round
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool.layout import Spool
from wf_cli.workflow import epic_status
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot


class _Dry(Round):
    """A reconcile whose steps are left out."""

    def _reroute(self) -> None:
        pass

    def _publish_split(self, epic: Epic) -> None:
        pass

    def _create_plans(self, epic: Epic) -> bool:
        return False

    def _complete(self, epic: Epic) -> None:
        if epic_status.validate(epic, skip_quoted=True).mismatch:
            why = f"epic {epic.id}: all plans are completed, but they are not the ones that epic.md declares"
            self._say("", epic.id, why, needs_help=True, command=f"wf epic validate {epic.id}")

    def _tell_waiting(self, plan: Plan, epic_id: str | None, unapproved: tuple[str, str]) -> None:
        pass

    def _tell_blocked(self, epic: Epic) -> None:
        pass

    def _publish(self, plan: Plan, request: JobRequest) -> None:
        # A job of this key may have ended already, so that a reconcile would publish none.
        wanted = job_id_for(request.target.dedupe_key) if request.target is not None else ""
        for job in self._finished.of_plan("done", plan.id):
            if job.token.job_id == wanted and request.target is not None:
                self._tell_ended(plan, request.target.epic_id, wanted, job.status)

    def _block(self, now: Snapshot, epic_id: str | None) -> bool:
        return True


def outlook(
    project: Project,
    spool: Spool,
    settings: DispatchSettings,
    *,
    live: Iterable[Placed] | None = None,
    only: Epic | None = None,
    also: Iterable[str] = (),
) -> Reconciled:
    """What a reconcile of ``project`` would say. ``live`` are the live jobs, when they were listed already.

    Raises SpoolError and OSError as a reconcile does.
    """
    queue = SpoolQueue(spool, clock=project.clock, events=NoEvents())
    return _Dry(project, queue, settings, NoEvents(), live=live).run(only, also)
