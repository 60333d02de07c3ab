"""The order of syncs in each transition, recorded in process and held against the rules of `support.syncs`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.scenarios import SCENARIOS, Scenario, nothing, open_at
from support.spools import make_spool, request, spool_queue
from support.syncs import Call, complaints, recording, syncs_of_folders
from wf_cli.app import App
from wf_cli.contract.token import Pool
from wf_cli.queue.values import JobRequest
from wf_cli.runtimes.process.gate import Gate
from wf_cli.spool import session
from wf_cli.spool.layout import Spool

OPERATORS = ("reroute", "bury", "unpark", "cancel-queued", "cancel-held", "hold", "unhold", "retry", "adopt-again")
#: The syncs, by their number in a scenario, that its own process could do without. An enqueue syncs what another
#: enqueuer may have done and not synced, because it answers for that job as well; a sweeper does so for the staging,
#: and an end for the outcome that it was too late for. Two tokens that gc puts away one after the other are one step.
#: What operators do begins with making durable what the ends of attempts have moved.
FOR_OTHERS = {
    "enqueue": {2},
    "adopt": {2},
    "enqueue_many": {3},
    "enqueue-taken": {0, 1, 2, 3},
    "sweep": {0},
    "late": {2, 3},
    "gc": {0, 1, 3},
    **{operator: {0, 1} for operator in OPERATORS},
}


def recorded(scenario: Scenario, folder: Path) -> list[Call]:
    root = folder / "project" / "spool"
    root.parent.mkdir(parents=True)
    scenario.before(root)
    with recording(root) as calls:
        scenario.do(root)
    return calls


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_transition_keeps_to_the_rules(tmp_path: Path, scenario: Scenario) -> None:
    assert complaints(recorded(scenario, tmp_path)) == []


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.name != "recover"], ids=str)
def test_no_sync_can_be_left_out_or_change_places_unnoticed(tmp_path: Path, scenario: Scenario) -> None:
    """So the rules can fail, for each sync of each transition."""
    calls = recorded(scenario, tmp_path)
    syncs = [i for i, call in enumerate(calls) if call.what == "fsync"]
    unnoticed = {n for n, i in enumerate(syncs) if not complaints(calls[:i] + calls[i + 1 :])}
    assert unnoticed == FOR_OTHERS.get(scenario.name, set())
    for i in range(len(calls) - 2):
        move, first, second = calls[i : i + 3]
        if move.what == "rename" and (first.path, second.path) == (f"{move.target_folder}/", f"{move.folder}/"):
            swapped = [*calls[: i + 1], second, first, *calls[i + 3 :]]
            assert complaints(swapped), str(move)


@pytest.mark.parametrize("n", [1, 20])
def test_many_jobs_are_enqueued_with_one_sync_of_each_folder(tmp_path: Path, n: int) -> None:
    nothing(tmp_path / "spool")
    queue = spool_queue(open_at(tmp_path / "spool"))
    with recording(tmp_path / "spool") as calls:
        queue.enqueue_many([request(f"j{i}") for i in range(n)])
    assert syncs_of_folders(calls) == ["tmp", "tmp", "jobs", "queued", "tmp"]
    assert complaints(calls) == []


def test_whoever_answers_duplicate_vouches_for_the_other_s_job(tmp_path: Path) -> None:
    nothing(tmp_path / "spool")
    queue = spool_queue(open_at(tmp_path / "spool"))
    queue.enqueue(request("a"))
    with recording(tmp_path / "spool") as calls:
        assert queue.enqueue(request("a")).deduped
    assert syncs_of_folders(calls) == ["tmp", "jobs", "queued", "tmp"]


def test_with_durability_none_nothing_is_synced(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool", durability="none")
    with recording(spool.root) as calls:
        spool_queue(spool).enqueue(request("a"))
    assert [call for call in calls if call.what == "fsync"] == []
    assert calls, "it did something"


def work_once(root: Path, notice: Callable[[Spool], None], monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """A worker does one job on a durable spool; ``notice`` is called when its agent's gate opens."""
    config = {
        "version": 1,
        "mode": "distributed",
        "runtimes": {"shell": {"adapter": "command", "argv": ["true"]}},
        "routing": {"builder": {"runtime": "shell"}},
    }
    (root / "wf.config.json").write_text(json.dumps(config))
    app = App(root, {"PATH": os.defpath, "HOME": str(root)})
    spool = app.create_spool()
    app.queue(spool).enqueue(JobRequest("builder", "shell", key="job"))
    real = Gate.go

    def go(gate: Gate) -> None:
        notice(spool)
        real(gate)

    monkeypatch.setattr(Gate, "go", go)
    worker = app.worker(
        spool, runtime="shell", pools=frozenset({Pool("builder", "shell")}), say=lambda _line: None, max_jobs=1
    )
    with recording(spool.root) as calls:
        assert worker.run().succeeded == 1
    return calls


