"""A keeper: finds one job for an agent inside an editor, hands it over, and holds it until it has an end.

One thread ticks; what may take long (opening a plan, strict checks, a busy fence) runs beside it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wf_cli import ids, proc
from wf_cli.app import App
from wf_cli.attempt import opening
from wf_cli.attempt.budget import Purse
from wf_cli.attempt.claim import Entrance
from wf_cli.attempt.reaper import Reaper
from wf_cli.contract.failure import Failure
from wf_cli.contract.identity import target_of
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Token
from wf_cli.editor import handover, sign_of_life
from wf_cli.editor.give_back import Watch
from wf_cli.editor.handover import Job
from wf_cli.editor.post import Post
from wf_cli.editor.request import Request
from wf_cli.editor.sign_of_life import SignOfLife
from wf_cli.editor.tools import Tools
from wf_cli.errors import ContractError, Temporary, WfError
from wf_cli.locks import Slot
from wf_cli.seams import step
from wf_cli.spool import control, layout
from wf_cli.worker.loop import MIN_FREE_BYTES, RECONCILE_EVERY
from wf_cli.workflow import plans

#: Seconds between two looks: for a job, and whether the held one has its end.
LOOK = 0.2
#: Seconds between rounds of what every session does for all.
CARE_EVERY = 1.0
#: Seconds between SIGTERM and SIGKILL for what a lost agent left running.
STRAY_GRACE = 0.5
#: Seconds between two tries to write an outcome on a disk that takes none.
DISK_PAUSE = 0.5


class Channel(Protocol):
    """The way to the agent's command (`keeper_process.PipeChannel`)."""

    def say(self, document: Mapping[str, Any]) -> None: ...

    def heard(self) -> bool | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """A running job, and what is held for it."""

    job: Job
    token: Token
    slot: Slot | None
    started_ms: int


