"""What may be claimed next, kept in memory between listings, so that no claim depends on how many jobs wait.

A name is parsed when it comes to the front. Until then its place is known from its text alone, because names sort as
jobs are to be taken: by priority, then by time.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field

from wf_cli.clock import Clock
from wf_cli.contract.token import Pool, Token, parse

#: Parts of a queued token's name between its dots, and which of them hold the time and the pool.
_PARTS, _TIME, _POOL = 6, 1, 3
#: Once there are twice as many entries as names, and this many more, a rescan builds them anew.
_SLACK = 1024


@dataclass(slots=True)
class _Line:
    """The names of one pool. An entry of a name that is gone or waits again is dropped when it comes to the front."""

    pool: Pool
    #: Names that are ready, or were when they came here: sorted, from ``head`` on.
    ready: list[str] = field(default_factory=list)
    head: int = 0
    #: Heaps of names with a delay: by the wall clock's time at which they are ready, and by this process's own clock,
    #: with the time of the first sight that counts.
    by_wall: list[tuple[int, str]] = field(default_factory=list)
    by_sight: list[tuple[float, float, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ready) + len(self.by_wall) + len(self.by_sight)


class ReadyIndex:
    """The queued tokens, kept in memory between rescans. Not shared between threads without a lock.

    A token without delay is ready whatever the clock says. With one it is ready when the wall clock says
    so, or when this process has seen its name for that long on its own monotonic clock (invariant 6).
    """

    def __init__(self, clock: Clock):
        self._clock = clock
        #: Every known name, and when it was first seen.
        self._seen: dict[str, float] = {}
        #: Names that wait for their time.
        self._delayed: set[str] = set()
        self._lines: dict[str, _Line] = {}

    def replace(self, names: Iterable[str]) -> None:
        """``queued/`` lists these names now. What is gone is forgotten, and what stays keeps its first sight."""
        listed = set(names)
        for name in self._seen.keys() - listed:
            self._forget(name)
        if sum(map(len, self._lines.values())) > 2 * len(self._seen) + _SLACK:
            self._lines.clear()
            self._delayed.clear()
            self._place(self._seen)
        new = dict.fromkeys(listed - self._seen.keys(), self._clock.monotonic())
        self._seen |= new
        self._place(new)

    def add(self, name: str) -> bool:
        """An event said that ``name`` appeared in queued/. False when it is no token."""
        if parse("queued", name) is None:
            return False
        if name not in self._seen:
            self._seen[name] = self._clock.monotonic()
            self._place((name,))
        return True

    def discard(self, token: Token) -> None:
        """It lies in queued/ no more."""
        self._forget(token.name)

    def first(self, pools: Container[Pool], after: str = "") -> Token | None:
        """The best token of ``pools`` that may be claimed now and whose name sorts behind ``after``; else None."""
        mine = [line for line in self._lines.values() if line.pool in pools]
        for line in mine:
            self._settle(line)
        while True:
            found = [(line.ready[i], line) for line in mine if (i := self._next(line, after)) < len(line.ready)]
            if not found:
                return None
            after, line = min(found, key=lambda one: one[0])
            token = parse("queued", after)
            if token is None:
                self._forget(after)
            elif self._is_ready(token):
                return token
            else:  # The wall clock was set back.
                self._delay(token, line)

    def next_ready_s(self, pools: Container[Pool]) -> float | None:
        """Seconds until the first delayed token is ready at the latest; None when none waits."""
        now_ms, now, waits = self._clock.now_ms(), self._clock.monotonic(), []
        for line in self._lines.values():
            if line.pool in pools:
                self._settle(line)
                waits += [(line.by_wall[0][0] - now_ms) / 1000] if line.by_wall else []
                waits += [line.by_sight[0][0] - now] if line.by_sight else []
        return max(0.0, min(waits)) if waits else None

    # -- the lines

    def _place(self, names: Collection[str]) -> None:
        """Put known names into the lines of their pools. Names outside the grammar are forgotten."""
        new: dict[str, list[str]] = {}
        for name in names:
            parts = name.split(".")
            if len(parts) == _PARTS and "d" not in parts[_TIME]:
                new.setdefault(parts[_POOL], []).append(name)
                continue
            token = parse("queued", name)
            if token is not None:
                self._delay(token, self._lines.setdefault(str(token.pool), _Line(token.pool)))
        for key, found in new.items():
            # Only a name that parses tells that there is such a pool.
            token = None if key in self._lines else next((t for n in found if (t := parse("queued", n))), None)
            line = self._lines.setdefault(key, _Line(token.pool)) if token is not None else self._lines.get(key)
            if line is None:
                continue
            if len(found) == 1:
                insort(line.ready, found[0], lo=line.head)
            else:
                line.ready = sorted(line.ready[line.head :] + found)
                line.head = 0

    def _next(self, line: _Line, after: str) -> int:
        """The place of the first name behind ``after`` that is known and does not wait."""
        ready, i = line.ready, line.head
        if after:
            i = bisect_right(ready, after, lo=i)
        while i < len(ready) and (ready[i] not in self._seen or ready[i] in self._delayed):
            i += 1
        if not after:
            line.head = i
            if i > _SLACK and 2 * i > len(ready):
                del ready[:i]
                line.head = i = 0
        return i

    def _delay(self, token: Token, line: _Line) -> None:
        self._delayed.add(token.name)
        first = self._seen.get(token.name, self._clock.monotonic())
        heapq.heappush(line.by_wall, (token.time_ms, token.name))
        heapq.heappush(line.by_sight, (first + token.delay_s, first, token.name))

    def _settle(self, line: _Line) -> None:
        """Move what has become ready, until the front of each heap holds."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        while line.by_wall and (line.by_wall[0][0] <= now_ms or line.by_wall[0][1] not in self._delayed):
            self._is_due(heapq.heappop(line.by_wall)[1], line)
        while line.by_sight:
            due, first, name = line.by_sight[0]
            if name in self._delayed and self._seen.get(name) == first:
                if due > now:
                    break
                self._is_due(name, line)
            heapq.heappop(line.by_sight)

    def _is_due(self, name: str, line: _Line) -> None:
        if name in self._delayed:
            self._delayed.discard(name)
            insort(line.ready, name, lo=line.head)

    def _is_ready(self, token: Token) -> bool:
        if not token.delay_s or self._clock.now_ms() >= token.time_ms:
            return True
        now = self._clock.monotonic()
        return now - self._seen.get(token.name, now) >= token.delay_s

    def _forget(self, name: str) -> None:
        self._seen.pop(name, None)
        self._delayed.discard(name)
