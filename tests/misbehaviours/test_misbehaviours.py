"""Whatever an agent runtime does, the attempt ends, costs what its failure's class says, and leaves nothing running.

A job of one's own, a worker, a launcher and a stand-in for the runtime, all of them real; the rows are in
`table`. That an attempt ended within its clock shows in its code: nothing here measures time.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from misbehaviours.table import CLASSES, COSTS, PAIRS, ROWS, Cost, Row
from support import forked_launchers, spools
from wf_cli import proc
from wf_cli.app import App
from wf_cli.attempt import briefing
from wf_cli.attempt.cooldown import FIRST_WAIT
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import HOST_DELAY, PARKED_DELAY, Ending
from wf_cli.contract.token import Pool, Token, mark
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest
from wf_cli.runtimes.base import Launch, Request
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.process.transcript import SIZE_LIMIT, TRUNCATED
from wf_cli.spool.layout import Spool

pytestmark = pytest.mark.timeout(110)

SUPPORT = Path(__file__).parents[1] / "support"
#: Long enough for a busy machine; a row about a clock has its own.
LONG = {"startup": "60s", "stall": "60s", "max_runtime": "90s"}
#: Seconds, as short as a start on a busy machine allows: the startup clock includes no work at all.
SHORT = {"startup": "1500ms", "stall": "1500ms", "max_runtime": "4s"}
#: Seconds from SIGTERM to SIGKILL, enough for a cancelled turn on a busy machine; five, usually.
GRACE = 1.0
PROGRAMS = {"opencode": "opencode", "cursor": "cursor-agent"}
#: The session of a first attempt, which nobody knows any more, and all that it would be told.
GONE = "sess-gone"
NEWS = "what is new"
#: Seconds for a login; twenty, usually.
LOGIN_LIMIT = 1.5


@dataclass(frozen=True)
class Stage:
    """A project with a runtime that misbehaves."""

    row: Row
    runtime: str
    protocol: str
    folder: Path

    @property
    def pool(self) -> Pool:
        return Pool("coder", self.runtime)

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    def set_up(self) -> App:
        for name in ("project", "home", "bin"):
            (self.folder / name).mkdir()
        self._install()
        config = {
            "version": 1,
            "mode": "distributed",
            "spool": {"durability": "none"},
            "timeouts": {**LONG, **({self.row.clock: SHORT[self.row.clock]} if self.row.clock else {})},
            "retry": {"max_attempts": 3, "backoff": {"base": "0s", "cap": "0s"}},
            "routing": {
                "coder": {
                    "runtime": self.runtime,
                    "timeouts": {"grace": f"{GRACE:g}s"},
                    **({"model": self.row.model} if self.row.model else {}),
                }
            },
            "runtimes": {
                self.runtime: {
                    "adapter": self.runtime,
                    "protocol": self.protocol,
                    "options": self.row.options,
                    **({"permissions": self.row.permissions} if self.row.permissions else {}),
                }
            },
        }
        (self.folder / "project" / "wf.config.json").write_text(json.dumps(config))
        told = json.dumps(self.row.told(f"{self.runtime}-{self.protocol}"))
        environment = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.defpath}",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "WF_FAKE_OPENCODE": told,
            "WF_FAKE_CURSOR": told,
            "WF_FAKE_NOTES": str(self.notes),
            **({"WF_FAKE_OPENCODE_VERSION": self.row.version} if self.row.version else {}),
        }
        return App(self.folder / "project", environment)

    def _install(self) -> None:
        path = self.folder / "bin" / PROGRAMS[self.runtime]
        agent = SUPPORT / f"{self.runtime}_agent.py"
        match self.row.program:
            case "missing":
                return
            case "broken":
                path.write_bytes(b"\x7fELF broken")
            case "another agent":
                path = path.with_name("agent")
                path.write_text("#!/bin/sh\necho puppet 7.1.0\n")
            case program:
                path = path.with_name("agent") if program == "agent" else path
                path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{agent}" "$@"\n')
        path.chmod(0o644 if self.row.program == "not executable" else 0o755)

    def noted(self, what: str) -> list[dict[str, Any]]:
        """What the stand-in has told us."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [found for found in map(json.loads, lines) if found["what"] == what]


