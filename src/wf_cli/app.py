"""The composition root. `App` makes the spool, queue, dispatcher and worker of a project from its configuration.

Each part is made when it is first asked for, so a command pays only for the parts that it uses.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_cli import ids, warn
from wf_cli.clock import Clock, SystemClock
from wf_cli.config import mode, places
from wf_cli.errors import ConfigError, Refused, SpoolMissing, StaleAttempt, UsageError, WfError
from wf_cli.frozen import frozen
from wf_cli.spool import layout
from wf_cli.spool.layout import Spool
from wf_cli.workflow.project import Permit, Project

if TYPE_CHECKING:
    from wf_cli.config.load import LoadedConfig
    from wf_cli.config.model import Config, Notify
    from wf_cli.contract.backoff import RetryPolicy
    from wf_cli.contract.event import Event, EventSink
    from wf_cli.contract.identity import Target
    from wf_cli.contract.token import Placed, Pool, Token
    from wf_cli.eventlog.log import EventLog
    from wf_cli.notify.outbox import Outbox
    from wf_cli.planjobs.dispatcher import Dispatcher
    from wf_cli.planjobs.job_steps import JobSteps
    from wf_cli.planjobs.round import DispatchSettings
    from wf_cli.queue.spool_queue import SpoolQueue
    from wf_cli.views.conditions.sight import Sight
    from wf_cli.views.viewer import Viewer
    from wf_cli.worker.loop import Worker


@frozen
class Flags:
    """The options by which a command overrides the spool's folder and the configuration file."""

    spool: str | None = None
    config: Path | None = None


