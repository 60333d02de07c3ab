"""Plans: finding, creating, reading and writing ``plans/NN-slug/``.

A plan is created under the numbering lock, so that no two creations take one number. Its folder is filled under a
hidden name and renamed, so that it appears whole. A killed creation leaves at most a hidden folder, which the next
one removes. State files keep unknown keys.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from wf_cli import fsio, ids, sharing
from wf_cli.clock import iso_date
from wf_cli.errors import NotFound, Refused, StateError
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.workflow import evidence, grammar, phases, references
from wf_cli.workflow.project import Project

_UNFINISHED = re.compile(r"\.(?:[0-9]{2}|[1-9][0-9]{2,})-.*\.part")


class PlanNotFound(NotFound):
    """No plan matches the reference."""

    code = "PLAN_NOT_FOUND"

    def __init__(self, reference: str, available: list[str]):
        known = f"existing plans: {', '.join(available)}" if available else "there are no plans yet"
        super().__init__(
            f"no plan fits {reference!r} in plans/",
            hint=f'{known}; a new one is made by: wf plan "<name>"',
            input=reference,
            available_ids=available,
        )


class NumberShared(Refused):
    """Several plan folders have one number, as after a merge of two branches. A job names its plan by that number."""

    code = "PLAN_NUMBER_SHARED"

    def __init__(self, number: str, sharing: Sequence[Plan]):
        folders = " and ".join(plan.relative for plan in sharing)
        #: The commands that give each later plan a number of its own.
        self.repair = tuple(f"wf plan renumber {plan.name}" for plan in sharing[1:])
        super().__init__(
            f"{folders} have the same number, so plan {number} could mean each of them",
            hint=f"give each later one a number of its own: {', '.join(self.repair)}",
            plan_id=number,
            plans=[plan.name for plan in sharing],
        )


@frozen
class Plan:
    """The paths of a plan. They say nothing about its state, which may change at any time."""

    id: str
    name: str
    path: Path
    #: Its todo list is read strictly, as the distributed mode does. An item in a code fence or a comment is text. A
    #: line that seems to be an item, an item that vanished and one that is not ticked keep the plan from completion.
    strict_list: bool = False

    @property
    def relative(self) -> str:
        """The folder relative to the project root, with forward slashes."""
        return f"plans/{self.name}"

    @property
    def plan_md(self) -> Path:
        return self.path / "plan.md"

    @property
    def todo_md(self) -> Path:
        return self.path / "todo.md"

    @property
    def evidence_md(self) -> Path:
        return self.path / "evidence.md"

    @property
    def review_md(self) -> Path:
        return self.path / "review.md"

    @property
    def quality_run(self) -> Path:
        return self.path / "quality-run.json"

    @property
    def state_json(self) -> Path:
        return self.path / "state.json"


@frozen
class PlanState:
    """The content of ``state.json``, all of it in ``raw``. Unusable values read as unknown, 0 and None."""

    phase: str
    iteration: int
    epic_id: str | None
    raw: dict[str, Any]


def all_plans(project: Project) -> list[Plan]:
    """Every plan, sorted by folder name."""
    return [_plan(project, entry) for entry in references.entries(project.plans_dir)]


def find(project: Project, reference: str, doubt: Callable[[NumberShared], None] | None = None) -> Plan:
    """The plan meant by ``reference``; raises PlanNotFound. ``doubt`` is called when its number means several."""
    known = references.entries(project.plans_dir)
    entry = references.resolve(known, reference)
    if entry is None:
        raise PlanNotFound(reference, references.ids(known))
    if doubt is not None and entry.name != reference:
        sharing = [_plan(project, other) for other in known if other.id == entry.id]
        if len(sharing) > 1:
            doubt(NumberShared(entry.id, sharing))
    return _plan(project, entry)


def duplicates(known: Iterable[Plan]) -> dict[str, tuple[Plan, ...]]:
    """The numbers that several of ``known`` (`all_plans`, sorted by name) have, each with its plans.

    A person's reference by number means the first of them.
    """
    return references.shared(known)


def refuse_shared(project: Project, number: str) -> None:
    """Raise NumberShared when several plans have ``number``."""
    sharing = duplicates(all_plans(project)).get(number)
    if sharing is not None:
        raise NumberShared(number, sharing)


def with_number(project: Project, number: str) -> Plan:
    """The only plan that has ``number``; raises PlanNotFound, NumberShared.

    Jobs are looked up by it, because `find` could run the step of one plan on another.
    """
    known = all_plans(project)
    sharing = [plan for plan in known if plan.id == number]
    if len(sharing) > 1:
        raise NumberShared(number, sharing)
    if not sharing:
        raise PlanNotFound(number, sorted({plan.id for plan in known}, key=int))
    return sharing[0]


def named(project: Project, name: str) -> Plan:
    """The plan whose folder is called ``name``, existing or not. Epics link plans by that name."""
    return _plan(project, references.Entry(name, name.partition("-")[0]))


def _plan(project: Project, entry: references.Entry) -> Plan:
    return Plan(entry.id, entry.name, project.plans_dir / entry.name, project.distributed)


def read_state(plan: Plan) -> PlanState | None:
    """The plan's state now; None without a state file, StateError for a malformed one."""
    raw = fsio.read_json_object(plan.state_json)
    if raw is None:
        return None
    phase, iteration, epic_id = raw.get("phase"), raw.get("iteration"), raw.get("epic_id")
    return PlanState(
        phase=phase if isinstance(phase, str) and phase else phases.UNKNOWN,
        iteration=int(iteration)
        if isinstance(iteration, int | float) and not isinstance(iteration, bool) and iteration == iteration // 1
        else 0,
        epic_id=epic_id if isinstance(epic_id, str) and epic_id else None,
        raw=raw,
    )


