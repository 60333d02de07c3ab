"""Any program as a runtime: an argv template from the user's own config, judged by its exit code.

The program gets the prompt (plan jobs) or the payload (own jobs) on stdin. Exit code 0 is success. Exit code 75
(EX_TEMPFAIL of sysexits.h) parks the job; a time that stderr names ("try again in 20 minutes") is how long. Every
other code is a failed attempt. The program may print nothing. Its stdout is shown line by line and decides nothing,
unless ``output`` says how to read it (`wf_cli.runtimes.jsonl`).
"""

from __future__ import annotations

import re
import signal

from wf_cli.contract.failure import Failure
from wf_cli.errors import ConfigError
from wf_cli.runtimes import executable
from wf_cli.runtimes.base import AgentEvent, Exit, Launch, Reader, Request, RuntimeMissing, RuntimeSettings, Verdict
from wf_cli.runtimes.failures import classify
from wf_cli.runtimes.jsonl import rules
from wf_cli.runtimes.jsonlines import brief, last_words

#: The exit code of a program that cannot work just now, whatever its job is.
EX_TEMPFAIL = 75

_PLACEHOLDER = re.compile(r"\{(job_id|attempt|role|plan_id|epic_id)\}")


class CommandAdapter:
    """``adapter: command``."""

    def __init__(self, settings: RuntimeSettings):
        if not settings.argv:
            raise ConfigError(
                f"runtimes.{settings.name}.argv is missing",
                hint='the command adapter needs a program: argv: [python3, agent.py, "{job_id}"]',
                path=f"runtimes.{settings.name}.argv",
            )
        self._settings = settings
        self._rules = rules.of(settings.output)

    def launch(self, request: Request) -> Launch:
        argv = [fill(part, request) for part in self._settings.argv]
        found = executable.find(argv[0], root=request.root, environment=request.environment)
        if found is None:
            path = f"runtimes.{self._settings.name}.argv"
            raise RuntimeMissing(f"{argv[0]} is not installed here", hint=f"see {path}", program=argv[0])
        prompt = request.prompt.encode()
        if self._rules is None:
            return Launch([found, *argv[1:]], request.environment, prompt, speaks_first=False, exit_proves="end")
        from wf_cli.runtimes.jsonl.reader import RESULT_GRACE

        return Launch(
            [found, *argv[1:]],
            request.environment,
            prompt,
            speaks_first=False,
            result_grace_s=RESULT_GRACE,
            exit_proves="nothing",  # What the program prints has to be heard.
        )

    def reader(self, request: Request) -> Reader:
        if self._rules is None:
            return CommandReader()
        from wf_cli.runtimes.jsonl.reader import JsonlReader  # it stands on `exit_failure` below

        return JsonlReader(self._rules)


def fill(template: str, request: Request) -> str:
    """``template`` with its placeholders replaced in one pass: a value that looks like one stays as it is."""
    values = {
        "job_id": request.job_id,
        "attempt": str(request.attempt),
        "role": request.role,
        "plan_id": request.plan_id or "",
        "epic_id": request.epic_id or "",
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


class CommandReader:
    """Lines are text; the exit code is the verdict."""

    finished = False

    def __init__(self) -> None:
        self._last = ""

    def feed(self, line: str) -> list[AgentEvent]:
        text = brief(line)
        if not text:
            return []
        self._last = text
        return [AgentEvent("text", text)]

    def verdict(self, end: Exit) -> Verdict:
        return Verdict(exit_failure(end), summary=self._last)


def exit_failure(end: Exit) -> Failure | None:
    """The failure that an exit code stands for. The words on stderr explain it and never decide it, because any
    program may print anything."""
    if end.code == 0:
        return None
    last = last_words(end.stderr_tail)
    if end.code == EX_TEMPFAIL:
        text = "the program asked for a pause (exit code 75)"
        return classify.failure(
            f"{text}: {brief(last)}" if last else text,
            cause=classify.Cause("rate_limited", "exit_code", end.code, brief(last)),
            said=end.stderr_tail,
            exit_code=end.code,
            stderr=end.stderr_tail,
        )
    details = {"exit_code": end.code, "stderr": end.stderr_tail}
    text = f"exit code {end.code}" if end.code > 0 else f"killed by {signal_name(-end.code)}"
    return Failure("crashed", f"{text}: {brief(last)}" if last else text, details=details)


def signal_name(number: int) -> str:
    """``SIGTERM``, or the number where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
