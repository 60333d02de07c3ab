"""One attempt of a worker, from the claim to its outcome, in a thread of its own.

An agent's output and exit code do not count as evidence. After it ended the plan itself is checked; only jobs outside
plans are judged by exit code. The attempt gets exactly one ending, whatever error breaks it off.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from wf_cli import system_errors
from wf_cli.attempt import briefing, refusals
from wf_cli.attempt.budget import Purse
from wf_cli.attempt.claim import Claimed
from wf_cli.attempt.end import Ends, Known, of_error
from wf_cli.attempt.opening import Opened, open_attempt
from wf_cli.attempt.outage import Outage
from wf_cli.attempt.session import Session
from wf_cli.attempt.standing import Standing
from wf_cli.clock import Clock
from wf_cli.contract.event import EventSink
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import mark
from wf_cli.errors import Absent, WfError
from wf_cli.frozen import frozen
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.runtimes.base import AgentEvent, AgentResult, Request, Usage
from wf_cli.runtimes.command import CommandAdapter
from wf_cli.runtimes.failures import own
from wf_cli.runtimes.process.supervise import AgentRun
from wf_cli.seams import step
from wf_cli.spool import control, exits
from wf_cli.worker import usage as used
from wf_cli.worker.settings import Equipment, RoleSettings, SlotView

#: What an agent may fail by because its plan has gone. A limit, say, is none of these.
_THE_WORKS = frozenset({ErrorClass.TRANSIENT, ErrorClass.QUALITY})


@frozen
class Done:
    """How an attempt ended, as the main loop needs it."""

    end: End
    failure: Failure | None
    #: Why it was released, where no failure says so.
    reason: str | None = None

    @property
    def why(self) -> str:
        """The cause in brackets, for people; empty when there is none to tell."""
        if self.failure is None and self.end is End.RELEASED and self.reason is not None:
            return f" ({self.reason[:400]})"
        if self.failure is None or self.end is End.SUCCEEDED:
            return ""
        return f" ({self.failure.code}: {self.failure.message.partition(chr(10))[0][:200]})"


class Execution:
    """Runs one claimed token to its end. `stop` and `view` may be called from any thread, the rest from one."""

    def __init__(
        self,
        claimed: Claimed,
        *,
        queue: SpoolQueue,
        session: Session,
        equipment: Equipment,
        clock: Clock,
        events: EventSink,
        outage: Outage,
        requests: control.Requests,
    ):
        """``requests`` are those that were looked at for the claim."""
        self.token = claimed.token
        self.activity = "starting"
        self._claimed = claimed
        self._queue = queue
        self._session = session
        self._equipment = equipment
        self._clock = clock
        self._events = events
        self._standing = Standing(queue, self.token, lost=self._session_lost, clock=clock, outage=outage)
        self._ends = Ends(queue, clock, events, equipment.say, outage, requests)
        self._known = Known()
        self._must_change = False
        self._stop_reason: str | None = None
        self._gives_up = False
        self._begun_ms, self._begun = clock.now_ms(), clock.monotonic()
        #: The id of the agent's own session, as far as the worker's session file has it.
        self._session_id_on_record: str | None = None
        self._purse: Purse | None = None
        self._usage = Usage()
        #: Whether the agent said something, began a tool call or used tokens.
        self._has_worked = False
        #: Set once the running agent has used up the budget.
        self._overdrawn: Failure | None = None

    def view(self) -> SlotView:
        """The attempt's activity now, for people."""
        elapsed_s = self._clock.monotonic() - self._begun
        return SlotView(self.token.job_id, self.token.attempt, elapsed_s, self.activity, self._usage)

    def stop(self, reason: str) -> None:
        """Ask for the agent to be stopped and the job to be given back. The first ``reason`` counts."""
        self._stop_reason = self._stop_reason or reason

    def give_up(self, reason: str) -> None:
        """`stop`, and offer an outcome no more that the disk has refused. Another session ends the attempt then."""
        self._gives_up = True
        self.stop(reason)

    def run(self) -> Done:
        """Make the whole attempt. Raises only when the outcome could not be written and was given up."""
        try:
            ending = self._attempt()
        except Exception as error:  # noqa: BLE001 - each error has its ending
            ending = of_error(error)
            if not isinstance(error, OSError | WfError):
                self._say(f"this is a bug in wf: {type(error).__name__}: {error}")
        finally:
            self._standing.close()
            self._claimed.let_go()
        if ending is None:  # The token was taken from this session, or has its outcome already.
            self._queue.forget(self.token)
            return Done(End.LOST, None)
        try:
            ending, owner = self._known.added_to(ending), self._session.owner
            outcome = self._ends.for_certain(self.token, ending, by=owner, given_up=self._given_up).outcome
            self._discard_exit()
        finally:
            self._session.sign_off(self.token, later=True)
        return Done(outcome.end, outcome.failure, outcome.reason)

    # -- the steps

    def _attempt(self) -> Ending | None:
        steps, role = self._equipment.steps, self._equipment.role(self.token.pool.role)
        opened = open_attempt(
            self._queue,
            steps,
            self.token,
            by=self._session.owner,
            budget=self._equipment.budget(),
            must_change=role.must_change,
        )
        if not isinstance(opened, Opened):
            return opened
        self._must_change = role.must_change
        step("work.started")
        self._purse = opened.purse
        self._known.baseline = opened.baseline
        if opened.spec.target is not None:
            steps.prepare(opened.spec.target)
        result = self._run_agents(self._request(opened, role))
        if result is None:
            return Ending(End.RELEASED, reason=self._stop_reason or "superseded before its agent was started")
        self._note(result)
        return self._ending(opened.spec, result)

    def _note(self, result: AgentResult) -> None:
        """Keep the usage and the session id of the run. Where its result has none, the last reported ones stay."""
        self._usage = used.merged(self._usage, result.verdict.usage)
        self._known.usage = used.known(self._usage)
        self._known.session_id = result.verdict.session_id or self._known.session_id
        self._events.emit(
            "attempt.usage",
            job_id=self.token.job_id,
            attempt=self.token.attempt,
            runtime=self.token.pool.runtime,
            reason=None if self._known.usage else "unknown: the agent told nothing",
            **(self._known.usage or {}),
        )

    def _ending(self, spec: Spec, result: AgentResult) -> Ending:
        stopped = result.exit.stopped == "asked" and result.verdict.failure is not None
        if stopped and self._overdrawn is None:
            return Ending(End.RELEASED, reason=self._stop_reason or "stopped")
        if result.verdict.failure is not None and not stopped:
            known = own.applied(result.verdict.failure, self._equipment.failures(), self._say)
            result = replace(result, verdict=replace(result.verdict, failure=known))
        failure = self._judge(spec, result)  # a step may be done although its agent had to be stopped
        if failure is not None:
            if stopped and self._overdrawn is not None:
                return ending_of(self._overdrawn)
            return ending_of(
                refusals.refusal(failure, result.duration_s) if self._did_nothing(spec, result, failure) else failure
            )
        return Ending(End.SUCCEEDED, result={"summary": result.verdict.summary[:2000], "exit_code": result.exit.code})

    def _did_nothing(self, spec: Spec, result: AgentResult, failure: Failure) -> bool:
        """Whether the agent ended by itself at once, without a word or a tool call, for a reason that is not known to
        be the job's. The exit code of a job of one's own is its result, however soon it comes.

        An agent that stood in its first request until the stall clock had run down has done nothing either: many
        repeat a request that their provider refuses, and tell nobody."""
        if failure.code == "stall" and failure.details.get("idle") is True:
            return not self._has_worked and not result.verdict.usage.tokens_out
        if failure.code not in ("crashed", "network") or self._has_worked or result.verdict.usage.tokens_out:
            return False
        if result.exit.stopped is not None or result.duration_s > refusals.AT_ONCE:
            return False
        evidence = failure.details.get("evidence")
        if evidence is not None and (failure.code == "crashed" or evidence.get("source") == "config"):
            return False  # A full session or a filtered output is the job's, and what a person's pattern says counts.
        return spec.target is not None or not isinstance(self._equipment.adapter, CommandAdapter)

    def _judge(self, spec: Spec, result: AgentResult) -> Failure | None:
        """The failure of the attempt; None when the step is done. The plan decides, however its agent ended."""
        claimed, target = result.verdict.failure, spec.target
        if target is None:
            return claimed
        self.activity = "checking"
        steps, baseline = self._equipment.steps, self._known.baseline
        try:
            unmet = self._standing.patiently(
                lambda: steps.check(target, self.token, steps.idle(target, baseline)), self._is_stopped
            )
        except Absent:
            if claimed is not None and claimed.error_class not in _THE_WORKS:
                return claimed  # A limit or a missing program is a fact whether the plan is there or not.
            raise
        if unmet is None:
            self._tell_doubt(steps.doubt(target))
            return None
        if claimed is not None and claimed.error_class is not ErrorClass.QUALITY:
            return _with_unmet(claimed, unmet)
        return unmet

    def _tell_doubt(self, why: str | None) -> None:
        """Say that the step counts without the proof that it changed anything, here and in the outcome."""
        if why is None or not self._must_change:
            return
        self._known.notes["no_change"] = f"cannot tell: {why}"
        self._say(f"cannot tell whether it changed anything outside its plan's folder (checks.no_change): {why}")

    def _request(self, opened: Opened, role: RoleSettings) -> Request:
        token, equipment, spec = self.token, self._equipment, opened.spec
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
            secret_names=equipment.secret_names,
            mark=mark(token),
            plan_id=spec.target.plan_id if spec.target else None,
            epic_id=spec.target.epic_id if spec.target else None,
            model=role.model,
            resume=self._resumable(opened.before),
            resume_prompt=briefing.resume_prompt(equipment.steps, spec, token, last),
            limits=role.limits,
        )

    def _run_agents(self, request: Request) -> AgentResult | None:
        """Run the agent, and run it again in a new session when the session to resume was lost.

        The first agent has done no work then, so the second run counts as the same attempt.
        """
        result = self._run_agent(request)
        failure = result.verdict.failure if result is not None else None
        if request.resume is None or failure is None or not failure.details.get("session_lost"):
            return result
        self._say(f"the session {request.resume} is lost; going on in a new one")
        self._discard_exit()
        return self._run_agent(replace(request, resume=None, resume_prompt=None))

    def _run_agent(self, request: Request) -> AgentResult | None:
        """Run the agent to its end; None when the attempt was over or asked to stop before the agent was started."""
        equipment = self._equipment
        with AgentRun(
            equipment.adapter,
            request,
            clock=self._clock,
            transcript=self._queue.spool.transcript_path(self.token.job_id, self.token.attempt),
            transcript_mode=self._queue.spool.shared_mode,
            on_event=self._on_event,
            slot=self._claimed.slot,
            redact=equipment.redact,
            keep=exits.order(
                self._queue.spool,
                self.token,
                started_ms=self._begun_ms,
                words_decide=bool(equipment.failures()),
            ),
        ) as run:
            launcher = run.spawn()
            step("work.spawned")
            self._session.sign_on(self.token, launcher, self._known.baseline)
            step("work.recorded")
            # The token is looked at once more, now that a reaper could find this agent. A process that was suspended
            # before the spawn must not start a superseded attempt.
            if self._is_stopped() or not self._standing.confirmed(self._is_stopped):
                return None
            self._known.started_ms = self._begun_ms
            run.go()
            try:
                return run.wait(self._should_stop)
            finally:
                self._tell_transcript(run.transcript_trouble)

    # -- small parts

    def _discard_exit(self) -> None:
        """Remove what the launcher kept. A file that the disk does not let go is removed with the session's file."""
        if self._known.started_ms is not None:
            with contextlib.suppress(OSError):
                exits.discard(self._queue.spool, self.token)

    def _say(self, line: str) -> None:
        self._equipment.say(f"{self.token.job_id}: {line}")

    def _session_lost(self) -> bool:
        return self._session.lost is not None

    def _given_up(self, error: Exception) -> bool:
        """Whether the outcome is offered no more after ``error``.

        An outage that outlasts the lease does not throw the outcome away. No session can end the attempt during the
        outage, and afterwards at most one outcome stands, whoever offers it.
        """
        return self._gives_up or (self._session_lost() and not system_errors.may_pass(error, was_allowed=True))

    def _is_stopped(self) -> bool:
        return self._stop_reason is not None

    def _should_stop(self) -> str | None:
        self._stop_reason = self._stop_reason or self._standing.over()
        return self._stop_reason

    def _on_event(self, event: AgentEvent) -> None:
        if event.session_id:
            self._keep_session_id(event.session_id)
        if event.kind in ("text", "tool"):
            self._has_worked = True
        if event.usage is not None:
            self._spend(event.usage)
        if event.text:
            self.activity = event.text[:200]

    def _keep_session_id(self, session_id: str) -> None:
        """Keep the id for the next attempt, which resumes this session.

        The outcome gets it, and the worker's session file too, in case this process is killed before the outcome.
        """
        if session_id != self._known.session_id:
            self._known.session_id = session_id
            self._events.emit(
                "attempt.session", job_id=self.token.job_id, attempt=self.token.attempt, session_id=session_id
            )
        if session_id != self._session_id_on_record:
            try:
                self._session.file.set_agent_session(mark(self.token), session_id)
            except (OSError, WfError):
                return  # The agent goes on. Its next event tries again, and the outcome has the id as well.
            self._session_id_on_record = session_id

    def _spend(self, usage: Usage) -> None:
        self._usage = used.merged(self._usage, usage)
        self._known.usage = used.known(self._usage)
        if usage.cost_usd is not None and self._purse is not None and self._overdrawn is None:
            self._overdrawn = self._purse.exceeded(usage.cost_usd)
            if self._overdrawn is not None:
                self.stop(self._overdrawn.message)

    def _tell_transcript(self, why: str | None) -> None:
        """Say that the transcript is missing or cut, in the worker's output and in the outcome."""
        if why is None:
            return
        path = self._queue.spool.transcript_path(self.token.job_id, self.token.attempt)
        self._known.notes["transcript"] = why
        self._say(f"{path}: {why}; what its agent prints is not kept: check permissions and free space there")

    def _resumable(self, before: Outcome | None) -> str | None:
        """The agent's session of the attempt before. None when it is another runtime's, lost, not wanted (`wf retry
        --fresh`), or no id.

        Outcomes are not trusted, and agent programs would take a word with a dash for an option.
        """
        if before is None or before.runtime not in (None, self.token.pool.runtime):
            return None
        if before.failure is not None and before.failure.details.get("session_lost"):
            return None
        fresh = control.has(self._queue.spool, f"fresh.{self.token.job_id}.a{self.token.attempt}")
        given = before.session_id
        return None if fresh or given is None or given.startswith("-") or not given.isprintable() else given


def _with_unmet(claimed: Failure, unmet: Failure) -> Failure:
    """The failure of an agent that ended with an error, with what its step lacks, because the next agent has to know.

    A script that ends with the code of its last command, a refused `wf finish-code` say, tells less than its plan.
    """
    if claimed.code != "crashed" or not unmet.errors:
        return claimed
    return replace(claimed, errors=(f"{claimed.code}: {claimed.message}", *unmet.errors))
