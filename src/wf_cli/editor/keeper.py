"""A keeper: finds one job for an agent inside an editor, hands it over, and holds it until its attempt has ended.

Claim, opening and end are those of every attempt (`wf_cli.attempt`). Unlike a worker, the keeper does not run the
agent. It watches for the agent's signs of life, and the agent may end the job itself (`job_in_hand`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from wf_cli import ids, proc, system_errors
from wf_cli.app import App
from wf_cli.attempt import trouble
from wf_cli.attempt.claim import Claimed, Claims, Obstacle
from wf_cli.attempt.end import Ends, Known, of_error
from wf_cli.attempt.opening import Opened, open_attempt
from wf_cli.attempt.rounds import RECONCILE_EVERY, Rounds
from wf_cli.attempt.session import Session
from wf_cli.contract.identity import target_of
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.editor import handover, sign_of_life
from wf_cli.editor.give_back import Watch
from wf_cli.editor.handover import Job
from wf_cli.editor.request import Request
from wf_cli.editor.sign_of_life import SignOfLife
from wf_cli.editor.tools import Tools
from wf_cli.errors import ContractError, SpoolError, Temporary, WfError
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import layout
from wf_cli.spool.session import this_process
from wf_cli.workflow import plans

#: Seconds between two looks for a job, and between two looks whether the held one has ended.
LOOK = 0.2
#: Seconds between SIGTERM and SIGKILL for the processes that a lost agent left running.
STRAY_GRACE = 0.5
#: Seconds that the opening of a job may take. A review's strict checks, which are the project's tests, may need them.
LONGEST_OPENING = 3600.0


class Channel(Protocol):
    """The way to the agent's command (`keeper_process.PipeChannel`)."""

    def say(self, document: Mapping[str, Any]) -> None: ...

    def heard(self) -> bool | None: ...

    def close(self) -> None: ...


@frozen
class Held:
    """A running job, with its claim and the facts learned of its attempt."""

    job: Job
    claimed: Claimed
    known: Known

    @property
    def token(self) -> Token:
        return self.claimed.token


