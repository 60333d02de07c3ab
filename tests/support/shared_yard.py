"""A project on a shared folder, hosts whose workers work on it, and what must hold at the end.

`Yard` runs the work on the hosts that it is given, and `check` looks at what is left. The test itself never looks
into the spool: `yard_steps` runs on the hosts for that, because only they are sure to have the shared folder.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from support.wait import wait_until
from wf_cli.contract.job import End

_TESTS = Path(__file__).parents[1]
#: Agents of a worker at a time. Each host has two workers.
CONCURRENCY = 3
#: Each agent leaves a file when it starts and one when it ends, on a local disk that no outage reaches.
_AGENT = """
evidence=$1; job=$2; attempt=$3
mktemp "$evidence/start.$job.$attempt.$(uname -n).XXXXXX" > /dev/null
sleep 0.2
mktemp "$evidence/end.$job.$attempt.$(uname -n).XXXXXX" > /dev/null
"""


class Workplace(Protocol):
    """A host: `support.beds.Host`, or a machine of `support.kernels`. Its programs have poll() and wait(seconds)."""

    name: str

    def run(self, *words: str, folder: Path, log: Path, environment: dict[str, str]) -> Any: ...
    def kill(self, process: Any) -> None: ...
    def power_off(self) -> None: ...
    def power_on(self) -> None: ...


@dataclass(slots=True)
class Worker:
    """A worker, and whether the test ended it."""

    #: The first word of the names of its sessions.
    name: str
    host: int
    process: Any
    killed: bool = False


class Yard:
    """A project for each host, with one spool, which each host has at its own path."""

    def __init__(self, root: Path, hosts: Sequence[Workplace], spools: Sequence[Path], lease_s: int):
        self.root = root
        self.hosts = hosts
        self.spools = spools
        self.evidence = root / "evidence"
        self.evidence.mkdir(parents=True)
        self.workers: list[Worker] = []
        self._started: list[Any] = []
        self._names = (f"w{n}" for n in itertools.count(1))
        agent = root / "agent.sh"
        agent.write_text(_AGENT)
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
            "lease": {"duration": f"{lease_s}s"},
            "retry": {"max_attempts": 9},
        }
        for host in range(len(hosts)):
            self.project(host).mkdir()
            (self.project(host) / "wf.config.json").write_text(json.dumps(configuration))

    def project(self, host: int) -> Path:
        return self.root / f"project{host}"

    def log(self, host: int) -> Path:
        return self.root / f"host{host}.log"

    def run(self, host: int, *words: str, log: Path | None = None) -> Any:
        """Start a program of the project on a host."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.project(host)),
            "WF_SPOOL": str(self.spools[host]),
            "PYTHONPATH": str(_TESTS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = self.hosts[host].run(
            *words, folder=self.project(host), log=log or self.log(host), environment=environment
        )
        self._started.append(process)
        return process

    def step(self, host: int, *words: str) -> Any:
        """Start a step of `yard_steps` on a host."""
        return self.run(host, sys.executable, "-m", "support.yard_steps", *words)

    def enqueue(self, jobs: int) -> None:
        """Make the spool, with so many jobs."""
        assert self.step(0, "enqueue", str(jobs)).wait(300) == 0, self.said()

    def start_worker(self, host: int) -> None:
        name = next(self._names)
        words = ["wf", "worker", "--watch", "--runtime", "shell", "--concurrency", str(CONCURRENCY), "--id", name]
        self.workers.append(Worker(name, host, self.run(host, *words)))

    def kill_a_worker(self, chance: random.Random) -> None:
        """One of the workers is killed, and another one started in its place."""
        worker = chance.choice([worker for worker in self.workers if not worker.killed])
        worker.killed = True
        self.hosts[worker.host].kill(worker.process)
        self.start_worker(worker.host)

    def lose_power(self, host: int) -> None:
        """A host ends with all its workers, while one of its agents works, and comes back as another boot."""

        def works() -> bool:
            names = [name.split(".") for name in os.listdir(self.evidence)]
            here = [(kind, job, attempt) for kind, job, attempt, name, _ in names if name == self.hosts[host].name]
            return any(kind == "start" and ("end", *rest) not in here for kind, *rest in here)

        wait_until(works, 300, f"work on {self.hosts[host].name}")
        self.hosts[host].power_off()
        for worker in self.workers:
            if worker.host == host:
                worker.killed = True
                worker.process.wait(60)
        self.hosts[host].power_on()
        self.start_worker(host)
        self.start_worker(host)

    def work(self, jobs: int, happenings: Sequence[Callable[[], None]], deadline_s: float) -> None:
        """Two workers on each host do all jobs. The happenings are spread over the work, each at its share of it."""
        for host in range(len(self.hosts)):
            self.start_worker(host)
            self.start_worker(host)
        for n, happen in enumerate(happenings, 1):
            share = jobs * n // (len(happenings) + 2)
            wait_until(lambda share=share: self.finished() >= share, deadline_s, f"{share} jobs")  # type: ignore[misc]
            happen()
        self.step(0, "await", str(jobs)).wait(deadline_s)

    def finished(self) -> int:
        """How many jobs have had an agent that ended by itself."""
        return len({name.split(".")[1] for name in os.listdir(self.evidence) if name.startswith("end.")})

    def report(self, host: int) -> dict[str, Any]:
        """What is in the spool, as a host sees it (`yard_steps.report`)."""
        path = self.root / "report.json"
        assert self.step(host, "report", str(path)).wait(300) == 0, self.said()
        listing = self.run(host, "wf", "spool", "ls", "--json", log=self.root / "listing.json")
        assert listing.wait(60) == 0
        assert json.loads((self.root / "listing.json").read_text())
        report: dict[str, Any] = json.loads(path.read_text())
        return report

    def said(self, most: int = 6000) -> str:
        """The last of what the hosts' programs said."""
        logs = [self.log(host) for host in range(len(self.hosts))]
        return "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-most:]}" for log in logs if log.exists())

    def close(self) -> None:
        """All hosts end, with everything on them."""
        for host in self.hosts:
            host.power_off()
        for process in self._started:
            process.wait(60)