class Keeper:
    """One agent's keeper. `run` it from one thread; `stop` may come from a signal."""

    def __init__(self, app: App, request: Request, channel: Channel):
        self._app = app
        self._request = request
        self._channel = channel
        self._clock = app.clock
        self._stopped: str | None = None
        self._wake = threading.Event()
        self._hindrance = ""
        self._due = {"care": 0.0, "reconcile": 0.0}

    def stop(self, reason: str) -> None:
        """Give the job back, end. Safe in a signal handler."""
        self._stopped = self._stopped or reason
        self._wake.set()

    def run(self) -> None:
        """Find a job, hand it over, keep it to its end. Raises Temporary when there is none in time."""
        deadline = self._clock.monotonic() + self._request.wait_s
        owner = ids.owner_id(f"{self._request.runtime}-editor")
        self._await_spool(deadline)
        self._tools = Tools.of(self._app, owner)
        self._queue, self._spool = self._tools.queue, self._tools.spool
        self._entrance = Entrance(self._queue, self._tools.steps, self._app.config.epic.max_parallel_plans)
        self._requests = control.Requests(self._spool, self._clock)
        self._reaper = Reaper(self._queue, self._clock, self._tools.events, me=owner)
        self._post = Post(self._tools, owner, self._request)
        why = "no job"
        try:
            sign_of_life.bury(self._spool)
            held = self._find(deadline)
            try:
                why = self._hold(held)
            finally:
                if held.slot is not None:
                    held.slot.close()
                sign_of_life.remove(self._spool, owner)
                self._post.sign_off(held.token)
        finally:
            self._entrance.close()
            self._post.close(why)

    # -- looking for a job

    def _await_spool(self, deadline: float) -> None:
        while not layout.exists(self._app.spool_root):
            self._assert_wanted()
            self._pause_until(deadline, f"there is no spool at {self._app.spool_root} yet")

    def _find(self, deadline: float) -> Held:
        while True:
            self._post.tick()
            self._assert_wanted()
            if self._post.lost:
                raise Temporary(f"the keeper lost its lease ({self._post.lost})", hint="try again")
            self._care(reconcile=True)
            try:
                claimed = self._claim()
            except OSError as error:  # a full, read-only or broken disk: nothing is half done
                claimed, self._hindrance = None, str(error)
            if claimed is None:
                self._pause_until(deadline, self._nothing())
                continue
            held = self._open(*claimed)
            if held is not None:
                return held

    def _assert_wanted(self) -> None:
        """Raises Temporary when nobody waits for a job any more."""
        if self._stopped is None and self._channel.heard() is False:
            self._stopped = "nobody waits for a job any more"
        if self._stopped is None and not proc.alive(*self._request.editor):
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
        waiting = self._queue.ready(self._request.pools)
        if waiting:  # asked the entrance, and were turned away
            return f"{text}: {waiting[0].job_id} waits for the checkout, or its epic is paused (see wf explain)"
        soon = self._queue.next_ready_s(self._request.pools)
        return text if soon is None else f"{text}; the next one is ready in {soon:.1f} s"

    def _claim(self) -> tuple[Token, Slot | None] | None:
        self._hindrance = self._why_not_now()
        if self._hindrance:
            return None
        token = self._queue.claim(self._post.owner, self._request.pools, self._entrance.may)
        if token is None:
            self._entrance.close()
            return None
        self._hindrance = self._why_not_now()  # it came between the look and the rename
        if self._hindrance:
            self._entrance.close()
            self._end(token, Ending(End.RELEASED, reason=self._hindrance))
            return None
        step("keeper.claimed")
        return token, self._entrance.take()

    def _why_not_now(self) -> str:
        stop = self._requests.stop_for(self._request.runtime)
        if stop is not None:
            return stop.text()
        free = shutil.disk_usage(self._spool.root).free
        return f"only {free // 1024} KiB are free on the disk of {self._spool.root}" if free < MIN_FREE_BYTES else ""

    def _open(self, token: Token, slot: Slot | None) -> Held | None:
        """Start the claimed job; None when that was its end, or it is not ours any more."""
        started_ms = self._clock.now_ms()
        try:
            opened = self._post.meanwhile(lambda: self._opened(token, started_ms))
        except WfError as error:
            opened = Ending(End.FAILED, failure=Failure("crashed", error.message), started_ms=started_ms)
        except OSError as error:
            opened = ending_of(Failure("disk_error", str(error)), started_ms=started_ms)
        if isinstance(opened, Job):
            return Held(opened, token, slot, started_ms)
        if slot is not None:
            slot.close()
        sign_of_life.remove(self._spool, self._post.owner)
        self._post.sign_off(token)
        if opened is not None:
            self._end(token, opened)
            self._post.meanwhile(lambda: self._tools.reconcile(target_of(token.job_id)))
        return None

    def _opened(self, token: Token, started_ms: int) -> Job | Ending | None:
        steps = self._tools.steps
        spec = opening.read_spec(self._queue, token, by=self._post.owner)
        if not isinstance(spec, Spec):
            return spec
        objection = Purse.open(self._queue, token, self._app.config.budget).objection()
        if objection is not None:
            return ending_of(objection)
        ending = opening.start(self._queue, steps, token, spec.target)
        if ending is not None or not self._queue.holds(token):
            return ending
        before = opening.outcome_before(self._queue, token)
        must_change = self._app.config.effective(token.pool.role).checks.no_change == "fail"
        self._post.sign_on(token, opening.baseline(steps, spec.target, token, before) if must_change else None)
        sign_of_life.put(self._spool, SignOfLife(self._post.owner, started_ms, self._request.idle_s))
        if spec.target is not None:
            steps.prepare(spec.target)
        step("keeper.opened")
        return handover.make(self._queue, steps, token, spec, root=self._app.root, idle_s=self._request.idle_s)

    # -- holding it

    def _hold(self, held: Held) -> str:
        """Hand the job over and stay until its attempt has an outcome; why the session ends."""
        watch = Watch(
            self._spool,
            self._post.owner,
            self._request.editor,
            self._request.idle_s,
            self._plan_folder(held),
            self._clock,
        )
        self._channel.say({"job": held.job.to_json()})
        step("keeper.handed-over")
        while True:
            self._post.tick()
            try:
                if self._has_end(held):
                    return "the job has its end"
                why = self._why_back(watch)
                if why is not None:
                    self._give_back(held, why)
                    return why
                self._care(reconcile=False)
            except OSError:
                pass  # the disk gives trouble: the job stays with its agent, and the next look is soon
            self._wake.wait(LOOK)

    def _plan_folder(self, held: Held) -> Path | None:
        if held.job.plan_id is None:
            return None
        with suppress(WfError):
            return plans.find(self._app.project(), held.job.plan_id).path
        return None

    def _why_back(self, watch: Watch) -> str | None:
        if self._post.lost:
            return f"the keeper lost its lease ({self._post.lost})"
        if self._stopped is not None:
            return self._stopped
        heard = self._channel.heard()
        if heard is False:
            return "nobody took the job over"
        if heard:
            self._channel.close()
        return watch.gone()

    def _has_end(self, held: Held) -> bool:
        outcome = self._outcome(held.token)
        if outcome is None and self._queue.holds(held.token):
            return False
        if outcome is None:  # RACE: its outcome came between the two looks
            outcome = self._outcome(held.token)
        if outcome is None or outcome.by != self._post.owner:
            self._end_strays(held)  # ended by somebody else; the agent's own command leaves its processes alone
        if self._queue.holds(held.token):  # the command that published the outcome may have died since
            self._end(held.token, Ending(End.RELEASED, reason="decided already"))
        return True

    def _outcome(self, token: Token) -> Outcome | None:
        try:
            return self._queue.outcome(token.job_id, token.attempt)
        except ContractError:
            return None

    def _give_back(self, held: Held, why: str) -> None:
        self._end_strays(held)
        self._end(held.token, Ending(End.RELEASED, reason=why, started_ms=held.started_ms))

    def _end_strays(self, held: Held) -> None:
        """What the agent started for this attempt; never an editor that was started from within it."""
        mark = held.job.token
        if self._request.editor not in proc.family([], mark):
            self._post.meanwhile(lambda: proc.kill_tree([], mark, grace_s=STRAY_GRACE))

    # -- both

    def _end(self, token: Token, ending: Ending) -> None:
        """Publish the ending. A disk that takes none is waited for as long as the lease is ours."""
        while True:
            try:
                self._post.meanwhile(lambda: self._queue.end(token, ending, by=self._post.owner))
                return
            except OSError:
                if self._post.lost:
                    raise
                self._post.meanwhile(lambda: self._clock.sleep(DISK_PAUSE))

    def _care(self, *, reconcile: bool) -> None:
        """What every session does for all: staged jobs, dead sessions; while it looks for a job, the next steps."""
        now = self._clock.monotonic()
        if now >= self._due["care"]:
            self._due["care"] = now + CARE_EVERY
            self._spool.assert_same()
            with suppress(OSError):
                self._post.meanwhile(self._look_after_others)
        if reconcile and now >= self._due["reconcile"]:
            self._due["reconcile"] = now + RECONCILE_EVERY
            self._post.meanwhile(lambda: self._tools.reconcile(None))

    def _look_after_others(self) -> None:
        self._queue.sweep()
        self._reaper.round()
