"""A project with a completed plan on a branch of its own, in a real repository, and what integrates it."""

from __future__ import annotations

import json
import os
from collections.abc import Container
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support import merges
from support.merges import Changes
from support.projects import make_plan, state_of
from wf_cli import git
from wf_cli.planjobs import integrate
from wf_cli.planjobs.integrate import Done, Tools
from wf_cli.workflow import plans
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Permit, Project
from wf_cli.workspace import candidate, testing
from wf_cli.workspace.testing import Argv

TARGET, PLAN = "wf/e01", "wf/e01-p01"


class Events:
    """Remembers what was emitted."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []

    def emit(self, event: str, **facts: Any) -> None:
        self.all.append((event, facts))

    def rest(self) -> None:
        pass

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.all]


@dataclass
class Into:
    """The worktree of a target, made by the test."""

    top: Path
    below: str = ""

    def put(self, top: Path, commit: str) -> None:
        candidate.put(top, commit, patience=0.0)


@dataclass
class Integration:
    """The plan's commit is on ``PLAN``, the target's on ``TARGET``; both come from ``start``."""

    root: Path
    repository: Path
    plan: Plan
    start: str
    head: str
    onto: str
    into: Into
    gates: list[Argv] = field(default_factory=list)
    approve: Container[Any] = ()
    events: Events = field(default_factory=Events)
    run: testing.Run = field(default_factory=merges.Gates)

    def __call__(self, permit: Permit | None = None) -> Done:
        project = Project(self.root, permit=permit, distributed=True)
        tools = Tools(lambda _target: self.into, self.run, self.events, self.gates, self.approve, patience=0.0)
        return integrate.integrate(project, plans.find(project, "01"), tools)

    def state(self) -> dict[str, Any]:
        return state_of(self.plan)

    def record(self, **changes: Any) -> None:
        state = self.state()
        self.plan.state_json.write_text(json.dumps({**state, "isolation": {**state["isolation"], **changes}}))

    def target(self) -> str:
        return merges.head(self.repository, TARGET)

    def untouched(self) -> dict[str, Any]:
        """What nothing of wf may change in the person's checkout."""
        seen = merges.state_of(self.repository)
        status = git.need(self.repository, "status", "--porcelain", "--untracked-files=all", "--", "src").text
        return {"status": status, "index": seen["index"], "config": seen["config"]}


def make(place: Path, ours: Changes | None = None, theirs: Changes | None = None, *, below: str = "") -> Integration:
    """``below`` is the project's folder in its repository."""
    repository = place / "repository"
    start = merges.make_repository(
        repository, {"src/a.txt": "a\n", "src/b.txt": "b\n", f"{below}/here".lstrip("/"): "here\n"}
    )
    ours = {"src/b.txt": "plan\n"} if ours is None else ours
    theirs = {"src/a.txt": "target\n"} if theirs is None else theirs
    onto = merges.commit(repository, TARGET, theirs, parents=[start], message="Merge plan 09: Other things")
    head = merges.commit(repository, PLAN, ours, parents=[start])
    root = repository / below
    plan = replace(make_plan(root, "01-parse-dates", phase="completed"), strict_list=True)
    record = {"branch": PLAN, "target": TARGET, "base": start, "head": head}
    state = {"phase": "completed", "iteration": 0, "epic_id": "01", "isolation": record}
    plan.state_json.write_text(json.dumps(state))
    into = Into(merges.add_worktree(repository, place / "into-wf-e01"), below)
    return Integration(root, repository, plan, start, head, onto, into)


def again(place: str, gates: list[list[str]]) -> str:
    """In another process: what `make` made in ``place`` is integrated; the verdict."""
    repository = Path(place, "repository")
    project = Project(repository, distributed=True)
    plan = plans.find(project, "01")
    record = state_of(plan)["isolation"]
    onto = merges.head(repository, TARGET)
    integration = Integration(
        repository, repository, plan, record["base"], record["head"], onto, Into(Path(place, "into-wf-e01")), [*gates]
    )
    integration.run = _noting(Path(place, "tested"))
    return integration().verdict


def _noting(path: Path) -> testing.Run:
    gates = merges.Gates()

    def run(folder: Path, argv: Argv) -> testing.Result:
        with path.open("a") as file:
            file.write(f"{merges.head_of(folder)}{os.linesep}")
        return gates(folder, argv)

    return run
