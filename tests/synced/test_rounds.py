"""The rounds of home and node under the simulated sync tool: the promises hold, and each rule is needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.spools import POOL
from support.synced import SPOOL, write
from synced.without import RULES, AnyBoot, KeepsAfterBoot, SaysItTooEarly, TakesEndsUnseen, TakesUnseen
from synced.world import CODE, JOB, STATE, Broken, Machine, World, told
from wf_cli.errors import Refused, SpoolError
from wf_cli.spool import adopt, scan
from wf_cli.synced import record
from wf_cli.synced.fields import Attempt
from wf_cli.synced.home import HomeRound, HomeState
from wf_cli.synced.record import Home, Register, WordEnd

#: Seeds for each world in the plain run. SYNCED_SEEDS=1000 plays more, from SYNCED_FIRST on.
SEEDS, FIRST = int(os.environ.get("SYNCED_SEEDS", "6")), int(os.environ.get("SYNCED_FIRST", "0"))
TURNS = 25
#: Within so many seeds the absence of a rule has to show. It mostly does within the first ten.
FOUND_WITHIN = 200

WORLDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "remote": {"local": False},
    "retries": {"local": False, "retries": 2, "crashes": 3},
    "cancel": {"recalls": 1, "retries": 2, "local": False},
    "cancel beside a worker at home": {"recalls": 2, "retries": 2},
    "renew": {"renews": 2, "local": False},
    "forget": {"forgets": 1, "retries": 1},
    "restore": {"restores": 1, "crashes": 3, "local": False, "retries": 1, "renews": 1},
    "three": {"nodes": 2, "local": False, "retries": 1},
    "a node at work is given up": {"forgets": 1, "lying": True, "crashes": 0},
    "all": {"nodes": 2, "recalls": 1, "retries": 2, "renews": 1, "restores": 1, "crashes": 4},
}


def play(folder: Path, seed: int, **options: Any) -> World:
    folder.mkdir(parents=True)
    world = World(folder, seed, **options)
    with told(world):
        world.run(TURNS)
        world.finish()
    shutil.rmtree(folder)
    return world


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.timeout(600)
def test_the_promises_hold_and_the_job_ends(tmp_path: Path, world: str) -> None:
    for seed in range(FIRST, FIRST + SEEDS):
        play(tmp_path / str(seed), seed, **WORLDS[world])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.timeout(600)
def test_without_one_rule_a_promise_breaks(tmp_path: Path, rule: str) -> None:
    taken = RULES[rule]
    assert any(
        breaks(tmp_path / str(seed), seed, taken.options) for seed in range(taken.seed, taken.seed + FOUND_WITHIN)
    ), f"{FOUND_WITHIN} seeds do not need the rule {rule}"


def breaks(folder: Path, seed: int, options: dict[str, Any]) -> bool:
    folder.mkdir()
    world = World(folder, seed, **options)
    try:
        world.run(TURNS)
        world.finish()
    except Broken:
        return True
    finally:
        shutil.rmtree(folder)
    return False


# -- single steps, without faults


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, 1, crashes=0)


def hear(world: World) -> None:
    """Everybody reads what everybody says."""
    for _ in range(2):
        for one in world.machines:
            one.round()
        world.sync.settle()


def granted(world: World) -> Machine:
    """The job lies at the node, and waits for a worker."""
    hear(world)
    hear(world)
    (node,) = world.nodes
    placed = node.place()
    assert placed is not None
    assert placed.folder == "queued"
    return node


def said(machine: Machine) -> Register:
    newest = max((machine.nodes / machine.id).glob("*.json"))
    return record.decode(newest.read_bytes())


def at_home(world: World) -> str:
    placed = world.home.place()
    assert placed is not None
    return placed.folder


def all_but(world: World, late: str) -> None:
    """Everything arrives everywhere, but one file."""
    for one in world.machines:
        world.sync.scan(one.name)
    for one, other, path in world.sync.pending():
        if path != late:
            world.sync.deliver(one, other, path)


def test_a_job_goes_to_the_node_and_its_end_comes_back(world: World) -> None:
    node = granted(world)
    assert at_home(world) == "running"
    assert node.work()
    node.end(node.agents[0], good=True)
    hear(world)
    assert at_home(world) == "done"
    hear(world)
    assert (said(node).words, node.place()) == ({}, None)
    assert not list((node.state / "grants").iterdir())


def test_an_end_waits_for_its_files_and_says_for_which(world: World) -> None:
    node = granted(world)
    node.work()
    node.end(node.agents[0], good=True)
    node.round()
    all_but(world, CODE)
    world.home.round()
    assert at_home(world) == "running"
    (barrier,) = world.home.last_waiting.values()
    assert [str(gap) for gap in barrier.gaps] == [f"{CODE}: differs"]
    world.sync.settle()
    world.home.round()
    assert at_home(world) == "done"


def test_a_grant_waits_for_its_files_and_says_for_which(world: World) -> None:
    hear(world)
    (node,) = world.nodes
    (node.root / STATE).unlink()
    world.sync.machines[node.name].files.pop(STATE)
    node.round()
    assert node.place() is None
    (barrier,) = node.last_waiting.values()
    assert [str(gap) for gap in barrier.gaps] == [f"{STATE}: missing"]


# -- rules that need a story of several steps: it goes well with the rule, and breaks a promise without


def holds_only_with(rule: type, tmp_path: Path, story: Callable[[World], None]) -> None:
    kind = "home_rules" if issubclass(rule, HomeRound) else "node_rules"
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    story(World(tmp_path / "with", 1, crashes=0))
    with pytest.raises(Broken):
        story(World(tmp_path / "without", 1, crashes=0, **{kind: rule}))


def test_rule_inc_a_node_that_was_restored_does_not_start_again_what_its_old_boot_started(tmp_path: Path) -> None:
    def story(world: World) -> None:
        (node,) = world.nodes
        node.backup = node.folder / "backup"
        shutil.copytree(node.state, node.backup)
        granted(world)
        assert node.work()
        node.down()
        world.left["restores"] = 1
        world._restore(node)
        world.sync.settle()
        world.home.round()
        world.sync.settle()
        node.round()
        node.work()

    holds_only_with(AnyBoot, tmp_path, story)


def test_rule_boot_return_what_waited_in_a_backup_is_not_started_a_second_time(tmp_path: Path) -> None:
    def story(world: World) -> None:
        node = granted(world)
        node.backup = node.folder / "backup"
        shutil.copytree(node.state, node.backup)
        assert node.work()
        node.down()
        world.left["restores"] = 1
        world._restore(node)
        hear(world)
        node.work()

    holds_only_with(KeepsAfterBoot, tmp_path, story)


def test_rule_grant_barrier_the_next_writer_has_what_the_last_one_wrote(tmp_path: Path) -> None:
    def story(world: World) -> None:
        for one in world.machines:
            one.round()
        world.sync.settle()
        assert world.home.work()
        world.home.end(world.home.agents[0], good=False)
        world.clock.advance(10_000)
        world.home.round()
        all_but(world, CODE)
        world.nodes[0].round()
        world.nodes[0].work()

    holds_only_with(TakesUnseen, tmp_path, story)


def test_rule_stop_first_an_end_is_said_when_its_agent_has_ended(tmp_path: Path) -> None:
    def story(world: World) -> None:
        node = granted(world)
        assert node.work()
        world.home.home_round().recall(Attempt(JOB, 1))
        hear(world)
        hear(world)
        world.home.queue.retry(JOB)
        world.home.work()

    holds_only_with(SaysItTooEarly, tmp_path, story)


def test_rule_word_barrier_an_end_is_accepted_with_its_files_only(tmp_path: Path) -> None:
    def story(world: World) -> None:
        node = granted(world)
        node.work()
        node.end(node.agents[0], good=True)
        node.round()
        all_but(world, CODE)
        world.step("home round", world.home.round)

    holds_only_with(TakesEndsUnseen, tmp_path, story)


def test_time_frees_nothing(world: World) -> None:
    granted(world)
    for _ in range(5):
        world.clock.advance(10**6)
        world.home.round()
    assert at_home(world) == "running"


def test_a_node_that_boots_gives_back_what_waits(world: World) -> None:
    node = granted(world)
    node.down()
    node.boot()
    hear(world)
    assert {word.end for word in said(node).words.values()} <= {WordEnd.RELEASED, WordEnd.RETURNED}
    hear(world)
    outcome = world.home.queue.outcome(JOB, 1)
    assert outcome is not None
    assert (outcome.end, outcome.burned) == ("released", 0)


def test_a_home_that_was_set_back_does_nothing_until_an_operator_says_so(world: World) -> None:
    before = world.home.folder / "before"
    shutil.copytree(world.home.state, before)
    granted(world)
    shutil.rmtree(world.home.state)
    shutil.copytree(before, world.home.state)
    world.home.boot()
    for _ in range(3):
        hear(world)
    assert HomeState.load(world.home.state).restored
    assert at_home(world) == "queued"


@pytest.mark.parametrize("epoch", [(1, 0), (1, 1), (2, 0)])
def test_another_home_keeps_this_one_from_beginning_anything(world: World, epoch: tuple[int, int]) -> None:
    rival = Register(SPOOL, "rival-0000ff", "000000ff", 1, epoch, "0.4.0", "rival", 0, home=Home(True))
    write(world.home.nodes, rival)
    write(world.nodes[0].nodes, rival)
    hear(world)
    hear(world)
    assert at_home(world) == "queued"


def test_the_state_of_a_home_is_not_guessed(world: World) -> None:
    for damage in (b"", b"{", b"[]", b'{"format": 1, "x": 2}', b'{"format": 9}', b'{"format": 1, "epoch": 3}'):
        (world.home.state / "home.json").write_bytes(damage)
        with pytest.raises(SpoolError, match="damaged"):
            world.home.round()
    (world.home.state / "home.json").unlink()
    with pytest.raises(OSError, match=r"home\.json"):
        world.home.round()


def test_the_word_of_a_node_that_was_given_up_counts_no_more(world: World) -> None:
    node = granted(world)
    node.work()
    node.end(node.agents[0], good=True)
    node.round()
    node.down()
    world._forget(node)
    world.sync.settle()
    world.home.round()
    outcome = world.home.queue.outcome(JOB, 1)
    assert outcome is not None
    assert outcome.end == "lost"


def test_a_node_without_room_gets_nothing(world: World) -> None:
    hear(world)
    (node,) = world.nodes
    for tokens in (1, 1):
        world.home.round()
        assert len(list(scan.listing(world.home.queue.spool, "running"))) == tokens
    assert said(node).slots == {POOL.runtime: 1}


def test_only_what_has_ended_in_a_spool_of_a_node_is_collected(world: World) -> None:
    node = granted(world)
    assert not adopt.collect(node.queue.spool, JOB)
    assert not adopt.collect(node.queue.spool, "other")
    with pytest.raises(Refused):
        adopt.collect(world.home.queue.spool, JOB)
    node.work()
    node.end(node.agents[0], good=True)
    assert adopt.collect(node.queue.spool, JOB)
    assert node.place() is None
    assert node.queue.outcome(JOB, 1) is None
    spec = world.home.queue.spec(JOB)
    assert spec is not None
    assert node.queue.adopt(replace(spec, nonce="f" * 16), 1)


def test_a_grant_of_a_later_version_of_the_job_is_another_job(world: World) -> None:
    node = granted(world)
    word = Attempt(JOB, 1)
    spec = world.home.queue.spec(JOB)
    assert spec is not None
    assert said(world.home).home is not None
    assert said(world.home).home.grants[word].spec.nonce == spec.nonce  # type: ignore[union-attr]
    assert node.queue.spec(JOB) == spec
