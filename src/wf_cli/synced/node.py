"""A node's round: from what the home says to steps on this node's own spool, and to what the node says next.

A node takes a grant by adopting its attempt into its spool, where the local workers claim it like any other job. It
obeys before it speaks: as long as an agent lives whose grant is gone, the node says nothing at all. How an attempt
ended it says until the home's register has dropped the grant.

Each rule of docs/explanation/synced.md is one method here, so that a test can take it away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from wf_cli import fsio
from wf_cli.contract.job import End, Outcome, Spec
from wf_cli.contract.lifecycle import LIVE_DIRECTORIES
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Placed
from wf_cli.errors import ContractError, Refused
from wf_cli.frozen import frozen
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.seams import step
from wf_cli.spool import adopt, scan
from wf_cli.synced import identity, trees
from wf_cli.synced.barrier import Barrier
from wf_cli.synced.fields import Attempt
from wf_cli.synced.home import Project, homes
from wf_cli.synced.identity import Now
from wf_cli.synced.reading import Reading
from wf_cli.synced.record import LIMIT, Grant, Register, Word, WordEnd
from wf_cli.synced.trees import Tree

_WORDS = {
    End.SUCCEEDED: WordEnd.SUCCEEDED, End.FAILED: WordEnd.FAILED, End.RELEASED: WordEnd.RELEASED,
    End.LOST: WordEnd.LOST, End.CANCELLED: WordEnd.CANCELLED,
}  # fmt: skip


@frozen
class Said:
    """What a node says after a round."""

    words: dict[Attempt, Word] = field(default_factory=dict)
    #: For people, by attempt.
    holds: dict[Attempt, dict[str, Any]] = field(default_factory=dict)


class NodeRound:
    """One look and its steps. The caller holds the lock of this node's rounds, and makes one for each round.

    After a boot the first round has to be over before any worker of this node claims (rule ``boot-return``).
    """

    def __init__(
        self,
        queue: SpoolQueue,
        node: str,
        now: Now,
        state: Path,
        nodes: Path,
        project: Project,
        *,
        owner: str,
        lives: Callable[[str], bool],
    ):
        """``owner`` is a session of this process, in whose name attempts are ended. ``lives`` tells whether an agent
        of a job may live on this machine."""
        self.queue, self.node, self.now, self.state, self.nodes = queue, node, now, state, nodes
        self.project, self.owner, self._lives = project, owner, lives
        #: What keeps grants waiting, by attempt, for people.
        self.waiting: dict[Attempt, Barrier] = {}

    def run(self, reading: Reading) -> Said | None:
        """All steps that can be done now; what the node says afterwards, None while it has to be silent.

        `now` has the highest epoch seen, durably. Raises OSError when the disk fails; then the next round goes on.
        """
        found = homes(reading.registers, self.now.epoch)
        if found and found[0].epoch > self.now.epoch:
            self.now = replace(self.now, epoch=found[0].epoch)
            identity.store(self.state, self.now)
        if len(found) != 1:
            self._return_after_boot()
            return Said() if not found else None  # Two homes: neither is obeyed, and nothing is said to either.
        home = found[0]
        disobeyed = self._obey(home)
        self._return_after_boot()
        if self._is_silent(disobeyed):
            return None
        self._take(home)
        said = Said(dict(self._words(home)), dict(self._holds()))
        self._collect(home)
        return said

    # -- rules

    def _is_silent(self, disobeyed: bool) -> bool:
        """Rule ``obey-first``."""
        return disobeyed

    def _stops(self, grant: Grant | None) -> bool:
        """Rule ``stop-gone``, and what a recall asks for."""
        return grant is None or grant.recall

    def _is_to_this_boot(self, grant: Grant) -> bool:
        """Rule ``inc``."""
        return grant.incarnation == self.now.incarnation

    def _is_returned_after_boot(self, attempt: Attempt) -> bool:
        """Rule ``boot-return``: it waits, and was taken by an earlier boot, or nobody knows by which."""
        taken = self._taken(attempt)
        return taken is None or taken.incarnation != self.now.incarnation

    def _adopt(self, attempt: Attempt, grant: Grant) -> bool:
        """Rule ``trace``, under the job's fence (`Queue.adopt`)."""
        try:
            return self.queue.adopt(grant.spec, attempt.number, pool=grant.pool)
        except Refused:  # An earlier job of this key has ended here; its files are collected first (rule ``nonce``).
            adopt.collect(self.queue.spool, attempt.job_id)
            return self.queue.adopt(grant.spec, attempt.number, pool=grant.pool)

    def _is_of(self, spec: Spec | None, grant: Grant) -> bool:
        """Rule ``nonce``."""
        return spec is not None and spec.nonce == grant.spec.nonce

    def _is_over(self, attempt: Attempt) -> bool:
        """Rule ``stop-first``: nothing of the attempt lives."""
        return not self._lives(attempt.job_id)

    def _has_barrier(self) -> bool:
        """Rule ``grant-barrier``."""
        return True

    def _may_drop(self, attempt: Attempt, home: Register) -> bool:
        """Rule ``keep-word``: the home's register lacks the grant."""
        return self._grant_of(attempt, home) is None

    # -- obeying

    def _grant_of(self, attempt: Attempt, home: Register) -> Grant | None:
        """The grant to this node of an attempt that lies here; None when it is gone."""
        assert home.home is not None
        grant = home.home.grants.get(attempt)
        if grant is None or grant.to != self.node or self.node in home.home.forgotten:
            return None
        return grant if self._is_of(self.queue.spec(attempt.job_id), grant) else None

    def _live(self) -> Iterator[tuple[Placed, Attempt]]:
        """The attempts here that have not ended, each with its place."""
        for folder in LIVE_DIRECTORIES:
            for token in scan.listing(self.queue.spool, folder):
                number = token.attempt + 1 if token.owner is None else token.attempt
                yield Placed(folder, token), Attempt(token.job_id, number)

    def _obey(self, home: Register) -> bool:
        """End what is not granted any more, or is asked for back; whether an agent of such an attempt lives on."""
        lives = False
        for placed, attempt in list(self._live()):
            grant = self._grant_of(attempt, home)
            if self._stops(grant):
                recalled = grant is not None and grant.recall
                self._stop(placed, End.CANCELLED if recalled else End.RELEASED, "its grant is gone")
        for _, attempt in self._live():
            lives = lives or self._grant_of(attempt, home) is None  # A worker was faster than the stop.
        for placed in self.queue.placed():
            # What has ended here may have an agent that lives on: of the very attempt, whatever is granted since.
            if placed.folder not in LIVE_DIRECTORIES:
                attempt = Attempt(placed.token.job_id, max(placed.token.attempt, 1))
                lives = lives or (self._grant_of(attempt, home) is None and self._lives(attempt.job_id))
        return lives

    def _return_after_boot(self) -> None:
        for placed, attempt in list(self._live()):
            if placed.token.owner is None and self._is_returned_after_boot(attempt):
                self._stop(placed, End.RELEASED, "it waited when this machine went down")

    def _stop(self, placed: Placed, end: End, reason: str) -> None:
        """End an attempt of this spool. One that waits is begun and ended at once, so that it leaves a trace."""
        token = placed.token
        if token.owner is None:
            if placed.folder == "held":
                self.queue.unhold(token.job_id)
            claimed = self.queue.claim(self.owner, (token.pool,), lambda one: one.job_id == token.job_id)
            if claimed is None:
                return  # A worker was faster. The next round meets the attempt at work.
            token = claimed
        step("node.stopping")
        with self.queue.fence(token.job_id):
            self.queue.end(token, Ending(end, reason=reason), by=self.owner)

    # -- taking

    def _take(self, home: Register) -> None:
        assert home.home is not None
        if self.node in home.home.forgotten or not home.home.begun:
            return
        for attempt, grant in home.home.grants.items():
            if grant.to != self.node or grant.recall or not self._is_to_this_boot(grant):
                continue
            if self._outcome(attempt, grant) is not None or self._lives(attempt.job_id):
                continue
            if any(one.job_id == attempt.job_id for _, one in self._live()):
                continue
            if not self._arrived(attempt, grant, home):
                continue
            self._remember(attempt, grant)
            step("node.remembered")
            self._adopt(attempt, grant)
            step("node.adopted")

    def _arrived(self, attempt: Attempt, grant: Grant, home: Register) -> bool:
        """Whether this disk has the files of the grant."""
        for digest in (grant.tree, grant.plan):
            if digest is None:
                continue
            tree = self._tree(digest, home.node)
            if tree is None:
                return False
            if self._has_barrier():
                barrier = self.project.checkout().compare(tree)
                if not barrier.closed:
                    self.waiting[attempt] = barrier
                    return False
        return True

    def _tree(self, digest: str, node: str) -> Tree | None:
        """A list of another node. It is kept here, because the words of an attempt are told against it."""
        try:
            tree = trees.load(self.state / "trees", digest) or trees.load(self.nodes / node / "trees", digest)
        except ContractError:
            return None
        if tree is not None:
            trees.store(self.state / "trees", tree)
        return tree

    def _remember(self, attempt: Attempt, grant: Grant) -> None:
        fsio.write_atomic(self.state / "grants" / f"{attempt}.json", json.dumps(grant.to_json()))

    def _taken(self, attempt: Attempt) -> Grant | None:
        """The grant as it was taken; None when none was, or its file is damaged."""
        try:
            data = fsio.read_regular(self.state / "grants" / f"{attempt}.json", LIMIT)
            return Grant.from_json(json.loads(data), attempt)
        except (OSError, ValueError, ContractError, RecursionError):
            return None

    # -- saying

    def _outcome(self, attempt: Attempt, grant: Grant) -> Outcome | None:
        """How the granted attempt ended here."""
        if not self._is_of(self.queue.spec(attempt.job_id), grant):
            return None
        return self.queue.readable_outcome(attempt.job_id, attempt.number)

    def _words(self, home: Register) -> Iterator[tuple[Attempt, Word]]:
        assert home.home is not None
        live = {one.job_id for _, one in self._live()}
        for attempt, grant in home.home.grants.items():
            if grant.to != self.node or self.node in home.home.forgotten:
                continue
            outcome = self._outcome(attempt, grant)
            if outcome is not None:
                end = _WORDS[outcome.end]
            elif attempt.job_id not in live and (grant.recall or not self._is_to_this_boot(grant)):
                end = WordEnd.RETURNED
            else:
                continue
            if not self._is_over(attempt):
                continue
            changed = self._changed(attempt, grant, home)
            if grant.tree is None or changed is not None:
                yield attempt, Word(grant.spec.nonce, end, outcome, changed)

    def _changed(self, attempt: Attempt, grant: Grant, home: Register) -> str | None:
        """The digest of the list of what differs here from the grant's list; None while that one is not here."""
        taken = self._taken(attempt)
        since = taken if taken is not None and taken.spec.nonce == grant.spec.nonce and taken.tree else grant
        tree = self._tree(since.tree, home.node) if since.tree is not None else None
        if tree is None:
            return None
        here = self.project.checkout().changed(tree, exact=self.project.folder_of(grant.spec))
        return trees.store(self.nodes / self.node / "trees", here)

    def _holds(self) -> Iterator[tuple[Attempt, dict[str, Any]]]:
        for placed, attempt in self._live():
            yield attempt, {"status": str(placed.status)}

    def _collect(self, home: Register) -> None:
        """Remove what is kept of attempts that the home is done with."""
        for placed in self.queue.placed():
            token = placed.token
            if placed.folder in LIVE_DIRECTORIES or self._lives(token.job_id):
                continue
            attempt = Attempt(token.job_id, max(token.attempt, 1))
            if self._may_drop(attempt, home):
                adopt.collect(self.queue.spool, token.job_id)
                fsio.unlink_quietly(self.state / "grants" / f"{attempt}.json")
