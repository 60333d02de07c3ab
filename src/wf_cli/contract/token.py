"""A token's file name: everything about a job that changes, in one string (docs/explanation/spool-protocol.md).

::

    queued/ held/      5.1764000000000.e01-p03-i0-code-plan-coder.plan-coder@opencode.a0b0of3.json
                       5.1764000030000d30. ...             not ready before that time; 30 s at most
    claimed/ running/  ...a1b0of3.opencode-box1-7f3a9c2e.json
    done/ dead/        ...a1b0of3.succeeded.json           succeeded, cancelled; failed

Only ``[a-z0-9-]`` inside a component (and the ``@`` of the pool), an exact number of components per
directory, numbers without leading zeros: names survive case-insensitive and normalising file systems,
and every sync tool's conflict copy falls outside the grammar. `parse` refuses everything else.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from functools import lru_cache

from wf_cli.contract.lifecycle import DIRECTORIES, FINISHED_STATUSES, LIVE_DIRECTORIES, Status
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen

JOB_ID_LIMIT = 96
POOL_LIMIT = 48
OWNER_LIMIT = 48
#: Digits of the time component: equal width keeps "sort the names" and "sort by time" the same.
TIME_DIGITS = 13
#: Attempts, burned and budget stay below this, so that the longest name fits the 255 bytes of a file name.
NUMBER_LIMIT = 10**6

#: The pattern of a component.
WORD = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NUMBER = r"(?:0|[1-9][0-9]{0,5})"
_HEAD = re.compile(
    rf"(?P<priority>[0-9])\.(?P<time>[0-9]{{{TIME_DIGITS}}})(?:d(?P<delay>[1-9][0-9]{{0,8}}))?"
    rf"\.(?P<job>{WORD})\.(?P<role>{WORD})@(?P<runtime>{WORD})"
    rf"\.a(?P<attempt>{_NUMBER})b(?P<burned>{_NUMBER})of(?P<budget>[1-9][0-9]{{0,5}})"
    rf"(?:\.(?P<last>{WORD}))?\.json",
    re.ASCII,
)
_WORD_ONLY = re.compile(WORD, re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{16}")


def is_word(text: str) -> bool:
    """Whether ``text`` may stand as a component: ``[a-z0-9-]``, no dash at either end."""
    return _WORD_ONLY.fullmatch(text) is not None


@frozen
class Pool:
    """What a job may be taken by: a role, on a runtime."""

    role: str
    runtime: str

    def __str__(self) -> str:
        return f"{self.role}@{self.runtime}"

    def __post_init__(self) -> None:
        if not (is_word(self.role) and is_word(self.runtime)) or len(str(self)) > POOL_LIMIT:
            raise ContractError(
                f"{self.role}@{self.runtime} is not a pool",
                hint=f"role and runtime take [a-z0-9-], {POOL_LIMIT} bytes together",
            )


@frozen
class Token:
    """A job's file in a state directory. ``owner`` in claimed and running, ``status`` in done and dead."""

    priority: int
    #: Wall-clock ms: when it was put there, or with ``delay_s`` when it gets ready.
    time_ms: int
    job_id: str
    pool: Pool
    attempt: int
    burned: int
    budget: int
    delay_s: int = 0
    owner: str | None = None
    status: str | None = None
    #: `name`, once it was asked for: a transition asks for it again and again.
    _name: str = field(default="", init=False, repr=False, compare=False)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The file name."""
        if not self._name:
            object.__setattr__(self, "_name", self._written())
        return self._name

    def _written(self) -> str:
        delay = f"d{self.delay_s}" if self.delay_s else ""
        last = self.owner or self.status
        return (
            f"{self.priority}.{self.time_ms:0{TIME_DIGITS}d}{delay}.{self.job_id}.{self.pool}"
            f".a{self.attempt}b{self.burned}of{self.budget}{'.' + last if last else ''}.json"
        )

    def claimed_by(self, owner: str) -> Token:
        """The same job as the next attempt of ``owner``."""
        return replace(self, attempt=self.attempt + 1, owner=owner, status=None)

    def queued_at(self, time_ms: int, delay_s: int = 0, *, burned: int | None = None) -> Token:
        """The same job waiting again."""
        burned = self.burned if burned is None else burned
        return replace(self, time_ms=time_ms, delay_s=delay_s, burned=burned, owner=None, status=None)

    def finished(self, status: str, *, burned: int | None = None) -> Token:
        """The same job at its end."""
        burned = self.burned if burned is None else burned
        return replace(self, burned=burned, delay_s=0, owner=None, status=status)


@frozen
class Placed:
    """A token and the directory it was listed in."""

    folder: str
    token: Token

    @property
    def status(self) -> Status:
        """The stored status (never stalled)."""
        return Status(self.token.status or self.folder)


def validate(token: Token) -> Token:
    """``token`` if its name can be parsed back; ContractError otherwise (a component too long, say)."""
    directory = "claimed" if token.owner else "done" if token.status else "queued"
    if token.status == "failed":
        directory = "dead"
    if parse(directory, token.name) != token:
        raise ContractError(f"{token.name} is not a valid token name", code="INVALID_TOKEN")
    return token


@lru_cache(maxsize=64)
def _pool(role: str, runtime: str) -> Pool:
    return Pool(role, runtime)


@lru_cache(maxsize=16384)
def parse(directory: str, name: str) -> Token | None:
    """The token that ``name`` is in ``directory``; None for everything outside the grammar.

    A loop that lists a directory again parses only the names that are new in it; the cache is bounded.
    """
    if directory not in DIRECTORIES or len(name) > 255:
        return None
    match = _HEAD.fullmatch(name)
    if match is None:
        return None
    job, last = match["job"], match["last"]
    if len(job) > JOB_ID_LIMIT or len(match["role"]) + len(match["runtime"]) + 1 > POOL_LIMIT:
        return None
    owner = status = None
    if directory in ("claimed", "running"):
        if last is None or len(last) > OWNER_LIMIT or match["attempt"] == "0":  # Attempts begin with 1.
            return None
        owner = last
    elif directory in LIVE_DIRECTORIES:
        if last is not None:
            return None
    else:
        if last not in FINISHED_STATUSES:
            return None
        if directory != "archive" and (directory == "dead") != (last == "failed"):
            return None
        status = last
    return Token(
        priority=int(match["priority"]),
        time_ms=int(match["time"]),
        job_id=job,
        pool=_pool(match["role"], match["runtime"]),
        attempt=int(match["attempt"]),
        burned=int(match["burned"]),
        budget=int(match["budget"]),
        delay_s=int(match["delay"] or 0),
        owner=owner,
        status=status,
    )


_FINISHED = re.compile(
    rf"[0-9]\.[0-9]{{{TIME_DIGITS}}}\.(?:{WORD})\.(?:{WORD})@(?:{WORD})"
    rf"\.a{_NUMBER}b{_NUMBER}of[1-9][0-9]{{0,5}}\.(?:succeeded|cancelled|failed)\.json",
    re.ASCII,
)


def finished_job(directory: str, name: str) -> tuple[str, str] | None:
    """Job id and status of a name in ``done``, ``dead`` or ``archive``; None for one that `parse` refuses there.

    It costs a fraction of parsing, for whoever counts many. The rare name with a delay is parsed.
    """
    if _FINISHED.fullmatch(name) is None or len(name) > 255:
        token = parse(directory, name)
        return None if token is None else (token.job_id, token.status or "")
    _, _, job, pool, _, status, _ = name.split(".")
    if len(job) > JOB_ID_LIMIT or len(pool) > POOL_LIMIT:
        return None
    if directory != "archive" and (directory == "dead") != (status == "failed"):
        return None
    return job, status


def job_of(directory: str, name: str) -> str | None:
    """The job id of the token ``name`` in ``directory``; None for a name that `parse` refuses there."""
    if directory in LIVE_DIRECTORIES:
        token = parse(directory, name)
        return None if token is None else token.job_id
    found = finished_job(directory, name)
    return None if found is None else found[0]


def staged_name(token: Token, nonce: str) -> str:
    """The name of a staged enqueue in ``tmp/``."""
    return f"{token.name}.{nonce}"


def parse_staged(name: str) -> tuple[Token, str] | None:
    """Token and nonce of a staged enqueue; None for everything else in ``tmp/``."""
    head, _, nonce = name.rpartition(".")
    token = parse("queued", head)
    if token is None or _NONCE.fullmatch(nonce) is None:
        return None
    return token, nonce


_OUTCOME = re.compile(
    rf"(?P<job>{WORD})\.a(?P<attempt>[1-9][0-9]{{0,5}})(?:\.(?P<owner>{WORD})\.late)?\.json", re.ASCII
)


def outcome_name(job_id: str, attempt: int) -> str:
    """The one name of an attempt's outcome in ``outcomes/``."""
    return f"{job_id}.a{attempt}.json"


