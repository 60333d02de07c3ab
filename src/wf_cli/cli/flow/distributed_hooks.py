"""The points at which commands of the command-driven flow hand over to the distributed mode.

Contract commands call these functions, and know about jobs only through them. With the mode off no function here
creates a spool or a job.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from wf_cli.cli.frame import output, signals
from wf_cli.contract.step import STEPS, roles
from wf_cli.errors import WfError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wf_cli.cli.frame.arguments import Parsed
    from wf_cli.cli.frame.contract_call import Call
    from wf_cli.spool.layout import Spool
    from wf_cli.views.conditions import Condition
    from wf_cli.workflow.epics import Epic
    from wf_cli.workflow.phases import PhaseCommand
    from wf_cli.workflow.plans import Plan
    from wf_cli.workflow.snapshot import Snapshot

#: Further flags of `epic run` and `epic resume` in distributed mode.
EPIC_RUN_FLAGS = frozenset({"--follow"})
#: How many iterations of a plan, from the present one back, are searched for jobs.
_ROUNDS = 20
#: Seconds between two looks of ``--follow``.
_FOLLOW_EVERY = 0.5
#: Seconds a job may be queued before ``--follow`` says that no worker takes it.
_PATIENCE = 5.0


def after_change(call: Call, plan: Plan) -> None:
    """Let the dispatcher publish what is due after a person changed ``plan``.

    An agent's change needs no call, because its worker reconciles at the end of the attempt. The dispatcher is not
    asked either while the plan is inside a step that the person does by hand, because no job is due then.
    """
    if not call.is_distributed or call.job_role is not None:
        return
    from wf_cli.planjobs.due import is_inside
    from wf_cli.spool import layout, scan
    from wf_cli.workflow import snapshot

    now = snapshot.take(plan)
    if is_inside(now) or not layout.exists(call.app.spool_root):
        return
    spool = call.app.open_spool()
    # A plan outside running epics gets its next job only if jobs have worked on it before.
    also = [plan.id] if scan.any_reserved(spool, _steps_so_far(now)) else []
    found = call.app.dispatcher(spool).reconcile(also=also)
    if not call.as_json:
        output.say(*(f"published {job_id}" for job_id in found.published))


def _steps_so_far(now: Snapshot) -> Iterator[str]:
    """The ids that jobs of the plan may have. Each is looked up by name, because finished jobs are many."""
    from wf_cli.contract.identity import Target, job_id_for
    from wf_cli.errors import ContractError
    from wf_cli.routing import role_for

    for iteration in range(now.iteration, max(-1, now.iteration - _ROUNDS), -1):
        for command in STEPS:
            for epic_id in {now.epic_id, None}:
                target = Target(now.plan.id, iteration, command, role_for(command), epic_id)
                with contextlib.suppress(ContractError):  # the state file may hold an id that no job can have
                    yield job_id_for(target.dedupe_key)


def publish_instead(call: Call, command: PhaseCommand, plan: Plan) -> bool:
    """Publish the job of a person's ``code``, ``fix`` or ``review``. False when the command has to change the phase.

    The command changes the phase itself with the mode off, for an agent (``call.job_role`` is not None) and with
    ``--as-operator``. A plan that is in the target phase already gets a job too. Raises what the command raises for
    a phase that does not allow it.
    """
    step = STEPS[command.name]
    if not call.is_distributed or call.job_role is not None or call.as_operator or not step.by_person:
        return False
    from wf_cli.errors import Refused
    from wf_cli.workflow import approvals, phase_commands, plans, snapshot

    # The plan's lock is held, because the plan might leave the phase between the look and the publishing.
    with call.project.deciding(plan.id):
        state = plans.need_state(plan)
        if state.phase != command.target:
            phase_commands.allowed(plan, command)
        if command.name == "code" and not snapshot.take(plan).has_plan:
            raise Refused(
                f"{plan.relative}/plan.md is empty, so there is nothing to code",
                hint="write it, or let an orchestrator do so: wf epic run, then wf dispatch; "
                f"see wf context {plan.id}",
            )
        if step.approval is not None and step.approval in call.app.config.epic.approve:
            text = snapshot.take(plan).unapproved(step.approval) if state.phase != command.target else None
            if text is not None:
                raise approvals.refusal(plan.id, step.approval, text)
        spool = call.app.create_spool()
        job_id, existed = call.app.dispatcher(spool).publish(plan, command.name)
    placed = call.app.queue(spool).find(job_id)
    status = str(placed.status) if placed is not None else "queued"
    if call.as_json:
        output.print_json(
            {
                "ok": True,
                "schema_version": 1,
                "id": plan.id,
                "resolved_plan_dir": plan.relative,
                "phase": state.phase,
                "job_id": job_id,
                "deduped": existed,
                "status": status,
            }
        )
    else:
        output.say(f"plan {plan.id}: {'is there already' if existed else 'published'}: {job_id} ({status})")
        if existed and status in ("failed", "cancelled", "succeeded"):
            force = " --force" if status == "succeeded" else ""
            output.say(f"next: wf retry{force} {job_id} runs it again")
        elif not existed:
            output.say(f"next: a worker takes it; look with wf spool show {job_id}")
    return True


def refuse_idle_handover(call: Call, command: PhaseCommand, plan: Plan) -> None:
    """Raise WfError NO_CHANGE when an agent runs ``finish-code`` and its job has changed no file but the plan's.

    The worker makes the same check at the end of the attempt (`no_change`). Here the agent still runs and can do the
    work.
    """
    if call.job_role is None or command.name != "finish-code":
        return
    from wf_cli.contract.identity import target_of
    from wf_cli.errors import WfError
    from wf_cli.spool import layout, scan, session

    if not layout.exists(call.app.agent_spool_root):
        return  # The command itself refuses a job whose spool is gone.
    spool = layout.open_spool(call.app.agent_spool_root)
    token = scan.running_token(spool, call.environ["WF_JOB_TOKEN"])
    agent = session.agent_of(spool, token) if token is not None else None
    target = target_of(token.job_id) if token is not None else None
    if agent is None or target is None or target.plan_id != plan.id:
        return  # The fence refuses a superseded attempt, and a job of another plan.
    idle = call.app.steps(spool, call.app.events(spool)).idle(target, agent.baseline)
    if idle is not None:
        raise WfError(
            idle.errors[0],
            hint="do the work of the open items; if this step really needs no change, say so in your last message "
            "and stop: a person can set checks.no_change to allow in wf.config",
            code="NO_CHANGE",
            plan_id=plan.id,
            errors=list(idle.errors),
        )


def wants_workers(call: Call, parsed: Parsed) -> bool:
    """Whether workers are to be started. The last of the two flags decides; without one, the switch in runtime.json.

    The caller asks before it changes anything, because a broken file (the switch, the mode, the routing) raises here.
    """
    from wf_cli.config import legacy

    given = parsed.last_of("--auto-workers", "--no-auto-workers")
    wanted = legacy.load_runtime(call.root).auto_start_workers if given is None else given == "--auto-workers"
    if wanted and not call.is_distributed:
        _runtime_of_role(call)
    return wanted


def epic_started(call: Call, epic: Epic, reason: str | None, *, resumed: bool = False) -> None:
    """Publish the first jobs of ``epic`` after it was set running, or running again (``resumed``)."""
    if not call.is_distributed:
        return
    the_app = call.app
    spool = the_app.create_spool()
    found = the_app.dispatcher(spool).reconcile(epic)
    _tell_start(call, spool, epic, reason)
    if resumed:
        the_app.events(spool).emit("epic.resumed", epic_id=epic.id, reason=reason)
    if not call.as_json:
        output.say(*(f"published {job_id}" for job_id in found.published))


def _tell_start(call: Call, spool: Spool, epic: Epic, reason: str | None) -> None:
    """The event that the epic was started, once for its life: it may be run, stopped and resumed by many."""
    from wf_cli.planjobs import epic_events
    from wf_cli.workflow import epics

    started_at = epics.orchestration(epics.load_state(epic)).get("started_at")
    with contextlib.suppress(OSError):  # The epic runs all the same, and the next `epic run` tells it.
        epic_events.tell(spool, call.app.events(spool), "started", epic.id, started_at, reason=reason)


def epic_counted(call: Call, epic: Epic, before: object, after: Mapping[str, Any]) -> None:
    """The event that an epic is completed, where the count of its plans has just made it so, before a reconcile."""
    from wf_cli.spool import layout
    from wf_cli.workflow import epics

    if not call.is_distributed or before == epics.COMPLETED or after.get("status") != epics.COMPLETED:
        return
    with contextlib.suppress(OSError, WfError):  # A look at the status must not end by it.
        if layout.exists(call.app.spool_root):
            from wf_cli.planjobs import epic_events

            spool = call.app.open_spool()
            epic_events.tell(spool, call.app.events(spool), "completed", epic.id, after.get("started_at"))


def waiting(call: Call, epic: Epic) -> list[Condition]:
    """Why plans of a running epic get no job now; empty with the mode off, and when the spool cannot be looked at."""
    from wf_cli.spool import layout
    from wf_cli.workflow import epics

    if not call.is_distributed or epics.orchestration(epics.load_state(epic)).get("status") != epics.RUNNING:
        return []
    with contextlib.suppress(OSError, WfError):  # A look at the status must not end by it.
        if layout.exists(call.app.spool_root):
            from wf_cli.planjobs.outlook import outlook
            from wf_cli.views.conditions.plans import of_entry

            app, spool = call.app, call.app.open_spool()
            found = outlook(app.project(), spool, app.dispatch_settings(), only=epic)
            return [of_entry(entry, ()) for entry in found.blocked]
    return []


def start_workers(call: Call, document: dict[str, Any]) -> None:
    """Start the workers that are missing; adds the ``auto_workers`` part to the JSON document before the first."""
    from wf_cli.cli.workers import auto_workers

    out = document["auto_workers"] = auto_workers.nothing_started()
    if not call.is_distributed:
        # With the mode off a worker would have no queue.
        why = "the distributed mode is off"
        out["skipped"] += [
            {"role": role, "runtime": runtime, "reason": why} for role, runtime in _runtime_of_role(call).items()
        ]
        return
    auto_workers.start(call.app, call.app.create_spool(), out)


def _runtime_of_role(call: Call) -> dict[str, str]:
    """The runtime of each role of a plan's steps, for a project whose mode is off.

    Without a wf.config the routing comes from the older file, which accepts any name of a runtime.
    """
    from wf_cli.config import legacy_routing, places

    if places.find(call.root) is None:
        routing = legacy_routing.load_routing(call.root)
    else:
        routing = call.app.config.runtime_of_role
    return {name: routing.get(name) or role.runtime for name, role in roles().items()}


def epic_stopped(call: Call, epic: Epic, reason: str | None) -> None:
    """The event that ``epic`` was stopped. Workers read it from the epic's state, so no request is written."""
    from wf_cli.config import mode
    from wf_cli.spool import layout

    if not mode.reads_strictly(lambda: call.is_distributed):
        return
    with contextlib.suppress(OSError, WfError):  # The epic is stopped all the same.
        if layout.exists(call.app.spool_root):
            call.app.events(call.app.open_spool()).emit("epic.stopped", epic_id=epic.id, reason=reason)


