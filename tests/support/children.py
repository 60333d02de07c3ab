"""Real processes that run a function of a test, and die or wait at a named step.

They come from a fork server: a clean, single-threaded process with everything imported, so one costs some
milliseconds. A function is given by reference and must live at the top of a module.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from wf_cli import seams

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["pytest", "jsonschema", "hypothesis", "wf_cli.queue.spool_queue", "support.memory_queue", "wf_cli.spool.verify",
     "wf_cli.spool.liveness"]
)  # fmt: skip

#: Seconds until a child counts as hanging.
DEADLINE = 60.0


class Killer:
    """A hook that SIGKILLs its process at the ``n``-th step named ``name`` (1 is the first)."""

    def __init__(self, name: str, n: int = 1):
        self._name, self._left = name, n

    def __call__(self, step: str) -> None:
        if step == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _main(conn: Connection, function: Callable[..., Any], args: tuple[Any, ...], die_at: Any, stop_at: Any) -> None:
    if die_at is not None:
        seams.install(Killer(*die_at))
    if stop_at is not None:
        name, left = stop_at

        def hook(step: str) -> None:
            nonlocal left
            if step == name:
                left -= 1
                if left == 0:
                    conn.send(("at", step))
                    conn.recv()

        seams.install(hook)
    try:
        answer = ("done", function(*args))
    except BaseException as error:  # noqa: BLE001 - handed to the parent, which raises it
        answer = ("failed", f"{type(error).__name__}: {error}")
    conn.send(answer)


class Child:
    """A process that runs ``function(*args)``; ``die_at`` and ``stop_at`` are (step, n-th occurrence)."""

    def __init__(
        self,
        function: Callable[..., Any],
        *args: Any,
        die_at: tuple[str, int] | None = None,
        stop_at: tuple[str, int] | None = None,
    ):
        self._conn, theirs = _context.Pipe()
        self.process = _context.Process(target=_main, args=(theirs, function, args, die_at, stop_at), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def reached(self) -> str:
        """Wait until it stands at its step."""
        kind, value = self._receive()
        assert kind == "at", f"the child never came to its step: {kind} {value}"
        return str(value)

    def go(self) -> None:
        """Let it go on."""
        self._conn.send("go")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.gone()

    def gone(self) -> int:
        """Wait for its end; its exit code (negative: the signal)."""
        self.process.join(DEADLINE)
        assert self.process.exitcode is not None, "the child hangs"
        return self.process.exitcode

    def result(self) -> Any:
        """Wait for its end; what the function returned. AssertionError when it raised or died."""
        kind, value = self._receive()
        assert kind == "done", f"the child failed: {value}"
        self.gone()
        return value

    def _receive(self) -> tuple[str, Any]:
        assert self._conn.poll(DEADLINE), "the child hangs"
        try:
            kind, value = self._conn.recv()
        except EOFError:
            raise AssertionError(f"the child died with {self.gone()}") from None
        return kind, value


def run(function: Callable[..., Any], *args: Any) -> Any:
    """The result of ``function`` in a fresh process."""
    return Child(function, *args).result()


def run_until_killed(function: Callable[..., Any], *args: Any, die_at: tuple[str, int]) -> None:
    """Run ``function`` in a process that must be killed at that step."""
    child = Child(function, *args, die_at=die_at)
    assert child.gone() == -signal.SIGKILL, f"never came to {die_at}"
