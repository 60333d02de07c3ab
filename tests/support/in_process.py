"""Workers in threads of the test's own process, so that a test can force an order or let a call fail.

Their agents are real processes: a POSIX script, with ``$N`` as a folder for notes, ``$1`` the job and ``$2`` the
attempt.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.wait import wait_until
from wf_cli.app import App
from wf_cli.clock import Clock
from wf_cli.contract.job import Outcome
from wf_cli.contract.token import Pool
from wf_cli.queue.values import JobRequest
from wf_cli.worker.loop import Worker

BUILDERS = Pool("builder", "shell")
#: A first attempt waits for the note ``end``; later ones end at once.
WAITS = ': > "$N/started.$1.$2"; [ "$2" -gt 1 ] || while [ ! -e "$N/end" ]; do sleep 0.02; done\n'
FAST_RETRY = {"max_attempts": 3, "backoff": {"base": "10ms", "factor": 1, "cap": "10ms"}}


class Yard:
    """A project with a runtime ``shell`` for the role ``builder``, its spool, and what its workers said."""

    def __init__(self, root: Path, script: str, clock: Clock | None = None, **values: Any):
        self.notes = root / "notes"
        self.notes.mkdir()
        agent = root / "agent.sh"
        agent.write_text(f"N={self.notes}\n{script}", encoding="utf-8")
        config = {
            "version": 1,
            "mode": "distributed",
            "runtimes": {"shell": {"adapter": "command", "argv": ["sh", str(agent), "{job_id}", "{attempt}"]}},
            "routing": {"builder": {"runtime": "shell"}},
            "retry": FAST_RETRY,
            **values,
        }
        config["spool"] = {"durability": "none", **values.get("spool", {})}
        (root / "wf.config.json").write_text(json.dumps(config), encoding="utf-8")
        self.app = App(root, {"PATH": os.defpath, "HOME": str(root)}, clock=clock)
        self.spool = self.app.create_spool()
        self.queue = self.app.queue(self.spool)
        self.said: list[str] = []

    def enqueue(self, *keys: str) -> None:
        for key in keys:
            self.queue.enqueue(JobRequest("builder", "shell", key=key, max_attempts=3))

    def worker(self, **options: Any) -> Worker:
        """A worker that was not started yet."""
        return self.app.worker(
            self.spool, runtime="shell", pools=frozenset({BUILDERS}), say=self.said.append, **options
        )

    @contextmanager
    def running(self, **options: Any) -> Iterator[Worker]:
        """A watching worker in a thread of its own; ended with the block, which raises what it raised."""
        worker = self.worker(watch=True, **options)
        ended = self.start(worker)
        try:
            yield worker
        finally:
            worker.abort()
            error = ended()
        if error is not None:
            raise error

    def start(self, worker: Worker) -> Callable[[], BaseException | None]:
        """Run ``worker`` in a thread of its own. The result waits for its end, and returns what it raised."""
        errors: list[BaseException] = []

        def run() -> None:
            try:
                worker.run()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                errors.append(error)

        def ended() -> BaseException | None:
            thread.join(60)
            assert not thread.is_alive(), self.said
            return errors[0] if errors else None

        thread = threading.Thread(target=run, name="the-worker", daemon=True)
        thread.start()
        return ended

    def note(self, name: str) -> None:
        (self.notes / name).touch()

    def noted(self, name: str) -> None:
        """Wait for a note of an agent."""
        self.until((self.notes / name).exists, f"the note {name}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            wait_until(condition, 60, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; said: {self.said}") from None

    def says(self, text: str) -> None:
        self.until(lambda: any(text in line for line in self.said), text)

    def outcome(self, job_id: str, attempt: int = 1) -> Outcome:
        """Wait for the outcome of an attempt."""
        self.until(lambda: self.queue.outcome(job_id, attempt), f"the outcome of {job_id}.a{attempt}")
        outcome = self.queue.outcome(job_id, attempt)
        assert outcome is not None
        return outcome

    @property
    def sessions(self) -> int:
        """How many sessions its workers have begun."""
        return sum(line.startswith("worker ") for line in self.said)
