"""Agents inside an editor: `wf job` with its keeper process, and the same over MCP. Everything is a real process."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.box import HANG, WF, Box, Done, await_gone, eventually, refs
from support.scripted_model_server import ScriptedModelServer
from wf_cli import git, proc
from wf_cli.app import App
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import parse_mark
from wf_cli.editor import ancestry
from wf_cli.editor.request import Request
from wf_cli.editor.starting import StartedKeeper
from wf_cli.spool import session

pytestmark = pytest.mark.timeout(240)

TODO = "- [ ] [T1] first\n"
REVIEW = """# Review

## T1

- intent_match: pass
- behavior_match: pass
- test_adequacy: pass
- risk: low
- code_refs: work/a.py:1
"""
#: Runs a shell command, as an editor's agent does, and stays until its stdin ends.
EDITOR = "import subprocess, sys; subprocess.run(['sh', '-c', sys.argv[1]]); sys.stdin.read()"


class Editor:
    """A process that is no shell and no `wf`, and runs commands through a shell."""

    def __init__(self, box: Box, *commands: str):
        self._box = box
        script = "\n".join(["set -e", *commands])
        self.process = subprocess.Popen(
            [sys.executable, "-c", EDITOR, script],
            cwd=box.root,
            env=box.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def editor(box: Box) -> Iterator[Callable[..., Editor]]:
    """Starts editors, which end with the test."""
    started: list[Editor] = []

    def start(*commands: str) -> Editor:
        started.append(Editor(box, *commands))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def take(box: Box, *options: str, runtime: str = "shell", env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The job that `wf job next` hands out."""
    return box.ok("job", "next", "--runtime", runtime, "--json", *options, env=env).document


def verb(box: Box, verb: str, job: Mapping[str, Any], *options: str) -> Done:
    """A verb on the job's token, as its agent would say it."""
    return box.wf("job", verb, job["token"], "--json", *options, env=job["environment"])


def keeper_of(box: Box, job: Mapping[str, Any]) -> proc.ProcessRef:
    """The process that keeps the job."""
    parsed = parse_mark(job["token"])
    assert parsed is not None
    record = session.read(box.spool, parsed[2])
    assert record is not None
    (found,) = refs([record.pid])
    return found


def note_next(box: Box, name: str, *options: str) -> str:
    """A shell command that takes a job and notes it."""
    words = shlex.join([WF, "job", "next", "--runtime", "shell", "--json", *options])
    return f"{words} > {box.notes}/.{name}; mv {box.notes}/.{name} {box.notes}/{name}"


def coding(box: Box) -> dict[str, Any]:
    """The coder's job of a plan with one item."""
    box.configure()
    box.ok("plan", "parser")
    (box.plan("01") / "plan.md").write_text("# parser\n")
    (box.plan("01") / "todo.md").write_text(TODO)
    box.ok("code", "01")
    return take(box, "--role", "plan-coder", runtime="opencode")


# -- the whole way


def test_an_own_job_is_taken_done_and_finished(box: Box) -> None:
    box.shell("exit 1")
    (job_id,) = box.enqueue("one", payload={"n": 1})
    job = take(box)
    assert (job["job_id"], job["attempt"], job["role"], job["runtime"]) == (job_id, 1, "builder", "shell")
    assert job["payload"] == {"n": 1}
    assert job["prompt"] is None
    assert job["environment"]["WF_JOB_TOKEN"] == job["token"]
    assert box.status(job_id) is Status.RUNNING
    keeper = keeper_of(box, job)
    assert verb(box, "heartbeat", job).document["idle_s"] == 1800
    assert verb(box, "finish", job, "--result", '{"n": 2}').document["to"] == "done"
    record = session.read(box.spool, str(box.outcomes(job_id)[1].owner))
    assert record is not None
    assert record.state == "stopped", "the keeper has let go when finish returns"
    outcome = box.outcomes(job_id)[1]
    assert (outcome.end, outcome.by, outcome.result) == (End.SUCCEEDED, outcome.owner, {"n": 2})
    assert outcome.started_ms is not None
    again = verb(box, "finish", job, "--result", '{"n": 3}')
    assert (again.code, box.outcomes(job_id)[1].result) == (0, {"n": 2}), "an agent that says it twice is right twice"
    await_gone([keeper])
    assert list(box.spool.folder("control").iterdir()) == []
    box.assert_sound()


