"""Looking at the spool: names only, no stat, and no lookup of a name that was absent before.

A rescan is the truth. Events only make a change known sooner (`wf_cli.spool.ready`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable

from wf_cli import fsio
from wf_cli.contract.identity import matches_prefix, plan_number, target_of
from wf_cli.contract.lifecycle import DIRECTORY, LIVE_DIRECTORIES, Status
from wf_cli.contract.token import Placed, Token, is_word, parse, parse_mark
from wf_cli.spool.layout import WITH_PACKS, Spool

#: Looks at all directories this often when a job is reserved and its token was in none of them, because the token may
#: have moved past us while we listed.
FIND_TRIES = 4

_TAKEN = frozenset({Status.CLAIMED, Status.RUNNING})


def listing(spool: Spool, folder: str, job_id: str | None = None) -> list[Token]:
    """The tokens in ``folder``, of all jobs or of one, sorted by name: by priority, then oldest first.

    Foreign names are left out.
    """
    if job_id is None:
        return _parsed(folder, spool.names(folder))
    return [token for token in _parsed(folder, _with(spool.names(folder), f".{job_id}.")) if token.job_id == job_id]


def _with(names: Iterable[str], part: str) -> list[str]:
    """The names that contain ``part``. Among many, that look costs a fraction of parsing them."""
    return [name for name in names if part in name] if part else list(names)


def _parsed(folder: str, names: Iterable[str]) -> list[Token]:
    return [token for name in sorted(names) if (token := parse(folder, name)) is not None]


def everything(spool: Spool, statuses: Container[Status] | None = None, part: str = "") -> list[Placed]:
    """All tokens, or those of some stored statuses; the archive excluded. A job that moves may show once.

    Only names that contain ``part`` are looked at.

    Directories are listed in the order jobs pass through them, with held/ after running/, because a spent budget
    leads there. queued/ comes once more at the end for jobs that go back. A job that moves once meanwhile is
    therefore seen twice rather than never. The later sight wins.
    """
    folders: tuple[str, ...] = ("queued", "claimed", "running", "held", "done", "dead")
    if statuses is not None:
        folders = tuple(f for f in folders if any(s in statuses for s, d in DIRECTORY.items() if d == f))
    seen: dict[str, Placed] = {}
    back = ("queued",) if "queued" in folders and len(folders) > 1 else ()
    for folder in (*folders, *back):
        for token in _parsed(folder, _with(spool.names(folder), part)):
            placed = Placed(folder, token)
            before = seen.get(token.job_id)
            if before is None or before.token.attempt <= token.attempt:
                seen[token.job_id] = placed
    return [p for p in seen.values() if statuses is None or p.status in statuses]


def find(spool: Spool, job_id: str, *, archive: bool = True, packed: bool = True) -> Placed | None:
    """Where a job's token is now; None when the id has none (not enqueued, or staged still).

    A job that is in a pack alone counts as one in ``archive/``. Without ``packed`` it has no token.

    Where lookups tell the truth, the names are tried first that the job's records say (`whereabouts`). Only a job
    that is found under none of them has its directories listed.
    """
    placed = None
    if spool.version.topology == "local":
        from wf_cli.spool import whereabouts  # It reads records, which lists of jobs do not.

        placed = whereabouts.of(spool, job_id)
    if placed is not None and (archive or placed.folder != "archive"):
        return placed
    folders = (*LIVE_DIRECTORIES, "done", "dead", *(("archive",) if archive else ()))
    for _ in range(FIND_TRIES):
        for folder in folders:
            for token in listing(spool, folder, job_id):
                return Placed(folder, token)
        if not has(spool, "jobs", f"{job_id}.json"):
            break
    return _packed(spool, job_id) if archive and packed else None


def _packed(spool: Spool, job_id: str) -> Placed | None:
    entry = spool.packed(job_id)
    token = parse("archive", entry.token) if entry is not None else None
    return Placed("archive", token) if token is not None else None


def packed(spool: Spool, wanted: Callable[[str], bool]) -> list[Placed]:
    """The packed jobs whose id is ``wanted`` and that have no token elsewhere. All packs are read."""
    out = []
    for entry in spool.packs.entries() if spool.version.format >= WITH_PACKS else ():
        if wanted(entry.job_id) and find(spool, entry.job_id, packed=False) is None:
            token = parse("archive", entry.token)
            out += [Placed("archive", token)] if token is not None else []
    return out


def only_live(placed: Iterable[Placed]) -> list[Placed]:
    """The live jobs among ``placed``."""
    return [one for one in placed if one.folder in LIVE_DIRECTORIES]


def taken(spool: Spool) -> list[Placed]:
    """The claimed and the running jobs: what sessions have in hand."""
    return everything(spool, _TAKEN)


def steps(spool: Spool, statuses: Container[Status] | None = None) -> list[Placed]:
    """The jobs of `everything` that are steps of plans and epics. Of a long queue of other jobs no name is parsed."""
    # Every id of a step has its iteration in it.
    return [p for p in everything(spool, statuses, part="-i") if target_of(p.token.job_id) is not None]


def busy_owners(spool: Spool) -> Counter[str]:
    """How many jobs each session has in hand; a session without a job is not in it."""
    return Counter(placed.token.owner for placed in taken(spool) if placed.token.owner is not None)


def running_token(spool: Spool, mark: str) -> Token | None:
    """The token in ``running/`` of the attempt that ``mark`` (``WF_JOB_TOKEN``) names; None when it holds none.

    A token alone does not say that the attempt goes on: its outcome may be published already.
    """
    named = parse_mark(mark)
    tokens = listing(spool, "running") if named is not None else []
    return next((token for token in tokens if (token.job_id, token.attempt, token.owner) == named), None)


def by_plan(placed: Iterable[Placed]) -> dict[str, list[Placed]]:
    """The plans' jobs among ``placed``, by plan id and in the order given. Jobs outside plans are left out."""
    out: dict[str, list[Placed]] = {}
    for one in placed:
        target = target_of(one.token.job_id)
        if target is not None and target.plan_id is not None:
            out.setdefault(target.plan_id, []).append(one)
    return out


