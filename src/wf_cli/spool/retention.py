"""What is removed for good, and when: transcripts, files of sessions that ended, old logs, a whole finished epic.

Keys stay taken by everything here except `purge`. Ages are by this host's clock: housekeeping, not ownership.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import DIRECTORIES, LIVE_DIRECTORIES
from wf_cli.contract.token import Placed, Token, parse_exit, parse_outcome
from wf_cli.errors import NotFound, Refused, Temporary
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import enqueue, judgement, lease, notified, old_logs, packing, predecessors, remains, scan, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import EachItem, OnTrouble, ignored


@dataclass(slots=True)
class Removed:
    """What `clean` took away."""

    transcripts: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    #: Marks of events that were handed on.
    notified: list[str] = field(default_factory=list)
    #: Logs of events.
    logs: list[str] = field(default_factory=list)


@frozen
class OldLogs:
    """Which logs count as old: those that were last written before ``before_ms``, as seen at ``now_ms``."""

    before_ms: int
    now_ms: int


def clean(spool: Spool, *, before_ms: int, logs: OldLogs | None = None, on_trouble: OnTrouble = ignored) -> Removed:
    """Remove the transcripts of archived jobs, what sessions left that ended before ``before_ms``, older marks of
    notifications, and the old ``logs`` (`old_logs`).

    What this user may not remove is handed to ``on_trouble``. Raises the first other OSError once all were tried.
    """
    each = EachItem(on_trouble)
    archived = {token.job_id for token in scan.listing(spool, "archive")}
    in_use = {placed.token.job_id for placed in scan.everything(spool)}
    out = Removed()
    for name in sorted(spool.names("transcripts")):
        job_id = _job_of_transcript(name)
        if job_id in archived and job_id not in in_use:
            with each.stepping(spool.path("transcripts", name)):
                fsio.unlink_quietly(spool.path("transcripts", name))
                out.transcripts.append(name)
    busy = scan.busy_owners(spool)
    kept: dict[str, list[str]] = defaultdict(list)
    for name, (_, _, of) in _exits(spool).items():
        kept[of].append(name)
    for owner in session.owners(spool):
        ended = False
        with each.looking(spool.path("sessions", f"{owner}.json")):
            ended = owner not in busy and _ended_before(spool, owner, before_ms)
        if ended:
            with each.stepping(spool.path("sessions", f"{owner}.json")):
                fsio.unlink_quietly(lease.path_of(spool, owner))
                fsio.unlink_quietly(spool.path("control", f"drain.{owner}.json"))
                fsio.unlink_quietly(spool.path("sessions", owner + judgement.SUFFIX))
                for name in kept.get(owner, ()):
                    fsio.unlink_quietly(spool.path("sessions", name))
                fsio.unlink_quietly(spool.path("sessions", f"{owner}.json"))  # last, because a rest is found by it
                out.sessions.append(owner)
    for name in notified.old_events(spool, before_ms=before_ms):
        with each.stepping(spool.path(notified.FOLDER, name)):
            fsio.unlink_quietly(spool.path(notified.FOLDER, name))
            out.notified.append(name)
    if logs is not None:
        out.logs = old_logs.remove(spool, each, before_ms=logs.before_ms, now_ms=logs.now_ms)
    each.finish()
    return out


def _exits(spool: Spool) -> dict[str, tuple[str, int, str]]:
    """The kept exits (`wf_cli.spool.exits`): job, attempt and owner by name."""
    return {name: found for name in spool.names("sessions") if (found := parse_exit(name)) is not None}


def _by_job(names: Iterable[str], job_of: Callable[[str], str | None]) -> dict[str, list[str]]:
    """The names by the job that each of them is of. Others are left out."""
    out: dict[str, list[str]] = {}
    for name in names:
        job_id = job_of(name)
        if job_id is not None:
            out.setdefault(job_id, []).append(name)
    return out


def _job_of_outcome(name: str) -> str | None:
    parsed = parse_outcome(name)
    return parsed[0] if parsed is not None else None


def _job_of_exit(name: str) -> str | None:
    parsed = parse_exit(name)
    return parsed[0] if parsed is not None else None


def _job_of_transcript(name: str) -> str | None:
    parsed = parse_outcome(name.removesuffix(".log") + ".json")
    return parsed[0] if parsed is not None and name.endswith(".log") else None


def _ended_before(spool: Spool, owner: str, before_ms: int) -> bool:
    """Whether the session stopped, is proven dead or was judged to be gone, and has written nothing since then.

    False while an agent of it lives on this host, because only this record tells of that agent.
    """
    record = session.read(spool, owner)
    if record is None or not (
        record.state == "stopped" or record.proven_dead or judgement.standing(spool, owner) is not None
    ):
        return False
    if record.on_this_host and any(predecessors.lives_here(agent) for agent in record.agents):
        return False
    try:
        written_ms = fsio.facts(spool.path("sessions", f"{owner}.json")).st_mtime * 1000
    except OSError:
        return False
    return max(written_ms, record.started_ms) < before_ms


def purge(spool: Spool, epic_id: str) -> list[str]:
    """Remove all that is kept of a finished epic's jobs, their keys too; the job ids.

    Raises NotFound when the epic has none, Refused when one of them is live, or has ended and has an agent that has
    not: nothing is removed then. Each job is
    looked at again under its fence, and a job that was retried meanwhile stays whole. Once all were tried, this
    raises the first OSError, Temporary that names jobs whose fence stayed busy, or Refused that names those that came
    back to life. Dying in between leaves finished jobs with fewer files, and running it again removes the rest.
    """
    enqueue.sweep(spool)
    tokens = [Placed(folder, token) for folder in DIRECTORIES for token in scan.listing(spool, folder)]
    placed = [p for p in tokens if _is_of(p.token.job_id, epic_id)]
    live = sorted(p.token.job_id for p in placed if p.folder in LIVE_DIRECTORIES)
    if live:
        raise Refused(
            f"epic {epic_id} has {len(live)} job(s) that have not finished: {', '.join(live[:5])}",
            hint=f"cancel them first: wf cancel --epic {epic_id}",
            code="EPIC_NOT_FINISHED",
            live=live,
        )
    outcomes = _by_job(spool.names("outcomes"), _job_of_outcome)
    starts = _by_job(_started(spool), _job_of_outcome)
    reserved = [n.removesuffix(".json") for n in spool.names("jobs") if n.endswith(".json")]
    known = {p.token.job_id for p in placed} | outcomes.keys() | set(reserved)
    job_ids = sorted(job_id for job_id in known if _is_of(job_id, epic_id))
    if not job_ids:
        raise NotFound(f"the spool has no job of epic {epic_id}", hint="wf spool ls --epic ID lists an epic's jobs")
    at_work = predecessors.of_jobs(spool, frozenset(job_ids))
    if at_work:
        # A job of the same key would begin with attempt 1 again, beside this agent.
        job_id, agent = min(at_work.items())
        raise Refused(
            f"epic {epic_id} is still worked on: {job_id} has ended, and {agent.text}",
            hint="wait until it has stopped, then purge again",
            code="EPIC_NOT_FINISHED",
            live=sorted(at_work),
        )
    transcripts = _by_job(spool.names("transcripts"), _job_of_transcript)
    kept = _by_job(spool.names("sessions"), _job_of_exit)
    tokens_of: dict[str, set[Token]] = defaultdict(set)
    for one in placed:
        tokens_of[one.token.job_id].add(one.token)
    revived, busy = [], []
    failed: OSError | None = None
    step("purge.looked")
    for job_id in job_ids:
        seen = tokens_of.get(job_id, set())
        try:
            with spool.fence(job_id):
                now = scan.find(spool, job_id)
                # Another token than the finished one that was seen belongs to a job that went on: it is live, or has
                # files that were not listed.
                if now is not None and now.token not in seen:
                    revived.append(job_id)
                    continue
                for folder, names in (
                    ("transcripts", transcripts), ("outcomes", outcomes), ("sessions", kept), ("started", starts),
                ):  # fmt: skip
                    _remove(spool, folder, names.get(job_id, ()))
                # The token goes last: alone it is repaired into the finished job it was, whereas a key without
                # a token would be queued again.
                _remove(spool, "jobs", (f"{job_id}.json",))
                step("purge.unreserved")
                _remove_tokens(spool, seen)
        except Temporary:
            busy.append(job_id)
        except OSError as error:
            failed = failed or error
    if failed is None and not busy and not revived:
        notified.forget_epic(spool, epic_id)
    if failed is not None:
        raise failed
    if busy:
        raise Temporary(
            f"{', '.join(busy[:5])} stays, because a command works on it; other jobs of epic {epic_id} are gone",
            hint="wait for that command, then purge again",
        )
    if revived:
        raise Refused(
            f"{', '.join(revived[:5])} came back to life and stays; the other jobs of epic {epic_id} are gone",
            hint=f"cancel it first: wf cancel --epic {epic_id}",
            code="EPIC_NOT_FINISHED",
            live=revived,
        )
    return job_ids


def purgeable(spool: Spool, wanted: Sequence[Placed]) -> tuple[list[str], dict[str, str]]:
    """The jobs among ``wanted`` that `purge_own` would remove now, and why the others stay."""
    at_work = predecessors.of_jobs(spool, frozenset(p.token.job_id for p in wanted))
    ready, stays = [], {}
    for placed in wanted:
        job_id = placed.token.job_id
        target = target_of(job_id)
        if target is not None:
            stays[job_id] = f"it is a step: wf spool purge --epic {target.epic_id or 'ID'} removes a whole epic"
        elif placed.folder in LIVE_DIRECTORIES:
            stays[job_id] = f"it is {placed.status}: cancel it first"
        elif job_id in at_work:
            stays[job_id] = f"it has ended, and {at_work[job_id].text}"
        else:
            ready.append(job_id)
    return ready, stays


def purge_own(spool: Spool, clock: Clock, wanted: Sequence[Placed]) -> tuple[list[str], dict[str, str]]:
    """Remove all that is kept of finished jobs outside plans, their keys too; their ids, and why others stay.

    ``wanted`` is where they were seen; each is looked at again under its fence. Dying in between leaves finished jobs
    with fewer files, or in no pack any more, and running it again removes the rest. Raises the first OSError once all
    were tried.
    """
    ready, stays = purgeable(spool, wanted)
    going = frozenset(ready)
    # The packs first: what is loose keeps the key until it is gone, too.
    packing.forget(spool, clock, going)
    left = remains.by_job(remains.listing(spool))
    purged: list[str] = []
    failed: OSError | None = None
    step("purge.looked")
    for placed in wanted:
        job_id = placed.token.job_id
        if job_id not in going:
            continue
        try:
            with spool.fence(job_id):
                # Its files alone tell of many, and a directory is listed for none.
                there = fsio.exists(spool.path(placed.folder, placed.token.name))
                now = placed if there else scan.find(spool, job_id, packed=False)
                if now is not None and now.token != placed.token:
                    stays[job_id] = "it came back to life"
                    continue
                for folder, name in left.get(job_id, ()):
                    _remove(spool, folder, (name,))
                _remove(spool, "jobs", (f"{job_id}.json",))
                step("purge.unreserved")
                _remove_tokens(spool, (placed.token,))
                packing.drop_lock(spool, job_id)
            purged.append(job_id)
        except Temporary:
            stays[job_id] = "a command works on it"
        except OSError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return purged, stays


def _started(spool: Spool) -> list[str]:
    try:
        return fsio.names(spool.folder("started"))
    except FileNotFoundError:
        return []  # The spool was made by a wf that did not know it.


def _remove_tokens(spool: Spool, tokens: Iterable[Token]) -> None:
    """Remove a finished job's tokens, by name: its key is free again, and a new job of it has other names.

    `gc` takes no fence and may move a token to ``archive/`` meanwhile, where it keeps its name.
    """
    names = [token.name for token in tokens]
    for folder in ("done", "dead", "archive"):
        _remove(spool, folder, names)


def _remove(spool: Spool, folder: str, names: Iterable[str]) -> None:
    removed = False
    for name in names:
        removed = fsio.unlink_quietly(spool.path(folder, name)) or removed
    if removed:
        spool.sync(folder)


def _is_of(job_id: str, epic_id: str) -> bool:
    target = target_of(job_id)
    return target is not None and target.epic_id == epic_id
