"""Three hosts with old looks on one shared spool, in random turns: nothing starts twice, is lost or done again.

Two rules keep that. A repair watches a job that looks wrong for a whole lease, and a start is an exclusive link. With
both put back as they were in version 0.4.0 the same histories start attempts twice, which is how the fault was found
on a real mount (sshfs). Each of the rules alone prevents it.

``WF_HYPOTHESIS=long`` runs hundreds of histories.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.hosts import LEASE, Simulation
from support.lying import Sometimes
from wf_cli import fsio
from wf_cli.contract.token import Placed
from wf_cli.spool import started, verify
from wf_cli.spool.layout import Spool

LONG = os.environ.get("WF_HYPOTHESIS") == "long"
TURNS = 200
#: A repair that trusts the first look.
AT_ONCE = 0.0


def seeds(few: int) -> range:
    return range(300 if LONG else few)


def simulate(folder: Path, seed: int, *, watch_s: float = LEASE, lies: bool = False) -> Simulation:
    def liar(host: int) -> Sometimes:
        return Sometimes(seed * 3 + host, share=0.05, left=15 if lies else 0)

    simulation = Simulation(folder / str(seed), seed, watch_s=watch_s, liar=liar)
    simulation.run(TURNS)
    return simulation


@pytest.fixture
def starts_not_exclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started, "claim_start", lambda _spool, _token: None)


def test_i1_to_i5_hold_with_old_looks(tmp_path: Path) -> None:
    for seed in seeds(8):
        simulation = simulate(tmp_path, seed)
        assert (seed, simulation.wrong()) == (seed, [])
        assert (seed, simulation.doubled) == (seed, set())
        assert simulation.history.starts, "the history did something"


def test_i1_to_i5_hold_with_old_looks_and_answers_that_lie(tmp_path: Path) -> None:
    for seed in seeds(10):
        assert (seed, simulate(tmp_path, seed, lies=True).wrong()) == (seed, [])


def test_an_exclusive_start_alone_keeps_attempts_from_starting_twice(tmp_path: Path) -> None:
    """The repair trusts its first look: tokens are doubled, and no harm comes of it."""
    doubled = 0
    for seed in seeds(5):
        simulation = simulate(tmp_path, seed, watch_s=AT_ONCE)
        assert (seed, simulation.wrong()) == (seed, [])
        doubled += bool(simulation.doubled)
    assert doubled, "no token was doubled, so this shows nothing"


@pytest.mark.usefixtures("starts_not_exclusive")
def test_a_repair_that_watches_alone_keeps_attempts_from_starting_twice(tmp_path: Path) -> None:
    for seed in seeds(5):
        assert (seed, simulate(tmp_path, seed).wrong()) == (seed, [])


@pytest.mark.usefixtures("starts_not_exclusive")
def test_without_both_rules_the_histories_show_double_starts(tmp_path: Path) -> None:
    """If this fails, the simulation has lost its eyes, and the tests above show nothing."""
    assert any(simulate(tmp_path, seed, watch_s=AT_ONCE).history.twice for seed in range(60)), (
        "no attempt was started twice in 60 histories, although neither the repair nor the start prevents it"
    )


def test_a_repair_that_unlinks_what_it_sees_twice_loses_jobs_in_the_histories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was in 0.4.0: old listings were believed, and of two tokens in them the real one was removed."""

    def unlink(spool: Spool, extra: Placed, _keep: Placed) -> bool:
        return fsio.unlink_quietly(spool.path(extra.folder, extra.token.name))

    monkeypatch.setattr(verify, "_moved_on", lambda *_: False)
    monkeypatch.setattr(verify, "_put_twin_away", unlink)
    # Only the removal is put back, so that no lost token is made again.
    monkeypatch.setattr(verify, "_orphan", lambda *_: iter(()))
    assert any("has 0 tokens" in " ".join(simulate(tmp_path, seed, watch_s=AT_ONCE).wrong()) for seed in range(60)), (
        "no job was lost in 60 histories, although the repair removes tokens that live"
    )
