"""Nodes of a synced folder to test with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from support.spools import POOL, granted
from wf_cli import seams
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import Disposition, End, Outcome
from wf_cli.synced import identity, reading, register
from wf_cli.synced.fields import Attempt
from wf_cli.synced.identity import Now
from wf_cli.synced.record import Grant, Home, Register, Word, WordEnd

SPOOL = "0123456789abcdef"
BOX, LAP, PAD = "box-000001", "lap-000002", "pad-000003"
BOOTS = ("0000000a", "0000000b", "0000000c", "0000000d")
TREE = "ab" * 32


def outcome(job: str, attempt: int, end: End = End.SUCCEEDED) -> Outcome:
    failure = Failure("crash", "it fell over \u202e\x1b[31m") if end is End.FAILED else None
    return Outcome(job, attempt, "w-lap-1", "w-lap-1", "f" * 16, end, 1, Disposition("done", 5), 7, failure=failure)


def full(node: str = BOX) -> Register:
    """A register with something in every field."""
    spec = granted("a", payload={"argv": ["true"]})
    return Register(
        SPOOL, node, BOOTS[0], 7, (1, 2), "0.4.0", "box", 1_700_000_000_000, {LAP: 3}, (POOL,), {"opencode": 2},
        {Attempt("a", 2): {"status": "running"}},
        {
            Attempt("b", 1): Word("1" * 16, WordEnd.FAILED, outcome("b", 1, End.FAILED), TREE),
            Attempt("c", 9): Word("2" * 16, WordEnd.RETURNED),
        },
        TREE,
        Home(
            True, (BOX, LAP), (PAD,),
            {Attempt("a", 2): Grant(LAP, BOOTS[1], spec, POOL, True, outcome("a", 1), TREE, TREE)}, ({"job": "a"},),
            {"queued": 3},
        ),
    )  # fmt: skip


@dataclass
class Box:
    """One machine with a node: its state, and the registers that it sees."""

    id: str
    state: Path
    nodes: Path
    now: Now

    @classmethod
    def at(cls, folder: Path, node: str, nodes: Path, boot: str = BOOTS[0]) -> Box:
        folder.mkdir(parents=True)
        now = Now(boot, boot, (boot,))
        identity.store(folder, now)
        return cls(node, folder, register.nodes_folder(nodes.parent), now)

    def says(self, *, seen_of_us: int = 0, **facts: Any) -> Register:
        plain = Register(SPOOL, self.id, self.now.incarnation, 1, (1, 0), "0.4.0", "host", 0)
        self.now, said = register.publish(
            self.nodes, self.state, self.now, replace(plain, **facts), seen_of_us=seen_of_us
        )
        return said

    def reads(self) -> reading.Reading:
        self.now, got = reading.read(self.nodes, self.state, self.now, node=self.id, spool=SPOOL)
        return got

    def boots(self, boot: str) -> None:
        self.now = replace(self.now, boot=boot, incarnation=boot, own=(*self.now.own, boot))
        identity.store(self.state, self.now)

    def files(self, node: str | None = None) -> list[Path]:
        """The registers of a node in the folder, oldest first."""
        return sorted((self.nodes / (node or self.id)).glob("*.json"))


def write(nodes: Path, said: Register, *, data: bytes | None = None, name: str | None = None) -> Path:
    """Put a register into the folder as anybody could."""
    data = said.encode() if data is None else data
    folder = nodes / said.node
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{said.version:010d}.{said.incarnation}.{sha256(data).hexdigest()[:16]}.json")
    path.write_bytes(data)
    return path


class Died(BaseException):
    """The process ends here: nothing that would have followed is done, clearing up included."""


@contextlib.contextmanager
def dying_at(point: str, time: int = 1) -> Iterator[None]:
    """What is done inside dies when it reaches the named step for the ``time``-th time, if it does."""
    left = time

    def hook(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise Died(name)

    seams.install(hook)
    try:
        yield
    except Died:
        pass
    finally:
        seams.install(None)
