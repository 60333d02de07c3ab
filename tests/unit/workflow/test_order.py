"""`- after: 1, 2` below a plan's declaration: what is read, what cannot be kept, and which linked plans are meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.projects import Cli, make_epic, make_session
from wf_cli.errors import StateError
from wf_cli.workflow import epics, order, scope
from wf_cli.workflow.order import Turn
from wf_cli.workflow.project import Project

ON = {"WF_DISTRIBUTED": "1"}


def below_scope(*lines: str) -> str:
    return "\n".join(["# Epic: E", "", "## Scope", *lines, "", "## Success Criteria", "  - after: 9", ""])


def three(*after: str) -> str:
    """Plans 1, 2, 3 with what comes below each."""
    lines = []
    for number, said in enumerate(after, 1):
        lines += [f"- Plan {number}: {'abc'[number - 1]}", *([f"  - after: {said}"] if said else [])]
    return below_scope(*lines)


def first_of(text: str) -> dict[int, tuple[int, ...]]:
    return {plan.order: numbers for plan, numbers in order.first_of(scope.parse(text)).items()}


def told(text: str) -> list[str]:
    return [trouble.text for trouble in order.troubles(scope.parse(text))]


@pytest.mark.parametrize(
    "line",
    ["  - after: 1", "\t- after: 1", "  * after: 1", "  - AFTER :  1  ", " -  after:1", "      - After: 1, 1\r"],
)
def test_every_form_of_the_line_is_read(line: str) -> None:
    text = below_scope("- Plan 1: a", "- Plan 2: b", line)
    assert first_of(text) == {2: (1,)}
    assert told(text) == []
    assert [plan.order for plan in scope.parse(text).plans] == [1, 2]
    assert scope.parse(text).warnings == ()


def test_several_lines_add_up_and_the_plan_is_the_last_declared_one() -> None:
    text = below_scope(
        "- Plan 3: c", "  - a note", "  - after: 1", "  - after: 2", "- Plan 1: a", "- Plan 2: b", "  - after: 01"
    )
    assert first_of(text) == {3: (1, 2), 2: (1,)}


@pytest.mark.parametrize(
    "line",
    ["  - after: Plan 1", "  - after: a", "  - after:", "  - after: 1,", "  - after: 1 and 2", "  - after: 100",
     "  - after: 1; 2", "- after: 1", "  + after: 1"],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_named_and_never_passed_over(line: str) -> None:
    text = below_scope("- Plan 1: a", "- Plan 2: b", line)
    (message,) = told(text)
    for part in ("epic.md:6", line.strip(), "`Plan 2: b`", "write `  - after: 1, 2`"):
        assert part in message


@pytest.mark.parametrize("line", ["  - afterwards: 1", "  after: 1", "  - the day after: 1", "  - after 1 comes 2"])
def test_other_lines_say_nothing_about_the_order(line: str) -> None:
    text = below_scope("- Plan 1: a", "- Plan 2: b", line)
    assert (first_of(text), told(text)) == ({}, [])


def test_what_is_quoted_is_text_where_declarations_are() -> None:
    text = below_scope("- Plan 1: a", "- Plan 2: b", "```", "  - after: 7", "```")
    assert order.troubles(scope.parse(text, skip_quoted=True)) == ()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (three("", "7", ""), ("epic.md:6", "`Plan 2: b`", "plan 7, which epic.md does not declare")),
        (three("", "2", ""), ("epic.md:6", "`Plan 2: b` comes after itself")),
        (three("2", "1", ""), ("epic.md:5 and epic.md:7", "`Plan 1: a` and `Plan 2: b` come after each other")),
        (three("3", "1", "2"), ("`Plan 1: a`, `Plan 2: b` and `Plan 3: c`", "in a circle")),
        (below_scope("  - after: 1", "- Plan 1: a"), ("epic.md:4", "stands below no plan")),
    ],
)
def test_an_order_that_cannot_be_kept_is_one_message_that_names_the_plans(text: str, parts: tuple[str, ...]) -> None:
    (message,) = told(text)
    for part in parts:
        assert part in message


def test_plans_behind_a_circle_are_not_part_of_it() -> None:
    (trouble,) = order.troubles(scope.parse(three("2", "1", "1")))
    assert [plan.order for plan in trouble.plans] == [1, 2]


@given(st.dictionaries(st.integers(1, 6), st.lists(st.integers(0, 7), max_size=4), max_size=6))
def test_whatever_is_written_each_plan_can_begin_or_is_named_or_waits_for_one_that_is(
    wanted: dict[int, list[int]],
) -> None:
    """Against an oracle: plans are settled one after the other until none can begin."""
    lines = []
    for number in range(1, 7):
        lines.append(f"- Plan {number}: p{number}")
        if wanted.get(number):
            lines.append(f"  - after: {', '.join(map(str, wanted[number]))}")
    declared = scope.parse(below_scope(*lines))
    stuck = {plan.order for trouble in order.troubles(declared) for plan in trouble.plans}
    settled: set[int] = set()
    while ready := [
        n for n in range(1, 7) if n not in settled and n not in stuck and set(wanted.get(n, ())) <= settled
    ]:
        settled.update(ready)
    for number in set(range(1, 7)) - settled - stuck:
        reached, todo = set(), [number]
        while todo:
            for other in wanted.get(todo.pop(), ()):
                if other not in reached:
                    reached.add(other)
                    todo.append(other)
        assert reached & stuck, f"{number} never begins, and no message leads to why"


# -- which plans are meant


def turns(root: Path, text: str, *links: str, **state: object) -> dict[str, Turn]:
    folder = make_epic(root, plan_ids=list(links), **state)
    (folder / "epic.md").write_text(text)
    (epic,) = epics.all_epics(Project(root))
    return order.turns(epic, epics.load_state(epic), skip_quoted=True)


def test_numbers_are_the_declared_ones_whatever_numbers_the_plans_have(tmp_path: Path) -> None:
    found = turns(tmp_path, three("", "1", "1, 2"), "12-plan-2-b", "07-plan-1-a", "30-plan-3-c")
    assert found == {
        "12-plan-2-b": Turn(("07-plan-1-a",)),
        "30-plan-3-c": Turn(("07-plan-1-a", "12-plan-2-b")),
    }


def test_a_plan_that_is_declared_and_not_linked_is_named(tmp_path: Path) -> None:
    found = turns(tmp_path, three("", "1", ""), "12-plan-2-b")
    assert found["12-plan-2-b"].why_not == "comes after `Plan 1: a`, which the epic does not link"


def test_the_list_of_plans_set_and_the_document_are_one_order(tmp_path: Path) -> None:
    declared = [{"title": "a", "goal": "g"}, {"title": "b", "goal": "g", "after": [1]}]
    found = turns(tmp_path, below_scope(), "05-a", "06-b", declared_plans=declared)
    assert found == {"06-b": Turn(("05-a",))}


def test_a_document_that_is_gone_is_no_order_that_is_empty(tmp_path: Path) -> None:
    folder = make_epic(tmp_path, plan_ids=["05-a"])
    (folder / "epic.md").unlink()
    (epic,) = epics.all_epics(Project(tmp_path))
    with pytest.raises(StateError, match=r"epic\.md is missing"):
        order.turns(epic, epics.load_state(epic), skip_quoted=True)


# -- commands


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    make_session(tmp_path)
    return Cli(tmp_path, monkeypatch, capsys)


def epic_of(root: Path, text: str) -> None:
    (make_epic(root) / "epic.md").write_text(text)


def test_validate_status_and_dry_run_warn(wf: Cli) -> None:
    epic_of(wf.root, three("", "2", ""))
    for words in (["epic", "validate", "01"], ["epic", "status", "01"], ["doctor"]):
        assert "`Plan 2: b` comes after itself" in "".join(map(str, wf(*words, environ=ON))), words
    _code, out, err = wf("epic", "validate", "01", "--json", environ=ON)
    assert any("comes after itself" in line for line in json.loads(out or err)["warnings"])


def test_no_record_of_a_declared_plan_has_another_key(wf: Cli) -> None:
    """Scripts read these records, and the mode may be off."""
    epic_of(wf.root, three("", "1", ""))
    found = wf.json("epic", "status", "01")
    assert [set(plan) for plan in found["scope_validation"]["declared_plans"]] == [
        {"order", "label", "title", "slug"}
    ] * 3
    assert found["scope_validation"]["warnings"] == []
    assert "waiting" not in found


def test_an_epic_whose_order_cannot_be_kept_does_not_start(wf: Cli) -> None:
    epic_of(wf.root, three("2", "1", ""))
    assert wf("init", environ=ON)[0] == 0
    code, out, err = wf("epic", "run", "01", environ=ON)
    assert code == 1, (out, err)
    assert "`Plan 1: a` and `Plan 2: b` come after each other in a circle" in err
    assert json.loads((wf.root / "epics" / "01-big" / "state.json").read_text())["plan_ids"] == []


def test_with_the_mode_off_the_lines_mean_nothing(wf: Cli) -> None:
    epic_of(wf.root, three("2", "1", ""))
    assert wf("init")[0] == 0
    code, _out, err = wf("epic", "run", "01")
    assert (code, err) == (0, "")