@dataclass(frozen=True)
class Attempt:
    """What one attempt left."""

    stage: Stage
    spool: Spool
    token: Token
    folder: str
    outcome: Outcome
    #: What the worker said.
    said: list[str]

    @property
    def code(self) -> str | None:
        return None if self.outcome.failure is None else self.outcome.failure.code

    @property
    def cause(self) -> str | None:
        """The code that the agent's end has by itself: a refusal keeps it in its details."""
        failure = self.outcome.failure
        return failure.details["as"] if failure is not None and failure.code == "refused" else self.code

    @property
    def transcript(self) -> Path:
        return self.spool.transcript_path(self.token.job_id, self.token.attempt)

    @property
    def cool_down(self) -> dict[str, Any] | None:
        path = self.spool.path("control", f"cooldown.{self.stage.runtime}.json")
        found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
        return found

    def story(self) -> str:
        """For messages."""
        shown = self.transcript.read_bytes()[-3000:].decode("utf-8", "replace") if self.transcript.exists() else "-"
        return "\n".join([*self.said, json.dumps(self.outcome.to_json(), indent=1)[:4000], shown])


def run(stage: Stage) -> Attempt:
    """One attempt, by a worker that goes home afterwards."""
    app = stage.set_up()
    spool = app.create_spool()
    queue = app.queue(spool)
    request = JobRequest(stage.pool.role, stage.runtime, key="job", payload=stage.row.payload)
    job_id = queue.enqueue(request).job_id
    if stage.row.resumes:
        lose_the_first_attempt(queue, stage.pool)
    said: list[str] = []
    worker = app.worker(spool, runtime=stage.runtime, pools=frozenset({stage.pool}), say=said.append, max_jobs=1)
    assert worker.run().processed == 1, said
    placed = queue.find(job_id)
    assert placed is not None
    outcome = queue.outcome(job_id, placed.token.attempt)
    assert outcome is not None
    return Attempt(stage, spool, placed.token, placed.folder, outcome, said)


def lose_the_first_attempt(queue: SpoolQueue, pool: Pool) -> None:
    token = spools.run_one(queue, "w-box-1", pool)
    queue.end(
        token, Ending(End.FAILED, failure=Failure("crashed", "boom"), session_id=GONE, started_ms=1), by="w-box-1"
    )
    queue.rescan()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A login has little time, and a session that is resumed is not told everything again, as in a plan's step."""
    launch = CursorAdapter.launch

    def hurried(self: CursorAdapter, request: Request) -> Launch:
        found = launch(self, request)
        if not found.stdin.startswith(b"{"):
            return found
        return replace(found, stdin=json.dumps({**json.loads(found.stdin), "auth_limit_s": LOGIN_LIMIT}).encode())

    monkeypatch.setattr(CursorAdapter, "launch", hurried)
    monkeypatch.setattr(briefing, "resume_prompt", lambda *_: NEWS)


@pytest.fixture
def launchers(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    if row.forks:
        forked_launchers.install(monkeypatch)


@pytest.fixture
def nothing_left(launchers: None) -> Iterator[None]:
    """Nothing below this process is left by a test, whatever its environment."""
    before = set(proc.descendants(os.getpid()))
    yield
    left = set(proc.descendants(os.getpid())) - before
    for ref in left:
        proc.kill_tree([ref.pid], grace_s=0)
        proc.send(ref, 9)
    assert left == set()


CASES = [pytest.param(row, *pair.split("-"), id=f"{pair}-{row.name}") for row in ROWS for pair in row.pairs]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("row", "runtime", "protocol"), CASES)
def test_misbehaviour(row: Row, runtime: str, protocol: str, tmp_path: Path) -> None:
    attempt = run(Stage(row, runtime, protocol, tmp_path))
    story = attempt.story()
    assert attempt.cause == row.code, story
    assert_costs_what_it_should(attempt, story)
    assert_says_what_is_known(attempt, story)
    # Its processes, in whatever session, and those that have lost their mark.
    owned = replace(attempt.token, owner=attempt.outcome.owner)
    assert proc.marked(mark(owned)) == []
    for process in attempt.stage.noted("process"):
        assert proc.start_token(process["pid"]) is None, story
    if attempt.transcript.exists():
        assert attempt.transcript.stat().st_size <= SIZE_LIMIT + len(TRUNCATED)
    assert spools.problems(attempt.spool) == []


