"""Specs and outcomes: what is written follows the schema and is read back equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_cli import schema
from wf_cli.contract import as_written
from wf_cli.contract.event import FIELDS, KINDS, Event
from wf_cli.contract.failure import CODES, Failure
from wf_cli.contract.identity import Target, job_id_for, key_and_step, own_key, parse_step_key
from wf_cli.contract.job import Disposition, End, Outcome, Spec, destination
from wf_cli.contract.shape import WrongShape
from wf_cli.contract.token import NUMBER_LIMIT, Pool, Token, validate
from wf_cli.errors import ContractError

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=16).filter(
    lambda word: word == word.strip("-")
)
nonces = st.integers(0, 2**64 - 1).map("{:016x}".format)
times = st.integers(0, 10**13 - 1)
plain = st.text(st.characters(codec="utf-8"), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(plain, json_values, max_size=3)
#: Each escaped byte takes four characters of the id's 96.
own_texts = st.text(min_size=1, max_size=5) | st.text(st.characters(codec="ascii"), min_size=1, max_size=23)
counts = st.integers(0, NUMBER_LIMIT - 1)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    role = draw(words)
    target = draw(
        st.none()
        | st.builds(
            Target,
            plan_id=st.from_regex(r"[0-9]{2,3}", fullmatch=True),
            iteration=st.integers(0, 99),
            command=st.sampled_from(["plan", "code", "review", "fix"]),
            role=st.just(role),
            epic_id=st.none() | st.just("01"),
            repo_id=st.none() | st.just("web"),
        )
        | st.builds(
            Target,
            plan_id=st.none(),
            iteration=st.integers(0, 99),
            command=st.just("split"),
            role=st.just(role),
            epic_id=st.just("01"),
            repo_id=st.none() | st.just("web"),
        )
    )
    key = target.dedupe_key if target else own_key(draw(own_texts))
    return Spec(
        job_id=job_id_for(key),
        dedupe_key=key,
        nonce=draw(nonces),
        created_ms=draw(times),
        role=role,
        runtime=draw(words),
        target=target,
        payload=draw(json_values),
        priority=draw(st.integers(0, 9)),
        max_attempts=draw(st.integers(1, NUMBER_LIMIT - 1)),
        source=draw(plain),
    )


failures = st.builds(
    Failure,
    code=st.sampled_from(sorted(CODES)),
    message=plain,
    errors=st.lists(plain, max_size=3).map(tuple),
    retry_after_s=st.none() | st.floats(0, 1e9),
    details=objects,
)
outcomes = st.builds(
    Outcome,
    job_id=words,
    attempt=st.integers(1, NUMBER_LIMIT - 1),
    owner=words,
    by=words,
    nonce=nonces,
    end=st.sampled_from(End),
    burned=counts,
    disposition=st.builds(Disposition, st.sampled_from(["queued", "done", "dead"]), times, st.integers(0, 10**9 - 1)),
    at_ms=times,
    losses=counts,
    parked=counts,
    failure=st.none() | failures,
    reason=st.none() | plain.filter(bool),
    result=objects,
    started_ms=st.none() | times,
    session_id=st.none() | plain.filter(bool),
    usage=st.none()
    | st.fixed_dictionaries({"tokens_in": st.none() | counts, "cost_usd": st.none() | st.floats(0, 9)}),
)


@given(specs())
def test_a_spec_is_valid_and_read_back_equal(spec: Spec) -> None:
    value = json.loads(spec.encode())
    assert schema.problems("spec", value) == []
    assert Spec.from_json(value | {"of_a_newer_wf": 1}) == spec
    assert spec.token(0).pool == Pool(spec.role, spec.runtime)


@given(outcomes)
def test_an_outcome_is_valid_and_read_back_equal(outcome: Outcome) -> None:
    value = json.loads(outcome.encode())
    assert schema.problems("outcome", value) == []
    assert Outcome.from_json(value | {"of_a_newer_wf": 1}) == outcome


STRAY = json_values | st.sampled_from(
    [True, 1.0, 2.5, -1, 10**13, 0, 999_999, 10**6, "x\n", "", "a-", "0" * 16, "x" * 97]
)


@st.composite
def damaged(draw: st.DrawFn, records: st.SearchStrategy[Any]) -> Any:
    """A valid record of which up to three places were removed, replaced, or given to another key."""
    value = json.loads(draw(records).encode())
    for _ in range(draw(st.integers(1, 3))):
        where = value
        path = []
        while isinstance(where, dict) and where and (not path or draw(st.booleans())):
            key = draw(st.sampled_from(sorted(where)))
            path.append((where, key))
            where = where[key]
        if not path:
            return draw(STRAY)
        parent, key = path[-1]
        match draw(st.sampled_from(["remove", "replace", "add"])):
            case "remove":
                del parent[key]
            case "replace":
                parent[key] = draw(STRAY)
            case "add":
                known = [
                    "epic_id",
                    "repo_id",
                    "plan_id",
                    "started_at",
                    "error",
                    "usage",
                    "source",
                    "delay_s",
                    "details",
                ]
                parent[draw(st.sampled_from(known))] = draw(STRAY)
    return value


def accepts(of: Any, value: Any) -> bool:
    """Whether the record's own check takes ``value``; parts that contradict each other are no matter of shape."""
    try:
        of(value)
    except WrongShape:
        return False
    except ContractError:
        return True
    return True


