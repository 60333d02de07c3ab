"""Registers: what is read is what was written, and everything else is refused with a reason."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.hostile import VALUES
from support.synced import BOX, full
from wf_cli import schema
from wf_cli.errors import ContractError
from wf_cli.synced import fields, record
from wf_cli.synced.fields import Attempt
from wf_cli.synced.record import Register

FULL = full().to_json()


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, inner in items for path in paths(inner, (*at, key)))] if at else [
        path for key, inner in items for path in paths(inner, (key,))
    ]  # fmt: skip


PATHS = paths(FULL)


def with_(path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(FULL)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def test_a_register_comes_back_as_it_was() -> None:
    assert record.decode(full().encode()) == replace(full(), at_ms=full().at_ms)


def test_the_schema_takes_it_without_jsonschema() -> None:
    assert schema.conforms("node", FULL)


def test_a_later_wf_may_add_keys() -> None:
    assert Register.from_json({**FULL, "more": {"of": [1]}}) == full()


def test_a_later_format_says_what_to_do() -> None:
    with pytest.raises(record.LaterFormat, match="format 2") as error:
        Register.from_json({"format": 2})
    assert error.value.hint == "update wf here"


@given(path=st.sampled_from(PATHS), value=st.sampled_from(VALUES) | st.from_type(type(None)))
@settings(max_examples=400)
def test_whatever_stands_in_a_field_it_is_refused_or_is_of_the_schema(path: tuple[Any, ...], value: Any) -> None:
    changed = with_(path, value)
    try:
        got = record.decode(json.dumps(changed).encode())
    except ContractError:
        return
    assert jsonschema.Draft202012Validator(schema.load("node")).is_valid(changed)
    assert record.decode(got.encode()) == got  # what was taken can be said again


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("words", "b.a1", "outcome", "attempt"), 2),
        (("words", "b.a1", "outcome", "job_id"), "x"),
        (("words", "b.a1", "outcome"), None),
        (("words", "b.a1", "end"), "returned"),
        (("home", "grants", "a.a2", "spec", "job_id"), "b"),
        (("home", "grants", "a.a2", "pool"), "reviewer@opencode"),
        (("home", "grants", "a.a2", "previous", "attempt"), 2),
        (("home", "grants", "a.a2", "tree"), "../../../etc/passwd"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(ContractError):
        Register.from_json(with_(path, value))


def test_two_open_attempts_of_one_job_are_no_register() -> None:
    grants = FULL["home"]["grants"]
    with pytest.raises(ContractError, match="two attempts"):
        Register.from_json(with_(("home", "grants"), {**grants, "a.a3": grants["a.a2"]}))


@pytest.mark.parametrize(
    "text", ["", "a", "a.a0", "a.a01", "a.a1000000", "a.a1.w-1", "../x.a1", "a.a1\n", "A.a1", "a.a-1"]
)
def test_what_names_no_attempt(text: str) -> None:
    with pytest.raises(ContractError):
        Attempt.parse(text)


NO_JSON = {
    "empty": b"", "no UTF-8": b"\xff", "list": b"[]", "null": b"null", "half": b"{", "deep": b"[" * 100_000,
    "NaN": b'{"format": NaN}', "too large": b'{"format": 1e999}', "twice": b'{"a": 1, "a": 1}', "zeros": b"\0",
}  # fmt: skip


@pytest.mark.parametrize("data", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_object_is_no_register(data: bytes) -> None:
    with pytest.raises(ContractError):
        record.decode(data)


def test_a_register_that_nobody_would_read_is_not_written() -> None:
    with pytest.raises(ContractError, match="at most"):
        replace(full(), holds={Attempt("a", 1): {"activity": "x" * record.LIMIT}}).encode()
    with pytest.raises(ContractError):
        replace(full(), node="x").encode()


@given(st.tuples(st.integers(0, 999_999), st.integers(0, 999_999)))
def test_an_epoch_comes_back(epoch: tuple[int, int]) -> None:
    assert fields.parse_epoch(fields.epoch_text(epoch)) == epoch


def test_epochs_compare_by_takes_first() -> None:
    assert fields.parse_epoch("10.0") > fields.parse_epoch("9.12")


def test_the_message_of_a_refusal_prints_nothing_raw() -> None:
    for value in ("\x1b[31m", "\u202eevil", "a\nb"):
        for key in ("node", "spool", "epoch", "at"):
            with pytest.raises(ContractError) as error:
                Register.from_json({**FULL, key: value})
            assert value not in str(error.value)
    assert BOX in str(FULL)
    json.dumps(FULL)
