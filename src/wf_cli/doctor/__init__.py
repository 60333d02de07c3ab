"""`wf doctor`: looks at everything a project needs, and says what to do about what is not right.

::

    check           what a check found
    configuration   all problems of the configuration, with their places (also for ``wf config check``)
    conflicts       conflict markers of a merge in states, documents and configuration
    writing         whether everything that wf writes can be written, tried out
    project         session, numbers of plans and epics, templates and agents, leftovers of wf-cli 0.3.x, git
    runtimes        the agent programs
    logins          whether they are logged in
    dry_call        an ACP session without a prompt
    mount           the mount under the spool, and what its caches delay
    spool           the spool, its files, workers and stops
    notifications   whether the programs and addresses of ``notify`` can be used, and which of them fail
    folder          the file system under the spool, tried out

The checks create and change only four things: a hidden file in each folder that wf writes in, which is removed at
once, the scratch folder of the probe, what ``fix`` asks for, and what agents note down when they are called. No check
raises; something that cannot be looked at is an error of its own. Values of secrets are
masked in every line.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from wf_cli import git
from wf_cli.clock import Clock
from wf_cli.config import mode
from wf_cli.config.model import Config
from wf_cli.doctor import (
    configuration,
    conflicts,
    folder,
    mount,
    notifications,
    project,
    runtimes,
    spool,
    writing,
)
from wf_cli.doctor.check import Check, Level, error, guarded, ok, warn
from wf_cli.frozen import frozen
from wf_cli.planjobs.round import DispatchSettings
from wf_cli.runtimes.process.redact import Redactor, secret_values
from wf_cli.views.conditions import Sight
from wf_cli.views.viewer import Viewer
from wf_cli.workflow.project import Project

__all__ = ["Check", "Level", "Patient", "diagnose"]


@frozen
class Patient:
    """The project to look at. ``spool`` is the absolute folder given on the command line."""

    root: Path
    environ: Mapping[str, str]
    clock: Clock
    config_file: Path | None = None
    spool: str | None = None


@frozen
class _Means:
    """What the finders of conditions need of the project."""

    patient: Patient
    config: Config
    distributed: bool

    def agent_environment(self) -> Mapping[str, str]:
        return git.without_redirects(self.patient.environ)

    def project(self) -> Project:
        return Project(self.patient.root, self.patient.clock, distributed=self.distributed)

    def dispatch_settings(self) -> DispatchSettings:
        return DispatchSettings.of(self.config)


def diagnose(patient: Patient, *, fs_probe: bool = False, fix: bool = False, call: bool = True) -> Iterator[Check]:
    """Every check, in an order in which a reader would repair things. ``call``: start the agents, see `dry_call`."""
    redactor = Redactor(secret_values(patient.environ))
    for check in _checks(patient, fs_probe=fs_probe, fix=fix, call=call):
        yield replace(check, detail=redactor.text(check.detail))


def _checks(patient: Patient, *, fs_probe: bool, fix: bool, call: bool) -> Iterator[Check]:
    root, environ = patient.root, patient.environ
    yield ok("python", f"{sys.version.split()[0]} at {sys.executable}")
    found = configuration.find(root, environ, patient.config_file, {"spool.dir": patient.spool})
    yield from _configuration(found)
    loaded = found.loaded
    spool_root = loaded.config.spool_path(root) if loaded is not None else None
    distributed = loaded is not None and mode.is_distributed(root, environ, patient.config_file)
    yield from guarded("conflicts", lambda: conflicts.look(root))
    yield from guarded("write", lambda: writing.look(root, spool_root))
    yield from guarded("session", lambda: project.session_file(root))
    yield from guarded("agents", lambda: project.agents(root))
    yield from guarded("numbers", lambda: project.numbers(root, distributed=distributed))
    yield from guarded("leftovers", lambda: project.leftovers(root, spool_root, fix=fix))
    yield from guarded("git", lambda: project.version_control(root, spool_root))
    if loaded is None or spool_root is None:
        yield warn("spool", "not looked at, nor the runtimes: the configuration comes first", "wf config check")
        return
    config = loaded.config

    def sight_of(viewer: Viewer) -> Sight:
        return Sight(viewer, root, lambda: _Means(patient, config, distributed))

    yield from guarded("runtimes", lambda: runtimes.routed(loaded, root, environ, patient.clock, call=call))
    yield from guarded("mount", lambda: mount.look(spool_root))
    yield from guarded(
        "spool",
        lambda: spool.look(spool_root, config, patient.clock, sight_of, named=patient.spool is not None),
    )
    yield from guarded("notify", lambda: notifications.look(spool_root, config, root, environ))
    if fs_probe:
        yield from guarded("folder", lambda: folder.probe(spool_root, config.spool.topology))


def _configuration(found: configuration.Findings) -> Iterator[Check]:
    for problem in found.problems:
        yield error("config", problem.text, _edit(problem))
    for message in found.warnings:
        yield warn("config", message, "wf config show --origin")
    if found.loaded is not None and not found.problems:
        files = ", ".join(path.name for path in found.files) or "no file: defaults"
        origin = found.loaded.origins["mode"]
        yield ok("config", f"{files}; mode {found.loaded.config.mode} ({origin})")


def _edit(problem: configuration.Problem) -> str:
    if problem.file is None:
        return "wf config check, after each correction"
    return f"${{EDITOR:-vi}} {shlex.quote(problem.file)}; then wf config check looks again"
