"""Two plans of one number, as a merge of two branches leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.projects import make_plan
from wf_cli.workflow import plans
from wf_cli.workflow.project import Project


def test_plans_that_share_a_number_are_found_and_named(tmp_path: Path) -> None:
    for name in ("02-c", "01-b", "01-a", "01-z"):
        make_plan(tmp_path, name)
    found = plans.duplicates(plans.all_plans(Project(tmp_path)))
    assert {number: [plan.name for plan in sharing] for number, sharing in found.items()} == {
        "01": ["01-a", "01-b", "01-z"]
    }


def test_a_job_gets_its_plan_only_when_the_number_means_one(tmp_path: Path) -> None:
    make_plan(tmp_path, "01-a")
    assert plans.with_number(Project(tmp_path), "01").name == "01-a"
    make_plan(tmp_path, "01-b")
    with pytest.raises(plans.NumberShared) as refused:
        plans.with_number(Project(tmp_path), "01")
    assert "plans/01-a and plans/01-b" in refused.value.message
    assert refused.value.hint is not None
    assert "wf plan renumber 01-b" in refused.value.hint
    assert plans.find(Project(tmp_path), "01").name == "01-a", "a person's reference means the first, as ever"
    with pytest.raises(plans.PlanNotFound):
        plans.with_number(Project(tmp_path), "07")
