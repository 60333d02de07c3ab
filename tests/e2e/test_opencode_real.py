"""The real OpenCode under the real supervisor; only its model is scripted (tests/support/scripted_model_server.py).

Needs ``opencode`` 1.x: ``npm i --prefix .cache/opencode opencode-ai@1.18.33``, or ``WF_TEST_OPENCODE=<binary>``.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import real_opencode
from support.runs import Bench, Outcome
from support.scripted_model_server import ScriptedModelServer
from wf_cli import proc
from wf_cli.runtimes.base import Limits, RuntimeSettings
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter

_INSTALLED = Path(__file__).parents[2] / ".cache/opencode/node_modules/.bin/opencode"
OPENCODE = os.environ.get("WF_TEST_OPENCODE") or str(_INSTALLED)

pytestmark = [
    pytest.mark.opencode,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not os.access(OPENCODE, os.X_OK),
        reason=f"OpenCode is not installed ({OPENCODE}): run `npm i --prefix .cache/opencode opencode-ai@1.18.33`",
    ),
]


def bash(command: str) -> dict[str, Any]:
    """A model's turn that calls the shell tool."""
    arguments = {"command": command, "description": "as told", "timeout": 600_000}
    return {"text": "On it.", "tool_calls": [{"name": "bash", "arguments": arguments}]}


#: Conversations by prompt; the turns are the model's.
SCRIPT: dict[str, Any] = {
    "agents": [
        {
            "name": "writer",
            "prompt": "write (?P<text>\\S+)",
            "turns": [bash("echo {{text}} > out.txt"), {"text": "Done."}],
        },
        {
            "name": "marked",
            "prompt": "mark",
            "turns": [bash("echo $WF_JOB_TOKEN in $PWD > out.txt"), {"text": "Done."}],
        },
        {"name": "sleeper", "prompt": "sleep", "turns": [bash("touch started; sleep 600"), {"text": "Slept."}]},
        {
            "name": "denied",
            "prompt": "denied",
            "turns": [bash("touch denied.txt"), {"text": "I was not allowed to."}],
        },
        {
            "name": "refused",
            "prompt": "unauthorised",
            "turns": [{"status": 401, "error": "Incorrect API key provided"}],
        },
        {"name": "memory", "prompt": "remember", "turns": [{"text": "I do."}]},
    ]
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all runs: the first one sets up a database."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def model() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer(SCRIPT) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    found = Bench(tmp_path)
    yield found
    found.clean_up()


def run(bench: Bench, home: Path, server: ScriptedModelServer, prompt: str, **facts: Any) -> Outcome:
    environment = {
        "HOME": str(home),
        **real_opencode.environment(server.url, "sesame-open-1234"),
        **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
    }
    adapter = OpencodeAdapter(RuntimeSettings("opencode", "opencode", command=(OPENCODE,)))
    facts.setdefault("limits", Limits(startup_s=120, stall_s=120, max_runtime_s=240, grace_s=2))
    return bench.run(adapter, prompt=prompt, environment=environment, **facts)


def test_a_run_does_its_work_and_tells_session_usage_and_summary(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    outcome = run(bench, home, model, 'write hello-"x"')
    verdict = outcome.result.verdict
    assert verdict.failure is None, outcome.result
    assert (bench.root / "out.txt").read_text() == "hello-x\n"
    assert verdict.summary == "Done."
    assert verdict.session_id is not None
    assert verdict.usage.tokens_in is not None
    assert verdict.usage.tokens_in > 0
    assert verdict.usage.cost_usd is None
    kinds = [event.kind for event in outcome.events]
    assert kinds[0] == "session"
    assert {"text", "tool", "usage", "result"} <= set(kinds)
    assert kinds[-1] == "result"
    assert len(model.requests) == 2  # none for a title
    assert model.requests[0]["prompt"].strip() == 'write hello-"x"'
    assert "sesame-open" not in outcome.transcript.read_text()


def test_its_shell_works_in_the_checkout_and_carries_the_mark(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    outcome = run(bench, home, model, "mark")
    assert (bench.root / "out.txt").read_text() == f"{outcome.mark} in {bench.root}\n"


def test_stopping_it_in_the_middle_of_a_long_command_leaves_nothing_behind(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    seen: list[proc.ProcessRef] = []

    def should_stop() -> str | None:
        if not (bench.root / "started").exists():
            return None
        seen.extend(proc.marked(bench.marks[0]))
        return "the job was cancelled"

    outcome = run(bench, home, model, "sleep", should_stop=should_stop)
    assert outcome.result.exit.stopped == "asked"
    assert len(seen) >= 2  # OpenCode and the shell in a session of its own
    assert not [ref for ref in seen if proc.alive(*ref)]


def test_a_denial_of_the_project_holds_and_the_run_goes_on(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    rules = {"permission": {"bash": {"*": "allow", "touch *": "deny"}}}
    (bench.root / "opencode.json").write_text(json.dumps(rules))
    outcome = run(bench, home, model, "denied")
    assert outcome.code is None
    assert not (bench.root / "denied.txt").exists()
    assert any("failed" in event.text for event in outcome.events if event.kind == "tool")


def test_a_refused_key_is_parked(bench: Bench, home: Path, model: ScriptedModelServer) -> None:
    outcome = run(bench, home, model, "unauthorised")
    assert outcome.code == "auth"
    assert outcome.result.exit.code == 1


def test_an_unknown_model_is_permanent(bench: Bench, home: Path, model: ScriptedModelServer) -> None:
    outcome = run(bench, home, model, "remember", model="scripted/no-such-model")
    assert outcome.code == "model_not_found", outcome.result
    assert model.requests == []


def test_a_session_is_resumed_and_an_unknown_one_is_said(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    first = run(bench, home, model, "remember")
    session = first.result.verdict.session_id
    second = run(bench, home, model, "remember again", resume=session)
    assert second.code is None
    assert second.result.verdict.session_id == session
    assert model.requests[-1]["messages"] > model.requests[0]["messages"]
    lost = run(bench, home, model, "remember", resume="ses_0000000000000000000000000")
    failure = lost.result.verdict.failure
    assert failure is not None
    assert failure.details.get("session_lost") is True, lost.result
