"""An epic as a team of workers may have left it: every end of an attempt, a recovery, a late result, jobs at work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.clock import FakeClock
from support.spools import failing, make_spool, spool_queue
from support.views import beat, write_session
from wf_cli.clock import Clock
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool, Token
from wf_cli.eventlog.log import EventLog
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool.layout import Spool

_ROLES = {
    "plan": ("orchestrator", "cursor"),
    "code": ("plan-coder", "opencode"),
    "review": ("plan-reviewer", "cursor"),
    "fix": ("plan-fixer", "opencode"),
}


class Team:
    """Workers of one spool, by a clock that the test moves. Each worker logs to a file of its own."""

    def __init__(self, root: Path, clock: FakeClock | None = None):
        self.clock = clock or FakeClock()
        self.spool: Spool = make_spool(root)
        self._queues: dict[str, SpoolQueue] = {}

    def queue(self, owner: str = "cli-box-1") -> SpoolQueue:
        """The queue as ``owner`` has it."""
        if owner not in self._queues:
            clock: Clock = self.clock
            log = EventLog(self.spool.folder("log"), owner, clock)
            self._queues[owner] = spool_queue(self.spool, clock, log)
        return self._queues[owner]

    def enqueue(self, plan: str, command: str, iteration: int = 0, *, max_attempts: int = 3) -> str:
        role, runtime = _ROLES[command]
        target = Target(plan, iteration, command, role, epic_id="01")
        answer = self.queue().enqueue(
            JobRequest(role=role, runtime=runtime, target=target, max_attempts=max_attempts)
        )
        return answer.job_id

    def start(self, owner: str, command: str) -> Token:
        """``owner`` claims and starts the next job of this kind."""
        queue = self.queue(owner)
        token = queue.claim(owner, [Pool(*_ROLES[command])])
        assert token is not None
        with queue.fence(token.job_id):
            assert queue.start(token) == "go"
        return token

    def end(self, token: Token, ending: Ending, *, began_ms: int | None = None, by: str | None = None) -> None:
        owner = by or token.owner or ""
        if began_ms is not None:
            ending = replace(ending, started_ms=began_ms)
        self.queue(owner).end(token, ending, by=owner)

    def work(self, owner: str, command: str, seconds: float, ending: Ending) -> Token:
        """The whole attempt."""
        token = self.start(owner, command)
        began = self.clock.now_ms()
        self.clock.advance(seconds)
        self.end(token, ending, began_ms=began)
        return token


def done(**usage: object) -> Ending:
    return Ending(End.SUCCEEDED, usage=usage or None)


def an_epic(root: Path) -> Team:
    """Epic 01: plan 01 through a lost worker and a rejected review, plan 02 through failures, and work going on."""
    team = Team(root)
    cursor, one, two = "cursor-1-office-7f3a9c2e", "opencode-1-office-41d0b7aa", "opencode-2-attic-9be2c410"
    epic = EventLog(team.spool.folder("log"), "cli-office-1", team.clock)
    epic.emit("epic.started", epic_id="01")
    team.enqueue("01", "plan")
    team.clock.advance(4)
    team.work(cursor, "plan", 95, done(tokens_in=18_000, tokens_out=1900))
    team.enqueue("01", "code")
    team.clock.advance(2)
    token = team.start(two, "code")
    team.clock.advance(210)
    lost = failing("lost")
    team.end(token, Ending(End.LOST, failure=lost.failure, reason="its session is gone: its process is gone"), by=one)
    team.clock.advance(3)
    team.work(one, "code", 340, done(tokens_in=150_000, tokens_out=21_000, cost_usd=0.412))
    team.end(token, done(), by=two)
    team.enqueue("01", "review")
    team.enqueue("02", "plan")
    team.clock.advance(1)
    review, began = team.start(cursor, "review"), team.clock.now_ms()
    team.clock.advance(20)
    plan = team.start("cursor-2-attic-0c55e1f3", "plan")
    team.clock.advance(80)
    team.end(plan, done(tokens_in=9000, tokens_out=800), began_ms=began + 20_000)
    team.clock.advance(60)
    team.end(review, done(), began_ms=began)
    team.enqueue("01", "fix")
    team.enqueue("02", "code")
    team.clock.advance(2)
    fix, began = team.start(one, "fix"), team.clock.now_ms()
    team.clock.advance(5)
    code = team.start("opencode-3-attic-66ad00d1", "code")
    team.clock.advance(70)
    team.end(code, failing("gate_failed"), began_ms=began + 5000)
    team.clock.advance(50)
    team.end(fix, done(tokens_in=40_000, tokens_out=6000, cost_usd=0.118), began_ms=began)
    team.clock.advance(30)
    code, began = team.start("opencode-3-attic-66ad00d1", "code"), team.clock.now_ms()
    team.clock.advance(40)
    team.end(code, Ending(End.RELEASED, reason="drained by an operator"), began_ms=began)
    team.enqueue("01", "review", 1)
    team.clock.advance(10)
    team.work(cursor, "review", 100, done())
    team.clock.advance(400)
    code, began = team.start(one, "code"), team.clock.now_ms()
    team.clock.advance(55)
    team.end(code, Ending(End.CANCELLED, reason="wrong branch"), began_ms=began, by="operator-office-1")
    team.queue().retry(code.job_id, reason="the branch is right now")
    team.clock.advance(15)
    code = team.start(one, "code")
    write_session(team.spool, one, code)
    beat(team.spool, one)
    team.clock.advance(120)
    return team
