"""The `Viewer`, which tells each job's status (with the derived `stalled`) and how its last attempt ended."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.contract.identity import Target, job_id_for, matches_prefix, target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed, Token
from wf_cli.errors import Absent, WfError
from wf_cli.frozen import frozen
from wf_cli.spool.control import Requests
from wf_cli.spool.layout import Spool

if TYPE_CHECKING:
    from wf_cli.spool.liveness import Observer, Verdict
    from wf_cli.workflow.project import Project

#: The most bytes of an outcome that are read for a view; a longer one is shown as unknown.
_GLANCE_LIMIT = 4 * 1024 * 1024
_TAKEN = frozenset({Status.CLAIMED, Status.RUNNING})


@frozen
class LastEnd:
    """How an attempt ended, from its outcome file. For showing only, because the file is not validated."""

    end: str
    to: str
    owner: str | None = None
    by: str | None = None
    code: str | None = None
    error_class: str | None = None
    message: str | None = None
    reason: str | None = None
    ended_at: str | None = None

    @property
    def text(self) -> str:
        """Why the attempt ended so, in one line."""
        if self.reason:
            return self.reason
        failure = ": ".join(part for part in (self.code, self.message) if part)
        return failure or self.end


class Viewer:
    """Reads each file at most once between two calls of `refresh`. Not thread-safe.

    A viewer that is kept and refreshed (``--watch``) observes leases over time, so it sees the lease of another host
    expire. A fresh one knows only deaths that can be proven.
    """

    def __init__(self, spool: Spool, clock: Clock, project: Project | None = None):
        """With ``project`` the reason of a job that waits tells whether its plan is in the checkout."""
        self._project = project
        self._waits: dict[str, str | None] = {}
        self.spool = spool
        self.clock = clock
        #: Kept, because a request's end is told from when it was seen first.
        self.requests = Requests(spool, clock)
        self._observer: Observer | None = None
        self._verdicts: dict[str, Verdict] = {}
        self._ends: dict[tuple[str, int], LastEnd | None] = {}

    def refresh(self) -> None:
        """Forget the verdicts and outcomes read so far. What was seen of leases is kept."""
        self._verdicts.clear()
        self._ends.clear()
        self._waits.clear()

    def verdict(self, owner: str) -> Verdict:
        """The verdict on a session, from its files and the leases observed so far."""
        if owner not in self._verdicts:
            if self._observer is None:
                from wf_cli.spool.liveness import Observer  # only jobs at work need it

                self._observer = Observer(self.spool, self.clock)
            self._verdicts[owner] = self._observer.verdict(owner)
        return self._verdicts[owner]

    def is_gone(self, owner: str) -> bool:
        """Whether a reaper would end this session's attempts."""
        from wf_cli.spool.liveness import GONE

        return self.verdict(owner) in GONE

    def status(self, placed: Placed) -> Status:
        """The status by the token's directory, or `stalled` for a job at work whose session is gone."""
        status, owner = placed.status, placed.token.owner
        return Status.STALLED if status in _TAKEN and owner is not None and self.is_gone(owner) else status

    def last_end(self, token: Token) -> LastEnd | None:
        """How the job's last finished attempt ended; None without one, or when its file cannot be read."""
        # The attempt of a claimed or running token has not ended, so the one before it is the last.
        number = token.attempt - 1 if token.owner is not None else token.attempt
        if number < 1:
            return None
        key = (token.job_id, number)
        if key not in self._ends:
            self._ends[key] = _read_end(self.spool, *key)
        return self._ends[key]

    def reason(self, placed: Placed) -> str | None:
        """Why the job is in its state, from its session or last outcome; None when these do not say."""
        status = self.status(placed)
        if status is Status.STALLED:
            return f"its session {placed.token.owner} is {self.verdict(placed.token.owner or '')}"
        if status in _TAKEN or status is Status.SUCCEEDED:
            return None
        if status in (Status.QUEUED, Status.HELD):
            waits = self._waits_now(placed.token)
            if waits is not None:
                return waits
        end = self.last_end(placed.token)
        if end is None:
            return None
        if status is Status.FAILED:
            return end.text
        # A job that was cancelled while it waited has no outcome of its own; the last one is of an attempt before.
        if status is Status.CANCELLED:
            return end.text if end.end == "cancelled" else None
        if end.to == placed.folder:
            return end.text
        return f"{'released' if end.to == 'held' else 'retried'} after {end.text}"

    def past_s(self, placed: Placed) -> float | None:
        """Seconds since what `reason` tells of a queued job, by this host's clock; None when it tells of now.

        What an attempt ended with may be repaired since, so the reason of a queued job is its last one.
        """
        if self.status(placed) is not Status.QUEUED or self._waits_now(placed.token) is not None:
            return None
        end = self.last_end(placed.token)
        return self.age_s(end) if end is not None else None

    def age_s(self, end: LastEnd) -> float | None:
        """Seconds since an attempt ended, by this host's clock; None when its outcome does not tell."""
        from wf_cli.clock import parse_iso_ms

        at_ms = parse_iso_ms(end.ended_at or "")
        return None if at_ms is None else round(max(0, self.clock.now_ms() - at_ms) / 1000, 3)

    def predecessor(self, token: Token) -> str | None:
        """Which agent of an earlier attempt keeps a waiting job from being claimed; None when none is known to.

        Only an attempt that somebody else ended than its owner can have left one.
        """
        end = self.last_end(token)
        if end is None or end.by == end.owner:
            return None
        from wf_cli.spool import predecessors  # Only jobs that were cancelled or lost need it.

        try:
            found = predecessors.living(self.spool, token.job_id, token.attempt, self.verdict)
            return next((one.text for one in found), None)
        except OSError:
            return None

    def _waits_now(self, token: Token) -> str | None:
        """What a job waits for that is looked at now."""
        return self._waits_for_plan(token) or self.predecessor(token)

    def _waits_for_plan(self, token: Token) -> str | None:
        """Why a job waits for the files of its plan, as far as the disk surely tells; None when it does not."""
        target = target_of(token.job_id)
        if self._project is None or target is None or target.plan_id is None:
            return None
        if token.job_id not in self._waits:
            self._waits[token.job_id] = _waits_for_plan(self._project, target)
        return self._waits[token.job_id]


