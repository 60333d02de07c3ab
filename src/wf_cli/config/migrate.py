"""The text of a new wf.config.yaml: made from the files of older wf versions, or a starter with comments."""

from __future__ import annotations

import json
from pathlib import Path

from wf_cli import fsio, schema
from wf_cli.config import document, layers, legacy_routing, load
from wf_cli.errors import Refused

#: Where the schema is put for editors, relative to the project's root.
SCHEMA = ".wf/wf.config.schema.json"
#: The line by which editors that know YAML find the schema.
_FOR_EDITORS = f"# yaml-language-server: $schema={SCHEMA}\n"

_STARTER = """\
# wf.config.yaml: what this project tells wf. Every key may be left out; the values shown are the defaults.
# `wf config show --origin` says what holds and where it comes from, `wf config check` what is wrong.
version: 1

# command: a person runs every step. distributed: steps become jobs, and workers do them.
# The variable WF_DISTRIBUTED (1, or anything else for off) wins over this.
mode: command

# Where jobs are handed over. topology: local (one machine) or shared (NFS, SMB, GlusterFS, sshfs).
# durability: fsync survives power cuts; none is for scratch use.
# spool: {dir: .wf/spool, topology: local, durability: fsync}

# How long a silent worker keeps its jobs; 180s on a shared spool.
# lease: {duration: 30s}

# A failed job is tried again after base * factor^(n-1), at most cap; jitter: full takes a random part of it.
# retry: {max_attempts: 3, max_parked: 10000, backoff: {base: 10s, factor: 2, cap: 5m, jitter: full}}

# An agent is stopped without a sign of life, after silence, and after all this time; grace: from SIGTERM to SIGKILL.
# timeouts: {startup: 2m, stall: 10m, max_runtime: 45m, grace: 5s}

# Plans open at a time in this checkout; review rounds before a plan is blocked.
# epic: {max_parallel_plans: 1, max_iterations: 5, max_plans: 20}
# What goes on only with a person's `wf approve`: plan, the text of each plan before it is coded.
#   epic: {approve: [plan]}

# fail: a code or fix attempt that changes nothing outside its plan's folder has failed. allow: it may.
# ignore: files whose change is no work, beside caches, logs and what else tools leave behind: ["*.out", docs/_build]
# checks: {no_change: fail}

# How long `wf spool gc` keeps logs of events that nobody has written since.
# retention: {logs: 90d}

# What agents may cost, in dollars; a job that would go beyond is held until you raise it and run `wf release`.
#   budget: {per_job_usd: 5, per_epic_usd: 100, unknown_cost: allow}
# What is masked in transcripts and logs, besides the values of *_KEY, *_TOKEN, *_SECRET and *PASSWORD* variables:
#   redact: ["acme-[0-9a-f]{32}"]

# The strict checks that run when a review opens: off, fast, default, full.
# review: {strict: off}

# Which runtime, and which of its models, does a role. lease, retry, timeouts and checks may be overridden here:
#   plan-coder: {runtime: opencode, model: provider/model, timeouts: {max_runtime: 90m}}
# routing:
#   orchestrator: {runtime: cursor}
#   plan-coder: {runtime: opencode}
#   plan-reviewer: {runtime: cursor}
#   plan-fixer: {runtime: opencode}

# The agent programs. Any other one, and variables of one, of which env:NAME is taken from where workers start:
#   shell: {adapter: command, argv: [python3, agent.py, "{job_id}"]}
#   cursor: {env: {CURSOR_API_KEY: "env:TEAM_CURSOR_KEY"}}
# runtimes:
#   opencode: {adapter: opencode, command: [opencode]}
#   cursor: {adapter: cursor, command: [cursor-agent]}

# Programs to run and addresses to call on events (docs/how-to/notify.md):
#   - {on: [job.dead, epic.completed, epic.blocked], run: [./scripts/notify.sh]}
#   - {on: [job.dead], url: "env:TEAM_HOOK"}
# notify: []
"""


def init_text() -> str:
    """A starter wf.config.yaml: the defaults, explained."""
    return _FOR_EDITORS + _STARTER


def migrate(root: Path) -> str:
    """The text of a wf.config.yaml with the values of the legacy files of ``root``, which stay as they are.

    A project without any gets the mode alone. Raises ConfigError when one of them cannot be read.
    """
    loaded = load.assemble(root, {}, None)
    legacy = (load.RUNTIME, legacy_routing.ROUTING, legacy_routing.MODELS)
    flat = layers.flatten(loaded.tree)
    said = {path for path in flat if loaded.origins[".".join(path)] in legacy}
    # A model's runtime is written too, even where it is the default, because only that runtime knows the name.
    said |= {("routing", path[1], "runtime") for path in said if path[0] == "routing"}
    used = [name for name in (*legacy, legacy_routing.CATALOG) if (root / name).is_file()]
    head = [
        _FOR_EDITORS,
        f"# Made by `wf config migrate` from {', '.join(used) or 'nothing: there are no legacy files'}.\n",
    ]
    if used:
        head.append("# Those files are left as they were; what stands here wins over them.\n")
    tree = layers.unflatten({path: value for path, value in flat.items() if path in said or len(path) == 1})
    del tree["notify"]  # No legacy file has it.
    return "".join(head) + document.block(tree)


def write_schema(root: Path) -> Path:
    """Write the schema of this wf to `SCHEMA`, and return its path."""
    path = root / SCHEMA
    fsio.write_through(path, json.dumps(schema.load("wf.config"), indent=2, ensure_ascii=False) + "\n")
    return path


def write_new(root: Path, text: str) -> Path:
    """Write ``text`` as the project's wf.config.yaml, and the schema that it names beside it.

    Raises Refused when the project has a configuration already.
    """
    existing = load.find(root)
    if existing is not None:
        raise Refused(f"{existing} exists", hint="wf config set KEY VALUE changes it", path=str(existing))
    path = root / load.NAMES[0]
    load.assemble(root, {}, document.parse(path, text))
    write_schema(root)
    fsio.write_through(path, text)
    return path