def need_state(plan: Plan) -> PlanState:
    """`read_state` of a plan that has to have a state; raises StateError when it has none."""
    state = read_state(plan)
    if state is None:
        raise StateError(
            f"{plan.state_json} is missing, so plan {plan.id} has no phase",
            hint="restore the file from version control",
            path=str(plan.state_json),
        )
    return state


def write_state(plan: Plan, state: PlanState, **changes: object) -> None:
    """Replace ``state.json``, keeping every key that ``changes`` does not name. Under the plan's lock.

    In a shared folder the group gets its rights to what agents and editors of this user have made in the plan.
    """
    fsio.write_json(plan.state_json, {**state.raw, **changes})
    sharing.pass_on_tree(plan.path)


#: Keys of a plan's state that only wf-cli knows: its title in full, and what the plan is for.
TITLE, GOAL = "title", "goal"
#: The ids of the todo items that the plan had when its coding began.
ITEMS = "items"


def title_of(state: PlanState | None) -> str | None:
    """The title in full, of a plan whose folder name does not say it; None for any other."""
    title = state.raw.get(TITLE) if state is not None else None
    return title if isinstance(title, str) and title else None


def create(project: Project, name: str, epic_id: str | None = None, *, goal: str | None = None) -> Plan:
    """A new plan with the next number; raises Refused when its folder exists already.

    The name of the folder keeps ASCII letters and digits alone. A title with any other letter, and that of a plan
    with a ``goal``, is kept in full in the plan's state.
    """
    with project.lock("numbering"):
        _sweep_unfinished(project.plans_dir)
        number = references.next_id(references.entries(project.plans_dir))
        plan = named(project, f"{number}-{references.slug(name)}")
        if os.path.lexists(plan.path):
            raise Refused(f"{plan.path} exists already", hint="rename or remove it", path=str(plan.path))
        state: dict[str, object] = {
            "phase": phases.PLANNING,
            "iteration": 0,
            "created_at": iso_date(project.clock.now_ms()),
        }
        if epic_id is not None:
            state["epic_id"] = epic_id
        if goal is not None or any(letter.isalpha() and not letter.isascii() for letter in name):
            state[TITLE] = grammar.one_line(name)
        if goal is not None:
            state[GOAL] = goal
        contents = {
            "plan.md": "",
            "todo.md": "",
            "evidence.md": evidence.NEW_FILE,
            "state.json": fsio.json_text(state),
        }
        create_folder(plan.path, contents)
        return plan


def create_folder(path: Path, contents: dict[str, str]) -> None:
    """Make the folder ``path`` with these files appear at once, or not at all. Under the numbering lock."""
    sharing.make_folders(path.parent)
    part = path.with_name(f".{path.name}.{ids.nonce()}.part")
    try:
        part.mkdir()
        for file_name, text in contents.items():
            fsio.write_new(part / file_name, text.encode(), durable=True)
        sharing.pass_on_tree(part)
        fsio.sync_dir(part)
        step("folder.filled")
        os.rename(part, path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StateError(f"cannot create {path}: {error.strerror}", path=str(path)) from error
    fsio.sync_dir(path.parent)


def _sweep_unfinished(directory: Path) -> None:
    """Remove the folders of killed creations. The caller's numbering lock proves that no creation is running."""
    if not directory.is_dir():
        return
    for name in fsio.names(directory):
        if _UNFINISHED.fullmatch(name):
            shutil.rmtree(directory / name, ignore_errors=True)
