"""The agent's side of a keeper: starts one, and waits for its job."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from wf_cli import errors
from wf_cli.app import App
from wf_cli.editor.handover import Job
from wf_cli.editor.request import Request
from wf_cli.errors import Refused, WfError
from wf_cli.spool import layout, scan


class StartedKeeper:
    """A keeper that looks for a job. When its block is left without `accept`, it gives its job back and ends."""

    def __init__(self, app: App, request: Request):
        order = {
            "root": str(app.root),
            "spool": str(app.spool_root),
            "config": str(app.flags.config.absolute()) if app.flags.config is not None else None,
            "request": request.to_json(),
        }
        self._lock = threading.Lock()
        self._listening = False
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-P", "-m", "wf_cli.editor.keeper_process"],
            cwd=app.root,
            env=app.agent_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._say(json.dumps(order).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def job(self) -> Job:
        """Wait for the keeper's answer. Raises the keeper's error, which is Temporary (exit 75) without a job."""
        with self._lock:
            process, self._listening = self._process, True
        assert process is not None
        assert process.stdout is not None
        with process.stdout as pipe:  # Closed only here, because `close` in another thread would wait for this read.
            line = pipe.readline()
        try:
            answer: Mapping[str, Any] = json.loads(line)
        except ValueError:
            raise WfError("the keeper ended without an answer", code="KEEPER_FAILED") from None
        if "error" in answer:
            raise _error(answer["error"])
        return Job.from_json(answer["job"])

    def accept(self) -> None:
        """Tell the keeper that the agent has the job. From now on the keeper holds it."""
        self._say(b"ok")

    def close(self) -> None:
        """Let go of the keeper. Safe to repeat. Another thread may call it to end a `job` that waits."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()  # Short, because the keeper itself has detached from this process.
        if not self._listening:
            process.stdout.close()

    def _say(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # A keeper that is gone gives no answer, which `job` reports.
            os.write(self._process.stdin.fileno(), line + b"\n")


def refuse_second(app: App, mark: str | None) -> None:
    """Raises Refused when the asking agent has a job that still stands. ``mark`` is its ``WF_JOB_TOKEN``."""
    if not mark or not layout.exists(app.spool_root):
        return
    token = scan.running_token(app.open_spool(), mark)
    if token is not None:
        raise Refused(
            f"this agent has a job already: {token.job_id}",
            hint=f"first: wf job finish {mark} (or fail, or release)",
            code="HAS_JOB",
            token=mark,
        )


def _error(value: Mapping[str, Any]) -> WfError:
    kind = getattr(errors, str(value["kind"]), WfError)
    family = kind if isinstance(kind, type) and issubclass(kind, WfError) else WfError
    return family(str(value["message"]), hint=value["hint"], code=value["code"])