def test_a_plan_is_coded_and_reviewed_by_agents_inside_editors(project: Box) -> None:
    job = coding(project)
    env, keeper = job["environment"], keeper_of(project, job)
    assert (job["plan_id"], project.phase("01")) == ("01", "coding")
    assert "You are the coder of plan 01" in job["prompt"]
    assert f"wf job finish {job['token']}" in job["prompt"]
    early = verb(project, "finish", job)
    assert (early.code, early.document["error"]) == (1, "NO_CHANGE")
    assert any("T1" in error for error in early.document["errors"]), "the gate's own errors"
    assert project.status(job["job_id"]) is Status.RUNNING, "the agent repairs it, and finishes again"
    told = project.wf("job", "finish", job["token"], env=env)
    assert (told.code, "- " in told.out) == (1, True)
    (project.root / "parser.py").write_text("parse = int\n")
    assert verb(project, "finish", job).document["error"] == "GATE_FAILED"
    project.ok("todo", "implemented", "01", "T1", "--test", "make check", "--output", "ok", env=env)
    done = verb(project, "finish", job)  # the check runs the finish-code that was forgotten
    assert (done.code, done.document["status"]) == (0, "succeeded"), done.text
    assert project.phase("01") == "awaiting_review"
    await_gone([keeper])

    review = take(project, runtime="cursor")  # the next step is there at once, and the checkout is free
    assert (review["role"], project.phase("01")) == ("plan-reviewer", "reviewing")
    (project.plan("01") / "review.md").write_text(REVIEW)
    assert verb(project, "finish", review).code == 1
    project.ok("todo", "accept", "01", "T1", env=review["environment"])
    project.ok("done", "01", env=review["environment"])
    assert verb(project, "finish", review).code == 0
    assert project.phase("01") == "completed"
    project.assert_sound()


def test_the_text_form_has_export_lines_and_the_prompt(box: Box) -> None:
    box.shell("exit 1")
    box.enqueue("one", payload={"text": "it's"})
    done = box.ok("job", "next", "--runtime", "shell")
    exports = [line for line in done.out.splitlines() if line.startswith("export ")]
    (unset,) = [line for line in done.out.splitlines() if line.startswith("unset ")]
    environ = {**os.environ, **dict.fromkeys(git.REDIRECTS, "/elsewhere")}

    def shell(command: str) -> str:
        script = "\n".join([*exports, unset, command])
        return subprocess.run(["sh", "-ec", script], env=environ, capture_output=True, text=True, check=True).stdout

    names = {line.partition("=")[0] for line in shell("env").splitlines()}
    assert not names & git.REDIRECTS, "a worker's agents do not inherit them either"
    shown = shell('printf %s "$WF_JOB_TOKEN $WF_ROLE $WF_ROOT"')
    token, role, root = shown.split(" ", 2)
    assert (role, root) == ("builder", str(box.root))
    assert "it's" in done.out
    assert box.wf("job", "release", token, "--reason", "lunch", "--delay", "1h").code == 0
    assert box.outcomes("one")[1].reason == "lunch"
    assert box.tokens()["one"].token.delay_s == 3600


# -- no job, and no second one


