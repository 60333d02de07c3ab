"""What comes in at a door can be stored, printed as JSON and handed over; anything else is refused there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.contract import plain_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ANYTHING = st.recursive(
    st.none() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def strict(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@given(VALUES)
def test_every_json_value_comes_in_unchanged(value: Any) -> None:
    assert plain_json.loads(json.dumps(value)) == value


@given(ANYTHING)
def test_whatever_is_printed_is_json(value: Any) -> None:
    strict(plain_json.dumps(value))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1e999", "too large"),
        ('{"a": [1, -1e400]}', "too large"),
        ("NaN", "not JSON"),
        ("[Infinity]", "not JSON"),
        ('{"a": {"b": "\\ud800"}}', r"surrogate pair .*at a\.b"),
        ('{"\\udfff": 1}', "surrogate pair"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        ("9" * 5000, "digits"),
        ('{"a": -1' + "0" * 400 + "}", r"too large at a"),
    ],
)
def test_what_could_not_be_printed_again_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plain_json.loads(text)


def test_a_number_that_only_python_reads_is_printed_as_a_word() -> None:
    old = json.loads('{"n": [1e999, NaN, -1e999]}')
    assert strict(plain_json.dumps(old)) == {"n": ["Infinity", "NaN", "-Infinity"]}
