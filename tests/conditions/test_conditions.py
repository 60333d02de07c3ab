"""Each condition is made, told by every command that a person asks, repaired as told, and then told no more."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from conditions.bed import ALL, Bed, Condition, check, holds_mounts
from conditions.table import TABLE, epic, no_worker, plan_blocked, two_plans

Make = Callable[[Bed], None]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name.replace(" ", "-"))
def test_it_is_told_and_the_command_that_is_named_repairs_it(bed: Bed, row: Condition) -> None:
    if row.needs_mounts and not holds_mounts():
        pytest.skip("needs to mount a file system, as root")
    check(bed, row)


def test_a_project_with_programs_of_its_own_has_no_errors_about_agents_that_nothing_needs(bed: Bed) -> None:
    bed.shell("exit 0\n")
    done = bed.wf("doctor")
    assert done.code == 0, done.text
    assert not re.search("^(error|warn) +runtime", done.out, re.MULTILINE)
    bed.ok("init")
    bed.ok("set-model", "gpt-5.2")
    bed.ok("plan", "parser")
    done = bed.wf("doctor")
    assert (done.code, "opencode is not installed here" in done.out) == (5, True), "a plan needs them"


@pytest.mark.parametrize("make", [no_worker, plan_blocked, two_plans], ids=lambda make: make.__name__)
def test_dispatch_never_says_that_there_is_nothing_to_do_while_a_person_has_to_act(bed: Bed, make: Make) -> None:
    make(bed)
    said = bed.ok("dispatch").out
    assert "nothing to do" not in said
    assert re.search(r"wf (worker|fix|plan renumber|cancel) ", said), said


def test_dispatch_says_that_there_is_nothing_to_do_when_there_is_nothing(bed: Bed) -> None:
    bed.shell("exit 0\n")
    assert bed.ok("dispatch").out == "nothing to do: no running epic waits for a job\n"


def test_looking_makes_no_job_and_changes_no_plan(bed: Bed) -> None:
    """The commands ask what a reconcile would say, and must not be one."""
    epic(bed)
    (job_id,) = bed.tokens()
    bed.ok("cancel", job_id)
    before = bed.tree("plans", "epics", ".wf/spool/queued", ".wf/spool/jobs", ".wf/spool/done")
    for command in ALL:
        bed.subject = "P01"
        bed.told(command)
    assert bed.tree("plans", "epics", ".wf/spool/queued", ".wf/spool/jobs", ".wf/spool/done") == before
