"""Keys whose files do not fit together: a damaged spec, a token without one, an outcome that is missing or left over.

What can be made again from another file of the job is made again. Where nothing tells what the job was, its key is
freed: its tokens, its records (`wf_cli.spool.remains`) and its spec are put away together, the spec last. So the key
stays taken until no file is left by which the first attempt of a new job could end. A job at work keeps its files
until it has ended, because its session goes by them.

Each function holds the job's fence while it looks again and repairs. All of them may raise Temporary, when the fence
stays busy, and OSError, when the disk does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from wf_cli import fsio, ids
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import Disposition, End, Outcome
from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.contract.token import Placed, is_word, outcome_name
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import attempt, packing, predecessors, records, remains, scan
from wf_cli.spool.findings import Finding, put_away, relative, take_away
from wf_cli.spool.layout import Spool

#: ``doubt(job_id, fault)``: whether the repair of ``fault`` has to be left out now. Always so in a dry run.
Doubt = Callable[[str, str], bool]

_AT_WORK = ("claimed", "running")
_MADE_UP = "the outcome of this attempt was lost; `wf spool verify --fix` made this one from the name of the token"


@frozen
class _Repaired:
    done: bool
    #: What a person has to do first; empty when `--fix` can do it.
    remedy: str = ""
    why: str = ""

    def finding(self, path: str, kind: str, detail: str) -> Finding:
        detail = f"{detail}; {self.why}" if self.why else detail
        if self.remedy:
            return Finding(path, kind, "error", detail, self.done, self.remedy)
        return Finding(path, kind, "error", detail, self.done)


def unreserved(spool: Spool, placed: Placed, doubt: Doubt, *, dry_run: bool) -> Iterator[Finding]:
    """A token without a spec in ``jobs/``. The token's content is the spec, so the key is reserved by it again."""
    path = spool.path(placed.folder, placed.token.name)
    job_id = placed.token.job_id
    step("repair.unreserved")
    # RACE: a purge removes the reservation before the token. Its fence tells a job on its way out from a damaged one.
    with spool.fence(job_id):
        if not _still_there(spool, placed) or fsio.listed(spool.folder("jobs"), f"{job_id}.json"):
            return
        repaired = _Repaired(False) if dry_run else _mend(spool, job_id, doubt)
        yield repaired.finding(relative(spool, path), "unreserved_token", "its key is not in jobs/")


def damaged_spec(spool: Spool, job_id: str, doubt: Doubt, *, dry_run: bool) -> Iterator[Finding]:
    """A spec that cannot be read. It comes from the job's token again, unless that is damaged as well."""
    if not is_word(job_id) or _damage(spool, job_id) is None:
        return  # sound, or foreign and reported there
    step("repair.damaged")
    with spool.fence(job_id):
        detail = _damage(spool, job_id)
        if detail is None:
            return  # RACE: another repair has put it away, and a good one may lie there.
        repaired = _Repaired(False) if dry_run else _mend(spool, job_id, doubt)
        yield repaired.finding(relative(spool, spool.spec_path(job_id)), "damaged_spec", detail)


def damaged_token(spool: Spool, placed: Placed, *, dry_run: bool) -> Iterator[Finding]:
    """A token that does not hold the job's sound spec. A worker would make a dead letter of the job."""
    path, token = spool.path(placed.folder, placed.token.name), placed.token
    with spool.fence(token.job_id):
        try:
            spec = records.read_spec(spool, token.job_id)
            if spec is None or not _still_there(spool, placed):
                return  # reported elsewhere, or moved on
            found = records.token_spec(spool, token, placed.folder)
            if found.nonce == spec.nonce:
                return
            detail = f"it holds the spec of another enqueue ({found.nonce})"
        except ContractError as error:
            if isinstance(error.__cause__, OSError) or _damage(spool, token.job_id) is not None:
                return
            detail = error.message
        repaired = _Repaired(False)
        if placed.folder in _AT_WORK:
            repaired = _at_work(token.job_id)
        elif not dry_run and take_away(spool, path) is not None:
            # A crash here leaves a key without a token, which is made again like any other.
            step("repair.token-away")
            fsio.publish(spool.spec_path(token.job_id), path)
            spool.sync(placed.folder)
            repaired = _Repaired(True)
        yield repaired.finding(relative(spool, path), "damaged_token", detail)


def keyless(
    spool: Spool, job_id: str, files: Collection[tuple[str, str]], doubt: Doubt, *, dry_run: bool
) -> Iterator[Finding]:
    """Records of a job that has neither spec nor token. A new job under the key would end by them without running.

    ``files`` were listed before this is called. An outcome in the list is an old one therefore, because an attempt
    that began since could not publish another under its name.
    """
    step("repair.keyless")
    with spool.fence(job_id):
        if fsio.exists(spool.spec_path(job_id)) or fsio.listed(spool.folder("jobs"), f"{job_id}.json"):
            return
        if _tokens(spool, job_id):
            return
        left = [file for file in sorted(files) if fsio.exists(spool.path(*file))]
        entry = spool.packed(job_id, age_s=0.0)
        if entry is not None:  # What a removal left; a late result waits for an operator beside the pack.
            kept = {outcome_name(job_id, number) for number, _ in entry.outcomes}
            left = [(folder, name) for folder, name in left if name in kept]
        if not left:
            return
        repaired = _Repaired(False)
        if entry is not None:
            for folder, name in left if not dry_run else ():
                fsio.unlink_quietly(spool.path(folder, name))
            if not dry_run:
                packing.drop_lock(spool, job_id)
            path = relative(spool, spool.path(*left[0]))
            yield Finding(path, "left_packed", "error", f"{job_id} is in a pack already", not dry_run)
            return
        if not doubt(job_id, "records without a key") and not dry_run:
            repaired = _agent(spool, job_id) or _Repaired(remains.put_away(spool, left))
            spool.sync(*{folder for folder, _ in left})
        path = relative(spool, spool.path(*left[0]))
        detail = f"{len(left)} record(s) of {job_id}, which has neither a key nor a token"
        yield repaired.finding(path, "keyless_record", detail)


