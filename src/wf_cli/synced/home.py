"""The home's round: from what the nodes say to steps on the project's queue, and to what the home says next.

The home's spool decides everything. A grant is a token in ``running/`` under the owner that stands for a node, so it
is durable before any register tells of it, and a crash between any two steps is carried on by the next round. Such an
attempt ends by its holder's word and nothing else, once the files that it wrote are on this disk; or by an operator
who gives the node up.

Each rule of docs/explanation/synced.md is one method here, so that a test can take it away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from wf_cli import fsio, ids
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Spec
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.errors import ContractError, SpoolError
from wf_cli.frozen import frozen
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import Started
from wf_cli.seams import step
from wf_cli.spool import scan
from wf_cli.synced import trees
from wf_cli.synced.barrier import Barrier, Checkout
from wf_cli.synced.fields import Attempt, Epoch
from wf_cli.synced.reading import Reading
from wf_cli.synced.record import Grant, Home, Register, Word, WordEnd

_FORMAT, _LIMIT = 1, 4 * 1024 * 1024
_LOST = Failure("lost", "its node was given up")
_ENDS = {WordEnd.FAILED: End.FAILED, WordEnd.LOST: End.LOST}


@frozen
class HomeState:
    """What the home has to remember besides its spool: ``home.json``."""

    epoch: Epoch = (1, 0)
    begun: bool = True
    #: Nodes that an operator has given up.
    forgotten: tuple[str, ...] = ()
    #: Attempts that were asked for back, ``<job>.a<n>``.
    recalls: tuple[str, ...] = ()
    #: Paths that attempts on nodes have deleted. They are listed as absent until they are there again.
    absent: tuple[str, ...] = ()
    #: This state was set back. Nothing is done until an operator makes this node the home again.
    restored: bool = False

    @classmethod
    def load(cls, folder: Path) -> HomeState:
        """Raises SpoolError for damage, OSError when it cannot be read: a home that guesses starts agents twice."""
        path = folder / "home.json"
        try:
            value = json.loads(fsio.read_regular(path, _LIMIT))
            if value.pop("format") != _FORMAT:
                raise ValueError("it is of another format")
            state = cls(**value)
            return replace(
                state,
                epoch=(int(state.epoch[0]), int(state.epoch[1])),
                forgotten=tuple(state.forgotten),
                recalls=tuple(state.recalls),
                absent=tuple(state.absent),
            )
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise SpoolError(
                f"{path} is damaged: {error!s:.200}", hint="make a node the home again", code="HOME_STATE"
            ) from error

    def store(self, folder: Path) -> None:
        """Durable when this returns."""
        fsio.write_atomic(folder / "home.json", json.dumps({"format": _FORMAT, **asdict(self)}))


@frozen
class Project:
    """What the rounds have to know of the project, which lies above them."""

    #: A look at this checkout.
    checkout: Callable[[], Checkout]
    #: The folder of the plan that a job is about; None for a job outside plans, which has no barrier.
    folder_of: Callable[[Spec], str | None]
    #: What a job that its node calls a success still lacks on this disk.
    unmet: Callable[[Token], Failure | None] = lambda _token: None
    #: How an opener would end this attempt instead of granting it: done already, superseded, no room.
    refuses: Callable[[Token], Ending | None] = lambda _token: None
    #: Whether a queued job may be given to another node now (budgets, pauses, who is asked first).
    may: Callable[[Token, str], bool] = lambda _token, _node: True
    #: Make the files of a plan newer than all that a node wrote (rule ``forget-stamp``).
    stamp: Callable[[str], None] = lambda _folder: None


class HomeRound:
    """One look and its steps. The caller holds the lock of this node's rounds, and makes one for each round."""

    def __init__(self, queue: SpoolQueue, node: str, state: Path, nodes: Path, project: Project):
        self.queue, self.node, self.state, self.nodes, self.project = queue, node, state, nodes, project
        self.home = HomeState.load(state)
        #: What keeps ends waiting, by attempt, for people.
        self.waiting: dict[Attempt, Barrier] = {}

    def run(self, reading: Reading) -> Home | None:
        """All steps that can be done now; what the home says afterwards. None: this is the home no more, or not yet
        again, and does nothing. Raises OSError when the disk fails; then the next round goes on."""
        if reading.own_strange and not self.home.restored:
            self._store(replace(self.home, restored=True))
        if (self.home.restored and self._waits_when_restored()) or self._is_superseded(reading):
            return None
        for token in list(self._remote("running")):
            self._end(token, reading)
        begins = self.home.begun and not self._has_rival(reading)
        for token in list(self._remote("claimed")):
            self._start(token, begins)
        if begins:
            self._give(reading)
        return self._says(reading)

    def forget(self, node: str, reading: Reading) -> None:
        """Give up a node, for an operator who vouches that it is off. What it held is lost, and may run elsewhere."""
        if node not in self.home.forgotten:
            self._store(replace(self.home, forgotten=(*self.home.forgotten, node)))
        step("home.forgotten")
        for token in list(self._remote("running")):
            self._end(token, reading)

    def recall(self, attempt: Attempt) -> None:
        """Ask for an attempt back. That ends nothing by itself (rule ``recall``)."""
        if str(attempt) not in self.home.recalls:
            self._store(replace(self.home, recalls=(*self.home.recalls, str(attempt))))

    # -- rules

    def _waits_when_restored(self) -> bool:
        """Rule ``restored``."""
        return True

    def _is_superseded(self, reading: Reading) -> bool:
        """Rule ``epoch``: somebody is the home of a higher one."""
        return any(one.home is not None and one.epoch > self.home.epoch for one in reading.registers.values())

    def _has_rival(self, reading: Reading) -> bool:
        """Two homes of one epoch begin nothing."""
        return any(one.home is not None and one.epoch == self.home.epoch for one in reading.registers.values())

    def _word_of(self, attempt: Attempt, node: str, reading: Reading) -> Word | None:
        """Rules ``word`` and ``nonce``: what the holder says of this attempt of this very job."""
        register = reading.registers.get(node)
        word = register.words.get(attempt) if register is not None and node not in self.home.forgotten else None
        spec = self.queue.spec(attempt.job_id)
        return word if word is not None and spec is not None and self._is_of(word, spec) else None

    def _is_of(self, word: Word, spec: Spec) -> bool:
        return word.nonce == spec.nonce

    def _has_barrier(self, _word: Word) -> bool:
        """Rules ``word-barrier``, ``fail-barrier`` and ``return-barrier``."""
        return True

    # -- steps

    def _end(self, token: Token, reading: Reading) -> None:
        """End an attempt by its holder's word, once its files are here; or because its node was given up."""
        node, _ = _holder(token)
        attempt = _attempt(token)
        spec = self.queue.spec(token.job_id)
        folder = self.project.folder_of(spec) if spec is not None else None
        if node in self.home.forgotten:
            if folder is not None:
                self.project.stamp(folder)
            self._finish(token, Ending(End.LOST, failure=_LOST))
            return
        word = self._word_of(attempt, node, reading)
        if word is None or not self._arrived(attempt, node, word, folder):
            return
        step("home.word")
        self._finish(token, self._ending(token, word))

    def _arrived(self, attempt: Attempt, node: str, word: Word, folder: str | None) -> bool:
        if folder is None or not self._has_barrier(word):
            return True
        if word.changed is None:
            return False  # The holder has not heard of the list yet, or is no node of this design.
        try:
            tree = trees.load(self.nodes / node / "trees", word.changed)
        except ContractError:
            return False
        barrier = self.project.checkout().compare(tree) if tree is not None else None
        if barrier is not None and not barrier.closed:
            self.waiting[attempt] = barrier
        if tree is None or barrier is None or not barrier.closed:
            return False
        gone = {path for path, digest in tree.files.items() if digest is None}
        if not gone <= set(self.home.absent):
            self._store(replace(self.home, absent=tuple(sorted({*self.home.absent, *gone}))))
        return True

    def _ending(self, token: Token, word: Word) -> Ending:
        recalled = str(_attempt(token)) in self.home.recalls
        if word.end is WordEnd.SUCCEEDED:
            failure = self.project.unmet(token)
            end = End.SUCCEEDED if failure is None else End.FAILED
        else:
            failure = word.outcome.failure if word.outcome is not None else None
            end = _ENDS.get(word.end, End.RELEASED)
        if recalled and end is not End.SUCCEEDED:
            end = End.CANCELLED
        if end in (End.FAILED, End.LOST) and failure is None:
            failure = Failure("lost" if end is End.LOST else "failed", "its node says no more")
        outcome = word.outcome
        return Ending(
            end,
            failure=failure if end in (End.FAILED, End.LOST) else None,
            reason=outcome.reason if outcome is not None else "it was not begun there",
            result=outcome.result if outcome is not None else None,
            started_ms=outcome.started_ms if outcome is not None else None,
            usage=outcome.usage if outcome is not None else None,
        )

    def _finish(self, token: Token, ending: Ending) -> None:
        with self.queue.fence(token.job_id):
            self.queue.end(token, ending, by=token.owner or "")
        said = str(_attempt(token))
        if said in self.home.recalls:
            self._store(replace(self.home, recalls=tuple(one for one in self.home.recalls if one != said)))

    def _start(self, token: Token, begins: bool) -> None:
        """Make a claim a grant; or end it, because it may not begin."""
        with self.queue.fence(token.job_id):
            node, _ = _holder(token)
            ending = self.project.refuses(token)
            if ending is None and (not begins or node in self.home.forgotten):
                ending = Ending(End.RELEASED, reason=f"it was not given to {node}")
            if ending is not None:
                self.queue.end(token, ending, by=token.owner or "")
            elif self.queue.start(token) is Started.GO:
                step("home.granted")

    def _give(self, reading: Reading) -> None:
        """Claim ready jobs for nodes that would take them."""
        for node, register in sorted(reading.registers.items()):
            if register.home is not None or register.epoch != self.home.epoch or node in self.home.forgotten:
                continue
            for pool in register.pools:
                while self._open(node, pool.runtime) < register.slots.get(pool.runtime, 0):
                    owner = ids.remote_owner(node, register.incarnation)
                    may = self.project.may
                    token = self.queue.claim(owner, (pool,), lambda one, node=node, may=may: may(one, node))  # type: ignore[misc]
                    if token is None:
                        break
                    step("home.claimed")
                    self._start(token, True)

    def _open(self, node: str, runtime: str) -> int:
        tokens = (*self._remote("claimed"), *self._remote("running"))
        return sum(_holder(one)[0] == node and one.pool.runtime == runtime for one in tokens)

    def _remote(self, folder: str) -> Iterator[Token]:
        """The tokens in ``folder`` whose owner stands for a node."""
        for token in scan.listing(self.queue.spool, folder):
            if token.owner is not None and ids.remote_parts(token.owner) is not None:
                yield token

    # -- saying

    def _granted(self) -> Iterator[Token]:
        """Rule ``durable-grant``."""
        return self._remote("running")

    def _says(self, reading: Reading) -> Home:
        grants: dict[Attempt, Grant] = {}
        told: set[str] = set()
        whole: str | None = None
        for token in self._granted():
            spec = self.queue.spec(token.job_id)
            node, incarnation = _holder(token)
            if spec is None or token.job_id in told:
                continue  # A spec that is gone is damage, which `wf spool verify` tells.
            told.add(token.job_id)
            folder = self.project.folder_of(spec)
            plan = None
            if folder is not None:
                own = self.nodes / self.node / "trees"
                whole = whole or trees.store(own, self.project.checkout().whole(absent=self.home.absent))
                plan = trees.store(own, self.project.checkout().folder(folder))
            attempt = _attempt(token)
            previous = self.queue.readable_outcome(token.job_id, token.attempt - 1) if token.attempt > 1 else None
            if previous is not None:
                # They say something on the node that made them only.
                previous = replace(previous, session_id=None, baseline=None)
            recall = str(attempt) in self.home.recalls
            tree = whole if folder is not None else None
            grants[attempt] = Grant(node, incarnation, spec, token.pool, recall, previous, tree, plan)
        members = tuple(sorted({self.node, *reading.registers, *reading.forked}))
        return Home(self.home.begun, members, self.home.forgotten, grants)

    def _store(self, home: HomeState) -> None:
        home.store(self.state)
        self.home = home


def _holder(token: Token) -> tuple[str, str]:
    """The node and the incarnation that the owner of ``token`` stands for; empty for a session's."""
    return ids.remote_parts(token.owner or "") or ("", "")


def _attempt(token: Token) -> Attempt:
    return Attempt(token.job_id, token.attempt)


def homes(registers: dict[str, Register], at_least: Epoch) -> list[Register]:
    """Those that say to be the home, in the highest epoch of all and not below ``at_least``."""
    found = [one for one in registers.values() if one.home is not None and one.epoch >= at_least]
    highest = max((one.epoch for one in found), default=at_least)
    return [one for one in found if one.epoch == highest]
