"""The two gates and the strict check, which decide whether a plan may go on.

The number of errors of each gate is kept from wf-cli 0.3.x; the texts may change. Gates only read files. A command
that acts on a gate evaluates it under the plan's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wf_cli import fsio
from wf_cli.clock import Clock, parse_iso_ms
from wf_cli.frozen import frozen
from wf_cli.workflow import evidence, files, plans, review, todo, unclear_items
from wf_cli.workflow.evidence import Evidence
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.review import ContractSection

#: For how long the done gate accepts a strict run.
STRICT_RUN_VALID_MS = 2 * 60 * 60 * 1000


@frozen
class Gate:
    """The result of a check, which passed when it has no errors."""

    errors: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.errors


def _gate(errors: Iterable[str]) -> Gate:
    return Gate(tuple(errors))


def review_gate(plan: Plan) -> Gate:
    """Whether the plan may be handed to review. Every item has to be ticked and to have evidence."""
    todo_text = files.read_text(plan.todo_md)
    if todo_text is None:
        return _gate([f"{plan.relative}/todo.md is missing"])
    evidence_text = files.read_text(plan.evidence_md)
    if evidence_text is None:
        return _gate([f"{plan.relative}/evidence.md is missing"])
    items = todo.parse(todo_text, skip_quoted=plan.strict_list)
    if not items:
        return _gate([f"{plan.relative}/todo.md has no todo items (`- [ ] [T1] text`)"])
    errors = list(_list_problems(plan, todo_text, items))
    unchecked = [item.id or item.text for item in items if not item.checked]
    if unchecked:
        errors.append(f"todo items are not ticked: {', '.join(unchecked)}")
    nameless = [item.text for item in items if item.checked and item.id is None]
    if nameless:
        errors.append(f"ticked todo items have no id like [T1]: {', '.join(nameless)}")
    checked = _checked_ids(items)
    errors += _repeated(checked)
    sections = evidence.parse(evidence_text)
    for todo_id in checked:
        errors += _evidence_problems(todo_id, sections.get(todo_id))
    return _gate(errors)


def done_gate(plan: Plan, clock: Clock) -> Gate:
    """Whether the plan may be completed. Every ticked item has to be accepted.

    Items that are not ticked keep only a plan whose list is read strictly from completion.
    """
    todo_text = files.read_text(plan.todo_md)
    if todo_text is None:
        return _gate([f"{plan.relative}/todo.md is missing"])
    review_text = files.read_text(plan.review_md)
    if review_text is None:
        return _gate([f"{plan.relative}/review.md is missing"])
    items = todo.parse(todo_text, skip_quoted=plan.strict_list)
    checked = _checked_ids(items)
    errors = [] if checked else [f"{plan.relative}/todo.md has no ticked item with an id"]
    errors += _list_problems(plan, todo_text, items)
    unchecked = [item.id or item.text for item in items if not item.checked] if plan.strict_list else []
    if unchecked:
        errors.append(f"todo items are not ticked: {', '.join(unchecked)}")
    errors += _repeated(checked)
    verdicts = review.verdicts(review_text)
    sections = review.sections(review_text)
    for todo_id in checked:
        errors += _review_problems(todo_id, verdicts.get(todo_id), sections.get(todo_id))
    if review.is_strict(review_text):
        errors += strict_check(plan, clock).errors
    return _gate(errors)


def _list_problems(plan: Plan, todo_text: str, items: list[todo.TodoItem]) -> Iterator[str]:
    """Why a list that is read strictly is not the whole of what was planned; nothing for any other list."""
    if not plan.strict_list:
        return
    for line in unclear_items.unclear(todo_text):
        yield f"{plan.relative}/todo.md: {line}"
    state = plans.read_state(plan)
    planned = state.raw.get(plans.ITEMS) if state is not None else None
    now = {item.id for item in items}
    gone = [todo_id for todo_id in planned if todo_id not in now] if isinstance(planned, list) else []
    if gone:
        yield (
            f"{plan.relative}/todo.md lacks items that it had when coding began: {', '.join(map(str, gone))}; "
            "put them back, a person may complete the plan without them by --as-operator"
        )


def strict_check(plan: Plan, clock: Clock) -> Gate:
    """Whether the stored quality run is strict, passing and fresh; StateError when it is unreadable."""
    run = fsio.read_json_object(plan.quality_run)
    name = f"{plan.relative}/quality-run.json"
    if run is None:
        return _gate([f"{name} is missing: review the plan with --strict"])
    errors = []
    if run.get("mode") != "strict":
        errors.append(f"{name}: mode is not strict")
    if run.get("ok") is not True:
        errors.append(f"{name}: the run did not pass")
    created = run.get("created_at")
    created_ms = parse_iso_ms(created) if isinstance(created, str) else None
    if created_ms is None:
        errors.append(f"{name}: created_at is no date")
    elif clock.now_ms() - created_ms > STRICT_RUN_VALID_MS:
        errors.append(f"{name}: the run is older than two hours")
    checks = run.get("checks")
    failed = [check for check in checks if not _passed(check)] if isinstance(checks, list) else []
    if failed:
        names = ", ".join(str(check.get("name")) if isinstance(check, dict) else "?" for check in failed)
        errors.append(f"{name}: checks failed: {names}")
    return _gate(errors)


def _passed(check: object) -> bool:
    code = check.get("exit_code") if isinstance(check, dict) else None
    return isinstance(code, int | float) and not isinstance(code, bool) and code == 0


def _checked_ids(items: list[todo.TodoItem]) -> list[str]:
    return [item.id for item in items if item.checked and item.id is not None]


def _repeated(checked: list[str]) -> list[str]:
    repeated = sorted({todo_id for todo_id in checked if checked.count(todo_id) > 1})
    return [f"todo ids are used twice: {', '.join(repeated)}"] if repeated else []


def _review_problems(todo_id: str, verdict: str | None, section: ContractSection | None) -> list[str]:
    """The errors of one item. Its section is looked at only when its verdict is pass."""
    if verdict is None:
        return [f"{todo_id}: review.md has no verdict (`- [{todo_id}]: pass`)"]
    if verdict != "pass":
        return [f"{todo_id}: the verdict is {verdict}"]
    if section is None:
        return [f"{todo_id}: review.md has no section `## {todo_id}`"]
    return section.problems(todo_id)


def _evidence_problems(todo_id: str, section: Evidence | None) -> list[str]:
    if section is None or section.status is None:
        return [f"{todo_id}: evidence.md has no section `## {todo_id}` with a status"]
    found = []
    if section.status != "pass":
        found.append(f"{todo_id}: the status in evidence.md is {section.status}")
    if not section.command:
        found.append(f"{todo_id}: the command is missing in evidence.md")
    if not section.output:
        found.append(f"{todo_id}: the output is missing in evidence.md")
    return found
