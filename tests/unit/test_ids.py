"""Names of owners: sessions, and other nodes of a synced folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli import ids
from wf_cli.contract.token import OWNER_LIMIT, is_word

NODES = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,19}[a-z0-9])?-[0-9a-f]{6}", fullmatch=True)
INCARNATIONS = st.from_regex(r"[0-9a-f]{8}", fullmatch=True)


@given(st.text() | st.sampled_from(["at", "At", "at-", "at-box-abcdef", "-at-x", "at" * 30, "at-" * 20]))
def test_no_session_is_called_like_a_remote_owner(name: str) -> None:
    owner = ids.owner_id(name)
    assert not owner.startswith(ids.REMOTE_PREFIX)
    assert ids.remote_parts(owner) is None
    assert is_word(owner)
    assert len(owner) <= OWNER_LIMIT


@pytest.mark.parametrize(("name", "prefix"), [("atlas", "atlas"), ("box", "box"), ("at", "w-at"), ("at-7", "w-at-7")])
def test_only_names_that_begin_with_at_as_a_word_are_changed(name: str, prefix: str) -> None:
    assert ids.owner_prefix(name) == prefix


@given(NODES, INCARNATIONS)
def test_a_remote_owner_says_its_node_and_incarnation(node: str, incarnation: str) -> None:
    owner = ids.remote_owner(node, incarnation)
    assert ids.remote_parts(owner) == (node, incarnation)
    assert is_word(owner)
    assert len(owner) <= OWNER_LIMIT


@pytest.mark.parametrize(
    "owner",
    [
        "", "at-", "at", "w-box-0123abcd", "at-home-box-0123abcd", "at-box-abcdef", "at-box-abcdef-0123abc",
        "at-box-abcdef-0123abcg", "at-box-abcdef-0123ABCD", "at-box-abcde-0123abcd", "at--box-abcdef-0123abcd",
        "at-abcdef-0123abcd", "at-box-abcdef-0123abcd\n", "AT-box-abcdef-0123abcd", "xat-box-abcdef-0123abcd",
        f"at-{'b' * 22}-abcdef-0123abcd",
    ],
)  # fmt: skip
def test_everything_else_is_no_remote_owner(owner: str) -> None:
    assert ids.remote_parts(owner) is None


@pytest.mark.parametrize(
    ("node", "incarnation"),
    [("box", "0123abcd"), ("box-abcdef", "x"), ("b/x-abcdef", "0123abcd"), (f"{'b' * 22}-abcdef", "0123abcd")],
)
def test_a_remote_owner_is_not_made_of_other_things(node: str, incarnation: str) -> None:
    with pytest.raises(ValueError, match="is no node id, or"):
        ids.remote_owner(node, incarnation)
