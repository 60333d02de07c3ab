"""Who a node is: the same over calls, another one where its state was copied, restored or damaged."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_cli import ids
from wf_cli.errors import SpoolError
from wf_cli.synced import identity
from wf_cli.synced.identity import Mark, Node, Now

SPOOL = "0123456789abcdef"


def begin(folder: Path, **changes: Any) -> Node:
    facts = {"machine": "m1", "boot": "b1", "host": "box", "checkout": Path("/here")}
    return identity.begin(folder, **{**facts, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return identity.state_folder(tmp_path / "state", SPOOL, tmp_path)


def test_a_node_keeps_its_id_and_one_boot_its_incarnation(folder: Path) -> None:
    first = begin(folder)
    assert first.fresh
    assert ids.is_node_id(first.id)
    assert first.id.startswith("box-")
    again = begin(folder)
    assert (again.id, again.now, again.fresh, again.put_aside) == (first.id, first.now, False, None)


def test_another_boot_is_another_incarnation_and_the_old_ones_are_remembered(folder: Path) -> None:
    nodes = [begin(folder, boot=f"b{i}") for i in range(5)]
    assert len({node.now.incarnation for node in nodes}) == 5
    assert nodes[-1].now.own == tuple(node.now.incarnation for node in nodes)
    assert len({node.id for node in nodes}) == 1


def test_what_was_stored_is_found_again_after_a_boot(folder: Path) -> None:
    node = begin(folder)
    seen = {"box-abcdef": Mark(7, "0123abcd", "f" * 16, ("89ab0000",), forked=True)}
    identity.store(folder, replace(node.now, version=41, epoch=(2, 1), seen=seen))
    now = begin(folder, boot="b2").now
    assert (now.version, now.epoch, now.seen) == (41, (2, 1), seen)


def copied(folder: Path) -> None:
    """A backup that is restored: the same files in another folder of this name."""
    shutil.copytree(folder, folder.with_name("backup"))
    shutil.move(folder, folder.with_name("old"))  # so that the inode is not given out again
    shutil.move(folder.with_name("backup"), folder)


def write(name: str, text: str) -> Any:
    return lambda folder: (folder / name).write_text(text)


SPOILED = {
    "copied": copied,
    "no id": lambda folder: (folder / "node.json").unlink(),
    "no now": lambda folder: (folder / "now.json").unlink(),
    "torn id": write("node.json", '{"format": 1, "no'),
    "torn now": write("now.json", ""),
    "no object": write("node.json", "[]"),
    "deep": write("node.json", "[" * 10**5),
    "no stamp": write("node.json", '{"format": 1, "node": "box-abcdef"}'),
    "huge": lambda folder: (folder / "now.json").write_bytes(b" " * (identity.LIMIT + 1)),
    "a link": lambda folder: ((folder / "now.json").rename(folder / "x"), (folder / "now.json").symlink_to("x")),
}


@pytest.mark.parametrize("how", SPOILED)
def test_state_that_is_not_its_own_or_not_whole_is_put_aside_for_a_new_id(folder: Path, how: str) -> None:
    first = begin(folder)
    SPOILED[how](folder)
    kept = sorted(path.name for path in folder.iterdir())
    second = begin(folder)
    assert second.fresh
    assert second.id != first.id
    assert second.now.version == 0
    assert second.put_aside is not None
    assert sorted(path.name for path in second.put_aside.iterdir()) == kept, "no file is lost"
    assert begin(folder).id == second.id


def test_another_machine_is_another_node(folder: Path) -> None:
    first = begin(folder)
    assert begin(folder, machine="m2").id != first.id


def test_state_of_a_later_wf_is_left_alone(folder: Path) -> None:
    begin(folder)
    path = folder / "node.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(SpoolError, match="format 2"):
        begin(folder)
    assert path.exists()


def test_processes_that_begin_at_once_are_one_node(folder: Path) -> None:
    together, got = threading.Barrier(8), []

    def start() -> None:
        together.wait()
        got.append(begin(folder))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(node.id, node.now.incarnation) for node in got}) == 1
    assert sum(node.fresh for node in got) == 1


@pytest.mark.parametrize("spool_id", ["", "..", "a/b", "x" * 16, SPOOL + "\n", SPOOL.upper()])
def test_a_spool_id_that_is_no_plain_word_names_no_folder(tmp_path: Path, spool_id: str) -> None:
    with pytest.raises(ValueError, match="no id of a spool"):
        identity.state_folder(tmp_path, spool_id, tmp_path)


def test_two_checkouts_have_two_states(tmp_path: Path) -> None:
    assert len({identity.state_folder(tmp_path, SPOOL, tmp_path / name) for name in ("a", "b")}) == 2


@settings(max_examples=15)
@given(st.text(max_size=40))
def test_any_host_name_makes_an_id(tmp_path_factory: pytest.TempPathFactory, host: str) -> None:
    node = begin(tmp_path_factory.mktemp("state") / "s", host=host)
    assert ids.is_node_id(node.id)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
RIGHT = Now("b1", "0123abcd", ("0123abcd",), 3, (1, 0), {"box-abcdef": Mark(7, "0123abcd", "f" * 16)})


@given(st.sampled_from(sorted(json.loads(RIGHT.encode()))), JSON)
def test_a_state_with_any_other_value_is_read_as_it_is_or_refused(key: str, value: Any) -> None:
    changed = json.dumps(json.loads(RIGHT.encode()) | {key: value}).encode()
    try:
        now = Now.decode(changed)
    except ValueError:
        return
    assert json.loads(now.encode()) == json.loads(changed)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Now.decode(data)
