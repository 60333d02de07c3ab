"""The messages of an ACP agent, whatever it sends: what can be read is read, and nothing else is raised."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.runtimes.acp.conversation import Conversation
from wf_cli.runtimes.acp.messages import Choice, Ended, Hello, Malformed, Offers
from wf_cli.runtimes.acp.peer import AgentError, Peer
from wf_cli.runtimes.acp.report import Reporter
from wf_cli.runtimes.acp.transport import LineTransport
from wf_cli.runtimes.permissions import Permissions

KEYS = tuple(
    """protocolVersion agentInfo name version agentCapabilities sessionCapabilities resume loadSession authMethods id
    configOptions type options group value category currentValue modes availableModes stopReason usage inputTokens
    outputTokens update sessionUpdate content text toolCall toolCallId kind title status optionId cost amount currency
    used message""".split()
)
WORDS = (
    "select", "text", "content", "end_turn", "usage_update", "agent_message_chunk", "tool_call", "tool_call_update",
    "completed", "allow_once", "reject_once", "USD", "plan", "\ud800",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


@given(VALUES)
@pytest.mark.parametrize("read", [Hello.of, Offers.of, Ended.of])
def test_any_answer_is_read_or_malformed(read: Callable[[Any], object], value: Any) -> None:
    with contextlib.suppress(Malformed):
        assert read(value) == read(value)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_whatever_an_agent_tells_or_asks_is_reported_or_malformed(params: dict[str, Any]) -> None:
    lines: list[str] = []

    async def talk() -> None:
        said = Reporter(write=lambda kind, **facts: lines.append(json.dumps({"type": kind, **facts})))
        conversation = Conversation(said, Permissions())
        conversation.begin(new=True)
        for handler in conversation.handlers.values():
            try:
                answer = handler(params)
            except Malformed:
                continue
            json.dumps(answer).encode()
        conversation.end()

    asyncio.run(talk())
    assert all(line.encode() for line in lines)


def test_the_parts_of_an_answer() -> None:
    hello = Hello.of({
        "protocolVersion": 1,
        "agentInfo": {"name": "Fake", "version": "1.0"},
        "agentCapabilities": {"loadSession": True, "sessionCapabilities": {"resume": {}}},
        "authMethods": [{"id": "login", "name": "Log in"}],
    })  # fmt: skip
    assert hello == Hello(1, "Fake 1.0", ("login",), resumes=True, loads=True)
    assert Hello.of({"protocolVersion": 1}) == Hello(1, None, (), resumes=False, loads=False)
    grouped = {"group": "g", "name": "G", "options": [{"value": "b", "name": "B"}]}
    option = {"id": "m", "name": "Model", "type": "select", "category": "model", "currentValue": "a",
              "options": [{"value": "a", "name": "A"}, grouped]}  # fmt: skip
    models = {"currentModelId": "c", "availableModels": [{"modelId": "c"}, {"modelId": 7}, "d"]}
    told = {"configOptions": [option, {"id": "x", "type": "other"}], "models": models, "modes": []}
    offers = Offers.of(told)
    assert offers == Offers((Choice("m", "model", "a", ("a", "b")),), {"model": Choice("", "model", "c", ("c",))})
    assert [choice.id for choice in offers.of_category("model")] == ["m", ""]
    assert offers.of_category("mode") == ()
    assert Ended.of({"stopReason": "end_turn"}) == Ended("end_turn", None)
    quota = {"token_count": {"input_tokens": 7, "output_tokens": 2}, "model_usage": []}
    assert Ended.of({"stopReason": "end_turn", "_meta": {"quota": quota}}) == Ended("end_turn", (7, 2))
    nothing = {"token_count": {"input_tokens": 0, "output_tokens": "2"}}
    assert Ended.of({"stopReason": "end_turn", "_meta": {"quota": nothing}}) == Ended("end_turn", None)
    usage = {"inputTokens": 3, "cachedReadTokens": 4, "outputTokens": 5, "thoughtTokens": None}
    assert Ended.of({"stopReason": "refusal", "usage": usage}) == Ended("refusal", (7, 5))
    with pytest.raises(Malformed, match="stopReason is 'bored'"):
        Ended.of({"stopReason": "bored"})


class Wire:
    """The stream to the agent. ``answers`` says what the agent sends for each message that it gets."""

    def __init__(self, reader: asyncio.StreamReader, answers: Callable[[dict[str, Any]], list[Any]]):
        self.sent: list[dict[str, Any]] = []
        self._reader = reader
        self._answers = answers

    def write(self, data: bytes) -> None:
        message = json.loads(data)
        self.sent.append(message)
        for answer in self._answers(message):
            self._reader.feed_data(json.dumps(answer).encode() + b"\n")

    async def drain(self) -> None:
        pass


def with_peer(
    answers: Callable[[dict[str, Any]], list[Any]],
    do: Callable[[Peer], Awaitable[Any]],
    said: list[str] | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    async def run() -> tuple[Any, list[dict[str, Any]]]:
        reader = asyncio.StreamReader()
        wire = Wire(reader, answers)
        transport = LineTransport(
            reader,
            wire,  # type: ignore[arg-type]
            on_message=lambda: None,
            on_noise=lambda _line: None,
        )

        def refuse(_params: object) -> dict[str, Any]:
            raise Malformed("it is odd")

        told: list[str] = [] if said is None else said
        peer = Peer(transport, {"odd": refuse, "ask": lambda params: {"got": dict(params)}}, told.append)
        try:
            return await asyncio.wait_for(do(peer), 20), wire.sent
        except (AgentError, ConnectionError) as error:
            return error, wire.sent
        finally:
            reader.feed_eof()
            await asyncio.sleep(0)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": -32000, "message": "log in", "data": {"x": 1}}, -32000, "log in"),
        ({"code": "x", "message": 7}, -32603, "7"),
        ({}, -32603, "Error"),
        ("no object", -32603, "no object"),
    ],
)
def test_an_error_of_the_agent_is_raised_whatever_its_shape(error: Any, code: int, message: str) -> None:
    caught, _ = with_peer(lambda sent: [{"id": sent["id"], "error": error}], lambda peer: peer.call("m", {}))
    assert (caught.code, str(caught)) == (code, message)


def test_requests_of_the_agent_are_answered_in_their_order_before_the_answer_that_follows_them() -> None:
    said: list[str] = []

    def answers(sent: dict[str, Any]) -> list[Any]:
        if sent.get("method") != "go":
            return []
        return [
            {"id": "a", "method": "ask", "params": {"n": 1}},
            {"id": "b", "method": "unknown"},
            {"id": "c", "method": "odd"},
            {"method": "odd"},
            {"id": 99, "result": "nobody asked"},
            {"id": sent["id"], "result": {"ok": True}},
        ]

    result, sent = with_peer(answers, lambda peer: peer.call("go", {"x": 1}), said)
    assert result == {"ok": True}
    assert sent[0] == {"jsonrpc": "2.0", "id": 0, "method": "go", "params": {"x": 1}}
    assert sent[1] == {"jsonrpc": "2.0", "id": "a", "result": {"got": {"n": 1}}}
    assert [(answer["id"], answer["error"]["code"]) for answer in sent[2:]] == [("b", -32601), ("c", -32602)]
    assert said == ["odd: it is odd"] * 2


def test_a_call_to_an_agent_that_ends_is_a_lost_connection() -> None:
    async def ends(peer: Peer) -> Any:
        call = asyncio.create_task(peer.call("m", {}))
        await asyncio.sleep(0)
        peer._transport._reader.feed_eof()
        with pytest.raises(ConnectionError):
            await call
        return await peer.call("again", {})

    caught, sent = with_peer(lambda _sent: [], ends)
    assert isinstance(caught, ConnectionError)
    assert [message["method"] for message in sent] == ["m"]
