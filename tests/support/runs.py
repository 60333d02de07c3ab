"""Driving real agent processes in tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wf_cli import ids, locks, proc
from wf_cli.clock import SystemClock
from wf_cli.runtimes.base import Adapter, AgentEvent, AgentResult, Limits, Request, RuntimeSettings
from wf_cli.runtimes.command import CommandAdapter
from wf_cli.runtimes.process.supervise import AgentRun

SUPPORT = Path(__file__).parent


def new_mark() -> str:
    """A mark that no other test has."""
    return f"j.a1.test-{ids.nonce()}"


def slot_is_free(path: Path) -> bool:
    """Whether the slot lock can be had just now."""
    slot = locks.try_slot(path)
    if slot is None:
        return False
    slot.close()
    return True


def python(code: str) -> tuple[str, ...]:
    """The argv of an agent that runs ``code``."""
    return (sys.executable, "-I", "-S", "-c", textwrap.dedent(code))


def shell(adapter_argv: tuple[str, ...]) -> Adapter:
    """A command adapter that runs this argv."""
    return CommandAdapter(RuntimeSettings("shell", "command", argv=adapter_argv))


def request_for(root: Path, mark: str, *, environment: Mapping[str, str] | None = None, **facts: Any) -> Request:
    """A request with a clean environment and a short grace."""
    facts.setdefault("limits", Limits(grace_s=0.3))
    values = {"job_id": "j", "attempt": 1, "role": "coder", "prompt": "", **facts}
    path = {"PATH": os.environ["PATH"], "HOME": str(root)}
    return Request(root=root, mark=mark, environment={**path, **(environment or {})}, **values)


@dataclass
class Outcome:
    """What one run left."""

    result: AgentResult
    events: list[AgentEvent]
    mark: str
    transcript: Path

    @property
    def code(self) -> str | None:
        """The failure code."""
        failure = self.result.verdict.failure
        return None if failure is None else failure.code


@dataclass
class Bench:
    """Runs agents in a directory, and knows that nothing may be left of them."""

    root: Path
    marks: list[str] = field(default_factory=list)

    def run(
        self,
        adapter: Adapter | tuple[str, ...],
        *,
        should_stop: Callable[[], str | None] = lambda: None,
        slot: locks.Slot | None = None,
        mark: str | None = None,
        **facts: Any,
    ) -> Outcome:
        """One run from spawn to end. An empty mark is none: `wf` commands are then those of a person."""
        mark = new_mark() if mark is None else mark
        self.marks += [mark] * bool(mark)
        events: list[AgentEvent] = []
        transcript = self.root / f"{mark}.log"
        made = shell(adapter) if isinstance(adapter, tuple) else adapter
        request = request_for(self.root, mark, **facts)
        with AgentRun(
            made, request, clock=SystemClock(), transcript=transcript, on_event=events.append, slot=slot
        ) as run:
            run.spawn()
            run.go()
            result = run.wait(should_stop)
        assert proc.marked(mark) == []
        return Outcome(result, events, mark, transcript)

    @contextmanager
    def worker(
        self, argv: tuple[str, ...], **more: Any
    ) -> Iterator[tuple[subprocess.Popen[str], proc.ProcessRef, str]]:
        """A worker process with a running agent: the worker, its launcher and the mark."""
        mark = new_mark()
        self.marks.append(mark)
        job = {"argv": argv, "root": str(self.root), "mark": mark, **more}
        command = [sys.executable, str(SUPPORT / "agent_worker.py"), json.dumps(job)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                pid, start = process.stdout.readline().split()
                yield process, proc.ProcessRef(int(pid), start), mark
            finally:
                process.kill()

    def clean_up(self) -> None:
        """End what a failed test left behind."""
        for mark in self.marks:
            proc.kill_tree([], mark, grace_s=0)
