"""A repository as wf-cli 0.3.x (TypeScript) leaves it in mid-flight, built by hand from its contract.

It has a running epic, plans in every phase, all its ``.wf`` files, the queue of its own distributed mode, and what a
killed process of it leaves behind. Everything carries something of the user's own, so that a loss shows.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

#: Its distributed mode can only publish work for plans in planning; these phases are in flight in the epic.
EPIC_PLANS = {
    "01-plan-1-parser": "completed",
    "02-plan-2-report": "reviewing",
    "03-plan-3-packaging": "fixing",
    "04-plan-4-logging": "awaiting_review",
    "05-plan-5-search": "coding",
    "06-plan-6-export": "planning",
}
#: Outside of it.
OTHER_PLANS = {"07-stuck": "blocked", "08-": "planning"}
PHASES = {name[:2]: phase for name, phase in (EPIC_PLANS | OTHER_PLANS).items()}

LOCK = "plans/05-plan-5-search/state.json.wf-lock"
BINARY = bytes(range(256))

#: What 0.3.x writes into every new evidence.md: a sample that counts as evidence for T1 (quirk 7).
_SAMPLE = """# Evidence

## T1
- status: pass
- command: `bun test path/to/test.ts`
- output: short factual result
"""
_EVIDENCE = "\n## {id}\n- status: pass\n- command: `make check`\n- output: ok, 3 passed\n- notes: by hand\n"
_CONTRACT = """
## {id}
- intent_match: pass
- behavior_match: pass
- test_adequacy: pass
- risk: low
- code_refs: src/a.py:1
"""
_OPEN, _DONE = (
    "- [ ] [T1] first part\n- [ ] [T2] second part\n",
    "- [x] [T1] first part\r\n- [x] [T2] second part\r\n",
)


def build(root: Path) -> None:
    """Make the repository in ``root``, which exists. The mode is off; `switch_on` turns it on, as 0.3.x does."""
    for name, phase in (EPIC_PLANS | OTHER_PLANS).items():
        _plan(root / "plans" / name, phase, "01" if name in EPIC_PLANS else None)
    _epic(root)
    _session(root)
    _dot_wf(root)
    _templates(root)
    _its_distributed_mode(root)
    (root / LOCK).mkdir()
    os.utime(root / LOCK, (1_600_000_000, 1_600_000_000))


def switch_on(root: Path) -> None:
    path = root / ".wf" / "runtime.json"
    _json(path, {**json.loads(path.read_text()), "distributed": True})


def _plan(folder: Path, phase: str, epic_id: str | None) -> None:
    state: dict[str, Any] = {
        "phase": phase,
        "iteration": int(phase in ("fixing", "blocked")),
        "created_at": "2025-03-01",
    }
    state |= {"epic_id": epic_id} if epic_id else {}
    _json(folder / "state.json", {**state, "ticket": "ÄB-12"})
    started = phase != "planning"
    _text(folder / "plan.md", f"# {folder.name}\n\nWhat it is for.\n" if started else "")
    _text(folder / "todo.md", "" if not started else _OPEN if phase in ("coding", "blocked") else _DONE)
    implemented = phase not in ("planning", "coding", "blocked")
    sections = "".join(_EVIDENCE.format(id=name) for name in ("T1", "T2")) if implemented else ""
    _text(folder / "evidence.md", (_SAMPLE if not implemented else "# Evidence\n") + sections)
    if phase == "reviewing":
        _text(folder / "review.md", f"# Review\n\nA remark.\n{_CONTRACT.format(id='T1')}\n- [T1]: pass\n")
    elif phase == "fixing":
        _text(folder / "review.md", "# Review\n\n- [T2]: fail\n")
        _text(folder / "todo.md", _DONE.replace("- [x] [T2]", "- [ ] [T2]"))
    elif phase == "completed":
        _text(folder / "review.md", "".join(_CONTRACT.format(id=i) + f"\n- [{i}]: pass\n" for i in ("T1", "T2")))


def _epic(root: Path) -> None:
    folder = root / "epics" / "01-ship-it"
    scope = "".join(f"- Plan {i}: {name[10:].replace('-', ' ')}\n" for i, name in enumerate(EPIC_PLANS, 1))
    _text(folder / "epic.md", f"# Epic: Ship it\n\n## Goal\n\nShip.\n\n## Scope\n\n{scope}\n## Success Criteria\n")
    _text(folder / "plans-map.yaml", "plans:\n" + "".join(f"  - {name}\n" for name in EPIC_PLANS))
    _text(
        folder / "report.md",
        "# Epic Report\n\n## 2025-03-01T10:00:00.000Z\n- action: run\n- status: running\n- summary: started\n"
        "- total_plans: 6\n",
    )
    orchestration = {
        "status": "running",
        "started_at": "2025-03-01T10:00:00.000Z",
        "updated_at": "2025-03-01T10:00:00.000Z",
        "last_run_summary": "Created 6 plans",
        "board": 7,
    }
    _json(
        folder / "state.json",
        {
            "phase": "active",
            "created_at": "2025-03-01",
            "plan_ids": [*EPIC_PLANS],
            "orchestration": orchestration,
            "budget": "small",
        },
    )
    # An empty list as 0.3.x writes it, on a line of its own (quirk 25).
    empty = root / "epics" / "02-later"
    _text(empty / "epic.md", "# Epic: Later\n\n## Goal\n\n## Scope\n\n## Success Criteria\n")
    _text(empty / "plans-map.yaml", "plans:\n  []\n")
    _text(empty / "report.md", "# Epic Report\n")
    _json(empty / "state.json", {"phase": "active", "created_at": "2025-03-02", "plan_ids": []})


def _session(root: Path) -> None:
    capabilities = ["planning", "coding", "reviewing", "fixing", "completing"]
    session = {"model": "gpt-5.3-codex", "capabilities": capabilities, "locked": True, "created_at": "2025-03-01"}
    _json(root / ".cursor" / "session" / "state.json", {**session, "who": "me"})


def _dot_wf(root: Path) -> None:
    wf = root / ".wf"
    _json(wf / "runtime.json", {"version": 1, "distributed": False, "auto_start_workers": False, "mine": 1})
    _json(wf / "routing.runtimes.json", {"roles": {"plan-reviewer": "opencode", "plan-coder": ""}})
    _json(
        wf / "subagents.models.json",
        {
            "version": 1,
            "default_model": "gpt-5.2",
            "agents": {"plan-coder": "composer-1"},
            "opencode_agents": {"plan-fixer": "house/model"},
        },
    )
    _json(
        wf / "models.catalog.json",
        {"version": 1, "recommended": ["gpt-5.2", "composer-1"], "custom": ["house/model"]},
    )
    entry = {"id": "a1", "timestamp": "2025-03-01T09:00:00.000Z", "summary": "began", "implemented": [], "next": []}
    _text(
        wf / "project-memory.jsonl",
        "\n".join([json.dumps({**entry, "mood": "good"}), "not json", json.dumps({**entry, "id": "a2"})]) + "\n",
    )
    _text(wf / "project-memory.md", "# Project Memory\n")
    brief = {"summary": "A shop", "constraints": [], "successCriteria": ["sold"]}
    _json(wf / "project-brief.json", {**brief, "updatedAt": "2025-03-01T09:00:00.000Z"})
    _text(wf / "project-brief.md", "# Project Brief\n\n- summary: A shop\n")


def _templates(root: Path) -> None:
    wf = root / ".wf"
    _text(wf / "templates" / "cursor" / "commands" / "code.md", "# code, our way\n")
    _text(wf / "templates" / "cursor" / "commands" / "ours.md", "# a command of ours\n")
    _text(
        wf / "templates" / "opencode" / "agents" / "plan-coder.md", "---\ndescription: ours\nmodel: x/y\n---\nText.\n"
    )
    for role in ("epic-planner", "plan-coder", "plan-reviewer", "plan-fixer", "plan-verifier"):
        front = f"---\nname: {role}\ndescription: the {role}\nmodel: gpt-5.2\nreadonly: false\n---\n"
        _text(wf / "templates" / "cursor" / "agents" / f"{role}.md", f"{front}Does what it is told to do.\n")
        _text(root / ".cursor" / "agents" / f"{role}.md", f"{front}Does what it is told to do.\n")
    _text(root / ".cursor" / "commands" / "code.md", "# edited in place, which sync overwrites\n")
    _text(root / ".cursor" / "commands" / "mine.md", "# never managed\n")
    paths = [
        ("cursor", "commands", "code.md"),
        ("cursor", "commands", "ours.md"),
        ("cursor", "rules", "../../../evil.mdc"),
    ]
    entries = [{"agent": agent, "kind": kind, "relativePath": path} for agent, kind, path in paths]
    _json(wf / "managed-files.json", {"version": 1, "entries": entries})
    _text(wf / "skills" / "deploy" / "SKILL.md", "# Deploy\n")
    (wf / "skills" / "deploy" / "logo.bin").write_bytes(BINARY)


def _its_distributed_mode(root: Path) -> None:
    folder = root / ".wf" / "distributed"
    folder.mkdir()
    with sqlite3.connect(folder / "queue.db") as database:
        database.execute(
            "create table jobs (job_id text primary key, dedupe_key text unique, status text, record text)"
        )
        database.execute("create table job_events (event_id text, job_id text, type text)")
        key = "plan:06|it:0|cmd:code|role:plan-coder|runtime:opencode|epic:01"
        database.execute("insert into jobs values ('j1', ?, 'failed', '{}')", (key,))
    database.close()
    worker = {"pid": 4242, "role": "orchestrator", "runtime": "cursor", "started_at": "2025-03-01T10:00:01.000Z"}
    _json(folder / "workers" / "orchestrator@cursor.json", worker)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _json(path: Path, value: object) -> None:
    _text(path, json.dumps(value, indent=2, ensure_ascii=False))
