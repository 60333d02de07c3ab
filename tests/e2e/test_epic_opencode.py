"""The main job with the real OpenCode: an epic on two workers, its coder and fixer driven by a scripted model.

Cursor is the stand-in of ``support/cursor_agent.py``; everything else is what a user runs. Needs the binary
that ``make opencode`` installs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.scripted_model_server import ScriptedModelServer
from support.wait import wait_until
from wf_cli import proc
from wf_cli.contract.job import Outcome
from wf_cli.contract.token import mark
from wf_cli.spool import layout, records, scan
from wf_cli.spool.layout import Spool

pytestmark = [pytest.mark.opencode, pytest.mark.timeout(420)]

REPO = Path(__file__).parents[2]
OPENCODE = Path(os.environ.get("WF_TEST_OPENCODE") or REPO / ".cache/opencode/node_modules/.bin/opencode")
CURSOR = Path(__file__).parents[1] / "support" / "cursor_agent.py"
WF = Path(sys.executable).with_name("wf")

# The reviewer of the stand-in looks for work/<plan>/<item>.txt. Two plans of one checkout may commit at once.
WORK = (
    "set -e; dir=work/$(basename plans/{{plan}}-*); mkdir -p $dir; "
    "for id in $(grep -oE '^- \\[ \\] \\[T[0-9]+\\]' plans/{{plan}}-*/todo.md | grep -oE 'T[0-9]+'); do "
    "date +%s%N >> $dir/$id.txt; "
    'wf todo implemented {{plan}} "$id" --test="test -s $dir/$id.txt" --output="exit 0"; done; '
    "until git add $dir && git commit -qm 'work on plan {{plan}}' -- $dir; do sleep 0.2; done; echo worked"
)


def bash(command: str, description: str) -> dict[str, Any]:
    """A model's turn that calls the shell tool."""
    arguments = {"command": command, "description": description, "timeout": 600_000}
    return {"text": "Working.", "tool_calls": [{"name": "bash", "arguments": arguments}]}


#: From the work to the hand-over.
TURNS: list[dict[str, Any]] = [
    bash(WORK, "Work"),
    {"expect": "worked", **bash("wf finish-code {{plan}}", "Hand over")},
    {"expect": "awaiting_review", "text": "Plan {{plan}} is handed over."},
]
FIRST = r"You are the (?:coder|fixer) of plan (?P<plan>\d+)"
#: What a session is told that is resumed.
AGAIN = {"name": "again", "prompt": r"You worked on this step of plan (?P<plan>\d+) before", "turns": TURNS}
SCRIPT: dict[str, Any] = {
    "models": ["scripted"],
    "no_tools": {"text": "A title"},
    "default": {"text": "Nothing to do."},
    "agents": [AGAIN, {"name": "coder or fixer", "prompt": FIRST, "turns": TURNS}],
}


def script(*turns: dict[str, Any]) -> dict[str, Any]:
    """`SCRIPT` with other turns for the first attempt at a step."""
    return {**SCRIPT, "agents": [AGAIN, {"name": "first", "prompt": FIRST, "turns": list(turns)}]}


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Iterator[ScriptedModelServer]:
    """The model; a test gives its script with ``indirect``."""
    if not OPENCODE.exists():
        pytest.skip(f"the real OpenCode is not installed at {OPENCODE}: `make opencode` installs it")
    with ScriptedModelServer(getattr(request, "param", SCRIPT)) as server:
        yield server


def opencode_config(url: str) -> dict[str, Any]:
    model = {"name": "Scripted", "tool_call": True, "limit": {"context": 128000, "output": 8192}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": url, "apiKey": "x"},
        "models": {"scripted": {**model, "cost": {"input": 1, "output": 2}}},
    }
    return {
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "share": "disabled",
        "snapshot": False,
        "lsp": False,
        "formatter": False,
        "enabled_providers": ["scripted"],
        "provider": {"scripted": provider},
    }


