"""What a spool keeps of a job besides its spec and its tokens: how its attempts ended, and what they left.

These files name their job and attempt only. A second job under the same key has the same names, because it counts its
attempts from 1 as well. So a key may become free only when they are gone: otherwise the first attempt of the new job
would find an outcome, and end by it without having run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from wf_cli import fsio
from wf_cli.contract.token import parse_exit, parse_outcome
from wf_cli.spool import findings
from wf_cli.spool.layout import ADDED_FOLDERS, Spool

#: The folders with such files. Those of the last attempt's end come first, because they decide what the next one is.
FOLDERS = ("outcomes", "started", "sessions", "transcripts")

#: Names by folder.
Names = Mapping[str, Collection[str]]


def listing(spool: Spool, folders: Iterable[str] = FOLDERS) -> dict[str, list[str]]:
    """The names in these folders now, also those that no job has. A folder that an older wf did not make is empty."""
    found = {}
    for folder in folders:
        try:
            found[folder] = fsio.names(spool.folder(folder))
        except FileNotFoundError as error:
            if folder not in ADDED_FOLDERS:
                raise spool.gone(folder) from error
            found[folder] = []
    return found


def job_of(folder: str, name: str) -> str | None:
    """The job that the file ``name`` in ``folder`` is of; None for a name outside the grammar."""
    if folder == "sessions":
        kept = parse_exit(name)
        return kept[0] if kept is not None else None
    if folder == "transcripts":
        parsed = parse_outcome(name.removesuffix(".log") + ".json") if name.endswith(".log") else None
    else:
        parsed = parse_outcome(name)
    return parsed[0] if parsed is not None else None


def of_job(names: Names, job_id: str) -> Iterator[tuple[str, str]]:
    """Folder and name of each file of ``names`` that is of the job."""
    for folder, listed in names.items():
        for name in listed:
            if name.startswith(job_id) and job_of(folder, name) == job_id:
                yield folder, name


def by_job(names: Names) -> dict[str, list[tuple[str, str]]]:
    """Folder and name of each file, by job. Names outside the grammar are left out."""
    out: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for folder, listed in names.items():
        for name in listed:
            job_id = job_of(folder, name)
            if job_id is not None:
                out[job_id].append((folder, name))
    return out


def put_away(spool: Spool, files: Iterable[tuple[str, str]]) -> bool:
    """Put these files into the quarantine; whether none of them is left. The caller holds the job's fence."""
    done = True
    for folder, name in files:
        path = spool.path(folder, name)
        if not findings.put_away(spool, path) and fsio.exists(path):
            done = False
    return done


def last_attempt(spool: Spool, job_id: str) -> int:
    """The highest attempt of the job that has ended, by the names of outcomes and late results; 0 without one."""
    begin = f"{job_id}.a"
    found = (parse_outcome(name) for name in spool.names("outcomes") if name.startswith(begin))
    return max((parsed[1] for parsed in found if parsed is not None and parsed[0] == job_id), default=0)
