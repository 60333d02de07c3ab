"""What a program printed last, for people: an object that it printed ends in brackets, which say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.runtimes.base import Exit
from wf_cli.runtimes.command import exit_failure
from wf_cli.runtimes.jsonlines import last_words

DUMP = "starting\nError: you are not logged in {\n  status: 401,\n  help: 'run login'\n}\n\n"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("", ""),
        ("\n \n", ""),
        ("one\ntwo\n", "two"),
        ("one\r\n  two  \r\n", "two"),
        (DUMP, "Error: you are not logged in"),
        ('{\n  "error": "no key"\n}', '"error": "no key"'),
        ("[\n  401\n]", "]"),
        ("Fehler: ungültig {\n}\n", "Fehler: ungültig"),
        ("失败：没有登录 (\n)\n", "失败：没有登录"),
    ],
)
def test_the_line_that_says_something_is_told(said: str, line: str) -> None:
    assert last_words(said) == line


@given(st.text())
def test_it_is_one_line_of_what_was_said(said: str) -> None:
    line = last_words(said)
    assert line in said
    assert len(line.splitlines()) <= 1
    assert bool(said.strip()) or not line


def test_a_failure_of_a_program_is_told_by_it() -> None:
    failure = exit_failure(Exit(1, stderr_tail=DUMP))
    assert failure is not None
    assert failure.message == "exit code 1: Error: you are not logged in"
