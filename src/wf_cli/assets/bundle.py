"""The templates that come with wf, assembled for both tools.

The texts lie once under ``templates/{commands,agents,rules}/``. Cursor and OpenCode differ in their front matter,
which is data in this module. OpenCode's commands also name the place where the user's words go.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Tool = Literal["cursor", "opencode"]
Kind = Literal["commands", "rules", "agents"]

TOOLS: tuple[Tool, ...] = ("cursor", "opencode")
KINDS: tuple[Kind, ...] = ("commands", "rules", "agents")

_TEXTS = Path(__file__).parent / "templates"


@dataclass(frozen=True, order=True)
class TemplateId:
    """One template: of which tool, of which kind, and its file name."""

    tool: Tool
    kind: Kind
    relative_path: str


#: Command -> (description, the OpenCode agent that runs it).
_COMMANDS = {
    "code": ("Implement a plan, item by item, with evidence", "plan-coder"),
    "context": ("Show the phase, the files and the next commands of a plan", "build"),
    "done": ("Complete a plan that passed its review", "plan-reviewer"),
    "epic": ("Create, run and follow an epic", "epic-planner"),
    "finish-code": ("Check the review gate and hand a plan to review", "plan-coder"),
    "fix": ("Repair what the review of a plan rejected", "plan-fixer"),
    "generate-skill": ("Write a skill from what was learned", "build"),
    "log": ("Record what was done", "build"),
    "models": ("List the models that can be declared", "build"),
    "plan": ("Create a plan with a todo list", "epic-planner"),
    "project": ("Write the project's brief", "build"),
    "recap": ("Summarise the brief and the latest log entries", "build"),
    "review": ("Review a plan and accept or reject its items", "plan-reviewer"),
    "set-model": ("Declare the model of this checkout", "build"),
    "subagents": ("Show and change the models of the sub-agents", "build"),
    "update-model": ("Change the declared model once and lock it", "build"),
    "verify": ("Check the gates of a plan without changing it", "plan-verifier"),
    "who-are-you": ("Say which model works here and what it may do", "build"),
    "worker": ("Take the jobs of this editor's pool, one after the other", "build"),
}

#: Agent -> (description, model).
_AGENTS = {
    "epic-planner": ("Breaks an epic into plans and writes each with a todo list", "gpt-5.2"),
    "plan-coder": ("Implements one plan with evidence for each item", "gpt-5.3-codex"),
    "plan-fixer": ("Repairs the rejected items of one plan", "gpt-5.3-codex"),
    "plan-reviewer": ("Reviews one plan and accepts or rejects each item", "claude-4.5-opus"),
    "plan-verifier": ("Checks the gates and the evidence of one plan", "claude-4.5-opus"),
    "plan-worker": ("Takes jobs of the distributed mode from inside an editor", "gpt-5.3-codex"),
}
_READ_ONLY = frozenset({"plan-reviewer", "plan-verifier"})

_ALWAYS = ("alwaysApply: true",)
#: Rule -> front matter, the same for both tools.
_RULES: dict[str, tuple[str, ...]] = {
    "agent-execution": (),
    "orchestration": (),
    "time-tracking": (),
    "bun": _ALWAYS,
    "context7": _ALWAYS,
    "plans": _ALWAYS,
    "session": _ALWAYS,
    "sync": _ALWAYS,
    "documentation-language-english": ("description: Write everything in plain English", *_ALWAYS),
    "wf-cli": ("description: How to use the wf command", 'globs: ["plans/**", "epics/**", ".wf/**"]'),
}


def bundled() -> dict[TemplateId, str]:
    """Every bundled template with its text."""
    texts: dict[TemplateId, str] = {}
    for tool in TOOLS:
        for name in _COMMANDS:
            texts[TemplateId(tool, "commands", f"{name}.md")] = _command(tool, name)
        for name in _AGENTS:
            if tool == "opencode" or name != "plan-worker":
                texts[TemplateId(tool, "agents", f"{name}.md")] = _agent(tool, name)
        for name, front in _RULES.items():
            texts[TemplateId(tool, "rules", f"{name}.mdc")] = _with_front(front, _text("rules", f"{name}.mdc"))
    return texts


def _command(tool: Tool, name: str) -> str:
    description, agent = _COMMANDS[name]
    body = _text("commands", f"{name}.md").replace("{runtime}", tool)
    if tool == "opencode":
        body += "\nThe user's words: $ARGUMENTS\n"
    # generate-skill is the only command that has front matter in Cursor, and the only one that has none in OpenCode.
    has_front = (tool == "cursor") == (name == "generate-skill")
    return _with_front((f"description: {description}", f"agent: {agent}") if has_front else (), body)


def _agent(tool: Tool, name: str) -> str:
    description, model = _AGENTS[name]
    if tool == "cursor":
        read_only = "true" if name in _READ_ONLY else "false"
        front = [f"name: {name}", f"description: {description}", f"model: {model}", f"readonly: {read_only}"]
    else:
        front = [f"description: {description}", "mode: subagent", f"model: {model}"]
        if name in _READ_ONLY:
            front += ["permission:", "  edit: deny", "  bash: ask"]
    return _with_front(tuple(front), _text("agents", f"{name}.md"))


def _with_front(front_matter: tuple[str, ...], body: str) -> str:
    return "\n".join(["---", *front_matter, "---", "", body]) if front_matter else body


def _text(kind: Kind, file_name: str) -> str:
    return (_TEXTS / kind / file_name).read_text(encoding="utf-8")