def test_no_job_is_exit_75_and_says_why(box: Box) -> None:
    box.shell("exit 1")
    none = box.wf("job", "next", "--runtime", "shell", "--json")
    assert (none.code, none.document["error"]) == (75, "NO_JOB")
    box.enqueue("one")
    assert box.wf("job", "next", "--runtime", "cursor").code == 75, "another pool's"
    box.ok("pause", "--reason", "tea")
    paused = box.wf("job", "next", "--runtime", "shell")
    assert (paused.code, "tea" in paused.err) == (75, True)
    assert box.status("one") is Status.QUEUED
    assert box.wf("job", "next", "--runtime", "nobody").code == 3
    off = box.wf("job", "next", "--runtime", "shell", env={"WF_DISTRIBUTED": "0"})
    assert off.code == 4


@pytest.mark.parametrize(
    "words",
    [
        ("job", "next", "--runtime", "shell"),
        ("worker", "--runtime", "shell"),
        ("worker", "--runtime", "shell", "--once"),
        ("dispatch",),
    ],
)
def test_with_nothing_to_do_no_file_is_left(box: Box, words: tuple[str, ...]) -> None:
    box.shell("exit 1")
    (held,) = box.enqueue("one")
    box.ok("hold", held)
    before = _files(box)
    for _ in range(2):
        assert box.wf(*words).code == (75 if words[0] == "job" else 0)
        box.await_empty()
    assert _files(box) == before


def test_a_session_that_gave_a_dead_one_s_job_back_is_remembered(box: Box) -> None:
    """Its events and its record say who did it and by which rule."""
    box.shell("exit 1")
    box.enqueue("one")
    job = take(box)
    os.kill(keeper_of(box, job).pid, signal.SIGKILL)
    box.await_empty()
    assert box.wf("job", "next", "--runtime", "cursor").code == 75
    logs = (box.spool.root / "log").iterdir()
    assert any("job.reaped" in log.read_text() for log in logs)


def _files(box: Box) -> list[str]:
    """All files but the one lock of all reconciles, which stays."""
    files = (str(path.relative_to(box.root)) for path in box.root.rglob("*") if path.is_file())
    return sorted(name for name in files if not name.endswith("locks/all.dispatch.lock"))


def test_next_waits_for_a_job(box: Box) -> None:
    box.shell("exit 1")
    waiting = box.start("job", "next", "--runtime", "shell", "--wait", "60s", "--json")
    (job_id,) = box.enqueue("one")
    job = waiting.ended().document
    assert job["job_id"] == job_id
    assert verb(box, "finish", job).code == 0


def test_nobody_waits_for_a_command_that_was_killed(box: Box) -> None:
    box.shell("exit 1")
    (job_id,) = box.enqueue("one")
    box.ok("hold", job_id)
    waiting = box.start("job", "next", "--runtime", "shell", "--wait", "60s")
    eventually(lambda: session.owners(box.spool), "the keeper's session", box)
    waiting.kill()
    box.await_empty()
    box.ok("release", job_id)
    assert box.status(job_id) is Status.QUEUED
    box.assert_sound()


def test_an_agent_that_has_a_job_gets_no_second_one(box: Box) -> None:
    box.shell("exit 1")
    box.enqueue("one", "two")
    job = take(box)
    second = box.wf("job", "next", "--runtime", "shell", "--json", env=job["environment"])
    assert (second.code, second.document["error"]) == (4, "HAS_JOB")
    assert verb(box, "finish", job).code == 0
    other = take(box, env=job["environment"])  # what is left in its shell of the job before does not matter
    assert other["job_id"] != job["job_id"]
    assert verb(box, "finish", other).code == 0


def test_two_editors_at_once_get_different_jobs(box: Box) -> None:
    box.shell("exit 1")
    box.enqueue("one", "two")
    both = [box.start("job", "next", "--runtime", "shell", "--json") for _ in range(2)]
    jobs = [running.ended().document for running in both]
    assert {job["job_id"] for job in jobs} == {"one", "two"}
    assert {job["attempt"] for job in jobs} == {1}
    for job in jobs:
        assert verb(box, "finish", job).code == 0
    box.assert_sound()


