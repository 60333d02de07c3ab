"""Two people judge one plan at once, in processes of their own, while two dispatchers look."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support import children
from support.projects import make_session
from support.scenes import ON, Scene
from wf_cli.app import App
from wf_cli.attempt.steps import Opening
from wf_cli.cli.main import run
from wf_cli.contract.identity import target_of
from wf_cli.contract.lifecycle import Status

PLANS = ("01", "02", "03", "04")
TODO = "- [ ] [T1] first\n"


def judge(root: str, words: tuple[str, ...]) -> dict[str, int]:
    """The exit code for each plan."""
    os.chdir(root)
    environ = {"HOME": root, "PATH": os.environ["PATH"], **ON}
    return {plan: run([words[0], plan, *words[1:]], environ) for plan in PLANS}


def dispatch(root: str) -> list[str]:
    """What a dispatcher publishes until the people are gone."""
    app = App(Path(root), ON)
    dispatcher = app.dispatcher(app.open_spool())
    found: list[str] = []
    while not (Path(root) / "gone").exists():
        found += dispatcher.reconcile(also=()).published
    return found + list(dispatcher.reconcile(also=()).published)


@pytest.mark.parametrize("topology", ["local", "shared"])
def test_the_last_word_of_each_plan_decides_and_no_plan_has_two_jobs(tmp_path: Path, topology: str) -> None:
    scene = Scene(
        tmp_path,
        epic={"approve": ["plan"], "max_parallel_plans": len(PLANS)},
        mode="distributed",
        spool={"durability": "none", "topology": topology},
    )
    make_session(tmp_path)
    for plan in PLANS:
        scene.plan(f"{plan}-x", epic="01", todo=TODO)
    scene.epic("01-x", *(f"{plan}-x" for plan in PLANS))

    dispatchers = [children.Child(dispatch, str(tmp_path)) for _ in range(2)]
    people = [
        children.Child(judge, str(tmp_path), words)
        for words in (("approve",), ("reject", "--reason", "no"), ("approve",))
    ]
    codes = [person.result() for person in people]
    (tmp_path / "gone").touch()
    published = [job for child in dispatchers for job in child.result()]

    assert len(published) == len(set(published)), "both dispatchers say that they made one job"
    waiting = {p.token.job_id: p.status for p in scene.queue.placed()}
    for plan in PLANS:
        state = json.loads((tmp_path / "plans" / f"{plan}-x" / "state.json").read_text())
        jobs = {job_id for job_id in waiting if f"-p{plan}-" in job_id}
        assert {waiting[job_id] for job_id in jobs} == {Status.QUEUED}
        assert {person[plan] for person in codes} <= {0, 4}, "a word is taken or refused"
        assert any(person[plan] == 0 for person in codes), "everybody was refused"
        assert ("approvals" in state) != ("rejected" in state), "the last word takes the other one back"
        planner, coder = f"e01-p{plan}-i0-plan-orchestrator", f"e01-p{plan}-i0-code-plan-coder"
        if "rejected" in state:
            assert jobs == {planner}
            continue
        # A rejection that came first has called for the planner, who finds an approved text and is done at once.
        assert jobs in ({coder}, {planner})
        (job,) = jobs
        target = target_of(job)
        assert target is not None
        with scene.app.steps(scene.spool, scene.app.events(scene.spool)).opening(target) as (verdict, _why):
            assert verdict is (Opening.GO if job == coder else Opening.DONE)
