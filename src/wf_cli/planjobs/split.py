"""Whether an epic without plans waits for the job that declares them, for its plans to be made, or for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_cli.contract.identity import Target, job_id_for
from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.step import EPIC_STEPS
from wf_cli.frozen import frozen
from wf_cli.planjobs.due import Publish, Wait
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.workflow import epic_plans, epic_run, epics
from wf_cli.workflow.epics import Epic

_SPLIT = EPIC_STEPS["split"]


@frozen
class Create:
    """The plans are declared and can be made."""


def target(epic: Epic) -> Target:
    """The step that declares the plans of ``epic``."""
    return Target(None, 0, _SPLIT.command, _SPLIT.role.name, epic.id)


def due(epic: Epic, state: Mapping[str, Any], queue: SpoolQueue) -> Create | Publish | Wait | None:
    """What is to happen for a running epic; None when it has plans, or its job is at work.

    A list that an agent has declared counts when its job has succeeded, because the agent may still replace the list,
    and the job's check looks at more than the list. The list of a person counts at once. Raises StateError.
    """
    if epics.linked_names(dict(state)):
        return None
    wanted = epic_run.wanted(epic, dict(state), splits=True)
    job_id = job_id_for(target(epic).dedupe_key)
    found = queue.find(job_id)
    by_person = epic_plans.BY not in state
    if found is not None and found.status in LIVE:
        return None
    done = found is None or found.status is Status.SUCCEEDED
    if wanted.rule == "scope" or (wanted.rule == "set" and (by_person or done)):
        return Create()
    if found is None:
        return Publish(_SPLIT.command, 0)
    force = " --force" if found.status is Status.SUCCEEDED else ""
    return Wait(
        f"has no plans, and {job_id} is {found.status}; `wf spool show {job_id}` says why, "
        f"`wf retry{force} {job_id}` runs it again, and "
        f"`wf epic plans set {epic.id} --from FILE` declares them by hand",
        needs_help=True,
        command=f"wf retry{force} {job_id}",
    )