def test_the_checkout_belongs_to_one_plan_at_a_time(project: Box) -> None:
    job = coding(project)
    project.ok("plan", "printer")
    (project.plan("02") / "plan.md").write_text("# printer\n")
    (project.plan("02") / "todo.md").write_text(TODO)
    project.ok("code", "02")
    other = project.wf("job", "next", "--runtime", "opencode")
    assert (other.code, "checkout" in other.err) == (75, True), other.text
    assert verb(project, "release", job, "--delay", "1h").code == 0
    assert take(project, runtime="opencode")["plan_id"] == "02"
    (running,) = (p.token.job_id for p in project.tokens().values() if p.status is Status.RUNNING)
    project.ok("cancel", running)


# -- ends that the agent does not choose


def test_the_editor_is_killed_and_its_job_is_queued_again(box: Box, editor: Callable[..., Editor]) -> None:
    box.shell("exit 1")
    (job_id,) = box.enqueue("one")
    stray = f'WF_JOB_TOKEN=$(sed -n \'s/.*"token": "\\(.*\\)",/\\1/p\' {box.notes}/job) setsid sleep 600 &'
    one = editor(note_next(box, "job"), stray, f"touch {box.notes}/stray")
    job = json.loads(box.noted("job"))
    box.noted("stray")
    eventually(lambda: proc.marked(job["token"]), "a process of the attempt", box)
    keeper, strays = keeper_of(box, job), proc.marked(job["token"])
    one.kill()
    placed = box.await_status(job_id, Status.QUEUED)
    assert placed.token.delay_s <= 1, "claimable again within 5 s"
    outcome = box.outcomes(job_id)[1]
    assert (outcome.end, outcome.burned) == (End.RELEASED, 0)
    assert "is gone" in str(outcome.reason)
    await_gone([keeper, *strays], "the keeper's end, and that of what the agent had started")
    assert verb(box, "finish", job).code == 4
    box.assert_sound()


def test_a_silent_agent_loses_its_job_to_the_idle_limit(box: Box) -> None:
    box.shell("exit 1")
    (job_id,) = box.enqueue("one")
    job = take(box, "--idle", "200ms")
    keeper = keeper_of(box, job)
    box.await_status(job_id, Status.QUEUED)
    assert "nothing was heard" in str(box.outcomes(job_id)[1].reason)
    await_gone([keeper])
    assert verb(box, "heartbeat", job).code == 4
    box.assert_sound()


def test_i1_the_job_of_a_killed_keeper_is_reaped_and_done_by_a_worker(box: Box) -> None:
    box.shell("exit 0")
    (job_id,) = box.enqueue("one")
    job = take(box)
    environ = {**box.environ, **job["environment"]}
    stray = subprocess.Popen(["sleep", "600"], env=environ, start_new_session=True)
    try:
        os.kill(keeper_of(box, job).pid, signal.SIGKILL)
        worker = box.worker()
        assert stray.wait(HANG) < 0, "the reaper ended what the agent had started"
    finally:
        stray.kill()
        stray.wait()
    box.await_status(job_id, Status.SUCCEEDED)
    assert {n: o.end for n, o in box.outcomes(job_id).items()} == {1: End.LOST, 2: End.SUCCEEDED}
    assert verb(box, "finish", job, "--result", '{"late": true}').code == 4
    assert len(box.late()) == 1, "invariant 5: the late result is kept"
    worker.stop()
    take_none = box.wf("job", "next", "--runtime", "shell")
    assert take_none.code == 75
    assert list(box.spool.folder("control").iterdir()) == [], "what the killed keeper left was cleared away"


def test_a_keeper_that_is_told_to_end_gives_its_job_back(box: Box) -> None:
    box.shell("exit 1")
    (job_id,) = box.enqueue("one")
    keeper = keeper_of(box, take(box))
    os.kill(keeper.pid, signal.SIGTERM)
    await_gone([keeper])
    assert box.status(job_id) is Status.QUEUED
    box.assert_sound()


