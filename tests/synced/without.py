"""The rounds without one rule each, and the world in which that shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Spec
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Token
from wf_cli.ids import remote_parts
from wf_cli.spool import adopt
from wf_cli.synced.fields import Attempt
from wf_cli.synced.home import HomeRound
from wf_cli.synced.node import NodeRound
from wf_cli.synced.reading import Reading
from wf_cli.synced.record import Grant, Register, Word, WordEnd


class Impatient(HomeRound):
    """Without ``word``: a holder that says nothing in this round has lost the attempt."""

    def _end(self, token: Token, reading: Reading) -> None:
        node, _ = remote_parts(token.owner or "") or ("", "")
        register = reading.registers.get(node)
        if register is not None and not register.words:
            self._finish(token, Ending(End.LOST, failure=Failure("lost", "it is silent")))
        else:
            super()._end(token, reading)


class TakesEndsUnseen(HomeRound):
    """Without ``word-barrier``."""

    def _has_barrier(self, word: Word) -> bool:
        return word.end is not WordEnd.SUCCEEDED


class TakesFailuresUnseen(HomeRound):
    """Without ``fail-barrier``."""

    def _has_barrier(self, word: Word) -> bool:
        return word.end in (WordEnd.SUCCEEDED, WordEnd.RETURNED)


class CancelsAtOnce(HomeRound):
    """Without ``recall``: cancelling ends the attempt."""

    def recall(self, attempt: Attempt) -> None:
        self.queue.cancel(attempt.job_id, by="operator-1")


class HearsOtherJobs(HomeRound):
    """Without ``nonce``, at home."""

    def _is_of(self, word: Word, spec: Spec) -> bool:
        return True


class AnyBoot(NodeRound):
    """Without ``inc``."""

    def _is_to_this_boot(self, grant: Grant) -> bool:
        return True


class KeepsAfterBoot(NodeRound):
    """Without ``boot-return``, and so that it shows without ``inc`` as well."""

    def _is_returned_after_boot(self, attempt: Attempt) -> bool:
        return False

    def _is_to_this_boot(self, grant: Grant) -> bool:
        return True


class TakesAgain(NodeRound):
    """Without ``trace``: an attempt that has ended here is taken as if it had not."""

    def _outcome(self, attempt: Attempt, grant: Grant) -> Any:
        return None if self.now.version % 3 == 0 else super()._outcome(attempt, grant)

    def _adopt(self, attempt: Attempt, grant: Grant) -> bool:
        adopt.collect(self.queue.spool, attempt.job_id)
        return super()._adopt(attempt, grant)


class DropsItsWord(NodeRound):
    """Without ``keep-word``."""

    def _may_drop(self, attempt: Attempt, home: Register) -> bool:
        return True


class SaysItTooEarly(NodeRound):
    """Without ``stop-first``."""

    def _is_over(self, attempt: Attempt) -> bool:
        return True


class GoesOn(NodeRound):
    """Without ``stop-gone``."""

    def _stops(self, grant: Grant | None) -> bool:
        return grant is not None and grant.recall

    def _is_silent(self, disobeyed: bool) -> bool:
        return False


class SpeaksFirst(NodeRound):
    """Without ``obey-first``."""

    def _is_silent(self, disobeyed: bool) -> bool:
        return False


class TakesUnseen(NodeRound):
    """Without ``grant-barrier``."""

    def _has_barrier(self) -> bool:
        return False


@dataclass(frozen=True)
class Without:
    """One rule taken away: the rounds, and a world in which it shows."""

    home: type[HomeRound] = HomeRound
    node: type[NodeRound] = NodeRound
    world: dict[str, Any] = field(default_factory=dict)
    #: Where the search begins: a seed by which it showed once.
    seed: int = 0

    @property
    def options(self) -> dict[str, Any]:
        return {"home_rules": self.home, "node_rules": self.node, **self.world}


#: Those that a short search finds. Others need a story of several steps (test_rounds.py).
RULES = {
    "word": Without(home=Impatient, world={"retries": 1}, seed=4),
    "fail-barrier": Without(home=TakesFailuresUnseen, world={"local": False}, seed=5),
    "nonce": Without(home=HearsOtherJobs, world={"renews": 3, "local": False}, seed=7),
    "recall": Without(home=CancelsAtOnce, world={"recalls": 2, "retries": 2}),
    "trace": Without(node=TakesAgain, world={"local": False}, seed=1),
    "keep-word": Without(node=DropsItsWord, world={"local": False}),
    "stop-gone": Without(node=GoesOn, world={"forgets": 1, "lying": True, "crashes": 0}, seed=9),
    "obey-first": Without(node=SpeaksFirst, world={"forgets": 1, "lying": True, "crashes": 0}, seed=9),
}
