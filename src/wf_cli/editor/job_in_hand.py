"""The commands of an agent inside an editor for its job, which it names by token: heartbeat, finish, fail, release.

Each raises StaleAttempt (exit code 4) once the attempt was superseded, and changes neither job nor plan then. An end
is decided under the job's fence, which every process that takes the token away holds too.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

from wf_cli import ids
from wf_cli.app import App
from wf_cli.attempt.end import Ends
from wf_cli.contract import plain_json
from wf_cli.contract.failure import CODES, Failure
from wf_cli.contract.identity import target_of
from wf_cli.contract.job import Disposition, End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token, parse_mark
from wf_cli.editor import handover, sign_of_life
from wf_cli.editor.sign_of_life import SignOfLife
from wf_cli.editor.tools import Tools
from wf_cli.errors import ContractError, Refused, SpoolMissing, StaleAttempt, UsageError, WfError
from wf_cli.frozen import frozen
from wf_cli.runtimes.failures import classify
from wf_cli.runtimes.process.redact import Redactor, secret_values
from wf_cli.spool import attempt, scan, session
from wf_cli.workflow import context, plans

#: The most characters of a result, which holds facts for `wf spool show` and no files.
RESULT_LIMIT = 1024 * 1024
#: Seconds to wait for a keeper to let go of the checkout once its job has ended.
KEEPER_LIMIT = 5.0


class Unmet(WfError):
    """The plan does not have the result of the job yet. The job goes on."""

    code = "CHECKS_UNMET"

    def __init__(self, failure: Failure):
        super().__init__(
            failure.message,
            hint="put that right, then finish again",
            code=failure.code.upper(),
            errors=list(failure.errors),
        )
        self.errors = failure.errors


@frozen
class Ended:
    """How an attempt ended, for the agent."""

    job_id: str
    attempt: int
    status: str
    #: The state of the job now: queued, held, done or dead.
    to: str

    @classmethod
    def of(cls, outcome: Outcome) -> Ended:
        return cls(outcome.job_id, outcome.attempt, str(outcome.end), outcome.disposition.to)


class JobInHand:
    """The job of a token. Raises UsageError for a text that is no token."""

    def __init__(self, app: App, token: str):
        parsed = parse_mark(token)
        if parsed is None:
            raise UsageError(f"{token!r} is no job's token", hint="wf job next prints it")
        self.job_id, self.attempt, self.owner = parsed
        self.target = target_of(self.job_id)
        self._app = app
        self._mark = token
        try:
            self._tools = Tools.of(app)
        except SpoolMissing as error:
            raise StaleAttempt(f"{token} has no spool any more: {error.message}", hint=_STOP) from error
        self._queue, self._spool = self._tools.queue, self._tools.spool

    def context(self) -> dict[str, Any]:
        """The job as it was handed over, and its plan as it is now. Reads only."""
        token, at = self._standing()
        spec = self._spec()
        job = handover.make(self._queue, self._tools.steps, token, spec, root=self._app.root, idle_s=at.idle_s)
        return job.to_json() | {"plan": self._plan()}

    def heartbeat(self) -> float:
        """Note that the agent is at work. Returns for how many seconds it may give no sign of life from now on."""
        _, at = self._standing()
        sign_of_life.put(self._spool, at)
        try:
            self._standing()
        except StaleAttempt:
            sign_of_life.remove(self._spool, self.owner)  # The keeper has ended already and would not remove it.
            raise
        return at.idle_s

    def finish(self, result: object = None) -> Ended:
        """End the attempt as a success when the check of the plan passes. Else it raises Unmet, and the job goes on.

        A call after a success returns that success again. For a job outside plans the agent's word counts, and
        ``result`` is kept (a value that is no object is put into one). When the attempt of such a job was superseded,
        ``result`` is kept as a late result (`wf late`) and StaleAttempt is raised.
        """
        facts = self._result(result)
        try:
            idle = self._idle()
            with self._queue.fence(self.job_id):
                token, at = self._standing()
                if self.target is not None:
                    unmet = self._tools.steps.check(self.target, token, idle)
                    if unmet is not None:
                        raise Unmet(unmet)
                ending = Ending(End.SUCCEEDED, result=facts, started_ms=at.started_ms)
                ended = self._ended(token, ending)
        except StaleAttempt:
            outcome = self._outcome()
            if outcome is not None and outcome.end is End.SUCCEEDED and outcome.by == self.owner:
                return Ended.of(outcome)
            if outcome is not None and outcome.owner == self.owner and self.target is None:
                self._keep_late(outcome, facts)
            raise
        return self._left(ended)

    def _idle(self) -> Failure | None:
        if self.target is None:
            return None
        agent = session.agent_of(self._spool, self._standing()[0])
        return self._tools.steps.idle(self.target, agent.baseline if agent is not None else None)

    def fail(self, message: str, code: str = "crashed") -> Ended:
        """End the attempt as failed. The class of ``code`` decides what that costs. UsageError for an unknown one."""
        if code not in CODES:
            raise UsageError(f"there is no error code {code!r}", hint=f"one of {', '.join(CODES)}")
        with self._queue.fence(self.job_id):
            token, at = self._standing()
            # The code is the agent's word. The time at which a limit ends is read from the message, as for any agent.
            failure = replace(classify.failure(message, code=code), message=self._clean(message))
            ending = ending_of(failure, started_ms=at.started_ms)
            ended = self._ended(token, ending)
        return self._left(ended)

    def release(self, reason: str | None = None, delay_s: float | None = None) -> Ended:
        """Give the job back, which costs no attempt. It is not claimed again for ``delay_s`` seconds."""
        with self._queue.fence(self.job_id):
            token, at = self._standing()
            told = self._clean(reason) if reason else "given back"
            ending = Ending(End.RELEASED, reason=told, delay_s=delay_s, started_ms=at.started_ms)
            ended = self._ended(token, ending)
        return self._left(ended)

    # -- parts

    def _standing(self) -> tuple[Token, SignOfLife]:
        """The running token of the attempt, and the sign of life that its keeper watches."""
        token = scan.running_token(self._spool, self._mark)
        if token is None or self._outcome() is not None:
            raise StaleAttempt(
                f"attempt {self.attempt} of {self.job_id} was superseded: {self.owner} does not hold it any more",
                hint=_STOP,
                job_id=self.job_id,
                attempt=self.attempt,
            )
        at = sign_of_life.read(self._spool, self.owner)
        if at is None:
            raise Refused(
                f"{self.job_id} was taken by a worker, which ends it when its agent's process ends",
                hint="just exit: what is done is checked then",
                job_id=self.job_id,
            )
        return token, at

    def _ended(self, token: Token, ending: Ending) -> Ended:
        ends = Ends(self._queue, self._app.clock, self._tools.events, lambda _line: None)
        ended = ends.once(token, ending, by=self.owner)
        if not ended.accepted:
            raise StaleAttempt(
                f"attempt {self.attempt} of {self.job_id} has ended as {ended.outcome.end}", hint=_STOP
            )
        return Ended.of(ended.outcome)

    def _left(self, ended: Ended) -> Ended:
        """Publish the next step, and wait until the keeper frees the checkout, which the agent's next job needs."""
        self._tools.reconcile(self.target)
        clock = self._app.clock
        deadline = clock.monotonic() + KEEPER_LIMIT
        while clock.monotonic() < deadline:
            record = session.read(self._spool, self.owner)
            if record is None or record.state == "stopped" or record.proven_dead or not record.on_this_host:
                break
            clock.sleep(0.02)
        return ended

    def _outcome(self) -> Outcome | None:
        try:
            return self._queue.outcome(self.job_id, self.attempt)
        except ContractError:
            return None

    def _spec(self) -> Spec:
        spec = self._queue.spec(self.job_id)
        if spec is None:
            raise StaleAttempt(f"{self.job_id} is gone", hint=_STOP)
        return spec

    def _result(self, result: object) -> dict[str, Any]:
        if self.target is not None:
            if result is not None:
                raise UsageError(f"{self.job_id} is a step of a plan: the plan itself is its result")
            return {"agent": "editor"}
        facts = result if isinstance(result, dict) else {} if result is None else {"value": result}
        try:
            plain_json.check(facts)
        except ValueError as error:
            raise UsageError(f"the result is not JSON: {error}") from error
        if len(json.dumps(facts)) > RESULT_LIMIT:
            raise UsageError(
                f"the result has more than {RESULT_LIMIT} characters", hint="write a file, and put its path there"
            )
        clean: dict[str, Any] = self._redactor.value(facts)
        return clean

    def _clean(self, text: str) -> str:
        return self._redactor.text(text)

    @cached_property
    def _redactor(self) -> Redactor:
        """Masks, in the agent's words, the secrets in the environment of its shell, because it may quote them."""
        return Redactor(secret_values(self._app.environ), self._app.config.redact)

    def _keep_late(self, standing: Outcome, facts: dict[str, Any]) -> None:
        """Keep the result as a late one, because finished work is never dropped silently."""
        now_ms = self._app.clock.now_ms()
        late = replace(
            standing, by=self.owner, nonce=ids.nonce(), end=End.SUCCEEDED, at_ms=now_ms,
            disposition=Disposition("done", now_ms), failure=None, reason=None, result=facts,
        )  # fmt: skip
        attempt.keep_late(self._spool, late, self.owner)
        self._tools.events.emit(
            "attempt.late", job_id=self.job_id, attempt=self.attempt, owner=self.owner,
            reason=f"superseded: {standing.end}",
        )  # fmt: skip

    def _plan(self) -> dict[str, Any] | None:
        if self.target is None or self.target.plan_id is None:
            return None
        project = self._app.project()
        with suppress(plans.PlanNotFound):
            found = context.context(
                project, plans.find(project, self.target.plan_id), ("plan", "todo", "review", "evidence", "state")
            )
            return {"phase": found.phase, "files": found.files, "content": found.content}
        return None


_STOP = "stop now and take another job: wf job next"
