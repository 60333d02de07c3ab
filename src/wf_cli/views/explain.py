"""Why a job is in its state and what would move it, as a list of conditions with the command that changes each."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wf_cli import clock as times
from wf_cli import fsio
from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.step import STEPS, named
from wf_cli.contract.token import Placed, Token, mark
from wf_cli.errors import Absent, WfError
from wf_cli.frozen import frozen
from wf_cli.planjobs import absence, behind
from wf_cli.spool import late, predecessors, scan, session
from wf_cli.spool.liveness import GONE, Verdict
from wf_cli.views import conditions as found_by
from wf_cli.views.conditions import jobs, pools
from wf_cli.views.conditions.condition import Condition
from wf_cli.views.conditions.plans import around_the_job
from wf_cli.views.conditions.sight import Sight
from wf_cli.views.rows import last_time
from wf_cli.views.viewer import Viewer
from wf_cli.workflow import epics, plans, snapshot
from wf_cli.workflow.project import Project


@frozen
class Explanation:
    """The state of a job, its reason in one line (``summary``), and the command that would move it (``next``)."""

    job_id: str
    status: str
    summary: str
    conditions: tuple[Condition, ...]
    next: str | None

    def to_json(self) -> dict[str, Any]:
        conditions = [condition.to_json() for condition in self.conditions]
        return {
            "job_id": self.job_id,
            "status": self.status,
            "summary": self.summary,
            "conditions": conditions,
            "next": self.next,
        }


def explanation(
    placed: Placed, sight: Sight, *, epic_paused: Callable[[str], bool], project: Project | None = None
) -> Explanation:
    """Why the job of ``placed`` is in its state. ``sight`` is about this job.

    With ``project`` its plans are looked at, too.
    """
    viewer = sight.viewer
    token, status = placed.token, viewer.status(placed)
    status_text, conditions = "archived", list[Condition]()
    if placed.folder != "archive":
        status_text = str(status)
        conditions = [
            *_there(placed.token, status, project),
            *jobs.two_tokens(viewer.spool, placed),
            *_conditions(placed, status, sight, epic_paused),
            *_number(placed, status, project),
            *_approved(placed.token, status, sight, project),
        ]
    missing = [c for c in conditions if c.holds is False]
    reason = viewer.reason(placed)
    summary = {
        "queued": f"it waits: {missing[0].text}" if missing else "it is ready; the next free worker takes it",
        "held": f"it is held: {reason}"
        if _held_by_its_end(token, viewer)
        else "an operator holds it; no worker takes it",
        "claimed": f"{token.owner} has claimed it and starts its agent",
        "running": f"{token.owner} has it in hand (attempt {token.attempt}), and {missing[0].text}"
        if missing
        else f"{token.owner} works on it (attempt {token.attempt})",
        "stalled": f"{reason}; the next worker that looks ends the attempt and the job is queued again",
        "failed": f"it is in the dead letter after {token.attempt} attempt(s): {reason or 'no outcome says why'}",
        "cancelled": f"it was cancelled{f': {reason}' if reason else ''}",
        "succeeded": f"it succeeded at attempt {token.attempt}",
        "archived": f"it ended as {token.status} and was put away; its key stays taken",
    }[status_text]
    command = missing[0].command if missing else _next(token, status_text)
    return Explanation(token.job_id, status_text, summary, tuple(conditions), command)


def _held_by_its_end(token: Token, viewer: Viewer) -> bool:
    """Whether wf holds the job, by its last outcome, because a cost limit is reached. Else an operator holds it."""
    end = viewer.last_end(token)
    return end is not None and end.to == "held"


def _next(token: Token, status: str) -> str | None:
    if status == "archived":
        status = token.status or ""
    return {
        "running": f"wf logs -f {token.job_id}",
        "succeeded": f"wf retry --force {token.job_id}",
        "cancelled": f"wf retry {token.job_id}",
        "failed": f"wf retry {token.job_id}",
    }.get(status)


def _conditions(
    placed: Placed, status: Status, sight: Sight, epic_paused: Callable[[str], bool]
) -> Iterator[Condition]:
    viewer = sight.viewer
    match status:
        case Status.QUEUED | Status.HELD:
            if status is Status.HELD:
                why = f": {viewer.reason(placed)}" if _held_by_its_end(placed.token, viewer) else ""
                yield Condition(
                    "not_held",
                    False,
                    f"it is held{why}",
                    jobs.release(placed.token.job_id, viewer.last_end(placed.token)),
                )
            yield from _waiting(placed.token, sight, epic_paused)
        case Status.CLAIMED | Status.RUNNING | Status.STALLED:
            yield from _at_work(placed.token, sight)
        case Status.FAILED:
            yield from _dead(placed.token, viewer)
        case _:
            pass
    if status in (Status.QUEUED, Status.HELD, Status.FAILED):
        yield from _unknown(placed.token, viewer)
    yield from _fence(placed.token, viewer)
    yield from _late(placed.token, viewer)


# -- waiting


def _waiting(token: Token, sight: Sight, epic_paused: Callable[[str], bool]) -> Iterator[Condition]:
    viewer, runtime = sight.viewer, token.pool.runtime
    yield from jobs.spec(viewer.spool, token)
    covering = [condition for condition in found_by.of_pools(sight) if condition.scope.covers(token)]
    named = {condition.name for condition in covering}
    for name, text in (("not_paused", "is not paused"), ("not_cooling_down", "is not cooling down")):
        if name not in named:
            yield Condition(name, True, f"{runtime} {text}")
    yield from (condition for condition in covering if condition.name != "worker")
    if token.delay_s:
        due = viewer.clock.now_ms() >= token.time_ms
        text = f"{'it was' if due else 'it is'} delayed until {times.iso(token.time_ms)}"
        end = viewer.last_end(token)
        if end is not None:
            text += f"; {last_time(end.text, viewer.age_s(end))}"
        yield Condition("ready", due, text, None if due else f"wf retry --now {token.job_id}")
    predecessor = viewer.predecessor(token)
    if predecessor is not None:
        yield Condition("predecessor_gone", False, predecessor, "wf worker ls")
    yield from (condition for condition in covering if condition.name == "worker")
    yield from _workers(token, sight)
    target = target_of(token.job_id)
    if target is None:
        return
    others = [p.token for p in scan.taken(viewer.spool) if target_of(p.token.job_id) is not None]
    taken = ", ".join(sorted({_work(t) for t in others}))
    text = f"the checkout is taken by {taken}" if taken else "the checkout is free"
    command = f"wf cancel {others[0].job_id}" if others else None
    yield Condition("checkout_free", not others, text, command)
    if target.epic_id is not None:
        paused = epic_paused(target.epic_id)
        text = f"epic {target.epic_id} is {'paused' if paused else 'not paused'}"
        yield Condition("epic_not_paused", not paused, text, f"wf epic resume {target.epic_id}" if paused else None)


def _there(token: Token, status: Status, project: Project | None) -> Iterator[Condition]:
    """A job that waits is not claimed while its plan is not in the checkout, or behind there, or cannot be read."""
    target = target_of(token.job_id)
    if project is None or target is None or target.plan_id is None or status not in (Status.QUEUED, Status.HELD):
        return
    error = behind.objection(project, target)
    if isinstance(error, Absent):
        is_behind = error.code == "PLAN_BEHIND"
        found = behind.trace(project, target) if is_behind else absence.trace(project, target.plan_id, target.epic_id)
        command = found.command or f"wf cancel {token.job_id}"
        yield Condition("plan_there", False, f"{error.message}; {found.text}", command)
    elif error is not None:
        yield Condition("plan_readable", False, error.told, "wf doctor")


def _approved(token: Token, status: Status, sight: Sight, project: Project | None) -> Iterator[Condition]:
    """The condition that a person has approved what a waiting job is about, where the configuration asks for it."""
    target = target_of(token.job_id)
    if project is None or target is None or target.plan_id is None or status not in (Status.QUEUED, Status.HELD):
        return
    step = STEPS.get(target.command)
    if step is None or step.approval is None or step.approval not in sight.means.dispatch_settings().approve:
        return
    try:
        now = snapshot.take(plans.with_number(project, target.plan_id))
    except WfError:
        return  # Another condition names a plan that is away, or that cannot be read.
    text = now.unapproved(step.approval) if now.phase in step.begins_in else None
    if text is not None:
        told = f"plan {target.plan_id} waits for approval of {named(step.approval, text, files=True)}"
        yield Condition("approved", False, told, f"wf approve {target.plan_id}")


def _number(placed: Placed, status: Status, project: Project | None) -> Iterator[Condition]:
    """The condition that only one plan has the number, because workers do not claim the job otherwise."""
    target = target_of(placed.token.job_id)
    if project is None or target is None or status not in (Status.QUEUED, Status.HELD):
        return
    try:
        if target.plan_id is None:
            epics.refuse_shared(project, target.epic_id or "")
        else:
            plans.refuse_shared(project, target.plan_id)
    except plans.NumberShared as shared:
        command = around_the_job(shared.repair[0], target.plan_id or "", [placed])
        yield Condition("plan_number", False, shared.message, command)
    except epics.NumberShared as shared:
        yield Condition("epic_number", False, shared.message, shared.repair[0])


def _work(token: Token) -> str:
    target = target_of(token.job_id)
    if target is None:
        return token.job_id
    what = f"epic {target.epic_id}" if target.plan_id is None else f"plan {target.plan_id}"
    return f"{what} ({token.job_id})"


def _workers(token: Token, sight: Sight) -> Iterator[Condition]:
    """The conditions that a worker serves the pool and has a free slot. That none serves it is told by `pools`."""
    serving = pools.worker(sight, token.pool)
    if serving is None:
        return
    yield serving
    busy = scan.busy_owners(sight.viewer.spool)
    views = sight.served(token.pool)
    free = [view.owner for view in views if view.record is not None and busy[view.owner] < view.record.concurrency]
    text = f"{free[0]} has a free hand" if free else f"each of {len(views)} worker(s) is busy"
    yield Condition("worker_free", bool(free), text, None if free else pools.start(token.pool))


# -- at work


def _at_work(token: Token, sight: Sight) -> Iterator[Condition]:
    viewer, owner = sight.viewer, token.owner or ""
    covering = [condition for condition in found_by.of_pools(sight) if condition.scope.covers(token)]
    verdict = viewer.verdict(owner)
    if not any(condition.name == "session_alive" for condition in covering):
        alive = False if verdict in GONE else True if verdict is Verdict.ALIVE else None
        yield Condition("session_alive", alive, f"the session {owner} is {verdict}")
    yield from covering
    found = session.read(viewer.spool, owner)
    agent = next((a for a in getattr(found, "agents", ()) if a.mark == mark(token)), None)
    if agent is None or found is None:
        yield Condition("agent", None, "its session names no agent: not started yet, or just ended")
    elif found.on_this_host and not predecessors.lives_here(agent):
        yield Condition("agent", False, f"its agent (process {agent.pid}) has ended")
    else:
        where = "" if found.on_this_host else f" on {found.host}"
        yield Condition("agent", True, f"its agent runs (process {agent.pid}{where})", f"wf logs -f {token.job_id}")


def _dead(token: Token, viewer: Viewer) -> Iterator[Condition]:
    end = viewer.last_end(token)
    left = token.budget - token.burned
    text = f"{token.burned} of {token.budget} attempts that count are used up"
    yield Condition("budget_left", left > 0, text, jobs.retry(token, end))
    if end is not None and end.code is not None:
        permanent = end.error_class == "permanent"
        text = f"the last error was {end.code} ({end.error_class or 'unknown class'}): {end.message or ''}".rstrip(
            ": "
        )
        show, again = f"wf spool show {token.job_id}", jobs.retry(token, end)
        yield Condition(
            "may_help_to_retry", not permanent, text, show if again == f"wf retry {token.job_id}" else again
        )


def _unknown(token: Token, viewer: Viewer) -> Iterator[Condition]:
    """How to tell wf what the message means that the last attempt ended with, when it is not known."""
    end = viewer.last_end(token)
    if end is None or end.code not in ("crashed", "refused"):
        return
    said = (end.message or "").rpartition(": ")[2] or "part of the message"
    head = re.match(r"\D{15,}(?=\s)", said)
    said = head[0] if head is not None else said  # times and counts change
    pattern = json.dumps(re.sub(r"[\[\]\\.^$*+?{}()|]", r".", said[:80]), ensure_ascii=False)
    text = (
        "what its agent said is not known. If it is a refusal of the provider, say so in wf.config: "
        f"runtimes: {{{token.pool.runtime}: {{failures: {{{pattern}: usage_limit}}}}}}"
    )
    yield Condition("message_known", None, text, f"wf spool show {token.job_id}")


# -- the fence and late results


def _fence(token: Token, viewer: Viewer) -> Iterator[Condition]:
    holders = _lock_holders(viewer.spool.path("locks", f"{token.job_id}.lock"))
    if holders:
        text = f"its fence is held by process {', '.join(map(str, holders))}: a command works on the job or its plan"
        yield Condition("fence_free", False, text, f"ps -p {','.join(map(str, holders))}")


def _lock_holders(path: Path) -> list[int]:
    """The processes of this host that hold the flock of ``path``. Only Linux tells; elsewhere the list is empty."""
    try:
        info = fsio.facts(path)
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
    place = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    fields = [line.split() for line in lines]
    return sorted({int(f[4]) for f in fields if len(f) > 5 and f[1] == "FLOCK" and f[5] == place and f[4] != "-1"})


def _late(token: Token, viewer: Viewer) -> Iterator[Condition]:
    for kept in late.listing(viewer.spool, token.job_id):
        yield Condition("no_late_result", None, f"a superseded attempt left a late result: {kept}", "wf late ls")
