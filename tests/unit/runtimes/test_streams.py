"""What happens to bytes on their way: lines, tails, redaction, the transcript."""

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.runtimes.jsonlines import brief
from wf_cli.runtimes.process.lines import Lines, Tail
from wf_cli.runtimes.process.redact import MASK, Redactor, secret_values
from wf_cli.runtimes.process.transcript import TRUNCATED, Transcript


def _in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))),
    st.lists(st.integers(0, 99)),
)
def test_lines_are_the_same_however_they_arrive(lines: list[str], cuts: list[int]) -> None:
    splitter = Lines()
    data = "".join(line + "\n" for line in lines).encode()
    assert [line for piece in _in_pieces(data, cuts) for line in splitter.feed(piece)] == lines
    assert list(splitter.end()) == []


def test_a_long_line_is_cut_and_the_next_one_is_whole() -> None:
    splitter = Lines(limit=4)
    assert list(splitter.feed(b"abc")) == []
    assert list(splitter.feed(b"defgh\r\nxy\r\nlast")) == ["abcd", "xy"]
    assert list(splitter.end()) == ["last"]


def test_a_tail_is_the_end() -> None:
    tail = Tail(limit=5)
    for piece in (b"abc", b"defghijk", b"l\n"):
        tail.feed(piece)
    assert tail.text() == "ijkl"


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "X_TOKEN", "CLIENT_SECRET", "DB_PASSWORD", "PASSWORD_DB", "my_key", "TOKEN"],
)
def test_variables_with_such_names_are_secret(name: str) -> None:
    assert secret_values({name: "some-value"}) == {"some-value"}


@pytest.mark.parametrize("name", ["PATH", "WF_JOB_TOKEN", "KEYBOARD", "MONKEY", "TOKENIZERS_PARALLELISM"])
def test_other_variables_are_not(name: str) -> None:
    assert secret_values({name: "some-value"}) == set()


def test_short_values_are_left_alone() -> None:
    assert secret_values({"X_KEY": "1"}) == set()


def test_secrets_inside_of_json_variables_are_found() -> None:
    content = '{"provider": {"x": {"options": {"apiKey": "sk-12345678", "baseURL": "http://h/v1"}}}, "a": ["{"]}'
    assert secret_values({"OPENCODE_CONFIG_CONTENT": content, "BROKEN": "{nope"}) == {"sk-12345678"}


@given(
    st.lists(st.sampled_from(["secret-one", "secret-one-and-more", "se", "cret", "x", "\n", "-and-more"])),
    st.lists(st.integers(0, 99)),
)
def test_no_secret_passes_a_stream_however_it_arrives(parts: list[str], cuts: list[int]) -> None:
    redactor = Redactor({"secret-one", "secret-one-and-more"})
    stream = redactor.stream()
    data = "".join(parts).encode()
    out = b"".join(stream.feed(piece) for piece in _in_pieces(data, cuts)) + stream.end()
    assert out == re.sub(b"secret-one-and-more|secret-one", MASK.encode(), data)


def test_ordinary_text_is_not_delayed() -> None:
    stream = Redactor({"secret"}).stream()
    assert stream.feed(b"hello ") == b"hello "
    assert stream.feed(b"no se") == b"no "
    assert stream.feed(b"t") == b"set"
    assert stream.feed(b"sec") == b""
    assert stream.end() == b"sec"


def test_values_are_cleaned_inside_of_details() -> None:
    details = {"a": ["x secret"], "n": 3, "t": ("secret",)}
    assert Redactor({"secret"}).value(details) == {"a": [f"x {MASK}"], "n": 3, "t": (MASK,)}


def test_what_is_nested_for_ever_is_cut_and_nothing_raises() -> None:
    deep: object = "secret"
    for _ in range(5000):
        deep = {"a": [deep]}
    assert "secret" not in json.dumps(Redactor({"secret"}).value({"x": deep, "y": "secret"}))


def test_a_line_for_people_is_cut_before_a_word_that_does_not_fit() -> None:
    key = "k" * 300
    assert brief(f"invalid api key: {key}", 200) == "invalid api key: …"
    assert brief(key, 200) == "…"
    assert brief(f"{'  ' * 500}{key}", 200) == "…"
    assert brief("one two three", 10) == "one two …"
    assert brief("one\ttwo ", 10) == "one two"


def test_a_transcript_is_bounded_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.log"
    transcript = Transcript(path, Redactor(set()), limit=10)
    transcript.write("stdout", b"1234567")
    transcript.write("stderr", b"89abcdef")
    transcript.write("stdout", b"more")
    transcript.close()
    assert path.read_bytes() == b"123456789a" + TRUNCATED
    assert transcript.trouble is None


def test_a_transcript_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "t.log").symlink_to(tmp_path / "elsewhere")
    transcript = Transcript(tmp_path / "t.log", Redactor(set()))
    transcript.write("stdout", b"x")
    transcript.close()
    assert not (tmp_path / "elsewhere").exists()
    assert transcript.trouble is not None


class TestPatterns:
    """Configured regular expressions, besides the known values."""

    @given(
        st.lists(
            st.sampled_from(["acme-0123", "acme-zz", "plain text ", "\n", "acme", "-0123", "\r\n", "ü"]), max_size=30
        ),
        st.lists(st.integers(1, 9), max_size=30),
    )
    def test_what_a_line_matches_passes_no_stream_however_it_arrives(self, parts: list[str], cuts: list[int]) -> None:
        data = "".join(parts).encode()
        stream = Redactor(set(), ["acme-[0-9]{4}"]).stream()
        out, at = b"", 0
        for cut in cuts:
            out += stream.feed(data[at : at + cut])
            at += cut
        out += stream.feed(data[at:]) + stream.end()
        assert re.search(rb"acme-[0-9]{4}", out) is None
        whole = re.sub(rb"acme-[0-9]{4}", MASK.encode(), data)
        assert out == whole, "and nothing else is touched"

    def test_several_patterns_and_values_are_masked_in_texts_and_details_too(self) -> None:
        redactor = Redactor({"hunter22"}, ["acme-[0-9]+", r"(?i)bearer \S+"])
        assert redactor.text("hunter22 acme-7 Bearer x.y") == " ".join([MASK] * 3)
        assert redactor.value({"a": ["acme-7"]}) == {"a": [MASK]}

    def test_a_line_without_an_end_is_not_kept_for_ever(self) -> None:
        stream = Redactor(set(), ["acme-[0-9]{4}"]).stream()
        out = b""
        for _ in range(100):
            out += stream.feed(b"word " * 1000)
        assert len(out) > 400_000
        assert len(out + stream.end()) == 500_000

    def test_bytes_that_are_no_text_pass_as_they_are(self) -> None:
        stream = Redactor(set(), ["acme-[0-9]{4}"]).stream()
        assert stream.feed(b"\xff\xfe acme-1234\n") + stream.end() == b"\xff\xfe " + MASK.encode() + b"\n"