def try_out(yard: Yard, jobs: int, happenings: Sequence[Callable[[], None]], *, deadline_s: float = 900) -> str:
    """All of it: the jobs are made and worked on, and everything holds at the end. Returns the figures."""
    began = time.monotonic()
    try:
        yard.enqueue(jobs)
        yard.work(jobs, happenings, deadline_s)
        seconds = time.monotonic() - began
        living = [worker for worker in yard.workers if not worker.killed]
        ended = {worker.name: worker.process.poll() for worker in living if worker.process.poll() is not None}
        report = yard.report(len(yard.hosts) - 1)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        raise AssertionError(f"{error}\n{yard.said()}") from None
    finally:
        yard.close()
    assert ended == {}, f"no worker ends by itself\n{yard.said()}"
    return f"{jobs} jobs in {seconds:.0f} s ({jobs / seconds:.1f} a second), {check(yard, report, jobs)}"


def check(yard: Yard, report: dict[str, Any], jobs: int) -> str:
    """Nothing was lost, doubled or redone but for the workers that were killed. Returns the figures."""
    names = os.listdir(yard.evidence)
    starts = Counter(tuple(name.split(".")[1:3]) for name in names if name.startswith("start."))
    ends = {tuple(name.split(".")[1:3]) for name in names if name.startswith("end.")}
    outcomes: dict[str, list[dict[str, Any]]] = report["outcomes"]
    unfinished = {
        job: found[-1:] for job, found in outcomes.items() if not found or found[-1]["end"] != End.SUCCEEDED
    }
    judged = {outcome["owner"] for found in outcomes.values() for outcome in found if outcome["end"] == End.LOST}
    # Attempts whose agent had finished, and which did not succeed all the same.
    again = [
        outcome for job, found in outcomes.items() for outcome in found[:-1] if (job, str(outcome["attempt"])) in ends
    ]
    killed = {worker.name for worker in yard.workers if worker.killed}
    assert len(outcomes) == jobs
    assert unfinished == {}, "no job is lost"
    assert {key: count for key, count in starts.items() if count > 1} == {}, "no attempt starts twice"
    assert {owner.split("-")[0] for owner in judged} <= killed, (
        "only sessions of killed workers are judged to be gone"
    )
    assert {outcome["end"] for outcome in again} <= {End.LOST}, "finished agents run again only for killed workers"
    assert sorted(report["placed"]) == sorted(outcomes), "each job is in one place"
    assert report["findings"] == []
    assert report["put_away"] == [], "no token was put away"
    return (
        f"{len(killed)} workers killed, {sum(starts.values())} agents started, {len(again)} that had finished ran "
        f"again, {len(judged)} sessions judged to be gone"
    )
