"""A claim: what is looked at before its rename and again after it, and the checkout's slot."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.in_process import Yard
from support.plain_steps import PlainSteps
from support.projects import make_plan
from support.spools import Recorder, make_spool, where
from wf_cli import seams
from wf_cli.attempt import claim
from wf_cli.attempt.claim import Claimed, Claims, Obstacle
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.retry import HOST_DELAY, Ending
from wf_cli.contract.token import Pool, Token
from wf_cli.errors import LockTrouble, StateError
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import control
from wf_cli.spool.layout import Spool

OWNER = "w-box-1"
CODERS = Pool("plan-coder", "opencode")
BUILDERS = Pool("builder", "opencode")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


class Desk:
    """Claims on a spool, and what was given back."""

    def __init__(self, spool: Spool, say: Callable[[str], None] = lambda _line: None):
        self.clock = FakeClock()
        self.queue = SpoolQueue(spool, clock=self.clock, events=Recorder(), say=say)
        self.steps = PlainSteps()
        self.given_back: list[tuple[Token, Ending]] = []
        self.claims = self.more()

    def more(self) -> Claims:
        """The claims of another session."""
        pools = frozenset({CODERS, BUILDERS})
        return Claims(self.queue, self.steps, self.clock, pools=pools, max_parallel_plans=1)

    def step(self, plan: str) -> None:
        target = Target(plan_id=plan, iteration=0, command="code", role="plan-coder", epic_id="01")
        self.queue.enqueue(JobRequest("plan-coder", "opencode", target=target))

    def own(self, key: str) -> None:
        self.queue.enqueue(JobRequest("builder", "opencode", key=key))

    def take(self, claims: Claims | None = None) -> Claimed | Obstacle | None:
        return (claims or self.claims).take(OWNER, lambda token, ending: self.given_back.append((token, ending)))


@pytest.fixture
def desk(spool: Spool) -> Desk:
    return Desk(spool)


@pytest.fixture
def at_the_rename() -> Iterator[list[object]]:
    """What is done between the look and the rename."""
    acts: list[object] = []

    def hook(name: str) -> None:
        if name == "claim.chosen":
            for act in acts:
                act()  # type: ignore[operator]

    seams.install(hook)
    yield acts
    seams.install(None)


def test_a_plans_job_holds_the_checkout_and_its_own_kind_waits(desk: Desk) -> None:
    desk.step("01")
    desk.step("02")
    desk.own("free")
    other = desk.more()
    first = desk.take()
    assert isinstance(first, Claimed)
    assert first.token.job_id == "e01-p01-i0-code-plan-coder"
    second = desk.take(other)
    assert isinstance(second, Claimed)
    assert (second.token.job_id, second.slot) == ("free", None), "a job outside plans needs no checkout"
    assert desk.take(other) is None
    first.let_go()
    third = desk.take(other)
    assert isinstance(third, Claimed)
    assert third.token.job_id == "e01-p02-i0-code-plan-coder"
    third.let_go()


def test_the_slot_of_a_token_that_another_session_was_faster_for_is_let_go(
    desk: Desk, at_the_rename: list[object]
) -> None:
    desk.step("01")
    at_the_rename.append(lambda: desk.queue.hold("e01-p01-i0-code-plan-coder"))
    assert desk.take() is None
    slot = desk.queue.spool.slot("checkout", 0)
    assert slot is not None
    slot.close()
    at_the_rename.clear()
    desk.queue.unhold("e01-p01-i0-code-plan-coder")
    found = desk.take()
    assert isinstance(found, Claimed), "and the same session takes it again"
    assert found.slot is not None
    found.slot.close()


def test_a_paused_epics_jobs_stay_queued(desk: Desk) -> None:
    desk.step("01")
    desk.steps.paused = "epic 01 is paused"
    assert desk.take() is None
    assert where(desk.queue, "e01-p01-i0-code-plan-coder") == "queued"


@pytest.mark.parametrize("what", ["pause", "cooldown.opencode", "a full disk", "leaving"])
def test_what_comes_between_the_look_and_the_rename_gives_the_job_back(
    desk: Desk, at_the_rename: list[object], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    desk.step("01")
    gone: list[str] = []

    def act() -> None:
        match what:
            case "a full disk":
                monkeypatch.setattr(claim, "MIN_FREE_BYTES", 1 << 80)
            case "leaving":
                gone.append("asked to drain")
            case _:
                control.request(desk.queue.spool, what, desk.clock, reason="tea", seconds=60)

    at_the_rename.append(act)
    found = desk.claims.take(
        OWNER, lambda token, ending: desk.given_back.append((token, ending)), lambda: gone[0] if gone else None
    )
    assert isinstance(found, Obstacle)
    ((token, ending),) = desk.given_back
    assert (token.owner, token.attempt) == (OWNER, 1)
    assert (ending.end, ending.reason) == (End.RELEASED, found.text)
    slot = desk.queue.spool.slot("checkout", 0)
    assert slot is not None, "the checkout is free again"
    slot.close()


def test_nothing_is_claimed_while_there_is_an_obstacle(desk: Desk) -> None:
    desk.own("a")
    control.request(desk.queue.spool, "pause", desk.clock, reason="tea")
    found = desk.take()
    assert isinstance(found, Obstacle)
    assert "tea" in found.text
    assert (where(desk.queue, "a"), desk.given_back) == ("queued", [])


def no_locks(_fd: int, operation: int) -> None:
    """What flock answers on a mount without a lock service."""
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_a_checkout_that_cannot_be_locked_is_no_checkout_that_is_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.step("01")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(LockTrouble) as caught:
        desk.take()
    assert caught.value.filename == str(desk.queue.spool.path("locks", "checkout.0.slot"))
    assert where(desk.queue, "e01-p01-i0-code-plan-coder") == "queued"


def test_a_worker_on_a_host_without_locks_says_so_once_and_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    yard = Yard(tmp_path, "true\n", clock)
    make_plan(tmp_path)
    target = Target(plan_id="01", iteration=0, command="code", role="builder")
    yard.queue.enqueue(JobRequest("builder", "shell", target=target))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    looks, real = 0, Spool.slot

    def slot(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return real(*args)

    monkeypatch.setattr(Spool, "slot", slot)
    with yard.running() as worker:
        yard.says("claiming nothing until that is better")
        assert looks == 1
        assert worker._paused_until - clock.monotonic() == HOST_DELAY
        worker._paused_until = 0.0
        yard.until(lambda: looks > 1, "another try")
    (told,) = [line for line in yard.said if "checkout.0.slot" in line]
    assert "mount it with locks" in told, "what to do"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, os.strerror(errno.EIO), "/project/epics/01-a/state.json"),
        StateError("/project/epics/01-a/state.json is not valid JSON", hint="repair the file"),
    ],
)
def test_a_plan_that_cannot_be_looked_at_keeps_no_other_job_from_being_claimed(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    said: list[str] = []
    desk = Desk(spool, said.append)
    desk.step("01")
    desk.step("02")
    desk.own("mine")

    def hindrance(target: Target) -> str | None:
        if target.plan_id == "01":
            raise error
        return None

    monkeypatch.setattr(desk.steps, "hindrance", hindrance)
    taken = [desk.take() for _ in range(2)]
    assert [one.token.job_id for one in taken if isinstance(one, Claimed)] == ["e01-p02-i0-code-plan-coder", "mine"]
    assert desk.take() is None
    (line,) = said
    assert "e01-p01-" in line
    assert "state.json" in line or os.strerror(errno.EIO) in line


def test_a_checkout_that_cannot_be_locked_keeps_no_job_outside_plans_from_being_claimed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.step("01")
    desk.own("mine")

    def slot(_spool: Spool, _group: str, _k: int) -> None:
        raise LockTrouble(errno.ENOLCK, "no locks", Path("/x"), hint="mount it with locks")

    monkeypatch.setattr(Spool, "slot", slot)
    claimed = desk.take()
    assert isinstance(claimed, Claimed)
    assert claimed.token.job_id == "mine"
    with pytest.raises(LockTrouble, match="no locks"):
        desk.take()


def test_on_a_shared_spool_one_look_at_the_requests_counts_for_a_second(tmp_path: Path) -> None:
    desk = Desk(make_spool(tmp_path / "shared", topology="shared"))
    for key in ("a", "b", "c"):
        desk.own(key)
    assert isinstance(desk.take(), Claimed)
    control.request(desk.queue.spool, "pause", desk.clock)
    assert isinstance(desk.take(), Claimed), "what was seen a moment ago still counts"
    desk.clock.advance(1.0)
    paused = desk.take()
    assert isinstance(paused, Obstacle)
    control.withdraw(desk.queue.spool, "pause")
    assert isinstance(desk.take(), Claimed), "an obstacle is looked for again at once"
    assert desk.given_back == []


def test_on_a_local_spool_each_claim_looks_at_the_requests(desk: Desk) -> None:
    desk.own("a")
    desk.own("b")
    assert isinstance(desk.take(), Claimed)
    control.request(desk.queue.spool, "pause", desk.clock)
    assert isinstance(desk.take(), Obstacle)
