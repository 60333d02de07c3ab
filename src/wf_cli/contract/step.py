"""The steps of plans and epics: one row for each command says everything that wf has to know about it.

Who carries the step out, when it is due, what its job does to the plan's phase, what counts as done: all of it is
derived from `STEPS`, by the dispatcher, the worker, the command line, the routing and the grammar of job ids. A new
step is a new row here and a prompt in ``planjobs/prompts``.

::

    planning --code--> coding --finish-code--> awaiting_review --review--> reviewing --done--> completed
                       fixing --finish-code--^                             |  blocked
                         ^------------------------fix----------------------+-----+

The iteration of a job is the plan's at the moment the job is due. A step that ``raises`` the iteration works at
one more than that.

An epic has steps as well (`EPIC_STEPS`). They come before its plans exist, so they know no phases or iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from wf_cli.contract.failure import Failure
from wf_cli.frozen import frozen

PLANNING = "planning"
CODING = "coding"
AWAITING_REVIEW = "awaiting_review"
REVIEWING = "reviewing"
FIXING = "fixing"
COMPLETED = "completed"
BLOCKED = "blocked"

#: Every phase a command can leave behind or start from, in the order of a plan's life. ``blocked`` is entered by no
#: command: a person writes it, or the dispatcher for a plan that used up its review rounds.
PHASES = (PLANNING, CODING, AWAITING_REVIEW, REVIEWING, FIXING, COMPLETED, BLOCKED)

GateName = Literal["review", "done"]
#: What a person may have to approve before a plan goes on: ``plan``, its text; ``merge``, the way of its commit into
#: the target, for a plan with a branch of its own.
Approval = Literal["plan", "merge"]


class PlanFacts(Protocol):
    """What a row may ask about a plan; `wf_cli.workflow.snapshot.Snapshot` answers from the plan's files."""

    @property
    def plan_id(self) -> str: ...

    @property
    def phase(self) -> str: ...

    @property
    def iteration(self) -> int: ...

    @property
    def blanks(self) -> tuple[str, ...]:
        """What has to be written before anybody can code; empty for a plan that is filled in."""
        ...

    @property
    def is_unmerged(self) -> bool:
        """The plan is completed, has a branch of its own and a target, and the target does not have it yet."""
        ...

    @property
    def rejected_ids(self) -> tuple[str, ...]:
        """Todo items with the verdict fail that are not ticked."""
        ...

    def gate_errors(self, gate: GateName) -> tuple[str, ...]:
        """Why the plan does not pass a gate now; empty when it passes."""
        ...

    def unapproved(self, approval: Approval) -> str | None:
        """What a person has not approved as it is now, by the beginning of its digest; None when it is approved."""
        ...


class EpicFacts(Protocol):
    """What a row may ask about an epic; `wf_cli.workflow.epic_plans.EpicFacts` answers from the epic's files."""

    @property
    def epic_id(self) -> str: ...

    @property
    def has_plans(self) -> bool:
        """Plans are linked to it."""
        ...

    @property
    def declared(self) -> tuple[str, ...]:
        """The titles of the plans that it is to have, in order."""
        ...

    @property
    def was_rewritten(self) -> bool:
        """epic.md does not say what it said when the step was opened for the first time."""
        ...


@frozen
class Role:
    """Who carries a step out. ``may`` are the capabilities of its jobs, whatever the shared session says."""

    name: str
    #: The runtime that takes its jobs where the configuration names none.
    runtime: str
    may: frozenset[str]
    #: The role whose runtime it has where the configuration names none for it. Such a role belongs to plans with
    #: branches of their own, and nothing tells of it elsewhere.
    like: str | None = None