def test_a_keeper_does_not_outlive_its_spool_and_never_makes_it_again(box: Box) -> None:
    box.shell("exit 1")
    box.enqueue("one")
    job = take(box)
    keeper = keeper_of(box, job)
    box.spool_root.rename(box.tmp / "moved-away")
    await_gone([keeper])
    assert not box.spool_root.exists()
    assert verb(box, "finish", job).code == 4


def test_a_job_that_nobody_took_over_goes_back(box: Box) -> None:
    box.shell("exit 1")
    (job_id,) = box.enqueue("one")
    app = App(box.root, box.environ)
    with StartedKeeper(app, Request("shell", ("builder",), ancestry.editor_of())) as started:
        keeper = keeper_of(box, started.job().to_json())
    await_gone([keeper])
    assert box.status(job_id) is Status.QUEUED
    assert box.outcomes(job_id)[1].reason == "nobody took the job over"


def test_invariant_2_a_superseded_agent_is_refused_and_changes_nothing(project: Box) -> None:
    job = coding(project)
    keeper = keeper_of(project, job)
    project.ok("cancel", job["job_id"])
    await_gone([keeper])
    before = project.tree("plans", ".wf/spool")
    for words in (["finish"], ["heartbeat"], ["release"], ["fail", "--message", "no"]):
        done = verb(project, words[0], job, *words[1:])
        assert (done.code, done.document["error"]) == (4, "STALE_ATTEMPT"), done.text
    done = project.wf("todo", "implemented", "01", "T1", "--test", "x", "--output", "y", env=job["environment"])
    assert done.code == 4
    assert project.tree("plans", ".wf/spool") == before
    project.assert_sound()


def test_failures_cost_what_their_class_says(box: Box) -> None:
    box.shell("exit 1", retry={"max_attempts": 3})
    box.enqueue("one", "two")
    job = take(box)
    assert verb(box, "fail", job, "--code", "nonsense", "--message", "x").code == 2
    assert box.status(job["job_id"]) is Status.RUNNING
    failed = verb(box, "fail", job, "--code", "policy_denied", "--message", "it would drop a table")
    assert (failed.code, failed.document["to"]) == (0, "dead")
    failure = box.outcomes(job["job_id"])[1].failure
    assert failure is not None
    assert failure.message == "it would drop a table"
    parked = verb(box, "fail", take(box), "--code", "usage_limit", "--message", "until tomorrow")
    assert parked.document["to"] == "queued"
    cooling = box.wf("job", "next", "--runtime", "shell")
    assert (cooling.code, "cooling down" in cooling.err) == (75, True)


def test_a_workers_job_is_not_the_agents_to_end(box: Box) -> None:
    box.shell('echo "$WF_JOB_TOKEN" > $N/.t; mv $N/.t $N/token; while [ ! -e $N/go ]; do sleep 0.05; done')
    (job_id,) = box.enqueue("one")
    worker = box.worker()
    token = box.noted("token").strip()
    assert box.wf("job", "finish", token).code == 4
    assert box.status(job_id) is Status.RUNNING
    box.note("go")
    box.await_status(job_id, Status.SUCCEEDED)
    worker.stop()


# -- MCP


