"""Steps of an epic for the worker: the job that declares the plans of an epic whose document declares none.

The answers of `wf_cli.attempt.steps.Steps` for targets without a plan. They are decided from the epic's files alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from wf_cli import system_errors
from wf_cli.attempt.steps import Opening
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import Target
from wf_cli.contract.step import EPIC_STEPS
from wf_cli.errors import Absent, Temporary, WfError
from wf_cli.planjobs import prompts
from wf_cli.workflow import epic_plans, epics
from wf_cli.workflow.epics import Epic, EpicNotFound
from wf_cli.workflow.project import Project


class EpicSteps:
    """The steps of epics on a project."""

    def __init__(self, project: Project, *, max_plans: int, epic_paused: Callable[[str], bool]):
        self._project = project
        self._max_plans = max_plans
        self._epic_paused = epic_paused

    def hindrance(self, target: Target) -> str | None:
        """Why jobs of this epic are not to be claimed now, or None. Raises StateError for files that tell nothing."""
        if self._epic_paused(_epic_id(target)):
            return f"epic {target.epic_id} is paused"
        try:
            epic_plans.facts(self._epic(target))
        except Temporary as absent:
            return absent.message
        return None

    @contextlib.contextmanager
    def opening(self, target: Target) -> Iterator[tuple[Opening, str]]:
        """Hold the epic's lock; remember its text at the first opening. Raises Temporary while its folder is away."""
        step = EPIC_STEPS.get(target.command)
        if step is None:
            yield Opening.SUPERSEDED, f"{target.command} is not a step of an epic"
            return
        epic = self._epic(target)
        with epics.changing(self._project, epic):
            now = epic_plans.facts(epic)
            if now.has_plans:
                yield Opening.SUPERSEDED, f"epic {epic.id} has its plans"
            elif step.unmet(now) is None:
                yield Opening.DONE, f"epic {epic.id} declares {len(now.declared)} plans"
            else:
                epic_plans.begin_split(epic)
                yield Opening.GO, f"epic {epic.id} declares no plan"

    def prompt(self, target: Target, attempt: int, last: Failure | None, *, resumed: bool = False) -> str:
        """What the agent of the step is told."""
        return prompts.render_epic(
            target.command,
            epic_id=_epic_id(target),
            epic_dir=self._epic(target).relative,
            most=self._max_plans,
            attempt=attempt,
            errors=prompts.told(last),
            resumed=resumed,
        )

    def check(self, target: Target) -> Failure | None:
        """What the epic still lacks for the job to count as done; None when nothing. Raises Absent while its folder
        is away."""
        step = EPIC_STEPS.get(target.command)
        try:
            if step is None:
                return Failure("checks_unmet", f"{target.command} is not a step of an epic")
            return step.unmet(epic_plans.facts(self._epic(target)))
        except Absent:
            raise
        except WfError as error:
            if system_errors.may_pass(error, was_allowed=True):
                raise  # What the job was opened on was not seen, so nothing is known of the work.
            return Failure("checks_unmet", error.message, errors=(error.message,))

    def _epic(self, target: Target) -> Epic:
        """The epic of a job. Raises Temporary for one that is not there (it may come back), or is one of several."""
        try:
            epics.refuse_shared(self._project, _epic_id(target))
            return epics.find(self._project, _epic_id(target))
        except EpicNotFound as absent:
            raise Absent(
                f"epic {target.epic_id} is not in epics/",
                hint="bring its folder back (git stash pop, git checkout), or `wf cancel` the job",
                code=absent.code,
            ) from absent
        except epics.NumberShared as shared:
            raise Temporary(shared.message, hint=shared.hint, code=shared.code) from shared


def _epic_id(target: Target) -> str:
    assert target.epic_id is not None, "the grammar of keys gives a step without a plan an epic"
    return target.epic_id