def test_an_agent_gets_the_grace_of_its_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graces: list[float] = []
    launch = CursorAdapter.launch

    def noting(self: CursorAdapter, request: Request) -> Launch:
        graces.append(request.limits.grace_s)
        return launch(self, request)

    monkeypatch.setattr(CursorAdapter, "launch", noting)
    assert run(Stage(Row("nothing wrong", {"mode": ""}, None), "cursor", "print", tmp_path)).code is None
    assert graces == [GRACE]


@pytest.mark.parametrize("runtime", ["opencode", "cursor"])
def test_an_agent_that_is_silent_in_its_first_request_burns_nothing(runtime: str, tmp_path: Path) -> None:
    """Many agents repeat a request that their provider refuses, and tell nobody (`wf_cli.attempt.refusals`)."""
    row = Row("silent", {"mode": "silent"}, "stall", clock="stall")
    attempt = run(Stage(row, runtime, "acp", tmp_path))
    story = attempt.story()
    assert (attempt.code, attempt.cause) == ("refused", "stall"), story
    assert_costs_what_it_should(attempt, story)


def assert_costs_what_it_should(attempt: Attempt, story: str) -> None:
    """The classes and their costs: docs/explanation/attempts.md."""
    row, failure = attempt.stage.row, attempt.outcome.failure
    kind = CLASSES[attempt.code]
    # One refusal of an unknown kind does not park the pool.
    cost = Cost(0, "queued") if attempt.code == "refused" else COSTS[kind]
    if failure is not None:
        assert failure.error_class == kind
    earlier = 1 if row.resumes else 0
    assert (attempt.token.attempt, attempt.token.burned, attempt.folder) == (
        earlier + 1,
        earlier + cost.burned,
        cost.folder,
    ), story
    cool_down = attempt.cool_down
    assert (cool_down is not None) is cost.cools_down, story
    if kind == "host":
        assert attempt.token.delay_s == HOST_DELAY
        assert any("no claims for 30 s" in line for line in attempt.said)
    if cool_down is not None:
        first_s = FIRST_WAIT.get(attempt.code or "", PARKED_DELAY)
        low, high = row.retry_after or (first_s, first_s)
        assert low <= cool_down["seconds"] <= high, story
        assert low <= attempt.token.delay_s <= high + 1, story


def assert_says_what_is_known(attempt: Attempt, story: str) -> None:
    """The clock that ended it, the provider's time, and the session for the next attempt."""
    row, outcome = attempt.stage.row, attempt.outcome
    if outcome.failure is None:
        assert outcome.session_id not in (None, GONE), story
    else:
        assert row.says in outcome.failure.message, story
        assert outcome.failure.details.get("stopped") == row.clock, story
        if row.session is not None:
            assert (outcome.session_id is not None) is row.session, story
        waits = outcome.failure.retry_after_s
        assert (waits is not None) is (row.retry_after is not None), story
    prompts = attempt.stage.noted("prompt")
    if prompts and row.payload == "do it":
        # A new session has not heard the prompt of an earlier one.
        assert row.payload in prompts[-1]["text"], story


def test_the_table_covers_every_pair() -> None:
    names = {row.name for row in ROWS}
    assert len(names) >= 25
    for pair in PAIRS:
        assert sum(pair in row.pairs for row in ROWS) >= 25, pair
    assert {CLASSES[row.code] for row in ROWS} == set(COSTS)
