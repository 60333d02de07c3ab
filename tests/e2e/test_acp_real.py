"""The real OpenCode over ACP, under the real supervisor; only its model is scripted.

Needs ``opencode`` 1.18 or later of 1.x, see test_opencode_real.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support import real_opencode
from support.runs import Bench, Outcome
from support.scripted_model_server import ScriptedModelServer
from wf_cli import proc
from wf_cli.runtimes.base import Limits, RuntimeSettings
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter
from wf_cli.runtimes.permissions import Permissions

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


def refusal(status: int, error: str, **headers: str) -> dict[str, Any]:
    return {"status": status, "error": error, "headers": {k.replace("_", "-"): v for k, v in headers.items()}}


#: Conversations by prompt; the turns are the model's.
SCRIPT: dict[str, Any] = {
    "agents": [
        {
            "name": "writer",
            "prompt": "write (?P<text>\\S+)",
            "turns": [bash("echo {{text}} > out.txt"), {"text": "Done with {{text}}."}],
        },
        {"name": "sleeper", "prompt": "sleep", "turns": [bash("touch started; sleep 600"), {"text": "Slept."}]},
        {"name": "refused", "prompt": "unauthorised", "turns": [refusal(401, "Incorrect API key provided")]},
        {"name": "later", "prompt": "limited", "turns": [refusal(429, "Rate limit reached", retry_after="1800")]},
        {
            "name": "soon",
            "prompt": "hurried",
            "turns": [{"text": "Made it.", "fail": [refusal(429, "Rate limit reached", retry_after="2")]}],
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


def run(
    bench: Bench,
    home: Path,
    server: ScriptedModelServer,
    prompt: str,
    *,
    permissions: Permissions | None = None,
    config: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Outcome:
    environment = {
        "HOME": str(home),
        **real_opencode.environment(server.url, "sesame-open-1234", **(config or {})),
        **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")},
    }
    settings = RuntimeSettings(
        "opencode",
        "opencode",
        command=(OPENCODE,),
        protocol="auto",
        permissions=permissions or Permissions(),
        options=options or {},
    )
    facts.setdefault("limits", Limits(startup_s=120, stall_s=120, max_runtime_s=240, grace_s=5))
    return bench.run(OpencodeAdapter(settings), prompt=prompt, environment=environment, **facts)


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    """What the client printed."""
    return [json.loads(line) for line in outcome.transcript.read_text().splitlines() if line.startswith("{")]


def test_a_run_tells_its_session_before_any_work_and_tools_when_they_start(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    outcome = run(bench, home, model, 'write hello-"x"')
    verdict = outcome.result.verdict
    assert verdict.failure is None, outcome.transcript.read_text()
    assert (bench.root / "out.txt").read_text() == "hello-x\n"
    assert verdict.summary == 'Done with hello-"x".'
    told = lines(outcome)
    assert told[0]["type"] == "session"
    assert told[0]["agent"].startswith("OpenCode 1.")
    statuses = [line["status"] for line in told if line["type"] == "tool"]
    assert statuses.index("in_progress") < statuses.index("completed")
    kinds = [event.kind for event in outcome.events]
    assert (kinds[0], kinds[-1]) == ("session", "result")
    tools = [event.text for event in outcome.events if event.kind == "tool"]
    assert tools[-1].startswith("done: execute: echo")
    # The sums of both requests, not of the last one, which is what ACP tells; the script's figures.
    sent = [request["answer"]["usage"] for request in model.requests]
    assert len(sent) == 2  # none for a title
    assert verdict.usage.tokens_in == sum(usage["prompt_tokens"] for usage in sent)
    assert verdict.usage.tokens_out == sum(usage["completion_tokens"] for usage in sent)
    assert verdict.usage.cost_usd is None
    assert "sesame-open" not in outcome.transcript.read_text()


def test_a_cancelled_command_leaves_nothing_and_its_session_can_go_on(
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
    assert outcome.result.verdict.failure is not None
    assert len(seen) >= 3  # the client, OpenCode, and the shell in a session of its own
    assert not [ref for ref in seen if proc.alive(*ref)]
    assert lines(outcome)[-1] == {"type": "cancelled", "clean": True}
    assert [line["status"] for line in lines(outcome) if line["type"] == "tool"][-1] == "completed"

    session = outcome.result.verdict.session_id
    again = run(bench, home, model, "remember", resume=session)
    assert again.code is None
    assert again.result.verdict.session_id == session
    assert model.requests[-1]["messages"] > 3
    assert again.result.verdict.usage.tokens_in == model.requests[-1]["answer"]["usage"]["prompt_tokens"]


def test_a_session_that_is_lost_is_replaced_and_that_is_said(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    outcome = run(bench, home, model, "remember", resume="ses_0000000000000000000000000")
    assert outcome.code is None
    assert outcome.result.verdict.session_id != "ses_0000000000000000000000000"
    assert any(line.get("session_lost") for line in lines(outcome))


class TestPermissions:
    def test_what_the_project_asks_for_is_allowed_by_the_policy(
        self, bench: Bench, home: Path, model: ScriptedModelServer
    ) -> None:
        (bench.root / "opencode.json").write_text(json.dumps({"permission": {"bash": "ask"}}))
        outcome = run(bench, home, model, "write it", permissions=Permissions(allow=("execute:echo *",)))
        assert outcome.code is None
        assert (bench.root / "out.txt").exists()
        assert [line["rule"] for line in lines(outcome) if line["type"] == "permission"] == ["execute:echo *"]

    def test_a_denying_default_denies_what_opencode_would_not_ask_for(
        self, bench: Bench, home: Path, model: ScriptedModelServer
    ) -> None:
        (bench.root / "opencode.json").write_text(json.dumps({"permission": {"*": "allow", "bash": "allow"}}))
        outcome = run(bench, home, model, "write it", permissions=Permissions("deny", allow=("read:*",)))
        assert not (bench.root / "out.txt").exists()
        assert [line["allowed"] for line in lines(outcome) if line["type"] == "permission"] == [False]
        assert outcome.code is None  # it was told, and went on

    def test_a_denied_pattern_is_denied_inside_of_a_longer_command(
        self, bench: Bench, home: Path, model: ScriptedModelServer
    ) -> None:
        (bench.root / "opencode.json").write_text(json.dumps({"permission": {"bash": "allow"}}))
        outcome = run(bench, home, model, "sleep", permissions=Permissions(deny=("execute:sleep *",)))
        assert not (bench.root / "started").exists()
        assert outcome.code is None

    def test_an_agent_that_stops_at_a_denial_has_failed(
        self, bench: Bench, home: Path, model: ScriptedModelServer
    ) -> None:
        config = {"experimental": {"continue_loop_on_deny": False}}
        outcome = run(bench, home, model, "write it", permissions=Permissions("deny"), config=config)
        assert outcome.code == "policy_denied"


def test_a_refused_key_is_parked_with_the_status_as_evidence(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    outcome = run(bench, home, model, "unauthorised")
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.code == "auth"
    assert failure.details["status"] == 401


def test_a_long_retry_after_parks_at_once_instead_of_waiting_in_silence(
    bench: Bench, home: Path, model: ScriptedModelServer
) -> None:
    begin = time.monotonic()
    outcome = run(bench, home, model, "limited")
    failure = outcome.result.verdict.failure
    assert failure is not None
    assert failure.code == "rate_limited", failure
    assert failure.retry_after_s == pytest.approx(1800, abs=60)
    assert time.monotonic() - begin < 60
    assert len(model.requests) == 1


def test_a_short_retry_after_is_waited_for(bench: Bench, home: Path, model: ScriptedModelServer) -> None:
    outcome = run(bench, home, model, "hurried")
    assert outcome.code is None
    assert any(line["type"] == "retry" for line in lines(outcome))


def test_models_and_agents_that_are_not_offered(bench: Bench, home: Path, model: ScriptedModelServer) -> None:
    assert run(bench, home, model, "remember", model="scripted/scripted").code is None
    outcome = run(bench, home, model, "remember", model="scripted/no-such-model")
    assert outcome.code == "model_not_found"
    assert "scripted/scripted" in str(outcome.result.verdict.failure)
    assert run(bench, home, model, "remember", options={"agent": "nobody"}).code == "invalid_spec"
    assert len(model.requests) == 1
