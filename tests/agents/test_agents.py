"""The agent programs that people have, from npm, under real workers; only their model is scripted.

One table: what an agent may meet, and what has to become of its job. ``make agents`` installs the programs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.bed import Bed
from agents.model_server import ModelServer
from agents.programs import AGENTS, program
from support.wait import wait_until
from wf_cli import proc

pytestmark = [pytest.mark.agents, pytest.mark.timeout(600)]


def shell(command: str) -> dict[str, Any]:
    """A model's turn that calls the shell."""
    return {"text": "On it.", "tool_calls": [{"name": "$shell", "arguments": {"command": command}}]}


def refusal(status: int, words: str, **headers: str) -> dict[str, Any]:
    return {"status": status, "error": words, "headers": headers}


#: Conversations by what the job's payload says; the turns are the model's.
TURNS: dict[str, list[dict[str, Any]]] = {
    "CASE-WRITE": [shell("echo hello > out.txt"), {"text": "Written."}],
    "CASE-SLEEP": [shell("touch started; sleep 600"), {"text": "Slept."}],
    "CASE-PLAIN": [shell("touch pushed"), {"text": "I was not allowed to."}],
    "CASE-HIDDEN": [shell("cd . && touch pushed"), {"text": "I was not allowed to."}],
    "CASE-401": [refusal(401, "Incorrect API key provided")],
    "CASE-429": [refusal(429, "Rate limit reached. Please try again in 7 minutes", **{"retry-after": "420"})],
    "CASE-BUSY": [refusal(429, "Too busy")],
    "CASE-529": [refusal(529, "Overloaded")],
    "CASE-QUOTA": [refusal(429, "You exceeded your current quota, please check your plan and billing details")],
    "CASE-404": [refusal(404, "The model `nonsense` does not exist or you do not have access to it")],
}
SCRIPT: dict[str, Any] = {
    "no_tools": {"text": "A title"},
    "default": {"text": "Nothing to do."},
    "agents": [{"name": name, "prompt": name, "turns": turns} for name, turns in TURNS.items()],
}


@pytest.fixture(params=sorted(AGENTS))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    if not os.access(program(found), os.X_OK):
        pytest.skip(f"{found} is not installed at {program(found)}: `make agents` installs it")
    return found


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer(SCRIPT) as server:
        yield server


@pytest.fixture
def beds(tmp_path: Path) -> Iterator[list[Bed]]:
    made: list[Bed] = []
    yield made
    for bed in made:
        bed.close()
        assert bed.left_over() == []


def bed_of(
    name: str, model: ModelServer, folder: Path, beds: list[Bed], *, logged_out: bool = False, **config: Any
) -> Bed:
    agent = AGENTS[name](model.address)
    routing = {"doer": {"runtime": name, **({} if agent.model is None else {"model": agent.model})}}
    told = agent.logged_out() if logged_out else agent
    bed = Bed(folder, {name: told}, {"routing": routing, "retry": {"backoff": {"base": "1s", "cap": "1s"}}, **config})
    beds.append(bed)
    return bed


@pytest.mark.slice
def test_a_job_of_ones_own_is_done_with_session_model_and_usage(
    name: str, model: ModelServer, tmp_path: Path, beds: list[Bed]
) -> None:
    bed = bed_of(name, model, tmp_path, beds)
    record = bed.work(name, "CASE-WRITE")
    assert record["status"] == "succeeded", (record, bed.run("cat", *bed.root.glob(".wf/spool/transcripts/*")).stdout)
    assert (bed.root / "out.txt").read_text() == "hello\n"
    (attempt,) = record["attempts"]
    assert attempt["session_id"]
    assert record["result"]["summary"] == "Written."
    asked = {request["model"] for request in model.requests if request["agent"] == "CASE-WRITE"}
    assert asked == {str(AGENTS[name]("").model).rpartition("/")[2]}
    if name != "gemini":  # it tells its tokens in a way that the ACP client does not know yet
        assert attempt["usage"]["tokens_out"] > 0
    told = (attempt["usage"] or {}).get("cost_usd") is not None
    assert told is (name == "claude"), "of these, Claude Code alone knows prices"
    assert "sk-" not in (bed.root / ".wf/spool" / attempt["transcript"]).read_text()


#: What the provider says -> the codes that are right for it. All of them are parked, and burn nothing.
REFUSALS = {
    "CASE-401": {"auth"},
    "CASE-429": {"rate_limited"},
    "CASE-529": {"overloaded"},
    "CASE-QUOTA": {"usage_limit"},
}


@pytest.mark.parametrize("case", [pytest.param("CASE-401", marks=pytest.mark.slice), *list(REFUSALS)[1:]])
def test_a_refusal_of_the_provider_parks_the_job_and_burns_nothing(
    name: str, case: str, model: ModelServer, tmp_path: Path, beds: list[Bed]
) -> None:
    bed = bed_of(name, model, tmp_path, beds)
    record = bed.work(name, case)
    error = record["error"]
    assert (error["class"], error["code"]) in {("parked", code) for code in REFUSALS[case]}, error
    assert (record["status"], record["burned"]) == ("queued", 0)
    assert error["message"].isprintable()
    why = error["message"].removeprefix("Internal error").strip(" .:")
    assert len(why) > len("HTTP 401"), "a person can read why"


