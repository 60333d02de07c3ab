"""`wf enqueue`: a user's own jobs, one from options or many from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_cli.cli.frame import json_values, known, output
from wf_cli.cli.frame.options import Common, ReasonOption, seconds, single
from wf_cli.cli.frame.progress import Progress
from wf_cli.contract.token import NUMBER_LIMIT, is_word
from wf_cli.errors import ContractError, UsageError, WfError

if TYPE_CHECKING:
    from wf_cli.app import App
    from wf_cli.queue.spool_queue import SpoolQueue
    from wf_cli.queue.values import JobRequest

#: The keys of a line of ``--from``, named like the options.
_FIELDS = ("role", "key", "runtime", "payload", "priority", "in", "max_attempts")


@dataclass(frozen=True)
class Wish:
    """The fields of a job that the user gave; None for those left out."""

    role: str | None = None
    key: str | None = None
    runtime: str | None = None
    payload: Any = None
    priority: int | None = None
    delay: str | None = None
    max_attempts: int | None = None

    def request(self, app: App) -> JobRequest:
        """The request, with defaults from the configuration. Raises UsageError for fields that make no valid job."""
        from wf_cli.queue.batch import prepare
        from wf_cli.queue.values import JobRequest

        if not self.role or not self.key:
            raise UsageError(f"the {'key' if self.role else 'role'} is missing", hint="wf enqueue --role R --key K")
        known.role(self.role, app.config)
        if self.runtime is not None and is_word(self.runtime):
            known.runtime(self.runtime, app.config, may_be_new=True)
        limit = app.config.effective(self.role).retry.max_attempts if self.max_attempts is None else self.max_attempts
        request = JobRequest(
            role=self.role,
            runtime=self.runtime or app.pool(self.role).runtime,
            key=self.key,
            payload=self.payload,
            priority=5 if self.priority is None else self.priority,
            max_attempts=limit,
            delay_s=0.0 if self.delay is None else seconds(self.delay, "--in"),
        )
        try:
            prepare([request], app.clock.now_ms())
        except ContractError as error:
            raise UsageError(error.message, hint=error.hint, code=error.code) from error
        return request


def enqueue(
    common: Common,
    role: Annotated[str | None, typer.Option(metavar="R", help="what kind of worker takes it: [a-z0-9-]")] = None,
    key: Annotated[str | None, typer.Option(metavar="K", help="names the work: one key makes one job, ever")] = None,
    runtime: Annotated[str | None, typer.Option(metavar="X", help="default: where the role is routed")] = None,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE|-", help="input of the job: JSON, a file of it, or - for stdin")
    ] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="0 first; default 5")] = None,
    delay: Annotated[str | None, typer.Option("--in", metavar="DUR", help="not before so long: 10s, 2h")] = None,
    max_attempts: Annotated[
        int | None, typer.Option(min=1, max=NUMBER_LIMIT - 1, help="failures until it is dead; default: retry")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="many jobs: JSON lines with the same fields")
    ] = None,
    reason: ReasonOption = None,
) -> None:
    """Make a job of your own, outside any plan. A key that was used before makes no second job.

    The agent gets the payload as JSON, and its exit code says whether the job succeeded. With --from, each line is an
    object with role, key, runtime, payload, priority, in, max_attempts; other options are the defaults of all lines.
    When one line is wrong, no line is enqueued.

    \b
    wf enqueue --role linter --runtime shell --key lint-1 --payload '{"path": "src"}'
    wf enqueue --role linter --runtime shell --from jobs.jsonl --json
    """
    app = common.app
    app.require_distributed("enqueue")
    given = Wish(role, key, runtime, None, priority, delay, max_attempts)
    if source is not None:
        if key is not None or payload is not None:
            raise UsageError("--from takes keys and payloads from its lines", hint="leave --key and --payload out")
        _many(common, list(_requests(source, given, app)), reason)
        return
    value = None if payload is None else json_values.value(payload, "the payload")
    _one(common, replace(given, payload=value).request(app), reason)


def _one(common: Common, request: JobRequest, reason: str | None) -> None:
    queue = common.app.queue(common.app.create_spool())
    answer = queue.enqueue(request, reason=reason)
    if answer.deduped:
        _compare(queue, request, answer.job_id)
    placed = queue.find(answer.job_id)
    status = str(placed.status) if placed is not None else "queued"
    values = {"job_id": answer.job_id, "deduped": answer.deduped, "status": status}
    common.emit(values, [f"{answer.job_id} {status}{' (was there already)' if answer.deduped else ''}"])


def _many(common: Common, requests: list[JobRequest], reason: str | None) -> None:
    queue = common.app.queue(common.app.create_spool())
    with Progress("steps of enqueuing") as progress:
        answers = queue.enqueue_many(requests, reason=reason, on_progress=progress)
    for request, answer in zip(requests, answers, strict=True):
        if answer.deduped:
            _compare(queue, request, answer.job_id)
    deduped = sum(answer.deduped for answer in answers)
    values = {
        "enqueued": len(answers) - deduped,
        "deduped": deduped,
        "job_ids": [answer.job_id for answer in answers],
    }
    common.emit(values, [f"{len(answers) - deduped} enqueued, {deduped} were there already"])


def _compare(queue: SpoolQueue, request: JobRequest, job_id: str) -> None:
    """Warn when the existing job of this key has another role or payload than the request."""
    try:
        spec = queue.spec(job_id)
    except ContractError:
        return  # The spec is damaged, which `wf spool verify` reports.
    if spec is None:
        return
    pairs = (("role", spec.role, request.role), ("payload", spec.payload, request.payload))
    for name, old, new in pairs:
        if old != new:
            output.warn([f"{job_id} exists with another {name}; it stays as it is"])


def _requests(source: str, defaults: Wish, app: App) -> Iterator[JobRequest]:
    """The requests in the lines of a file. Raises UsageError with the file and the line."""
    name = "<stdin>" if source == "-" else source
    for number, line in enumerate(json_values.text(source).split("\n"), start=1):
        where = f"{name}:{number}"
        if not line.strip():
            continue
        try:
            yield _wish(json_values.parse(line, "the line"), defaults).request(app)
        except WfError as error:
            raise UsageError(f"{where}: {error.message}", hint=error.hint, code=error.code) from error


def _wish(value: Any, defaults: Wish) -> Wish:
    if not isinstance(value, dict):
        raise UsageError("a line has to be a JSON object", hint='{"role": "linter", "key": "lint-1"}')
    unknown = sorted(set(value) - set(_FIELDS))
    if unknown:
        raise UsageError(f"there is no field {unknown[0]!r}", hint=f"the fields: {', '.join(_FIELDS)}")
    said = {key: v for key, v in value.items() if v is not None}
    for key, low, high in (("priority", 0, 9), ("max_attempts", 1, NUMBER_LIMIT - 1)):
        number = said.get(key, low)
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
            raise UsageError(f"{key} has to be a whole number from {low} to {high}")
    for key in ("role", "key", "runtime", "in"):
        if not isinstance(said.get(key, ""), str):
            raise UsageError(f"{key} has to be text")
    return replace(defaults, **{("delay" if key == "in" else key): v for key, v in said.items()})


enqueue_app = single(enqueue)