def late_name(job_id: str, attempt: int, owner: str) -> str:
    """The name of what a superseded attempt of ``owner`` produced."""
    return f"{job_id}.a{attempt}.{owner}.late.json"


def parse_outcome(name: str) -> tuple[str, int, str | None] | None:
    """Job id, attempt and (of a late result) owner of a name in ``outcomes/``."""
    match = _OUTCOME.fullmatch(name)
    if match is None or len(match["job"]) > JOB_ID_LIMIT or len(match["owner"] or "") > OWNER_LIMIT:
        return None
    return match["job"], int(match["attempt"]), match["owner"]


def mark(token: Token) -> str:
    """``WF_JOB_TOKEN`` of a running token: unique to the attempt, and the mark of all its processes."""
    return f"{token.job_id}.a{token.attempt}.{token.owner}"


_MARK = re.compile(rf"(?P<job>{WORD})\.a(?P<attempt>[1-9][0-9]{{0,5}})\.(?P<owner>{WORD})", re.ASCII)


def exit_name(mark: str) -> str:
    """The name of what the launcher of the attempt ``mark`` keeps of its agent's exit, in ``sessions/``."""
    return f"{mark}.exit.json"


def parse_exit(name: str) -> tuple[str, int, str] | None:
    """Job id, attempt and owner of the name of a kept exit; None for every other name in ``sessions/``."""
    return parse_mark(name.removesuffix(".exit.json")) if name.endswith(".exit.json") else None


def parse_mark(text: str) -> tuple[str, int, str] | None:
    """Job id, attempt and owner of a ``WF_JOB_TOKEN``; None when it is none."""
    match = _MARK.fullmatch(text)
    if match is None or len(match["job"]) > JOB_ID_LIMIT or len(match["owner"]) > OWNER_LIMIT:
        return None
    return match["job"], int(match["attempt"]), match["owner"]
