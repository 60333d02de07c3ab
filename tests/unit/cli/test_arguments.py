"""The argument layer of the contract commands."""

from __future__ import annotations

import pytest

from wf_cli import ecmascript
from wf_cli.cli.frame.arguments import ArgumentError, Parsed, Spec, parse, wants_help

SPEC = Spec(
    required=("plan",), optional=("id",), flags=frozenset({"--json"}), values={"--note": "n", "--reason": "n"}
)


def read(*words: str, spec: Spec = SPEC) -> Parsed:
    return parse(spec, words, "usage")


def test_options_may_stand_anywhere_and_the_last_value_wins() -> None:
    parsed = read("--note", "a", "1", "--json", "--reason=--b", "-x")
    assert (parsed.word("plan"), parsed.words["id"]) == ("1", "-x")
    assert (parsed.value("n"), parsed.flag("--json")) == ("--b", True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("",),
        ("--json",),
        ("1", "2", "3"),
        ("1", "--nope"),
        ("1", "--not", "x"),
        ("1", "--json=1"),
        ("1", "--note"),
        ("1", "--note", "--json"),
        ("1", "--note", ""),
        ("1", "--"),
    ],
)
def test_what_does_not_fit_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ArgumentError):
        read(*words)


def test_an_attached_value_may_be_empty() -> None:
    assert read("1", "--note=").value("n") == ""


def test_by_position_takes_whatever_stands_there() -> None:
    spec = Spec(required=("a", "b"), flags=frozenset({"--json"}), by_position=True)
    parsed = read("--json", "--x", "more", "--json", spec=spec)
    assert (parsed.word("a"), parsed.word("b"), parsed.flag("--json")) == ("--json", "--x", True)
    with pytest.raises(ArgumentError):
        read("only", spec=spec)


def test_quirk_30_a_help_token_counts_as_a_value_too() -> None:
    assert wants_help(["log", "x", "--about", "-h"])
    assert not wants_help(["log", "--about=-h"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8", 8.0), ("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1e1", 10.0), ("0x10", 16.0), ("0b11", 3.0),
        (" 7 ", 7.0),
        ("-1", -1.0), ("+2", 2.0), ("", 0.0), (" ", 0.0),
        ("x", None), ("1_0", None), ("Infinity", None), ("1e999", None),
        ("-0x10", None), ("0x", None), ("1,5", None), ("\u0661", None),
    ],
)  # fmt: skip
def test_numbers_are_spelt_as_in_javascript(text: str, number: float | None) -> None:
    assert ecmascript.number(text) == number
