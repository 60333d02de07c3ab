"""A project with real agents in it, driven by the commands that a person types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.programs import Agent
from wf_cli import proc
from wf_cli.contract.token import mark
from wf_cli.spool import layout, scan
from wf_cli.spool.layout import Spool

WF = Path(sys.executable).with_name("wf")


class Bed:
    """A fresh repository and a home of its own; `close` ends what is left."""

    def __init__(self, folder: Path, agents: Mapping[str, Agent], config: Mapping[str, Any]):
        self.root, home = folder / "repo", folder / "home"
        self.root.mkdir()
        home.mkdir()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.environ = {
            "PATH": f"{WF.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "t"), ("EMAIL", "t@example.invalid"))
            },
        }
        runtimes = {}
        for name, agent in agents.items():
            runtimes[name] = {"adapter": agent.name, **agent.runtime, "env": dict(agent.environment)}
            for path, text in agent.files.items():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                (home / path).write_text(text)
        # A loaded machine starts these programs slowly, and none of the tests is about that.
        timeouts = {"startup": "10m"}
        whole = {"version": 1, "mode": "distributed", "timeouts": timeouts, "runtimes": runtimes, **config}
        # JSON is YAML, too.
        (self.root / "wf.config.yaml").write_text(json.dumps(whole))
        self.run("git", "init", "-q")

    def run(self, *argv: str | Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in argv],
            cwd=self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def wf(self, *words: str) -> str:
        done = self.run(WF, *words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def work(self, runtime: str, prompt: str, key: str = "job-1", role: str = "doer") -> dict[str, Any]:
        """Enqueue a job of one's own and let one worker make one attempt: the record of the job."""
        self.wf("enqueue", "--role", role, "--runtime", runtime, "--key", key, "--payload", json.dumps(prompt))
        self.attempt(runtime, role)
        return self.record(key)

    def attempt(self, runtime: str, role: str = "doer") -> None:
        done = self.run(WF, "worker", role, "--runtime", runtime, "--once")
        assert done.returncode == 0, done.stderr + done.stdout

    def record(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.wf("spool", "show", job, "--json"))
        return found

    def start_worker(self, runtime: str, *words: str) -> subprocess.Popen[bytes]:
        with open(self.root.parent / f"{runtime}.log", "ab") as log:
            worker = subprocess.Popen(
                [WF, "worker", *words, "--runtime", runtime, "--watch"],
                cwd=self.root,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    @property
    def spool(self) -> Spool:
        return layout.open_spool(self.root / ".wf" / "spool")

    def processes(self) -> list[proc.ProcessRef]:
        """The processes of the attempts that are running."""
        return [ref for token in scan.listing(self.spool, "running") for ref in proc.marked(mark(token))]

    def left_over(self) -> list[str]:
        """Command lines of processes that work in the checkout and belong to nobody."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and Path(os.readlink(entry / "cwd")) == self.root:
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue
        return found

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.root.parent.glob("*.log")))

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.workers:
            worker.wait(timeout=90)
