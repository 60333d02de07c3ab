"""The way of an approved plan into its target: a merge commit, the gates on exactly that commit, then the target.

With T the head of the target and H that of the plan::

    ready    the worktree holds T
    merged   it holds M, made from T and H; a conflict ends the way here
    tested   the gates have passed on M; a red one ends the way here, and is run on T to tell whose fault it is
    advanced the target has moved from T to M, if it still was T; else all begins again
    recorded the plan's state says so

A process may die after each of them, and another may repeat the whole. Before *advanced* only objects without a name
and the files of the worktree have changed. After it the target contains H, which is looked at first.
Nothing here resolves a conflict, and nothing prefers a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli import git, locks
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.workspace import candidate, target, testing
from wf_cli.workspace.candidate import Conflict
from wf_cli.workspace.leftover_locks import PATIENCE
from wf_cli.workspace.testing import Argv, Red, Result, Run

#: How often the target may move while the gates run, until the way is given up for now.
ROUNDS = 5
#: Seconds to wait for another process that merges in the same worktree.
BUSY = 2.0


@frozen
class Way:
    """What is merged into what, and where. ``head`` is the object id of the plan's last commit."""

    #: The linked worktree in which it is merged. No agent and no person works in it.
    folder: Path
    #: The branch that takes the plan, without ``refs/heads/``.
    target: str
    head: str
    #: The message of the merge commit.
    message: str
    gates: Sequence[Argv] = ()
    #: The folder below the top of the worktree in which the gates run: where the project is in its repository.
    below: str = ""


@frozen
class Merged:
    """The target has the plan. ``commit`` is the merge commit, or the target's head that had the plan already."""

    commit: str


@frozen
class Conflicting:
    """The plan and the target ``onto`` do not merge by themselves."""

    onto: str
    paths: tuple[str, ...]


@frozen
class PlanRed:
    """A gate fails on the merge commit and passes on the target ``onto``."""

    onto: str
    red: Red


@frozen
class TargetRed:
    """A gate fails on the merge commit and on the target ``onto`` as well, so the plan is not to blame."""

    onto: str
    red: Red
    on_target: Result


@frozen
class Moving:
    """The target has moved in every one of so many rounds. ``head`` is where it stands now."""

    rounds: int
    head: str


Verdict = Merged | Conflicting | PlanRed | TargetRed | Moving


def integrate(
    way: Way,
    run: Run,
    permit: Callable[[], AbstractContextManager[None]],
    record: Callable[[str], object],
    *,
    put: Callable[[Path, str], None] = candidate.put,
    rounds: int = ROUNDS,
    patience: float = PATIENCE,
) -> Verdict:
    """Take the plan's head into the target, or tell why not.

    ``permit`` is entered before the target moves and left after ``record`` was given the commit that has the plan.
    It holds the locks of plan and target, and raises when the plan is not as it was. ``put`` lets a worktree hold a
    commit, and keeps what lay there uncommitted. ``patience`` is that of `target.advance`.

    The worktree is locked for the whole time, by the file beside it. Raises Temporary while another process merges
    there, what ``permit`` and ``record`` raise, `target.TargetMissing`, `target.TargetCheckedOut`, and GitError.
    """
    with locks.hold(f"{way.folder}.lock", timeout=BUSY):
        for _ in range(rounds):
            verdict = _round(way, run, permit, record, put, patience)
            if verdict is not None:
                return verdict
    return Moving(rounds, target.head_of(way.folder, way.target))


def _round(
    way: Way,
    run: Run,
    permit: Callable[[], AbstractContextManager[None]],
    record: Callable[[str], object],
    put: Callable[[Path, str], None],
    patience: float,
) -> Verdict | None:
    """One try; None when the target has moved meanwhile."""
    folder = way.folder
    onto = target.head_of(folder, way.target)
    if candidate.contains(folder, onto, way.head):
        with permit():
            record(onto)
            step("integrate.recorded")
        return Merged(onto)
    put(folder, onto)
    step("integrate.ready")
    made = candidate.make(folder, onto, way.head, way.message)
    if isinstance(made, Conflict):
        return Conflicting(onto, made.paths)
    step("integrate.merged")
    red = testing.test(folder, made.commit, way.gates, _below(way, run))
    step("integrate.tested")
    if red is not None:
        return _whose(way, onto, red, run, put)
    with permit():
        if not target.advance(folder, way.target, made.commit, onto, way.message.split("\n")[0], patience=patience):
            return None
        step("integrate.advanced")
        record(made.commit)
        step("integrate.recorded")
    _remember(way, made.commit)
    return Merged(made.commit)


def _below(way: Way, run: Run) -> Run:
    return lambda folder, argv: run(folder / way.below, argv)


def _whose(way: Way, onto: str, red: Red, run: Run, put: Callable[[Path, str], None]) -> PlanRed | TargetRed:
    if testing.is_known_green(way.folder, way.target, onto, way.gates):
        return PlanRed(onto, red)
    put(way.folder, onto)
    on_target = testing.is_red(way.folder, onto, way.gates, red.place, _below(way, run))
    return PlanRed(onto, red) if on_target is None else TargetRed(onto, red, on_target)


def _remember(way: Way, commit: str) -> None:
    """Note that the gates passed on ``commit``. Trouble here is ignored, because the note saves only time."""
    if not way.gates:
        return
    try:
        testing.know_green(way.folder, way.target, commit, way.gates)
    except (git.GitError, OSError):
        return
