"""One reconcile: publishes the job that is due for each plan, and notes why a plan gets none.

The files that it reads were written by others, so any of them may be bad. An epic, a plan or a job that cannot be
read or routed becomes a `Blocked` entry with its remedy, and the others go on. A round ends early only when the spool
takes no job.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from wf_cli import ids
from wf_cli.config.model import Config
from wf_cli.contract.event import EventSink
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.step import Approval
from wf_cli.contract.token import Placed, Pool
from wf_cli.errors import Absent, SpoolError, Temporary, WfError
from wf_cli.frozen import frozen
from wf_cli.planjobs import absence, epic_events, split, standstill
from wf_cli.planjobs.checkout import Checkout
from wf_cli.planjobs.due import Block, Limits, Publish, Wait, due, next_step
from wf_cli.planjobs.look import Look
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.routing import role_for, runtime_for
from wf_cli.seams import step
from wf_cli.spool import notified, scan
from wf_cli.workflow import epic_run, epic_status, epics, phases, plans, snapshot
from wf_cli.workflow.epics import Epic
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot


@frozen
class Blocked:
    """A plan for which no job was published, and why. ``plan_id`` is empty where a whole epic is meant."""

    plan_id: str
    epic_id: str | None
    why: str
    #: Whether a person has to act, as for a dead or cancelled job, a blocked plan or an unreadable one.
    needs_help: bool = False
    #: The command of a person that lets the plan go on, if one is known.
    command: str | None = field(default=None, compare=False)


@dataclass(slots=True)
class Reconciled:
    """The result of one reconcile."""

    published: list[str] = field(default_factory=list)
    deduped: list[str] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    completed_epics: list[str] = field(default_factory=list)


@frozen
class DispatchSettings:
    """The configuration of dispatching."""

    #: The pool of a role's jobs; raises ConfigError for a role without a route.
    pool: Callable[[str], Pool]
    max_attempts: Callable[[str], int]
    max_parallel_plans: int = 1
    max_iterations: int = 5
    #: What goes on only with a person's approval.
    approve: frozenset[Approval] = frozenset()

    @classmethod
    def of(cls, config: Config) -> DispatchSettings:
        """The settings that a configuration says."""
        return cls(
            pool=lambda role: Pool(role, runtime_for(role, config.runtime_of_role)),
            max_attempts=lambda role: config.effective(role).retry.max_attempts,
            max_parallel_plans=config.epic.max_parallel_plans,
            max_iterations=config.epic.max_iterations,
            approve=frozenset(config.epic.approve),
        )


def request_for(
    now: Snapshot, command: str, iteration: int, settings: DispatchSettings, *, epic_id: str | None, source: str
) -> JobRequest:
    """The job of one step of a plan; raises ConfigError for a role without a route."""
    target = Target(now.plan.id, iteration, command, role_for(command), epic_id)
    return _of_step(target, settings, source=source)


def _of_step(target: Target, settings: DispatchSettings, *, source: str) -> JobRequest:
    return JobRequest(
        role=target.role,
        runtime=settings.pool(target.role).runtime,
        target=target,
        max_attempts=settings.max_attempts(target.role),
        source=source,
    )


class Round:
    """One reconcile, under the dispatch lock of this host."""

    def __init__(
        self,
        project: Project,
        queue: SpoolQueue,
        settings: DispatchSettings,
        events: EventSink,
        *,
        live: Iterable[Placed] | None = None,
    ):
        """``live`` are the live jobs, when the caller has just listed them."""
        self._project = project
        self._queue = queue
        self._settings = settings
        self._events = events
        self._limits = Limits(settings.max_parallel_plans, settings.max_iterations, settings.approve)
        self._out = Reconciled()
        self._live = scan.steps(queue.spool, LIVE) if live is None else list(live)
        #: Epics whose plans are all completed, and are not the ones that are declared.
        self._others: set[str] = set()
        #: The plans that were looked after, by folder. One that waits for its turn in its epic gets no second look.
        self._seen: set[str] = set()
        self._finished = scan.Finished(queue.spool)
        self._look_again()

    def run(self, only: Epic | None, also: Iterable[str]) -> Reconciled:
        """Publish for the running epics, or only for ``only``, and for the plans with the numbers ``also``."""
        self._reroute()
        due = [epic for epic in self._look.epics if only is None or epic.name == only.name]
        created = [self._split(epic) for epic in due]
        if any(created):
            self._look_again()
        for epic in due:
            self._epic(epic)
        for number in also:
            plan = None
            with self._item(number, None):
                plan = self._look.plan(number)
            if plan is not None and plan.name not in self._seen:
                self._plan(plan, None)
        self._tell_absent(only)
        for epic in due:
            self._tell_blocked(epic)
        return self._out

    def _tell_absent(self, only: Epic | None) -> None:
        """Note the live jobs of plans that are away or behind, unless the epic that links the plan has told.

        The epic may be away together with its plans, as after ``git stash -u``.
        """
        told = {entry.plan_id for entry in self._out.blocked}
        for number in sorted(self._look.absent.keys() - told, key=int):
            target = next(target_of(job.token.job_id) for job in self._look.live(number))
            epic_id = target.epic_id if target is not None else None
            if only is None or epic_id == only.id:
                with self._item(number, epic_id):
                    raise self._look.absent[number]

    def _look_again(self) -> None:
        self._look = Look(self._project, self._live, self._finished)
        self._checkout = Checkout(self._look)

    # -- one item of many

    @contextlib.contextmanager
    def _item(self, plan_id: str, epic_id: str | None) -> Iterator[None]:
        """A block for one item of a loop. Trouble in it becomes a `Blocked` entry, so that the loop goes on."""
        try:
            yield
        except SpoolError:
            raise
        except Absent as absent:
            command = f"wf explain P{plan_id}" if plan_id else None
            self._say(plan_id, epic_id, _told(absent), needs_help=True, command=command)
        except Temporary as busy:
            self._say(plan_id, epic_id, busy.message)
        except (plans.NumberShared, epics.NumberShared) as shared:
            self._say(plan_id, epic_id, _told(shared), needs_help=True, command=shared.repair[0])
        except (WfError, OSError) as error:
            self._say(plan_id, epic_id, _told(error), needs_help=True)

    def _say(
        self, plan_id: str, epic_id: str | None, why: str, *, needs_help: bool = False, command: str | None = None
    ) -> None:
        self._out.blocked.append(Blocked(plan_id, epic_id, why, needs_help, command))

    # -- jobs that are queued already

    def _reroute(self) -> None:
        """Rename each queued token whose role is routed to another pool now.

        Trouble of one kind, such as a role without a route, is noted only for the first job that has it.
        """
        said: set[str] = set()
        for job in self._live:
            target = target_of(job.token.job_id)
            if job.status is not Status.QUEUED or target is None:
                continue
            try:
                pool = self._settings.pool(job.token.pool.role)
                if pool != job.token.pool:
                    self._queue.reroute(job.token, pool)
            except SpoolError:
                raise
            except (WfError, OSError) as error:
                kind = error.message if isinstance(error, WfError) else f"errno {error.errno}"
                if kind not in said:
                    said.add(kind)
                    place = self._queue.spool.path("queued", job.token.name)
                    self._say(target.plan_id or "", target.epic_id, f"{place}: {_told(error)}", needs_help=True)

    # -- epics and plans

    def _split(self, epic: Epic) -> bool:
        """See to it that a running epic without plans gets some. True when plans were created."""
        with self._item("", epic.id):
            if self._look.is_running(epic) and epic.id not in self._look.sharing_epics:
                match split.due(epic, self._look.epic_state(epic), self._queue):
                    case split.Create():
                        return self._create_plans(epic)
                    case Publish():
                        self._publish_split(epic)
                    case Wait(why, needs_help, command):
                        self._say("", epic.id, f"epic {epic.id} {why}", needs_help=needs_help, command=command)
        return False

    def _create_plans(self, epic: Epic) -> bool:
        return epic_run.create_declared(self._project, epic)

    def _publish_split(self, epic: Epic) -> None:
        enqueued = self._queue.enqueue(_of_step(split.target(epic), self._settings, source="dispatcher"))
        (self._out.deduped if enqueued.deduped else self._out.published).append(enqueued.job_id)

    def _epic(self, epic: Epic) -> None:
        linked: list[Plan] = []
        with self._item("", epic.id):
            if self._look.is_running(epic):
                sharing = self._look.sharing_epics.get(epic.id)
                if sharing is not None:
                    raise epics.NumberShared(epic.id, sharing)
                linked = self._look.linked(epic)
        for plan in linked:
            self._plan(plan, epic)
        with self._item("", epic.id):
            if linked and all(self._is_finished(plan) for plan in linked):
                self._complete(epic)

    def _is_finished(self, plan: Plan) -> bool:
        return self._look.phase(plan) == phases.COMPLETED and next_step(self._look.facts(plan)) is None

    def _complete(self, epic: Epic) -> None:
        now = epic_status.status(self._project, epic, skip_quoted=True)
        if now.orchestration.get("status") == epics.COMPLETED:
            self._out.completed_epics.append(epic.id)
            started_at = now.orchestration.get("started_at")
            epic_events.tell(self._queue.spool, self._events, "completed", epic.id, started_at)
        else:
            self._others.add(epic.id)

    def _tell_blocked(self, epic: Epic) -> None:
        """Tell, once, that nothing of a running epic goes on until a person acts. What fails is left to the next
        round."""
        with contextlib.suppress(WfError, OSError):
            if self._look.is_running(epic):
                standstill.tell(
                    self._queue,
                    self._look,
                    self._events,
                    epic,
                    live=self._live,
                    published=(*self._out.published, *self._out.deduped),
                    needs_help=[(b.plan_id, b.epic_id, b.why) for b in self._out.blocked if b.needs_help],
                    others=epic.id in self._others,
                )

    def _plan(self, plan: Plan, epic: Epic | None) -> None:
        request = None
        self._seen.add(plan.name)
        with self._item(plan.id, epic.id if epic is not None else None):
            request = self._request(plan, epic)
        if request is not None:
            self._publish(plan, request)

    def _request(self, plan: Plan, epic: Epic | None) -> JobRequest | None:
        """The job that is due for a plan. None when there is none; a reason worth saying has been noted then."""
        sharing = self._look.sharing.get(plan.id)
        if sharing is not None:
            raise plans.NumberShared(plan.id, sharing)
        if plan.id in self._look.absent:
            raise self._look.absent[plan.id]
        if not absence.is_there(plan):
            raise absence.absent(plan.id)
        now = self._look.facts(plan)
        epic_id = now.epic_id or (epic.id if epic is not None else None)
        verdict = self._comes_after(epic, plan) if epic is not None else None
        match verdict or due(now, self._look.jobs(plan.id), self._checkout.ahead_of(plan), self._limits):
            case Publish(command, iteration):
                return request_for(now, command, iteration, self._settings, epic_id=epic_id, source="dispatcher")
            case Block(why):
                if self._block(now, epic_id):
                    self._say(plan.id, epic_id, why, needs_help=True)
                    self._checkout.ended(plan)
            case Wait(why, needs_help, command, unapproved):
                self._say(plan.id, epic_id, why, needs_help=needs_help, command=command)
                if unapproved is not None:
                    self._tell_waiting(plan, epic_id, unapproved)
        return None

    def _tell_waiting(self, plan: Plan, epic_id: str | None, unapproved: tuple[str, str]) -> None:
        """Tell, once for each text or commit, that a plan waits for a person. The next round repeats what fails."""
        kind, subject = (notified.EPIC, f"{epic_id}-waiting") if epic_id is not None else ("plan", "waiting")
        what, of = unapproved
        name = notified.name_of(kind, subject, plan.name, of)
        with contextlib.suppress(WfError, OSError):
            if notified.first(self._queue.spool, name, by=ids.owner_id("teller")):
                why = f"{what} waits for approval: wf approve {plan.id}"
                self._events.emit("plan.waiting", plan_id=plan.id, epic_id=epic_id, reason=why)

    def _comes_after(self, epic: Epic, plan: Plan) -> Wait | None:
        """What keeps ``plan`` from beginning until other plans of its epic are settled; None when nothing does."""
        if self._look.phase(plan) != phases.PLANNING or self._look.live(plan.id):
            return None
        turn = self._look.turn(epic, plan)
        if turn.why_not is not None:
            return Wait(turn.why_not, needs_help=True, command=f"wf epic validate {epic.id}")
        linked = {other.name: other for other in self._look.linked(epic)}
        first = [linked[name] for name in turn.first if not self._look.is_settled(linked[name])]
        if not first:
            return None
        told = ", and ".join(f"plan {other.id}, which is {self._standing(other)}" for other in first)
        return Wait(f"comes after {told}", command=f"wf explain P{first[0].id}")

    def _standing(self, plan: Plan) -> str:
        return "not merged yet" if self._look.is_unmerged(plan) else self._look.phase(plan)

    def _publish(self, plan: Plan, request: JobRequest) -> None:
        epic_id = request.target.epic_id if request.target is not None else None
        try:
            enqueued = self._queue.enqueue(request)
        except SpoolError:
            raise
        except WfError as error:  # An OSError goes on up, because a disk that takes no job stops every plan.
            self._say(plan.id, epic_id, _told(error), needs_help=True)
            return
        job_id = enqueued.job_id
        if not enqueued.deduped:
            self._checkout.began(plan)
            self._out.published.append(job_id)
            return
        found = self._whereabouts(plan.id, job_id)
        if found is not None and found.status in LIVE:
            self._checkout.began(plan)
            self._out.deduped.append(job_id)
            return
        self._tell_ended(plan, epic_id, job_id, found.status if found is not None else "missing")

    def _tell_ended(self, plan: Plan, epic_id: str | None, job_id: str, state: str) -> None:
        command = f"wf retry --force {job_id}"
        told = f"{job_id} is {state} and its plan still waits for it; `{command}` runs it again"
        self._say(plan.id, epic_id, told, needs_help=True, command=command)

    def _whereabouts(self, plan_id: str, job_id: str) -> Placed | None:
        """The place of a job that exists, and was neither live nor dead when the round began."""
        done = (job for job in self._finished.of_plan("done", plan_id) if job.token.job_id == job_id)
        return next(done, None) or self._queue.find(job_id)

    def _block(self, now: Snapshot, epic_id: str | None) -> bool:
        """Set the phase to blocked. When the plan has changed since it was read, write nothing and return False."""
        step("reconcile.blocking")
        with self._project.changing(now.plan.id):
            if snapshot.take(now.plan) != now:
                return False
            plans.write_state(now.plan, plans.need_state(now.plan), phase=phases.BLOCKED)
        self._events.emit(
            "plan.phase", plan_id=now.plan.id, epic_id=epic_id, from_=now.phase, to=phases.BLOCKED,
            reason=f"still rejected after {now.iteration} rounds of fixing",
        )  # fmt: skip
        return True


def _told(error: WfError | OSError) -> str:
    """An error in one line, with its remedy."""
    return error.told if isinstance(error, WfError) else str(error)