def test_i1_claim_and_start_are_durable_before_the_launcher_is_spawned_and_the_record_before_it_may_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_go: list[Any] = []

    def notice(spool: Spool) -> None:
        (owner,) = session.owners(spool)
        at_go.append((session.read(spool, owner), len(calls_so_far)))

    # The list is the recorder's own, found at the first look.
    calls_so_far: list[Call] = []
    monkeypatch.setattr("support.syncs.Recorder.__init__", _sharing(calls_so_far))
    calls = work_once(tmp_path, notice, monkeypatch)
    tokens = [
        c for c in calls if c.what == "spawn" or c.folder in ("queued", "claimed", "running", "done", "outcomes")
    ]
    order = [(c.what, c.folder, c.target_folder) for c in tokens]
    begun = [("rename", "queued", "claimed"), ("rename", "claimed", "running"), ("fsync", "running", ""),
             ("fsync", "queued", "")]  # fmt: skip
    assert order[: len(begun) + 1] == [*begun, ("spawn", "", "")]
    assert order.count(("spawn", "", "")) == 1
    assert complaints(tokens) == []
    ((record, so_far),) = at_go
    assert [agent.job_id for agent in record.agents] == ["job"]
    recorded_then = [str(c).split(" ")[0] for c in calls[:so_far] if c.folder == "sessions"]
    assert recorded_then[-2:] == ["rename", "fsync"], "the record was durable when the gate opened"


def _sharing(calls: list[Call]) -> Callable[..., None]:
    from support.syncs import Recorder

    real = Recorder.__init__

    def made(self: Recorder, root: Path) -> None:
        real(self, root)
        self.calls = calls

    return made


BEGUN = ("rename queued/a claimed/b", "rename claimed/b running/b")


@pytest.mark.parametrize(
    ("calls", "complaint"),
    [
        (["create tmp/x.part", "write tmp/x.part", "link tmp/x.part jobs/a.json", "fsync jobs/"], "the data"),
        (["rename queued/a held/b", "fsync queued/", "fsync held/"], "queued/ is synced before held/"),
        (["rename queued/a held/b", "fsync held/"], "queued/ is not synced"),
        (["rename queued/a held/b", "rename held/b queued/c"], "begins, and held/ is not synced"),
        (["rename queued/a claimed/b"], None),
        (["rename queued/a claimed/b", "fsync claimed/", "fsync queued/", "spawn"], None),
        (["rename queued/a claimed/b", "fsync claimed/", "spawn", "fsync queued/"], "an agent's process is spawned"),
        ([*BEGUN, "fsync running/", "fsync queued/", "spawn"], None),
        ([*BEGUN, "fsync running/"], "queued/ is not synced"),
        ([*BEGUN, "fsync queued/", "fsync running/"], "queued/ is synced before running/"),
        (["rename running/a done/b"], None),
        (["rename running/a done/b", "rename done/b held/c", "fsync held/", "fsync done/"], "running/ is not synced"),
        (["unlink queued/a"], "queued/ is not synced"),
        (["link tmp/x jobs/a.json", "link tmp/y jobs/b.json", "fsync jobs/"], None),
    ],
)  # fmt: skip
def test_each_rule_can_fail(calls: list[str], complaint: str | None) -> None:
    found = complaints(Call(*text.split(" ")) for text in calls)
    if complaint is None:
        assert found == []
    else:
        assert any(complaint in text for text in found), found
