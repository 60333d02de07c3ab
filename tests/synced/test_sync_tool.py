"""The simulated sync tool can do all its faults, and brings all machines together in the end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from synced.sync_tool import Faults, SyncTool


def tool(tmp_path: Path, seed: int = 1, machines: int = 2, **faults: object) -> SyncTool:
    folders = {name: tmp_path / name for name in "abc"[:machines]}
    for folder in folders.values():
        folder.mkdir()
    return SyncTool(folders, random.Random(seed), Faults(**faults))  # type: ignore[arg-type]


def put(sync: SyncTool, name: str, path: str, text: str) -> None:
    file = sync.machines[name].root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    sync.scan(name)


def on(sync: SyncTool, name: str) -> dict[str, str]:
    root = sync.machines[name].root
    return {str(p.relative_to(root)): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}


def test_a_new_file_an_edit_and_a_deletion_arrive(tmp_path: Path) -> None:
    sync = tool(tmp_path)
    for text in ("1", "2"):
        put(sync, "a", "x", text)
        sync.settle()
        assert on(sync, "b") == {"x": text}
    (tmp_path / "b" / "x").unlink()
    sync.settle()
    assert on(sync, "a") == {}


def test_machines_that_are_apart_hear_nothing_of_each_other(tmp_path: Path) -> None:
    sync = tool(tmp_path, machines=3)
    sync.part("a", "b")
    put(sync, "a", "x", "1")
    assert all({one, other} != {"a", "b"} for one, other, _ in sync.pending())
    sync.deliver("a", "c", "x")
    sync.deliver("c", "b", "x")  # by a third one
    assert on(sync, "b") == {"x": "1"}


def test_two_writers_leave_a_copy_of_the_one_that_lost_everywhere(tmp_path: Path) -> None:
    sync = tool(tmp_path, without_copy=False)
    put(sync, "a", "d/x.md", "0")
    sync.settle()
    put(sync, "a", "d/x.md", "mine")
    put(sync, "b", "d/x.md", "yours")
    sync.settle()
    assert on(sync, "a") == on(sync, "b")
    assert sorted(on(sync, "a").values()) == ["mine", "yours"]
    assert on(sync, "a")["d/x.md"] == "yours"
    assert any("sync-conflict" in path for path in on(sync, "a"))


def test_the_loser_may_vanish_without_a_copy(tmp_path: Path) -> None:
    gone = 0
    for seed in range(30):
        (tmp_path / str(seed)).mkdir()
        sync = tool(tmp_path / str(seed), seed)
        put(sync, "a", "x", "mine")
        put(sync, "b", "x", "yours")
        sync.settle()
        assert on(sync, "a") == on(sync, "b")
        gone += len(on(sync, "a")) == 1
    assert 0 < gone < 30


def test_an_edit_beats_a_deletion(tmp_path: Path) -> None:
    sync = tool(tmp_path)
    put(sync, "a", "x", "0")
    sync.settle()
    put(sync, "b", "x", "edited")
    (tmp_path / "a" / "x").unlink()
    sync.settle()
    assert on(sync, "a") == on(sync, "b") == {"x": "edited"}


def run(sync: SyncTool, rng: random.Random, steps: int = 60, first: int = 0) -> None:
    """Writers and the tool in turns. Files in `safe` have one writer, by turns of its own."""
    for n in range(first, first + steps):
        name = rng.choice(sorted(sync.machines))
        chance = rng.random()
        if chance < 0.3:
            put(sync, name, f"unsafe/{name}/{rng.randrange(4)}", f"{n} " * rng.randrange(1, 30))
        elif chance < 0.4:
            put(sync, name, f"safe/{name}", f"{n:04d}")
        elif chance < 0.45:
            sync.part(*rng.sample(sorted(sync.machines), 2))
        elif chance < 0.5:
            sync.heal()
        elif chance < 0.6:
            sync.disturb()
        else:
            sync.step()


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happened_all_machines_are_alike_in_the_end(tmp_path: Path, seed: int) -> None:
    sync = tool(tmp_path, seed, machines=3, unsafe=("unsafe",))
    run(sync, random.Random(seed))
    sync.settle()
    assert on(sync, "a") == on(sync, "b") == on(sync, "c"), "\n".join(sync.trace)
    assert not any(".syncthing." in path for path in on(sync, "a"))


@pytest.mark.parametrize("seed", range(10))
def test_outside_of_unsafe_folders_nobody_goes_back(tmp_path: Path, seed: int) -> None:
    sync = tool(tmp_path, seed, machines=3, unsafe=("unsafe",), torn=False)
    rng = random.Random(seed)
    last: dict[tuple[str, str], str] = {}
    for n in range(20):
        run(sync, rng, 5, 5 * n)
        for name in "abc":
            for path, text in on(sync, name).items():
                if path.startswith("safe/") and ".tmp" not in path:
                    assert text >= last.get((name, path), ""), "\n".join(sync.trace)
                    last[name, path] = text


def test_all_faults_happen(tmp_path: Path) -> None:
    said = ""
    for seed in range(15):
        (tmp_path / str(seed)).mkdir()
        sync = tool(tmp_path / str(seed), seed, machines=3, unsafe=("unsafe",))
        run(sync, random.Random(seed))
        said += "\n".join(sync.trace)
    faults = (
        "begins to arrive|after its temporary name|a part of|is deleted|comes back|conflict copy|are apart|together"
    )
    for what in faults.split("|"):
        assert what in said


def test_one_seed_is_one_run(tmp_path: Path) -> None:
    traces = []
    for k in range(2):
        (tmp_path / str(k)).mkdir()
        sync = tool(tmp_path / str(k), 7, machines=3, unsafe=("unsafe",))
        run(sync, random.Random(7))
        traces.append(sync.trace)
    assert traces[0] == traces[1]