@settings(max_examples=150)
@given(damaged(specs()) | json_values)
def test_a_spec_takes_exactly_what_its_schema_takes(value: Any) -> None:
    assert accepts(Spec.from_json, value) == (schema.problems("spec", value) == [])


@settings(max_examples=150)
@given(damaged(outcomes) | json_values)
def test_an_outcome_takes_exactly_what_its_schema_takes(value: Any) -> None:
    assert accepts(Outcome.from_json, value) == (schema.problems("outcome", value) == [])


SPEC = Spec("e01-p03-i0-code-r", "epic:01|plan:03|it:0|cmd:code|role:r", "0" * 16, 0, "r", "x", Target("03", 0, "code", "r", "01"))  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("nonce", "0" * 16 + "\n"),
        ("nonce", "G" * 16),
        ("job_id", "../x"),
        ("job_id", "x\n"),
        ("priority", 10),
        ("priority", True),
        ("priority", "5"),
        ("max_attempts", 0),
        ("max_attempts", NUMBER_LIMIT),
        ("created_at", "yesterday"),
        ("schema_version", 2),
        ("contract_version", 1),
        ("target", []),
        ("target.executor_role", "R"),
        ("target.executor_runtime", "-x"),
        ("target.plan_iteration", -1),
        ("target.workflow_command", "rm -rf"),
        ("target.plan_id", "3/.."),
    ],
)
def test_a_hostile_spec_is_named_by_key_path(path: str, bad: object) -> None:
    value = SPEC.to_json()
    node = value
    *parents, last = path.split(".")
    for key in parents:
        node = node[key]
    node[last] = bad
    assert path in [key for key, _ in schema.problems("spec", value)]


@pytest.mark.parametrize(
    "part", ["plan_id", "plan_iteration", "workflow_command", "epic_id", "repo_id", "executor_role"]
)
def test_a_target_that_contradicts_the_key_is_refused(part: str) -> None:
    value = SPEC.to_json()
    value["target"][part] = {"plan_iteration": 1, "workflow_command": "fix"}.get(part, "99")
    with pytest.raises(ContractError):
        Spec.from_json(value)


def test_a_command_outside_the_step_table_is_refused() -> None:
    """The schema knows no steps, so that a new one is a row of the table alone; the key's grammar is made of them."""
    value = json.loads(json.dumps(SPEC.to_json()).replace("code", "rm"))
    assert schema.problems("spec", value) == []
    with pytest.raises(ContractError, match="does not belong to key"):
        Spec.from_json(value)


def test_a_key_of_another_job_is_refused() -> None:
    with pytest.raises(ContractError, match="does not belong"):
        Spec.from_json(SPEC.to_json() | {"dedupe_key": "key:other"})


def test_whole_floats_become_numbers_that_fit_a_file_name() -> None:
    value = SPEC.to_json() | {"priority": 5.0, "max_attempts": 3.0}
    assert schema.problems("spec", value) == []
    assert Spec.from_json(value).token(0).name.startswith("5.")


@given(outcomes, words, st.integers(0, 9), times)
def test_where_a_token_goes_is_a_pure_function_that_gives_a_valid_name(
    outcome: Outcome, owner: str, priority: int, time_ms: int
) -> None:
    token = Token(priority, time_ms, outcome.job_id, Pool("r", "x"), outcome.attempt, 0, 3, owner=owner)
    directory, moved = destination(token, outcome)
    assert (directory, moved) == destination(token, outcome)
    assert directory == outcome.disposition.to
    assert validate(moved) == moved
    assert (moved.job_id, moved.attempt, moved.burned) == (token.job_id, token.attempt, outcome.burned)
    assert moved.owner is None
    expected = {"queued": (None,), "dead": ("failed",), "done": ("succeeded", "cancelled")}
    assert moved.status in expected[directory]


def test_schemas_allow_no_number_that_a_name_has_no_room_for() -> None:
    spec, outcome = schema.load("spec")["properties"], schema.load("outcome")["properties"]
    for rule in (spec["max_attempts"], outcome["attempt"], outcome["burned"]):
        assert rule["maximum"] == NUMBER_LIMIT - 1


