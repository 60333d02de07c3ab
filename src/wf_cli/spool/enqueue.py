"""Enqueue: stage in ``tmp/``, reserve the key in ``jobs/``, admit to ``queued/``; and the sweeper.

A key that is in a pack (`wf_cli.spool.packing`) is taken, and its reservation may be gone. So whoever has reserved a
key looks into the packs afterwards, and takes the reservation back when the key is there: a reservation that could be
made while a pack held the key was made after that pack was published.

A staged file is complete, and its name says where it goes. Every process that finds one carries it forward, a sweeper
as well as its enqueuer. There is no grace period, and the enqueuer need not be alive. A staged file is unlinked only
when ``jobs/`` holds the nonce of another enqueue, because then it is a duplicate.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from wf_cli import fsio
from wf_cli.contract.job import Spec
from wf_cli.contract.token import Token, parse_staged, staged_name
from wf_cli.errors import ContractError, Refused
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import packing, records
from wf_cli.spool.findings import OnProgress, unheard
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import EachItem, OnTrouble, ignored


@frozen
class Entry:
    """One job to enqueue: its spec, and the token it starts with."""

    spec: Spec
    token: Token

    @property
    def staged(self) -> str:
        return staged_name(self.token, self.spec.nonce)


def admit(spool: Spool, entries: Sequence[Entry], on_progress: OnProgress = unheard) -> list[bool]:
    """Enqueue all entries with one sync per directory; for each whether it is new (False: a duplicate).

    When this returns every new job is durable in ``queued/``, or further. When it raises, jobs that were
    staged already still appear: enqueuing again with the same keys is safe and the way to go on.
    Raises Refused when a key's job id is reserved by another key.
    """
    fresh = [entry for entry in entries if not _reserved(spool, entry.spec)]
    steps = 3 * len(fresh)
    for done, entry in enumerate(fresh):
        on_progress(done, steps)
        _stage(spool, entry)
    if fresh:
        spool.sync("tmp")
        step("enqueue.synced")
    new: set[str] = set()
    for done, entry in enumerate(fresh, len(fresh)):
        on_progress(done, steps)
        if _reserve(spool, entry):
            new.add(entry.spec.nonce)
        step("enqueue.reserved")
    age_s = 0.0
    for entry in fresh:
        if entry.spec.nonce in new and _is_packed(spool, entry.spec, age_s):
            new.discard(entry.spec.nonce)
        age_s = float("inf")  # One listing of the packs does, because all reservations are older than it.
    step("enqueue.looked")
    # Duplicates are synced as well. Their first enqueuer may not have synced yet, and this call vouches for them,
    # too.
    spool.sync("tmp", "jobs")
    step("enqueue.vouched")
    for done, entry in enumerate(fresh, 2 * len(fresh)):
        on_progress(done, steps)
        if entry.spec.nonce in new:
            _to_queued(spool, entry.staged, entry.token)
            step("enqueue.admitted")
        else:
            fsio.unlink_quietly(spool.path("tmp", entry.staged))
            step("enqueue.discarded")
    spool.sync("queued", "tmp")
    return [entry.spec.nonce in new for entry in entries]


def _stage(spool: Spool, entry: Entry) -> None:
    with spool.part(entry.spec.encode()) as part:
        step("enqueue.part")
        # A rename and no link, because the part must not remain when this process dies. `discarding` then finds
        # nothing to remove. When the staged name is gone already, a sweeper has carried it on.
        fsio.move(part, spool.path("tmp", entry.staged))
    step("enqueue.staged")


def _reserved(spool: Spool, spec: Spec) -> bool:
    """Whether the key is known to be taken; Refused when its id belongs to another key. `_reserve` decides."""
    try:
        found = records.read_spec(spool, spec.job_id, glance=True)
    except ContractError as error:
        raise Refused(
            f"{spool.spec_path(spec.job_id)} is damaged and keeps the id {spec.job_id} reserved: {error.message}",
            hint="run `wf spool verify --fix`",
            code="DAMAGED_SPEC",
        ) from error
    if found is None:
        return False
    if found.dedupe_key != spec.dedupe_key:
        raise Refused(
            f"job id {spec.job_id} is reserved by the key {found.dedupe_key!r}, not {spec.dedupe_key!r}",
            hint="choose another key",
            code="KEY_COLLISION",
        )
    return True


def _is_packed(spool: Spool, spec: Spec, age_s: float = 0.0) -> bool:
    """Whether the key of this reservation is in a pack; then the reservation is taken back.

    The listing of the packs, which is at most ``age_s`` old, has to be younger than the reservation.
    """
    if spool.packed(spec.job_id, age_s=age_s) is None:
        return False
    packing.take_back(spool, spec.job_id, spec.nonce)
    return True


def _reserve(spool: Spool, entry: Entry) -> bool:
    """Publish the spec from the staged file; True when the reservation is ours (a sweeper may have made it)."""
    staged = spool.path("tmp", entry.staged)
    target = spool.spec_path(entry.spec.job_id)
    try:
        if fsio.publish(staged, target):
            return True
    except FileNotFoundError:
        # A sweeper carried our staged file on, or found it to be a duplicate. The nonce in jobs/ says which.
        pass
    found = records.read_spec(spool, entry.spec.job_id)
    if found is None:
        raise OSError(errno.EIO, "neither staged nor reserved; the spool folder changed underneath", str(target))
    if found.dedupe_key != entry.spec.dedupe_key:
        _reserved(spool, entry.spec)  # raises
    return found.nonce == entry.spec.nonce


def _to_queued(spool: Spool, staged: str, token: Token) -> None:
    """The last step. A source that is gone was carried on by a sweeper, which is success too."""
    fsio.move(spool.path("tmp", staged), spool.path("queued", token.name))


def sweep(spool: Spool, on_trouble: OnTrouble = ignored) -> list[Token]:
    """Carry every staged enqueue forward; the tokens admitted. Safe beside their enqueuers and other sweepers.

    A staged file that cannot be read, or does not hold what its name says, is handed to ``on_trouble`` and left for
    `wf spool verify`. Once all files were tried, the first OSError of a write of our own is raised.
    """
    swept: list[Token] = []
    each = EachItem(on_trouble)
    names = sorted(spool.names("tmp"))
    step("sweep.listed")
    for name in names:
        entry, path = None, spool.path("tmp", name)
        with each.looking(path):
            entry = _staged_entry(path)
        if entry is None:
            continue
        step("sweep.read")
        with each.stepping(path):
            if _reserve(spool, entry) and not _is_packed(spool, entry.spec):
                step("sweep.linked")
                spool.sync("tmp", "jobs")
                step("sweep.reserved")
                _to_queued(spool, name, entry.token)
                step("sweep.admitted")
                spool.sync("queued", "tmp")
                swept.append(entry.token)
            else:
                step("sweep.duplicate")
                fsio.unlink_quietly(path)
    each.finish()
    return swept


def _staged_entry(path: Path) -> Entry | None:
    """What the staged file ``path`` holds; None for a name that is none. Raises when it holds something else."""
    parsed = parse_staged(path.name)
    if parsed is None:
        return None
    token, nonce = parsed
    spec = records.parse_spec(fsio.read_regular(path, records.RECORD_LIMIT), path)
    if spec.job_id != token.job_id or spec.nonce != nonce:
        raise ValueError(f"its name says otherwise than its content ({spec.job_id})")
    return Entry(spec, token)
