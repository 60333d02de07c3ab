"""Two hosts work on one spool through real network mounts, while workers are killed and the mount fails now and then.

``make mounts`` runs this with 500 jobs; ``WF_MOUNTS_JOBS`` and ``WF_MOUNTS_KILLS`` are other numbers.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.beds import Bed, Gluster, Host, Sshfs, missing
from support.wait import wait_until
from wf_cli.app import App
from wf_cli.clock import SystemClock
from wf_cli.contract.job import End, Outcome
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.spool import layout, verify

pytestmark = [pytest.mark.mounts, pytest.mark.timeout(1800)]

JOBS = int(os.environ.get("WF_MOUNTS_JOBS", "500"))
KILLS = int(os.environ.get("WF_MOUNTS_KILLS", "10"))
#: Agents of a host at a time, in two workers.
CONCURRENCY = 3
#: Each agent leaves a file when it starts and one when it ends, on a local disk that no outage reaches.
AGENT = """
evidence=$1; job=$2; attempt=$3
mktemp "$evidence/start.$job.$attempt.XXXXXX" > /dev/null
sleep 0.2
mktemp "$evidence/end.$job.$attempt.XXXXXX" > /dev/null
"""

BEDS: dict[str, Callable[[Path], Bed]] = {
    "sshfs": lambda root: Sshfs(root),
    "sshfs-without-cache": lambda root: Sshfs(root, cache=False),
    "glusterfs": lambda root: Gluster(root),
}


@pytest.fixture(params=BEDS)
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    # A brick needs a disk with trusted attributes, which the memory that other tests use has not.
    root = Path(os.environ.get("WF_MOUNTS_DIR", "/var/tmp")) / f"wf-mounts-{os.getpid()}"
    made = BEDS[request.param](root)
    reason = missing(*made.programs, "unshare", "nsenter")
    if reason is not None:
        pytest.skip(f"LOUDLY: no {request.param} was tried: {reason}")
    shutil.rmtree(root, ignore_errors=True)
    with made:
        yield made
    shutil.rmtree(root, ignore_errors=True)


class Yard:
    """A project whose spool lies on the mounts, and two hosts with two workers each."""

    def __init__(self, bed: Bed, root: Path):
        self.bed = bed
        self.root = root
        self.evidence = root / "evidence"
        self.evidence.mkdir(parents=True)
        agent = root / "agent.sh"
        agent.write_text(AGENT)
        configuration = {
            "version": 1,
            "mode": "distributed",
            "runtimes": {
                "shell": {
                    "adapter": "command",
                    "argv": ["sh", str(agent), str(self.evidence), "{job_id}", "{attempt}"],
                }
            },
            "routing": {"builder": {"runtime": "shell"}},
            "spool": {"topology": "shared"},
            "lease": {"duration": f"{bed.lease_s}s"},
            "retry": {"max_attempts": 9},
        }
        (root / "wf.config.json").write_text(json.dumps(configuration))
        self.app = App(root, self.environment(0))
        self.spool = self.app.create_spool()
        self.queue: SpoolQueue = self.app.queue(self.spool)
        self.hosts = [Host(f"host{k}", root / "hosts") for k in range(len(bed.mounts))]
        self.workers: list[tuple[int, subprocess.Popen[bytes]]] = []
        self.killed: set[int] = set()

    def environment(self, host: int) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.root), "WF_SPOOL": str(self.bed.mounts[host] / "spool")}

    def log(self, host: int) -> Path:
        return self.root / f"host{host}.log"

    def start_worker(self, host: int) -> None:
        words = ["wf", "worker", "--watch", "--runtime", "shell", "--concurrency", str(CONCURRENCY)]
        process = self.hosts[host].run(
            "sh", "-c", f"cd {self.root} && exec {' '.join(words)}",
            log=self.log(host), environment=self.environment(host),
        )  # fmt: skip
        self.workers.append((host, process))

    def kill_a_worker(self, chance: random.Random) -> None:
        host, process = chance.choice([(h, p) for h, p in self.workers if p.pid not in self.killed])
        self.killed.add(process.pid)
        self.hosts[host].kill(process)
        self.start_worker(host)

    def lose_power(self, host: int) -> None:
        """A host ends with all its workers and agents, and comes back as another boot."""
        self.killed |= {process.pid for where, process in self.workers if where == host}
        self.hosts[host].power_off()
        for where, process in self.workers:
            if where == host:
                process.wait()
        self.hosts[host] = Host(f"host{host}", self.root / "hosts")
        self.start_worker(host)
        self.start_worker(host)

    def finished(self) -> int:
        return len({name.split(".")[1] for name in os.listdir(self.evidence) if name.startswith("end.")})

    def close(self) -> None:
        for host in self.hosts:
            host.power_off()
        for _, process in self.workers:
            process.wait()

    def said(self) -> str:
        return "\n".join(self.log(k).read_text(errors="replace") for k in range(len(self.hosts)))


def test_two_hosts_work_through_kills_and_outages(bed: Bed, request: pytest.FixtureRequest) -> None:
    chance = random.Random(JOBS)
    yard = Yard(bed, bed.root / "project")
    began = time.monotonic()
    try:
        requests = [JobRequest("builder", "shell", key=f"job-{n}", max_attempts=9) for n in range(JOBS)]
        yard.queue.enqueue_many(requests)
        for host in range(len(yard.hosts)):
            yard.start_worker(host)
            yard.start_worker(host)
        # What happens, spread over the work: each at its share of the jobs.
        happenings: list[tuple[str, Callable[[], None]]] = [
            ("a worker killed", lambda: yard.kill_a_worker(chance)) for _ in range(KILLS)
        ]
        happenings += bed.outages()
        chance.shuffle(happenings)
        happenings.append(("a host without power", lambda: yard.lose_power(1)))
        for n, (_name, happen) in enumerate(happenings):
            share = JOBS * (n + 1) // (len(happenings) + 2)
            wait_until(lambda share=share: yard.finished() >= share, 600, f"{share} jobs")  # type: ignore[misc]
            happen()

        def all_ended() -> bool:
            try:
                return not yard.spool.root.exists() or len(os.listdir(yard.spool.folder("done"))) >= JOBS
            except OSError:
                return False

        wait_until(all_ended, 900, "the end of all jobs")
        seconds = time.monotonic() - began
        alive = [process.poll() for _, process in yard.workers if process.pid not in yard.killed]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{yard.said()[-6000:]}") from None
    finally:
        yard.close()

    names = os.listdir(yard.evidence)
    starts = Counter(tuple(name.split(".")[1:3]) for name in names if name.startswith("start."))
    ends = {tuple(name.split(".")[1:3]) for name in names if name.startswith("end.")}
    outcomes = outcomes_of(yard)
    lost = {job: found[-1].end for job, found in outcomes.items() if found[-1].end is not End.SUCCEEDED}
    judged = {outcome.owner for found in outcomes.values() for outcome in found if outcome.end is End.LOST}
    # Attempts whose agent had finished, and which did not succeed all the same.
    again = [o for found in outcomes.values() for o in found[:-1] if (o.job_id, str(o.attempt)) in ends]
    print(
        f"\n{request.node.name}: {JOBS} jobs in {seconds:.0f} s ({JOBS / seconds:.1f} a second), "
        f"{len(yard.killed)} workers killed, {sum(starts.values())} agents started, {len(again)} that had "
        f"finished ran again, {len(judged)} sessions judged to be gone"
    )
    assert len(outcomes) == JOBS
    assert lost == {}, "no job is lost"
    assert {key: count for key, count in starts.items() if count > 1} == {}, "no attempt starts twice"
    assert alive == [None] * len(alive), f"no worker ends by itself\n{yard.said()[-6000:]}"
    assert len(judged) <= len(yard.killed), "no session that lived was judged to be gone"
    assert {o.end for o in again} <= {End.LOST}, "an agent that had finished runs again only for a killed worker"
    assert sorted(p.token.job_id for p in yard.queue.placed()) == sorted(outcomes)
    assert verify.verify(layout.open_spool(yard.spool.root), SystemClock()) == []
    quarantine = yard.spool.root / "archive" / "quarantine"
    assert not quarantine.exists() or os.listdir(quarantine) == [], "no token was put away"
    listing = subprocess.run(
        ["wf", "spool", "ls", "--json"], cwd=yard.root, env=yard.environment(1), capture_output=True, check=True
    )
    assert json.loads(listing.stdout)


def outcomes_of(yard: Yard) -> dict[str, list[Outcome]]:
    """How the attempts of each job ended, in order."""
    found: dict[str, list[Outcome]] = {}
    for placed in yard.queue.placed():
        job_id = placed.token.job_id
        numbers = range(1, placed.token.attempt + 1)
        outcomes = [yard.queue.outcome(job_id, number) for number in numbers]
        found[job_id] = [outcome for outcome in outcomes if outcome is not None]
    return found
