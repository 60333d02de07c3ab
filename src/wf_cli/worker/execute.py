"""One attempt, from the claim to its outcome, in a thread of its own.

What an agent prints or exits with is not evidence: after it ended the plan itself is checked (own jobs
are judged by exit code). Whatever happens here, the attempt gets exactly one ending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from wf_cli.attempt import briefing, cooldown, opening
from wf_cli.attempt.budget import Purse
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token, mark
from wf_cli.errors import WfError
from wf_cli.locks import Slot
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.runtimes.base import AgentEvent, AgentResult, CannotStart, Request, Usage
from wf_cli.runtimes.process.supervise import AgentRun
from wf_cli.seams import step
from wf_cli.spool import control
from wf_cli.spool.session import Agent, SessionFile
from wf_cli.worker.settings import Equipment, RoleSettings, SlotView

#: Seconds between two looks whether a running attempt still holds its token.
TOKEN_POLL = 0.3


@dataclass(frozen=True, slots=True)
class Done:
    """The end of an attempt for the main loop."""

    token: Token
    end: End
    failure: Failure | None
    accepted: bool


class Execution:
    """Runs one claimed token to its end. `stop` may be called from any thread, the rest from one."""

    def __init__(
        self,
        token: Token,
        *,
        queue: SpoolQueue,
        session: SessionFile,
        equipment: Equipment,
        slot: Slot | None,
        clock: Clock,
        events: EventSink,
        owner_lost: Callable[[], bool],
    ):
        self.token = token
        self.activity = "starting"
        self._queue = queue
        self._session = session
        self._equipment = equipment
        self._slot = slot
        self._clock = clock
        self._events = events
        self._owner_lost = owner_lost
        self._owner = session.record.owner
        self._stop_reason: str | None = None
        self._begun_ms = clock.now_ms()
        self._next_look = 0.0
        self._session_id: str | None = None
        self._before: Outcome | None = None
        self._baseline: str | None = None
        self._purse: Purse | None = None
        self._usage = Usage()
        #: The running agent has spent what there was.
        self._overdrawn: Failure | None = None

    def view(self) -> SlotView:
        """What it does now, for people. From any thread."""
        elapsed_s = max(0, self._clock.now_ms() - self._begun_ms) / 1000
        return SlotView(self.token.job_id, self.token.attempt, elapsed_s, self.activity, self._usage)

    def stop(self, reason: str) -> None:
        """Stop the agent and give the job back."""
        self._stop_reason = self._stop_reason or reason

    def run(self) -> Done:
        """The whole attempt. Raises nothing but OSError of a disk that takes no outcome for long."""
        try:
            ending = self._attempt()
        except WfError as error:
            ending = Ending(End.FAILED, failure=Failure("crashed", error.message), started_ms=self._begun_ms)
        except OSError as error:
            ending = ending_of(Failure("disk_error", str(error)), started_ms=self._begun_ms)
        except Exception as error:  # noqa: BLE001 - without an end the job would be taken again and again
            told = f"{type(error).__name__}: {error}"
            self._equipment.say(f"{self.token.job_id}: this is a bug in wf: {told}")
            ending = Ending(End.FAILED, failure=Failure("crashed", told[:500]), started_ms=self._begun_ms)
        finally:
            if self._slot is not None:
                self._slot.close()
        if ending is None:  # the token was never ours to end, or has its outcome already
            return Done(self.token, End.LOST, None, accepted=False)
        return self._end(ending)

    # -- the steps

    def _attempt(self) -> Ending | None:
        spec = opening.read_spec(self._queue, self.token, by=self._owner)
        if not isinstance(spec, Spec):
            return spec
        self._purse = Purse.open(self._queue, self.token, self._equipment.budget())
        objection = self._purse.objection()
        if objection is not None:
            return ending_of(objection)
        ending = opening.start(self._queue, self._equipment.steps, self.token, spec.target)
        if ending is not None or not self._queue.holds(self.token):
            return ending
        try:
            return self._work(spec)
        finally:
            self._session.remove_agent(mark(self.token))

    def _work(self, spec: Spec) -> Ending:
        steps, role = self._equipment.steps, self._equipment.role(self.token.pool.role)
        self._before = opening.outcome_before(self._queue, self.token)
        step("work.started")
        if spec.target is not None:
            steps.prepare(spec.target)
        if role.must_change:
            self._baseline = opening.baseline(steps, spec.target, self.token, self._before)
        try:
            result = self._run_agents(self._request(spec, role))
        except CannotStart as error:
            return ending_of(error.failure())
        if result is None:
            return Ending(End.RELEASED, reason="superseded before its agent was started")
        usage = _known(self._used(result))
        self._events.emit(
            "attempt.usage",
            job_id=self.token.job_id,
            attempt=self.token.attempt,
            runtime=self.token.pool.runtime,
            reason=None if usage else "unknown: the agent told nothing",
            **(usage or {}),
        )
        return replace(
            self._ending(spec, result),
            started_ms=self._begun_ms,
            session_id=result.verdict.session_id or self._session_id,
            usage=usage,
        )

    def _ending(self, spec: Spec, result: AgentResult) -> Ending:
        stopped = result.exit.stopped == "asked" and result.verdict.failure is not None
        if stopped and self._overdrawn is None:
            return Ending(End.RELEASED, reason=self._stop_reason or "stopped")
        failure = self._judge(spec, result)  # a step may be done although its agent had to be stopped
        if failure is not None:
            return ending_of(self._overdrawn if stopped and self._overdrawn is not None else failure)
        return Ending(End.SUCCEEDED, result={"summary": result.verdict.summary[:2000], "exit_code": result.exit.code})

    def _judge(self, spec: Spec, result: AgentResult) -> Failure | None:
        """The plan decides. A plan that is done counts as done whatever the agent's process made of its end."""
        claimed = result.verdict.failure
        if spec.target is None:
            return claimed
        self.activity = "checking"
        steps = self._equipment.steps
        unmet = steps.check(spec.target, self.token, steps.idle(spec.target, self._baseline))
        if unmet is None:
            return None
        if claimed is not None and claimed.error_class is not ErrorClass.QUALITY:
            return claimed
        return unmet

    def _request(self, spec: Spec, role: RoleSettings) -> Request:
        token, equipment = self.token, self._equipment
        last = briefing.last_failure(self._queue, self.token)
        return Request(
            job_id=token.job_id,
            attempt=token.attempt,
            role=token.pool.role,
            prompt=briefing.prompt(equipment.steps, spec, token, last),
            root=equipment.root,
            environment={
                **equipment.environment,
                **briefing.variables(token, root=equipment.root, spool_root=self._queue.spool.root),
            },
            mark=mark(token),
            plan_id=spec.target.plan_id if spec.target else None,
            epic_id=spec.target.epic_id if spec.target else None,
            model=role.model,
            resume=self._resumable(),
            resume_prompt=briefing.resume_prompt(equipment.steps, spec, token, last),
            limits=role.limits,
        )

    def _run_agents(self, request: Request) -> AgentResult | None:
        """The agent; and once more, afresh, when it could not go on with the session it was to resume.

        That agent has done nothing, so it is no second start of the attempt's work, and costs no attempt.
        """
        result = self._run_agent(request)
        failure = result.verdict.failure if result is not None else None
        if request.resume is None or failure is None or not failure.details.get("session_lost"):
            return result
        self._equipment.say(f"{self.token.job_id}: the session {request.resume} is lost; going on in a new one")
        return self._run_agent(replace(request, resume=None, resume_prompt=None))

    def _run_agent(self, request: Request) -> AgentResult | None:
        token, equipment = self.token, self._equipment
        with AgentRun(
            equipment.adapter,
            request,
            clock=self._clock,
            transcript=self._queue.spool.transcript_path(token.job_id, token.attempt),
            on_event=self._on_event,
            slot=self._slot,
            redact=equipment.redact,
        ) as run:
            launcher = run.spawn()
            step("work.spawned")
            self._session.add_agent(
                Agent(
                    token.job_id,
                    token.attempt,
                    mark(token),
                    launcher.pid,
                    launcher.start or None,
                    baseline=self._baseline,
                )
            )
            step("work.recorded")
            # Once more, now that everybody could find this agent: a session that was paused before the
            # spawn must not start a superseded attempt.
            if not self._queue.holds(token) or self._owner_lost():
                return None
            run.go()
            return run.wait(self._should_stop)

    # -- small parts

    def _should_stop(self) -> str | None:
        if self._stop_reason is not None:
            return self._stop_reason
        if self._owner_lost():
            self._stop_reason = "the session lost its lease"
            return self._stop_reason
        now = self._clock.monotonic()
        if now >= self._next_look:
            self._next_look = now + TOKEN_POLL
            if not self._queue.holds(self.token):
                self._stop_reason = "the attempt was ended by somebody else"
        return self._stop_reason

    def _on_event(self, event: AgentEvent) -> None:
        if event.session_id and event.session_id != self._session_id:
            self._session_id = event.session_id
            self._session.set_agent_session(mark(self.token), event.session_id)
            self._events.emit(
                "attempt.session",
                job_id=self.token.job_id,
                attempt=self.token.attempt,
                session_id=event.session_id,
            )
        if event.usage is not None:
            self._spend(event.usage)
        if event.text:
            self.activity = event.text[:200]

    def _spend(self, usage: Usage) -> None:
        self._usage = _merged(self._usage, usage)
        if usage.cost_usd is not None and self._purse is not None and self._overdrawn is None:
            self._overdrawn = self._purse.exceeded(usage.cost_usd)
            if self._overdrawn is not None:
                self.stop(self._overdrawn.message)

    def _used(self, result: AgentResult) -> Usage:
        """What the whole run told, or, of one that was cut short, the last that was heard."""
        return _merged(self._usage, result.verdict.usage)

    def _resumable(self) -> str | None:
        """The agent's session of the attempt before, unless it was lost or is not wanted (`wf retry --fresh`)."""
        before = self._before
        if before is None or before.runtime not in (None, self.token.pool.runtime):
            return None
        if before.failure is not None and before.failure.details.get("session_lost"):
            return None
        fresh = control.has(self._queue.spool, f"fresh.{self.token.job_id}.a{self.token.attempt}")
        return None if fresh else before.session_id

    def _end(self, ending: Ending) -> Done:
        """Publish the ending; a full disk is waited for, because the work is done and must not be lost."""
        pause = 0.5
        ending = self._tell_pool(replace(ending, baseline=ending.baseline or self._baseline))
        while True:
            try:
                ended = self._queue.end(self.token, ending, by=self._owner)
            except OSError as error:
                self._equipment.say(f"{self.token.job_id}: cannot write the outcome ({error}); trying again")
                if self._owner_lost():
                    raise
                _PAUSE.wait(pause)
                pause = min(pause * 2, 10.0)
                continue
            outcome = ended.outcome
            return Done(self.token, outcome.end, outcome.failure, ended.accepted)

    def _tell_pool(self, ending: Ending) -> Ending:
        """What the ending means for the pool comes first; a disk that does not take that is no hindrance."""
        spool, runtime = self._queue.spool, self.token.pool.runtime
        try:
            ending = cooldown.park(spool, runtime, ending, self._clock, self._events)
            if ending.end is End.SUCCEEDED and ending.started_ms is not None:
                cooldown.warm_up(spool, runtime, self._clock, self._events)
        except OSError as error:  # the job waits by itself; its pool is told by the next one
            self._equipment.say(f"{self.token.job_id}: cannot tell the pool: {error}")
        return ending


#: What is more than this, or less than nothing, is no usage.
_MOST = 1e12
#: Never set: `wait` on it is a sleep that a test can cut short.
_PAUSE = threading.Event()


def _merged(old: Usage, new: Usage) -> Usage:
    """The newer figures, where there are any: both are sums from the beginning."""
    return Usage(
        old.tokens_in if new.tokens_in is None else new.tokens_in,
        old.tokens_out if new.tokens_out is None else new.tokens_out,
        old.cost_usd if new.cost_usd is None else new.cost_usd,
    )


def _known(usage: Usage) -> dict[str, float | int | None] | None:
    told = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "cost_usd": usage.cost_usd}
    known = {key: value if value is not None and 0 <= value < _MOST else None for key, value in told.items()}
    return known if any(value is not None for value in known.values()) else None