def unended(spool: Spool, placed: Placed, doubt: Doubt, *, dry_run: bool) -> Iterator[Finding]:
    """A job whose last attempt has ended and has no outcome. Its result is lost; its end is told by its token.

    The repair publishes what the token's name tells. It keeps the attempt's number taken, so that neither a token
    that is made again nor a session that was long suspended uses it once more.
    """
    token = placed.token
    with spool.fence(token.job_id):
        try:
            if (
                not _still_there(spool, placed)
                or records.read_outcome(spool, token.job_id, token.attempt) is not None
            ):
                return
        except ContractError:
            return  # It is there, and damaged.
        repaired = _Repaired(False)
        if not doubt(token.job_id, "without its outcome") and not dry_run:
            repaired = _agent(spool, token.job_id) or _Repaired(
                attempt.publish_outcome(spool, _made_up(placed)).accepted
            )
        detail = f"attempt {token.attempt} of {token.job_id} has no outcome: what it did, and why, is lost"
        path = relative(spool, spool.path(placed.folder, token.name))
        yield repaired.finding(path, "missing_outcome", detail)


def _made_up(placed: Placed) -> Outcome:
    token, to = placed.token, placed.folder
    if to == "archive":
        to = "dead" if token.status == "failed" else "done"
    end = {"succeeded": End.SUCCEEDED, "cancelled": End.CANCELLED, "failed": End.FAILED}.get(
        token.status or "", End.LOST
    )
    return Outcome(
        token.job_id, token.attempt, "unknown", "verify", ids.nonce(), end, token.burned,
        Disposition(to, token.time_ms, token.delay_s), token.time_ms - 1000 * token.delay_s,
        failure=Failure("lost", _MADE_UP) if end in (End.FAILED, End.LOST) else None,
        reason=_MADE_UP, runtime=token.pool.runtime,
    )  # fmt: skip


def _mend(spool: Spool, job_id: str, doubt: Doubt) -> _Repaired:
    """Make the spec again from a token, or free the key. The caller holds the fence."""
    tokens = _tokens(spool, job_id)
    for placed in tokens:
        path = spool.path(placed.folder, placed.token.name)
        try:
            records.token_spec(spool, placed.token, placed.folder)
        except FileNotFoundError:
            return _Repaired(False)  # RACE: it moved on; the next look finds it where it is.
        except ContractError as error:
            if isinstance(error.__cause__, OSError):
                return _Repaired(False)  # It cannot be read just now, and may be sound.
            continue
        if fsio.exists(spool.spec_path(job_id)):
            put_away(spool, spool.spec_path(job_id))
        fsio.publish(path, spool.spec_path(job_id))
        step("repair.reserved")
        spool.sync("jobs")
        return _Repaired(True)
    if any(placed.folder in _AT_WORK for placed in tokens):
        return _at_work(job_id)
    return _agent(spool, job_id) or _free(spool, job_id, tokens, doubt)


def _free(spool: Spool, job_id: str, tokens: list[Placed], doubt: Doubt) -> _Repaired:
    # A token that was opened here proves where the job is. Where none is seen, the listings may be old.
    if not tokens and doubt(job_id, "damaged, and in no directory"):
        return _Repaired(False)
    for placed in tokens:
        if take_away(spool, spool.path(placed.folder, placed.token.name)) is None:
            return _Repaired(False)  # It moved on, or the system does not let us.
    step("repair.tokens-away")
    files = list(remains.of_job(remains.listing(spool), job_id))
    if not remains.put_away(spool, files):
        return _Repaired(False)
    step("repair.records-away")
    spool.sync(*{placed.folder for placed in tokens}, *{folder for folder, _ in files})
    path = spool.spec_path(job_id)
    if fsio.exists(path) and not put_away(spool, path):
        return _Repaired(False)
    spool.sync("jobs")
    return _Repaired(True)


def _at_work(job_id: str) -> _Repaired:
    return _Repaired(False, f"wf cancel {job_id}", "it is at work, and its files stay until it has ended")


def _agent(spool: Spool, job_id: str) -> _Repaired | None:
    """Why the files of a job stay although it has ended: an agent of it may live, and a new job of its key would work
    beside that agent."""
    found = predecessors.of_jobs(spool, (job_id,)).get(job_id)
    return _Repaired(False, "wf worker ls", found.text) if found is not None else None


def _tokens(spool: Spool, job_id: str) -> list[Placed]:
    """The job's tokens now, in every directory."""
    return [Placed(folder, token) for folder in DIRECTORIES for token in scan.listing(spool, folder, job_id)]


def _still_there(spool: Spool, placed: Placed) -> bool:
    return fsio.listed(spool.folder(placed.folder), placed.token.name)


def _damage(spool: Spool, job_id: str) -> str | None:
    try:
        records.read_spec(spool, job_id)
    except ContractError as error:
        return error.message
    return None
