"""The index of ready jobs: the same answers as a plain list, and no claim looks at what waits behind it."""

from __future__ import annotations

import sys
from collections.abc import Container
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from support.clock import FakeClock
from support.spools import POOL, make_spool, request, run_one, spool_queue
from wf_cli.contract.token import Pool, Token, parse
from wf_cli.spool import ready
from wf_cli.spool.ready import ReadyIndex

OTHER = Pool("reviewer", "opencode")
ELSEWHERE = Pool("coder", "cursor")


class PlainList:
    """What the index promises, in the shortest form."""

    def __init__(self, clock: FakeClock):
        self._clock = clock
        self._seen: dict[str, float] = {}

    def replace(self, names: list[str]) -> None:
        now = self._clock.monotonic()
        self._seen = {name: self._seen.get(name, now) for name in names}

    def add(self, name: str) -> bool:
        if parse("queued", name) is None:
            return False
        self._seen.setdefault(name, self._clock.monotonic())
        return True

    def discard(self, token: Token) -> None:
        self._seen.pop(token.name, None)

    def _of(self, pools: Container[Pool]) -> list[Token]:
        found = [token for name in sorted(self._seen) if (token := parse("queued", name)) is not None]
        return [token for token in found if token.pool in pools]

    def _waits_s(self, token: Token) -> float:
        if not token.delay_s:
            return 0.0
        by_sight = token.delay_s - (self._clock.monotonic() - self._seen[token.name])
        return max(0.0, min((token.time_ms - self._clock.now_ms()) / 1000, by_sight))

    def ready(self, pools: Container[Pool]) -> list[Token]:
        return [token for token in self._of(pools) if self._waits_s(token) <= 0]

    def next_ready_s(self, pools: Container[Pool]) -> float | None:
        return min((wait for token in self._of(pools) if (wait := self._waits_s(token)) > 0), default=None)


def all_ready(index: ReadyIndex, pools: Container[Pool]) -> list[Token]:
    found: list[Token] = []
    while (token := index.first(pools, found[-1].name if found else "")) is not None:
        found.append(token)
    return found


def name(priority: int, at_s: int, delay_s: int, number: int, pool: Pool) -> str:
    return Token(priority, 1_764_000_000_000 + 1000 * at_s, f"j{number}", pool, 0, 0, 3, delay_s).name


NAMES = st.one_of(
    st.builds(
        name,
        st.integers(4, 6),
        st.integers(-5, 60),
        st.sampled_from([0, 0, 5, 30]),
        st.integers(0, 9),
        st.sampled_from([POOL, OTHER, ELSEWHERE]),
    ),
    st.sampled_from(
        ["x", ".hidden", "5.1.a.b.c.json", f"5.1764000000000.J.{POOL}.a0b0of3.json", "a.b.c.no-pool.e.f"]
    ),
)
POOLS = st.sampled_from([(POOL,), (POOL, OTHER), (), (ELSEWHERE,)])
DEEDS = st.one_of(
    st.tuples(st.just("replace"), st.lists(NAMES, max_size=30)),
    st.tuples(st.just("add"), NAMES),
    st.tuples(st.just("discard"), st.integers(0, 5)),
    st.tuples(st.just("advance"), st.sampled_from([0.5, 4.5, 30.0])),
    st.tuples(st.just("jump"), st.sampled_from([-3600.0, -6.0, 6.0, 3600.0])),
)


@given(st.lists(st.tuples(DEEDS, POOLS), max_size=40), st.sampled_from([0, 1024]))
def test_i6_it_answers_as_a_plain_list_does(
    deeds: list[tuple[tuple[str, object], tuple[Pool, ...]]], slack: int
) -> None:
    clock = FakeClock()
    index, plain = ReadyIndex(clock), PlainList(clock)
    with mock.patch.object(ready, "_SLACK", slack):
        for (what, value), pools in deeds:
            if what in ("advance", "jump"):
                getattr(clock, what)(value)
            elif what == "discard":
                there = plain.ready((POOL, OTHER, ELSEWHERE))
                for queue in (index, plain):
                    for token in there[: int(str(value))]:
                        queue.discard(token)
            else:
                assert getattr(index, what)(value) == getattr(plain, what)(value)
            assert all_ready(index, pools) == plain.ready(pools)
            assert index.next_ready_s(pools) == plain.next_ready_s(pools)


def calls_of_claims(folder: Path, waiting: int) -> int:
    """How many functions are called by ten claims, each with its start."""
    spool = make_spool(folder)
    for n in range(waiting):
        spool.path("queued", name(5, n, 0, n, POOL)).touch()
    queue = spool_queue(spool)
    queue.rescan()
    queue.rescan_on_claim = False
    run_one(queue)  # What is made once is made now.
    calls = 0

    def count(_frame: object, what: str, _argument: object) -> None:
        nonlocal calls
        calls += what in ("call", "c_call")

    sys.setprofile(count)
    try:
        for _ in range(10):
            run_one(queue)
            queue.next_ready_s((POOL,))
    finally:
        sys.setprofile(None)
    return calls


def test_a_claim_does_not_look_at_what_waits_behind_it(tmp_path: Path) -> None:
    few, many = (calls_of_claims(tmp_path / str(waiting), waiting) for waiting in (30, 3000))
    assert many < 1.1 * few


def test_a_name_that_comes_back_is_found_once(tmp_path: Path) -> None:
    """A job that is held and released has the name that it had before."""
    queue = spool_queue(make_spool(tmp_path / "spool"))
    queue.enqueue_many([request("a"), request("b")])
    for _ in range(3):
        queue.hold("a")
        queue.rescan()
        queue.unhold("a")
        queue.rescan()
    queue.rescan_on_claim = False
    taken = [queue.claim("w-box-1", (POOL,)) for _ in range(3)]
    assert [token.job_id if token else None for token in taken] == ["a", "b", None]