def follow(call: Call, epic: Epic, document: dict[str, Any], *, workers: bool) -> int:
    """Draw the epic's progress until it ends. Returns 0 when it is completed, 1 when it is blocked or dead.

    Errors of the system that may pass are waited for. With ``workers``, missing workers are started first and
    drained at the end, also after Ctrl-C, which may come as soon as the first of them is there. Ctrl-C does not stop
    the epic. SIGTERM, SIGQUIT and a closed terminal are Ctrl-C, too.
    """
    from wf_cli.cli.workers import auto_workers

    with signals.as_interrupt():
        try:
            if workers:
                start_workers(call, document)
            return _follow(call, epic, document)
        finally:
            auto_workers.drain(document.get("auto_workers"))


def _follow(call: Call, epic: Epic, document: dict[str, Any]) -> int:
    from wf_cli.attempt.outage import Outage
    from wf_cli.cli.workers import auto_workers
    from wf_cli.cli.workers.follow import cost, follower, summary
    from wf_cli.views.progress import look

    the_app = call.app
    spool = the_app.create_spool()
    queue, dispatcher, project = the_app.queue(spool), the_app.dispatcher(spool), the_app.project()
    lonely: dict[str, float] = {}
    with follower(to_stderr=call.as_json) as view, the_app.notifying(spool, view.interject):
        outage, what = Outage(view.interject), f"cannot look at epic {epic.id}"
        try:
            while True:
                try:
                    now = look(project, queue, epic, dispatcher.reconcile(epic))
                    idle = auto_workers.unserved(spool, now, lonely, the_app.clock, patience_s=_PATIENCE)
                except (OSError, WfError) as error:
                    if not outage.met(what, error):
                        raise
                    time.sleep(_FOLLOW_EVERY)
                    continue
                outage.over(what)
                view.show(now)
                if now.end is not None:
                    break
                for runtime in idle:
                    view.interject(
                        f"no worker takes jobs of {runtime}; start one: wf worker --runtime {runtime} --watch"
                    )
                time.sleep(_FOLLOW_EVERY)
        except KeyboardInterrupt:
            view.interject(f"the epic goes on; watch it again with: wf epic run {epic.id} --follow")
            raise
    ok = now.end == "completed"
    if call.as_json:
        extra = {"end": now.end, "why": list(now.why), "elapsed_s": now.elapsed_s, "cost_usd": now.cost_usd}
        output.print_json({**document, "ok": ok, "status": now.status, **extra})
    else:
        output.say(*([] if view.kept else [summary(now)]), *(f"  {line}" for line in now.why))
        if now.cost_usd is None:
            output.note(f"no agent said what it cost ({cost(now)})")
    return 0 if ok else 1
