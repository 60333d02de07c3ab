"""A home and nodes in one synced folder: real rounds on real spools, a simulated sync tool, a ledger of what ran.

Everything that happens is a step drawn from one seed: a round, a worker that claims, an agent that writes and ends, a
delivery, a crash at any named point, a boot, a restore of a node's state, an operator. The ledger lies outside of all
machines; each promise that it sees broken is a `Broken`.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.clock import FakeClock
from support.spools import PLAIN, POOL, Recorder, request
from support.synced import SPOOL, Died
from synced.sync_tool import Faults, SyncTool
from wf_cli import seams
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Placed, Token
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import layout, retention, scan
from wf_cli.synced import identity, reading, register, trees
from wf_cli.synced.barrier import Barrier, Checkout
from wf_cli.synced.fields import Attempt
from wf_cli.synced.home import HomeRound, HomeState, Project
from wf_cli.synced.identity import Now
from wf_cli.synced.node import NodeRound
from wf_cli.synced.reading import Reading
from wf_cli.synced.record import Register

PLAN = "plans/01-x"
#: What an agent writes: at its beginning the plan's state, at its end code and the plan again.
STATE, CODE = f"{PLAN}/state.json", "src/code.txt"
NODES = ".wf/spool/nodes"
JOB = "a"


class Broken(AssertionError):
    """A promise does not hold."""


@dataclass
class Agent:
    """An agent that lives on a machine."""

    token: Token
    nonce: str


@dataclass
class Ledger:
    """What really happened, on all machines."""

    started: set[tuple[str, int]] = field(default_factory=set)
    #: The last content of each file, by whoever may write it.
    latest: dict[str, str] = field(default_factory=dict)
    writes: int = 0


class Machine:
    """One machine: its checkout in the synced folder, its state outside of it."""

    def __init__(self, world: World, name: str, folder: Path):
        self.world, self.name, self.folder = world, name, folder
        self.id = f"{name}-{ord(name[0]):06x}"
        self.root, self.state = folder / "project", folder / "state"
        self.nodes = register.nodes_folder(self.root / ".wf" / "spool")
        self.is_home = name == "home"
        self.up = False
        self.agents: list[Agent] = []
        self.boots = 0
        self.rounds = 0
        self.backup: Path | None = None
        #: What barriers were open in the last round.
        self.last_waiting: dict[Attempt, Barrier] = {}
        for path, text in world.ledger.latest.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        layout.create(self.state / "spool", durability="none", adopts=not self.is_home)
        incarnation = self._new_incarnation()
        identity.store(self.state, Now(incarnation, incarnation, (incarnation,)))
        if self.is_home:
            HomeState().store(self.state)
        self._begin()

    @property
    def owner(self) -> str:
        return f"w-{self.name}-{self.now.incarnation}"

    def _new_incarnation(self) -> str:
        self.boots += 1
        return f"{ord(self.name[0]):04x}{self.boots:04x}"

    def _begin(self) -> None:
        """A process of this boot begins."""
        self.now = Now.decode((self.state / "now.json").read_bytes())
        self.queue = SpoolQueue(
            layout.open_spool(self.state / "spool"), clock=self.world.clock, events=Recorder(),
            policy=lambda _t: PLAIN, rng=self.world.rng,
        )  # fmt: skip
        self.up = True
        self.rounds = 0

    def down(self) -> None:
        self.up = False
        self.agents.clear()

    def boot(self) -> None:
        now = Now.decode((self.state / "now.json").read_bytes())
        incarnation = self._new_incarnation()
        identity.store(
            self.state, replace(now, boot=incarnation, incarnation=incarnation, own=(*now.own, incarnation))
        )
        self._begin()
        self.queue.reap(
            lambda owner: "" if owner == self.owner or owner.startswith("at-") else "another boot", by=self.owner
        )

    def restart(self) -> None:
        """wf dies and begins again on the same boot; its agents were ended by their launchers."""
        self.agents.clear()
        self._begin()

    # -- what wf does

    def project(self) -> Project:
        return Project(
            checkout=lambda: Checkout(self.root, self.state / "trees" / "cache.json"),
            folder_of=lambda _spec: PLAN,
            stamp=lambda _folder: self.world.stamp(self),
        )

    def round(self) -> None:
        """Read, do what follows, and publish."""
        self.now, got = reading.read(self.nodes, self.state, self.now, node=self.id, spool=SPOOL)
        plain = Register(SPOOL, self.id, self.now.incarnation, 1, (1, 0), "0.4.0", self.name, 0)
        plain = replace(plain, seen={node: one.version for node, one in got.registers.items()})
        if self.is_home:
            rounds = self.home_round()
            home = rounds.run(got)
            self.last_waiting = rounds.waiting
            if home is not None:
                self._publish(replace(plain, home=home), got)
        else:
            one = self.node_round()
            said = one.run(got)
            self.now, self.last_waiting = one.now, one.waiting
            if said is not None:
                self.world.assert_obeyed(self, got)
                slots = {POOL.runtime: 1}
                self._publish(replace(plain, words=said.words, holds=said.holds, pools=(POOL,), slots=slots), got)
        self.rounds += 1

    def home_round(self) -> HomeRound:
        return self.world.home_rules(self.queue, self.id, self.state, self.nodes, self.project())

    def node_round(self) -> NodeRound:
        return self.world.node_rules(
            self.queue, self.id, self.now, self.state, self.nodes, self.project(), owner=self.owner,
            lives=lambda job: any(agent.token.job_id == job for agent in self.agents),
        )  # fmt: skip

    def _publish(self, said: Register, got: Reading) -> None:
        self.now, said = register.publish(self.nodes, self.state, self.now, said, seen_of_us=got.own_high)
        later = time.time() + 10_000
        register.clear(self.nodes, self.id, now_s=later)
        trees.clear(self.nodes / self.id / "trees", said.lists(), now_s=later)

    # -- what workers and agents do

    def work(self) -> bool:
        """A worker claims and starts, if it may."""
        if self.is_home and not self.world.local and self.world.faulty:
            return False
        if self.rounds == 0 or any(agent.token.owner == self.owner for agent in self.agents):
            return False
        token = self.queue.claim(self.owner, (POOL,))
        if token is None:
            return False
        with self.queue.fence(token.job_id):
            if self.queue.start(token) != "go":
                return False
        spec = self.queue.spec(token.job_id)
        assert spec is not None
        self.world.starts(self, Agent(token, spec.nonce))
        return True

    def end(self, agent: Agent, good: bool) -> None:
        self.world.writes(self, CODE)
        self.agents.remove(agent)
        ending = Ending(End.SUCCEEDED) if good else Ending(End.FAILED, failure=Failure("failed", "no luck"))
        self.queue.end(agent.token, ending, by=self.owner)

    def notice(self) -> bool:
        """A worker sees that its attempt has ended, and stops the agent."""
        gone = [agent for agent in self.agents if not self.queue.holds(agent.token)]
        for agent in gone:
            self.agents.remove(agent)
        return bool(gone)

    def place(self) -> Placed | None:
        return self.queue.find(JOB)


class World:
    """All machines and what may happen to them."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        nodes: int = 1,
        home_rules: type[HomeRound] = HomeRound,
        node_rules: type[NodeRound] = NodeRound,
        tool: Faults | None = None,
        lying: bool = False,
        local: bool = True,
        **budgets: int,
    ):
        """``lying``: the operator gives up nodes at work. Promises 1 and 4 do not hold then, and are not looked at.
        ``local``: whether the home has a worker of its own before the end."""
        self.rng = random.Random(seed)
        self.lying, self.local = lying, local
        self.clock = FakeClock()
        self.ledger = Ledger(latest={STATE: "0", CODE: "0"})
        self.home_rules, self.node_rules = home_rules, node_rules
        self.left = {"crashes": 2, "renews": 0, "forgets": 0, "recalls": 0, "retries": 0, "restores": 0, **budgets}
        self.trace: list[str] = []
        self.home = Machine(self, "home", folder / "home")
        self.nodes = [Machine(self, f"{'lmnop'[k]}ap", folder / f"node{k}") for k in range(nodes)]
        self.machines = [self.home, *self.nodes]
        roots = {one.name: one.root for one in self.machines}
        self.sync = SyncTool(roots, self.rng, tool or Faults(unsafe=(NODES,)))
        for name in roots:
            self.sync.scan(name)
        self.accepted: dict[tuple[str, int], str] = {}
        self.forgotten: set[str] = set()
        #: Whether faults go on; in the end the home works, too.
        self.faulty = True
        self._enqueue()

    def _enqueue(self) -> None:
        self.home.queue.enqueue(request(JOB, max_attempts=3))

    # -- the ledger

    def starts(self, machine: Machine, agent: Agent) -> None:
        others = [one.name for one in self.machines if one.agents]
        if others and not self.lying:
            raise Broken(f"Y1: {agent.token} starts on {machine.name} while an agent lives on {others}")
        attempt = (agent.nonce, agent.token.attempt)
        if attempt in self.ledger.started:
            raise Broken(f"Y2: {agent.token} is started a second time, on {machine.name}")
        self.ledger.started.add(attempt)
        machine.agents.append(agent)
        self.writes(machine, STATE)

    def writes(self, machine: Machine, path: str) -> None:
        for one, text in self.ledger.latest.items():
            file = machine.root / one
            found = file.read_text() if file.exists() else None
            if found != text and not self.lying:
                raise Broken(f"Y4: {machine.name} writes {path} and has {one} as {found!r}, not as {text!r}")
        self._write(machine, path)

    def _write(self, machine: Machine, path: str) -> None:
        self.ledger.writes += 1
        self.ledger.latest[path] = f"{self.ledger.writes} by {machine.name}"
        (machine.root / path).write_text(self.ledger.latest[path])

    def stamp(self, machine: Machine) -> None:
        for path in self.ledger.latest:
            self._write(machine, path)

    def assert_obeyed(self, machine: Machine, got: Reading) -> None:
        for said in got.registers.values():
            for agent in machine.agents:
                grants = said.home.grants if said.home is not None else {}
                grant = grants.get(Attempt(agent.token.job_id, agent.token.attempt))
                if said.home is not None and (grant is None or grant.spec.nonce != agent.nonce):
                    raise Broken(f"Y6: {machine.name} speaks while {agent.token} lives, whose grant is gone")

    def assert_ends(self) -> None:
        """Y3 and the barrier, on the home's spool after each step."""
        spec = self.home.queue.spec(JOB)
        placed = self.home.place()
        if spec is None or placed is None:
            return
        for number in range(1, placed.token.attempt + 1):
            outcome = self.home.queue.outcome(JOB, number)
            if outcome is None:
                continue
            key = (spec.nonce, number)
            if self.accepted.setdefault(key, outcome.nonce) != outcome.nonce:
                raise Broken(f"Y3: attempt {number} is accepted twice")
            if outcome.end in (End.SUCCEEDED, End.FAILED) and key not in self.ledger.started:
                raise Broken(f"Y3: attempt {number} is accepted as {outcome.end} and never ran")

    def assert_arrived(self, before: set[tuple[str, int]]) -> None:
        """When the home accepts the end of an attempt of a node, its disk has all that was ever written."""
        new = self.accepted.keys() - before
        for _, number in new:
            outcome = self.home.queue.outcome(JOB, number)
            if outcome is None or not outcome.owner.startswith("at-") or self.forgotten or self.lying:
                continue
            for path, text in self.ledger.latest.items():
                if (self.home.root / path).read_text() != text:
                    raise Broken(f"Y4: attempt {number} is accepted before {path} has arrived")

    # -- steps

    def step(self, what: str, action: Callable[[], Any]) -> None:
        """One thing happens, and the promises are looked at."""
        before = set(self.accepted)
        self.trace.append(what)
        action()
        if self.home.up:
            self.assert_ends()
            self.assert_arrived(before)

    def turn(self) -> None:
        """Everybody does something, in any order, and files go around a little."""
        for one in self.rng.sample(self.machines, len(self.machines)):
            for what, action, chance in self._work_of(one):
                if self.rng.random() < chance:
                    self.step(what, action)
            if self.rng.random() < 0.7:
                self.step("sync", self._sync)
        if self.rng.random() < 0.5:
            self.step(*self.rng.choice(self._faults()))

    def _work_of(self, one: Machine) -> list[tuple[str, Callable[[], Any], float]]:
        if not one.up:
            return [(f"{one.name} boots", one.boot, 0.4)]
        out: list[tuple[str, Callable[[], Any], float]] = [
            (f"{one.name} round", lambda: self._maybe_dying(one, one.round), 0.7),
            (f"{one.name} works", lambda: self._maybe_dying(one, one.work), 0.2 if one.is_home else 0.8),
            (f"{one.name} notices", one.notice, 0.3),
            (f"an agent ends on {one.name}", lambda: self._end_one(one), 0.4),
        ]
        return out

    def _end_one(self, one: Machine) -> None:
        for agent in one.agents:
            if one.up and one.queue.holds(agent.token):
                one.end(agent, self.rng.random() < 0.5)
                return

    def _faults(self) -> list[tuple[str, Callable[[], Any]]]:
        out: list[tuple[str, Callable[[], Any]]] = [("disturb", self.sync.disturb), ("heal", self.sync.heal)]
        out.append(("part", self._part))
        for one in self.machines:
            if not one.up and self.left["restores"] and one.backup is not None:
                out.append((f"{one.name} is restored", lambda one=one: self._restore(one)))  # type: ignore[misc]
            if one.up and self.left["crashes"]:
                out.append((f"{one.name} goes down", lambda one=one: self._crash(one)))  # type: ignore[misc]
            if one.up and not one.is_home and self.left["restores"]:
                out.append((f"{one.name} is backed up", lambda one=one: self._back_up(one)))  # type: ignore[misc]
        return out + self._operators() * 2 if self.home.up else out

    def _operators(self) -> list[tuple[str, Callable[[], Any]]]:
        out: list[tuple[str, Callable[[], Any]]] = []
        placed = self.home.place()
        if placed is None:
            return out
        remote = placed.token.owner is not None and placed.token.owner.startswith("at-")
        if self.left["recalls"] and remote and placed.folder == "running":
            out.append(
                (
                    "recall",
                    lambda: self._spend(
                        "recalls", lambda: self.home.home_round().recall(Attempt(JOB, placed.token.attempt))
                    ),
                )
            )
        if placed.folder in ("done", "dead"):
            if self.left["retries"] and placed.status is not Status.SUCCEEDED:
                out.append(("retry", lambda: self._spend("retries", lambda: self.home.queue.retry(JOB))))
            if self.left["renews"]:
                out.append(("renew", lambda: self._spend("renews", self._renew)))
        off = [one for one in self.nodes if (not one.up or self.lying) and one.id not in self.forgotten]
        for one in off if self.left["forgets"] else ():
            out += [(f"forget {one.name}", lambda one=one: self._spend("forgets", lambda: self._forget(one)))]  # type: ignore[misc]
        return out

    def _spend(self, what: str, action: Callable[[], Any]) -> None:
        self.left[what] -= 1
        action()

    def _renew(self) -> None:
        placed = self.home.place()
        assert placed is not None
        retention.purge_own(self.home.queue.spool, self.clock, [placed])
        self.home._begin()
        self._enqueue()

    def _forget(self, node: Machine) -> None:
        self.forgotten.add(node.id)
        self.home.now, got = reading.read(
            self.home.nodes, self.home.state, self.home.now, node=self.home.id, spool=SPOOL
        )
        self.home.home_round().forget(node.id, got)

    def _sync(self) -> None:
        for _ in range(self.rng.choice((1, 3, 6, 12))):
            said = self.sync.step()
            if said:
                self.trace.append("   " + said)

    def _part(self) -> None:
        one, other = self.rng.sample([one.name for one in self.machines], 2)
        self.sync.part(one, other)

    def _crash(self, machine: Machine) -> None:
        self.left["crashes"] -= 1
        machine.down()

    def _maybe_dying(self, machine: Machine, action: Callable[[], Any]) -> None:
        """The action, or a part of it: wf may die at any named point, and with it sometimes the machine."""
        if not self.left["crashes"] or self.rng.random() > 0.1:
            action()
            return
        after = self.rng.randrange(1, 30)

        def hook(_name: str) -> None:
            nonlocal after
            after -= 1
            if after == 0:
                raise Died

        seams.install(hook)
        try:
            action()
        except Died:
            seams.install(None)
            self.left["crashes"] -= 1
            self.trace.append(f"   {machine.name} dies in it")
            machine.down()
        finally:
            seams.install(None)

    def _back_up(self, machine: Machine) -> None:
        machine.backup = machine.folder / f"backup{self.rng.randrange(10**9)}"
        shutil.copytree(machine.state, machine.backup)

    def _restore(self, machine: Machine) -> None:
        self.left["restores"] -= 1
        assert machine.backup is not None
        shutil.rmtree(machine.state)
        shutil.copytree(machine.backup, machine.state)
        machine.boot()

    # -- the end

    def run(self, turns: int) -> None:
        for _ in range(turns):
            self.turn()
            self.clock.advance(100)

    def finish(self, limit: int = 60) -> None:
        """Heal all, and let everybody work without faults: the job has to end, and nothing may stay open."""
        self.left = dict.fromkeys(self.left, 0)
        self.faulty = False
        for one in self.machines:
            if not one.up:
                one.boot()
        for _ in range(limit):
            for one in self.machines:
                before = set(self.accepted)
                one.round()
                self.assert_ends()
                self.assert_arrived(before)
                one.notice()
                one.work()
                for agent in list(one.agents):
                    if one.queue.holds(agent.token):
                        one.end(agent, True)
            self.sync.settle()
            self.clock.advance(10_000)
            if self._is_quiet():
                return
        places = {one.name: str(one.place()) for one in self.machines}
        raise Broken(f"it does not come to rest: {places}")

    def _is_quiet(self) -> bool:
        placed = self.home.place()
        if placed is None or placed.folder not in ("done", "dead") or any(one.agents for one in self.machines):
            return False
        return all(not list(scan.listing(one.queue.spool, "running")) for one in self.machines)


@contextlib.contextmanager
def told(world: World) -> Any:
    """A failure inside tells the steps that led to it."""
    try:
        yield
    except Exception as error:
        raise AssertionError("\n".join([*world.trace[-80:], f"-> {type(error).__name__}: {error}"])) from error
