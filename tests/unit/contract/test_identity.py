"""Keys and job ids: both ways, for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from wf_cli.contract.identity import COMMANDS, Target, job_id_for, key_of, matches_prefix, own_key, target_of
from wf_cli.contract.step import EPIC_STEPS
from wf_cli.contract.token import JOB_ID_LIMIT, is_word
from wf_cli.errors import ContractError

texts = st.text(min_size=1, max_size=23) | st.text(alphabet="ab0-", min_size=1, max_size=40)
digits = st.from_regex(r"[0-9]{1,4}", fullmatch=True)
roles = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
targets = st.builds(
    Target,
    plan_id=digits,
    iteration=st.integers(0, 999_999_999),
    command=st.sampled_from(COMMANDS),
    role=roles,
    epic_id=st.none() | digits,
    repo_id=st.none() | st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
) | st.builds(
    Target,
    plan_id=st.none(),
    iteration=st.integers(0, 999_999_999),
    command=st.sampled_from(list(EPIC_STEPS)),
    role=roles,
    epic_id=digits,
    repo_id=st.none() | st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
)


def id_of(key: str) -> str:
    """The id of ``key``; a key that is too long is not looked at further."""
    try:
        return job_id_for(key)
    except ContractError as error:
        if error.code != "KEY_TOO_LONG":
            raise
        reject()


def test_the_documented_example() -> None:
    target = Target("03", 0, "code", "plan-coder", epic_id="01")
    assert target.dedupe_key == "epic:01|plan:03|it:0|cmd:code|role:plan-coder"
    assert job_id_for(target.dedupe_key) == "e01-p03-i0-code-plan-coder"


def test_the_step_of_an_epic_has_no_plan() -> None:
    target = Target(None, 0, "split", "orchestrator", epic_id="01")
    assert target.dedupe_key == "epic:01|it:0|cmd:split|role:orchestrator"
    assert job_id_for(target.dedupe_key) == "e01-i0-split-orchestrator"
    with pytest.raises(ContractError):
        _ = target.plan


@given(targets)
def test_steps_round_trip(target: Target) -> None:
    job_id = job_id_for(target.dedupe_key)
    assert is_word(job_id)
    assert key_of(job_id) == target.dedupe_key
    assert target_of(job_id) == target


@given(texts)
def test_own_keys_round_trip(text: str) -> None:
    key = own_key(text)
    job_id = id_of(key)
    assert is_word(job_id)
    assert len(job_id) <= JOB_ID_LIMIT
    assert key_of(job_id) == key
    assert target_of(job_id) is None


@given(st.text(max_size=60) | st.text(alphabet="kpei01-code", max_size=40).map(lambda text: f"k--{text}"))
def test_an_id_is_either_the_one_of_its_key_or_of_none(job_id: str) -> None:
    key = key_of(job_id)
    assert key is None or job_id_for(key) == job_id


def test_two_ids_never_stand_for_one_key() -> None:
    assert key_of("k--abc") is None, "abc has the id abc"
    assert key_of("k--p1-i0-code-x") == "key:p1-i0-code-x", "and may not look like a plan's"


@given(targets, texts)
def test_a_plan_step_and_an_own_job_never_meet(target: Target, text: str) -> None:
    assert target.dedupe_key != own_key(text)
    assert id_of(own_key(job_id_for(target.dedupe_key))) != job_id_for(target.dedupe_key)


@pytest.mark.parametrize(
    "target",
    [
        Target("3x", 0, "code", "r"),
        Target("3", -1, "code", "r"),
        Target("3", 10**9, "code", "r"),
        Target("3", 0, "rm", "r"),
        Target("3", 0, "code", "R"),
        Target("3", 0, "code", "r-"),
        Target("3", 0, "code", "r", epic_id="../1"),
        Target("3", 0, "code", "r", repo_id="a|b"),
        Target("٣", 0, "code", "r"),
        Target("3\n", 0, "code", "r"),
        Target(None, 0, "code", "r", epic_id="01"),
        Target(None, 0, "split", "r"),
        Target("3", 0, "split", "r", epic_id="01"),
    ],
)
def test_a_target_outside_the_grammar_has_no_key(target: Target) -> None:
    with pytest.raises(ContractError):
        _ = target.dedupe_key


@pytest.mark.parametrize("key", ["", "key:", "plan:3", "other:x", "plan:3|it:0|cmd:code|role:"])
def test_what_is_no_key_has_no_id(key: str) -> None:
    with pytest.raises(ContractError):
        job_id_for(key)


@given(targets)
def test_a_prefix_is_made_of_whole_components(target: Target) -> None:
    job_id = job_id_for(target.dedupe_key)
    parts = job_id.split("-")
    for count in range(1, len(parts) + 1):
        prefix = "-".join(parts[:count])
        if prefix:
            assert matches_prefix(job_id, prefix)
            assert matches_prefix(job_id, prefix + "-") or count == len(parts)
    assert not matches_prefix(job_id, job_id + "-x")


def test_i1_is_no_prefix_of_i10() -> None:
    assert matches_prefix("e01-p03-i10-code-r", "e01-p03-i10")
    assert not matches_prefix("e01-p03-i10-code-r", "e01-p03-i1")
    assert not matches_prefix("e01-p03-i10-code-r", "")
