"""ACP, through a stand-in for an agent (tests/support/acp_agent.py).

Every run of `Bench` also checks that no process with the attempt's mark is left.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import forked_launchers
from support.acp_agent import KNOWN, SESSION
from support.runs import SUPPORT, Bench, Outcome, request_for
from wf_cli.contract.failure import ErrorClass, Failure
from wf_cli.errors import ConfigError
from wf_cli.runtimes import registry
from wf_cli.runtimes.acp.adapter import AcpAdapter
from wf_cli.runtimes.acp.events import AcpReader
from wf_cli.runtimes.base import Exit, Launch, Limits, Request, RuntimeMissing, RuntimeSettings
from wf_cli.runtimes.permissions import Permissions

STAND_IN = (sys.executable, str(SUPPORT / "acp_agent.py"))
#: The library's own agent side.
LIBRARY_AGENT = (sys.executable, str(SUPPORT / "acp_library_agent.py"))
LONG = Limits(startup_s=60, stall_s=60, max_runtime_s=90, grace_s=1.5)


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    forked_launchers.install(monkeypatch)


def run(
    bench: Bench,
    mode: str = "",
    *,
    told: dict[str, Any] | None = None,
    permissions: Permissions | None = None,
    options: dict[str, Any] | None = None,
    limits: Limits = LONG,
    environment: dict[str, str] | None = None,
    agent: tuple[str, ...] = STAND_IN,
    **facts: Any,
) -> Outcome:
    settings = RuntimeSettings(
        "fake", "acp", command=agent, permissions=permissions or Permissions(), options=options or {}
    )
    variables = {
        "WF_FAKE_ACP": json.dumps({"mode": mode, **(told or {})}),
        "WF_FAKE_ACP_NOTES": str(bench.root / "notes"),
        "PYTHONPATH": str(SUPPORT.parent),
        **(environment or {}),
    }
    return bench.run(AcpAdapter(settings), environment=variables, limits=limits, **facts)


def notes(bench: Bench, what: str) -> list[dict[str, Any]]:
    """What the agent was asked."""
    lines = (bench.root / "notes").read_text().splitlines()
    return [note for note in map(json.loads, lines) if note["what"] == what]


def printed(outcome: Outcome, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in outcome.transcript.read_text().splitlines() if line.startswith('{"type"')]
    return [line for line in lines if line["type"] == kind]


@pytest.mark.parametrize(
    ("mode", "told", "permissions", "code"),
    [
        ("", {}, Permissions(), 0),
        ("stays", {}, Permissions(), 0),
        ("permission", {}, Permissions(deny=("execute:rm *",)), 0),
        ("permission", {"stop": True}, Permissions("deny"), 1),
        ("stop", {"reason": "refusal"}, Permissions(), 1),
        ("stop", {"reason": "max_tokens"}, Permissions(), 1),
        ("bad_stop", {}, Permissions(), 1),
        ("error", {"code": -32603, "message": "no"}, Permissions(), 1),
        ("exit", {"code": 0}, Permissions(), 1),
        ("mute", {}, Permissions(), 1),
        ("says", {"text": "All is well."}, Permissions(), 0),
        ("says", {"text": "API Error: 401 Unauthorized"}, Permissions(), 1),
    ],
)
def test_the_exit_code_alone_tells_whether_the_turn_did_its_work(
    bench: Bench, mode: str, told: dict[str, Any], permissions: Permissions, code: int
) -> None:
    """Nobody has heard the lines when the worker died (`wf_cli.spool.exits`)."""
    outcome = run(bench, mode, told=told, permissions=permissions)
    assert outcome.result.exit.code == code
    assert (outcome.result.verdict.failure is None) == (code == 0)


def failure_of(outcome: Outcome) -> Failure:
    failure = outcome.result.verdict.failure
    assert failure is not None
    return failure


def test_a_client_that_is_started_does_what_a_forked_one_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    forked = run(bench, prompt="do it", model="large")
    monkeypatch.undo()
    started = run(bench, prompt="do it", model="large")
    assert forked.result == replace(started.result, duration_s=forked.result.duration_s)
    assert [event.kind for event in forked.events] == [event.kind for event in started.events]
    first, second = notes(bench, "prompt")
    assert first == second


def test_a_turn_that_ends_is_a_success_with_session_usage_and_summary(bench: Bench) -> None:
    outcome = run(bench, prompt='do "it"\nnow', model="large")
    verdict = outcome.result.verdict
    assert verdict.failure is None, outcome.transcript.read_text()
    assert verdict.session_id == SESSION
    assert verdict.summary == "All done."
    assert (verdict.usage.tokens_in, verdict.usage.tokens_out, verdict.usage.cost_usd) == (1500, 30, 0.75)
    assert (outcome.events[0].kind, outcome.events[0].session_id) == ("session", SESSION)
    assert outcome.events[-1].kind == "result"
    assert outcome.result.survivors == 0
    assert outcome.result.exit.stopped is None
    assert notes(bench, "prompt")[0]["text"] == 'do "it"\nnow'
    assert notes(bench, "option") == [{"what": "option", "id": "m", "value": "large"}]
    assert notes(bench, "new")[0]["cwd"] == str(bench.root)


def test_an_agent_made_with_the_library_understands_each_call(bench: Bench) -> None:
    """The stand-in writes the protocol by hand; this agent has the library read and write all of it."""
    told = {"login": True, "ask": True}
    options = {"auth_method": "cursor_login"}
    facts: dict[str, Any] = {"told": told, "options": options, "agent": LIBRARY_AGENT, "model": "large"}
    outcome = run(bench, permissions=Permissions(deny=("execute:rm *",)), prompt="one", **facts)
    verdict = outcome.result.verdict
    assert (verdict.failure, verdict.session_id, verdict.summary) == (None, SESSION, "All done.")
    assert (verdict.usage.tokens_in, verdict.usage.tokens_out, verdict.usage.cost_usd) == (1500, 30, 0.75)
    assert [note["option_id"] for note in notes(bench, "answer")] == ["o-reject_once"]
    assert notes(bench, "option") == [{"what": "option", "id": "m", "value": "large"}]
    again = run(bench, resume=KNOWN, prompt="all", resume_prompt="two", **facts).result.verdict
    assert (again.failure, again.session_id, again.usage.cost_usd) == (None, KNOWN, 0.25)
    assert [note["text"] for note in notes(bench, "prompt")] == ["one", "two"]
    assert [note["method"] for note in notes(bench, "authenticate")] == ["cursor_login"] * 2


def test_an_agent_made_with_the_library_is_cancelled(bench: Bench) -> None:
    asked = bench.root / "notes"

    def should_stop() -> str | None:
        return "superseded" if asked.exists() and '"prompt"' in asked.read_text() else None

    facts: dict[str, Any] = {"told": {"hangs": True}, "agent": LIBRARY_AGENT}
    outcome = run(bench, should_stop=should_stop, limits=Limits(grace_s=10), **facts)
    assert outcome.result.exit.stopped == "asked"
    assert notes(bench, "cancel")
    assert printed(outcome, "cancelled") == [{"type": "cancelled", "clean": True}]


def _error(code: int, message: str, **data: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "data": data or None}


#: Ends of a turn that are in no other test (`misbehaviours` has those of real runtimes): what the agent is told, and
#: the code of the failure.
TABLE: list[tuple[str, str, dict[str, Any], str]] = [
    ("out of requests", "stop", {"reason": "max_turn_requests"}, "crashed"),
    ("cancelled by nobody", "stop", {"reason": "cancelled"}, "crashed"),
    ("auth_required at the prompt", "error", _error(-32000, "Log in"), "auth"),
    ("initialize fails", "error", {"at": "initialize", **_error(-32603, "boom")}, "crashed"),
    ("401 deep in the data", "error", _error(-32603, "no", cause={"response": {"status": 401}}), "auth"),
]


@pytest.mark.parametrize(("mode", "told", "code"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_an_end_of_a_turn_has_its_code(bench: Bench, mode: str, told: dict[str, Any], code: str) -> None:
    outcome = run(bench, mode, told=told)
    assert outcome.code == code, outcome.transcript.read_text()[:3000]
    assert outcome.result.exit.stopped is None
    assert outcome.result.survivors == 0


#: Silence and deafness: the limits, the mode, what ends it, and the code.
CLOCKS: list[tuple[str, Limits, str, str]] = [
    ("hang_start", Limits(startup_s=3, stall_s=60, grace_s=0.5), "startup", "timeout"),
    ("hang_new", Limits(startup_s=3, stall_s=60, grace_s=0.5), "startup", "timeout"),
    ("hang_prompt", Limits(startup_s=60, stall_s=2, grace_s=1.5), "stall", "stall"),
    ("deaf", Limits(startup_s=60, stall_s=2, grace_s=0.5), "stall", "stall"),
    ("slow", Limits(startup_s=60, stall_s=2.5, max_runtime_s=6, grace_s=1.5), "max_runtime", "timeout"),
]


@pytest.mark.parametrize(("mode", "limits", "stopped", "code"), CLOCKS, ids=[row[0] for row in CLOCKS])
def test_the_clocks(bench: Bench, mode: str, limits: Limits, stopped: str, code: str) -> None:
    outcome = run(bench, mode, told={"seconds": 60}, limits=limits)
    assert (outcome.result.exit.stopped, outcome.code) == (stopped, code), outcome.transcript.read_text()
    begun = mode not in ("hang_start", "hang_new")
    assert outcome.result.verdict.session_id == (SESSION if begun else None)
    for last in printed(outcome, "cancelled") if not begun else ():  # none where the client itself was still starting
        assert last["clean"] is False
        assert last["stage"] in ("initialize", "session/new")[: 1 + (mode == "hang_new")]
    if mode in ("hang_prompt", "slow"):
        assert notes(bench, "cancel")
        assert printed(outcome, "cancelled") == [{"type": "cancelled", "clean": True}]


REFUSED = "[2026-11-28T06:48:53.657Z] [WARN] Attempt 3 failed with status 429. Retrying {} _ApiError: {}\n"
RATE = '{"error":{"code":429,"message":"Rate limit reached","status":"RESOURCE_EXHAUSTED"}}'


@pytest.mark.parametrize(
    ("when", "limits", "wait"),
    [
        ("after 420000ms...", LONG, 420.0),  # is not waited for
        ("with backoff...", Limits(startup_s=60, stall_s=4, grace_s=1.5), None),  # until the clock has run down
    ],
)
def test_what_an_agents_log_says_of_a_provider_counts(
    bench: Bench, when: str, limits: Limits, wait: float | None
) -> None:
    gemini = bench.root / "gemini"
    gemini.write_text(f'#!/bin/sh\nexec {" ".join(STAND_IN)} "$@"\n')
    gemini.chmod(0o755)
    told = {"log": "[DEBUG] Hello\n" + REFUSED.format(when, RATE)}
    outcome = run(bench, "retries", told=told, agent=(str(gemini), "--acp"), limits=limits)
    failure = failure_of(outcome)
    assert (failure.code, failure.details.get("status")) == ("rate_limited", 429), outcome.transcript.read_text()
    assert "Rate limit reached (RESOURCE_EXHAUSTED)" in failure.message
    assert (failure.retry_after_s is None) is (wait is None)
    assert wait is None or 400 < (failure.retry_after_s or 0) <= wait
    (retry,) = printed(outcome, "retry")
    assert retry["attempt"] == 3


@pytest.mark.parametrize(("mode", "idle"), [("silent", True), ("hang_prompt", None)])
def test_a_stall_tells_whether_anything_was_done_before(bench: Bench, mode: str, idle: bool | None) -> None:
    failure = failure_of(run(bench, mode, limits=Limits(startup_s=60, stall_s=2, grace_s=1.5)))
    assert (failure.code, failure.details.get("idle")) == ("stall", idle)


def test_a_turn_without_a_word_or_a_tool_call_has_failed(bench: Bench) -> None:
    failure = failure_of(run(bench, "mute"))
    assert failure.code == "crashed"
    assert "without a word or a tool call" in failure.message


#: What agents say instead of an error when their provider refuses, and the code. Only the last ones are answers.
ONLY_WORDS = [
    ('API Error: 401 {"type":"error","error":{"type":"authentication_error"}} · Please run /login', "auth"),
    ("Invalid API key · Please run /login", "auth"),
    ("You've hit your limit · resets in 2 hours", "usage_limit"),
    ("Credit balance is too low", "usage_limit"),
    ("API Error: 529 Overloaded", "overloaded"),
    ("API Error: Request rejected (429)", "rate_limited"),
    ("The status 401 means that a request was not authorized; 429 is Too Many Requests.", None),
    ("I have read client.py. Its handling of 'usage limit reached' is right, so nothing has to be changed.", None),
    ("Too many requests" + ", and the rest of a long story" * 20, None),
    ("Summary of the log:\n\n- line 1: HTTP 401 Unauthorized\n- line 2: fine\n- line 3: fine\n- line 4: fine", None),
]


@pytest.mark.parametrize(("text", "code"), ONLY_WORDS)
def test_a_turn_whose_only_words_are_a_refusal_is_that_refusal(bench: Bench, text: str, code: str | None) -> None:
    outcome = run(bench, "says", told={"text": text})
    assert outcome.code == code
    if code is not None:
        assert text[:20] in failure_of(outcome).message
    if "2 hours" in text:
        assert failure_of(outcome).retry_after_s == 7200


def test_words_that_cost_tokens_are_the_models_own(bench: Bench) -> None:
    outcome = run(bench, "says", told={"text": "API Error: 401 Unauthorized", "usage": {"outputTokens": 9}})
    assert outcome.code is None


@pytest.mark.parametrize(
    ("mode", "told", "stage"),
    [
        ("hang_start", {}, "initialize"),
        ("", {"login": "hangs"}, "authenticate"),
        ("hang_new", {}, "session/new"),
    ],
)
def test_a_start_that_takes_too_long_says_how_far_it_came(
    bench: Bench, mode: str, told: dict[str, Any], stage: str
) -> None:
    limits = Limits(startup_s=6, stall_s=60, grace_s=3)
    options = {"auth_method": "cursor_login"} if told else {}
    failure = failure_of(run(bench, mode, told=told, limits=limits, options=options))
    assert (failure.code, failure.details["stopped"]) == ("timeout", "startup")
    if failure.details["stage"] != "spawn":  # on a machine on which Python needs six seconds
        assert failure.details["stage"] == stage
        assert f"({stage})" in failure.message


def test_a_start_without_a_word_of_the_client_is_one_without_an_agent() -> None:
    failure = AcpReader().verdict(Exit(-15, "startup")).failure
    assert failure is not None
    assert failure.details["stage"] == "spawn"


def test_thoughts_alone_keep_an_agent_alive(bench: Bench) -> None:
    outcome = run(bench, "slow", told={"seconds": 4}, limits=Limits(startup_s=60, stall_s=2.5, grace_s=1))
    assert outcome.code is None
    assert len(printed(outcome, "alive")) <= 6


def test_fifty_megabytes_of_updates_pass(bench: Bench) -> None:
    outcome = run(bench, "flood", told={"size": 50_000_000})
    assert outcome.code is None
    assert outcome.transcript.stat().st_size < 11_000_000
    assert len(outcome.result.verdict.summary) <= 2010


def test_a_retry_after_is_found_wherever_it_stands(bench: Bench) -> None:
    for data in ({"status": 429, "retryAfter": 90}, {"error": {"status": 429, "headers": {"Retry-After": "90"}}}):
        failure = failure_of(run(bench, "error", told=_error(-32603, "slow down", **data)))
        assert (failure.code, failure.retry_after_s) == ("rate_limited", 90)
        assert failure.error_class is ErrorClass.PARKED
        assert failure.details["data"] == data


def test_a_stop_in_the_middle_cancels_the_turn(bench: Bench) -> None:
    asked = bench.root / "notes"

    def should_stop() -> str | None:
        return "superseded" if asked.exists() and '"prompt"' in asked.read_text() else None

    outcome = run(bench, "hang_prompt", should_stop=should_stop, limits=Limits(grace_s=10))
    assert outcome.result.exit.stopped == "asked"
    assert outcome.code == "crashed"
    assert notes(bench, "cancel")
    assert printed(outcome, "cancelled") == [{"type": "cancelled", "clean": True}], "not by force"


class TestResume:
    def test_a_known_session_goes_on_and_its_history_is_not_news(self, bench: Bench) -> None:
        outcome = run(bench, resume=KNOWN)
        verdict = outcome.result.verdict
        assert (verdict.failure, verdict.session_id, verdict.summary) == (None, KNOWN, "All done.")
        assert notes(bench, "new") == []
        assert not any("first attempt" in event.text for event in outcome.events)
        assert verdict.usage.cost_usd == 0.25  # of 0.75, half a dollar is the first attempt's

    def test_it_is_told_what_is_new_where_there_is_something(self, bench: Bench) -> None:
        assert run(bench, resume=KNOWN, prompt="all of it", resume_prompt="T2 is missing").code is None
        assert run(bench, resume=KNOWN, prompt="all of it").code is None
        assert [note["text"] for note in notes(bench, "prompt")] == ["T2 is missing", "all of it"]

    @pytest.mark.parametrize("error", [[-32601, "Method not found"], [-32603, "Internal error"]])
    def test_a_way_that_fails_is_followed_by_the_next_one(self, bench: Bench, error: list[Any]) -> None:
        outcome = run(bench, told={"resumes": error}, resume=KNOWN, resume_prompt="T2 is missing")
        assert (outcome.code, outcome.result.verdict.session_id) == (None, KNOWN)
        assert len(notes(bench, "resume")) == len(notes(bench, "load")) == 1
        assert [note["text"] for note in notes(bench, "prompt")] == ["T2 is missing"]

    def test_the_way_without_history_is_enough(self, bench: Bench) -> None:
        assert run(bench, told={"resumes": "ok"}, resume=KNOWN).result.verdict.session_id == KNOWN
        assert notes(bench, "load") == []

    def test_when_each_way_fails_both_reasons_are_said(self, bench: Bench) -> None:
        outcome = run(bench, told={"resumes": [-32601, "Method not found"]}, resume="sess-gone")
        assert (outcome.code, outcome.result.verdict.session_id) == (None, SESSION)
        [said] = [note["text"] for note in printed(outcome, "note")]
        assert "session/resume: Method not found" in said
        assert "session/load: Resource not found" in said

    @pytest.mark.parametrize("told", [{}, {"loads": False}])
    def test_a_lost_one_has_to_hear_all_of_it(self, bench: Bench, told: dict[str, Any]) -> None:
        outcome = run(bench, told=told, resume="sess-gone", prompt="all of it", resume_prompt="T2 is missing")
        assert (outcome.code, outcome.result.verdict.session_id) == (None, SESSION)
        assert [note["text"] for note in notes(bench, "prompt")] == ["all of it"]

    @pytest.mark.parametrize("loads", [True, False])
    def test_an_unknown_one_is_replaced_and_that_is_said(self, bench: Bench, loads: bool) -> None:
        outcome = run(bench, told={"loads": loads}, resume="sess-gone")
        assert (outcome.code, outcome.result.verdict.session_id) == (None, SESSION)
        assert [note["session_lost"] for note in printed(outcome, "note")] == [True]
        assert bool(notes(bench, "load")) is loads


class TestPermissions:
    def test_without_a_rule_it_is_allowed_for_this_once(self, bench: Bench) -> None:
        assert run(bench, "permission").code is None
        assert notes(bench, "answer")[0]["option_id"] == "o-allow_once"

    def test_a_denial_is_told_and_the_agent_may_go_on(self, bench: Bench) -> None:
        outcome = run(bench, "permission", permissions=Permissions(deny=("execute:rm *",)))
        assert outcome.code is None
        assert notes(bench, "answer")[0]["option_id"] == "o-reject_once"
        assert any(event.text == "denied (execute:rm *): execute:rm -rf build" for event in outcome.events)

    def test_an_agent_that_stops_there_has_failed(self, bench: Bench) -> None:
        failure = failure_of(run(bench, "permission", told={"stop": True}, permissions=Permissions("deny")))
        assert failure.code == "policy_denied"
        assert failure.details["denied"] == "execute:rm -rf build"

    @pytest.mark.parametrize(
        "told",
        [
            {"stop": "cancelled"},
            {"stop": "cancelled", "last_words": "[Request interrupted by user]"},
            {"error": [-32603, "Internal error"]},
        ],
    )
    def test_an_agent_for_which_a_denial_is_a_cancel_is_not_tried_again(
        self, bench: Bench, told: dict[str, Any]
    ) -> None:
        failure = failure_of(run(bench, "permission", told=told, permissions=Permissions("deny")))
        assert (failure.code, failure.details["denied"]) == ("policy_denied", "execute:rm -rf build")
        assert failure.details["rule"] == "default"

    def test_an_error_that_says_what_it_is_outweighs_the_denial_before_it(self, bench: Bench) -> None:
        told = {"error": [-32603, "429 Too Many Requests"]}
        assert run(bench, "permission", told=told, permissions=Permissions("deny")).code == "rate_limited"

    @pytest.mark.parametrize("told", [{}, {"ends": "completed"}, {"ends": "completed", "goes_on": True}])
    def test_a_denied_tool_that_runs_unasked_ends_the_attempt(self, bench: Bench, told: dict[str, Any]) -> None:
        outcome = run(bench, "unasked", told=told, permissions=Permissions(deny=("execute:rm *",)))
        failure = failure_of(outcome)
        assert (failure.code, failure.details["rule"]) == ("policy_denied", "execute:rm *")
        assert failure.details["denied"] == "execute:cd . && rm -rf build"
        assert "did not ask" in failure.message
        assert outcome.result.exit.code == 1
        if "goes_on" not in told:
            assert notes(bench, "cancel")

    def test_one_that_the_agent_itself_refused_does_not(self, bench: Bench) -> None:
        told = {"ends": "failed", "goes_on": True}
        assert run(bench, "unasked", told=told, permissions=Permissions(deny=("execute:rm *",))).code is None

    def test_one_that_only_the_default_denies_does_not(self, bench: Bench) -> None:
        told = {"ends": "completed", "goes_on": True}
        assert run(bench, "unasked", told=told, permissions=Permissions("deny")).code is None

    def test_one_that_is_asked_for_after_it_was_told_is_only_denied(self, bench: Bench) -> None:
        assert run(bench, "late", permissions=Permissions(deny=("execute:rm *",))).code is None
        assert notes(bench, "answer")[0]["option_id"] == "o-reject_once"

    def test_a_question_is_declined(self, bench: Bench) -> None:
        outcome = run(bench, "elicitation")
        assert notes(bench, "answer")[0]["action"] == "decline"
        assert any("Which branch?" in event.text for event in outcome.events)


def test_a_model_that_is_not_offered(bench: Bench) -> None:
    failure = failure_of(run(bench, model="huge"))
    assert failure.code == "model_not_found"
    assert "small, large" in failure.message
    assert notes(bench, "option") == []


def test_a_model_of_the_older_list_is_chosen_by_its_own_call(bench: Bench) -> None:
    outcome = run(bench, told={"lists": True}, model="large", options={"mode": "yolo"})
    assert outcome.code is None, outcome.transcript.read_text()
    assert [note["value"] for note in notes(bench, "model") + notes(bench, "mode")] == ["large", "yolo"]
    assert notes(bench, "option") == []


def test_a_model_that_the_older_list_does_not_offer(bench: Bench) -> None:
    failure = failure_of(run(bench, told={"lists": True}, model="huge"))
    assert (failure.code, failure.message) == ("model_not_found", "model not found: huge; offered: small, large")


def test_a_choice_that_there_is_not(bench: Bench) -> None:
    assert run(bench, options={"mode": "plan"}).code == "invalid_spec"


def test_an_agent_that_wants_a_login_first_gets_it(bench: Bench) -> None:
    assert run(bench, told={"login": "ok"}, options={"auth_method": "cursor_login"}).code is None
    assert [note["what"] for note in notes(bench, "authenticate") + notes(bench, "new")] == ["authenticate", "new"]
    assert run(bench, told={"login": "ok"}).code == "auth"


@pytest.mark.parametrize("lists", [False, True])
def test_a_dry_job_opens_a_session_and_says_what_it_offers(bench: Bench, lists: bool) -> None:
    class Dry(AcpAdapter):
        def launch(self, request: Request) -> Launch:
            launch = super().launch(request)
            return replace(launch, stdin=json.dumps({**json.loads(launch.stdin), "dry": True}).encode())

    variables = {
        "WF_FAKE_ACP_NOTES": str(bench.root / "notes"),
        "WF_FAKE_ACP": json.dumps({"lists": lists}),
        "PYTHONPATH": str(SUPPORT.parent),
    }
    adapter = Dry(RuntimeSettings("fake", "acp", command=STAND_IN))
    outcome = bench.run(adapter, environment=variables, limits=LONG, model="large")
    assert outcome.code is None, outcome.transcript.read_text()
    offers = printed(outcome, "offer")
    assert offers[0] == {"type": "offer", "category": "model", "values": ["small", "large"], "current": "large"}
    assert notes(bench, "prompt") == []


def test_a_secret_said_in_pieces_is_redacted(bench: Bench) -> None:
    outcome = run(bench, "split", environment={"WF_TEST_TOKEN": "correct-horse-battery"})
    assert outcome.code is None
    assert "horse" not in outcome.transcript.read_text()
    assert "[redacted]" in outcome.transcript.read_text()
    assert "horse" not in outcome.result.verdict.summary


def test_the_program_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing):
        AcpAdapter(RuntimeSettings("x", "acp", command=("no-such-agent",))).launch(request_for(tmp_path, "m"))
    with pytest.raises(ConfigError, match=r"runtimes\.x\.command"):
        registry.make(RuntimeSettings("x", "acp"))
