"""``project``, ``log``, ``recap``: the project's brief and log."""

from __future__ import annotations

import math
from typing import Any

from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import Parsed, Spec, parse, positive_number
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.workflow import project_memory
from wf_cli.workflow.project_memory import Memory

_JSON = frozenset({"--json"})


def _options(*names: str) -> dict[str, str]:
    return {f"--{name}": name for name in names}


_PROJECT = Spec(
    required=("summary",),
    flags=_JSON,
    values=_options("scope", "product", "users", "stack", "constraints", "success"),
    skips_empty=True,
)
_PROJECT_USAGE = (
    'wf project "<summary>" [--product x] [--users x] [--stack x] [--constraints "a; b"] [--success "a; b"]'
    " [--scope name] [--json]"
)
_LOG = Spec(
    required=("summary",),
    flags=_JSON,
    values=_options("scope", "phase", "about", "implemented", "next"),
    skips_empty=True,
)
_LOG_USAGE = (
    'wf log "<summary>" [--phase x] [--about x] [--implemented "a; b"] [--next "a; b"] [--scope name] [--json]'
)
_RECAP = Spec(flags=_JSON, values=_options("scope", "limit"), skips_empty=True)
_RECAP_USAGE = "wf recap [--limit n] [--scope name] [--json]"


def _project(call: Call) -> int:
    parsed = parse(_PROJECT, call.words, _PROJECT_USAGE)
    memory = _memory(call, parsed)
    brief = project_memory.write_brief(
        call.project,
        memory,
        parsed.word("summary"),
        product=parsed.value("product"),
        users=parsed.value("users"),
        stack=parsed.value("stack"),
        constraints=parsed.items("constraints"),
        success=parsed.items("success"),
    )
    document = {"ok": True, "action": "project", "brief": brief}
    return output.result(document, [f"brief written: {memory.brief_md}"], as_json=call.as_json)


def _log(call: Call) -> int:
    parsed = parse(_LOG, call.words, _LOG_USAGE)
    memory = _memory(call, parsed)
    entry = project_memory.add_entry(
        call.project,
        memory,
        parsed.word("summary"),
        phase=parsed.value("phase"),
        about=parsed.value("about"),
        implemented=parsed.items("implemented"),
        next_steps=parsed.items("next"),
    )
    document = {"ok": True, "action": "log", "entry": entry}
    return output.result(document, [f"logged in {memory.log_md}"], as_json=call.as_json)


def _recap(call: Call) -> int:
    parsed = parse(_RECAP, call.words, _RECAP_USAGE)
    limit = positive_number(parsed, "limit", "--limit")
    memory = _memory(call, parsed)
    found = project_memory.recap(memory, project_memory.DEFAULT_LIMIT if limit is None else math.floor(limit))
    document = {
        "ok": True,
        "action": "recap",
        "project_brief": found.brief,
        "total_entries": found.total_entries,
        "entries": list(found.entries),
        "paths": {
            "dir": str(memory.directory),
            "scope": memory.scope,
            "jsonlPath": str(memory.log_jsonl),
            "markdownPath": str(memory.log_md),
        },
    }
    return output.result(document, _recap_lines(found), as_json=call.as_json)


def _recap_lines(found: project_memory.Recap) -> list[str]:
    lines = [found.brief["summary"]] if found.brief else ['no brief yet: wf project "<summary>"']
    for name in ("product", "users", "stack", "constraints", "successCriteria"):
        value = (found.brief or {}).get(name)
        if value:
            lines.append(f"  {name}: {'; '.join(value) if isinstance(value, list) else value}")
    lines += ["", f"latest {len(found.entries)} of {found.total_entries} entries"]
    for entry in found.entries:
        lines += ["", *_entry_lines(entry)]
    return lines


def _entry_lines(entry: dict[str, Any]) -> list[str]:
    about = ", ".join(entry[key] for key in ("phase", "about") if key in entry)
    lines = [f"{entry['timestamp']}  {entry['summary']}" + (f" ({about})" if about else "")]
    lines += [f"  done: {item}" for item in entry["implemented"]]
    return lines + [f"  next: {item}" for item in entry["next"]]


def _memory(call: Call, parsed: Parsed) -> Memory:
    return project_memory.memory_of(call.project, parsed.value("scope"))


COMMANDS = {
    "project": ContractCommand(
        _project, (_PROJECT_USAGE,), "Replaces the brief as a whole. Lists are separated by semicolons.", json=True
    ),
    "log": ContractCommand(
        _log, (_LOG_USAGE,), "Adds an entry to the log. Lists are separated by semicolons.", json=True
    ),
    "recap": ContractCommand(
        _recap, (_RECAP_USAGE,), "Shows the brief and the latest entries, newest first (8, at most 50).", json=True
    ),
}