def test_the_event_schema_knows_exactly_the_kinds_and_fields() -> None:
    properties = schema.load("event")["properties"]
    assert set(properties["event"]["enum"]) == KINDS
    assert set(properties) == {"schema", "ts", "event", *FIELDS}
    line = Event("2026-11-22T08:00:00.000Z", "job.claimed", {"attempt": 1, "owner": "o", "reason": None}).line()
    assert schema.problems("event", json.loads(line)) == []


@pytest.mark.parametrize("kind", ["spec", "outcome", "event", "job", "wf.config"])
def test_schemas_are_valid_and_documented(kind: str) -> None:
    import jsonschema

    found = schema.load(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:wf-cli:schema:{kind}"
    assert found["title"]
    assert found["description"]


# -- the form in which wf writes a spec, told without reading JSON


def is_taken(data: bytes, job_id: str) -> bool:
    """Whether the full check takes ``data`` as the spec of ``job_id``."""
    try:
        return Spec.from_json(json.loads(data, parse_constant=str)).job_id == job_id
    except (ContractError, ValueError, RecursionError):
        return False


@given(specs())
def test_what_wf_writes_is_recognised_with_its_role(spec: Spec) -> None:
    quoted = json.dumps(spec.source) != f'"{spec.source}"' or not spec.source.isascii() or "\x7f" in spec.source
    assert as_written.role_in(spec.encode(), spec.job_id) == (None if quoted else spec.role)


#: Pieces of specs, and what breaks them.
PIECES = [
    b'"', b"\\", b"{", b"}", b",", b" ", b"\n", b"\0", b"0", b"-", b"x", b"true", b"null", b"NaN", b"\xff", b"[",
    b"\xef\xbb\xbf",
    b', "priority": 5', b', "payload": 1', b'"key:x"', b'"plan_id": "07", ', b'"role"', b"epic:02|", b"p07", b"1e400",
    b"\\ud800", "\ud800".encode("utf-8", "surrogatepass"), "\u0661".encode(),
]  # fmt: skip


@given(specs(), st.data())
@settings(max_examples=150)
def test_what_is_recognised_is_taken_by_the_full_check(spec: Spec, data: st.DataObject) -> None:
    """Whatever is put into, taken out of or doubled in a spec: none is called sound that the full check refuses."""
    document = spec.encode()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(document)))
        to = min(len(document), at + data.draw(st.integers(0, 30)))
        new = data.draw(st.sampled_from([*PIECES, document[at:to] * 2, document[: to - at]]))
        document = document[:at] + new + document[to:]
    for job_id in (spec.job_id, f"{spec.job_id}0"):
        if as_written.role_in(document, job_id) is not None:
            assert is_taken(document, job_id)
            assert Spec.from_json(json.loads(document, parse_constant=str)).role == as_written.role_in(
                document, job_id
            )


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "b"}, {"dedupe_key": "key:b"}, {"dedupe_key": "key:a "}, {"nonce": "0" * 15}, {"nonce": "G" * 16},
        {"created_at": "yesterday"}, {"priority": 10}, {"priority": -1}, {"max_attempts": 0},
        {"max_attempts": NUMBER_LIMIT}, {"schema_version": 2}, {"contract_version": 1}, {"source": 1},
        {"target": {}}, {"target": {"executor_role": "coder"}},
        {"target": {"executor_role": "coder", "executor_runtime": "shell", "plan_id": "01"}},
        {"target": {"executor_role": "c" * 47, "executor_runtime": "shell"}},
        {"target": {"executor_role": "coder", "executor_runtime": "s" * 47}},
        {"target": {"executor_role": "coder-", "executor_runtime": "shell"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_spec_that_the_full_check_refuses_is_not_recognised(change: dict[str, Any]) -> None:
    sound = Spec("a", "key:a", "0" * 16, 0, "coder", "shell").to_json()
    document = (json.dumps(sound | change) + "\n").encode()
    assert as_written.role_in((json.dumps(sound) + "\n").encode(), "a") == "coder"
    assert not is_taken(document, "a")
    assert as_written.role_in(document, "a") is None


@pytest.mark.parametrize("depth", [90, 5_000])
def test_a_payload_that_is_too_deep_for_the_full_check_is_not_recognised(depth: int) -> None:
    document = Spec("a", "key:a", "0" * 16, 0, "coder", "shell", payload=17).encode()
    document = document.replace(b"17", b"[" * depth + b"]" * depth)
    assert (as_written.role_in(document, "a") is not None) == is_taken(document, "a")


@given(
    st.text("repi01-k", min_size=1, max_size=12)
    | st.from_regex(r"(r[a-z]-)?(e0?1-)?(p1-)?i[01]-(code|split)-[a-z-]+")
)
def test_an_id_that_has_a_key_is_the_id_of_that_key(job_id: str) -> None:
    key, step = key_and_step(job_id)
    if key is not None:
        assert job_id_for(key) == job_id
        assert parse_step_key(key) == step
        assert step is None or step.dedupe_key == key