@frozen
class Step:
    """One command. A row without ``unmet`` is no job: a person gives the command, or the agent of another step."""

    command: str
    role: Role

    # -- what it does to the phase

    #: The phases it starts from; empty for a command that leaves the phase alone.
    before: tuple[str, ...] = ()
    #: The phase that it leaves the plan in, which is the one its job works in.
    inside: str | None = None
    #: The gate the plan has to pass first.
    gate: GateName | None = None
    #: How much it raises the iteration. `max_iterations` limits such a step.
    raises: int = 0

    # -- what makes it a job

    #: What a person has to approve first, where the configuration asks for it.
    approval: Approval | None = None
    #: Whether the plan waits for this step by itself. Of several the first row counts.
    due: Callable[[PlanFacts], bool] = lambda _plan: False
    #: Why the step does not count as done yet, at the iteration it works at; None when it does.
    unmet: Callable[[PlanFacts, int], Failure | None] | None = None
    #: Whether it is there to change something outside the plan's folder. The worker hands such a plan over to
    #: review where the agent has only forgotten that.
    must_change: bool = False
    #: Whether the strict checks belong to it, where `review.strict` asks for them.
    strict: bool = False
    #: Whether it works in a place of its own, so that it waits for no other plan (`max_parallel_plans`).
    apart: bool = False
    #: Whether a person's command publishes the job instead of changing the phase, with the mode on.
    by_person: bool = False
    #: What is said of a plan that was left inside the phase: ``was left in coding`` + this + "`wf code 01` ...".
    left: str = ""

    @property
    def is_job(self) -> bool:
        """Whether a worker carries it out."""
        return self.unmet is not None

    @property
    def begins_in(self) -> tuple[str, ...]:
        """The phases of a plan that waits for this step."""
        return self.before or ((self.inside,) if self.inside is not None else ())

    def due_iteration(self, plan: PlanFacts) -> int:
        """The iteration of the job that takes the plan up now; inside the step, that of the job that opened it."""
        return plan.iteration - self.raises if plan.phase == self.inside else plan.iteration


@frozen
class EpicStep:
    """One command of an epic, carried out by a worker."""

    command: str
    role: Role
    #: Why the step does not count as done yet; None when it does.
    unmet: Callable[[EpicFacts], Failure | None]


def _where(plan: PlanFacts) -> str:
    return f"plan {plan.plan_id} is in phase {plan.phase}"


def _not_filled(plan: PlanFacts, _iteration: int) -> Failure | None:
    """A plan step is done when plan.md says something and todo.md has items that all have ids."""
    if plan.phase != PLANNING:
        return Failure("checks_unmet", _where(plan))
    if plan.blanks:
        return Failure("checks_unmet", f"plan {plan.plan_id} is not filled in", errors=plan.blanks)
    return None


def _not_handed_over(plan: PlanFacts, iteration: int) -> Failure | None:
    """A code or fix step is done when the plan awaits its review and passes the review gate."""
    errors = plan.gate_errors("review")
    if plan.phase == AWAITING_REVIEW and plan.iteration == iteration and not errors:
        return None
    return Failure("gate_failed", f"{_where(plan)}, not awaiting_review", errors=errors)


def _not_judged(plan: PlanFacts, iteration: int) -> Failure | None:
    """A review is done when the plan is completed, or when at least one item was rejected."""
    judged = plan.phase == COMPLETED or (plan.phase == REVIEWING and bool(plan.rejected_ids))
    if judged and plan.iteration == iteration:
        return None
    errors = plan.gate_errors("done") or (f"every item is accepted: finish with `wf done {plan.plan_id}`",)
    return Failure("checks_unmet", f"{_where(plan)}: neither completed nor anything rejected", errors=errors)


def _not_merged(plan: PlanFacts, iteration: int) -> Failure | None:
    """An integrate step is done when the plan is merged, or was reopened: both are verdicts."""
    if not plan.is_unmerged or plan.iteration != iteration:
        return None
    told = f"`wf integrate {plan.plan_id}` says why, and merges it where nothing is in the way"
    return Failure("checks_unmet", f"plan {plan.plan_id} is not merged into its target", errors=(told,))


