"""Everything at once for some minutes: workers, a dispatcher, enqueuers and operators, all of them killed at random.

The jobs are of one's own (a script, which keeps evidence outside of the spool) and steps of epics (`plan_agent`).
Workers, launchers, operators, enqueuers and the dispatcher get SIGKILL, and workers SIGSTOP past their lease. When
the time is over everything may finish, and `Soak.figures` looks at the evidence. `PROMISES` are the figures that
have to be zero.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

from support.box import PLAN_AGENT, Box
from support.running import Running
from support.spools import tokens_on_disk
from support.wait import wait_until
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.token import Placed

#: Seconds. The shortest that wf takes on a local disk is two.
LEASE = 3.0
#: Seconds for everything to finish when the time is over.
SETTLE = 180.0
#: Own jobs that are unfinished at a time, at least.
BACKLOG = 12
#: What has to be zero, and what it means.
PROMISES = {
    "lost": "acknowledged jobs that are in no directory",
    "doubled": "jobs that are in two directories",
    "stuck": "jobs that did not end when everything could finish",
    "started_twice": "agents that were started a second time for one attempt",
    "together": "agents that met a living agent of another attempt of their job",
    "accepted_twice": "jobs with two accepted successes and no `wf retry --force` between them",
    "redone": "jobs that ran again after an accepted success, without `wf retry --force`",
    "late_start": "attempts with an agent and without an outcome",
    "unsound": "findings of `wf spool verify`",
}

# The evidence of an attempt: which process it is (by pid and start time, which no other process has), whom it met of
# other attempts, and that it came to its end without having been told to end. A link is exclusive and complete.
AGENT = r"""
job=$1 attempt=$2 told=
cd "$EVIDENCE/$job" || exit 1
case $job in stubborn*) trap 'told=1' TERM ;; esac
started() { read -r line < "/proc/$1/stat"; set -- $line; echo "${1} ${22}"; }
lives() {
    { read -r line < "/proc/$1/stat"; } 2> /dev/null || return 1
    set -- "$2" $line
    [ "$4" != Z ] && [ "$4" != X ] && [ "${23}" = "$1" ]
}
started $$ > ".$$"
ln ".$$" "start.$attempt" 2> /dev/null || mv ".$$" "double.$attempt.$$"
for file in start.* child.*; do
    case $file in *".$attempt" | *"*") continue ;; esac
    { read -r pid start < "$file"; } 2> /dev/null || continue
    if lives "$pid" "$start"; then : > "together.$attempt.with.$file"; fi
done
case $job in child*)
    (trap '' TERM; exec setsid sleep 60) &
    started $! > ".c$$" && mv ".c$$" "child.$attempt" ;;
