"""Tool calls as agents tell them, in pieces and in their own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wf_cli.runtimes.acp.conversation import Conversation
from wf_cli.runtimes.acp.report import Reporter
from wf_cli.runtimes.acp.tools import Tool, Tools
from wf_cli.runtimes.permissions import Permissions

MAKE_ONLY = Permissions("deny", allow=("execute:make", "execute:make *"), deny=("execute:make publish*",))
CHOICES = [{"optionId": "yes", "kind": "allow_once"}, {"optionId": "no", "kind": "reject_once"}]


def asked(policy: Permissions, agent: str = "", **call: Any) -> bool:
    """Whether a call that is asked for in one message is allowed."""
    tools = Tools()
    tools.agent = agent
    return tools.hear("t", call)[1].decide(policy).allowed


class TestTitles:
    @pytest.mark.parametrize(
        ("agent", "title", "allowed"),
        [
            ("qwen-code 0.2", "make test (Runs the tests)", True),
            ("qwen-code 0.2", "make test [in sub] (Runs the tests (all))", True),
            ("qwen-code 0.2", "make test [background]", True),
            ("qwen-code 0.2", "make publish (Publishes)", False),
            ("qwen-code 0.2", "make; (rm x)", False),
            ("qwen-code 0.2", "make &&\n(rm x)", False),
            ("gemini-cli 0.1", "make [current working directory /x] (Runs)", True),
            ("another 1", "make test (Runs the tests)", False),
            ("claude 1", "`make test`", True),
            ("claude 1", "`make test` `rm x`", False),
        ],
    )
    def test_what_an_agent_adds_is_no_part_of_the_command(self, agent: str, title: str, allowed: bool) -> None:
        assert asked(MAKE_ONLY, agent, kind="execute", title=title) is allowed

    def test_the_command_itself_outweighs_the_title(self) -> None:
        call = {"kind": "execute", "title": "Runs the tests", "rawInput": {"command": "make test"}}
        assert asked(MAKE_ONLY, **call)
        assert not asked(MAKE_ONLY, **{**call, "rawInput": {"command": "cd x && make publish"}})
        assert not asked(MAKE_ONLY, **{**call, "title": "make publish"})

    def test_codex_tells_its_command_as_words_and_makes_a_kind_of_its_own_of_it(self) -> None:
        words = ["/bin/bash", "-lc", "cd . && git push"]
        assert not asked(
            Permissions(deny=("execute:git push*",)), kind="read", title="Read x", rawInput={"cmd": words}
        )
        assert asked(MAKE_ONLY, kind="execute", title="Run make", rawInput={"command": ["bash", "-lc", "make test"]})

    @pytest.mark.parametrize(
        ("update", "title"),
        [
            ({"kind": "execute", "rawInput": {"command": "make"}}, "make"),
            ({"kind": "edit", "rawInput": {"file_path": "a.py", "content": "x"}}, "a.py"),
            ({"kind": "read", "locations": [{"path": "b.py"}]}, "b.py"),
            ({"kind": "read", "rawInput": 7, "locations": "x"}, ""),
        ],
    )
    def test_a_call_without_a_title_gets_one(self, update: dict[str, Any], title: str) -> None:
        assert Tool().told(update, "").title == title


def test_what_only_the_question_tells_is_kept_for_the_rest_of_the_call() -> None:
    lines: list[dict[str, Any]] = []

    def write(name: str, /, **facts: Any) -> None:
        lines.append({"type": name, **facts})

    report = Reporter(write)
    report.start()
    talk = Conversation(report, Permissions(deny=("execute:rm *",)))
    talk.begin(new=True)
    call = {"toolCallId": "t", "kind": "execute", "title": "make"}
    answer = talk.request_permission({"toolCall": call, "options": CHOICES})
    assert answer == {"outcome": {"outcome": "selected", "optionId": "yes"}}
    for status in ("in_progress", "completed"):
        update = {"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": status}
        talk.session_update({"update": update})
    told = [(line["kind"], line["title"], line["status"]) for line in lines if line["type"] == "tool"]
    assert told == [("execute", "make", "in_progress"), ("execute", "make", "completed")]
    assert all(json.dumps(line) for line in lines)


def test_calls_that_never_end_take_no_memory_without_bounds() -> None:
    tools = Tools()
    for number in range(5000):
        tools.hear(str(number), {"kind": "read"})
    assert len(tools._known) == 1000


@pytest.mark.parametrize(
    ("agent", "before", "spent"),
    [
        ("@agentclientprotocol/claude-agent-acp 0.30", None, 0.5),
        ("@agentclientprotocol/claude-agent-acp 0.30", 0.25, 0.5),
        ("Another 1", None, None),
        ("Another 1", 0.25, 0.25),
    ],
)
def test_the_cost_of_a_resumed_session_is_that_of_the_attempt_or_unknown(
    agent: str, before: float | None, spent: float | None
) -> None:
    """``before`` is what the agent tells while it loads the session; half a dollar what it tells in the turn."""
    told: list[Any] = []

    def write(name: str, /, **facts: Any) -> None:
        if name == "usage":
            told.append(facts["cost_usd"])

    talk = Conversation(Reporter(write), Permissions())
    talk.tools.agent = agent

    def cost(dollars: float) -> None:
        update = {"sessionUpdate": "usage_update", "used": 1, "cost": {"amount": dollars, "currency": "USD"}}
        talk.session_update({"update": update})

    if before is not None:
        cost(before)
    talk.begin(new=False)
    cost(0.5)
    assert told == [spent]
