"""One agent from its gate to its end: feed it, listen to it, watch its clocks, stop it, judge it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from wf_cli import locks, proc
from wf_cli.clock import Clock
from wf_cli.contract.failure import Failure
from wf_cli.runtimes.base import Adapter, AgentEvent, AgentResult, Exit, Launch, Reader, Request, Verdict
from wf_cli.runtimes.process.deadlines import Deadlines
from wf_cli.runtimes.process.gate import Gate, Report
from wf_cli.runtimes.process.lines import Lines, Tail
from wf_cli.runtimes.process.redact import Redactor, secret_values
from wf_cli.runtimes.process.transcript import Transcript

#: Seconds between two looks at the clocks and at ``should_stop`` while nothing happens.
TICK = 0.1
#: Seconds beyond grace and kills that a launcher has to report, before the worker ends the tree itself.
REPORT_LIMIT = 5.0
#: Seconds for the last output to arrive once all processes are gone (pipes are empty long before).
DRAIN_LIMIT = 2.0
_CHUNK = 1 << 16


#: What an agent did not get done in its start, by the call that was under way (`acp.turn`).
_STAGES: Mapping[str, str] = {
    "spawn": "the agent's program was not started (spawn)",
    "initialize": "the agent did not answer its first request (initialize)",
    "authenticate": "the login did not end (authenticate)",
}
_CALL = "the agent did not open its session ({})"


class AgentRun:
    """One attempt's agent::

        with AgentRun(adapter, request, clock=clock, slot=slot) as run:
            record(run.spawn())   # a launcher is there, the agent is not
            run.go()              # only after the token was looked at once more
            result = run.wait(should_stop)

    Leaving the block ends whatever is still there. All calls come from one thread, callbacks too; several runs in
    several threads are fine. `spawn` raises CannotStart. From `go` on everything that an agent, a launcher or the
    system does becomes an `AgentResult`. When ``on_event`` or ``should_stop`` raises, the tree is ended and the
    exception goes on.

    Secret values of the environment, and matches of the regular expressions ``redact``, are masked in all results.
    ``slot`` is not closed. It stays taken while it is open here, and while a process of the attempt lives.
    """

    def __init__(
        self,
        adapter: Adapter,
        request: Request,
        *,
        clock: Clock,
        transcript: Path | None = None,
        transcript_mode: int | None = None,
        on_event: Callable[[AgentEvent], None] = lambda event: None,
        slot: locks.Slot | None = None,
        redact: Sequence[str] = (),
        keep: Mapping[str, Any] | None = None,
    ):
        """``keep`` is where the launcher keeps the agent's exit (`wf_cli.spool.exits.order`). ``transcript_mode`` is
        the mode of the transcript; without it the folder's decides."""
        self._adapter = adapter
        self._request = request
        self._clock = clock
        self._transcript_path = transcript
        self._transcript_mode = transcript_mode
        self._on_event = on_event
        self._slot = slot
        self._redact = redact
        self._keep = keep
        self._gate: Gate | None = None
        self._launch: Launch | None = None
        self._reader: Reader | None = None
        #: Why the transcript is missing or incomplete, for the log; None when it is neither.
        self.transcript_trouble: str | None = None

    def __enter__(self) -> AgentRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def spawn(self) -> proc.ProcessRef:
        """The launcher, ready and waiting: record it (with the mark) before `go`. Raises CannotStart."""
        self._launch = self._adapter.launch(self._request)
        # The reader is made before the start, because it depends on the program found, which may update itself.
        self._reader = self._adapter.reader(self._request)
        slot_fd = self._slot.fd if self._slot is not None and self._slot.fd >= 0 else None
        request = self._request
        self._gate = Gate.open(
            self._launch,
            root=request.root,
            mark=request.mark,
            grace_s=request.limits.grace_s,
            slot_fd=slot_fd,
            keep=self._keep,
        )
        return self._gate.ref

    def go(self) -> None:
        """Let the agent start."""
        self._opened().go()

    def abandon(self) -> None:
        """End the attempt's processes, and ignore their result. May be called at any time, and again."""
        if self._gate is not None:
            self._gate.close()

    def wait(self, should_stop: Callable[[], str | None] = lambda: None) -> AgentResult:
        """Wait until all processes of the attempt are gone. To be called once, right after `go`.

        ``should_stop`` is asked ten times a second. A reason from it stops the agent. ``exit.stopped`` is then
        ``asked``, and the verdict is a failure with that reason unless the agent had finished.
        """
        gate, launch = self._opened(), self._launch
        assert launch is not None
        redactor = Redactor(secret_values(launch.environment, self._request.secret_names), self._redact)
        transcript = Transcript(self._transcript_path, redactor, mode=self._transcript_mode)
        try:
            with selectors.DefaultSelector() as selector:
                watch = _Watch(self, gate, launch, redactor, transcript, selector)
                return watch.run(should_stop)
        finally:
            transcript.close()
            self.transcript_trouble = transcript.trouble
            self.abandon()

    def _opened(self) -> Gate:
        if self._gate is None:
            raise RuntimeError("spawn() comes first")
        return self._gate