esac
sleep "0.$(($$ % 4))"
case $job in stubborn*) for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 0.1; done ;; esac
case $job in fails*) [ "$attempt" -gt 1 ] || exit 3 ;; esac
if [ -n "$told" ]; then : > "told.$attempt"; exit 0; fi
# Whoever is told to end between its note and its exit had not ended by itself.
trap 'mv "end.$attempt" "told.$attempt"; exit 9' TERM
: > "end.$attempt"
exit 0
"""
_KINDS = ("quick", "quick", "quick", "stubborn", "child", "fails")


@dataclass(slots=True)
class Stopped:
    """A worker that stands still, and until when."""

    worker: Running
    until: float


@dataclass
class Soak:
    """One soak. `run` makes the trouble, `settle` ends it, `figures` tells what came of it."""

    box: Box
    seed: int
    say: Callable[[str], None] = print
    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    operated: Counter[str] = field(default_factory=Counter)
    #: The jobs whose enqueue was acknowledged.
    jobs: list[str] = field(default_factory=list)
    epics: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.evidence = self.box.root.parent / "evidence"
        self.evidence.mkdir()
        agent = self.box.root.parent / "soak.sh"
        agent.write_text(f"EVIDENCE={self.evidence}\n{AGENT}", encoding="utf-8")
        plan_agent = {"adapter": "command", "argv": [sys.executable, "-P", str(PLAN_AGENT), str(self.box.notes)]}
        self.box.behave({})
        self.box.configure(
            runtimes={
                "shell": {"adapter": "command", "argv": ["sh", str(agent), "{job_id}", "{attempt}"]},
                "cursor": plan_agent,
                "opencode": plan_agent,
            },
            routing={"builder": {"runtime": "shell"}},
            retry={"max_attempts": 9, "backoff": {"base": "50ms", "factor": 1, "cap": "50ms"}},
            lease={"duration": f"{LEASE:g}s"},
        )
        self._workers: list[Running] = []
        self._stopped: list[Stopped] = []
        self._dying: list[tuple[Running, float, str]] = []
        self._forced: set[str] = set()
        #: The marks of the attempts whose launcher was killed.
        self._launcherless: set[str] = set()
        self._epic: str | None = None
        self._numbers = iter(range(10**9))
        self._dispatcher: Running | None = None

    # -- the trouble

    def run(self, minutes: float) -> None:
        """Work and trouble for so many minutes."""
        self._enqueue()
        for runtime, options in self._crew():
            self._start_worker(runtime, *options)
        end, said = time.monotonic() + minutes * 60, time.monotonic()
        while time.monotonic() < end:
            self._tick()
            if time.monotonic() - said > 60:
                said = time.monotonic()
                self.say(f"  {len(self.jobs)} jobs, {sum(self.kills.values())} kills, {self.stops} stops")
            time.sleep(0.05)

    def _crew(self) -> list[tuple[str, tuple[str, ...]]]:
        return [("shell", ("--concurrency", "2"))] * 3 + [("cursor", ()), ("opencode", ())]

    def _tick(self) -> None:
        now = time.monotonic()
        for stopped in [one for one in self._stopped if now >= one.until]:
            self._stopped.remove(stopped)
            self._signal(stopped.worker, signal.SIGCONT)
        for dying in [one for one in self._dying if now >= one[1]]:
            self._dying.remove(dying)
            if dying[0].runs:
                self.kills[dying[2]] += 1
                self._signal(dying[0], signal.SIGKILL)
        if self.chance.random() < 0.08:
            self._kill()
        if self.chance.random() < 0.02 and len(self._stopped) < 2:
            self._stop_a_worker()
        if self.chance.random() < 0.05:
            self._operate()
        if self.chance.random() < 0.1:
            self._keep_going()

    def _keep_going(self) -> None:
        """Jobs, an epic and a dispatcher, whatever was killed."""
        self.box.forget_ended()
        if sum(placed.status in LIVE for placed in self.box.tokens().values()) < BACKLOG:
            self._enqueue()
        if self._dispatcher is None or not self._dispatcher.runs:
            self._dispatcher = self.box.start("dispatch", "--watch")
        if self._epic is None:
            self._epic = self.box.epic("One", "Two", name=f"Soak {self.epics}")
            self.epics += 1
            self.box.wf("epic", "run", self._epic)
        elif self._has_ended(self._epic):
            self._start_operator("purge", "spool", "purge", "--epic", self._epic)
            self._epic = None

    def _has_ended(self, epic: str) -> bool:
        self.box.wf("epic", "status", epic)  # Notes that its plans are completed.
        (state,) = (self.box.root / "epics").glob(f"{epic}-*/state.json")
        return bool(json.loads(state.read_text(encoding="utf-8"))["phase"] == "completed")

    def _enqueue(self) -> None:
        keys = [f"{self.chance.choice(_KINDS)}-{next(self._numbers)}" for _ in range(8)]
        for key in keys:
            (self.evidence / key).mkdir()
        # A stubborn job that was cancelled and retried is first in the line again while its agent lives still.
        jobs = [{"key": key, "priority": 0 if key.startswith("stubborn") else 5} for key in keys]
        lines = "".join(json.dumps({**job, "role": "builder", "max_attempts": 9}) + "\n" for job in jobs)
        path = self.box.tmp / f"{keys[0]}.jsonl"
        path.write_text(lines, encoding="utf-8")
        if self.chance.random() < 0.3:  # An enqueuer that is killed has acknowledged nothing.
            self._dying.append((self.box.start("enqueue", "--from", str(path)), self._soon(), "enqueuer"))
            return
        if self.box.wf("enqueue", "--from", str(path), "--json").code == 0:
            self.jobs += keys

    def _soon(self) -> float:
        return time.monotonic() + self.chance.uniform(0, 0.4)

    def _kill(self) -> None:
        worker = self.chance.choice(self._workers)
        what = self.chance.choice(("worker", "worker", "launcher", "both", "dispatcher"))
        launchers = self._launchers(worker) if what in ("launcher", "both") else []
        if what == "dispatcher" and self._dispatcher is not None and self.chance.random() < 0.3:
            self.kills["dispatcher"] += 1
            self._signal(self._dispatcher, signal.SIGKILL)
        for launcher in launchers if what == "both" else launchers[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._launcherless.add(launcher.cmdline()[-1].removeprefix("wf-launcher "))
                launcher.kill()
                self.kills["launcher"] += 1
        if what in ("worker", "both"):
            self.kills["worker"] += 1
            self._signal(worker, signal.SIGKILL)
            self._stopped = [one for one in self._stopped if one.worker is not worker]
            runtime = worker.words[worker.words.index("--runtime") + 1]
            self._workers.remove(worker)
            self._start_worker(str(runtime), *(("--concurrency", "2") if runtime == "shell" else ()))

    def _launchers(self, worker: Running) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(worker.pid).children()
            return [one for one in below if any("wf-launcher" in word for word in one.cmdline())]
        return []

    def _stop_a_worker(self) -> None:
        still = {id(one.worker) for one in self._stopped}
        free = [worker for worker in self._workers if id(worker) not in still]
        worker = self.chance.choice(free)
        self.stops += 1
        self._signal(worker, signal.SIGSTOP)
        self._stopped.append(Stopped(worker, time.monotonic() + LEASE * self.chance.uniform(0.5, 2.0)))

    def _start_worker(self, runtime: str, *options: str) -> None:
        words = ("worker", "--runtime", runtime, "--watch", *options)
        self._workers.append(self.box.start(*words))

    def _signal(self, running: Running, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            running.process.send_signal(number)

    # -- the operators

    def _operate(self) -> None:
        tokens = [placed for placed in self.box.tokens().values() if "-" in placed.token.job_id]
        own = [placed for placed in tokens if placed.token.job_id.split("-")[0] in _KINDS]
        verb = self.chance.choice(
            ("cancel", "cancel", "retry", "force", "hold", "release", "gc", "verify", "fix", "ls")
        )
        match verb:
            case "gc":
                self._start_operator("gc", "spool", "gc", "--older", "20s")
            case "verify":
                self._start_operator("verify", "spool", "verify")
            case "fix":
                self._start_operator("fix", "spool", "verify", "--fix")
            case "ls":
                self._start_operator("ls", "spool", "ls")
            case "cancel":
                deaf = [one for one in own if one.token.job_id.startswith("stubborn")]
                if job := self._pick(deaf, Status.RUNNING) or self._pick(own, Status.CLAIMED, Status.QUEUED):
                    self.box.wf("cancel", job, *(("--no-wait",) if self.chance.random() < 0.7 else ("--grace", "1s")))
                    self.operated["cancel"] += 1
                    self._start_operator("retry", "retry", job)
            case "retry":
                if job := self._pick(own, Status.FAILED, Status.CANCELLED):
                    self._start_operator("retry", "retry", job)
            case "force":
                if job := self._pick(own, Status.SUCCEEDED):
                    self._forced.add(job)
                    self._start_operator("retry --force", "retry", "--force", job)
            case "hold":
                if job := self._pick(own, Status.QUEUED):
                    self._start_operator("hold", "hold", job)
            case "release":
                self._start_operator("release", "release", "--all")

    def _pick(self, placed: list[Placed], *statuses: Status) -> str | None:
        fit = [one.token.job_id for one in placed if one.status in statuses]
        return self.chance.choice(fit) if fit else None

    def _start_operator(self, name: str, *words: str) -> None:
        operator = self.box.start(*words)
        self.operated[name] += 1
        if self.chance.random() < 0.3:
            self._dying.append((operator, self._soon(), "operator"))

    # -- the end

    def settle(self) -> None:
        """Let everything finish: no trouble any more, and no job is held, cancelled half-way or out of attempts."""
        for stopped in self._stopped:
            self._signal(stopped.worker, signal.SIGCONT)
        for dying, _, _ in self._dying:
            if dying.runs:
                dying.ended()
        self._stopped, self._dying = [], []
        looked = 0.0

        def over() -> bool:
            nonlocal looked
            if time.monotonic() - looked > 2:
                looked = time.monotonic()
                self.box.wf("release", "--all")
                self.box.wf("retry", "--status", "failed")
            tokens = self.box.tokens()
            waiting = [job for job in self.jobs if job in tokens and tokens[job].status in (*LIVE, Status.FAILED)]
            return not waiting and (self._epic is None or self._has_ended(self._epic))

        with contextlib.suppress(AssertionError):  # What has not ended is counted as stuck.
            wait_until(over, SETTLE, "the end of all jobs")
        for worker in self._workers:
            self._signal(worker, signal.SIGTERM)
        for worker in self._workers:
            worker.process.wait(60)
        if self._dispatcher is not None:
            self._signal(self._dispatcher, signal.SIGINT)
            self._dispatcher.process.wait(60)

    def figures(self) -> dict[str, Any]:
        """What the evidence and the spool say. To be called after `settle`."""
        found = {name: list[str]() for name in PROMISES}
        again, unkept, attempts = list[str](), list[str](), 0
        names = Counter(placed.token.job_id for placed in _all_tokens(self.box))
        for job in self.jobs:
            if names[job] != 1:
                found["lost" if not names[job] else "doubled"].append(job)
        tokens = {placed.token.job_id: placed for placed in _all_tokens(self.box)}
        for folder in sorted(self.evidence.iterdir()):
            job = folder.name
            seen = os.listdir(folder)
            outcomes = self.box.outcomes(job)
            starts = sorted(int(name.split(".")[1]) for name in seen if name.startswith("start."))
            attempts += len(starts)
            found["started_twice"] += [f"{job}/{name}" for name in seen if name.startswith("double.")]
            found["together"] += [f"{job}/{name}" for name in seen if name.startswith("together.")]
            found["late_start"] += [f"{job}.a{n}" for n in starts if n not in outcomes]
            for n in _finished_again(seen, starts, outcomes):
                mark = f"{job}.a{n}.{outcomes[n].owner}"
                again.append(f"{mark}: {_why(outcomes[n])}")
                unkept += [mark] * (mark in self._launcherless)
            good = [n for n, outcome in outcomes.items() if outcome.end is End.SUCCEEDED]
            if job not in self._forced:
                found["accepted_twice"] += [job] * (len(good) > 1)
                found["redone"] += [job] * bool(good and starts and starts[-1] > good[0])
            if job in tokens and tokens[job].folder in ("queued", "claimed", "running", "held"):
                found["stuck"].append(f"{tokens[job].folder}/{tokens[job].token.name}")
        found["started_twice"] += self.box.notes_like("double.*")
        found["together"] += self.box.notes_like("overlap.*")
        if self._epic is not None and not self._has_ended(self._epic):
            found["stuck"].append(f"epic {self._epic}")
        verified = self.box.wf("spool", "verify", "--json")
        found["unsound"] = [str(one) for one in verified.document["findings"]]
        return {
            "seed": self.seed,
            "jobs": len(self.jobs),
            "attempts": attempts,
            "epics": self.epics,
            "kills": dict(self.kills),
            "stops": self.stops,
            "operators": dict(self.operated),
            "finished_again": again,
            "finished_again_with_launcher_killed": unkept,
            **found,
        }


def _finished_again(seen: list[str], starts: list[int], outcomes: dict[int, Outcome]) -> list[int]:
    """The attempts whose agent had finished, without being accepted or cancelled, before the job ran again."""
    ended = [int(name.split(".")[1]) for name in seen if name.startswith("end.")]
    return [
        n
        for n in ended
        if n in outcomes and outcomes[n].end in (End.LOST, End.RELEASED) and any(s > n for s in starts)
    ]


def _why(outcome: Outcome) -> str:
    said = outcome.reason or (outcome.failure.message if outcome.failure is not None else "")
    return f"{outcome.end}: {said}"


def _all_tokens(box: Box) -> list[Placed]:
    return tokens_on_disk(box.spool)


def told(figures: dict[str, Any], seconds: float) -> str:
    """The figures for people."""
    kills, again = sum(figures["kills"].values()), len(figures["finished_again"])
    unkept = len(figures["finished_again_with_launcher_killed"])
    lines = [
        f"{seconds / 60:.1f} minutes, seed {figures['seed']}: {figures['jobs']} jobs, {figures['attempts']} attempts "
        f"({figures['epics']} epics beside them), {kills} SIGKILLs, {figures['stops']} SIGSTOPs, "
        f"{sum(figures['operators'].values())} commands of operators",
        f"killed: {', '.join(f'{n} {what}s' for what, n in sorted(figures['kills'].items()))}",
        f"{again} finished agents ran again ({1000 * again / max(1, kills):.1f} in 1,000 kills); of {unkept} of them "
        "the launcher was killed as well, so nothing could keep the exit",
        *(f"      {one}" for one in figures["finished_again"][:20]),
    ]
    for name, meaning in PROMISES.items():
        found = figures[name]
        lines.append(f"{len(found):>5} {name}: {meaning}" + (f": {', '.join(found[:10])}" if found else ""))
    return "\n".join(lines)
