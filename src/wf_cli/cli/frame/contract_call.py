"""One run of a contract command (`Call`), and the definition of such a command (`ContractCommand`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wf_cli.cli.frame import output, working_project

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wf_cli.agents.model_guard import Session
    from wf_cli.app import App
    from wf_cli.errors import WfError
    from wf_cli.workflow.epics import Epic
    from wf_cli.workflow.plans import Plan
    from wf_cli.workflow.project import Ask, Project


@dataclass(frozen=True)
class Call:
    """One call: the words after the command's name, with the project and the environment that they refer to."""

    root: Path
    environ: Mapping[str, str]
    words: tuple[str, ...]
    as_operator: bool = False
    #: The spool that the command line names; only commands that take ``--spool`` set it.
    spool: str | None = None

    @property
    def as_json(self) -> bool:
        """Whether results and errors are JSON. The flag counts at any place, so errors do not depend on order."""
        return "--json" in self.words

    @cached_property
    def app(self) -> App:
        """The one `App` of the command; a command that only reads plans never asks for it."""
        from wf_cli.app import App, Flags

        if self.spool is None:
            return App(self.root, self.environ)
        from wf_cli.config import home
        from wf_cli.errors import UsageError

        try:
            folder = home.path(self.spool, self.environ)
        except ValueError as error:
            raise UsageError(f"--spool {error}", hint="name the folder by its whole path") from None
        return App(self.root, self.environ, Flags(str(working_project.working_directory() / folder), None))

    @cached_property
    def project(self) -> Project:
        """The project, with the permit that each change of a plan needs. Contract commands are fenced only here.

        The permit is that of the job in ``WF_JOB_TOKEN``. Without one it is a person's, which refuses changes while
        a job of the plan is live. With ``as_operator`` no permit is asked.
        """
        from wf_cli.config import mode
        from wf_cli.workflow.project import Project

        if self.as_operator:
            return Project(self.root)
        strictly = mode.reads_strictly(lambda: self.is_distributed)
        return Project(self.root, permit=self._permit, distributed=strictly)

    def _permit(self, plan_id: str) -> AbstractContextManager[Ask]:
        return self.app.permit(plan_id)

    @cached_property
    def is_distributed(self) -> bool:
        return working_project.is_distributed(self.root, self.environ)

    @property
    def job_role(self) -> str | None:
        return working_project.job_role(self.environ)

    def plan(self, reference: str) -> Plan:
        """The plan that ``reference`` names; the first by name when several have the number. Raises PlanNotFound."""
        from wf_cli.workflow import plans

        try:
            return plans.find(self.project, reference, self._first_of_several)
        except plans.PlanNotFound:
            self._refuse_absent(reference)
            raise

    def _refuse_absent(self, reference: str) -> None:
        """Raise Absent when ``reference`` means the plan of the job that this process acts for.

        An agent that took it away itself (``git stash -u``) can bring it back, and is told so.
        """
        from wf_cli.contract.identity import target_of
        from wf_cli.contract.token import parse_mark

        parsed = parse_mark(self.environ.get("WF_JOB_TOKEN") or "")
        target = target_of(parsed[0]) if parsed is not None else None
        number = reference.partition("-")[0].zfill(2)
        if target is not None and target.plan_id == number:
            from wf_cli.planjobs import absence

            raise absence.absent(number)

    def epic(self, reference: str) -> Epic:
        """The epic that ``reference`` names, chosen as in `plan`. Raises EpicNotFound."""
        from wf_cli.workflow import epics

        return epics.find(self.project, reference, self._first_of_several)

    def _first_of_several(self, shared: WfError) -> None:
        if not self.as_json:  # With --json stderr may hold only the JSON of a failure.
            output.warn([f"{shared.message}; the first is meant here. {shared.hint}"])

    def session(self) -> Session:
        """The session file's content, read anew."""
        from wf_cli.agents import model_guard

        return model_guard.load(self.root)

    def guard(self, command: str) -> None:
        """Raise GuardRefused unless the session, or the job of this process, may run ``command``."""
        from wf_cli.agents import model_guard

        role = self.job_role
        model_guard.guard(command, None if role is not None else self.session(), role)


@dataclass(frozen=True)
class ContractCommand:
    """A contract command.

    With ``guarded`` the guard runs before the arguments are read. With ``json`` the command takes ``--json``, which
    holds for its errors too. With ``operator`` it takes ``--as-operator``.
    """

    run: Callable[[Call], int]
    usage: tuple[str, ...]
    about: str
    guarded: bool = False
    json: bool = False
    operator: bool = False
