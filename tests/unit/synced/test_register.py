"""Registers in a folder that nobody can trust: what is written, what is read, and what is never read again."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.hostile import ODD, VALUES
from support.synced import BOOTS, BOX, LAP, PAD, SPOOL, Box, dying_at, full, write
from wf_cli.errors import SpoolError
from wf_cli.synced import identity, record, register
from wf_cli.synced.identity import LAST_VERSION, Now
from wf_cli.synced.record import Register
from wf_cli.synced.register import Name


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    return tmp_path / "project" / "spool" / "nodes"


@pytest.fixture
def box(tmp_path: Path, nodes: Path) -> Box:
    return Box.at(tmp_path / "box", BOX, nodes)


@pytest.fixture
def lap(tmp_path: Path, nodes: Path) -> Box:
    return Box.at(tmp_path / "lap", LAP, nodes, BOOTS[1])


def versions(got: dict[str, Register]) -> dict[str, int]:
    return {node: said.version for node, said in got.items()}


# -- writing


def test_a_register_lies_under_the_name_that_tells_its_content(box: Box) -> None:
    said = box.says(host="there")
    (path,) = box.files()
    name = Name.parse(path.name)
    assert name is not None
    assert (name.version, name.incarnation) == (1, BOOTS[0])
    assert name.digest == register.digest_of(path.read_bytes())
    assert record.decode(path.read_bytes()) == said


def test_versions_grow_past_all_that_is_known_of_them(box: Box) -> None:
    assert [box.says(seen_of_us=seen).version for seen in (0, 0, 40, 3)] == [1, 2, 41, 42]
    assert Now.decode((box.state / "now.json").read_bytes()).version == 42


@pytest.mark.parametrize(
    ("point", "time"),
    [("fsio.part-written", 1), ("fsio.replaced", 1), ("fsio.part-written", 2), ("fsio.replaced", 2)],
)
def test_wf_that_dies_while_it_writes_gives_no_number_to_two_contents(
    box: Box, lap: Box, point: str, time: int
) -> None:
    with dying_at(point, time):
        box.says(host="before")
    box.now = Now.decode((box.state / "now.json").read_bytes())
    box.says(host="after")
    written = [Name.parse(path.name).version for path in box.files()]  # type: ignore[union-attr]
    assert len(set(written)) == len(written)
    assert lap.reads().registers[BOX].host == "after"
    assert lap.reads().forked == set()


def test_no_version_is_left_is_said_and_writes_nothing(box: Box) -> None:
    with pytest.raises(SpoolError, match="no version left"):
        box.says(seen_of_us=LAST_VERSION)
    assert box.files() == []


def test_a_link_in_the_place_of_the_own_folder_is_not_written_through(box: Box, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    box.nodes.mkdir(parents=True)
    (box.nodes / BOX).symlink_to(outside)
    with pytest.raises(OSError, match="link"):
        box.says()
    assert list(outside.iterdir()) == []


def test_only_old_versions_of_ones_own_are_cleared(box: Box, lap: Box) -> None:
    for _ in range(6):
        box.says()
        lap.says()
    folder = box.nodes / BOX
    strange = [folder / "0000000001.sync-conflict.json", folder / ".x.part", folder / "0000000009.json"]
    part = folder / f".{box.files()[0].name}.0123456789abcdef.part"
    for path in (*strange, part):
        path.write_text("x")
    for path in folder.iterdir():
        os.utime(path, (1000, 1000))
    (young,) = folder.glob("0000000002.*")
    os.utime(young, (5000, 5000))
    register.clear(box.nodes, BOX, now_s=1000 + register.KEPT_S + 1)
    left = [name.version for path in box.files() if (name := Name.parse(path.name))]
    assert left == [2, 4, 5, 6]
    assert all(path.exists() for path in strange)
    assert not part.exists()
    assert len(lap.files()) == 6


def test_clearing_where_there_is_nothing_is_nothing(box: Box) -> None:
    assert register.clear(box.nodes, BOX, now_s=1e9) == []


# -- reading


def test_the_highest_version_counts_and_is_marked_before_it_is_used(box: Box, lap: Box) -> None:
    for _ in range(3):
        said = lap.says()
    got = box.reads()
    assert got.registers == {LAP: said}
    assert Now.decode((box.state / "now.json").read_bytes()).seen[LAP].version == 3
    assert not got.troubles


def test_nothing_older_is_ever_used_again(box: Box, lap: Box) -> None:
    for _ in range(3):
        lap.says()
    old = lap.files()[0].read_bytes(), lap.files()[0].name
    box.reads()
    shutil.rmtree(box.nodes)
    assert versions(box.reads().registers) == {LAP: 3}  # what is missing changes nothing
    (box.nodes / LAP).mkdir(parents=True)
    (box.nodes / LAP / old[1]).write_bytes(old[0])
    assert versions(box.reads().registers) == {LAP: 3}
    assert versions(box.reads().registers) == {LAP: 3}


def test_a_state_that_lost_its_copy_takes_it_from_the_folder_or_waits(box: Box, lap: Box) -> None:
    lap.says()
    lap.says()
    box.reads()
    shutil.rmtree(box.state / "seen")
    assert versions(box.reads().registers) == {LAP: 2}
    lap.files()[-1].unlink()
    shutil.rmtree(box.state / "seen", ignore_errors=True)
    assert box.reads().registers == {}
    lap.says()
    assert versions(box.reads().registers) == {LAP: 3}


def test_wf_that_dies_between_the_copy_and_the_mark_reads_on(box: Box, lap: Box) -> None:
    lap.says()
    box.reads()
    before = box.now
    said = lap.says()
    box.reads()
    identity.store(box.state, before)  # the copy is newer than the mark
    box.now = before
    shutil.rmtree(box.nodes)
    assert box.reads().registers == {LAP: said}
    assert box.now.seen[LAP].version == 2


def test_what_others_have_seen_of_oneself_counts(box: Box, lap: Box) -> None:
    lap.says(seen={BOX: 17})
    assert box.reads().own_high == 17
    assert box.says(seen_of_us=box.reads().own_high).version == 18


def test_a_later_version_in_the_own_folder_is_strange_until_it_is_passed(box: Box) -> None:
    said = box.says()
    assert not box.reads().own_strange
    write(box.nodes, replace(said, version=9, incarnation="dddddddd"))
    got = box.reads()
    assert (got.own_high, got.own_strange) == (9, True)
    box.says(seen_of_us=got.own_high)
    assert not box.reads().own_strange


def test_a_name_alone_proves_nothing(box: Box, lap: Box) -> None:
    said = lap.says()
    for folder in (BOX, LAP):
        (box.nodes / folder).mkdir(exist_ok=True)
        (box.nodes / folder / f"{LAST_VERSION}.{BOOTS[3]}.{'0' * 16}.json").write_bytes(b"{}")
    got = box.reads()
    assert got.registers == {LAP: said}
    assert (got.own_high, got.own_strange) == (0, False)
    assert len(got.troubles) == 2


# -- two machines with one id


def test_two_contents_of_one_version_are_a_fork_for_ever(box: Box, lap: Box) -> None:
    said = lap.says()
    box.reads()
    other = write(box.nodes, replace(said, host="twin"))
    got = box.reads()
    assert (got.registers, got.forked) == ({}, {LAP})
    other.unlink()
    lap.says()
    assert box.reads().forked == {LAP}


def test_two_contents_at_first_sight_are_a_fork(box: Box, lap: Box) -> None:
    write(box.nodes, replace(lap.says(), host="twin"))
    assert box.reads().forked == {LAP}


def test_a_boot_that_another_one_has_followed_does_not_come_back(box: Box, lap: Box) -> None:
    lap.says()
    box.reads()
    lap.boots(BOOTS[2])
    said = lap.says()
    assert box.reads().registers == {LAP: said}
    write(box.nodes, replace(said, version=9, incarnation=BOOTS[1]))
    assert box.reads().forked == {LAP}


def test_two_boots_in_turns_are_a_fork_at_first_sight(box: Box, lap: Box) -> None:
    said = lap.says()
    for version, boot in ((2, BOOTS[2]), (3, BOOTS[1])):
        write(box.nodes, replace(said, version=version, incarnation=boot))
    assert box.reads().forked == {LAP}


def test_names_that_say_so_without_content_are_no_fork(box: Box, lap: Box) -> None:
    said = lap.says()
    box.reads()
    for version, boot in ((1, BOOTS[2]), (2, BOOTS[2]), (3, BOOTS[1])):
        (box.nodes / LAP / f"{version:010d}.{boot}.{'e' * 16}.json").write_bytes(b"{}")
    got = box.reads()
    assert (got.registers, got.forked) == ({LAP: said}, set())
    lap.boots(BOOTS[2])
    lap.now = replace(lap.now, version=5)
    lap.says()
    assert box.reads().forked == set()


def test_boots_that_were_never_seen_are_no_fork(box: Box, lap: Box) -> None:
    for boot in BOOTS[2:]:
        lap.says()
        lap.boots(boot)
    said = lap.says()
    lap.files()[1].unlink()
    assert box.reads().registers == {LAP: said}
    lap.says()
    assert box.reads().forked == set()


# -- files that are none


def test_files_of_other_nodes_spools_and_versions_are_no_registers(box: Box, lap: Box) -> None:
    said = lap.says()
    folder = box.nodes / LAP
    for change in ({"node": PAD}, {"spool": "f" * 16}, {"version": 8}, {"incarnation": BOOTS[3]}):
        data = replace(said, **change).encode()  # type: ignore[arg-type]
        (folder / f"0000000005.{BOOTS[1]}.{register.digest_of(data)}.json").write_bytes(data)
    got = box.reads()
    assert got.registers == {LAP: said}
    assert len(got.troubles) == 4


def test_a_later_format_is_told_and_what_was_before_counts(box: Box, lap: Box) -> None:
    said = lap.says()
    data = json.dumps({**said.to_json(), "format": 2, "version": 2}).encode()
    (box.nodes / LAP / f"0000000002.{BOOTS[1]}.{register.digest_of(data)}.json").write_bytes(data)
    got = box.reads()
    assert got.registers == {LAP: said}
    assert "format 2" in str(got.troubles[0])


def test_torn_files_count_once_they_have_arrived(box: Box, lap: Box) -> None:
    first = lap.says()
    said = lap.says(host="h" * 500)
    path = lap.files()[-1]
    whole = path.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert box.reads().registers == {LAP: first}
    path.write_bytes(whole)
    assert box.reads().registers == {LAP: said}


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "huge", "locked"])
def test_what_is_no_plain_file_is_passed_over(box: Box, lap: Box, tmp_path: Path, kind: str) -> None:
    if kind == "locked" and os.geteuid() == 0:
        pytest.skip("root reads every file")
    said = lap.says()
    data = replace(said, version=2).encode()
    path = box.nodes / LAP / f"0000000002.{BOOTS[1]}.{register.digest_of(data)}.json"
    if kind == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(record.LIMIT + 1)
    else:
        path.write_bytes(data)
        path.chmod(0)
    got = box.reads()
    assert got.registers == {LAP: said}
    assert len(got.troubles) == 1


def test_a_folder_that_is_a_link_is_not_read_through(box: Box, lap: Box, tmp_path: Path) -> None:
    lap.says()
    os.rename(box.nodes / LAP, tmp_path / "moved")
    (box.nodes / LAP).symlink_to(tmp_path / "moved")
    got = box.reads()
    assert got.registers == {}
    assert "link" in str(got.troubles[0])


def test_nodes_itself_may_be_a_file(box: Box) -> None:
    box.nodes.parent.mkdir(parents=True)
    box.nodes.write_text("x")
    got = box.reads()
    assert got.registers == {}
    assert got.troubles


def test_no_name_of_others_is_printed_raw(box: Box) -> None:
    (box.nodes / BOX).mkdir(parents=True)
    for name in ("\x1b[31m", "\u202eevil", "a\nb"):
        (box.nodes / BOX / name).write_text("")
        (box.nodes / f"{name}x").mkdir()
    said = "".join(map(str, box.reads().troubles))
    assert not any(mark in said for mark in ("\x1b", "\u202e", "\n"))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_lies_in_the_folder_what_is_read_was_said_by_its_node(
    box: Box, lap: Box, tmp_path: Path, seed: int
) -> None:
    """Hostile names and contents, the digests made to fit, until something true is said again."""
    rng = random.Random(seed)
    said = lap.says()
    highest = 0
    for _ in range(30):
        folder = box.nodes / rng.choice((BOX, LAP, PAD, "x", ".stversions"))
        folder.mkdir(exist_ok=True)
        value = full(LAP).to_json()
        for _ in range(rng.randrange(3)):
            value[rng.choice(list(value))] = rng.choice(VALUES)
        value["version"] = rng.randrange(1, 50)
        data = rng.choice((json.dumps(value).encode(), said.encode()[: rng.randrange(400)], b"\0" * 40))
        name = rng.choice(
            (
                os.fsencode(f"{rng.randrange(60):010d}.{rng.choice(BOOTS)}.{register.digest_of(data)}.json"),
                rng.choice(ODD) + b".json",
                os.fsencode(f"{value['version']:010d}.{BOOTS[0]}.{register.digest_of(data)}.json"),
            )
        )
        path = os.path.join(os.fsencode(folder), name)
        try:
            kind = rng.randrange(12)
            if kind == 0:
                os.symlink(os.fsencode(tmp_path), path)
            elif kind == 1:
                os.mkfifo(path)
            elif kind == 2:
                os.mkdir(path)
            else:
                with open(path, "xb") as file:
                    file.write(data)
        except (OSError, ValueError):
            continue
        got = box.reads()
        for node, one in got.registers.items():
            assert (one.node, one.spool) == (node, SPOOL)
        mark = box.now.seen[LAP]
        assert mark.version >= highest
        highest = mark.version
        str(got.troubles)
    assert Now.decode((box.state / "now.json").read_bytes()) == box.now
