"""`SpoolQueue` and its model side by side, through random histories with crashes and clock jumps.

After every rule both must agree about every job: directory, attempt, burned, pool, owner, times. A crash
raises a private BaseException at a random step inside an operation; then a fresh process (a new
`SpoolQueue`, `repair`, `sweep`, `reap` of the dead session) must find one of the states that were legal:
as if the operation had never been called, or as if it had been completed (of a batch: of its first jobs).

``WF_HYPOTHESIS=long`` runs for minutes instead of seconds.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.clock import FakeClock
from support.lying import LIES, LOST, Host, Sometimes
from support.memory_queue import MemoryQueue
from support.queues import Queue
from support.spools import OTHER, POOL, make_spool, memory_queue, request, spool_queue, state, tokens_on_disk
from wf_cli import seams
from wf_cli.contract.failure import CODES, Failure
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import Pool, Token, late_name
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Ended, JobRequest, Reaped
from wf_cli.spool import enqueue, layout, verify

KEYS = st.sampled_from(["a", "b", "c", "d", "e"])
POOLS = st.sampled_from([POOL, OTHER])
OWNERS = st.sampled_from(["w-box-1", "w-box-2", "v-box-3"])
REAPER = "r-box-9"
OPERATOR = "op-box-9"
REQUESTS = st.builds(
    request,
    KEYS,
    POOLS,
    priority=st.integers(0, 9),
    max_attempts=st.integers(1, 3),
    delay_s=st.sampled_from([0.0, 0.0, 0.5, 30.0]),
)
ENDINGS = st.one_of(
    st.just(Ending(End.SUCCEEDED)),
    st.sampled_from(sorted(CODES)).map(lambda code: ending_of(Failure(code, "it went wrong"))),
    st.sampled_from([None, 0.0, 5.0]).map(lambda delay: Ending(End.RELEASED, delay_s=delay)),
)
#: At which step a crash happens; most operations have fewer than ten.
CRASH = st.integers(1, 12)


class Crash(BaseException):
    """The process ends here. Not an Exception: nothing in the package may catch it."""


def clone(model: MemoryQueue, clock: FakeClock) -> MemoryQueue:
    """A second model in the same state."""
    twin = memory_queue(clock)
    twin._specs, twin._places = dict(model._specs), dict(model._places)
    twin._outcomes, twin.late = dict(model._outcomes), dict(model.late)
    twin._first_sights = dict(model._first_sights)
    return twin


class SpoolMachine(RuleBasedStateMachine):
    """Rules are the operations of `Queue`; each runs on both."""

    topology = "local"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="wf-machine-"))
        self.clock = FakeClock()
        self.spool = make_spool(self.folder / "spool", topology=self.topology)
        self.queue = spool_queue(self.spool, self.clock)
        self.model = memory_queue(self.clock)
        #: What each session believes to hold, also after it was reaped: zombies act too.
        self.held: list[Token] = []
        #: What this process claimed: an owner id is never used by another one, so only this may be started.
        self.mine: list[Token] = []
        self.started: set[tuple[str, int]] = set()
        self.accepted: set[tuple[str, int]] = set()
        self.attempts: dict[str, int] = {}
        self.keys: set[str] = set()

    def teardown(self) -> None:
        seams.install(None)
        shutil.rmtree(self.folder)

    @initialize(requests=st.lists(REQUESTS, min_size=1, max_size=4))
    def begin(self, requests: list[JobRequest]) -> None:
        self.enqueue_many(requests)

    # -- both at once

    def both(self, operation: Callable[[Queue], Any]) -> Any:
        got, expected = self.on_spool(operation), operation(self.model)
        assert _comparable(got) == _comparable(expected)
        return got

    def on_spool(self, operation: Callable[[Queue], Any]) -> Any:
        return operation(self.queue)

    # -- rules

    @rule(made=REQUESTS)
    def enqueue(self, made: JobRequest) -> None:
        """Invariant 4: the second time is a duplicate, in both."""
        self.both(lambda q: q.enqueue(made))
        self.keys.add(made.key or "")

    @rule(made=st.lists(REQUESTS, max_size=4))
    def enqueue_many(self, made: list[JobRequest]) -> None:
        self.both(lambda q: q.enqueue_many(made))
        self.keys |= {r.key or "" for r in made}

    @rule(owner=OWNERS, pools=st.sampled_from([(POOL,), (OTHER,), (POOL, OTHER)]), no=st.none() | KEYS)
    def claim(self, owner: str, pools: tuple[Pool, ...], no: str | None) -> None:
        token = self.both(lambda q: q.claim(owner, pools, lambda t: t.job_id != no))
        if token is not None:
            self.held.append(token)
            self.mine.append(token)

    @precondition(lambda self: self.mine)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.mine), label="token")
        with self.queue.fence(token.job_id):
            got = self.both(lambda q: q.start(token))
        if got == "go":
            assert (token.job_id, token.attempt) not in self.started, "invariant 1: started twice"
            self.started.add((token.job_id, token.attempt))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), ending=ENDINGS)
    def end(self, data: st.DataObject, ending: Ending) -> None:
        token = data.draw(st.sampled_from(self.held), label="token")
        self._ended(token, self.both(lambda q: q.end(token, ending, by=token.owner)).accepted)

    def _ended(self, token: Token, accepted: bool) -> None:
        if accepted:
            assert (token.job_id, token.attempt) not in self.accepted, "invariant 2: two accepted outcomes"
            self.accepted.add((token.job_id, token.attempt))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def holds(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.held), label="token")
        self.both(lambda q: q.holds(token))

    @rule(gone=st.sets(OWNERS))
    def reap(self, gone: set[str]) -> None:
        for reaped in self.both(lambda q: q.reap(lambda owner: "seen dead" * (owner in gone), by=REAPER)):
            self._ended(reaped.token, True)

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        placed = self.model.find(key)
        if self.both(lambda q: q.cancel(key, by=OPERATOR)) == "attempt":
            assert placed is not None
            self._ended(placed.token, True)

    @rule(key=KEYS)
    def hold(self, key: str) -> None:
        self.both(lambda q: q.hold(key))

    @rule(key=KEYS)
    def unhold(self, key: str) -> None:
        self.both(lambda q: q.unhold(key))

    @rule(key=KEYS, force=st.booleans(), delay_s=st.sampled_from([0.0, 20.0]))
    def retry(self, key: str, force: bool, delay_s: float) -> None:
        self.both(lambda q: q.retry(key, force=force, delay_s=delay_s))

    @rule(older_s=st.sampled_from([0.0, 60.0]), keep_failed=st.booleans())
    def gc(self, older_s: float, keep_failed: bool) -> None:
        self.both(lambda q: q.gc(older_s=older_s, keep_failed=keep_failed))

    @rule()
    def sweep_and_repair_find_nothing_to_do(self) -> None:
        assert enqueue.sweep(self.spool) == []
        assert verify.repair(self.spool) == []

    @rule(seconds=st.sampled_from([0.001, 1.0, 10.0, 29.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-86400.0, -15.0, 15.0, 86400.0]))
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule()
    def restart(self) -> None:
        """A fresh process: it knows nothing but the folder, and has seen nothing for any time."""
        self._fresh_process()
        self.model.forget_first_sights()

    def _fresh_process(self) -> None:
        self.queue = spool_queue(layout.open_spool(self.spool.root), self.clock)
        self.mine.clear()

    # -- crashes

    @rule(made=st.lists(REQUESTS, min_size=1, max_size=3), at=CRASH)
    def crash_in_enqueue(self, made: list[JobRequest], at: int) -> None:
        """Invariant 3: of a batch, the first jobs or none, each whole."""
        prefixes = [lambda q, n=n: q.enqueue_many(made[:n]) for n in range(len(made) + 1)]
        self._crash(lambda q: q.enqueue_many(made), at, prefixes)
        self.keys = {key for key in self.keys | {r.key or "" for r in made} if self.model.find(key)}

    @rule(owner=OWNERS, at=CRASH)
    def crash_in_claim(self, owner: str, at: int) -> None:
        self._crash(lambda q: q.claim(owner, (POOL, OTHER)), at, dead=owner)

    @precondition(lambda self: self.mine)
    @rule(data=st.data(), at=CRASH)
    def crash_in_start(self, data: st.DataObject, at: int) -> None:
        token = data.draw(st.sampled_from(self.mine), label="token")

        def start(queue: Queue) -> None:
            with queue.fence(token.job_id):
                queue.start(token)

        self._crash(start, at, dead=token.owner)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), ending=ENDINGS, at=CRASH)
    def crash_in_end(self, data: st.DataObject, ending: Ending, at: int) -> None:
        """Invariant 5: an outcome that was published is rolled forward."""
        token = data.draw(st.sampled_from(self.held), label="token")
        self._crash(lambda q: q.end(token, ending, by=token.owner or ""), at, dead=token.owner)

    @rule(gone=OWNERS, at=CRASH)
    def crash_in_reap(self, gone: str, at: int) -> None:
        """The next reaper goes on; it ends the rest of what this one would have ended."""
        self._crash(lambda q: q.reap(lambda owner: "seen dead" * (owner == gone), by=REAPER), at, dead=gone)

    @rule(key=KEYS, at=CRASH)
    def crash_in_cancel(self, key: str, at: int) -> None:
        self._crash(lambda q: q.cancel(key, by=OPERATOR), at)

    @rule(key=KEYS, verb=st.sampled_from(["hold", "unhold", "retry"]), at=CRASH)
    def crash_in_a_rename(self, key: str, verb: str, at: int) -> None:
        self._crash(lambda q: getattr(q, verb)(key), at)

    @rule(at=CRASH)
    def crash_in_gc(self, at: int) -> None:
        would = clone(self.model, self.clock).gc(older_s=60)

        def first(n: int) -> Callable[[MemoryQueue], object]:
            return lambda q: [q._move("dead" if t.status == "failed" else "done", t, "archive", t) for t in would[:n]]

        self._crash(lambda q: q.gc(older_s=60), at, [first(n) for n in range(len(would) + 1)])

    def _crash(
        self,
        operation: Callable[[Queue], object],
        at: int,
        legal: list[Callable[[MemoryQueue], object]] | None = None,
        dead: str | None = None,
    ) -> None:
        self._break_off(operation, at)
        self._fresh_process()
        enqueue.sweep(self.spool)
        assert verify.repair(self.spool) == [], "a crash leaves nothing that only a repair could mend"
        self.queue.reap(lambda owner: "seen dead" * (owner == dead), by=REAPER)
        found = everything(self.queue)
        candidates = []
        for variant in legal or [lambda _q: None, operation]:
            model = clone(self.model, self.clock)
            variant(model)
            model.reap(lambda owner: "seen dead" * (owner == dead), by=REAPER)
            model.forget_first_sights()
            candidates.append(model)
        chosen = next((model for model in candidates if everything(model) == found), None)
        assert chosen is not None, f"neither done nor undone: {found}; legal: {[everything(m) for m in candidates]}"
        self.model = chosen
        # What the dead session's attempts became is in the outcomes.
        self.accepted |= set(self.model._outcomes)

    def _break_off(self, operation: Callable[[Queue], object], at: int) -> None:
        """Call ``operation``, which does not come to its end."""
        left = at

        def hook(_name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Crash

        seams.install(hook)
        try:
            operation(self.queue)
        except Crash:
            pass
        finally:
            seams.install(None)

    # -- invariants

    @invariant()
    def both_agree_about_every_job(self) -> None:
        assert state(self.queue) == state(self.model)

    @invariant()
    def invariant_3_and_4_each_enqueued_job_has_exactly_one_token(self) -> None:
        assert sorted(p.token.job_id for p in tokens_on_disk(self.spool)) == sorted(self.keys)

    @invariant()
    def invariant_1_attempt_numbers_only_grow(self) -> None:
        for key in self.keys:
            placed = self.queue.find(key)
            assert placed is not None
            assert placed.token.attempt >= self.attempts.get(key, 0)
            self.attempts[key] = placed.token.attempt

    @invariant()
    def invariant_2_both_agree_on_the_one_outcome_of_every_attempt(self) -> None:
        assert everything(self.queue) == everything(self.model)

    @invariant()
    def verify_finds_nothing(self) -> None:
        assert verify.verify(self.spool, self.clock) == []


def everything(queue: Queue) -> tuple[object, ...]:
    """Where each job is, how each of its attempts ended, and what came late."""
    tokens = state(queue)
    last = {job_id: int(name.split(".a")[-1].split("b")[0]) for job_id, name in tokens.items()}
    outcomes = [(job_id, n, queue.outcome(job_id, n)) for job_id in sorted(last) for n in range(1, last[job_id] + 1)]
    if isinstance(queue, MemoryQueue):
        late = sorted(late_name(*key) for key in queue.late)
    else:
        assert isinstance(queue, SpoolQueue)
        late = sorted(path.name for path in queue.spool.folder("outcomes").glob("*.late.json"))
    return tokens, [(job_id, n, o and replace(o, nonce="")) for job_id, n, o in outcomes], late


def _comparable(value: Any) -> Any:
    """Without the nonces, which are random."""
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, Ended | Reaped):
        return replace(value, outcome=replace(value.outcome, nonce=""))
    return value


_LONG = os.environ.get("WF_HYPOTHESIS") == "long"


class LyingMachine(SpoolMachine):
    """The same on a shared spool whose file system lies: every rule must hold with the same answers.

    Of the calls of one operation two at most are performed and answer with an error. Where `SpoolMachine` crashes,
    calls fail instead, or are performed much later, and the session ends by the error.
    """

    topology = "shared"

    def __init__(self) -> None:
        super().__init__()
        self.mount(0)

    @initialize(seed=st.integers(0, 2**32))
    def mount(self, seed: int) -> None:
        lies = tuple(lie for lie in LIES if lie.late <= 1)
        self.losses = Sometimes(seed, calls=LOST, lies=lies)
        self.seed = seed

    def on_spool(self, operation: Callable[[Queue], Any]) -> Any:
        self.losses.left = 2
        with Host(self.spool.root, self.losses).mounted():
            return operation(self.queue)

    def _break_off(self, operation: Callable[[Queue], object], at: int) -> None:
        host = Host(self.spool.root, Sometimes(self.seed + at, share=0.4, left=3))
        with host.mounted(), suppress(OSError):
            operation(self.queue)
        host.settle()


def _settings(examples: int) -> settings:
    return settings(
        max_examples=1500 if _LONG else examples,
        stateful_step_count=60 if _LONG else 30,
        deadline=None,
        report_multiple_bugs=False,
        # Shrinking a history takes minutes: `long` does it.
        phases=(Phase.explicit, Phase.reuse, Phase.generate, *((Phase.shrink,) if _LONG else ())),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = _settings(50)
TestLyingMachine = LyingMachine.TestCase
TestLyingMachine.settings = _settings(25)


def test_the_machine_has_a_rule_for_every_operation_of_the_queue() -> None:
    """A method that is new in the Protocol needs a rule here."""
    operations = {name for name in vars(Queue) if not name.startswith("_")}
    looking = {"fence", "find", "placed", "spec", "outcome"}
    elsewhere = {"adopt"}  # Refused on such a spool; tests/conformance/test_adopting_queue.py.
    assert operations - looking - elsewhere <= set(vars(SpoolMachine))