def test_mcp_serves_the_whole_cycle(project: Box) -> None:
    anyio = pytest.importorskip("anyio")
    pytest.importorskip("mcp")
    from mcp import Client, StdioServerParameters

    project.configure()
    project.ok("plan", "parser")
    (project.plan("01") / "plan.md").write_text("# parser\n")
    (project.plan("01") / "todo.md").write_text(TODO)
    project.ok("code", "01")
    words = ["mcp", "--runtime", "opencode"]
    server = StdioServerParameters(command=WF, args=words, env=project.environ, cwd=project.root)

    async def cycle() -> None:
        async with Client(server) as client:

            async def call(tool: str, **arguments: Any) -> tuple[bool, Any]:
                result = await client.call_tool(tool, arguments)
                text = "".join(getattr(block, "text", "") for block in result.content)
                return bool(result.is_error), text if result.is_error else json.loads(text)

            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {"next_job", "heartbeat", "finish", "fail", "release", "job_context"}
            assert (await call("next_job", runtime="cursor", wait="0s"))[1]["job"] is None
            failed, taken = await call("next_job", wait="10s")
            assert not failed, taken
            job = taken["job"]
            token = job["token"]
            assert (job["plan_id"], project.phase("01")) == ("01", "coding")
            failed, told = await call("next_job", wait="0s")
            assert failed
            assert "HAS_JOB" in told
            assert (await call("heartbeat", token=token))[1]["idle_s"] == 1800
            failed, told = await call("finish", token=token)
            assert failed
            assert "NO_CHANGE" in told
            assert "T1" in told
            (project.root / "parser.py").write_text("parse = int\n")
            resource = await client.read_resource(f"wf://job/{token}")
            content = json.loads(resource.contents[0].text)  # type: ignore[union-attr]
            assert content["prompt"] == job["prompt"]
            assert content["plan"]["content"]["todo"] == TODO
            implemented = ("todo", "implemented", "01", "T1", "--test", "make check", "--output", "ok")
            project.ok(*implemented, env=job["environment"])
            assert (await call("finish", token=token))[1]["status"] == "succeeded"
            assert project.phase("01") == "awaiting_review"
            failed, told = await call("heartbeat", token=token)
            assert failed
            assert "STALE_ATTEMPT" in told
            review = (await call("next_job", runtime="cursor", wait="10s"))[1]["job"]
            released = (await call("release", token=review["token"], reason="not mine", delay="1h"))[1]
            assert released["to"] == "queued"

    anyio.run(cycle)
    project.await_empty()
    project.assert_sound()


def test_mcp_hands_out_one_job_to_two_calls_at_once(box: Box) -> None:
    anyio = pytest.importorskip("anyio")
    pytest.importorskip("mcp")
    from mcp import Client, StdioServerParameters

    box.shell("exit 1")
    box.enqueue("one", "two")
    server = StdioServerParameters(command=WF, args=["mcp", "--runtime", "shell"], env=box.environ, cwd=box.root)
    answers: list[dict[str, Any] | None] = []

    async def two_calls() -> None:
        async with Client(server) as client:

            async def call() -> None:
                result = await client.call_tool("next_job", {"wait": "10s"})
                text = "".join(getattr(block, "text", "") for block in result.content)
                assert not result.is_error, text
                answers.append(json.loads(text)["job"])

            async def release(job: Mapping[str, Any]) -> None:
                await client.call_tool("release", {"token": job["token"], "delay": "1h"})

            async with anyio.create_task_group() as group:
                group.start_soon(call)
                group.start_soon(call)
            (job,) = [job for job in answers if job is not None]
            assert [p.token.job_id for p in box.tokens().values() if p.status is Status.RUNNING] == [job["job_id"]]
            await release(job)
            await call()
            assert answers[-1] is not None, "the next call gets the other job"
            await release(answers[-1])

    anyio.run(two_calls)
    box.await_empty()


def test_without_the_extra_mcp_says_what_to_install(box: Box) -> None:
    hide = box.tmp / "sitecustomize.py"
    hide.write_text("import sys; sys.modules['mcp'] = None\n")
    done = box.wf("mcp", env={"PYTHONPATH": str(box.tmp)})
    assert done.code == 1, done.text
    assert "pip install 'wf-cli[mcp]'" in done.err


# -- the real OpenCode

REPO = Path(__file__).parents[2]
OPENCODE = Path(os.environ.get("WF_TEST_OPENCODE") or REPO / ".cache/opencode/node_modules/.bin/opencode")

