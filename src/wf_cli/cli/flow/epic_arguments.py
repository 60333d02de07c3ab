"""The usage lines of the actions of ``epic``, and the reading of their arguments."""

from __future__ import annotations

from dataclasses import replace

from wf_cli.cli.frame.arguments import Parsed, Spec, parse
from wf_cli.cli.frame.contract_call import Call
from wf_cli.config import mode
from wf_cli.workflow.epics import Epic

RUN_FLAGS = frozenset({"--json", "--auto-workers", "--no-auto-workers"})
DRY_RUN = "--dry-run"
RUNNABLE = Spec(required=("epic",), flags=RUN_FLAGS, skips_empty=True)
USAGES = {
    "create": 'wf epic create "<name>"   (or wf epic "<name>")',
    "list": "wf epic list [--json]",
    "context": "wf epic context <epic> [--json]",
    "attach": "wf epic attach <epic> <plan>",
    "run": "wf epic run <epic> [--dry-run] [--follow] [--auto-workers|--no-auto-workers]"
    " [--reason TEXT] [--spool DIR] [--json]",
    "resume": "wf epic resume <epic> [--auto-workers|--no-auto-workers] [--reason TEXT] [--spool DIR] [--json]",
    "stop": "wf epic stop <epic> [--reason TEXT] [--spool DIR] [--json]",
    "status": "wf epic status <epic> [--json]",
    "validate": "wf epic validate <epic> [--json]",
    "watch": "wf epic watch <epic>",
    "plans set": "wf epic plans set <epic> --from FILE|- [--as-operator] [--json]",
    "plans show": "wf epic plans show <epic> [--json]",
    "renumber": "wf epic renumber <epic-folder> [--to N] [--json]",
}


#: Options of run, resume and stop that need the distributed mode.
_DISTRIBUTED = {"--reason": "reason", "--spool": "spool"}


def read(call: Call, action: str, *flags: str) -> tuple[Call, Parsed]:
    """The arguments of run, resume or stop, and the call with the spool that they name."""
    on = mode.reads_strictly(lambda: call.is_distributed)
    spec = replace(RUNNABLE, flags=RUNNABLE.flags | set(flags), values=_DISTRIBUTED if on else {})
    parsed = parse(spec, call.words[1:], USAGES[action])
    spool = parsed.value("spool")
    return (call if spool is None else replace(call, spool=spool)), parsed


def by_position(call: Call, action: str, *names: str) -> Parsed:
    """The arguments of an action that takes words at fixed positions and ignores all that follow."""
    return parse(Spec(required=names, by_position=True), call.words[1:], USAGES[action])


def named_epic(call: Call, action: str) -> Epic:
    """The epic that an action is about. ArgumentError for arguments that are not known, EpicNotFound for the epic."""
    return call.epic(parse(RUNNABLE, call.words[1:], USAGES[action]).word("epic"))
