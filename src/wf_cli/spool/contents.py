"""What the files of a spool hold, against their names and against each other: specs, tokens, outcomes.

Each spec is read, in full. A token is a link of its spec, so it is read only where the file system says that it is
another file. A spec in the form that wf writes is taken by that form (`wf_cli.contract.as_written`), and whatever
looks otherwise is looked at again under the job's fence (`wf_cli.spool.keys`). Outcomes are looked at by their names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from wf_cli import many_files
from wf_cli.contract import as_written
from wf_cli.contract.token import Placed, outcome_name, parse
from wf_cli.spool import census, keys, operate, remains
from wf_cli.spool.census import Census
from wf_cli.spool.findings import Looks, OnProgress
from wf_cli.spool.layout import Spool

#: Specs between two words of progress. Their folder is opened once for so many.
_AT_ONCE = 500


def specs(
    spool: Spool,
    looks: Looks,
    reserved: Collection[str],
    doubt: keys.Doubt,
    on_progress: OnProgress,
    *,
    dry_run: bool,
) -> None:
    """The specs of these jobs. ``on_progress`` is told how many were read, and of how many."""
    job_ids = sorted(reserved)
    for first in range(0, len(job_ids), _AT_ONCE):
        on_progress(first, len(job_ids))
        some = [f"{job_id}.json" for job_id in job_ids[first : first + _AT_ONCE]]
        odd = [
            name.removesuffix(".json")
            for name, data in many_files.contents(spool.folder("jobs"), some)
            if data is None or as_written.role_in(data, name.removesuffix(".json")) is None
        ]
        for job_id in odd:
            path = spool.at("jobs", f"{job_id}.json")
            looks.take(path, keys.damaged_spec(spool, job_id, doubt, dry_run=dry_run))
    on_progress(len(job_ids), len(job_ids))


def tokens(spool: Spool, looks: Looks, seen: Census, reserved: Mapping[str, int], *, dry_run: bool) -> None:
    """The tokens that are other files than their specs. ``reserved`` has the number of each spec."""
    others = sorted(
        (job_id, folder, name)
        for job_id, of_job in seen.items()
        if (spec := reserved.get(job_id)) is not None
        for folder, name, number in of_job
        if not spec or number != spec
    )
    for first in range(0, len(others), _AT_ONCE):
        some = others[first : first + _AT_ONCE]
        for folder, name in _unlike(spool, some):
            token = parse(folder, name)
            if token is not None:
                found = keys.damaged_token(spool, Placed(folder, token), dry_run=dry_run)
                looks.take(spool.path(folder, name), found)


def _unlike(spool: Spool, some: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """The tokens, by folder and name, that do not hold the bytes of their spec, as wf writes it, for their role."""
    wanted = dict.fromkeys(f"{job_id}.json" for job_id, _, _ in some)
    specs_of = dict(many_files.contents(spool.folder("jobs"), wanted))
    held: dict[tuple[str, str], bytes | None] = {}
    for folder in dict.fromkeys(folder for _, folder, _ in some):
        of_folder = [name for _, where, name in some if where == folder]
        held |= {(folder, name): data for name, data in many_files.contents(spool.folder(folder), of_folder)}
    for job_id, folder, name in some:
        data, token = specs_of[f"{job_id}.json"], parse(folder, name)
        role = as_written.role_in(data, job_id) if data is not None else None
        if token is None or role != token.pool.role or held[folder, name] != data:
            yield folder, name


def outcomes(
    spool: Spool, looks: Looks, seen: Census, reserved: Collection[str], doubt: keys.Doubt, *, dry_run: bool
) -> None:
    """The ends of attempts against the tokens: those that are missing, and those of no job."""
    listed = remains.listing(spool, ("outcomes", "started"))
    ended = frozenset(listed["outcomes"])
    for job_id in sorted(seen.keys() & reserved):
        if len(seen[job_id]) == 1 and _is_settled(job_id, *seen[job_id][0][:2], ended):
            continue
        last = census.placed(seen[job_id])[-1]
        if not last.token.attempt or last.token.owner is not None or operate.used_up(last.token) is not None:
            continue  # No attempt of it has ended, it is at work, or it is reported otherwise.
        if spool.version.adopts and last.token.status is None:
            continue  # The attempts before the adopted one ended on other machines.
        if outcome_name(job_id, last.token.attempt) not in ended:
            path = spool.path(last.folder, last.token.name)
            looks.take(path, keys.unended(spool, last, doubt, dry_run=dry_run))
    # Most names are of jobs that there are, and their ids end at the first dot. The others are parsed.
    rest = {
        folder: [n for n in of_folder if (job := n.partition(".")[0]) not in seen and job not in reserved]
        for folder, of_folder in listed.items()
    }
    for job_id, files in sorted(remains.by_job(rest).items()):
        looks.take(spool.path(*files[0]), keys.keyless(spool, job_id, files, doubt, dry_run=dry_run))


def _is_settled(job_id: str, folder: str, name: str, ended: Collection[str]) -> bool:
    """Whether the token ``name`` says of an attempt that has an outcome, or of none. The name is not parsed."""
    attempt = name.split(".", 5)[4].partition("b")[0]  # 5.1764000000000.job.role@runtime.a1b0of3
    return attempt == "a0" or f"{job_id}.{attempt}.json" in ended
