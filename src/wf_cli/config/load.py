"""Finds the configuration and applies the order of precedence.

The sources are the command line, the environment, wf.config, the legacy files and the defaults. For each key the
first source that names it sets its value. (A runtime is one value, so an entry under ``runtimes`` replaces a lower
one whole.) The environment gives ``WF_DISTRIBUTED`` (the mode) and ``WF_SPOOL`` (which an agent's environment has).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wf_cli.config import check, home, layers, legacy, legacy_routing, places, read_once
from wf_cli.config.document import Document
from wf_cli.config.mode import in_file, is_distributed
from wf_cli.config.model import LEASE_S, Config, duration_text
from wf_cli.config.places import NAMES, find
from wf_cli.errors import ConfigError
from wf_cli.frozen import frozen

__all__ = ["NAMES", "LoadedConfig", "assemble", "find", "is_distributed", "load"]

#: Problems named in one message; the rest is counted.
_SHOWN = 10

RUNTIME = ".wf/runtime.json"
DEFAULT = "default"
COMMAND_LINE = "command line"


@frozen
class LoadedConfig:
    """A configuration and where it came from."""

    config: Config
    #: Key path -> ``wf.config.yaml:7``, a legacy file, ``environment NAME``, ``command line`` or ``default``.
    origins: Mapping[str, str]
    #: The merged values as a file would hold them; each leaf has an origin.
    tree: Mapping[str, Any]
    #: The configuration file read, if any.
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, Any, str]]:
        """(key path, value, origin) of every value, for ``wf config show --origin``."""
        flat = layers.flatten(self.tree)
        return [(".".join(path), value, self.origins[".".join(path)]) for path, value in flat.items()]


def load(
    root: Path,
    environ: Mapping[str, str],
    config_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """The configuration of the project at ``root``.

    ``overrides`` is the command line: key path (``lease.duration``) -> value as a file would hold it (durations as
    text). None means not given. Raises ConfigError, which names file, line, key path and the expected value of every
    problem.
    """
    path = config_file or find(root)
    return assemble(root, environ, None if path is None else read_once.document(path, environ), overrides)


def assemble(
    root: Path,
    environ: Mapping[str, str],
    content: Document | None,
    overrides: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """`load` with the file's content given; None for a project without one."""
    stack = layers.Stack()
    base = layers.as_tree(Config())
    del base["lease"]  # Its default depends on the topology.
    stack.lay(base, _always(DEFAULT))
    switches = legacy.load_runtime(root)
    if switches.raw:  # A missing file sets no value.
        stack.lay({"mode": "distributed" if switches.distributed else "command"}, _always(RUNTIME))
    runtimes = legacy_routing.load_routing(root)
    routing = {"routing": {role: {"runtime": name} for role, name in runtimes.items()}} if runtimes else {}
    _lay_checked(stack, routing, _always(legacy_routing.ROUTING))
    if content is not None:
        said = {key: value for key, value in content.value.items() if key != "$schema"}
        _lay_checked(stack, said, in_file(root, content))
    for variable, path, value in _from_environment(root, environ):
        stack.lay(layers.unflatten({path: value}), _always(f"environment {variable}"))
    given = {tuple(key.split(".")): value for key, value in (overrides or {}).items() if value is not None}
    _lay_checked(stack, layers.unflatten(given), _always(COMMAND_LINE))

    _raise(check.exemplified(_expand(stack.flat, environ)), stack.origin)
    warnings = _add_models(root, stack)
    _raise(check.sense(stack.tree), stack.origin)
    lease = ("lease", "duration")
    if lease not in stack.flat:
        stack.flat[lease] = duration_text(LEASE_S[stack.flat["spool", "topology"]])
        stack.sources[lease] = _always(DEFAULT)
    tree = stack.tree
    return LoadedConfig(
        config=layers.build(tree),
        origins={".".join(path): stack.origin(path) for path in stack.flat},
        tree=tree,
        path=None if content is None else content.path,
        warnings=tuple(warnings),
    )


def _expand(flat: layers.Flat, environ: Mapping[str, str]) -> Iterator[check.Problem]:
    """Fill the home folder into the paths and the programs' words of ``flat``; yields what cannot be filled in."""
    for path, value in list(flat.items()):
        try:
            match path:
                case ("spool", "dir"):
                    flat[path] = home.path(value, environ)
                case ("isolation", "dir") if value is not None:
                    flat[path] = home.path(value, environ)
                case ("isolation", "setup" | "gates"):
                    flat[path] = [_words(argv, environ) for argv in value]
                case ("runtimes", _, "command" | "argv"):
                    flat[path] = _words(value, environ)
                case ("notify",):
                    flat[path] = [
                        {**entry, "run": _words(entry["run"], environ)} if "run" in entry else entry
                        for entry in value
                    ]
        except ValueError as error:
            yield check.Problem(path, str(error))


def _words(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """A program, which is a path, and its arguments."""
    return [home.path(word, environ) if i == 0 else home.word(word, environ) for i, word in enumerate(argv)]


def _always(origin: str) -> layers.Source:
    return lambda _: origin


def _lay_checked(stack: layers.Stack, tree: Mapping[str, Any], source: layers.Source) -> None:
    """Put ``tree`` on top once it has the right shape."""
    if tree:  # An empty layer needs no check, which would cost time at each command.
        _raise(check.shape(tree), source)
        stack.lay(tree, source)


def _add_models(root: Path, stack: layers.Stack) -> list[str]:
    """Give each role without a model the legacy one, which depends on the runtime that the role ended up with."""
    models = legacy_routing.load_models(root)
    if models is None:
        return []
    warnings = []
    tree = stack.tree
    for role, entry in tree["routing"].items():
        runtime = entry.get("runtime")
        adapter = tree["runtimes"].get(runtime, {}).get("adapter", runtime)
        model = models.of(role, adapter) if "model" not in entry and adapter is not None else None
        if model is None:
            continue
        stack.flat["routing", role, "model"] = model
        stack.sources["routing", role, "model"] = _always(legacy_routing.MODELS)
        if model not in models.known and not models.allow_unknown:
            warnings.append(f"{legacy_routing.MODELS}: {role} has the model {model}, not in {legacy_routing.CATALOG}")
    return warnings


def _from_environment(root: Path, environ: Mapping[str, str]) -> Iterable[tuple[str, layers.Path, str]]:
    if "WF_DISTRIBUTED" in environ:
        on = environ["WF_DISTRIBUTED"] == "1"
        yield "WF_DISTRIBUTED", ("mode",), "distributed" if on else "command"
    spool = places.spool_of_environment(root, environ)
    if spool is not None:
        yield "WF_SPOOL", ("spool", "dir"), spool


def _raise(problems: list[check.Problem], place: layers.Source) -> None:
    """Raise ConfigError with all of ``problems``, if there are any."""
    if not problems:
        return
    lines = [f"{place(problem.path)}: {problem.key}: {problem.message}" for problem in problems]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    raise ConfigError(
        "\n".join([*lines[:_SHOWN], *more]),
        hint="wf config check looks again; wf config schema prints what every key may be",
        key=problems[0].key,
        problems=[{"key": p.key, "message": p.message, "at": place(p.path)} for p in problems],
    )
