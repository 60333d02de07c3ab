"""Token names: the grammar takes exactly what it renders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.contract.token import (
    JOB_ID_LIMIT,
    NUMBER_LIMIT,
    OWNER_LIMIT,
    TIME_DIGITS,
    Pool,
    Token,
    late_name,
    mark,
    outcome_name,
    parse,
    parse_mark,
    parse_outcome,
    parse_staged,
    staged_name,
    validate,
)
from wf_cli.errors import ContractError

words = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
numbers = st.integers(0, NUMBER_LIMIT - 1)


@st.composite
def placed(draw: st.DrawFn, directories: tuple[str, ...] = DIRECTORIES) -> tuple[str, Token]:
    """A directory and a token that may lie there."""
    directory = draw(st.sampled_from(directories))
    owner = status = None
    if directory in ("claimed", "running"):
        owner = draw(words)
    elif directory == "done":
        status = draw(st.sampled_from(["succeeded", "cancelled"]))
    elif directory == "dead":
        status = "failed"
    elif directory == "archive":
        status = draw(st.sampled_from(["succeeded", "cancelled", "failed"]))
    return directory, Token(
        priority=draw(st.integers(0, 9)),
        time_ms=draw(st.integers(0, 10**13 - 1)),
        job_id=draw(words),
        pool=Pool(draw(words), draw(words)),
        attempt=draw(numbers if owner is None else st.integers(1, NUMBER_LIMIT - 1)),
        burned=draw(numbers),
        budget=draw(st.integers(1, NUMBER_LIMIT - 1)),
        delay_s=draw(st.just(0) | st.integers(0, 10**9 - 1)),
        owner=owner,
        status=status,
    )


NAME = "5.1764000000000.e01-p03-i0-code-plan-coder.plan-coder@opencode.a1b0of3"
OWNED = f"{NAME}.opencode-box1-7f3a9c2e.json"


@given(placed())
def test_a_name_gives_its_token_back(place: tuple[str, Token]) -> None:
    directory, token = place
    assert parse(directory, token.name) == token
    assert validate(token) is token


@given(placed(), st.sampled_from(DIRECTORIES))
def test_a_name_means_the_same_everywhere_or_nothing(place: tuple[str, Token], directory: str) -> None:
    found = parse(directory, place[1].name)
    assert found is None or found.name == place[1].name


@given(
    st.sampled_from(DIRECTORIES),
    st.text(max_size=80) | st.text(alphabet="0159.abdof-@json\n", max_size=80) | st.just(OWNED),
    st.integers(0, 200),
    st.text(alphabet="09az.-@ \n٣Kſé", max_size=3),
)
def test_no_text_crashes_the_parser_and_what_parses_is_rendered_alike(
    directory: str, text: str, at: int, more: str
) -> None:
    name = text[:at] + more + text[at:]
    token = parse(directory, name)
    assert token is None or token.name == name


@pytest.mark.parametrize("directory", DIRECTORIES)
@pytest.mark.parametrize(
    "name",
    [
        f"{NAME} 2.json",
        f"{NAME} (conflicted copy).json",
        f"{NAME} (Box's conflicted copy 2026-11-22).json",
        f"{NAME}.sync-conflict-20261122-101010-ABCDEFG.json",
        f"{NAME}.opencode-box1-7f3a9c2e.sync-conflict-20261122-101010-ABCDEFG.json",
        f"{NAME}.opencode-box1-7f3a9c2e 2.json",
        f"{NAME}.opencode-box1-7f3a9c2e-BOX.json",
        f"{OWNED}~",
        f"{OWNED}.part",
        f"{OWNED}\n",
        f".{OWNED}",
        f"~{OWNED}",
        OWNED.upper(),
        OWNED.replace("plan-coder", "Plan-coder"),
        OWNED.replace("1764000000000", "١٧٦٤٠٠٠٠٠٠٠٠٠"),
        OWNED.replace("a1b0", "a01b0"),
        OWNED.replace("of3", "of0"),
        OWNED.replace("5.", "10.", 1),
        OWNED.replace("e01-", "e01--" + "x" * 97),
        OWNED.replace("000.e01", "000d0.e01"),
        OWNED.replace("code-", "code/-"),
        "../" + OWNED,
        "",
    ],
)
def test_conflict_copies_and_hostile_names_are_outside_the_grammar(directory: str, name: str) -> None:
    assert parse(directory, name) is None


@given(placed(("queued",)), st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
def test_staged_names(place: tuple[str, Token], nonce: str) -> None:
    _, token = place
    assert parse_staged(staged_name(token, nonce)) == (token, nonce)
    assert parse_staged(token.name) is None
    assert parse_staged(staged_name(token, nonce.upper() + "G")) is None


@given(words, st.integers(1, NUMBER_LIMIT - 1), words)
def test_outcome_names_and_marks(job: str, attempt: int, owner: str) -> None:
    assert parse_outcome(outcome_name(job, attempt)) == (job, attempt, None)
    assert parse_outcome(late_name(job, attempt, owner)) == (job, attempt, owner)
    assert parse_outcome(late_name(job, attempt, "x" * 49)) is None
    assert parse_outcome(f"{job}.a{attempt} 2.json") is None
    token = Token(5, 0, job, Pool("r", "x"), attempt, 0, 3, owner=owner)
    assert parse_mark(mark(token)) == (job, attempt, owner)


def test_the_longest_name_fits_a_file_system() -> None:
    most = NUMBER_LIMIT - 1
    token = Token(
        9, 10**TIME_DIGITS - 1, "j" * JOB_ID_LIMIT, Pool("r" * 24, "x" * 23), most, most, most, 10**9 - 1,
        owner="o" * OWNER_LIMIT,
    )  # fmt: skip
    assert parse("running", token.name) == token
    waiting = token.queued_at(0, 10**9 - 1)
    assert parse_staged(staged_name(waiting, "0" * 16)) == (waiting, "0" * 16)
    assert len(staged_name(waiting, "0" * 16)) <= 255


def test_a_session_claims_under_a_name_of_its_own() -> None:
    token = parse("queued", f"{NAME}.json")
    assert token is not None
    claimed = token.claimed_by("one")
    assert (claimed.attempt, claimed.owner) == (token.attempt + 1, "one")
    assert claimed.name != token.claimed_by("two").name


@pytest.mark.parametrize(
    "change",
    [
        {"job_id": "x" * 97},
        {"job_id": "Ü"},
        {"owner": "x" * 49},
        {"time_ms": 10**13},
        {"time_ms": -1},
        {"attempt": NUMBER_LIMIT},
        {"budget": 0},
        {"owner": "o", "status": "failed"},
        {"status": "queued"},
    ],
)
def test_a_token_without_a_valid_name_is_refused(change: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "priority": 5, "time_ms": 0, "job_id": "j", "pool": Pool("r", "x"), "attempt": 1, "burned": 0, "budget": 3,
    }  # fmt: skip
    with pytest.raises(ContractError):
        validate(Token(**(fields | change)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "runtime"), [("", "x"), ("A", "x"), ("r-", "x"), ("r" * 30, "x" * 18), ("r\n", "x")]
)
def test_a_pool_has_two_words_of_48_bytes(role: str, runtime: str) -> None:
    with pytest.raises(ContractError):
        Pool(role, runtime)
