"""Everything that is wrong with a project's configuration at once, each with file, line and key path.

Every other command uses `wf_cli.config.load`, which stops at the first file that cannot be used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_cli.config import check, document, legacy, legacy_routing, load
from wf_cli.errors import WfError
from wf_cli.frozen import frozen
from wf_cli.spool import layout, shortest_lease

if TYPE_CHECKING:
    from wf_cli.doctor.denials import Binding


@frozen
class Problem:
    """One thing that is wrong. ``line`` and ``key`` are set where they are known."""

    message: str
    file: str | None = None
    line: int | None = None
    key: str | None = None

    @property
    def text(self) -> str:
        """In one line, place first."""
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, "key": self.key, "message": self.message}


@frozen
class Findings:
    """``loaded`` is the configuration, when it can be loaded. It can with a lease that is too short for the mount."""

    problems: tuple[Problem, ...]
    #: The files that were read, in order of precedence.
    files: tuple[Path, ...]
    loaded: load.LoadedConfig | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.loaded.warnings if self.loaded is not None else ()

    def denials(self, root: Path, environ: Mapping[str, str]) -> dict[str, Binding]:
        """What ``permissions`` bind in each runtime that the routing needs, by name; empty if nothing is denied."""
        if self.loaded is None or not self._denies(self.loaded):
            return {}
        from wf_cli.doctor import denials, runtimes  # the adapters are many modules

        needed = set(self.loaded.config.runtime_of_role.values()) - runtimes.not_needed(self.loaded, root)
        return denials.told(self.loaded, needed, environ)

    @staticmethod
    def _denies(loaded: load.LoadedConfig) -> bool:
        policies = [loaded.config.permissions, *(one.permissions for one in loaded.config.runtimes.values())]
        return any(policy is not None and (policy.deny or policy.default == "deny") for policy in policies)


def find(
    root: Path,
    environ: Mapping[str, str],
    config_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Findings:
    """Look at every file, then at the rules across files if each file is sound. Never raises WfError."""
    problems = [problem for step in _steps(root, config_file) for problem in _problems(step)]
    loaded = None
    if not problems:
        try:
            loaded = load.load(root, environ, config_file, overrides)
        except WfError as error:
            problems = list(_of(error))
        else:
            problems = list(_lease(loaded, root))
    older = (load.RUNTIME, legacy_routing.ROUTING, legacy_routing.MODELS, legacy_routing.CATALOG)
    own = [loaded.path] if loaded is not None and loaded.path is not None else []
    return Findings(tuple(problems), (*own, *(root / name for name in older if (root / name).is_file())), loaded)


def _steps(root: Path, config_file: Path | None) -> Iterator[Callable[[], Any]]:
    """The checks that need one file only."""
    yield lambda: legacy.load_runtime(root)
    yield lambda: legacy_routing.load_routing(root)
    yield lambda: legacy_routing.load_models(root)
    yield lambda: _shape(root, config_file)


def _shape(root: Path, config_file: Path | None) -> list[Problem]:
    path = config_file or load.find(root)
    if path is None:
        return []
    content = document.read(path)
    found = check.shape({key: value for key, value in content.value.items() if key != "$schema"})
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    return [Problem(problem.message, name, content.line(problem.path), problem.key) for problem in found]


def _lease(loaded: load.LoadedConfig, root: Path) -> Iterator[Problem]:
    """A lease that is too short for the file system of the spool: the one value that the machine has a say in."""
    spool = loaded.config.spool_path(root)
    topology: str = loaded.config.spool.topology
    with contextlib.suppress(WfError, OSError):  # The checks of the spool say so.
        topology = layout.version_of(spool).topology
    bound = shortest_lease.bound(spool, topology)
    leases = {"lease.duration": loaded.config.lease_s}
    leases |= {f"routing.{role}.lease.duration": policy.lease_s for role, policy in loaded.config.routing.items()}
    for key, lease_s in leases.items():
        why = bound.why_not(lease_s) if bound is not None and key in loaded.origins else None
        if bound is not None and why is not None:
            file, line = _place(loaded.origins[key])
            of_file = loaded.path is not None and file == loaded.path.name
            yield Problem(f"{why} ({bound.remedy})", file if of_file else None, line, key)


def _problems(step: Callable[[], Any]) -> list[Problem]:
    try:
        result = step()
    except WfError as error:
        return list(_of(error))
    return result if isinstance(result, list) else []


def _of(error: WfError) -> Iterator[Problem]:
    """The problems that an error stands for."""
    several = error.facts.get("problems")
    if not isinstance(several, list):
        yield Problem(error.message)  # The message names the file.
        return
    for one in several:
        file, line = _place(str(one["at"]))
        yield Problem(str(one["message"]), file, line, str(one["key"]))


def _place(text: str) -> tuple[str, int | None]:
    """``wf.config.yaml:7`` as file and line."""
    file, colon, line = text.rpartition(":")
    return (file, int(line)) if colon and line.isdigit() else (text, None)