class _Watch:
    """The loop of `AgentRun.wait` and what it knows."""

    def __init__(
        self,
        run: AgentRun,
        gate: Gate,
        launch: Launch,
        redactor: Redactor,
        transcript: Transcript,
        selector: selectors.BaseSelector,
    ):
        self._gate = gate
        self._clock = run._clock
        self._limits = run._request.limits
        self._on_event = run._on_event
        self._redactor = redactor
        self._transcript = transcript
        self._selector = selector
        assert run._reader is not None
        self._reader: Reader = run._reader
        self._lines = Lines()
        self._stderr, self._clean_stderr = Tail(), redactor.stream()
        self._stdin = memoryview(launch.stdin)
        self._begin = self._clock.monotonic()
        self._deadlines = Deadlines(
            self._limits, self._begin, speaks_first=launch.speaks_first, result_grace_s=launch.result_grace_s
        )
        self._report: Report | None = None
        self._stopped: str | None = None
        self._reason = ""
        self._give_up: float | None = None
        for stream in (gate.stdout, gate.stderr):
            selector.register(stream, selectors.EVENT_READ)
        selector.register(gate.status_fd, selectors.EVENT_READ)
        os.set_blocking(gate.stdin.fileno(), False)
        selector.register(gate.stdin, selectors.EVENT_WRITE)

    def run(self, should_stop: Callable[[], str | None]) -> AgentResult:
        asked = self._begin
        while self._report is None:
            quiet = not self._serve(TICK)
            now = self._clock.monotonic()
            if self._stopped is None:
                # An agent that prints without end must not delay the question, and not have it asked at each line.
                if quiet or now - asked >= TICK:
                    asked = now
                    self._check_asked(should_stop(), now)
                self._check_clocks(now)
            elif self._give_up is not None and now >= self._give_up:
                self._report = Report()  # The launcher stands still, so `close` ends the tree.
        return self._conclude(self._report)

    def _serve(self, timeout: float) -> bool:
        """Pass on the data that is there. True if there was any."""
        ready = self._selector.select(timeout)
        for key, _ in ready:
            if key.fileobj is self._gate.stdin:
                self._feed()
            elif key.fileobj == self._gate.status_fd:
                self._report = self._gate.hear()
            else:
                self._listen("stdout" if key.fileobj is self._gate.stdout else "stderr")
        return bool(ready)

    def _feed(self) -> None:
        try:
            self._stdin = self._stdin[os.write(self._gate.stdin.fileno(), self._stdin[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # The agent does not read its prompt, which is no fault.
            self._stdin = self._stdin[:0]
        if not self._stdin:
            self._selector.unregister(self._gate.stdin)
            self._gate.stdin.close()

    def _listen(self, name: str) -> None:
        stream = self._gate.stdout if name == "stdout" else self._gate.stderr
        data = os.read(stream.fileno(), _CHUNK)
        if not data:
            self._selector.unregister(stream)
            return
        now = self._clock.monotonic()
        self._deadlines.sign_of_life(now)
        if name == "stderr":
            self._transcript.write("stderr", data)
            self._stderr.feed(self._clean_stderr.feed(data))
            return
        self._transcript.write("stdout", data)
        for line in self._lines.feed(data):
            self._tell(line)
        self._deadlines.finished(now, finished=self._reader.finished)

    def _tell(self, line: str) -> None:
        for event in self._reader.feed(line):
            text = self._redactor.text(event.text)
            self._on_event(event if text == event.text else replace(event, text=text))

    def _check_asked(self, reason: str | None, now: float) -> None:
        if reason is not None and not self._has_ended():
            self._reason = reason
            self._stop("asked", now)

    def _check_clocks(self, now: float) -> None:
        if self._stopped is not None or self._deadlines.expired(now) is None or self._has_ended():
            return
        expired = self._deadlines.expired(now)
        if expired is not None:
            self._stop(expired, now)

    def _has_ended(self) -> bool:
        """Whether the agent has ended. Asked before a stop, because a worker that was paused may not know it yet.

        An agent that has ended by itself is not stopped, so its work counts. (After SIGCONT, `select` returns once
        without any descriptor, whatever is ready.)
        """
        self._serve(0)
        return self._report is not None

    def _stop(self, why: str, now: float) -> None:
        self._stopped = why
        self._give_up = now + self._limits.grace_s + proc.KILL_LIMIT + REPORT_LIMIT
        self._gate.stop(self._limits.grace_s)

    def _conclude(self, report: Report) -> AgentResult:
        if report.code is None and report.fault is None:
            self._gate.end_tree()  # The launcher cannot do it any more.
        self._drain()
        for line in self._lines.end():
            self._tell(line)
        self._stderr.feed(self._clean_stderr.end())
        code = report.code if report.code is not None else -signal.SIGKILL
        end = Exit(code, self._stopped, self._stderr.text())
        return AgentResult(
            verdict=self._clean(self._judge(report, end)),
            exit=end,
            duration_s=self._clock.monotonic() - self._begin,
            # A stopped agent has no survivors, because its whole tree was ended together.
            survivors=report.survivors if self._stopped is None else 0,
        )

    def _drain(self) -> None:
        """The last words, until the streams end. Writers outside the attempt cannot hold this up for long."""
        deadline = self._clock.monotonic() + DRAIN_LIMIT
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self._gate.status_fd)
        if not self._gate.stdin.closed:
            self._selector.unregister(self._gate.stdin)
        while self._selector.get_map() and self._clock.monotonic() < deadline:
            self._serve(TICK)

    def _judge(self, report: Report, end: Exit) -> Verdict:
        if report.fault is not None:
            kind, text = report.fault
            return Verdict(Failure("runtime_missing" if kind == "missing" else "spawn_failed", text))
        verdict = self._reader.verdict(end)
        told = verdict.failure.details if verdict.failure is not None else {}
        known = self._reader.finished or (end.stopped == "stall" and told.get("source") == "retry")
        failure = None if known else self._own_failure(report, end, told.get("stage"))
        if failure is not None and failure.code == "stall" and told.get("idle") is True:
            failure = replace(failure, details={**failure.details, "idle": True})
        return verdict if failure is None else replace(verdict, failure=failure)

    def _own_failure(self, report: Report, end: Exit, stage: str | None) -> Failure | None:
        """Why wf ended the agent, or the launcher's death; None when the agent ended by itself.

        ``stage`` is how far it came in its start, where its protocol tells that.
        """
        limits = self._limits
        details = {"stopped": end.stopped, "exit_code": end.code, "stderr": end.stderr_tail}
        match end.stopped:
            case "startup":
                if stage is None:
                    text = f"the agent printed nothing within {limits.startup_s:g} s of its start"
                    return Failure("timeout", text, details=details)
                why = _STAGES.get(stage, _CALL.format(stage))
                text = f"no session within {limits.startup_s:g} s of the start: {why}"
                return Failure("timeout", text, details={**details, "stage": stage})
            case "stall":
                return Failure("stall", f"the agent was silent for {limits.stall_s:g} s", details=details)
            case "max_runtime":
                return Failure("timeout", f"the agent ran for more than {limits.max_runtime_s:g} s", details=details)
            case "asked":
                return Failure("crashed", f"stopped: {self._reason}", details=details)
        if report.code is None:
            return Failure("crashed", "the agent's launcher was killed", details=details)
        return None

    def _clean(self, verdict: Verdict) -> Verdict:
        failure = verdict.failure
        if failure is not None:
            failure = replace(
                failure,
                message=self._redactor.text(failure.message),
                errors=tuple(self._redactor.text(text) for text in failure.errors),
                details=self._redactor.value(failure.details),
            )
        return replace(verdict, failure=failure, summary=self._redactor.text(verdict.summary))
