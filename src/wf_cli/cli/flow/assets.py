"""``init``, ``sync``, ``skill sync``."""

from __future__ import annotations

from wf_cli.assets import sync
from wf_cli.assets.sync import Synced
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError
from wf_cli.cli.frame.contract_call import Call, ContractCommand


def _init(call: Call) -> int:
    with call.project.lock("assets"):
        code = _report(sync.init(call.root, force="--force" in call.words))
        if _wants_mcp(call):
            _register(call)
    return code


def _wants_mcp(call: Call) -> bool:
    """Whether `init` registers `wf mcp`. With the mode off it does so only when asked, because 0.3.x wrote none."""
    return "--mcp" in call.words or (call.is_distributed and "--no-mcp" not in call.words)


def _register(call: Call) -> None:
    from wf_cli.assets import registrations
    from wf_cli.assets.registrations import Found

    for done in registrations.register(call.root):
        match done.found:
            case Found.ADDED:
                output.say(f"wf mcp registered in {done.file}")
            case Found.THERE:
                output.say(f"{done.file} has a server called wf already; it stays as it is")
            case Found.LEFT:
                output.say(f"{done.file} is left as it is ({done.why}); add to it:", done.registration.advice)


def _sync(call: Call) -> int:
    with call.project.lock("assets"):
        return _report(sync.sync(call.root, reseed="--reseed" in call.words))


def _report(done: Synced) -> int:
    if done.seeded:
        output.say("templates installed in .wf/templates")
    output.say(f"{done.copied} commands, rules and agents copied to .cursor and .opencode")
    if done.skills:
        output.say(f"skills mirrored: {', '.join(done.skills)}")
    output.warn(done.warnings)
    return 0


def _skill(call: Call) -> int:
    if call.words[:1] != ("sync",):
        call.guard("skill")
        raise ArgumentError("skill knows one action", hint="usage: wf skill sync")
    with call.project.lock("assets"):
        skills = sync.sync_skills(call.root)
    output.say(f"skills mirrored: {', '.join(skills) or 'none (there is no .wf/skills/<name>/SKILL.md)'}")
    return 0


COMMANDS = {
    "init": ContractCommand(
        _init,
        ("wf init [--force] [--mcp|--no-mcp]",),
        """Installs templates in .wf/templates, unless there are some, and copies them to .cursor and .opencode.
--force deletes the templates first and installs those of this wf. --mcp registers `wf mcp` with both editors, in
.cursor/mcp.json and opencode.json, beside what is there; in distributed mode it does so unless --no-mcp is given.""",
    ),
    "sync": ContractCommand(
        _sync,
        ("wf sync [--reseed]",),
        """Copies .wf/templates and .wf/skills to .cursor and .opencode, overwriting what is there.
--reseed installs the templates of this wf first.""",
    ),
    "skill": ContractCommand(
        _skill,
        ("wf skill sync",),
        "Mirrors each .wf/skills/<name>/ that holds a SKILL.md to .cursor/skills and .opencode/skills.",
    ),
}
