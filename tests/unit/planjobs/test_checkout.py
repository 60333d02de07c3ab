"""Which plans are open, and whom each plan has to wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wf_cli.contract.lifecycle import Status
from wf_cli.errors import StateError
from wf_cli.planjobs.checkout import Checkout
from wf_cli.planjobs.due import Job
from wf_cli.planjobs.look import Look
from wf_cli.workflow.plans import Plan


@dataclass
class Seen:
    """A `Look` at plans of a running epic: ``{"01": "coding", "02": "planning code@0 running"}``."""

    said: dict[str, str]
    undriven: tuple[str, ...] = ()
    sharing: dict[str, object] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    unmerged: tuple[str, ...] = ()

    @property
    def plans(self) -> list[Plan]:
        return [plan(plan_id) for plan_id in sorted(self.said)]

    def phase(self, plan: Plan) -> str:
        return self.said[plan.id].split()[0]

    def is_unmerged(self, plan: Plan) -> bool:
        return plan.id in self.unmerged

    def is_driven(self, plan: Plan) -> bool:
        return plan.id not in self.undriven

    def jobs(self, plan_id: str) -> list[Job]:
        words = self.said.get(plan_id, "").split()[1:]
        pairs = zip(words[::2], words[1::2], strict=True)
        found = []
        for step, status in pairs:
            command, iteration = step.split("@")
            found.append(Job(f"p{plan_id}-{step}", command, int(iteration), Status(status)))
        return found

    def live(self, plan_id: str) -> list[Job]:
        return [job for job in self.jobs(plan_id) if job.is_live]

    def facts(self, plan: Plan) -> Any:
        if plan.id in self.unreadable:
            raise StateError(f"{plan.name} is torn")
        return SimpleNamespace(
            plan_id=plan.id,
            phase=self.phase(plan),
            iteration=0,
            blanks=(),
            rejected_ids=(),
            is_unmerged=self.is_unmerged(plan),
        )


def plan(plan_id: str) -> Plan:
    return Plan(plan_id, f"{plan_id}-x", Path(f"plans/{plan_id}-x"))


def checkout(said: dict[str, str], **more: Any) -> Checkout:
    return Checkout(cast("Look", Seen(said, **more)))


def ahead(found: Checkout, *plan_ids: str) -> dict[str, list[str]]:
    return {plan_id: found.ahead_of(plan(plan_id)) for plan_id in plan_ids}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # A new plan waits for every open one, also for one that has no next step by itself.
        ({"01": "planning", "02": "coding"}, {"01": ["02"], "02": []}),
        ({"01": "planning", "02": "awaiting_review", "03": "fixing"}, {"01": ["02", "03"]}),
        ({"01": "completed", "02": "blocked", "03": "planning", "04": "frozen"}, {"03": []}),
        # Its own first job opens a plan.
        ({"01": "planning", "02": "planning code@0 queued"}, {"01": ["02"], "02": []}),
        ({"01": "planning", "02": "planning code@0 held"}, {"01": ["02"]}),
        # Of several open ones the first that goes on is next; a live job goes before all.
        ({"01": "awaiting_review", "02": "awaiting_review"}, {"01": [], "02": ["01"]}),
        ({"01": "coding", "02": "awaiting_review"}, {"01": [], "02": []}),
        ({"01": "awaiting_review", "02": "coding code@0 running"}, {"01": ["02"], "02": ["01"]}),
        ({"01": "coding code@0 running", "02": "awaiting_review"}, {"02": ["01"]}),
        # A plan that waits for a person because its step is dead leaves the checkout.
        ({"01": "coding code@0 failed", "02": "planning"}, {"02": []}),
        ({"01": "awaiting_review review@0 failed", "02": "planning"}, {"02": []}),
        ({"01": "awaiting_review code@0 failed", "02": "planning"}, {"02": ["01"]}),
        ({"01": "coding code@0 failed review@0 running", "02": "planning"}, {"02": ["01"]}),
        ({"01": "completed review@0 failed", "02": "planning"}, {"02": []}),
    ],
)
def test_whom_a_plan_waits_for(said: dict[str, str], expected: dict[str, list[str]]) -> None:
    assert ahead(checkout(said), *expected) == expected


def test_a_persons_own_plan_keeps_nobody_waiting_but_its_job_does() -> None:
    said = {"01": "coding", "02": "planning"}
    assert ahead(checkout(said, undriven=("01",)), "02") == {"02": []}
    said["01"] = "coding code@0 running"
    assert ahead(checkout(said, undriven=("01",)), "02") == {"02": ["01"]}


def test_a_plan_is_open_until_its_target_has_it() -> None:
    said = {"01": "completed", "02": "planning", "03": "awaiting_review"}
    found = checkout(said, unmerged=("01",))
    assert ahead(found, "01", "02", "03") == {"01": [], "02": ["01", "03"], "03": ["01"]}
    assert ahead(checkout(said), "02", "03") == {"02": ["03"], "03": []}
    said["01"] = "completed integrate@0 failed"
    assert ahead(checkout(said, unmerged=("01",)), "02") == {"02": ["03"]}, "it waits for a person"


def test_plans_that_share_a_number_keep_the_checkout_only_while_an_agent_works() -> None:
    for phase, expected in (
        ("awaiting_review", []),
        ("coding code@0 queued", []),
        ("coding code@0 claimed", ["01"]),
        ("coding code@0 running", ["01"]),
    ):
        found = checkout({"01": phase, "02": "planning"}, sharing={"01": ()})
        assert ahead(found, "02") == {"02": expected}, phase


def test_an_unreadable_open_plan_keeps_the_checkout_from_new_plans_and_holds_no_open_one_up() -> None:
    said = {"01": "reviewing review@0 failed", "02": "awaiting_review", "03": "planning"}
    found = checkout(said, unreadable=("01",))
    assert ahead(found, "02", "03") == {"02": [], "03": ["01", "02"]}


def test_a_plan_whose_job_was_published_is_waited_for_and_a_blocked_one_no_more() -> None:
    found = checkout({"01": "coding", "02": "coding", "03": "planning"})
    assert ahead(found, "01", "03") == {"01": [], "03": ["01", "02"]}
    found.began(plan("02"))
    assert ahead(found, "01") == {"01": ["02"]}, "it has a live job now"
    found.ended(plan("01"))
    assert ahead(found, "03") == {"03": ["02"]}
    found.began(plan("04"))
    assert ahead(found, "03", "02") == {"03": ["02", "04"], "02": ["04"]}, "also one that appeared since"
