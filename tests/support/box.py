"""`wf` in a project of its own: real processes in a cleared environment, none of which stays.

Every process below a `Box` carries its mark in the environment, so that `Box.close` can tell whether anything
was left, in whatever session it hides.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from support import fork_server
from support.running import HANG, WF, Done, Running
from support.spools import tokens_on_disk
from support.wait import wait_until
from wf_cli import ids, proc
from wf_cli.app import App
from wf_cli.contract.job import Outcome
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed
from wf_cli.spool import layout, records, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import Agent

#: In the environment of every process of a box.
MARK = "WFTEST_BOX"
PLAN_AGENT = Path(__file__).parent / "plan_agent.py"
#: From SIGTERM to SIGKILL, in which agents that are not deaf can end on a busy machine; 5s, usually.
GRACE = "1s"
#: Back-off that a test can wait for.
FAST_RETRY = {"max_attempts": 3, "backoff": {"base": "50ms", "factor": 1, "cap": "50ms"}}


class Box:
    """A project, a home and everything that runs in them."""

    def __init__(self, folder: Path):
        self.root, self.home, self.notes = folder / "project", folder / "home", folder / "notes"
        self._logs, self.tmp = folder / "logs", folder / "tmp"
        for path in (self.root, self.home, self.notes, self._logs, self.tmp):
            path.mkdir()
        self.mark = ids.nonce()
        self.environ = {
            "PATH": f"{Path(WF).parent}{os.pathsep}{os.defpath}",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            MARK: self.mark,
        }
        #: Whether what goes on by itself is forked, too. A test of how a program is started does not want that.
        self.forks = True
        self._forks_agents = False
        self._started: list[Running] = []

    # -- the project

    def configure(self, **values: Any) -> None:
        """Write wf.config.json; the mode is on unless said otherwise."""
        config = {"version": 1, "mode": "distributed", "retry": FAST_RETRY, **values}
        config["timeouts"] = {"grace": GRACE, **values.get("timeouts", {})}
        part = self.root / ".config.part"
        part.write_text(json.dumps(config, indent=2), encoding="utf-8")
        part.replace(self.root / "wf.config.json")

    def shell(self, script: str, **values: Any) -> None:
        """A runtime ``shell`` for the role ``builder`` that runs a POSIX script: $1 is the job, $2 the attempt.

        ``$N`` is a folder for notes.
        """
        path = self.notes.parent / "agent.sh"
        path.write_text(f"N={self.notes}\n{script}", encoding="utf-8")
        self.configure(
            runtimes={"shell": {"adapter": "command", "argv": ["sh", str(path), "{job_id}", "{attempt}"]}},
            routing={"builder": {"runtime": "shell"}},
            **values,
        )

    def plan_agents(self, behaviour: Mapping[str, Any] | None = None, **values: Any) -> None:
        """Both pools run `plan_agent` with this behaviour (see there). Forked workers fork for it, too."""
        self._forks_agents = True
        self.behave(behaviour or {})
        agent = {"adapter": "command", "argv": [sys.executable, "-P", str(PLAN_AGENT), str(self.notes)]}
        self.configure(runtimes={"cursor": agent, "opencode": agent}, **values)

    def behave(self, behaviour: Mapping[str, Any]) -> None:
        """How `plan_agent` behaves from now on."""
        part = self.notes / ".behaviour.part"
        part.write_text(json.dumps(behaviour), encoding="utf-8")
        part.replace(self.notes / "behaviour.json")

    def epic(self, *titles: str, name: str = "Big") -> str:
        """A new epic that declares plans with these titles; its id."""
        self.ok("epic", "create", name)
        epic_id = self.ok("epic", "list", "--json").document["epic_ids"][-1]
        (folder,) = (self.root / "epics").glob(f"{epic_id}-*")
        scope = "".join(f"- Plan {i}: {title}\n" for i, title in enumerate(titles, 1))
        text = f"# Epic: {name}\n\n## Goal\n\nBe big.\n\n## Scope\n\n{scope}\n## Success Criteria\n"
        (folder / "epic.md").write_text(text, encoding="utf-8")
        return str(epic_id)

    def plan(self, plan_id: str) -> Path:
        """The folder of a plan."""
        (folder,) = (self.root / "plans").glob(f"{plan_id}-*")
        return folder

    def phase(self, plan_id: str) -> str:
        """The phase of a plan, ``gone`` for one that is not there."""
        try:
            state = json.loads((self.plan(plan_id) / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "gone"
        return str(state["phase"])

    def tree(self, *folders: str) -> str:
        """A digest of all names and contents below these folders of the project."""
        digest = hashlib.sha256()
        for folder in folders or ("plans", "epics"):
            for path in sorted((self.root / folder).rglob("*")):
                digest.update(f"{path.relative_to(self.root)}\0".encode())
                if path.is_file():
                    digest.update(path.read_bytes())
        return digest.hexdigest()

    def note(self, name: str, text: str = "") -> None:
        """Make a note for agents, complete at once."""
        part = self.notes / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(self.notes / name)

    def noted(self, name: str, deadline_s: float = HANG) -> str:
        """Wait for a note; its text."""
        wait_until((self.notes / name).exists, deadline_s, f"the note {name}")
        return (self.notes / name).read_text(encoding="utf-8")

    def notes_like(self, pattern: str) -> list[str]:
        """The names of notes that fit."""
        return sorted(path.name for path in self.notes.glob(pattern))

    # -- commands

    def wf(
        self, *words: str, env: Mapping[str, str | None] | None = None, stdin: str = "", deadline_s: float = HANG
    ) -> Done:
        """Run a command to its end. ``env`` adds variables, None removes one.

        The command is forked (`fork_server`): a Python start for each takes half of the time of these tests.
        """
        given = {**self.environ, **(env or {})}
        environ = {key: value for key, value in given.items() if value is not None}
        if fork_server.fits(environ):
            ended = fork_server.server().run(
                words,
                cwd=self.root,
                env=environ,
                stdin=stdin.encode(),
                timeout=deadline_s,
                agents=self._forks_agents,
            )
            return Done(ended.code, _text(ended.out), _text(ended.err))
        return self.installed(*words, environ=environ, stdin=stdin, deadline_s=deadline_s)

    def installed(
        self, *words: str, environ: Mapping[str, str] | None = None, stdin: str = "", deadline_s: float = HANG
    ) -> Done:
        """Run the installed `wf`."""
        done = subprocess.run(
            [WF, *words],
            cwd=self.root,
            env=dict(self.environ if environ is None else environ),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=deadline_s,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, env: Mapping[str, str | None] | None = None) -> Done:
        """A command that succeeds."""
        done = self.wf(*words, env=env)
        assert done.code == 0, f"wf {' '.join(words)}: {done.text}"
        return done

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> Running:
        """A command that goes on by itself."""
        environ = {**self.environ, **(env or {})}
        running = Running(words, self.root, environ, self._logs, forks=self.forks, agents=self._forks_agents)
        self._started.append(running)
        return running

    def worker(self, runtime: str = "shell", *options: str) -> Running:
        """A watching worker, with its session open (unless there is no spool yet)."""
        worker = self.start("worker", "--runtime", runtime, "--watch", *options)
        if layout.exists(self.spool_root):
            assert worker.owner
        return worker

    def enqueue(self, *keys: str, **fields: Any) -> list[str]:
        """Own jobs for the builder; their ids."""
        lines = "".join(json.dumps({"role": "builder", "key": key, **fields}) + "\n" for key in keys)
        path = self.tmp / f"{ids.nonce()}.jsonl"
        path.write_text(lines, encoding="utf-8")
        found = self.ok("enqueue", "--from", str(path), "--json").document
        job_ids: list[str] = found["job_ids"]
        return job_ids

    # -- looking

    @property
    def spool_root(self) -> Path:
        return self.root / ".wf" / "spool"

    @property
    def spool(self) -> Spool:
        return layout.open_spool(self.spool_root)

    @property
    def app(self) -> App:
        """The library's view of the project, for what no command does."""
        return App(self.root, self.environ)

    def tokens(self) -> dict[str, Placed]:
        """Job id -> token. While workers are busy a token may be missed: use it in conditions."""
        return {placed.token.job_id: placed for placed in tokens_on_disk(self.spool)}

    def status(self, job_id: str) -> Status | None:
        """Where a job is; None when it is not (or was just moving)."""
        placed = self.tokens().get(job_id)
        return None if placed is None else placed.status

    def await_status(self, job_id: str, *wanted: Status, attempt: int | None = None) -> Placed:
        """Wait until a job is there; its token."""
        found: list[Placed] = []

        def there() -> bool:
            placed = self.tokens().get(job_id)
            if placed is None or placed.status not in wanted or attempt not in (None, placed.token.attempt):
                return False
            found.append(placed)
            return True

        try:
            wait_until(there, HANG, f"{job_id} {'/'.join(wanted)}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None
        return found[-1]

    def outcome(self, job_id: str, attempt: int) -> Outcome | None:
        return records.read_outcome(self.spool, job_id, attempt)

    def outcomes(self, job_id: str) -> dict[int, Outcome]:
        """Every accepted outcome of a job."""
        spool, found = self.spool, {}
        for path in sorted(spool.folder("outcomes").glob(f"{job_id}.a*.json")):
            number = path.name.split(".")[1].removeprefix("a")
            if number.isdigit() and path.name.count(".") == 2:
                outcome = records.read_outcome(spool, job_id, int(number))
                assert outcome is not None
                found[int(number)] = outcome
        return found

    def late(self) -> list[str]:
        """The names of late results."""
        return sorted(path.name for path in self.spool.folder("outcomes").glob("*.late.json"))

    def agent_of(self, worker: Running) -> Agent:
        """The launcher of the one agent that a worker runs."""

        def agents() -> tuple[Agent, ...]:
            record = session.read(self.spool, worker.owner)
            return record.agents if record is not None else ()

        wait_until(agents, HANG, "an agent on record")
        return agents()[0]

    def assert_sound(self) -> None:
        """`wf spool verify` finds nothing, and no token lies in claimed/ or running/."""
        done = self.wf("spool", "verify", "--json")
        assert done.code == 0, done.text
        assert done.document["findings"] == []
        assert [p for p in self.tokens().values() if p.status in (Status.CLAIMED, Status.RUNNING)] == []

    def events(self) -> list[dict[str, Any]]:
        """The whole log."""
        done = self.ok("events", "--json")
        return [json.loads(line) for line in done.out.splitlines()]

    def story(self) -> str:
        """Everything that was said, for messages."""
        parts = [f"--- {path.name}\n{path.read_text(errors='replace')}" for path in sorted(self._logs.iterdir())]
        tokens = (
            sorted(f"{p.folder}/{p.token.name}" for p in self.tokens().values()) if self.spool_root.exists() else []
        )
        return "\n".join([*(part[-3000:] for part in parts), *tokens])

    # -- the end

    def forget_ended(self) -> None:
        """Let go of the processes that have ended: each holds a descriptor until somebody has asked for its end."""
        self._started = [running for running in self._started if running.runs]

    def close(self) -> None:
        """End everything. AssertionError when more is left than the workers take with them."""
        for running in self._started:
            if running.runs:
                running.signal(signal.SIGCONT)
                running.process.kill()
        for running in self._started:
            running.process.wait(HANG)
        try:
            self.await_empty()  # a killed worker's launchers end their agents by themselves
        except AssertionError:
            left = [(p.pid, p.info["cmdline"]) for p in self.processes()]
            for process in self.processes():
                process.kill()
            raise AssertionError(f"left running: {left}") from None

    def await_empty(self, deadline_s: float = HANG / 2) -> None:
        """Wait until nothing of this box runs any more."""
        wait_until(lambda: not self.processes(), deadline_s, "the end of all processes of this box")

    def processes(self) -> list[psutil.Process]:
        """Everything living that carries the mark of this box."""
        found = []
        for process in psutil.process_iter(["environ", "status", "cmdline"]):
            environ = process.info["environ"] or {}
            if environ.get(MARK) == self.mark and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


def _text(data: bytes) -> str:
    """As `subprocess` decodes it."""
    return io.TextIOWrapper(io.BytesIO(data), "utf-8").read()


def refs(pids: Iterable[int]) -> list[proc.ProcessRef]:
    """These processes, to ask later whether they live."""
    return [proc.ProcessRef(pid, proc.start_token(pid) or "gone") for pid in pids]


def all_gone(processes: Iterable[proc.ProcessRef]) -> bool:
    return not any(proc.alive(*ref) for ref in processes)


def await_gone(processes: Iterable[proc.ProcessRef], what: str = "the processes' end") -> None:
    found = list(processes)
    wait_until(lambda: all_gone(found), HANG, what)


def eventually(condition: Callable[[], object], what: str, box: Box) -> None:
    """`wait_until` that tells the box's story when it fails."""
    try:
        wait_until(condition, HANG, what)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{box.story()}") from None
