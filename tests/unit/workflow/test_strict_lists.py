"""Todo lists with the distributed mode on: what seems to be an item counts or is named, and none vanishes unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.clock import FakeClock
from support.projects import TODO, make_plan, state_of
from wf_cli.workflow import gates, phase_commands, phases, plans, snapshot, todo, unclear_items
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

SEEM = [
    "* [ ] [T2] star",
    "+ [ ] [T2] plus",
    "1. [ ] [T2] numbered",
    "1) [x] [T2] numbered",
    "a. [ ] [T2] lettered",
    "- [~] [T2] going on",
    "- [-] [T2] cancelled",
    "- [] [T2] without a blank",
    "- [  ] [T2] two blanks",
    "- [ ][T2] no gap",
    "- [v] [T2] another mark",
    "[ ] [T2] no bullet",
    "### [ ] T2",
    "| [ ] | T2 | in a table |",
    "> - [ ] quoted",
    "  * [ ] nested",
    "☐ [T2] a box of its own",
    "- [✓] [T2] ticked",
    "- **[ ]** [T2] bold",
]
OTHER = [
    "- [the docs](https://example.org)",
    "- [x]: https://example.org",
    "- [x](y)",
    "- [T2] no box at all",
    "see item [ ] below",
    "text",
    "",
    "- [note] words",
    "- a[x] = 1",
]


@pytest.mark.parametrize("line", SEEM)
def test_a_line_that_seems_to_be_an_item_is_named_with_its_number(line: str) -> None:
    (found,) = unclear_items.unclear(f"- [ ] [T1] first\n{line}\n")
    assert found.line == 2
    assert "- [ ] [ID] text" in str(found)


@pytest.mark.parametrize("line", OTHER)
def test_other_lines_are_left_alone(line: str) -> None:
    assert unclear_items.unclear(f"- [ ] [T1] first\n{line}\n") == ()


@given(st.lists(st.sampled_from([*SEEM, *OTHER, "```", "<!--", "-->", "- [ ] [T1] a", "- [x] b", "- [ ] x\u2028y"])))
def test_no_line_is_both_an_item_and_unclear(lines: list[str]) -> None:
    text = "\n".join(lines)
    items = {item.line + 1 for item in todo.parse(text)}
    assert items.isdisjoint(line.line for line in unclear_items.unclear(text))


def test_an_item_in_a_fence_is_text_in_a_strict_list_alone() -> None:
    text = (
        "- [ ] [T1] write, and show:\n\n  ```md\n  - [ ] [X9] sample\n  * [ ] other\n  ```\n<!-- - [ ] [X8] old -->\n"
    )
    assert [item.id for item in todo.parse(text, skip_quoted=True)] == ["T1"]
    assert [item.id for item in todo.parse(text)] == ["T1", "X9"]
    assert unclear_items.unclear(text) == ()


def strict(root: Path, **files: str | None) -> Plan:
    make_plan(root, **files)
    return plans.find(Project(root, distributed=True), "01")


def test_a_plan_with_an_unclear_line_is_not_filled_and_passes_no_gate(tmp_path: Path) -> None:
    plan = strict(tmp_path, todo=TODO + "* [ ] [T3] third\n", phase="planning")
    assert any("line 3, '* [ ] [T3] third'" in blank for blank in snapshot.take(plan).blanks)
    assert any("line 3" in error for error in gates.review_gate(plan).errors)
    assert any("line 3" in error for error in gates.done_gate(plan, FakeClock()).errors)
    lenient = plans.find(Project(tmp_path), "01")
    assert snapshot.take(lenient).blanks == ()
    assert gates.done_gate(lenient, FakeClock()).ok


def test_an_id_used_twice_leaves_a_strict_plan_unfilled(tmp_path: Path) -> None:
    plan = strict(tmp_path, todo="- [ ] [T1] a\n- [ ] [T1] b\n", phase="planning")
    assert any("several items share: T1" in blank for blank in snapshot.take(plan).blanks)


def test_an_item_that_vanished_since_coding_began_keeps_the_plan_from_both_gates(tmp_path: Path) -> None:
    todo_text = "- [ ] [T1] first\n- [ ] [T2] second\n- [ ] [T3] third\n"
    plan = strict(tmp_path, todo=todo_text, phase="planning")
    phase_commands.run(Project(tmp_path, distributed=True), plan, phases.CODE)
    assert state_of(plan)["items"] == ["T1", "T2", "T3"]
    plan.todo_md.write_text(TODO)
    for gate in (gates.review_gate(plan), gates.done_gate(plan, FakeClock())):
        (error,) = gate.errors
        assert "lacks items that it had when coding began: T3" in error
    assert gates.done_gate(plans.find(Project(tmp_path), "01"), FakeClock()).ok


def test_an_item_that_is_not_ticked_keeps_a_strict_plan_from_completion(tmp_path: Path) -> None:
    plan = strict(tmp_path, todo=TODO + "- [ ] [T3] added later\n", phase="reviewing")
    assert gates.done_gate(plan, FakeClock()).errors == ("todo items are not ticked: T3",)
    assert gates.done_gate(plans.find(Project(tmp_path), "01"), FakeClock()).ok


def test_the_command_driven_flow_writes_no_list(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, phase="planning")
    phase_commands.run(Project(tmp_path), plan, phases.CODE)
    assert "items" not in state_of(plan)
