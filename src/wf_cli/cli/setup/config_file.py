"""The actions of ``wf config`` on wf.config: ``show --origin``, ``check``, ``set``, ``unset``, and to make one.

The registry sends these actions here, and the ones that concern ``.wf/runtime.json`` to `wf_cli.cli.flow.config`. The
actions here need no session and create no session file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from wf_cli.cli.frame import output, working_project
from wf_cli.cli.frame.bundles import spread
from wf_cli.cli.frame.options import Common, ConfigOption, JsonOption, document, group
from wf_cli.errors import ConfigError
from wf_cli.frozen import frozen

app = group("Show, check and change wf.config.")


@frozen
class _File:
    """The options of an action that needs wf.config and no spool."""

    config: ConfigOption = None
    as_json: JsonOption = False

    @property
    def common(self) -> Common:
        return Common(None, self.config, self.as_json)


@app.command("show")
@spread
def show(
    common: Common,
    origin: Annotated[bool, typer.Option("--origin", help="every value with where it comes from")] = False,
) -> None:
    """Show every value in force and its origin: a line of a file, the environment, or the default.

    \b
    wf config show --origin
    wf config show --origin | grep -v default$      only values that are not defaults
    """
    loaded = common.app.loaded
    output.warn(loaded.warnings)
    values = {
        "path": None if loaded.path is None else str(loaded.path),
        "values": [{"key": key, "value": value, "origin": place} for key, value, place in loaded.rows()],
        "warnings": list(loaded.warnings),
    }
    common.emit(values, _columns(loaded.rows()))


@app.command("check")
@spread
def check(file: _File) -> None:
    """List all problems of the configuration, each with file, line and key path. The exit code is 2 if there are any.

    Where wf.config denies anything, it says for each runtime what the denials bind.

    \b
    wf config check
    wf config check --config other.yaml --json
    """
    from wf_cli.doctor import configuration

    root = working_project.project_root()
    found = configuration.find(root, os.environ, file.config)
    if found.problems:
        lines = [problem.text for problem in found.problems]
        raise ConfigError(
            "\n".join([f"{len(lines)} problem(s) in the configuration:", *(f"  {line}" for line in lines)]),
            hint="docs/reference/configuration.md and schemas/wf.config.schema.json describe every key",
            problems=[problem.to_json() for problem in found.problems],
        )
    binding = found.denials(root, os.environ)
    loose = [f"permissions of {name}: {one.text} ({one.remedy})" for name, one in binding.items() if not one.holds]
    warnings = [*found.warnings, *loose]
    output.warn(warnings)
    files = [str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in found.files]
    denials = {name: {"holds": one.holds, "text": one.text} for name, one in binding.items()}
    values = {"files": files, "problems": [], "warnings": warnings, "denials": denials}
    kept = [f"permissions of {name}: {one.text}" for name, one in binding.items() if one.holds]
    file.common.emit(values, [f"no problems in {', '.join(files) or 'the defaults (there is no file)'}", *kept])


@app.command("migrate")
@spread
def migrate(
    file: _File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the file, and write nothing")] = False,
) -> None:
    """Write one wf.config.yaml with the settings of the older files. They stay as they are; the new file wins.

    The older files are .wf/runtime.json, .wf/routing.runtimes.json, .wf/subagents.models.json and
    .wf/models.catalog.json. The command is refused (exit 4) when there is a wf.config already.

    \b
    wf config migrate --dry-run
    """
    from wf_cli.config import load
    from wf_cli.config import migrate as migration

    root = working_project.project_root()
    text = migration.migrate(root)
    rows = [row for row in load.assemble(root, {}, None).rows() if row[2] != load.DEFAULT]
    path = root / load.NAMES[0] if dry_run else migration.write_new(root, text)
    taken = [{"key": key, "value": value, "from": place} for key, value, place in rows]
    values = {"path": str(path), "written": not dry_run, "text": text, "taken": taken}
    told = (
        ["taken over:", *_columns(rows, indent="  ")]
        if rows
        else ["taken over: nothing, no older file says anything"]
    )
    if dry_run:
        output.note(*told)
        file.common.emit(values, [text.rstrip("\n")])
    else:
        left = "the older files stay as they are; auto-workers stays in .wf/runtime.json"
        file.common.emit(values, [f"{path} written", *told, left])


@app.command("init")
@spread
def init(
    file: _File,
    whole_file: Annotated[bool, typer.Option("--file", help="wf.config.yaml, and not .wf/runtime.json")] = False,
) -> None:
    """Write a wf.config.yaml that explains every key. The command is refused (exit 4) when a wf.config exists.

    \b
    wf config init --file
    """
    from wf_cli.config import migrate as migration

    path = migration.write_new(working_project.project_root(), migration.init_text())
    file.common.emit({"path": str(path), "created": True}, [f"{path} written; it holds the defaults, explained"])


@app.command("set")
@spread
def set_value(
    file: _File,
    key: Annotated[str, typer.Argument(metavar="KEY.PATH", help="as `wf config show --origin` lists it")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="as it would stand in the file: 3, 10s, [a, b]")],
) -> None:
    """Set one value in wf.config. Comments and layout stay. A value that is not valid is refused and not written.

    \b
    wf config set retry.max_attempts 5
    wf config set routing.plan-coder.model provider/model
    wf config set runtimes.shell '{adapter: command, argv: [python3, agent.py]}'
    wf config set 'runtimes.cursor.failures."no seat.*"' auth     a key with dots stands in quotes
    wf config set redact.0 'acme-[0-9]+'    an item of a list, from 0; the number behind the last one adds one
    wf config set distributed on            the mode, in .wf/runtime.json and in a wf.config that has a mode
    wf config set spool.topology shared     a spool that exists is changed, too
    """
    from wf_cli.config import edit
    from wf_cli.workflow.project import Project

    root = working_project.project_root()
    # `edit.set_value` takes the same lock again, which a process may hold twice.
    with Project(root).lock("config"):
        path = edit.set_value(root, key, value, file.config)
    stored = _value_of(path, edit.keys_of(key))
    lines, spool = [f"{path}: {key} is now {_text(stored)}"], None
    if (key, stored) == ("spool.topology", "shared"):
        spool = _share_spool(file.common)
    if spool is not None:
        lines.append(f"{spool}: the topology of the spool is now shared")
    if key == "mode" and "WF_DISTRIBUTED" in os.environ:
        output.note("WF_DISTRIBUTED in the environment overrules it")
    values = {"action": "set", "key": key, "value": stored, "path": str(path)}
    file.common.emit(values if spool is None else {**values, "spool": str(spool)}, lines)


@app.command("unset")
@spread
def unset_value(
    file: _File,
    key: Annotated[str, typer.Argument(metavar="KEY.PATH", help="as `wf config show --origin` lists it")],
) -> None:
    """Take one value, or a whole section, out of wf.config. Comments and layout stay. Exit 3 when it is not there.

    \b
    wf config unset retry.max_attempts
    wf config unset routing.plan-coder
    """
    from wf_cli.config import edit, load

    root = working_project.project_root()
    path = edit.unset_value(root, key, file.config)
    values: dict[str, Any] = {"action": "unset", "key": key, "path": str(path)}
    lines = [f"{path}: {key} is not set any more"]
    loaded, keys = load.load(root, os.environ, file.config), edit.keys_of(key)
    try:
        now = edit.value_at(loaded.tree, keys)
    except KeyError:
        pass  # No default stands for it.
    else:
        values |= {"value": now, "origin": loaded.origins.get(key)}
        lines.append(f"now {_text(now)}" + (f", from {loaded.origins[key]}" if key in loaded.origins else ""))
    file.common.emit(values, lines)


@app.command("schema")
@spread
def print_schema(
    as_json: JsonOption = False,
    write: Annotated[bool, typer.Option("--write", help="into .wf/, where wf.config.yaml names it")] = False,
) -> None:
    """Print the JSON Schema of wf.config, for editors and other tools; with --json inside a document.

    \b
    wf config schema > wf.config.schema.json
    wf config schema --write                after an update of wf
    """
    from wf_cli import schema
    from wf_cli.config import migrate as migration

    values: dict[str, Any] = {"schema": schema.load("wf.config")}
    if write:
        path = migration.write_schema(working_project.project_root())
        Common(None, None, as_json).emit({**values, "path": str(path)}, [f"{path} written"])
    elif as_json:
        output.print_json(document(**values))
    else:
        output.print_json(values["schema"])


def _share_spool(common: Common) -> Path | None:
    """Change the spool that exists as well, so that one command repairs a local one on a network mount.

    Where that spool lies; None when there was nothing to change.
    """
    from wf_cli.spool import change, layout

    root = common.app.spool_root
    return root if layout.exists(root) and change.make_shared(root) else None


def _value_of(path: Path, keys: tuple[str, ...]) -> Any:
    from wf_cli.config import document as files
    from wf_cli.config import edit

    return edit.value_at(files.read(path).value, keys)


def _columns(rows: Sequence[tuple[str, Any, str]], indent: str = "") -> list[str]:
    return output.columns([(key, _text(value), place) for key, value, place in rows], indent=indent)


def _text(value: Any) -> str:
    """``value`` as one line of YAML."""
    from wf_cli.config import document as files

    return files.flow(value)
