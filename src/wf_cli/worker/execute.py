"""One attempt, from the claim to its outcome, in a thread of its own.

What an agent prints or exits with is not evidence: after it ended the plan itself is checked (own jobs
are judged by exit code). Whatever happens here, the attempt gets exactly one ending.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.identity import Target, target_of
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token, mark
from wf_cli.errors import ContractError, Temporary, WfError
from wf_cli.locks import Slot
from wf_cli.queue.base import Started
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.runtimes.base import AgentEvent, AgentResult, CannotStart, Request, Usage
from wf_cli.runtimes.supervise import AgentRun
from wf_cli.seams import step
from wf_cli.spool import control, verify
from wf_cli.spool.session import Agent, SessionFile
from wf_cli.worker.settings import Equipment, Opening

#: Seconds between two looks whether a running attempt still holds its token.
TOKEN_POLL = 0.3
#: Seconds a job waits whose plan is worked on by another job just now.
BUSY_DELAY = 2.0


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

    def stop(self, reason: str) -> None:
        """Stop the agent and give the job back."""
        self._stop_reason = self._stop_reason or reason

    def run(self) -> Done:
        """The whole attempt. Raises nothing but OSError of a disk that takes no outcome for long."""
        try:
            ending = self._attempt()
        except WfError as error:
            ending = Ending(End.FAILED, failure=Failure("crashed", error.message), started_ms=self._begun_ms)
        finally:
            if self._slot is not None:
                self._slot.close()
        if ending is None:  # the token was never ours to end, or has its outcome already
            return Done(self.token, End.LOST, None, accepted=False)
        return self._end(ending)

    # -- the steps

    def _attempt(self) -> Ending | None:
        try:
            spec = verify.token_is_valid(self._queue.spool, self.token, "claimed")
        except ContractError as error:
            self._queue.quarantine(self.token, Failure("invalid_spec", error.message), by=self._owner)
            return None
        except FileNotFoundError:
            return None  # RACE: an operator's cancel, or a reaper, took it
        except OSError as error:
            return ending_of(Failure("disk_error", f"cannot read the job: {error}"))
        ending = self._open(spec)
        if ending is not None or not self._queue.holds(self.token):
            return ending
        try:
            return self._work(spec)
        finally:
            self._session.remove_agent(mark(self.token))

    def _open(self, spec: Spec) -> Ending | None:
        """Under the fence and the plan's lock: is this attempt to run, and is it the plan's only one?"""
        token, target = self.token, spec.target
        try:
            with self._queue.fence(token.job_id):
                if not self._queue.holds(token):
                    return None
                if target is None:
                    self._queue.start(token)
                    return None
                other = self._other_job(target)
                if other is not None:
                    return Ending(End.RELEASED, reason=f"{other} works on this plan", delay_s=BUSY_DELAY)
                with self._equipment.steps.opening(target) as (opening, why):
                    match opening:
                        case Opening.DONE:
                            return Ending(End.SUCCEEDED, reason=why, result={"agent": "none", "why": why})
                        case Opening.SUPERSEDED:
                            return Ending(End.CANCELLED, reason=f"superseded: {why}")
                        case Opening.GO:
                            if self._queue.start(token) is not Started.GO:
                                return None
        except Temporary as error:
            return Ending(End.RELEASED, reason=error.message, delay_s=BUSY_DELAY)
        return None

    def _other_job(self, target: Target) -> str | None:
        for placed in self._queue.placed({Status.CLAIMED, Status.RUNNING}):
            if placed.token.job_id == self.token.job_id:
                continue
            if _plan_of(placed.token.job_id) == target.plan_id:
                return placed.token.job_id
        return None

    def _work(self, spec: Spec) -> Ending:
        last = self._last_failure()
        step("work.started")
        if spec.target is not None:
            self._equipment.steps.prepare(spec.target)
            prompt = self._equipment.steps.prompt(spec.target, self.token.attempt, last)
        else:
            prompt = json.dumps(spec.payload, ensure_ascii=False)
        try:
            result = self._run_agent(spec, prompt)
        except CannotStart as error:
            return ending_of(error.failure(), started_ms=self._begun_ms)
        if result is None:
            return Ending(End.RELEASED, reason="superseded before its agent was started")
        return replace(
            self._ending(spec, result),
            started_ms=self._begun_ms,
            session_id=result.verdict.session_id or self._session_id,
            usage=_usage(result.verdict.usage),
        )

    def _ending(self, spec: Spec, result: AgentResult) -> Ending:
        if result.exit.stopped == "asked" and result.verdict.failure is not None:
            return Ending(End.RELEASED, reason=self._stop_reason or "stopped")
        failure = self._judge(spec, result)
        if failure is not None:
            return ending_of(failure)
        return Ending(End.SUCCEEDED, result={"summary": result.verdict.summary[:2000], "exit_code": result.exit.code})

    def _judge(self, spec: Spec, result: AgentResult) -> Failure | None:
        """The plan decides. A plan that is done counts as done whatever the agent's process made of its end."""
        claimed = result.verdict.failure
        if spec.target is None:
            return claimed
        self.activity = "checking"
        unmet = self._equipment.steps.check(spec.target, self.token)
        if unmet is None:
            return None
        if claimed is not None and claimed.error_class is not ErrorClass.QUALITY:
            return claimed
        return unmet

    def _run_agent(self, spec: Spec, prompt: str) -> AgentResult | None:
        token, equipment = self.token, self._equipment
        role = equipment.role(token.pool.role)
        request = Request(
            job_id=token.job_id,
            attempt=token.attempt,
            role=token.pool.role,
            prompt=prompt,
            root=equipment.root,
            environment=self._environment(equipment.environment),
            mark=mark(token),
            plan_id=spec.target.plan_id if spec.target else None,
            epic_id=spec.target.epic_id if spec.target else None,
            model=role.model,
            resume=self._resumable(),
            limits=role.limits,
        )
        with AgentRun(
            equipment.adapter,
            request,
            clock=self._clock,
            transcript=self._queue.spool.transcript_path(token.job_id, token.attempt),
            on_event=self._on_event,
            slot=self._slot,
        ) as run:
            launcher = run.spawn()
            step("work.spawned")
            self._session.add_agent(
                Agent(token.job_id, token.attempt, mark(token), launcher.pid, launcher.start or None)
            )
            step("work.recorded")
            # Once more, now that everybody could find this agent: a session that was paused before the
            # spawn must not start a superseded attempt.
            if not self._queue.holds(token) or self._owner_lost():
                return None
            run.go()
            return run.wait(self._should_stop)

    # -- small parts

    def _environment(self, base: Mapping[str, str]) -> dict[str, str]:
        token = self.token
        return {
            **base,
            "WF_JOB_ID": token.job_id,
            "WF_ATTEMPT": str(token.attempt),
            "WF_JOB_TOKEN": mark(token),
            "WF_ROLE": token.pool.role,
            "WF_RUNTIME": token.pool.runtime,
            "WF_ROOT": str(self._equipment.root),
            "WF_SPOOL": str(self._queue.spool.root),
            "WF_DISTRIBUTED": "1",
        }

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
        if event.text:
            self.activity = event.text[:200]

    def _last_failure(self) -> Failure | None:
        outcome = self._previous()
        return outcome.failure if outcome is not None else None

    def _resumable(self) -> str | None:
        """The agent's session of the attempt before, unless it was lost or is not wanted (`wf retry --fresh`)."""
        outcome = self._previous()
        if outcome is None or (outcome.failure is not None and outcome.failure.details.get("session_lost")):
            return None
        fresh = control.has(self._queue.spool, f"fresh.{self.token.job_id}.a{self.token.attempt}")
        return None if fresh else outcome.session_id

    def _previous(self) -> Outcome | None:
        if self.token.attempt < 2:
            return None
        try:
            return self._queue.outcome(self.token.job_id, self.token.attempt - 1)
        except ContractError:
            return None

    def _end(self, ending: Ending) -> Done:
        """Publish the ending; a full disk is waited for, because the work is done and must not be lost."""
        pause = 0.5
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
            self._cool_down(ending)
            return Done(self.token, outcome.end, outcome.failure, ended.accepted)

    def _cool_down(self, ending: Ending) -> None:
        failure = ending.failure
        if failure is None or failure.error_class is not ErrorClass.PARKED or ending.delay_s is None:
            return
        runtime = self.token.pool.runtime
        control.request(
            self._queue.spool,
            f"cooldown.{runtime}",
            self._clock,
            reason=f"{failure.code}: {failure.message}",
            seconds=ending.delay_s,
        )
        self._events.emit("pool.cooldown", runtime=runtime, reason=failure.message, error_code=failure.code)


#: Never set: `wait` on it is a sleep that a test can cut short.
_PAUSE = threading.Event()


def _plan_of(job_id: str) -> str | None:
    target = target_of(job_id)
    return target.plan_id if target is not None else None


def _usage(usage: Usage) -> dict[str, float | int | None] | None:
    known = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "cost_usd": usage.cost_usd}
    return known if any(v is not None for v in known.values()) else None
