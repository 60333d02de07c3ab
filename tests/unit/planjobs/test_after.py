"""A plan gets its job when the plans that it comes after are completed, and everybody says which those are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Cli, make_session
from support.scenes import ON, Scene

A, B, C = "11-plan-1-a", "12-plan-2-b", "13-plan-3-c"
SCOPE = "# Epic: E\n\n## Scope\n\n- Plan 1: a\n- Plan 2: b\n  - after: 1\n- Plan 3: c\n  - after: 1, 2\n"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path, epic={"max_parallel_plans": 9}, mode="distributed")
    for name in (A, B, C):
        made.plan(name, epic="01")
    (made.epic("01-x", A, B, C) / "epic.md").write_text(SCOPE)
    return made


def whys(scene: Scene) -> dict[str, tuple[str, bool]]:
    return {entry.plan_id: (entry.why, entry.needs_help) for entry in scene.reconcile().blocked}


def phase(scene: Scene, name: str, value: str) -> None:
    path = scene.root / "plans" / name / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "phase": value}))


def done(scene: Scene, number: str, name: str) -> None:
    scene.queue.cancel(f"e01-p{number}-i0-code-plan-coder", by="person-host-00000001")
    phase(scene, name, "completed")


def test_plans_begin_one_after_the_other(scene: Scene) -> None:
    assert scene.reconcile().published == ["e01-p11-i0-code-plan-coder"]
    assert scene.reconcile().published == []
    done(scene, "11", A)
    assert scene.reconcile().published == ["e01-p12-i0-code-plan-coder"]
    done(scene, "12", B)
    assert scene.reconcile().published == ["e01-p13-i0-code-plan-coder"]


@pytest.mark.parametrize("of_first", ["coding", "awaiting_review", "reviewing", "fixing", "blocked", "lost"])
def test_only_a_completed_plan_lets_the_next_one_begin(scene: Scene, of_first: str) -> None:
    phase(scene, A, of_first)
    found = whys(scene)
    assert found["12"] == (f"comes after plan 11, which is {of_first}", False)
    both = f"comes after plan 11, which is {of_first}, and plan 12, which is planning"
    assert found["13"] == (both, False)


def test_a_plan_whose_folder_is_away_is_not_settled(scene: Scene) -> None:
    (scene.root / "plans" / A).rename(scene.root / "away")
    assert scene.reconcile().published == []


def test_a_plan_that_has_begun_is_not_called_back(scene: Scene) -> None:
    phase(scene, B, "awaiting_review")
    assert scene.reconcile().published == ["e01-p11-i0-code-plan-coder", "e01-p12-i0-review-plan-reviewer"]


def test_the_order_is_read_at_every_look(scene: Scene) -> None:
    scene.reconcile()
    path = scene.root / "epics" / "01-x" / "epic.md"
    path.write_text(SCOPE.replace("  - after: 1\n", ""))
    assert scene.reconcile().published == ["e01-p12-i0-code-plan-coder"]


def test_a_plan_that_is_asked_for_by_its_number_waits_for_its_turn_as_well(scene: Scene) -> None:
    """After each command of a person the dispatcher is asked for that plan."""
    assert scene.reconcile(also=["12"]).published == ["e01-p11-i0-code-plan-coder"]
    assert [entry.plan_id for entry in scene.reconcile(also=["12"]).blocked] == ["12", "13"], "told once"


def test_plans_of_a_circle_wait_for_a_person_and_the_others_go_on(scene: Scene) -> None:
    path = scene.root / "epics" / "01-x" / "epic.md"
    path.write_text(SCOPE.replace("- Plan 2: b\n  - after: 1\n", "- Plan 2: b\n  - after: 3\n"))
    found = scene.reconcile()
    assert found.published == ["e01-p11-i0-code-plan-coder"]
    for entry in found.blocked:
        assert entry.needs_help
        assert "`Plan 2: b` and `Plan 3: c` come after each other in a circle" in entry.why
        assert entry.command == "wf epic validate 01"
    assert [entry.plan_id for entry in found.blocked] == ["12", "13"]


def test_a_missing_document_publishes_nothing_that_might_come_later(scene: Scene) -> None:
    (scene.root / "epics" / "01-x" / "epic.md").unlink()
    found = scene.reconcile()
    assert found.published == []
    assert all("epic.md is missing" in entry.why and entry.needs_help for entry in found.blocked)


def test_everybody_says_what_waits_for_what(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_session(scene.root)
    wf = Cli(scene.root, monkeypatch, capsys)
    scene.reconcile()
    said = "plan 12 comes after plan 11, which is planning"
    for words in (["epic", "status", "01"], ["explain", "P12"], ["explain", "E01"], ["doctor", "--json"]):
        assert said in wf(*words, environ=ON)[1], words
    waiting = json.loads(wf("epic", "status", "01", "--json", environ=ON)[1])["waiting"]
    assert waiting[0] == {"name": "plan_goes_on", "holds": False, "text": said, "command": "wf explain P11"}
    dispatched = json.loads(wf("dispatch", "--json", environ=ON)[1])["blocked"]
    assert dispatched[0]["why"] == "comes after plan 11, which is planning"
