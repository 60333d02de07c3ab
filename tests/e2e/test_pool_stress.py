"""Many own jobs, four workers, three of them killed at random and replaced: invariants 1 and 2 at full speed."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from support.box import Box, eventually
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status

#: `WF_STRESS=long` is the size that the issue names.
JOBS = 500 if os.environ.get("WF_STRESS") == "long" else 120
WORKERS = 4
KILLS = 3
SEED = int(os.environ.get("WF_STRESS_SEED") or 20)

# noclobber opens with O_EXCL: the second start of one attempt cannot go unnoticed.
AGENT = """
if ! ( set -C; : > "$N/start.$1.$2" ) 2>/dev/null; then : > "$N/double.$1.$2.$$"; fi
sleep 0.02
: > "$N/end.$1.$2"
"""


@pytest.mark.stress
@pytest.mark.timeout(600)
def test_many_jobs_survive_three_killed_workers_and_each_is_accepted_once_invariants_1_and_2(box: Box) -> None:
    box.shell(AGENT, retry={"max_attempts": 9, "backoff": {"base": "50ms", "factor": 1, "cap": "50ms"}})
    job_ids = box.enqueue(*(f"job-{n}" for n in range(JOBS)), max_attempts=9)
    assert len(set(job_ids)) == JOBS
    rng = random.Random(SEED)
    workers = [box.worker("shell", "--concurrency", "2") for _ in range(WORKERS)]

    def started() -> int:
        return sum(name.startswith("start.") for name in os.listdir(box.notes))

    # The moments are counted in starts, so that a fast and a slow machine kill in the middle alike.
    for moment in sorted(rng.sample(range(WORKERS, JOBS * 4 // 5), KILLS)):
        eventually(lambda moment=moment: started() >= moment, f"{moment} started jobs", box)  # type: ignore[misc]
        victim = workers.pop(rng.randrange(len(workers)))
        victim.kill()
        workers.append(box.worker("shell", "--concurrency", "2"))

    eventually(lambda: len(list(box.spool.folder("done").iterdir())) == JOBS, f"{JOBS} finished jobs", box)
    for worker in workers:
        assert worker.stop().code == 0, box.story()

    tokens = box.tokens()
    assert sorted(tokens) == sorted(job_ids)
    assert {placed.status for placed in tokens.values()} == {Status.SUCCEEDED}
    assert box.notes_like("double.*") == []
    starts = {name.removeprefix("start.") for name in box.notes_like("start.*")}
    ends = {name.removeprefix("end.") for name in box.notes_like("end.*")}
    for job_id, placed in tokens.items():
        outcomes = box.outcomes(job_id)
        assert sorted(outcomes) == list(range(1, placed.token.attempt + 1)), "one outcome for each attempt"
        how = Counter(outcome.end for outcome in outcomes.values())
        assert how[End.SUCCEEDED] == 1, how
        assert outcomes[placed.token.attempt].end is End.SUCCEEDED
        assert f"{job_id}.{placed.token.attempt}" in ends, "the accepted attempt's agent came to its end"
    beyond = {f"{job_id}.{placed.token.attempt}" for job_id, placed in tokens.items()}
    assert all(int(name.rpartition(".")[2]) <= tokens[name.rpartition(".")[0]].token.attempt for name in starts)
    assert beyond <= starts
    box.assert_sound()
