"""Which of two tokens of one job a repair keeps: the higher attempt, then its outcome, then the later directory.

Only a power cut that parts the halves of a rename leaves two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.spools import PLAIN, make_spool, problems, request, spool_queue, tokens_on_disk
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End, Outcome
from wf_cli.contract.retry import Ending, decide
from wf_cli.contract.token import Placed, Token
from wf_cli.spool import attempt, verify
from wf_cli.spool.layout import Spool

ME = "w-box-1"


class Torn:
    """A job whose tokens a test lays out by hand."""

    def __init__(self, root: Path):
        self.spool: Spool = make_spool(root)
        queue = spool_queue(self.spool)
        queue.enqueue(request("a"))
        (path,) = self.spool.folder("queued").iterdir()
        (placed,) = tokens_on_disk(self.spool)
        self._first, self._data = placed.token, path.read_bytes()
        path.unlink()

    def token(self, folder: str, number: int, status: str = "succeeded") -> Token:
        match folder:
            case "claimed" | "running":
                return replace(self._first, attempt=number, owner=ME)
            case "done" | "dead" | "archive":
                return replace(self._first, attempt=number).finished("failed" if folder == "dead" else status)
        return replace(self._first, attempt=number)

    def lay(self, folder: str, number: int, status: str = "succeeded") -> Placed:
        placed = Placed(folder, self.token(folder, number, status))
        self.spool.path(folder, placed.token.name).write_bytes(self._data)
        return placed

    def end(self, number: int, end: End) -> Outcome:
        """Attempt ``number`` ended so."""
        failure = Failure("policy_denied", "no") if end is End.FAILED else None
        import random

        outcome = decide(
            self.token("running", number), Ending(end, failure=failure), by=ME, nonce=f"{number:016x}", now_ms=1,
            policy=PLAIN, previous=None, rng=random.Random(),
        )  # fmt: skip
        attempt.publish_outcome(self.spool, outcome)
        return outcome


#: The two tokens, how attempts ended, and which token stays.
CASES: list[tuple[tuple[str, int], tuple[str, int], dict[int, End], str]] = [
    # the higher attempt
    (("queued", 0), ("claimed", 1), {}, "claimed"),
    (("queued", 1), ("claimed", 2), {1: End.RELEASED}, "claimed"),
    (("dead", 1), ("queued", 2), {1: End.FAILED}, "queued"),
    (("done", 1), ("claimed", 2), {1: End.SUCCEEDED}, "claimed"),
    # its outcome
    (("running", 1), ("queued", 1), {1: End.RELEASED}, "queued"),
    (("claimed", 1), ("queued", 1), {1: End.LOST}, "queued"),
    (("queued", 1), ("done", 1), {1: End.SUCCEEDED}, "done"),
    (("done", 1), ("archive", 1), {1: End.SUCCEEDED}, "done"),
    (("held", 1), ("queued", 1), {1: End.RELEASED}, "queued"),
    (("dead", 1), ("queued", 1), {1: End.FAILED}, "dead"),
    # the later directory
    (("claimed", 1), ("running", 1), {}, "running"),
    (("held", 0), ("queued", 0), {}, "queued"),
    (("queued", 1), ("running", 1), {}, "running"),
    (("queued", 0), ("done", 0), {}, "done"),
    (("done", 0), ("archive", 0), {}, "archive"),
    # an outcome that fits neither; in the first case a token of another attempt lies where it points
    (("queued", 0), ("running", 1), {1: End.RELEASED}, "running"),
    (("claimed", 1), ("running", 1), {1: End.SUCCEEDED}, "running"),
]


@pytest.mark.parametrize(("one", "other", "ends", "kept"), CASES, ids=lambda case: str(case))
def test_i4_of_two_tokens_the_right_one_stays(
    tmp_path: Path, one: tuple[str, int], other: tuple[str, int], ends: dict[int, End], kept: str
) -> None:
    torn = Torn(tmp_path / "spool")
    placed = [torn.lay(*where) for where in (one, other)]
    for number, end in ends.items():
        torn.end(number, end)
    (found,) = verify.repair(torn.spool, dry_run=True)
    assert found.kind == "duplicate_token"
    assert sorted(map(str, tokens_on_disk(torn.spool))) == sorted(map(str, placed)), "a look changes nothing"
    (found,) = verify.repair(torn.spool)
    assert found.fixed
    assert [p.folder for p in tokens_on_disk(torn.spool)] == [kept]
    assert not any("duplicate" in line for line in problems(torn.spool))


def test_i4_of_three_tokens_one_stays(tmp_path: Path) -> None:
    torn = Torn(tmp_path / "spool")
    for where in (("queued", 0), ("claimed", 1), ("running", 1)):
        torn.lay(*where)
    assert len(verify.repair(torn.spool)) == 2
    assert [(p.folder, p.token.attempt) for p in tokens_on_disk(torn.spool)] == [("running", 1)]
