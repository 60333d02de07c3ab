"""Threads as actors whose order a test dictates: each may be stopped at a named step."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wf_cli import seams

#: Seconds until an actor counts as hanging.
DEADLINE = 60.0

_actors: weakref.WeakKeyDictionary[threading.Thread, Actor] = weakref.WeakKeyDictionary()


class Actor:
    """One thread. Stops at the ``n``-th step named ``stop_at``, until `go`."""

    def __init__(self, function: Callable[[], Any], stop_at: str | None, n: int):
        self._stop_at, self._left = stop_at, n
        self._at, self._go, self._end = threading.Event(), threading.Event(), threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self.steps: list[str] = []
        self.thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        _actors[self.thread] = self

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            self._value = function()
        except BaseException as error:  # noqa: BLE001 - raised again in `result`
            self._error = error
        finally:
            self._end.set()
            self._at.set()

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self._stop_at:
            self._left -= 1
            if self._left == 0:
                self._at.set()
                assert self._go.wait(DEADLINE), "nobody let the actor go on"

    def reached(self) -> Actor:
        """Wait until it stands at its step."""
        assert self._at.wait(DEADLINE), "the actor hangs"
        assert not self._end.is_set(), f"the actor never came to {self._stop_at}: {self._error or self.steps}"
        return self

    def go(self) -> Actor:
        """Let it go on."""
        self._go.set()
        return self

    def result(self) -> Any:
        """Let it run to its end; what it returned, or raises what it raised."""
        self._go.set()
        assert self._end.wait(DEADLINE), "the actor hangs"
        self.thread.join(DEADLINE)
        if self._error is not None:
            raise self._error
        return self._value


class Stage:
    """Starts actors; the hook that stops them is installed as long as the stage is."""

    def start(self, function: Callable[[], Any], *, stop_at: str | None = None, n: int = 1) -> Actor:
        """A new actor; with ``stop_at``, returns when it stands there."""
        actor = Actor(function, stop_at, n)
        actor.thread.start()
        return actor.reached() if stop_at is not None else actor

    def hook(self, name: str) -> None:
        actor = _actors.get(threading.current_thread())
        if actor is not None:
            actor._step(name)


@contextmanager
def stage() -> Iterator[Stage]:
    """A `Stage` for the block."""
    made = Stage()
    seams.install(made.hook)
    try:
        yield made
    finally:
        seams.install(None)


def steps_of(function: Callable[[], Any]) -> list[tuple[str, int]]:
    """The steps that ``function`` passes, as (name, n-th occurrence): a dry run."""
    passed: list[str] = []
    seams.install(passed.append)
    try:
        function()
    finally:
        seams.install(None)
    return [(name, passed[: i + 1].count(name)) for i, name in enumerate(passed)]
