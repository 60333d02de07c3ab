"""Projects of the command-driven flow for tests: plans with given files, and `wf` run inside the process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wf_cli.workflow import plans
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

TODO = "- [x] [T1] first\n- [x] [T2] second\n"
EVIDENCE = "# Evidence\n" + "".join(
    f"\n## {todo_id}\n- status: pass\n- command: `make check`\n- output: ok\n" for todo_id in ("T1", "T2")
)
SECTION = "- intent_match: pass\n- behavior_match: pass\n- test_adequacy: pass\n- risk: low\n- code_refs: a.py:1\n"
REVIEW = f"# Review\n\n## T1\n{SECTION}\n## T2\n{SECTION}\n## Verdicts\n\n- [T1]: pass\n- [T2]: pass\n"

ALL = ["planning", "coding", "reviewing", "fixing", "completing"]


def make_plan(root: Path, name: str = "01-a", *, phase: str = "coding", **files: str | None) -> Plan:
    """A plan that would pass both gates; ``files`` (todo, evidence, review, plan) replace or, None, remove one."""
    folder = root / "plans" / name
    folder.mkdir(parents=True)
    texts: dict[str, str | None] = {"plan": "# p\n", "todo": TODO, "evidence": EVIDENCE, "review": REVIEW, **files}
    for stem, text in texts.items():
        if text is not None:
            (folder / f"{stem}.md").write_bytes(text.encode())
    state = {"phase": phase, "iteration": 0, "created_at": "2021-01-02", "mine": {"kept": True}}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return plans.find(Project(root), name)


def make_epic(root: Path, scope: str = "", name: str = "01-big", **state: Any) -> Path:
    """An idle epic with this scope section."""
    folder = root / "epics" / name
    folder.mkdir(parents=True)
    (folder / "epic.md").write_text(f"# Epic: big\n\n## Goal\n\n## Scope\n{scope}\n## Success Criteria\n")
    (folder / "plans-map.yaml").write_text("plans:\n  []\n")
    (folder / "report.md").write_text("# Epic Report\n\n")
    content = {"phase": "active", "created_at": "2021-01-02", "plan_ids": [], **state}
    (folder / "state.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def make_session(root: Path, capabilities: list[str] | None = None, **more: Any) -> Path:
    """A session that may do everything, or what is given."""
    path = root / ".cursor" / "session" / "state.json"
    path.parent.mkdir(parents=True)
    content = {"model": "gpt-5.2", "capabilities": ALL if capabilities is None else capabilities, "locked": False}
    path.write_text(json.dumps({**content, **more}), encoding="utf-8")
    return path


def state_of(plan: Plan) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(plan.state_json.read_text(encoding="utf-8"))
    return state


class Cli:
    """`wf` in this process, in a project folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self.root = root
        self._capsys = capsys
        monkeypatch.chdir(root)

    def __call__(self, *words: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        from wf_cli.cli.main import run

        self._capsys.readouterr()
        code = run(words, environ or {})
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *words: str) -> dict[str, Any]:
        """The document of a command that succeeds."""
        code, out, err = self(*words, "--json")
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document