class Checkout:
    """A fresh repository, with `wf` on PATH and homes of its own for every program."""

    def __init__(self, root: Path, home: Path, url: str):
        self.root = root
        home.mkdir()
        root.mkdir()
        self.environ = {
            "PATH": f"{WF.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "WF_FAKE_CURSOR_OPTIONS": json.dumps({"reject_once": ["02"]}),
            "OPENCODE_CONFIG_CONTENT": json.dumps(opencode_config(url)),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER": "1",
            **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "t"), ("EMAIL", "t@example.invalid"))
            },
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        self.followers: list[subprocess.Popen[str]] = []

    def run(self, *argv: str | Path, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in argv],
            cwd=self.root,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def wf(self, *words: str, **more: Any) -> str:
        done = self.run(WF, *words, **more)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def start_worker(self, runtime: str, *options: str) -> subprocess.Popen[bytes]:
        with open(self.root.parent / f"{runtime}.log", "ab") as log:
            worker = subprocess.Popen(
                [WF, "worker", "--runtime", runtime, "--watch", *options],
                cwd=self.root,
                env={**self.environ, "WF_DISTRIBUTED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def follow(self, epic: str = "01") -> subprocess.Popen[str]:
        """Run an epic and stay with it; `followed` waits for its end."""
        follower = subprocess.Popen(
            [WF, "epic", "run", epic, "--follow", "--json"],
            cwd=self.root,
            env={**self.environ, "WF_DISTRIBUTED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.followers.append(follower)
        return follower

    def followed(self, follower: subprocess.Popen[str], timeout: float = 300) -> None:
        """The epic has completed."""
        out, _ = follower.communicate(timeout=timeout)
        assert follower.returncode == 0, out + self.logs()
        assert json.loads(out)["end"] == "completed"

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.root.parent.glob("*.log")))

    @property
    def spool(self) -> Spool:
        return layout.open_spool(self.root / ".wf" / "spool")

    def outcome(self, job_id: str, attempt: int) -> Outcome:
        found = records.read_outcome(self.spool, job_id, attempt)
        assert found is not None
        return found

    def close(self) -> None:
        for follower in self.followers:
            if follower.poll() is None:
                follower.kill()
            follower.wait(timeout=60)
            if follower.stdout is not None:
                follower.stdout.close()
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(timeout=60)


@pytest.fixture
def checkout(tmp_path: Path, model: ScriptedModelServer) -> Iterator[Checkout]:
    there = Checkout(tmp_path / "repo", tmp_path / "home", model.url)
    config = f"""\
version: 1
retry: {{backoff: {{base: 1s, cap: 2s}}}}
runtimes:
  opencode: {{adapter: opencode, command: ["{OPENCODE}"]}}
  cursor: {{adapter: cursor, command: ["{sys.executable}", "{CURSOR}"]}}
"""
    (there.root / "wf.config.yaml").write_text(config)
    there.run("git", "init", "-q")
    there.wf("init")
    there.wf("set-model", "gpt-5.2")
    there.wf("epic", "create", "Two things")
    epic = next((there.root / "epics").iterdir()) / "epic.md"
    epic.write_text("# Epic: Two things\n\n## Goal\n\nBoth.\n\n## Scope\n\n- Plan 1: First\n- Plan 2: Second\n")
    there.run("git", "add", "-A")
    there.run("git", "commit", "-qm", "start")
    yield there
    there.close()


def jobs_of(checkout: Checkout) -> dict[str, dict[str, Any]]:
    document = json.loads(checkout.wf("spool", "ls", "--json", WF_DISTRIBUTED="1"))
    return {job["job_id"]: job for job in document["jobs"]}


def test_an_epic_of_two_plans_completes_on_both_pools(checkout: Checkout) -> None:
    for runtime in ("cursor", "opencode"):
        checkout.start_worker(runtime)
    done = checkout.run(WF, "epic", "run", "01", "--follow", timeout=360, WF_DISTRIBUTED="1")
    assert done.returncode == 0, done.stdout + done.stderr + checkout.logs()
    jobs = jobs_of(checkout)
    assert {job["status"] for job in jobs.values()} == {"succeeded"}
    under = {"orchestrator": "cursor", "plan-reviewer": "cursor", "plan-coder": "opencode", "plan-fixer": "opencode"}
    assert all(job["runtime"] == under[job["role"]] for job in jobs.values())
    assert "e01-p02-i0-fix-plan-fixer" in jobs, "the rejected plan went through the fix loop"
    history = checkout.run("git", "log", "--oneline").stdout
    assert "work on plan 01" in history
    assert "work on plan 02" in history
    rounds = [len(path.read_text().split()) for path in (checkout.root / "work").glob("02-*/*.txt")]
    assert sorted(rounds)[-1] == 2, "the rejected item was worked on twice"
    assert json.loads(checkout.wf("spool", "verify", "--json"))["findings"] == []
    assert json.loads(checkout.wf("epic", "status", "01", "--json"))["epic_phase"] == "completed"


@pytest.mark.parametrize("model", [script(bash("touch started; sleep 600", "Think hard"))], indirect=True)
def test_i1_a_worker_killed_in_the_middle_of_a_command_leaves_no_process_and_attempt_2_resumes_the_session(
    checkout: Checkout, model: ScriptedModelServer
) -> None:
    job = "e01-p01-i0-code-plan-coder"
    checkout.start_worker("cursor")
    first = checkout.start_worker("opencode")
    follower = checkout.follow()
    wait_until((checkout.root / "started").exists, 180)
    (token,) = [t for t in scan.listing(checkout.spool, "running") if t.job_id == job]
    there = proc.marked(mark(token))
    assert len(there) >= 3, "the ACP client, OpenCode, and its shell in a session of its own"
    first.kill()
    first.wait()
    wait_until(lambda: not any(proc.alive(*ref) for ref in there), 30)
    assert proc.marked(mark(token)) == []

    checkout.start_worker("opencode")
    wait_until(lambda: jobs_of(checkout)[job]["status"] == "succeeded", 180)
    assert jobs_of(checkout)[job]["attempt"] == 2
    lost, done = checkout.outcome(job, 1), checkout.outcome(job, 2)
    assert (str(lost.end), lost.failure and lost.failure.code) == ("lost", "lost")
    assert lost.session_id is not None
    assert done.session_id == lost.session_id
    told = next(request for request in model.requests if request["agent"] == "again")
    assert told["prompt"].startswith("## Attempt 2 at the same step")
    assert told["messages"] > 3, "the session knows what was said in the first attempt"
    assert "# Carry out plan" not in told["prompt"]
    follower.kill()


LIMIT = {"status": 429, "error": "Rate limit reached for requests", "headers": {"retry-after": "40"}}


@pytest.mark.parametrize("model", [script({**TURNS[0], "fail": [LIMIT]}, *TURNS[1:])], indirect=True)
def test_a_429_with_retry_after_parks_the_pool_and_work_goes_on_after_it(checkout: Checkout) -> None:
    job = "e01-p01-i0-code-plan-coder"
    for runtime in ("cursor", "opencode"):
        checkout.start_worker(runtime)
    follower = checkout.follow()
    cooldown = checkout.root / ".wf/spool/control/cooldown.opencode.json"
    wait_until(cooldown.exists, 180)
    stops = json.loads(checkout.wf("spool", "ls", "--json", WF_DISTRIBUTED="1"))["stops"]
    assert [(stop["kind"], stop["runtime"]) for stop in stops] == [("cooldown", "opencode")]
    assert "runtime opencode is cooling down until" in checkout.wf("explain", job, WF_DISTRIBUTED="1")
    wait_until(lambda: jobs_of(checkout)[job]["status"] == "succeeded", 240)
    assert (jobs_of(checkout)[job]["attempt"], jobs_of(checkout)[job]["burned"]) == (2, 0)
    parked = checkout.outcome(job, 1)
    assert parked.failure is not None
    assert parked.failure.code == "rate_limited"
    assert parked.failure.retry_after_s == pytest.approx(40, abs=8)
    assert parked.disposition.delay_s >= 20
    follower.kill()


def test_two_epics_on_two_workers_of_the_pool_at_once(checkout: Checkout) -> None:
    config = checkout.root / "wf.config.yaml"
    config.write_text(config.read_text() + "epic: {max_parallel_plans: 2}\n")
    checkout.wf("epic", "create", "A third thing")
    (second,) = (checkout.root / "epics").glob("02-*")
    (second / "epic.md").write_text("# Epic: A third thing\n\n## Scope\n\n- Plan 1: Third\n")
    checkout.start_worker("cursor", "--concurrency", "2")
    for name in ("one", "two"):
        checkout.start_worker("opencode", "--id", name)
    followers = [checkout.follow("01"), checkout.follow("02")]
    for follower in followers:
        checkout.followed(follower, 400)
    jobs = jobs_of(checkout)
    assert {job["status"] for job in jobs.values()} == {"succeeded"}
    assert {job["epic_id"] for job in jobs.values()} == {"01", "02"}
    codes = [checkout.outcome(job_id, job["attempt"]) for job_id, job in jobs.items() if job["role"] == "plan-coder"]
    assert len({outcome.owner for outcome in codes}) == 2, "both workers had a part in it"
    assert json.loads(checkout.wf("spool", "verify", "--json"))["findings"] == []


#: What the model declares for the document of docs/examples, which names no plans.
DECLARED = """- title: Queue, contract and workers
  goal: Jobs have a contract, a queue and workers that recover what a crashed one left.
- title: Configuration, observability and rollout
  goal: One file configures it, the command line shows it, and it is off by default.
  after: [1]
"""
PLAN = (
    "set -e; dir=$(echo plans/{{plan}}-*); "
    'printf "# The plan\\n\\nWrite the files.\\n" > $dir/plan.md; '
    'printf -- "- [ ] [T1] the first file\\n- [ ] [T2] the second file\\n" > $dir/todo.md; echo planned'
)
SPLIT_SCRIPT: dict[str, Any] = {
    **SCRIPT,
    "agents": [
        AGAIN,
        {"name": "coder or fixer", "prompt": FIRST, "turns": TURNS},
        {
            "name": "splitter",
            "prompt": r"You are the orchestrator of epic (?P<epic>\d+)",
            "turns": [
                bash(f"wf epic plans set {{{{epic}}}} --from - <<'EOF'\n{DECLARED}EOF", "Declare"),
                {"expect": "2 plans are declared", "text": "Two plans."},
            ],
        },
        {
            "name": "planner",
            "prompt": r"You are the planner of plan (?P<plan>\d+)",
            "turns": [bash(PLAN, "Plan"), {"expect": "planned", "text": "Planned."}],
        },
    ],
}


@pytest.mark.parametrize("model", [SPLIT_SCRIPT], indirect=True)
def test_opencode_splits_the_document_of_a_person_and_the_epic_completes(
    checkout: Checkout, model: ScriptedModelServer
) -> None:
    document = REPO / "docs" / "examples" / "distributed-orchestration.md"
    path = next((checkout.root / "epics").iterdir()) / "epic.md"
    path.write_bytes(document.read_bytes())
    checkout.wf("config", "set", "routing.orchestrator.runtime", "opencode")
    for runtime in ("cursor", "opencode"):
        checkout.start_worker(runtime)
    done = checkout.run(WF, "epic", "run", "01", "--follow", timeout=360, WF_DISTRIBUTED="1")
    assert done.returncode == 0, done.stdout + done.stderr + checkout.logs()
    assert path.read_bytes() == document.read_bytes()
    jobs = jobs_of(checkout)
    assert {job["status"] for job in jobs.values()} == {"succeeded"}
    assert jobs["e01-i0-split-orchestrator"]["runtime"] == "opencode"
    names = sorted(plan.name for plan in (checkout.root / "plans").iterdir())
    assert names == ["01-queue-contract-and-workers", "02-configuration-observability-and-rollout"]
    assert json.loads(checkout.wf("spool", "verify", "--json"))["findings"] == []
