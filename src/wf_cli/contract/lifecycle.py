"""The life of a job, as one table. Tests, docs and the queue derive from it.

::

    enqueue             claim              start              end: succeeded, cancelled
       ────▶  queued  ────────▶  claimed  ────────▶  running  ────────▶  done
               ▲ │ ▲               │ end: released, lost  │ end: released, failed, lost
          hold │ │ └───────────────┴──────────────────────┤   (attempts left: queued again)
               ▼ │ release                                │
              held  ◀─────────── its money is spent ──────┤
                                                          └────────▶  dead   (attempts used up, permanent)

A status is the directory its token lies in. ``stalled`` is not stored: a claimed or running job whose
session is proven dead, or whose lease was seen unchanged for its whole duration, is stalled.

In the spool of a node that is not the home (docs/explanation/synced.md) no job waits again: what was given back is
cancelled, what failed or was lost is failed, and `SpoolQueue.adopt` queues the job's next attempt.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a job is. The docstring of each says who moves it on, and what a crash leaves behind."""

    #: The job waits for a worker of its pool. A crash of any process leaves it here.
    QUEUED = "queued"
    #: A session took it and has not started an agent. A crash leaves it here until a reaper ends the attempt.
    CLAIMED = "claimed"
    #: An agent may be at work. A crash leaves it here until a reaper ends the attempt and its processes.
    RUNNING = "running"
    #: An operator, or a spent budget, keeps it from being claimed.
    HELD = "held"
    #: In done/: its last attempt's outcome was accepted as success.
    SUCCEEDED = "succeeded"
    #: In done/: ended by an operator, or superseded by what happened to its plan.
    CANCELLED = "cancelled"
    #: In dead/: the dead letter, after a spent budget or a permanent error. Only `wf retry` moves it.
    FAILED = "failed"
    #: Derived, never stored: see the module docstring.
    STALLED = "stalled"


class Action(StrEnum):
    """What can be done to a job."""

    CLAIM = "claim"
    START = "start"
    SUCCEED = "succeed"
    FAIL = "fail"
    RELEASE = "release"
    LOSE = "lose"
    CANCEL = "cancel"
    HOLD = "hold"
    UNHOLD = "unhold"
    RETRY = "retry"


S, A = Status, Action

#: (status, action) -> the statuses it can lead to. A pair that is not listed is illegal.
TRANSITIONS: dict[tuple[Status, Action], frozenset[Status]] = {
    (S.QUEUED, A.CLAIM): frozenset({S.CLAIMED}),
    (S.QUEUED, A.HOLD): frozenset({S.HELD}),
    (S.QUEUED, A.CANCEL): frozenset({S.CANCELLED}),
    (S.HELD, A.UNHOLD): frozenset({S.QUEUED}),
    (S.HELD, A.CANCEL): frozenset({S.CANCELLED}),
    (S.CLAIMED, A.START): frozenset({S.RUNNING}),
    (S.CLAIMED, A.SUCCEED): frozenset({S.SUCCEEDED}),
    (S.CLAIMED, A.FAIL): frozenset({S.QUEUED, S.FAILED}),
    (S.CLAIMED, A.RELEASE): frozenset({S.QUEUED, S.HELD, S.FAILED}),
    (S.CLAIMED, A.LOSE): frozenset({S.QUEUED, S.FAILED}),
    (S.CLAIMED, A.CANCEL): frozenset({S.CANCELLED}),
    (S.RUNNING, A.SUCCEED): frozenset({S.SUCCEEDED}),
    (S.RUNNING, A.FAIL): frozenset({S.QUEUED, S.FAILED}),
    (S.RUNNING, A.RELEASE): frozenset({S.QUEUED, S.HELD, S.FAILED}),
    (S.RUNNING, A.LOSE): frozenset({S.QUEUED, S.FAILED}),
    (S.RUNNING, A.CANCEL): frozenset({S.CANCELLED}),
    (S.FAILED, A.RETRY): frozenset({S.QUEUED}),
    (S.CANCELLED, A.RETRY): frozenset({S.QUEUED}),
    (S.SUCCEEDED, A.RETRY): frozenset({S.QUEUED}),  # with --force
}

#: The directory of a stored status.
DIRECTORY: dict[Status, str] = {
    S.QUEUED: "queued",
    S.CLAIMED: "claimed",
    S.RUNNING: "running",
    S.HELD: "held",
    S.SUCCEEDED: "done",
    S.CANCELLED: "done",
    S.FAILED: "dead",
}

#: Directories of live jobs, in the order a job passes through them.
LIVE_DIRECTORIES = ("queued", "held", "claimed", "running")
#: Every directory that can hold tokens.
DIRECTORIES = (*LIVE_DIRECTORIES, "done", "dead", "archive")
#: Last component of a finished token's name.
FINISHED_STATUSES = frozenset({"succeeded", "cancelled", "failed"})

LIVE = frozenset({S.QUEUED, S.HELD, S.CLAIMED, S.RUNNING, S.STALLED})
FINISHED = frozenset({S.SUCCEEDED, S.CANCELLED, S.FAILED})


def allowed(status: Status, action: Action) -> bool:
    """Whether ``action`` is legal in ``status``."""
    return (status, action) in TRANSITIONS