def test_what_gemini_tries_again_in_silence_parks_the_job(
    model: ModelServer, tmp_path: Path, beds: list[Bed]
) -> None:
    """By its own settings it repeats a request for minutes. Its log alone says why."""
    if not os.access(program("gemini"), os.X_OK):
        pytest.skip("gemini is not installed: `make agents` installs it")
    bed = bed_of("gemini", model, tmp_path, beds)
    settings = bed.root.parent / "home" / ".gemini" / "settings.json"
    told = json.loads(settings.read_text())
    told["general"]["maxAttempts"] = 10
    settings.write_text(json.dumps(told))
    record = bed.work("gemini", "CASE-BUSY")
    assert (record["status"], record["burned"], record["error"]["code"]) == ("queued", 0, "rate_limited"), record
    assert "Too busy" in record["error"]["message"]
    asked = [request for request in model.requests if request["agent"] == "CASE-BUSY"]
    assert len(asked) > 2, "it was tried again"


def test_an_unknown_model_ends_the_job_at_once(
    name: str, model: ModelServer, tmp_path: Path, beds: list[Bed]
) -> None:
    bed = bed_of(name, model, tmp_path, beds)
    record = bed.work(name, "CASE-404")
    assert (record["status"], record["error"]["code"]) == ("failed", "model_not_found"), record["error"]


def test_without_a_login_the_job_is_parked(name: str, model: ModelServer, tmp_path: Path, beds: list[Bed]) -> None:
    if name == "opencode":
        pytest.skip("its provider here needs no key")
    bed = bed_of(name, model, tmp_path, beds, logged_out=True)
    record = bed.work(name, "CASE-WRITE")
    assert record["error"]["code"] == "auth", record["error"]
    assert (record["status"], record["burned"]) == ("queued", 0)
    assert not model.requests


#: Codex asks for nothing, and does not start where something is denied.
ASKS = ("claude", "gemini", "opencode")


@pytest.mark.parametrize("case", [pytest.param("CASE-HIDDEN", marks=pytest.mark.slice), "CASE-PLAIN"])
def test_a_denied_command_is_not_run(
    name: str, case: str, model: ModelServer, tmp_path: Path, beds: list[Bed]
) -> None:
    bed = bed_of(name, model, tmp_path, beds, permissions={"deny": ["execute:touch pushed*"]})
    bed.wf("enqueue", "--role", "doer", "--runtime", name, "--key", "job-1", "--payload", f'"{case}"')
    done = bed.run("wf", "worker", "doer", "--runtime", name, "--once")
    assert not (bed.root / "pushed").exists()
    if name not in ASKS:
        assert done.returncode != 0
        assert "cannot deny what permissions deny" in done.stderr
        assert not model.requests
        return
    assert [request for request in model.requests if request["agent"] == case], done.stderr


@pytest.mark.slice
def test_an_attempt_whose_worker_was_killed_is_resumed_in_its_session(
    name: str, model: ModelServer, tmp_path: Path, beds: list[Bed]
) -> None:
    bed = bed_of(name, model, tmp_path, beds)
    bed.wf("enqueue", "--role", "doer", "--runtime", name, "--key", "job-1", "--payload", '"CASE-SLEEP"')
    worker = bed.start_worker(name, "doer")
    wait_until((bed.root / "started").exists, 180)
    there = bed.processes()
    assert len(there) >= 2
    worker.kill()
    worker.wait()
    wait_until(lambda: not any(proc.alive(*ref) for ref in there), 60)
    (bed.root / "started").unlink()
    again = bed.start_worker(name, "doer")
    wait_until((bed.root / "started").exists, 180)
    bed.run("wf", "cancel", "job-1")
    wait_until(lambda: bed.record("job-1")["status"] == "cancelled", 60)
    first, second = bed.record("job-1")["attempts"]
    assert first["session_id"]
    if name != "gemini":  # its session is not on its disk before its first turn has ended
        assert second["session_id"] == first["session_id"]
        told = [request["messages"] for request in model.requests if request["agent"] == "CASE-SLEEP"]
        assert told[-1] > told[0], "the session knows what was said in the first attempt"
    again.terminate()
    again.wait()


def test_a_cancelled_job_leaves_no_process(name: str, model: ModelServer, tmp_path: Path, beds: list[Bed]) -> None:
    bed = bed_of(name, model, tmp_path, beds)
    bed.wf("enqueue", "--role", "doer", "--runtime", name, "--key", "job-1", "--payload", '"CASE-SLEEP"')
    bed.start_worker(name, "doer")
    wait_until((bed.root / "started").exists, 180)
    there = bed.processes()
    bed.wf("cancel", "job-1")
    assert bed.record("job-1")["status"] == "cancelled"
    assert not [ref for ref in there if proc.alive(*ref)]
