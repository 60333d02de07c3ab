"""From the loose files of finished jobs to packs, and back. `wf_cli.spool.packs` says what a pack is.

A job goes into a pack in two steps. The pack is published whole and synced; then, under the job's fence, its loose
files are removed, the token first. The token decides: a retry that was faster has moved it, and the job stays loose.
From the second step on the key is taken by the pack alone. An enqueue that finds ``jobs/`` free looks into the packs
after its link (`wf_cli.spool.enqueue`), and each pack was known before a file of its jobs was gone.

A retry lays a packed job out again, under the fence: the spec, the outcomes, and the token last. What a process that
dies leaves of either, `finish` ends: the job is in its pack, so what is loose without a token is superfluous.

Where listings can be old (`shared`), the second step waits until every host knows of the pack: it comes with the next
gc after `RIPE_S`. Steps of plans and epics stay loose, because the dispatcher, budgets and progress read their files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from wf_cli import fsio, ids
from wf_cli.clock import Clock
from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Token, outcome_name
from wf_cli.errors import ContractError
from wf_cli.seams import step
from wf_cli.spool import elapsed, records, remains, scan
from wf_cli.spool.findings import OnProgress, unheard
from wf_cli.spool.layout import FENCE_TIMEOUT, WITH_PACKS, Spool
from wf_cli.spool.packs import AN_AGE, FOLDER, LARGEST, SUFFIX, Entry, Pack, encode
from wf_cli.spool.troubles import EachItem, OnTrouble, ignored

#: Seconds after which every host has seen a new name: the caches of mounts last for a minute, and half that again.
RIPE_S = 180.0
#: Entries that are in memory at once.
BATCH = 20_000
#: With more packs than this the smaller ones are merged, so that a look into all of them stays cheap.
MOST_PACKS = 8


@dataclass(slots=True)
class Packed:
    """What one `run` did."""

    #: Jobs whose loose files were removed.
    jobs: list[str] = field(default_factory=list)
    #: Jobs that are in a pack, and whose files are removed later.
    waiting: int = 0


def run(
    spool: Spool,
    clock: Clock,
    *,
    on_trouble: OnTrouble = ignored,
    on_progress: OnProgress = unheard,
) -> Packed:
    """Put the archived jobs into packs. Does nothing in a spool whose format has no packs.

    A very large job, and one with a damaged file, a late result, a transcript or a kept exit, stays loose. Raises
    Temporary while another process does the same, SpoolError for a damaged pack, and the first OSError of a write
    once all were tried.
    """
    out = Packed()
    if spool.version.format < WITH_PACKS:
        return out
    each = EachItem(on_trouble)
    with spool.lock(FOLDER, timeout=FENCE_TIMEOUT):
        _remove_replaced(spool, clock)
        loose = [token for token in scan.listing(spool, "archive") if target_of(token.job_id) is None]
        left = remains.by_job(remains.listing(spool))
        for begin in range(0, len(loose), BATCH):
            entries = _new_entries(spool, loose[begin : begin + BATCH], left, each)
            if entries:
                _publish(spool, clock, entries)
        _merge(spool, clock)
        ripe = [pack for pack in spool.packs.standing() if _is_ripe(spool, clock, pack)]
        for done, token in enumerate(loose):
            on_progress(done, len(loose))
            entry = next((e for pack in ripe if (e := pack.find(token.job_id)) and e.token == token.name), None)
            if entry is None:
                out.waiting += spool.packed(token.job_id, age_s=AN_AGE) is not None
                continue
            with each.stepping(spool.path("archive", token.name)):
                if _strip(spool, entry):
                    out.jobs.append(token.job_id)
        _drop_rests(spool, left, each)
        spool.sync("archive", "outcomes", "jobs")
    each.finish()
    return out


def _new_entries(
    spool: Spool, tokens: Iterable[Token], left: dict[str, list[tuple[str, str]]], each: EachItem
) -> list[Entry]:
    entries = []
    for token in tokens:
        known = spool.packed(token.job_id, age_s=AN_AGE)
        if known is not None and known.token == token.name:
            continue  # An earlier run died before it removed the files, or they are not ripe.
        entry = None
        with each.looking(spool.path("archive", token.name)):
            entry = _entry(spool, token, left.get(token.job_id, []))
        if entry is not None:
            entries.append(entry)
    return entries


def _entry(spool: Spool, token: Token, left: list[tuple[str, str]]) -> Entry | None:
    """The job as it is; None for one that has something that a pack does not keep. Raises for a damaged one."""
    numbers = range(1, token.attempt + 1)
    kept = {outcome_name(token.job_id, n) for n in numbers}
    if any(folder not in ("outcomes", "started") or name not in kept for folder, name in left):
        return None
    spec = fsio.read_regular(spool.spec_path(token.job_id), records.RECORD_LIMIT)
    path = spool.path("archive", token.name)
    if fsio.read_regular(path, records.RECORD_LIMIT) != spec:
        raise ContractError(f"{path} does not hold the spec in jobs/", hint="`wf spool verify --fix` repairs it")
    records.parse_spec(spec, spool.spec_path(token.job_id))
    outcomes = []
    for n in numbers:
        where = spool.outcome_path(token.job_id, n)
        content = fsio.read_regular(where, records.RECORD_LIMIT)
        records.checked_outcome(content, where, token.job_id, n)
        outcomes.append((n, content.decode()))
    entry = Entry(token.job_id, token.name, token.attempt, token.time_ms, spec.decode(), tuple(outcomes))
    return entry if entry.size <= LARGEST else None


def _publish(spool: Spool, clock: Clock, entries: Iterable[Entry], replaces: Iterable[str] = ()) -> None:
    with spool.part(encode(entries, replaces)) as part:
        step("pack.part")
        spool.publish(part, FOLDER, f"{clock.now_ms()}-{ids.nonce()}{SUFFIX}")
    spool.sync(FOLDER)
    step("pack.published")


def forget(spool: Spool, clock: Clock, job_ids: Collection[str]) -> None:
    """Take jobs out of the packs. From then on their keys are taken by their loose files alone, if they have any.

    Raises as `run`.
    """
    if spool.version.format < WITH_PACKS:
        return
    with spool.lock(FOLDER, timeout=FENCE_TIMEOUT):
        for pack in spool.packs.all():
            if any(pack.find(job_id) is not None for job_id in job_ids):
                kept = (entry for entry in pack if entry.job_id not in job_ids)
                _publish(spool, clock, kept, [pack.path.name, *pack.replaces])
        _remove_replaced(spool, clock)


def _is_ripe(spool: Spool, clock: Clock, pack: Pack) -> bool:
    """Whether every host that looks now sees the pack."""
    if spool.version.topology == "local":
        return True
    age_s = elapsed.age_s(spool, {}, fsio.facts(pack.path), clock)
    return age_s is not None and age_s >= RIPE_S


def _merge(spool: Spool, clock: Clock) -> None:
    found = sorted(spool.packs.standing(), key=lambda pack: pack.size)
    if len(found) > MOST_PACKS:
        small = found[: len(found) - MOST_PACKS // 2]
        names = {name for pack in small for name in (pack.path.name, *pack.replaces)}
        _publish(spool, clock, (entry for pack in small for entry in pack), names)
        _remove_replaced(spool, clock)


def _remove_replaced(spool: Spool, clock: Clock) -> None:
    """Remove packs that are in another one, once every host sees that one."""
    found = {pack.path.name: pack for pack in spool.packs.all()}
    for pack in found.values():
        for name in pack.replaces:
            if name in found and name != pack.path.name and _is_ripe(spool, clock, pack):
                fsio.unlink_quietly(found[name].path)
                step("pack.replaced")


def _strip(spool: Spool, entry: Entry) -> bool:
    """Remove the loose files of a packed job; False when its token has moved on."""
    with spool.fence(entry.job_id):
        if not fsio.unlink_quietly(spool.path("archive", entry.token)):
            return False
        step("pack.token-gone")
        _drop_records(spool, entry)
        step("pack.records-gone")
        if _reserved_by(spool, entry.job_id) == entry.spec.encode():
            fsio.unlink_quietly(spool.spec_path(entry.job_id))
        step("pack.key-gone")
        drop_lock(spool, entry.job_id)
    return True


def _drop_rests(spool: Spool, left: dict[str, list[tuple[str, str]]], each: EachItem) -> None:
    """Remove what a power cut, or a command that took a fence since, has left of jobs that are in packs alone."""
    locks = {name.removesuffix(".lock") for name in spool.names("locks") if name.endswith(".lock")}
    reserved = {name.removesuffix(".json") for name in spool.names("jobs")}
    for job_id in sorted((locks | left.keys()) - reserved):
        entry = spool.packed(job_id, age_s=AN_AGE)
        if entry is None:
            continue
        with each.stepping(spool.path("locks", f"{job_id}.lock")), spool.fence(job_id, timeout=0.0):
            if _reserved_by(spool, job_id) is None and not _loose(spool, job_id):
                _drop_records(spool, entry)
                drop_lock(spool, job_id)


def _drop_records(spool: Spool, entry: Entry) -> None:
    for number, _ in entry.outcomes:
        fsio.unlink_quietly(spool.outcome_path(entry.job_id, number))
        if spool.version.topology != "local":
            fsio.unlink_quietly(spool.path("started", outcome_name(entry.job_id, number)))


def drop_lock(spool: Spool, job_id: str) -> None:
    """Remove the fence of a packed job, which the caller holds.

    Who waits for it finds that it has no name any more, and takes a new one (`locks.try_slot`). On a network mount a
    descriptor may not tell that, so the fence stays there.
    """
    if spool.version.topology == "local":
        fsio.unlink_quietly(spool.path("locks", f"{job_id}.lock"))


def _reserved_by(spool: Spool, job_id: str) -> bytes | None:
    """The content of the loose spec; None when there is none."""
    try:
        return fsio.read_regular(spool.spec_path(job_id), records.RECORD_LIMIT)
    except FileNotFoundError:
        return None


def take_back(spool: Spool, job_id: str, nonce: str) -> None:
    """Free ``jobs/`` of an enqueue whose key is packed, if that enqueue has it. Raises Temporary when the fence stays
    busy; then whoever meets the staged file or the reservation does it."""
    with spool.fence(job_id):
        held = _reserved_by(spool, job_id)
        if held is not None and records.parse_spec(held, spool.spec_path(job_id)).nonce == nonce:
            fsio.unlink_quietly(spool.spec_path(job_id))
            spool.sync("jobs")
            step("enqueue.taken-back")
            drop_lock(spool, job_id)


def finish(spool: Spool, entry: Entry, *, dry_run: bool) -> bool:
    """End what a removal or a retry left of a packed job that has no loose token. The caller holds the fence.

    False when it has more than its pack knows: it went on, and its token was lost afterwards.
    """
    held = _reserved_by(spool, entry.job_id)
    if held is None:
        return True
    packed = {number for number, _ in entry.outcomes}
    ours = held == entry.spec.encode()
    if ours and remains.last_attempt(spool, entry.job_id) > max(packed, default=0):
        return False
    if not dry_run:
        if ours:
            _drop_records(spool, entry)
        fsio.unlink_quietly(spool.spec_path(entry.job_id))
        step("repair.packed")
        spool.sync("outcomes", "jobs")
        drop_lock(spool, entry.job_id)
    return True


def lay_out(spool: Spool, job_id: str) -> None:
    """Make the loose files of a packed job again, as they were in ``archive/``. The caller holds the fence.

    Does nothing for a job that is loose. When this dies in between, `finish` takes back what it made.
    """
    entry = spool.packed(job_id, age_s=0.0)
    if entry is None or _loose(spool, job_id):
        return
    held = _reserved_by(spool, job_id)
    if held is not None and held != entry.spec.encode():
        fsio.unlink_quietly(spool.spec_path(job_id))  # An enqueue that came too late takes it back itself.
    for folder, name, content in _files(entry):
        with spool.part(content.encode()) as part:
            fsio.publish(part, spool.path(folder, name))
        step("unpack.file")
    spool.sync("jobs", "outcomes")
    step("unpack.synced")
    fsio.publish(spool.spec_path(job_id), spool.path("archive", entry.token))
    spool.sync("archive")
    step("unpack.token")


def _files(entry: Entry) -> Iterator[tuple[str, str, str]]:
    yield "jobs", f"{entry.job_id}.json", entry.spec
    for number, content in entry.outcomes:
        yield "outcomes", outcome_name(entry.job_id, number), content


def _loose(spool: Spool, job_id: str) -> bool:
    return scan.find(spool, job_id, packed=False) is not None
