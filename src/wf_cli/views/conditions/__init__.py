"""What keeps jobs from being worked on, as data: `wf explain`, `wf doctor`, `wf spool ls`, `wf worker ls` and
`wf dispatch` draw from here, so that they say the same and name the same command.

::

    condition   one condition: a sentence, the jobs that it keeps back, and the command that changes it
    sight       what the finders look at, each part read once and when it is first asked for
    pools       pauses, cool-downs, drain requests, pools that no worker serves
    programs    agent programs that cannot be started, for want of a file or of a variable
    notifications  entries of ``notify`` that events wait for in vain
    workers     sessions that are gone, stopped by a signal, or silent
    machine     a disk that is full or read-only
    jobs        jobs with two tokens, without one, with a damaged spec, and held jobs
    plans       epics and plans that wait for a person

A finder raises OSError and WfError like any look at the spool. It starts no program. It costs a listing of what it
is about, and never a read of every job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wf_cli.views.conditions import jobs, machine, notifications, plans, pools, programs, workers
from wf_cli.views.conditions.condition import Condition
from wf_cli.views.conditions.sight import Sight

__all__ = ["Condition", "Sight", "of_pools", "of_project"]

#: The finders of what keeps whole pools or sessions from work, in the order in which a person would repair it.
_OF_POOLS: tuple[Callable[[Sight], Iterator[Condition]], ...] = (
    machine.disk,
    pools.stops,
    pools.drains,
    pools.unknown_runtimes,
    programs.missing,
    programs.variables,
    workers.gone,
    workers.stopped,
    workers.silent,
    pools.unserved,
)
_OF_JOBS: tuple[Callable[[Sight], Iterator[Condition]], ...] = (
    jobs.doubled,
    jobs.held,
    plans.waiting,
    notifications.failing,
)


def of_pools(sight: Sight) -> list[Condition]:
    """What keeps pools and sessions from work."""
    return [condition for find in _OF_POOLS for condition in find(sight)]


def of_project(sight: Sight) -> list[Condition]:
    """The same, and the jobs, plans and epics for which a person has to act."""
    return [*of_pools(sight), *(condition for find in _OF_JOBS for condition in find(sight))]
