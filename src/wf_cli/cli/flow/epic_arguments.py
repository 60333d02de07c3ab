"""What the actions of ``epic`` take, and the epic they mean."""

from __future__ import annotations

from wf_cli.cli.frame.arguments import Parsed, Spec, parse
from wf_cli.cli.frame.contract_call import Call
from wf_cli.workflow.epics import Epic

RUN_FLAGS = frozenset({"--json", "--auto-workers", "--no-auto-workers"})
DRY_RUN = "--dry-run"
RUNNABLE = Spec(required=("epic",), flags=RUN_FLAGS, skips_empty=True)
USAGES = {
    "create": 'wf epic create "<name>"   (or wf epic "<name>")',
    "list": "wf epic list [--json]",
    "context": "wf epic context <epic> [--json]",
    "attach": "wf epic attach <epic> <plan>",
    "run": "wf epic run <epic> [--dry-run] [--follow] [--auto-workers|--no-auto-workers] [--json]",
    "resume": "wf epic resume <epic> [--auto-workers|--no-auto-workers] [--json]",
    "stop": "wf epic stop <epic> [--json]",
    "status": "wf epic status <epic> [--json]",
    "validate": "wf epic validate <epic> [--json]",
    "watch": "wf epic watch <epic>",
    "plans set": "wf epic plans set <epic> --from FILE|- [--as-operator] [--json]",
    "plans show": "wf epic plans show <epic> [--json]",
    "renumber": "wf epic renumber <epic-folder> [--to N] [--json]",
}


def by_position(call: Call, action: str, *names: str) -> Parsed:
    """The words of an action that takes them from fixed positions and ignores whatever follows."""
    return parse(Spec(required=names, by_position=True), call.words[1:], USAGES[action])


def named_epic(call: Call, action: str) -> Epic:
    """The epic of an action that refuses what it does not know; raises EpicNotFound."""
    return call.epic(parse(RUNNABLE, call.words[1:], USAGES[action]).word("epic"))