class App:
    """One project, for one command."""

    def __init__(
        self, root: Path, environ: Mapping[str, str], flags: Flags | None = None, clock: Clock | None = None
    ):
        self.root = root.absolute()
        self.environ = environ
        self.flags = flags or Flags()
        self.clock: Clock = clock or SystemClock()

    # -- configuration

    @cached_property
    def loaded(self) -> LoadedConfig:
        """The configuration with the origin of each value. Raises ConfigError, which names file and key."""
        from wf_cli.config import load

        overrides: dict[str, Any] = {"spool.dir": self.flags.spool}
        return load.load(self.root, self.environ, self.flags.config, overrides)

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def distributed(self) -> bool:
        """Whether the distributed mode is on. At most the ``mode`` of a configuration file is read for that."""
        return mode.is_distributed(self.root, self.environ, self.flags.config)

    def require_distributed(self, command: str) -> None:
        """Raise Refused for a command that would create jobs while the distributed mode is off."""
        if not self.distributed:
            raise Refused(
                f"wf {command} needs the distributed mode, which is off",
                hint="switch it on with `wf config set distributed true`, or set WF_DISTRIBUTED=1",
                code="NOT_DISTRIBUTED",
            )

    # -- spool and queue

    @property
    def spool_root(self) -> Path:
        """The path of the spool, which need not exist. The configuration is loaded only when it can matter."""
        if self.flags.config is None:
            found = places.spool_without_configuration(self.root, self.environ, self.flags.spool)
            if found is not None:
                return found
        return self.config.spool_path(self.root)

    def open_spool(self) -> Spool:
        """The spool. Raises SpoolMissing when there is none."""
        return layout.open_spool(self.spool_root)

    def create_spool(self) -> Spool:
        """The spool, created if there is none."""
        settings = self.config.spool
        return layout.create(self.spool_root, topology=settings.topology, durability=settings.durability)

    def lease_seconds(self, spool: Spool, roles: Iterable[str], given: float | None = None) -> float:
        """How long the lease of a session lasts, as ``given`` on the command line or configured.

        A session has one lease for all its jobs, so the longest one of its ``roles`` holds.

        Raises UsageError for a given one, and ConfigError for a configured one, that is too short for the spool.
        """
        from wf_cli.spool import shortest_lease
        from wf_cli.spool.lease import SHORTEST_SECONDS

        configured = max((self.config.effective(role).lease_s for role in roles), default=self.config.lease_s)
        seconds, wrong = given or configured, UsageError if given else ConfigError
        if seconds < SHORTEST_SECONDS:
            hint = f"at least {SHORTEST_SECONDS:g}s; 30s is usual"
            raise wrong(f"a lease of {seconds:g} s is too short", hint=hint)
        bound = shortest_lease.bound(spool.root, spool.version.topology)
        why = bound.why_not(seconds) if bound is not None else None
        if bound is not None and why is not None:
            raise wrong(why, hint=bound.remedy, code="LEASE_TOO_SHORT")
        return seconds

    def events(self, spool: Spool, writer: str | None = None, *, of_work_only: bool = False) -> EventLog:
        """The event log. Without ``writer`` all one-shot commands of a user on a host append to one file.

        With ``of_work_only`` a session that does nothing leaves no log.
        """
        from wf_cli.eventlog.log import EventLog

        if writer is None:
            import hashlib

            from wf_cli import proc

            # The boot id keeps hosts of one name apart, because appends of two hosts to one file lose lines on NFS.
            # The user id keeps users apart, because a file belongs to one of them.
            boot = hashlib.sha256(proc.boot_id().encode()).hexdigest()[:6]
            writer = f"cli-{ids.host_label()}-{boot}-u{os.geteuid()}"
        return EventLog(
            spool.folder("log"),
            writer,
            self.clock,
            mode=spool.shared_mode,
            few_writes=spool.version.topology == "shared",
            of_work_only=of_work_only,
            hand_on=self._hand_on(spool),
        )

    # -- notifications

    @cached_property
    def _notify(self) -> tuple[Notify, ...]:
        """The entries of ``notify``. Without a configuration file there are none, and none is loaded."""
        return self.config.notify if self.flags.config or places.find(self.root) is not None else ()

    @cached_property
    def _wanted_events(self) -> frozenset[str]:
        return frozenset(kind for entry in self._notify for kind in entry.on)

    def _hand_on(self, spool: Spool) -> Callable[[Event], None]:
        """The way from the event log to the notifications."""

        box: Outbox | None = None

        def hand_on(event: Event) -> None:
            nonlocal box
            try:
                if event.event not in self._wanted_events:
                    return
            except WfError:
                return  # A broken configuration is said by those who need it.
            if box is None:
                from wf_cli.notify.outbox import Outbox

                box = Outbox(spool, lambda: self._wanted_events, warn.once)
            box.put(event)

        return hand_on

    def notifying(self, spool: Spool, say: Callable[[str], None]) -> AbstractContextManager[object]:
        """Hand events on while the block runs, as ``notify`` in the configuration asks for."""
        if not self._notify:
            return contextlib.nullcontext()
        from wf_cli.notify.notifier import Notifier

        return Notifier(
            spool,
            self._notify,
            owner=ids.owner_id("notify"),
            root=self.root,
            environ=self.environ,
            events=self.events(spool),
            say=say,
            clock=self.clock,
        )

    def queue(
        self, spool: Spool, events: EventSink | None = None, say: Callable[[str], None] = lambda _line: None
    ) -> SpoolQueue:
        """The queue on a spool, with the configured retry policy of each role.

        The queue calls ``say`` with a line about each file that it passes over.
        """
        from wf_cli.queue.spool_queue import SpoolQueue

        def policy(token: Token) -> RetryPolicy:
            return self.config.effective(token.pool.role).retry.backoff

        return SpoolQueue(spool, clock=self.clock, events=events or self.events(spool), policy=policy, say=say)

    # -- the project

    @property
    def permit(self) -> Permit:
        """The permit to change plans of the job in WF_JOB_TOKEN, or that of a person without one.

        Raises StaleAttempt when the job's spool is gone.
        """
        return self._permit(of_epic=False)

    def _permit(self, *, of_epic: bool) -> Permit:
        from wf_cli import fencing

        mark = self.environ.get("WF_JOB_TOKEN")
        if not mark:
            return fencing.by_person(self.spool_root, of_epic=of_epic)
        try:
            spool = layout.open_spool(self.agent_spool_root)
            return fencing.by_token(spool, mark, project=self.project(), of_epic=of_epic)
        except SpoolMissing as error:
            raise StaleAttempt(
                f"the job in WF_JOB_TOKEN has no spool any more: {error.message}",
                hint="stop now; nothing was changed",
            ) from error

    @property
    def agent_spool_root(self) -> Path:
        """The spool of the job that this process acts for. Its worker names the path in WF_SPOOL."""
        given = self.environ.get("WF_SPOOL")
        return Path(given) if given and os.path.isabs(given) else self.spool_root

    @cached_property
    def _is_strict(self) -> bool:
        return mode.reads_strictly(lambda: self.distributed)  # Asked once, so a session reads all plans in one way.

    def project(self, permit: Permit | None = None) -> Project:
        return Project(self.root, self.clock, permit, distributed=self._is_strict)

    # -- dispatching

    def pool(self, role: str) -> Pool:
        """The pool that jobs of ``role`` go to. Raises ConfigError for a role without a runtime."""
        from wf_cli import routing
        from wf_cli.contract.token import Pool

        return Pool(role, routing.runtime_for(role, self.config.runtime_of_role))

    def dispatcher(self, spool: Spool, events: EventSink | None = None) -> Dispatcher:
        from wf_cli.planjobs.dispatcher import Dispatcher

        events = events or self.events(spool)
        return Dispatcher(self.project(), self.queue(spool, events), self.dispatch_settings(), events)

    def dispatch_settings(self) -> DispatchSettings:
        """The configuration of dispatching."""
        from wf_cli.planjobs.round import DispatchSettings

        return DispatchSettings.of(self.config)

    def sight(self, viewer: Viewer, placed: Iterable[Placed] | None = None) -> Sight:
        """What the finders of conditions look at: the jobs ``placed``, or all that live."""
        from wf_cli.views.conditions.sight import Sight

        return Sight(viewer, self.root, lambda: self, placed)

    def epic_permit(self) -> Permit:
        """The permit to declare the plans of an epic, which only the epic's own job or a person gets."""
        return self._permit(of_epic=True)

    def epic_is_paused(self, epic_id: str) -> bool:
        """Whether the epic is paused, so that its jobs are not claimed. An unreadable epic is not paused."""
        from wf_cli.workflow import epics

        project = self.project()
        try:
            epic = epics.find(project, epic_id)
            return epics.orchestration(epics.load_state(epic)).get("status") == epics.PAUSED
        except WfError:
            return False

    # -- workers

    def steps(self, spool: Spool, events: EventSink) -> JobSteps:
        """The steps by which jobs change plans, with the configured checks."""
        from wf_cli.planjobs.epic_steps import EpicSteps
        from wf_cli.planjobs.job_steps import JobSteps
        from wf_cli.planjobs.steps import PlanSteps
        from wf_cli.workflow import leftovers

        def tool_files(role: str) -> Sequence[str]:
            return leftovers.in_force(self.config.effective(role).checks.ignore)

        strict = self.config.review.strict
        of_plans = PlanSteps(
            self.project(),
            spool,
            events,
            strict_profile=None if strict == "off" else strict,
            epic_paused=self.epic_is_paused,
            tool_files=tool_files,
            approve=frozenset(self.config.epic.approve),
        )
        of_epics = EpicSteps(self.project(), max_plans=self.config.epic.max_plans, epic_paused=self.epic_is_paused)
        return JobSteps(of_plans, of_epics)

    def worker(
        self,
        spool: Spool,
        *,
        runtime: str,
        pools: frozenset[Pool],
        say: Callable[[str], None],
        watch: bool = False,
        concurrency: int = 1,
        max_jobs: int | None = None,
        name: str | None = None,
        lease_seconds: float | None = None,
        poll_seconds: float | None = None,
        drain_timeout: float | None = None,
    ) -> Worker:
        """A worker of ``runtime``, ready to run.

        Raises ConfigError for a runtime that is not configured, and UsageError for a lease that is too short.
        """
        from wf_cli.runtimes import registry, variables
        from wf_cli.runtimes.base import Limits
        from wf_cli.worker.loop import Worker
        from wf_cli.worker.settings import Equipment, RoleSettings, WorkerSettings

        configured = self.config.runtimes.get(runtime)
        if configured is None:
            raise ConfigError(
                f"there is no runtime {runtime!r}",
                hint=f"configured are {', '.join(sorted(self.config.runtimes))}; add it under runtimes: in wf.config",
            )
        adapter = registry.make(registry.settings_of(self.config, configured))
        own = variables.of(configured, self.environ)
        if own.missing:
            raise ConfigError(
                "\n".join(own.missing),
                hint="set it where the worker starts (export NAME=...), and start the worker again",
            )
        lease_seconds = self.lease_seconds(spool, {pool.role for pool in pools}, lease_seconds)
        owner = ids.owner_id(name or runtime)
        events = self.events(spool, owner, of_work_only=not watch)
        today = _Today(self)
        queue = self.queue(spool, events, say)
        dispatcher = self.dispatcher(spool, events)
        steps = self.steps(spool, events)

        def role_settings(role: str) -> RoleSettings:
            policy = today.config().effective(role)
            times = policy.timeouts
            limits = Limits(times.startup_s, times.stall_s, times.max_runtime_s, times.grace_s)
            return RoleSettings(policy.model, limits, must_change=policy.checks.no_change == "fail")

        def own_failures() -> Mapping[str, str]:
            now = today.config().runtimes.get(runtime)
            return now.failures if now is not None else {}

        def reconcile(target: Target | None) -> None:
            also = [target.plan] if target is not None and target.epic_id is None else []
            dispatcher.reconcile(also=also)

        return Worker(
            queue,
            WorkerSettings(
                runtime=runtime,
                pools=pools,
                watch=watch,
                concurrency=concurrency,
                max_jobs=max_jobs,
                name=name,
                owner=owner,
                lease_seconds=lease_seconds,
                poll_seconds=poll_seconds,
                drain_timeout=drain_timeout,
                max_parallel_plans=self.config.epic.max_parallel_plans,
            ),
            Equipment(
                adapter=adapter,
                steps=steps,
                environment=self.agent_environment(own.values),
                secret_names=own.secret,
                root=self.root,
                role=role_settings,
                budget=lambda: today.config().budget,
                redact=self.config.redact,
                failures=own_failures,
                reconcile=reconcile,
                say=say,
                has_worked=lambda: events.has_spoken,
            ),
            self.clock,
            events,
        )

    def agent_environment(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment for agents: this process's, without another attempt's variables and those that send git
        elsewhere, with ``own`` laid over it, and with this `wf` first in PATH."""
        from wf_cli import git

        inherited = git.without_redirects(self.environ).items()
        environ = {k: v for k, v in inherited if not k.startswith("WF_JOB") and k != "WF_ATTEMPT"} | dict(own or {})
        bin_dir = str(Path(sys.executable).parent)
        path = environ.get("PATH", os.defpath)
        if path.split(os.pathsep)[0] != bin_dir:
            environ["PATH"] = f"{bin_dir}{os.pathsep}{path}"
        return environ


class _Today:
    """The configuration as the files say now, because they may change while a worker runs.

    While a file cannot be used, the configuration that was loaded last stays in force.
    """

    def __init__(self, app: App):
        self._app = app
        self._loaded = app.loaded

    def config(self) -> Config:
        with contextlib.suppress(WfError, OSError):
            self._loaded = App(self._app.root, self._app.environ, self._app.flags, self._app.clock).loaded
        return self._loaded.config
