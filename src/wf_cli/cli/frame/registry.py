"""The list of all commands: the name of each, one line about it, and the module to import when it runs.

`wf --help` is printed from this list without importing any of the modules.

A *contract* command behaves as in wf-cli 0.3.x (docs/explanation/compatibility.md): raw arguments, session file,
guards, exit codes 0 and 1. Its module has ``COMMANDS: dict[str, ContractCommand]``. Any other command is an ordinary
typer command: its module has a ``typer.Typer`` called ``app`` (or what ``attribute`` says).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wf_cli.frozen import frozen

_PLANS = "Plans"
_EPICS = "Epics"
_JOBS = "Jobs"
_WORKERS = "Workers"
_WATCHING = "Watching"
_KNOWLEDGE = "Project knowledge"
_SETUP = "Set-up"

#: Headings of `wf --help`, in order.
GROUPS = (_PLANS, _EPICS, _JOBS, _WORKERS, _WATCHING, _KNOWLEDGE, _SETUP)


@frozen
class Entry:
    """One command.

    With ``typer_module`` a typer command of that module replaces the contract command. It does so for the words for
    which ``beyond`` returns True or, without ``beyond``, whenever the distributed mode is on.
    """

    name: str
    group: str
    summary: str
    module: str
    contract: bool = False
    attribute: str = "app"
    typer_module: str | None = None
    beyond: Callable[[Sequence[str]], bool] | None = None
    hidden: bool = False


def _contract(
    name: str,
    group: str,
    module: str,
    summary: str,
    replaced_by: str | None = None,
    beyond: Callable[[Sequence[str]], bool] | None = None,
    attribute: str = "app",
) -> Entry:
    typer_module = f"wf_cli.cli.{replaced_by}" if replaced_by is not None else None
    return Entry(
        name,
        group,
        summary,
        f"wf_cli.cli.{module}",
        contract=True,
        attribute=attribute,
        typer_module=typer_module,
        beyond=beyond,
    )


def _typer(
    name: str, group: str, module: str, summary: str, attribute: str = "app", *, hidden: bool = False
) -> Entry:
    return Entry(name, group, summary, f"wf_cli.cli.{module}", attribute=attribute, hidden=hidden)


def _about_wf_config(words: Sequence[str]) -> bool:
    """Whether ``wf config <words>`` concerns wf.config. The contract command knows only ``.wf/runtime.json``."""
    match [*words]:
        case ["check" | "migrate" | "unset" | "schema", *_]:
            return True
        case ["show", *options]:
            return any(option.split("=")[0] in ("--origin", "--config", "--spool") for option in options)
        case ["init", *options]:
            return "--file" in options
        case ["set", *more]:
            taken = {i + 1 for i, word in enumerate(more) if word in ("--config", "--spool")}
            words_left = [word for i, word in enumerate(more) if i not in taken and not word.startswith("-")]
            return bool(words_left) and ("." in words_left[0] or words_left[0] in SECTIONS)
    return False


#: The keys at the top of wf.config, which are no switches of the contract. A test holds them to the schema.
SECTIONS = frozenset(
    (
        "version", "mode", "spool", "lease", "retry", "timeouts", "epic", "review", "routing", "runtimes",
        "permissions", "budget", "checks", "retention", "redact", "notify", "isolation",
    )
)  # fmt: skip


def _renumbers_plan(words: Sequence[str]) -> bool:
    """Whether ``wf plan <words>`` is ``renumber <folder>``. ``wf plan renumber`` alone makes a plan of that name."""
    match [*words]:
        case ["renumber", word, *_]:
            return word.partition("=")[0] in _OPTIONS_OF_RENUMBER or not (not word or word.startswith("--"))
    return False


def _is_more_of_epic(words: Sequence[str]) -> bool:
    """The same for an epic. The contract lets further words follow a name, so one has to look like a folder.

    ``wf epic plans`` alone makes an epic of that name, as ever.
    """
    if [*words[:1]] == ["plans"] and len(words) > 1 and words[1] in ("set", "show", "--help"):
        return True
    return [*words[:1]] == ["renumber"] and any(
        (number := word.partition("-")[0]).isascii() and number.isdigit() for word in words[1:]
    )


_OPTIONS_OF_RENUMBER = ("--to", "--json", "--spool", "--config")

_ENTRIES = (
    _contract(
        "plan",
        _PLANS,
        "flow.plan",
        "create a plan; give one another number",
        "flow.renumber",
        _renumbers_plan,
        "plan_app",
    ),
    _contract("context", _PLANS, "flow.context", "show a plan's phase, files and next commands"),
    _contract("code", _PLANS, "flow.plan", "start coding a plan"),
    _contract("todo", _PLANS, "flow.todo", "list, implement, accept and reject todo items"),
    _contract("finish-code", _PLANS, "flow.plan", "hand a plan to review (review gate)"),
    _contract("review", _PLANS, "flow.plan", "start the review of a plan"),
    _contract("fix", _PLANS, "flow.plan", "go back to repair what was rejected"),
    _contract("done", _PLANS, "flow.plan", "complete a plan (done gate)"),
    _typer("approve", _PLANS, "flow.approve", "let plans be coded as they are written", "approve_app"),
    _typer("reject", _PLANS, "flow.approve", "send a plan's text back to its planner", "reject_app"),
    _typer(
        "integrate", _PLANS, "flow.integrate", "merge a completed plan's own branch into its target", "integrate_app"
    ),
    _contract("verify", _PLANS, "flow.context", "check the gates of a plan, changing nothing"),
    _contract(
        "epic",
        _EPICS,
        "flow.epic",
        "create, run, follow and stop epics",
        "flow.epic_plans",
        _is_more_of_epic,
        "epic_app",
    ),
    _typer("enqueue", _JOBS, "jobs.enqueue", "make a job of your own", "enqueue_app"),
    _typer("spool", _JOBS, "jobs.spool", "list, show and verify jobs; clean up"),
    _typer("retry", _JOBS, "jobs.retry", "run a dead or cancelled job again", "retry_app"),
    _typer("cancel", _JOBS, "jobs.cancel", "end a job", "cancel_app"),
    _typer("hold", _JOBS, "jobs.hold", "keep a queued job from being taken", "hold_app"),
    _typer("release", _JOBS, "jobs.hold", "let a held job be taken again", "release_app"),
    _typer("dead", _JOBS, "jobs.dead", "the dead letters: list, show, run again"),
    _typer("dead-letter", _JOBS, "jobs.dead", "the same as dead", hidden=True),
    _typer("late", _JOBS, "jobs.late", "results that came after their attempt was superseded"),
    _typer("job", _WORKERS, "workers.job", "take, finish and give back one job: agents inside an editor"),
    _typer("mcp", _WORKERS, "workers.mcp", "the same for editors, over MCP on stdio", "mcp_app"),
    _contract("worker", _WORKERS, "flow.worker", "take and execute jobs", replaced_by="workers.worker"),
    _contract("workers", _WORKERS, "flow.worker", "how to start workers"),
    _typer("dispatch", _WORKERS, "workers.dispatch", "publish the jobs that running epics wait for", "dispatch_app"),
    _typer("pause", _WORKERS, "workers.dispatch", "stop claims", "pause_app"),
    _typer("resume", _WORKERS, "workers.dispatch", "allow claims again", "resume_app"),
    _typer("explain", _WATCHING, "jobs.explain", "why a job is where it is, and what would move it", "explain_app"),
    _typer("logs", _WATCHING, "jobs.logs", "what an agent printed", "logs_app"),
    _typer("events", _WATCHING, "jobs.logs", "what happened, one line each", "events_app"),
    _typer("stats", _WATCHING, "jobs.stats", "what the events add up to: ends, waits, runs, cost", "stats_app"),
    _typer("trace", _WATCHING, "jobs.trace", "who did what when, and what the end waited for", "trace_app"),
    _typer("demo", _WATCHING, "workers.demo", "a whole epic on two pools, in a scratch repository"),
    _contract("project", _KNOWLEDGE, "flow.memory", "write the project's brief"),
    _contract("log", _KNOWLEDGE, "flow.memory", "record what was done"),
    _contract("recap", _KNOWLEDGE, "flow.memory", "show the brief and the latest entries"),
    _contract("init", _SETUP, "flow.assets", "install commands, rules and agents for Cursor and OpenCode"),
    _contract("sync", _SETUP, "flow.assets", "copy the project's templates and skills again"),
    _contract("skill", _SETUP, "flow.assets", "mirror the project's skills"),
    _contract(
        "config",
        _SETUP,
        "flow.config",
        "show, check and change the configuration",
        "setup.config_file",
        _about_wf_config,
    ),
    _typer("notify", _SETUP, "setup.notify", "try the notifications of wf.config out"),
    _typer("doctor", _SETUP, "setup.doctor", "check configuration, agents, runtimes, folder and spool"),
    _typer("completion", _SETUP, "completion.scripts", "print the completion script of a shell"),
    _contract("subagents", _SETUP, "flow.subagents", "models of the sub-agents"),
    _contract("who-are-you", _SETUP, "flow.model", "show the declared model"),
    _contract("models", _SETUP, "flow.model", "list the models that can be declared"),
    _contract("set-model", _SETUP, "flow.model", "declare the model of this checkout"),
    _contract("update-model", _SETUP, "flow.model", "change the declared model once and lock it"),
)

COMMANDS = {entry.name: entry for entry in _ENTRIES}


def find(name: str) -> Entry | None:
    """The command called ``name``."""
    return COMMANDS.get(name)


def listed() -> dict[str, list[Entry]]:
    """The commands for the global help, by group, in order."""
    groups: dict[str, list[Entry]] = {group: [] for group in GROUPS}
    for entry in COMMANDS.values():
        if not entry.hidden:
            groups.setdefault(entry.group, []).append(entry)
    return {group: entries for group, entries in groups.items() if entries}