def _not_split(epic: EpicFacts) -> Failure | None:
    """A split step is done when the epic's plans are declared, and its text is as a person wrote it."""
    if epic.has_plans:
        return None
    if not epic.declared:
        told = f"declare them: `wf epic plans set {epic.epic_id} --from -`"
        return Failure("checks_unmet", f"epic {epic.epic_id} declares no plan", errors=(told,))
    if epic.was_rewritten:
        told = "put epic.md back to what it said when this step began; plans are declared by the command alone"
        return Failure("checks_unmet", f"the text of epic {epic.epic_id} was changed", errors=(told,))
    return None


ORCHESTRATOR = Role("orchestrator", runtime="cursor", may=frozenset({"planning"}))
CODER = Role("plan-coder", runtime="opencode", may=frozenset({"coding"}))
REVIEWER = Role("plan-reviewer", runtime="cursor", may=frozenset({"reviewing", "completing"}))
FIXER = Role("plan-fixer", runtime="opencode", may=frozenset({"coding", "fixing"}))
INTEGRATOR = Role("integrator", runtime=REVIEWER.runtime, may=frozenset({"completing"}), like=REVIEWER.name)

_ROWS = (
    Step(
        "plan",
        ORCHESTRATOR,
        inside=PLANNING,
        due=lambda plan: plan.phase == PLANNING and bool(plan.blanks),
        unmet=_not_filled,
    ),
    Step(
        "code",
        CODER,
        before=(PLANNING,),
        inside=CODING,
        approval="plan",
        due=lambda plan: plan.phase == PLANNING and not plan.blanks,
        unmet=_not_handed_over,
        must_change=True,
        by_person=True,
        left="; finish it, or",
    ),
    Step("finish-code", CODER, before=(CODING, FIXING), inside=AWAITING_REVIEW, gate="review"),
    Step(
        "review",
        REVIEWER,
        before=(AWAITING_REVIEW,),
        inside=REVIEWING,
        due=lambda plan: plan.phase == AWAITING_REVIEW,
        unmet=_not_judged,
        strict=True,
        by_person=True,
        left=" with nothing rejected;",
    ),
    Step(
        "fix",
        FIXER,
        before=(REVIEWING, BLOCKED),
        inside=FIXING,
        raises=1,
        due=lambda plan: plan.phase == REVIEWING and bool(plan.rejected_ids),
        unmet=_not_handed_over,
        must_change=True,
        by_person=True,
        left="; finish it, or",
    ),
    Step("done", REVIEWER, before=(REVIEWING,), inside=COMPLETED, gate="done"),
    Step("verify", REVIEWER),
    Step(
        "integrate",
        INTEGRATOR,
        inside=COMPLETED,
        approval="merge",
        due=lambda plan: plan.is_unmerged,
        unmet=_not_merged,
        apart=True,
    ),
)

#: The steps of a plan by command.
STEPS: Mapping[str, Step] = {row.command: row for row in _ROWS}
#: The steps of an epic by command.
EPIC_STEPS: Mapping[str, EpicStep] = {"split": EpicStep("split", ORCHESTRATOR, unmet=_not_split)}


def role_of(command: str) -> Role | None:
    """Who carries a step of a plan or an epic out; None for a command that is no step."""
    step = STEPS.get(command) or EPIC_STEPS.get(command)
    return step.role if step is not None else None


def roles() -> dict[str, Role]:
    """The roles of the steps that every plan and epic has, by name, in the order of the tables."""
    return {name: role for name, role in all_roles().items() if role.like is None}


def all_roles() -> dict[str, Role]:
    """`roles`, and those of plans with branches of their own."""
    return {step.role.name: step.role for table in (STEPS, EPIC_STEPS) for step in table.values()}


def named(approval: Approval, of: str, *, files: bool = False) -> str:
    """What waits for an approval, by the beginning of its digest or commit, in words; with ``files``, where it is."""
    if approval == "merge":
        return f"the merge of its commit {of}"
    return f"its text {of} (plan.md and todo.md)" if files else f"its text {of}"
