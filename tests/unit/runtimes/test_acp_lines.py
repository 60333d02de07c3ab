"""The parts of the ACP client that can be seen without an agent: its transport, its words, its reader."""

import asyncio
import json
from typing import Any

import pytest

from wf_cli.runtimes.acp_events import AcpReader
from wf_cli.runtimes.acp_report import TEXT_LIMIT, Reporter, Words, cut
from wf_cli.runtimes.acp_transport import LineTransport
from wf_cli.runtimes.base import Exit


class Writer:
    """As much of a StreamWriter as a transport needs."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass


def received(data: bytes, *, limit: int = 1000, pieces: int = 7) -> tuple[list[Any], list[str], bytes]:
    """The messages in ``data``, the noise, and what was answered."""
    noise: list[str] = []
    writer = Writer()

    async def read() -> list[Any]:
        reader = asyncio.StreamReader()
        transport = LineTransport(
            reader,
            writer,  # type: ignore[arg-type]
            on_message=lambda: None,
            on_noise=noise.append,
            answer=lambda method: {"no": 1} if method == "other/ask" else None,
            limit=limit,
        )
        for start in range(0, len(data), pieces):
            reader.feed_data(data[start : start + pieces])
        reader.feed_eof()
        messages = []
        while (message := await transport.receive()) is not None:
            messages.append(message)
        return messages

    return asyncio.run(read()), noise, writer.written


class TestTransport:
    def test_messages_are_found_among_anything_else(self) -> None:
        data = b'hi\n{"id": 1, "result": {}}\n[]\n\n{"method": "m"}\r\n{"id": {}}\n{"half": '
        messages, noise, _ = received(data)
        assert messages == [{"id": 1, "result": {}}, {"method": "m"}]
        assert noise == ["hi", "[]", '{"id": {}}']

    def test_a_line_without_end_takes_no_memory_and_the_next_one_counts(self) -> None:
        messages, noise, _ = received(b"x" * 300_000 + b'\n{"method": "m"}\n', pieces=100_000)
        assert messages == [{"method": "m"}]
        assert len(noise) == 1

    def test_an_error_that_is_no_object_becomes_one(self) -> None:
        messages, _, _ = received(b'{"id": 1, "error": "no"}\n')
        assert messages == [{"id": 1, "error": {"code": -32603, "message": "no"}}]

    def test_a_request_outside_of_the_protocol_is_answered(self) -> None:
        messages, _, written = received(b'{"id": "q", "method": "other/ask"}\n{"method": "other/ask"}\n')
        assert messages == [{"method": "other/ask"}]
        assert json.loads(written) == {"jsonrpc": "2.0", "id": "q", "result": {"no": 1}}


class TestWords:
    def test_text_is_passed_on_in_whole_words(self) -> None:
        said: list[str] = []
        words = Words(said.append)
        for piece in ("the sec", "ret is abc", "def", " now"):
            words.add(piece)
            words.flush()
        words.end()
        assert said == ["the ", "secret is ", "abcdef ", "now"]

    def test_the_summary_is_the_last_message(self) -> None:
        words = Words(lambda text: None)
        words.add("On it.", "m1")
        words.add("Done.", "m2")
        words.add(" Really.", "m2")
        assert words.summary == "Done. Really."
        words.end()
        words.add("More.", "m2")  # after a tool
        assert words.summary == "More."

    def test_a_word_without_end_is_not_kept_for_ever(self) -> None:
        said: list[str] = []
        words = Words(said.append)
        for _ in range(100):
            words.add("x" * 1000)
        assert sum(map(len, said)) > 80_000

    def test_a_cut_never_leaves_half_a_word(self) -> None:
        assert cut("short") == "short"
        assert cut("a secretly long word", 8) == "a …"
        assert cut("x" * (TEXT_LIMIT + 1)) == "…"


def test_notes_wait_for_the_session_and_are_few() -> None:
    lines: list[tuple[str, Any]] = []
    report = Reporter(lambda kind, **facts: lines.append((kind, facts)), now=lambda: 0.0)
    report.note("early")
    report.alive("x")
    assert lines == []
    report.start()
    for number in range(100):
        report.note(str(number))
    assert lines[0] == ("note", {"text": "early"})
    assert len(lines) == 20


def read(*lines: dict[str, Any]) -> AcpReader:
    reader = AcpReader()
    for line in lines:
        reader.feed(json.dumps(line))
    return reader


RESULT = {"type": "result", "stop_reason": "end_turn", "text": "Done."}
DENIED = {"type": "permission", "what": "execute:rm", "allowed": False, "rule": "default", "tool": "t"}


class TestReader:
    @pytest.mark.parametrize(
        ("after", "code"),
        [
            ([], "policy_denied"),
            ([{"type": "tool", "id": "t", "status": "failed"}], "policy_denied"),
            ([{"type": "tool", "id": "u", "status": "pending"}], None),
            ([{"type": "text", "text": "Then I do it differently."}], None),
            ([{**DENIED, "allowed": True}], None),
        ],
    )
    def test_a_turn_that_ends_at_a_denial(self, after: list[dict[str, Any]], code: str | None) -> None:
        failure = read(DENIED, *after, RESULT).verdict(Exit(0)).failure
        assert (failure.code if failure else None) == code

    def test_a_turn_that_we_cancelled_is_not_finished(self) -> None:
        assert not read({"type": "result", "stop_reason": "cancelled"}).finished
        assert read(RESULT).finished
        assert read({"type": "error", "source": "rpc", "message": "x"}).finished

    @pytest.mark.parametrize(
        "line", ["", "x", "{}", '{"type": 7}', '{"type": "error"}', '{"type": "usage"}', "[" * 9999]
    )
    def test_nothing_raises(self, line: str) -> None:
        reader = AcpReader()
        reader.feed(line)
        assert reader.verdict(Exit(1, stderr_tail="boom")).failure is not None

    def test_hopeless_retries_are_what_the_provider_says(self) -> None:
        line = {
            "type": "error",
            "source": "retry",
            "message": "Rate limit reached",
            "attempt": 3,
            "retry_after_s": 99,
        }
        failure = read(line).verdict(Exit(1)).failure
        assert failure is not None
        assert (failure.code, failure.retry_after_s) == ("rate_limited", 99)
        failure = read({**line, "message": "Bad response"}).verdict(Exit(1)).failure
        assert failure is not None
        assert (failure.code, failure.retry_after_s) == ("network", None)

    def test_unknown_usage_stays_unknown(self) -> None:
        usage = read({"type": "usage", "context": 7}, RESULT).verdict(Exit(0)).usage
        assert (usage.tokens_in, usage.tokens_out, usage.cost_usd) == (None, None, None)