def _waits_for_plan(project: Project, target: Target) -> str | None:
    from wf_cli.planjobs import behind  # Only jobs of plans that wait need it.

    try:
        error = behind.objection(project, target)
    except (OSError, WfError):
        return None
    if error is None:
        return None
    if not isinstance(error, Absent):
        return error.told
    what = "behind" if error.code == "PLAN_BEHIND" else "not"
    return f"its plan is {what} in the checkout; `wf explain {job_id_for(target.dedupe_key)}` looks for it"


@frozen
class Criteria:
    """Criteria by which jobs are chosen. The values of one field are alternatives; an empty field fits all jobs."""

    statuses: frozenset[Status] = frozenset()
    roles: frozenset[str] = frozenset()
    runtimes: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    epics: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    #: Error codes and classes, of which the last outcome must have one.
    errors: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def fits(self, placed: Placed, viewer: Viewer) -> bool:
        """Whether the job fits. Outcomes are read last, and only for ``owners`` and ``errors``."""
        token = placed.token
        if (self.roles and token.pool.role not in self.roles) or (
            self.runtimes and token.pool.runtime not in self.runtimes
        ):
            return False
        if self.plans or self.epics:
            target = target_of(token.job_id)
            if target is None or not (
                (not self.plans or target.plan_id in self.plans) and (not self.epics or target.epic_id in self.epics)
            ):
                return False
        if self.statuses and viewer.status(placed) not in self.statuses:
            return False
        return self._fits_last_end(token, viewer)

    def _fits_last_end(self, token: Token, viewer: Viewer) -> bool:
        if self.owners:
            end = None if token.owner is not None else viewer.last_end(token)
            owner = token.owner or (end.owner if end is not None else None)
            if owner is None or not any(matches_prefix(owner, wanted) for wanted in self.owners):
                return False
        if self.errors:
            end = viewer.last_end(token)
            return end is not None and not self.errors.isdisjoint((end.code, end.error_class))
        return True


def _outcome(spool: Spool, job_id: str, attempt: int) -> bytes | str:
    try:
        return fsio.read_regular(spool.outcome_path(job_id, attempt), _GLANCE_LIMIT)
    except FileNotFoundError:
        entry = spool.packed(job_id)
        return (entry.outcome(attempt) if entry is not None else None) or ""


def _read_end(spool: Spool, job_id: str, attempt: int) -> LastEnd | None:
    try:
        value = json.loads(_outcome(spool, job_id, attempt))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("status"), str):
        return None
    error, where = _object(value.get("error")), _object(value.get("disposition"))
    return LastEnd(
        end=value["status"],
        to=_text(where.get("to")) or "",
        owner=_text(value.get("owner")),
        by=_text(value.get("by")),
        code=_text(error.get("code")),
        error_class=_text(error.get("class")),
        message=_text(error.get("message")),
        reason=_text(value.get("reason")),
        ended_at=_text(value.get("at")),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
