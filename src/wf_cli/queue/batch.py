"""From requests to new jobs: what every implementation does before it stores anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from wf_cli import ids
from wf_cli.contract import plain_json
from wf_cli.contract.job import RECORD_LIMIT, Spec
from wf_cli.contract.token import Token
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.queue.values import Enqueued, JobRequest


@frozen
class Batch:
    """The jobs that some requests ask for. ``jobs`` has each id once, by its first mention."""

    job_ids: tuple[str, ...]
    jobs: Mapping[str, tuple[Spec, Token]]

    def answers(self, new: Mapping[str, bool]) -> list[Enqueued]:
        """One answer for each request; ``new`` says which ids had no job before. A second mention is a duplicate."""
        fresh = {job_id for job_id, is_new in new.items() if is_new}
        out = []
        for job_id in self.job_ids:
            out.append(Enqueued(job_id, deduped=job_id not in fresh))
            fresh.discard(job_id)
        return out


def prepare(requests: Sequence[JobRequest], now_ms: int) -> Batch:
    """Specs and first tokens; ContractError, before anything is stored, when one of them is not valid."""
    jobs: dict[str, tuple[Spec, Token]] = {}
    job_ids = []
    for i, request in enumerate(requests):
        spec = request.spec(ids.nonce(), now_ms)
        _check(spec)
        job_ids.append(spec.job_id)
        if spec.job_id not in jobs:
            # One more millisecond each keeps the order of a batch.
            time_ms = now_ms + i + math.ceil(request.delay_s * 1000)
            jobs[spec.job_id] = (spec, spec.token(time_ms, math.ceil(request.delay_s)))
    return Batch(tuple(job_ids), jobs)


def _check(spec: Spec) -> None:
    """Raise ContractError for a spec that no reader would take: its key would stay taken by a job that cannot run."""
    try:
        plain_json.check(spec.to_json())
        data = spec.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise ContractError(f"the job is not JSON: {error}", code="NOT_JSON") from error
    if len(data) > RECORD_LIMIT:
        raise ContractError(
            f"the spec of {spec.job_id} is larger than {RECORD_LIMIT} bytes",
            hint="put large input into a file and its path into the payload",
            code="SPEC_TOO_LARGE",
        )
    if Spec.from_json(json.loads(data)).job_id != spec.job_id:
        raise AssertionError(f"{spec.job_id} is read back as another job")