WORK = (
    "set -e; export WF_JOB_TOKEN={{token}}; echo done > work.txt; "
    "wf todo implemented 01 T1 --test='test -s work.txt' --output='exit 0'; wf finish-code 01; echo handed-over"
)


def _calls(name: str, expect: str | None = None, **arguments: Any) -> dict[str, Any]:
    turn = {"text": "Next.", "tool_calls": [{"name": name, "arguments": arguments}]}
    return turn if expect is None else turn | {"expect": expect}


SCRIPT: dict[str, Any] = {
    "models": ["scripted"],
    "no_tools": {"text": "A title"},
    "default": {"text": "Nothing to do."},
    "vars": {"token": {"from": "all", "regex": r"(e?[a-z0-9-]+\.a1\.opencode-editor-[a-z0-9-]+)"}},
    "agents": [
        {
            "name": "in an editor",
            "prompt": "join the pool",
            "turns": [
                _calls("wf_next_job", wait="20s"),
                _calls("wf_finish", expect="You are the coder of plan 01", token="{{token}}"),
                _calls("bash", expect="NO_CHANGE", command=WORK, description="Work"),
                _calls("wf_heartbeat", expect="handed-over", token="{{token}}"),
                _calls("wf_finish", expect="idle_s", token="{{token}}"),
                {"expect": "succeeded", "text": "The job is done."},
            ],
        }
    ],
}


@pytest.fixture
def model() -> Iterator[ScriptedModelServer]:
    if not os.access(OPENCODE, os.X_OK):
        pytest.skip(f"the real OpenCode is not installed at {OPENCODE}: `make opencode` installs it")
    with ScriptedModelServer(SCRIPT) as server:
        yield server


def opencode_environment(box: Box, url: str) -> dict[str, str]:
    model = {"name": "Scripted", "tool_call": True, "limit": {"context": 128000, "output": 8192}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": url, "apiKey": "x"},
        "models": {"scripted": model},
    }
    config = {
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "share": "disabled",
        "snapshot": False,
        "enabled_providers": ["scripted"],
        "provider": {"scripted": provider},
        "permission": {"*": "allow"},
    }
    switches = ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")
    return {
        **box.environ,
        "PATH": f"{box.environ['PATH']}{os.pathsep}{os.environ['PATH']}",
        "PWD": str(box.root),
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER": "1",
        **{f"OPENCODE_DISABLE_{name}": "1" for name in switches},
        **{f"XDG_{kind}_HOME": str(box.home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
    }


@pytest.mark.opencode
def test_the_real_opencode_takes_and_finishes_a_job_through_mcp(project: Box, model: ScriptedModelServer) -> None:
    pytest.importorskip("mcp")
    project.configure()
    project.ok("init", "--mcp")
    project.ok("plan", "parser")
    (project.plan("01") / "plan.md").write_text("# parser\n")
    (project.plan("01") / "todo.md").write_text(TODO)
    project.ok("code", "01")
    (job_id,) = project.tokens()
    done = subprocess.run(
        [str(OPENCODE), "run", "--format", "json", "--dir", str(project.root), "--title", "pool"],
        cwd=project.root,
        env=opencode_environment(project, model.url),
        input="join the pool",
        capture_output=True,
        text=True,
        timeout=HANG * 3,
        check=False,
    )
    asked = json.dumps([{k: r.get(k) for k in ("turn", "tool_result", "outcome")} for r in model.requests], indent=1)
    assert done.returncode == 0, done.stdout + done.stderr + asked
    assert project.status(job_id) is Status.SUCCEEDED, done.stdout + done.stderr + asked
    outcome = project.outcomes(job_id)[1]
    assert (outcome.by, "opencode-editor" in outcome.owner) == (outcome.owner, True)
    assert project.phase("01") == "awaiting_review"
    assert not any(record.get("mismatch") for record in model.requests), asked
    project.await_empty()
    project.assert_sound()
