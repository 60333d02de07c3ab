"""Every state a crash, a power cut or foreign hands can leave, found and, where that is safe, repaired.

Safe repairs run at the start of each session, before its sweeping (`repair`): a missing folder, a job in two
directories (the higher attempt wins, then its outcome, then the later directory), a reserved key without a token
(rebuilt from its outcomes), a token without a reservation, a staged file beside the token it became. Where listings
can be old (``shared``) two tokens and none (`DOUBTFUL`) are repaired only once they were watched for a whole lease
(`suspicion`).
`wf spool verify --fix` does the same and puts foreign files away in ``archive/quarantine/``. Only parts and staged
files that no process can use are ever deleted.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.contract.job import End, Spec, destination
from wf_cli.contract.token import (
    NUMBER_LIMIT,
    TIME_DIGITS,
    Placed,
    is_word,
    parse_staged,
)
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import attempt, census, foreign, keys, operate, packing, records, remains, scan
from wf_cli.spool import contents as of_contents
from wf_cli.spool.findings import Finding, Looks, OnProgress, relative, take_away, unheard
from wf_cli.spool.layout import ADDED_FOLDERS, FOLDERS, Spool
from wf_cli.spool.suspicion import Suspicions
from wf_cli.spool.troubles import OnTrouble, ignored

#: Kinds of findings that old listings show of a whole job, too, unless it was watched.
DOUBTFUL = frozenset({"duplicate_token", "keyless_record", "missing_outcome", "missing_token"})


def verify(
    spool: Spool,
    clock: Clock,
    *,
    fix: bool = False,
    watch: Watch | None = None,
    on_progress: OnProgress = unheard,
) -> list[Finding]:
    """Look at everything; with ``fix`` repair what is safe and quarantine the rest.

    ``on_progress`` follows the specs, which take most of the time, at each look.

    Where listings can be old, ``watch`` says how to wait until it is sure that a job that looks wrong is so. Without
    it such a job is a finding all the same (one of `DOUBTFUL`), and is not repaired.
    """
    findings = _missing_folders(spool, fix=fix)
    if any(not finding.fixed for finding in findings):
        return findings  # Without one of its folders nothing can be said of the jobs.
    findings += foreign.files(spool, clock, fix=fix)
    found: list[Finding] = []
    if watch is not None:
        suspicions = Suspicions(clock, watch.seconds)

        def look() -> None:
            again = repair(spool, dry_run=not fix, contents=True, suspicions=suspicions, on_progress=on_progress)
            found[:] = [*(f for f in found if f.fixed), *again]

        suspicions.settle(watch.pause, look)
    else:
        found = repair(spool, dry_run=not fix, contents=True, on_progress=on_progress)
    findings += found
    looks = Looks(spool)
    for folder in ("queued", "held"):
        for token in scan.listing(spool, folder):
            placed = Placed(folder, token)
            looks.take(spool.at(folder, token.name), _used_up(spool, placed, clock.now_ms(), dry_run=not fix))
    return findings + looks.findings


def _missing_folders(spool: Spool, *, fix: bool) -> list[Finding]:
    """Folders that a spool has from its creation. A copy or a backup that knows only files leaves out empty ones."""
    findings = []
    for name in FOLDERS:
        if name in ADDED_FOLDERS or fsio.exists(spool.folder(name)):
            continue
        if fix:
            spool.assert_same()  # Nothing is made again in a spool that somebody is removing.
            spool.make_folder(name)
            spool.sync("")
        findings.append(Finding(name, "missing_folder", "error", "a folder that every spool has", fix))
    return findings


@frozen
class Watch:
    """How long a job has to look wrong, and ``pause(jobs, seconds)``, which waits for the next look."""

    seconds: float
    pause: Callable[[int, float], None]


def repair(
    spool: Spool,
    *,
    dry_run: bool = False,
    contents: bool = False,
    on_trouble: OnTrouble = ignored,
    suspicions: Suspicions | None = None,
    on_progress: OnProgress = unheard,
) -> list[Finding]:
    """The safe repairs: tokens against reservations. Names only, unless ``contents`` asks for more.

    ``on_progress`` is told how many specs were read, and of how many.

    What looks wrong is looked at again under the job's fence, which a purge and every end of an attempt hold; a job
    whose fence stays busy is left to the next repair. A job that the system does not let be repaired is a finding,
    and handed to ``on_trouble``. Where listings can be old, a job with two tokens or none is repaired only when
    ``suspicions`` confirms it, so without them it stays a finding.
    """
    trusted = spool.version.topology == "local"

    def doubt(job_id: str, fault: str) -> bool:
        """Whether the repair of ``fault`` has to be left out now."""
        confirmed = trusted or (suspicions is not None and suspicions.confirmed(job_id, fault))
        return dry_run or not confirmed

    looks = Looks(spool, on_trouble)
    looks.findings += _missing_folders(spool, fix=not dry_run)
    names = census.take(spool)
    specs = {name.removesuffix(".json"): number for name, number in spool.numbered("jobs") if name.endswith(".json")}
    reserved = specs.keys()
    staged: dict[str, list[str]] = defaultdict(list)
    for name in spool.names("tmp"):
        parsed = parse_staged(name)
        if parsed is not None:
            staged[parsed[0].job_id].append(name)
    each = looks.take
    for job_id in sorted(job_id for job_id, of_job in names.items() if len(of_job) > 1 or job_id not in reserved):
        placed = census.placed(names[job_id])
        path = spool.path(placed[-1].folder, placed[-1].token.name)
        if len(placed) > 1:
            each(path, _duplicates(spool, placed, doubt))
        if job_id not in reserved:
            each(path, keys.unreserved(spool, placed[-1], doubt, dry_run=dry_run))
    for job_id in sorted(staged.keys() & names.keys() & reserved):
        for name in staged[job_id]:
            last = census.placed(names[job_id])[-1]
            each(spool.path("tmp", name), _left_staged(spool, last, name, dry_run=dry_run))
    for job_id in sorted(reserved - names.keys()):
        each(spool.spec_path(job_id), _orphan(spool, job_id, staged[job_id], doubt))
    if contents:
        for name in sorted(name for names in staged.values() for name in names):
            each(spool.path("tmp", name), _damaged_staged(spool, name, dry_run=dry_run))
        of_contents.specs(spool, looks, reserved, doubt, on_progress, dry_run=dry_run)
        of_contents.tokens(spool, looks, names, specs, dry_run=dry_run)
        of_contents.outcomes(spool, looks, names, reserved, doubt, dry_run=dry_run)
    return looks.findings


def _used_up(spool: Spool, placed: Placed, now_ms: int, *, dry_run: bool) -> Iterator[Finding]:
    """A waiting job whose next attempt would have no name in the grammar; a worker makes it a dead letter, too."""
    failure = operate.used_up(placed.token)
    if failure is None or not _still_there(spool, placed):
        return
    fixed = not dry_run and operate.bury(spool, placed, failure, now_ms, "verify")
    path = relative(spool, spool.path(placed.folder, placed.token.name))
    yield Finding(path, "attempts_used_up", "error", failure.message, fixed)


def _left_staged(spool: Spool, placed: Placed, name: str, *, dry_run: bool) -> Iterator[Finding]:
    """A staged file that was admitted already: a power cut took back only half of that rename.

    A sweeper would admit it again, next to the token that has moved on since. The staged file of a living enqueuer
    lies beside no token, because the token comes to be by its rename.
    """
    path, parsed = spool.path("tmp", name), parse_staged(name)
    try:
        spec = records.read_spec(spool, placed.token.job_id)
    except ContractError:
        return  # reported as damaged
    # RACE: the token was listed first, so a staged file that is gone by now was admitted in between.
    if spec is None or parsed is None or spec.nonce != parsed[1] or not fsio.listed(spool.folder("tmp"), name):
        return
    if not dry_run:
        fsio.unlink_quietly(path)
        step("repair.unstaged")
        spool.sync("tmp")
    detail = f"{placed.token.job_id} lies in {placed.folder}/ already"
    yield Finding(relative(spool, path), "left_staged", "error", detail, fixed=not dry_run)


def _damaged_staged(spool: Spool, name: str, *, dry_run: bool) -> Iterator[Finding]:
    if _carried_on(spool, name) is False:
        yield foreign.put_away(spool, spool.path("tmp", name), "damaged_staged", fix=not dry_run)


def _carried_on(spool: Spool, name: str) -> bool | None:
    """Whether a sweeper can finish this staged enqueue; None when it has gone meanwhile."""
    parsed, path = parse_staged(name), spool.path("tmp", name)
    try:
        spec = records.parse_spec(fsio.read_regular(path, records.RECORD_LIMIT), path)
    except FileNotFoundError:
        return None
    except (ContractError, ValueError):
        return False
    return parsed is not None and (spec.job_id, spec.nonce) == (parsed[0].job_id, parsed[1])


def _still_there(spool: Spool, placed: Placed) -> bool:
    return fsio.listed(spool.folder(placed.folder), placed.token.name)


def _duplicates(spool: Spool, placed: list[Placed], doubt: Callable[[str, str], bool]) -> Iterator[Finding]:
    """Two tokens of one job, which torn renames leave. The furthest stays. A job that just moved is no finding."""
    present = [p for p in placed if _still_there(spool, p)]
    if len(present) < 2:
        return
    job_id = present[0].token.job_id
    with spool.fence(job_id):
        # An old listing still names a token that moved on, and only opening it asks the server.
        present = [p for p in present if _still_there(spool, p) and not _moved_on(spool, p)]
        if len(present) < 2:
            return
        keep = _furthest(spool, present)
        fault = " ".join(sorted(f"{p.folder}/{p.token.name}" for p in present))
        leave = doubt(job_id, fault)
        for extra in present:
            if extra is keep:
                continue
            path = spool.path(extra.folder, extra.token.name)
            fixed = not leave and _put_twin_away(spool, extra, keep)
            yield Finding(
                relative(spool, path), "duplicate_token", "error", f"{job_id} also lies in {keep.folder}/", fixed
            )


def _put_twin_away(spool: Spool, extra: Placed, keep: Placed) -> bool:
    """Quarantine ``extra`` while ``keep`` is proven to be there, by opening it; whether that was done.

    A listing proves nothing about ``keep``, because a cache may show it after it moved. Then ``extra`` is the job,
    and without it the job is lost. So ``keep`` is opened before and after, and ``extra`` put back when it is gone.
    """
    if not _opens(spool, keep):
        return False
    step("repair.choosing")
    source = spool.path(extra.folder, extra.token.name)
    away = take_away(spool, source)
    if away is None:
        return False
    step("repair.put-away")
    kept = _opens(spool, keep)
    if not kept:  # RACE: it moved on by a step that needs no fence, and the token put away may be what it became.
        fsio.publish(away, source)
        fsio.unlink_quietly(away)
    spool.sync(extra.folder)
    return kept


def _moved_on(spool: Spool, placed: Placed) -> bool:
    """Whether the token is sure not to be there. What cannot be read is there."""
    try:
        return not _opens(spool, placed)
    except OSError:
        return False


def _opens(spool: Spool, placed: Placed) -> bool:
    """Whether the token is there, by its content. OSError when the disk does not tell."""
    try:
        records.token_spec(spool, placed.token, placed.folder)
    except FileNotFoundError:
        return False
    except ContractError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
    return True


def _furthest(spool: Spool, present: list[Placed]) -> Placed:
    best = present[-1]
    outcome = attempt.standing_outcome(spool, best.token.job_id, max(1, best.token.attempt))
    if outcome is not None and best.token.attempt == outcome.attempt:
        for placed in present:
            if placed.token.attempt == outcome.attempt and placed.folder == outcome.disposition.to:
                return placed
    return best


def _orphan(spool: Spool, job_id: str, staged: list[str], doubt: Callable[[str, str], bool]) -> Iterator[Finding]:
    """A reserved key without token: made again from its outcomes, then rolled forward by the last one."""
    if any(_carried_on(spool, name) for name in staged):
        return  # Its enqueuer or a sweeper finishes that.
    if not is_word(job_id) or scan.find(spool, job_id, packed=False) is not None:
        return  # RACE: it moved while we listed
    path = spool.spec_path(job_id)
    step("repair.orphan")
    # Looked at again, because under the fence no attempt can end and no purge remove the job: it cannot move past us.
    with spool.fence(job_id):
        try:
            spec = records.read_spec(spool, job_id)
        except ContractError:
            return  # reported as damaged
        if spec is None or not fsio.exists(path) or scan.find(spool, job_id, packed=False) is not None:
            return
        leave = doubt(job_id, "in no directory")
        entry = spool.packed(job_id, age_s=0.0)
        if entry is not None and packing.finish(spool, entry, dry_run=leave):
            yield Finding(relative(spool, path), "left_packed", "error", f"{job_id} is in a pack already", not leave)
            return
        if not leave:
            try:
                _rebuild(spool, spec)
            except ContractError:  # a spec that makes no token, or an outcome that fits none
                away = f"rm {shlex.quote(str(path))}; verify again: its key is free then, what it was for is lost"
                yield Finding(
                    relative(spool, path), "missing_token", "error", "reserved, and cannot be rebuilt", remedy=away
                )
                return
        yield Finding(relative(spool, path), "missing_token", "error", "reserved, but in no directory", not leave)


def _rebuild(spool: Spool, spec: Spec) -> None:
    """Make the token again. Its attempt is the last one that has ended, whatever is left of its outcome, because no
    number is given out twice."""
    last = remains.last_attempt(spool, spec.job_id)
    token = spec.token(min(max(spec.created_ms, 0), 10**TIME_DIGITS - 1))
    folder = "queued"
    if last:
        outcome = attempt.standing_outcome(spool, spec.job_id, last)
        if outcome is not None:
            lost = outcome.end in (End.FAILED, End.LOST)
            before = replace(token, attempt=last, burned=max(0, outcome.burned - lost), owner=outcome.owner)
            if spool.version.adopts:
                before = replace(before, budget=before.burned + 1)  # as `adopt` gives it
            folder, token = destination(before, outcome)
        else:
            token = replace(token, attempt=min(last, NUMBER_LIMIT - 1))
    if spool.version.adopts and folder in ("queued", "held"):
        # Only the home knows which attempt it granted. A guessed number might be begun a second time, so the job
        # waits in done/ until its grant is taken again.
        folder, token = "done", token.finished("cancelled")
    with spool.part(spec.encode()) as part:
        step("repair.part")
        fsio.publish(part, spool.path(folder, token.name))
    step("repair.rebuilt")
    spool.sync(folder)
