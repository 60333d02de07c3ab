"""The job `integrate`: a completed plan's branch into its target, or the plan back to its fixer with the reasons.

git's part is `wf_cli.workspace.merging`. Here is the plan's: whether it waits for this at all, what is recorded, and
what becomes of a conflict and of a red gate. Whoever repeats an integration that was killed ends it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from wf_cli.clock import iso
from wf_cli.contract import text
from wf_cli.contract.event import EventSink
from wf_cli.contract.step import COMPLETED, REVIEWING, Approval
from wf_cli.errors import Refused, Temporary
from wf_cli.frozen import frozen
from wf_cli.workflow import approvals, isolation, plans, references, reopen, snapshot
from wf_cli.workflow.isolation import ISOLATION, Isolation, Merging
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project
from wf_cli.workflow.snapshot import Snapshot
from wf_cli.workspace import leftover_locks, merging, names, touched
from wf_cli.workspace.merging import Conflicting, Merged, Moving, PlanRed, TargetRed, Way
from wf_cli.workspace.testing import Argv, Run

#: Digits of a commit, conflicting files, and lines of a gate's output, that people and agents are shown.
SHOWN, _PATHS, _LINES = 12, 10, 25


class Worktree(Protocol):
    """The worktree in which plans are merged into one target."""

    @property
    def top(self) -> Path: ...

    @property
    def below(self) -> str:
        """The project's folder below the top; empty where it is the top."""
        ...

    def put(self, top: Path, commit: str) -> None:
        """Let it hold ``commit``, and keep what lay there uncommitted."""
        ...


@frozen
class Tools:
    """What an integration works with."""

    #: Makes the worktree for a target ready.
    worktree: Callable[[str], Worktree]
    #: Runs one gate.
    run: Run
    events: EventSink
    gates: Sequence[Argv] = ()
    #: What a person has to approve.
    approve: Container[Approval] = ()
    #: That of `wf_cli.workspace.target.advance`, in seconds.
    patience: float = leftover_locks.PATIENCE


@frozen
class Done:
    """The end of an integration: ``commit`` has the plan, or ``item`` reopened it. ``again``: it was so before."""

    plan: Plan
    verdict: Literal["merged", "reopened"]
    target: str
    commit: str | None = None
    item: str | None = None
    told: str = ""
    again: bool = False


def integrate(project: Project, plan: Plan, tools: Tools) -> Done:
    """Merge ``plan`` into its target, or reopen it because of a conflict or a gate that is red with it.

    Raises Refused for a plan that does not wait for this (``NOT_ISOLATED``, ``NO_TARGET``, ``NOT_COMPLETED``,
    ``NOT_APPROVED``) and for a target that cannot take it (``TARGET_RED``, ``TARGET_CHECKED_OUT``); Temporary while
    the target moves all the time or another process merges into it; NotFound for a target that is gone; GitError;
    what the project's permit raises.
    """
    with project.changing(plan.id):
        now = snapshot.take(plan, project.clock)
        record = _need_record(plan, now)
        ended = _ended(plan, now, record)
        if ended is not None:
            return ended
        _refuse(plan, now, tools.approve)
        title = plans.title_of(plans.read_state(plan)) or references.slug_of(plan.name)
    target = _target(record)
    worktree = tools.worktree(target)
    message = touched.message_of(plan.id, title)
    way = Way(worktree.top, target, record.head, message, tools.gates, worktree.below)
    work = _Integration(project, plan, now, record, tools)
    verdict = merging.integrate(way, tools.run, work.permit, work.record, put=worktree.put, patience=tools.patience)
    match verdict:
        case Merged(commit):
            return Done(plan, "merged", target, commit=commit)
        case Conflicting(onto, paths):
            return work.reopened("merge", onto, paths, *_of_conflict(worktree.top, record, onto, paths, tools.gates))
        case PlanRed(onto):
            return work.reopened("gate", onto, (), *_of_gate(record, verdict))
        case TargetRed():
            raise _target_red(plan, target, verdict)
        case Moving(rounds, head):
            raise Temporary(
                f"{target} has moved {rounds} times while plan {plan.id} was merged into it, to {head[:SHOWN]} now",
                hint="try again when it rests",
                code="TARGET_MOVING",
            )


class _Integration:
    """What the plan's files say and get while git is at work."""

    def __init__(self, project: Project, plan: Plan, began: Snapshot, record: Isolation, tools: Tools):
        self._project = project
        self._plan = plan
        self._began = began
        self._record = record
        self._tools = tools

    @contextlib.contextmanager
    def permit(self) -> Iterator[None]:
        """Hold fence, plan and target, with the plan as it was when this began."""
        with self._unchanged(), self._project.lock(f"target-{names.into_key(_target(self._record))}"):
            yield

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        plan = self._plan
        with self._project.changing(plan.id):
            now = snapshot.take(plan, self._project.clock)
            if now.phase != COMPLETED or now.isolation is None or now.isolation.head != self._record.head:
                raise Temporary(
                    f"plan {plan.id} has changed while it was merged; nothing of this attempt counts",
                    hint=f"see wf context {plan.id}, then run it again",
                    code="PLAN_CHANGED",
                )
            _refuse(plan, now, self._tools.approve)
            yield

    def record(self, commit: str) -> None:
        """Note in the plan's state that ``commit`` of the target has it. Inside `permit`."""
        state = plans.need_state(self._plan)
        plans.write_state(self._plan, state, **{ISOLATION: isolation.with_merged(state, commit)})
        self._tools.events.emit(
            "plan.merged", plan_id=self._plan.id, epic_id=self._began.epic_id, branch=self._record.target,
            commit=commit,
        )  # fmt: skip

    def reopened(
        self, kind: reopen.Kind, onto: str, paths: Sequence[str], words: str, reasons: Sequence[str]
    ) -> Done:
        """Send the plan back to its fixer, who has to merge ``onto``."""
        plan, target = self._plan, _target(self._record)
        with self._unchanged():
            item = reopen.item_id(plan, kind)
            done = reopen.reopen(
                plan, item, words, reasons,
                at=iso(self._project.clock.now_ms()), merging=Merging(item, onto, tuple(paths)),
            )  # fmt: skip
        tell_reopened(self._tools.events, done, words, branch=target, commit=onto)
        return Done(plan, "reopened", target, item=item, told=words)