class Keeper:
    """The keeper of one agent. One thread calls `run`; a signal handler may call `stop`."""

    def __init__(self, app: App, request: Request, channel: Channel):
        self._app = app
        self._request = request
        self._channel = channel
        self._clock = app.clock
        self._stopped: str | None = None
        self._wake = threading.Event()
        self._hindrance = ""
        self._looking = True

    def stop(self, reason: str) -> None:
        """Give the job back and end. Safe in a signal handler."""
        self._stopped = self._stopped or reason
        self._wake.set()

    def run(self) -> None:
        """Find a job, hand it over, and hold it to its end. Raises Temporary when there is none in time."""
        deadline = self._clock.monotonic() + self._request.wait_s
        self._await_session(deadline)
        why = "no job"
        try:
            held = self._find(deadline)
            self._looking = False
            try:
                why = self._hold(held)
            finally:
                self._put_down(held.claimed)
        finally:
            self._session.close(why)

    def _open_session(self, owner: str) -> None:
        app, request = self._app, self._request
        tools = Tools.of(app, owner)
        self._tools, self._queue, self._spool, self._events = tools, tools.queue, tools.spool, tools.events
        lease_s, now_ms = app.lease_seconds(tools.spool, request.roles), self._clock.now_ms()
        record = this_process(owner, request.runtime, lease_s, now_ms, roles=request.roles, concurrency=0)
        parallel = app.config.epic.max_parallel_plans
        self._claims = Claims(self._queue, tools.steps, self._clock, pools=request.pools, max_parallel_plans=parallel)
        self._ends = Ends(self._queue, self._clock, self._events, _tell_nobody)
        with suppress(OSError):
            sign_of_life.bury(self._spool)
        self._session = Session(
            self._spool,
            record,
            clock=self._clock,
            events=self._events,
            say=_tell_nobody,
            reason=f"for the editor {request.editor.pid}",
            has_worked=lambda: tools.events.has_spoken,
        )
        self._rounds = Rounds(self._session, self._clock, _tell_nobody)
        self._rounds.for_others(self._queue, self._events, lambda _reaped: None, tools.steps)
        self._rounds.every(RECONCILE_EVERY, "reconcile", self._reconcile_all)

    def _reconcile_all(self) -> None:
        if self._looking:  # While a job is held there is no need, because its end publishes the next step.
            self._tools.reconcile(None)

    # -- looking for a job

    def _await_session(self, deadline: float) -> None:
        """Begin a session as soon as there is a spool that can be used. An error that may pass is waited for."""
        owner = ids.owner_id(f"{self._request.runtime}-editor")
        while True:
            why = f"there is no spool at {self._app.spool_root} yet"
            try:
                if layout.exists(self._app.spool_root):
                    self._open_session(owner)
                    return
            except (OSError, WfError) as error:
                if not system_errors.may_pass(error):
                    raise
                why = trouble.told(error)
            self._assert_wanted()
            self._pause_until(deadline, why)

    def _find(self, deadline: float) -> Held:
        while True:
            self._session.tick()
            self._assert_wanted()
            if self._session.lost:
                raise Temporary(f"the keeper lost its lease ({self._session.lost})", hint="try again")
            self._rounds.do_due()
            claimed = self._claim()
            if claimed is None:
                self._pause_until(deadline, self._nothing())
                continue
            step("keeper.claimed")
            held = self._open(claimed)
            if held is not None:
                return held

    def _assert_wanted(self) -> None:
        """Raises Temporary when the agent's command or the editor is gone, or the keeper was stopped."""
        if self._stopped is None and self._channel.heard() is False:
            self._stopped = "nobody waits for a job any more"
        if self._stopped is None and proc.gone(*self._request.editor):
            self._stopped = f"the editor (pid {self._request.editor.pid}) is gone"
        if self._stopped is not None:
            raise Temporary(self._stopped, code="KEEPER_STOPPED")

    def _pause_until(self, deadline: float, why: str) -> None:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise Temporary(why, hint="--wait 5m waits for one", code="NO_JOB")
        self._wake.wait(min(LOOK, left))

    def _nothing(self) -> str:
        roles = ", ".join(self._request.roles)
        text = f"no job for {roles} on {self._request.runtime} now"
        if self._hindrance:
            return f"{text}: {self._hindrance}"
        waiting = self._queue.next_ready(self._request.pools)
        if waiting is not None:  # It is ready, but may not be claimed now.
            why = "the checkout, for an earlier agent to stop, or its epic is paused (see wf explain)"
            return f"{text}: {waiting.job_id} waits for {why}"
        soon = self._queue.next_ready_s(self._request.pools)
        return text if soon is None else f"{text}; the next one is ready in {soon:.1f} s"

    def _claim(self) -> Claimed | None:
        self._hindrance = ""
        try:
            with self._session.working("claim"):
                found = self._claims.take(self._session.owner, self._end, lambda: self._session.lost)
        except SpoolError as error:
            if not system_errors.may_pass(error, was_allowed=True):
                raise
            self._hindrance = trouble.told(error)
            return None
        except (OSError, WfError) as error:  # No step of a claim is left half done, so the next look tries again.
            self._hindrance = trouble.told(error)
            return None
        if isinstance(found, Obstacle):
            self._hindrance = found.text
            return None
        return found

    def _open(self, claimed: Claimed) -> Held | None:
        """Start the claimed job. None when its attempt has ended already, or the keeper does not hold its token."""
        known = Known()
        opened: Job | Ending | None
        try:
            with self._session.working("opening", LONGEST_OPENING):
                opened = self._opened(claimed.token, known)
        except Exception as error:  # noqa: BLE001 - each error has its ending
            opened = of_error(error)
        if isinstance(opened, Job):
            return Held(opened, claimed, known)
        try:
            if opened is not None:
                self._end(claimed.token, known.added_to(opened))
        finally:
            self._put_down(claimed)
        with self._session.working("reconcile"):
            self._tools.reconcile(target_of(claimed.token.job_id))
        return None

    def _opened(self, token: Token, known: Known) -> Job | Ending | None:
        steps, config = self._tools.steps, self._app.config
        opened = open_attempt(
            self._queue,
            steps,
            token,
            by=self._session.owner,
            budget=config.budget,
            must_change=config.effective(token.pool.role).checks.no_change == "fail",
        )
        if not isinstance(opened, Opened):
            return opened
        known.baseline = opened.baseline
        # The process on record is the keeper and never the editor. A reaper that finds the keeper dead kills the
        # process on record, all that it started, and every process with the attempt's mark.
        self._session.sign_on(token, proc.this_process(), opened.baseline)
        started_ms = self._clock.now_ms()
        sign_of_life.put(self._spool, SignOfLife(self._session.owner, started_ms, self._request.idle_s))
        if opened.spec.target is not None:
            steps.prepare(opened.spec.target)
        known.started_ms = started_ms
        step("keeper.opened")
        idle_s = self._request.idle_s
        return handover.make(self._queue, steps, token, opened.spec, root=self._app.root, idle_s=idle_s)

    # -- holding it

    def _hold(self, held: Held) -> str:
        """Hand the job over and stay until its attempt has an outcome. Returns why the session ends."""
        plan, idle_s = self._plan_folder(held), self._request.idle_s
        watch = Watch(self._spool, self._session.owner, self._request.editor, idle_s, plan, self._clock)
        self._channel.say({"job": held.job.to_json()})
        step("keeper.handed-over")
        while True:
            self._session.tick()
            # When the disk fails or a lock is busy, the job stays with its agent until the next look.
            with suppress(OSError, Temporary):
                if self._has_end(held):
                    return "the job has its end"
                why = self._why_back(watch)
                if why is not None:
                    self._give_back(held, why)
                    return why
            self._rounds.do_due()
            self._wake.wait(LOOK)

    def _plan_folder(self, held: Held) -> Path | None:
        if held.job.plan_id is None:
            return None
        with suppress(WfError):
            return plans.find(self._app.project(), held.job.plan_id).path
        return None

    def _why_back(self, watch: Watch) -> str | None:
        if self._session.lost:
            return f"the keeper lost its lease ({self._session.lost})"
        if self._stopped is not None:
            return self._stopped
        heard = self._channel.heard()
        if heard is False:
            return "nobody took the job over"
        if heard:
            self._channel.close()
        return watch.gone()

    def _has_end(self, held: Held) -> bool:
        with self._session.working("look"):
            outcome = self._outcome(held.token)
            if outcome is None and self._queue.holds(held.token):
                return False
            if outcome is None:  # RACE: the outcome may have been published between the two looks.
                outcome = self._outcome(held.token)
        if outcome is None or outcome.by != self._session.owner:
            # A reaper or an operator ended the attempt. When the agent's own command did, its processes may stay.
            self._end_strays(held)
        if self._queue.holds(held.token):  # The command that published the outcome may have died before the rename.
            self._end(held.token, Ending(End.RELEASED, reason="decided already"))
        return True

    def _outcome(self, token: Token) -> Outcome | None:
        try:
            return self._queue.outcome(token.job_id, token.attempt)
        except ContractError:
            return None

    def _give_back(self, held: Held, why: str) -> None:
        self._end_strays(held)
        self._end(held.token, held.known.added_to(Ending(End.RELEASED, reason=why)))

    def _end_strays(self, held: Held) -> None:
        """Kill the processes that the agent started for this attempt, unless the editor is one of them."""
        mark = held.job.token
        with self._session.working("end strays"):
            if self._request.editor not in proc.family([], mark):
                proc.kill_tree([], mark, grace_s=STRAY_GRACE)

    # -- both

    def _end(self, token: Token, ending: Ending) -> None:
        self._ends.for_certain(
            token,
            ending,
            by=self._session.owner,
            given_up=lambda _error: self._session.lost,
            each=lambda: self._session.working("end"),
        )

    def _put_down(self, claimed: Claimed) -> None:
        """Free the checkout, and remove the sign of life and the session's record of a job that is no longer held."""
        claimed.let_go()
        with suppress(OSError):
            sign_of_life.remove(self._spool, self._session.owner)
        self._session.sign_off(claimed.token)


def _tell_nobody(_line: str) -> None:
    """Drop a line, because a keeper has no terminal. The agent that waits is told what hinders it (`_nothing`)."""
