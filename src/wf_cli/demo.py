"""`wf demo`: an epic in a scratch repository, run to its end by two pools, with one worker killed on the way.

The demo runs the commands that a user would, in processes of their own. Only the agents are scripted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wf_cli import filesystems, fsio, git, mounts, proc
from wf_cli.app import App
from wf_cli.contract.lifecycle import Status
from wf_cli.errors import WfError
from wf_cli.filesystems import Kind
from wf_cli.frozen import frozen
from wf_cli.spool import session
from wf_cli.views.progress import EpicProgress, look
from wf_cli.workflow import epics

#: The seconds that the epic may take. Three plans usually take twenty.
DEADLINE = 80.0
#: Seconds between two looks.
POLL = 0.2

_TITLES = (
    "parser", "report", "packaging", "logging", "search", "export", "import", "cache", "login",
)  # fmt: skip


@frozen
class Killed:
    """The worker that the demo killed, and the attempt that it was running."""

    owner: str
    pid: int
    job_id: str
    attempt: int


class Demo:
    """One demo in a scratch folder: `prepare`, `start`, `watch`, and always `close`, which ends its processes."""

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        *,
        plans: int = 3,
        runtime: str | None = None,
        document: str | None = None,
    ):
        """``document`` takes the place of the demo's own epic.md, and is split if it declares no plans."""
        self.root = root
        self._document = document
        self._plans = plans
        self._runtime = runtime
        keep = {k: v for k, v in git.without_redirects(environ).items() if not k.startswith("WF_")}
        self._environ = {**keep, "GIT_TERMINAL_PROMPT": "0"}
        self.app = App(root, self._environ)
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: Killed | None = None
        self.recovered = False

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make the repository, the configuration and the epic. Raises WfError when the folder is not empty."""
        self.root.mkdir(parents=True, exist_ok=True)
        if any(self.root.iterdir()):
            raise WfError(f"{self.root} is not empty", hint="name a new folder with --keep")
        self._git("init", "-q")
        self._git("config", "user.name", "wf demo")
        self._git("config", "user.email", "demo@example.invalid")
        fsio.write_atomic(self.root / "README.md", "# A scratch repository of wf demo\n", durable=False)
        fsio.write_atomic(self.root / "wf.config.yaml", _config(self.root, self._runtime), durable=False)
        say("$ wf init && wf set-model gpt-5.2")
        self._wf("init")
        self._wf("set-model", "gpt-5.2")
        say('$ wf epic create "Demo"')
        self._wf("epic", "create", "Demo")
        epic = epics.all_epics(self.app.project())[0]
        names = [_TITLES[i % len(_TITLES)] for i in range(self._plans)]
        scope = "".join(f"- Plan {i}: {name}\n" for i, name in enumerate(names, 1))
        goal = "Show an epic running by itself."
        text = f"# Epic: Demo\n\n## Goal\n\n{goal}\n\n## Scope\n\n{scope}\n## Success Criteria\n"
        fsio.write_atomic(epic.epic_md, self._document or text, durable=False)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "start")

    def start(self, say: Callable[[str], None]) -> None:
        """Start the workers, each in a process of its own, and then the epic."""
        for name, runtime in (("cursor-1", "cursor"), ("opencode-1", "opencode"), ("opencode-2", "opencode")):
            self._start_worker(name, runtime, say)
        say("$ wf epic run 01")
        self._wf("epic", "run", "01")

    def watch(self, show: Callable[[EpicProgress], None], say: Callable[[str], None]) -> EpicProgress:
        """Show the progress until the epic ends or the deadline passes. Kills the first coding agent's worker."""
        project = self.app.project()
        spool = self.app.create_spool()
        queue = self.app.queue(spool)
        dispatcher = self.app.dispatcher(spool)
        epic = epics.all_epics(project)[0]
        begin = self.app.clock.monotonic()
        while True:
            now = look(project, queue, epic, dispatcher.reconcile())
            show(now)
            if now.end is not None or self.app.clock.monotonic() - begin > DEADLINE:
                return now
            self._maybe_kill(now, say)
            self._notice_recovery(now, say)
            self.app.clock.sleep(POLL)

    def _maybe_kill(self, now: EpicProgress, say: Callable[[str], None]) -> None:
        if self.killed is not None:
            return
        for line in now.plans:
            if line.status is not Status.RUNNING or line.job_id is None or "-code-" not in line.job_id:
                continue
            record = session.read(self.app.open_spool(), line.owner or "")
            if record is None or not any(agent.job_id == line.job_id for agent in record.agents):
                continue
            os.kill(record.pid, signal.SIGKILL)
            self.killed = Killed(record.owner, record.pid, line.job_id, line.attempt)
            say(f"--- kill -9 {record.pid}: worker {record.owner} dies while its agent works on {line.job_id} ---")

    def _notice_recovery(self, now: EpicProgress, say: Callable[[str], None]) -> None:
        if self.killed is None or self.recovered:
            return
        for line in now.plans:
            if line.job_id == self.killed.job_id and line.attempt > self.killed.attempt:
                self.recovered = True
                say(f"--- {line.job_id} was recovered: attempt {line.attempt} on {line.owner or line.runtime} ---")

    def close(self) -> None:
        """Drain the workers, and kill those that have not ended after 10 s. Further calls do nothing."""
        for process in self._workers.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._workers.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._workers.clear()

    def summary(self) -> dict[str, Any]:
        """The jobs with their attempts and owners, the recovered job, the commits, and the findings of verify."""
        from wf_cli.spool.verify import verify

        spool = self.app.open_spool()
        queue = self.app.queue(spool)
        jobs = []
        for placed in sorted(queue.placed(), key=lambda p: p.token.time_ms):
            token = placed.token
            attempts = []
            for number in range(1, token.attempt + 1):
                outcome = queue.outcome(token.job_id, number)
                if outcome is None:
                    continue
                duration = (outcome.at_ms - outcome.started_ms) / 1000 if outcome.started_ms else None
                attempts.append(
                    {"attempt": number, "owner": outcome.owner, "status": str(outcome.end), "duration_s": duration}
                )
            jobs.append(
                {
                    "job_id": token.job_id,
                    "status": str(placed.status),
                    "runtime": token.pool.runtime,
                    "role": token.pool.role,
                    "attempts": attempts,
                }
            )
        commits = self._git("log", "--oneline").count("\n")
        return {
            "jobs": jobs,
            "recovered": self.killed.job_id if self.killed is not None and self.recovered else None,
            "commits": commits,
            "findings": [finding.path for finding in verify(spool, self.app.clock)],
        }

    # -- small parts

    def _start_worker(self, name: str, runtime: str, say: Callable[[str], None]) -> None:
        say(f"$ wf worker --runtime {runtime} --watch --id {name} &")
        logs = self.root / ".wf" / "demo"
        logs.mkdir(parents=True, exist_ok=True)
        with open(logs / f"{name}.log", "wb") as log:
            self._workers[name] = subprocess.Popen(
                [*_WF, "worker", "--runtime", runtime, "--watch", "--id", name],
                cwd=self.root,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only the demo, which then drains them
                preexec_fn=proc.die_with_parent,  # on Linux they die with a killed demo
            )

    def _wf(self, *args: str) -> None:
        done = subprocess.run(
            [*_WF, *args], cwd=self.root, env=self._environ, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise WfError(f"`wf {' '.join(args)}` failed in the demo: {done.stderr.strip() or done.stdout.strip()}")

    def _git(self, *args: str) -> str:
        return git.need(self.root, *args, environ=self._environ).text


_WF = (sys.executable, "-m", "wf_cli")


def _config(root: Path, runtime: str | None) -> str:
    """The demo's configuration. Both runtimes are scripted, unless ``runtime`` asks for the real OpenCode."""
    on_network = filesystems.kind(mounts.of(root)) in (Kind.NETWORK, Kind.UNKNOWN)
    lines = [
        "version: 1",
        "mode: distributed",
        "spool: {topology: shared}" if on_network else "lease: {duration: 10s}",
        "retry: {max_attempts: 3, backoff: {base: 1s, factor: 2, cap: 5s}}",
        "runtimes:",
        "  cursor: {adapter: scripted, options: {delay: 0.25, reject_once: ['02']}}",
    ]
    if runtime == "opencode":
        lines.append("  opencode: {adapter: opencode, command: [opencode]}")
    else:
        lines.append("  opencode: {adapter: scripted, options: {delay: 0.4}}")
    return "\n".join(lines) + "\n"