def tell_reopened(events: EventSink, done: reopen.Reopened, why: str, **facts: str) -> None:
    """The events of a plan that was reopened; ``facts`` are those of git (``branch``, ``commit``)."""
    ids = {"plan_id": done.plan.id, "epic_id": done.epic_id}
    events.emit("plan.reopened", **ids, reason=f"[{done.item}] {why}", **facts)
    events.emit("plan.phase", **ids, from_=done.before, to=REVIEWING)


# -- whether a plan waits for this


def _need_record(plan: Plan, now: Snapshot) -> Isolation:
    record = now.isolation
    if record is None:
        raise Refused(
            f"plan {plan.id} has no branch of its own, so there is nothing to merge",
            hint="its work is in the checkout already",
            code="NOT_ISOLATED",
            plan_id=plan.id,
        )
    if record.target is None:
        raise Refused(
            f"plan {plan.id} has no target; its branch {record.branch} is the result",
            hint=f"take it when you like: git merge {record.branch}",
            code="NO_TARGET",
            plan_id=plan.id,
        )
    return record


def _ended(plan: Plan, now: Snapshot, record: Isolation) -> Done | None:
    """The end that an integration of this very iteration has had already."""
    if record.merged is not None:
        return Done(plan, "merged", _target(record), commit=record.merged, again=True)
    if now.phase != REVIEWING:
        return None
    ours = re.compile(rf"(?:merge|gate|person)-{now.iteration}(?:-[0-9]+)?")
    item = next((todo_id for todo_id in now.rejected_ids if ours.fullmatch(todo_id)), None)
    return Done(plan, "reopened", _target(record), item=item, again=True) if item is not None else None


def _refuse(plan: Plan, now: Snapshot, approve: Container[Approval]) -> None:
    if now.phase != COMPLETED:
        raise Refused(
            f"plan {plan.id} is in {now.phase}; it is merged when it is completed",
            hint=f"see wf context {plan.id}",
            code="NOT_COMPLETED",
            plan_id=plan.id,
        )
    of = now.unapproved("merge") if "merge" in approve else None
    if of is not None:
        raise approvals.refusal(plan.id, "merge", of)


def _target(record: Isolation) -> str:
    assert record.target is not None, "asked for at the beginning"
    return record.target


# -- what the fixer and the person are told


def _of_conflict(
    top: Path, record: Isolation, onto: str, paths: Sequence[str], gates: Sequence[Argv]
) -> tuple[str, list[str]]:
    shown = ", ".join(text.line(path) for path in paths[:_PATHS])
    more = f" and {len(paths) - _PATHS} more" if len(paths) > _PATHS else ""
    words = f"Merge {record.target} ({onto[:SHOWN]}) into this branch: conflicts in {shown}{more}"
    return words, [*touched.reasons(top, onto, record.head, paths), _how(record, onto, gates)]


def _of_gate(record: Isolation, verdict: PlanRed) -> tuple[str, list[str]]:
    red = verdict.red
    command = text.line(shlex.join(red.argv), 200)
    words = f"Make `{command}` pass together with {record.target} ({verdict.onto[:SHOWN]})"
    lines = [line for line in text.lines(red.result.output).split("\n") if line.strip()][-_LINES:]
    return words, [
        f"`{command}` ends with exit code {red.result.exit_code} on the merge of this plan with {record.target}, and "
        f"passes on {record.target} alone",
        *lines,
        _how(record, verdict.onto, [red.argv]),
    ]


def _how(record: Isolation, onto: str, gates: Sequence[Argv]) -> str:
    run = f", then run {', '.join(f'`{shlex.join(argv)}`' for argv in gates)}" if gates else ""
    return (
        f"run `git merge {onto[:SHOWN]}` where you work, keep what both sides meant in every file, and commit{run}; "
        f"a hand-over that lacks this commit, or loses a change of {record.target}, is refused"
    )


def _target_red(plan: Plan, target: str, verdict: TargetRed) -> Refused:
    command = text.line(shlex.join(verdict.red.argv), 200)
    last = text.line(verdict.on_target.output.strip().rpartition("\n")[2], 200)
    return Refused(
        f"`{command}` fails on {target} ({verdict.onto[:SHOWN]}) without plan {plan.id} as well (exit code "
        f"{verdict.on_target.exit_code}{f': {last}' if last else ''})",
        hint=f"repair {target}, then let the job go on: wf release",
        code="TARGET_RED",
        plan_id=plan.id,
        branch=target,
    )
