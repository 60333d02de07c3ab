"""Several integrators of one target without the slot that keeps them apart, while a person commits to it."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from support import children, merges
from support.merges import TARGET
from wf_cli.workspace import merging, testing

PLANS = 4


def integrate(folder: str, number: int, plan: str, notes: str) -> str:
    def run(where: Path, _argv: testing.Argv) -> testing.Result:
        with Path(notes).open("a") as file:
            file.write(f"{merges.head_of(where)}\n")
        return testing.Result(0)

    way = merging.Way(Path(folder), TARGET, plan, f"Merge plan 0{number}: no {number}", [["make"]])
    recorded: list[str] = []
    end = time.monotonic() + children.DEADLINE
    while True:  # a job that was released is claimed again
        verdict = merging.integrate(way, run, nullcontext, recorded.append)
        if isinstance(verdict, merging.Merged):
            assert recorded == [verdict.commit]
            return verdict.commit
        assert isinstance(verdict, merging.Moving), verdict
        assert time.monotonic() < end


@pytest.mark.parametrize("person", [False, True])
def test_each_plan_gets_in_once_on_a_commit_that_was_tested(tmp_path: Path, person: bool) -> None:
    root, notes = tmp_path / "project", tmp_path / "tested"
    start = merges.make_repository(root, {"start.txt": "start\n"})
    onto = merges.commit(root, TARGET, {"target.txt": "t\n"}, parents=[start])
    plans = [merges.commit(root, f"wf/e01-p0{n}", {f"plan-{n}.txt": f"{n}\n"}, parents=[start]) for n in range(PLANS)]
    folders = [merges.add_worktree(root, tmp_path / f"into-{n}") for n in range(PLANS)]
    before = merges.state_of(root)

    running = [
        children.Child(integrate, os.fspath(folder), n, plan, os.fspath(notes))
        for n, (folder, plan) in enumerate(zip(folders, plans, strict=True))
    ]
    mine = [merges.commit(root, TARGET, {f"mine-{n}.txt": "mine\n"}) for n in range(3)] if person else []
    merged = [child.result() for child in running]

    tested = notes.read_text().split()
    chain = merges.first_parents(root, TARGET)
    assert chain[-2:] == [onto, start]
    own = [commit for commit in chain[:-2] if commit not in mine]
    assert sorted(own) == sorted(merged), "every commit on the target is a merge of wf's, or the person's"
    assert set(mine) <= set(chain), "what a person commits is kept"
    for commit, plan in zip(merged, plans, strict=True):
        assert commit in tested
        assert merges.parents(root, commit) == [chain[chain.index(commit) + 1], plan]
    files = merges.files_of(root, chain[0])
    assert set(files) >= {f"plan-{n}.txt" for n in range(PLANS)} | {f"mine-{n}.txt" for n in range(len(mine))}
    after = merges.state_of(root)
    assert (after["status"], after["index"]) == (before["status"], before["index"])