class Finished:
    """The finished jobs of plans, at one look: each folder is listed when it is first asked for.

    Finished jobs stay, so they may be many. Only the names of the plans asked for are parsed.
    """

    def __init__(self, spool: Spool):
        self._spool = spool
        self._names: dict[str, dict[str, list[str]]] = {}

    def of_plan(self, folder: str, plan_id: str) -> list[Placed]:
        """The jobs of a plan in ``folder`` (``done``, ``dead``, ``archive``)."""
        if folder not in self._names:
            listed: dict[str, list[str]] = {}
            for name in sorted(self._spool.names(folder)):
                listed.setdefault(plan_number(name) or "", []).append(name)
            self._names[folder] = listed
        names = self._names[folder].get(plan_id, [])
        placed = [Placed(folder, token) for name in names if (token := parse(folder, name)) is not None]
        return by_plan(placed).get(plan_id, [])


def match(spool: Spool, text: str) -> list[Placed]:
    """What an id, or a prefix of whole components, fits; an exact id fits only itself. The archive is left out.

    An exact id is looked up (`find`). For a prefix the directories are listed once.
    """
    if is_word(text) and has(spool, "jobs", f"{text}.json"):
        exact = find(spool, text, archive=False)
        if exact is not None:
            return [exact]
    placed = everything(spool, part=f".{text}")
    exact_ones = [p for p in placed if p.token.job_id == text]
    return exact_ones or [p for p in placed if matches_prefix(p.token.job_id, text)]


def holds(spool: Spool, folder: str, token: Token) -> bool:
    """Whether ``token`` lies in ``folder`` now. Raises OSError when the disk does not tell, which is no "no".

    A listing may be older than the token (sshfs, after a lost reply). So a lookup has to miss it, too.
    """
    return has(spool, folder, token.name) or (
        spool.version.topology != "local" and fsio.exists(spool.path(folder, token.name))
    )


def has(spool: Spool, folder: str, name: str) -> bool:
    """Whether ``name`` is in ``folder`` now. On a network file system the listing says so, not a lookup.

    Raises OSError when the disk does not tell, which is no "no".
    """
    if spool.version.topology != "local":
        return fsio.listed(spool.folder(folder), name)
    return fsio.exists(spool.path(folder, name))


def any_reserved(spool: Spool, job_ids: Iterable[str]) -> bool:
    """Whether one of these jobs, which are steps, was ever enqueued.

    ``jobs/`` grows for ever, so it is listed only where a lookup may be stale and has found none.
    """
    wanted = {f"{job_id}.json" for job_id in job_ids}
    if any(fsio.exists(spool.path("jobs", name)) for name in wanted):
        return True
    return spool.version.topology != "local" and not wanted.isdisjoint(fsio.names(spool.folder("jobs")))
