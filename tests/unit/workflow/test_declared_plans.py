"""`wf epic plans set`: what a list of plans has to be, who may declare it and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.projects import make_epic
from wf_cli.errors import Refused
from wf_cli.workflow import epic_plans, epic_run, epics, plans
from wf_cli.workflow.epic_plans import DeclaredPlan, PlansRefused
from wf_cli.workflow.project import Project

TWO = [{"title": "Parse", "goal": "It parses."}, {"title": "Report", "goal": "It reports.", "after": [1]}]


def allow() -> None:
    """Nothing forbids it."""


def epic_of(root: Path, scope: str = "", **state: Any) -> tuple[Project, epics.Epic]:
    make_epic(root, scope, **state)
    project = Project(root)
    return project, epics.find(project, "01")


def test_a_list_is_read_with_the_places_of_what_comes_first() -> None:
    assert epic_plans.parse(TWO, 9) == (
        DeclaredPlan("Parse", "It parses."),
        DeclaredPlan("Report", "It reports.", (1,)),
    )
    by_title = [TWO[0], {**TWO[1], "after": "Parse"}]
    assert epic_plans.parse({"plans": by_title}, 9) == epic_plans.parse(TWO, 9)


WRONG: list[tuple[Any, str]] = [
    ([], "empty"),
    ({}, "no list"),
    (None, "no list"),
    ("Parse", "no list"),
    (["Parse"], "plan 1 is no mapping"),
    ([{"title": "a"}], "plan 1 has no goal"),
    ([{"goal": "a"}], "plan 1 has no title"),
    ([{"title": " ", "goal": "g"}], "plan 1 has no title"),
    ([{"title": "a", "goal": ["g"]}], "plan 1 has no goal"),
    ([{"title": "a\nb", "goal": "g"}], "more than one line"),
    ([{"title": "a" * 121, "goal": "g"}], "121 characters; 120 are allowed"),
    ([{"title": "a", "goal": "g" * 4001}], "4001 characters; 4000 are allowed"),
    ([{"title": "a", "goal": "g", "titel": 1}], "unknown key 'titel', did you mean 'title'?"),
    ([{"title": "a", "goal": "g"}, {"title": " A ", "goal": "h"}], "plan 2 has the title of plan 1"),
    ([{"title": "a b", "goal": "g"}, {"title": "a-b!", "goal": "h"}], "plan 2 has the title of plan 1"),
    ([{"title": "a", "goal": "g", "after": [1]}], "after: 1 is not the number or title of a plan before it"),
    ([{"title": "a", "goal": "g", "after": [0]}], "after: 0"),
    ([{"title": "a", "goal": "g"}, {"title": "b", "goal": "g", "after": [True]}], "after: True"),
    ([{"title": "a", "goal": "g"}, {"title": "b", "goal": "g", "after": ["c"]}], "after: 'c'"),
    ([{"title": str(n), "goal": "g"} for n in range(10)], "10 plans; 9 are allowed (epic.max_plans)"),
]


@pytest.mark.parametrize(("value", "told"), WRONG, ids=[told for _, told in WRONG])
def test_a_wrong_list_is_refused_with_every_trouble_in_it(value: Any, told: str) -> None:
    with pytest.raises(PlansRefused) as refused:
        epic_plans.parse(value, 9)
    assert told in refused.value.message


def test_titles_in_other_scripts_are_no_repetition() -> None:
    two = [{"title": "解析日期", "goal": "g"}, {"title": "Разбор дат", "goal": "g"}]
    assert [plan.title for plan in epic_plans.parse(two, 9)] == ["解析日期", "Разбор дат"]


def test_what_is_declared_becomes_plans_with_title_and_goal_in_order(tmp_path: Path) -> None:
    project, epic = epic_of(tmp_path)
    epic_plans.declare(project, epic, epic_plans.parse(TWO, 9), allow, by=None, skip_quoted=True)
    made = epic_run.run(project, epic, splits=True)
    assert [plan.name for plan in made.plans] == ["01-parse", "02-report"]
    states = [plans.need_state(plan).raw for plan in made.plans]
    assert [(state["title"], state["goal"]) for state in states] == [
        ("Parse", "It parses."),
        ("Report", "It reports."),
    ]
    assert epic_plans.facts(epic).has_plans
    with pytest.raises(Refused, match="has 2 plans already"):
        epic_plans.declare(project, epic, epic_plans.parse(TWO, 9), allow, by=None, skip_quoted=True)


def test_an_epic_whose_document_declares_plans_takes_no_other_list(tmp_path: Path) -> None:
    project, epic = epic_of(tmp_path, "- Plan 1: Alpha")
    with pytest.raises(Refused, match="declares the plans of epic 01 itself"):
        epic_plans.declare(project, epic, epic_plans.parse(TWO, 9), allow, by=None, skip_quoted=True)


def test_who_may_not_declare_changes_nothing(tmp_path: Path) -> None:
    project, epic = epic_of(tmp_path)
    before = epic.state_json.read_bytes()

    def refuse() -> None:
        raise Refused("not now")

    with pytest.raises(Refused, match="not now"):
        epic_plans.declare(project, epic, epic_plans.parse(TWO, 9), refuse, by=None, skip_quoted=True)
    assert epic.state_json.read_bytes() == before


def test_a_list_that_somebody_damaged_counts_as_none(tmp_path: Path) -> None:
    assert epic_plans.declared({"declared_plans": [{"title": 3}]}) == ()
    assert epic_plans.declared({"declared_plans": "x"}) == ()
    assert epic_plans.declared({}) == ()


@pytest.mark.parametrize(
    ("scope", "splits", "state", "rule"),
    [
        ("", True, {}, "split"),
        ("", False, {}, "default"),
        ("* Plan 1: Alpha", True, {}, "split"),
        ("- Plan 1: Alpha", True, {}, "scope"),
        ("<!--\n- Plan 1: Alpha\n-->", True, {}, "split"),
        ("<!--\n- Plan 1: Alpha\n-->", False, {}, "scope"),
        ("", True, {"declared_plans": TWO}, "set"),
        ("", False, {"declared_plans": TWO}, "set"),
        ("- Plan 1: Alpha", True, {"plan_ids": ["07-old"]}, "linked"),
    ],
)
def test_the_rule_by_which_an_epic_gets_its_plans(
    tmp_path: Path, scope: str, splits: bool, state: dict[str, Any], rule: str
) -> None:
    _, epic = epic_of(tmp_path, scope, **state)
    assert epic_run.wanted(epic, epics.load_state(epic), splits=splits).rule == rule


def test_declared_plans_are_made_once_and_only_in_a_running_epic(tmp_path: Path) -> None:
    project, epic = epic_of(tmp_path)
    epic_plans.declare(project, epic, epic_plans.parse(TWO, 9), allow, by=None, skip_quoted=True)
    assert not epic_run.create_declared(project, epic)
    state = epics.load_state(epic)
    epics.write_state(epic, {**state, "orchestration": {"status": "running"}})
    assert epic_run.create_declared(project, epic)
    assert not epic_run.create_declared(project, epic)
    assert [plan.name for plan in plans.all_plans(project)] == ["01-parse", "02-report"]


def test_a_rewritten_document_is_noticed_until_it_says_the_same_again(tmp_path: Path) -> None:
    _, epic = epic_of(tmp_path)
    text = epic.epic_md.read_text()
    epic_plans.begin_split(epic)
    assert not epic_plans.facts(epic).was_rewritten
    epic.epic_md.write_text(text + "more\n")
    epic_plans.begin_split(epic)  # a later attempt remembers what the first one found
    assert epic_plans.facts(epic).was_rewritten
    epic.epic_md.write_text(text)
    assert not epic_plans.facts(epic).was_rewritten
